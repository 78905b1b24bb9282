//go:build !noasm && !purego

package asm

// archSets returns the one set of arm64. Advanced SIMD (NEON) is part of the architecture that Go requires: nothing to ask.
func archSets() []Kernels { return []Kernels{neon()} }

func neon() Kernels {
	s := generic // what NEON does not speed up stays portable
	s.Name, s.MR, s.NR = "neon", 6, 16
	s.Tiles = []Tile{
		{6, 1, gemm6x16NEON},
		{5, 1, gemm5x16NEON},
		{4, 1, gemm4x16NEON},
		{3, 2, gemm3x32NEON},
		{3, 1, gemm3x16NEON},
		{2, 2, gemm2x32NEON},
		{2, 1, gemm2x16NEON},
		{1, 4, gemm1x64NEON},
		{1, 1, gemm1x16NEON},
	}
	s.Fused, s.PackCols = s.Tiles, packColsNEON
	elemNEON(&s)
	lowNEON(&s)
	s.peak, s.peakFLOP = peakNEON, 192
	return s
}
