//go:build !linux

package tensor

// adviseHugePages does nothing where there is no such advice.
func adviseHugePages[T float32 | uint8]([]T) {}
