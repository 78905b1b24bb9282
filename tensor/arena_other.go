//go:build !linux

package tensor

// adviseHugePages does nothing where there is no such advice.
func adviseHugePages([]float32) {}
