//go:build !linux && !darwin

package machine

// TotalMemory returns 0: it is not known here.
func TotalMemory() int64 { return 0 }

// Resident returns the bytes that the Go runtime holds, garbage among them, which leaves out the pages of the program itself.
func Resident() int { return mapped() }
