//go:build !noasm && !purego

package asm

// archSets returns the one set of arm64. Advanced SIMD (NEON) is part of the architecture that Go requires: nothing to ask.
func archSets() []Kernels { return []Kernels{neon()} }

func neon() Kernels {
	s := generic // what NEON does not speed up stays portable
	s.Name = "neon"
	return s
}
