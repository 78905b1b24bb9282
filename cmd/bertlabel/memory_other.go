//go:build !linux && !darwin

package main

// totalMemory returns 0, unknown: here the memory budget is what --max-memory says.
func totalMemory() int64 { return 0 }
