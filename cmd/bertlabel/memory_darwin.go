package main

import "golang.org/x/sys/unix"

// totalMemory returns the bytes of RAM.
func totalMemory() int64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0
	}
	return int64(n)
}

// residentMemory returns the bytes that the process holds.
func residentMemory() int { return mappedMemory() }
