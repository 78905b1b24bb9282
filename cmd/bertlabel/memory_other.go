//go:build !linux && !darwin

package main

// totalMemory returns 0, unknown: here the memory budget is what --max-memory says.
func totalMemory() int64 { return 0 }

// residentMemory returns the bytes that the process holds.
func residentMemory() int { return mappedMemory() }
