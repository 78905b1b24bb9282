package machine

import "fmt"

// Bytes is a number of bytes that is written for people.
type Bytes int64

// String writes the size with three digits, in GiB from one on, else in MiB.
func (b Bytes) String() string {
	const mib, gib = 1 << 20, 1 << 30
	if b >= gib {
		return fmt.Sprintf("%.3g GiB", float64(b)/gib)
	}
	return fmt.Sprintf("%.3g MiB", float64(b)/mib)
}
