//go:build !noasm && !purego

package asm

import "github.com/klauspost/cpuid/v2"

// archSets returns the sets that this CPU and its operating system can run, best first. cpuid reports AVX2 and AVX-512 only
// where the system saves the YMM and ZMM registers.
func archSets() (sets []Kernels) {
	cpu := cpuid.CPU
	if cpu.Supports(cpuid.AVX2, cpuid.FMA3, cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL) {
		sets = append(sets, avx512())
	}
	if cpu.Supports(cpuid.AVX2, cpuid.FMA3) {
		sets = append(sets, avx2())
	}
	return sets
}

// avx512 needs F, BW, DQ and VL: Skylake-SP (2017), Zen 4 (2022) and later.
func avx512() Kernels {
	s := avx2() // what AVX-512 does not speed up stays as it is in AVX2
	s.Name, s.MR, s.NR = "avx512", 12, 32
	s.Tiles = []Tile{
		{12, 1, gemm12x32AVX512},
		{11, 1, gemm11x32AVX512},
		{10, 1, gemm10x32AVX512},
		{9, 1, gemm9x32AVX512},
		{8, 1, gemm8x32AVX512},
		{7, 1, gemm7x32AVX512},
		{6, 1, gemm6x32AVX512},
		{5, 1, gemm5x32AVX512},
		{4, 1, gemm4x32AVX512},
		{3, 2, gemm3x64AVX512},
		{3, 1, gemm3x32AVX512},
		{2, 2, gemm2x64AVX512},
		{2, 1, gemm2x32AVX512},
		{1, 4, gemm1x128AVX512},
		{1, 1, gemm1x32AVX512},
	}
	s.Fused, s.PackCols, s.Subtract64 = s.Tiles, packColsAVX512, subtract64AVX512
	elemAVX512(&s)
	lowAVX512(&s)
	s.peak, s.peakFLOP = peakAVX512, 768
	return s
}

// avx2 needs AVX2 and FMA3: Haswell (2013), Zen (2017) and later.
func avx2() Kernels {
	s := generic // what AVX2 does not speed up stays portable
	s.Name, s.MR, s.NR = "avx2", 6, 16
	s.Tiles = []Tile{
		{6, 1, gemm6x16AVX2},
		{5, 1, gemm5x16AVX2},
		{4, 1, gemm4x16AVX2},
		{3, 1, gemm3x16AVX2},
		{2, 2, gemm2x32AVX2},
		{2, 1, gemm2x16AVX2},
		{1, 4, gemm1x64AVX2},
		{1, 1, gemm1x16AVX2},
	}
	s.Fused, s.PackCols, s.Subtract64 = s.Tiles, packColsAVX2, subtract64AVX2
	elemAVX2(&s)
	lowAVX2(&s)
	s.peak, s.peakFLOP = peakAVX2, 192
	return s
}
