package machine

import "golang.org/x/sys/unix"

// TotalMemory returns the bytes of RAM, 0 where that cannot be read.
func TotalMemory() int64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0
	}
	return int64(n)
}

// Resident returns the bytes that the Go runtime holds, garbage among them, which leaves out the pages of the program itself.
func Resident() int { return mapped() }
