package term

import "fmt"

// Bytes writes a size with three digits.
func Bytes(n int) string {
	switch x := float64(n); {
	case n >= 1<<30:
		return fmt.Sprintf("%.3g GiB", x/(1<<30))
	default:
		return fmt.Sprintf("%.3g MiB", x/(1<<20))
	}
}
