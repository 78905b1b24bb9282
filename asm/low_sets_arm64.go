//go:build !noasm && !purego

package asm

import "github.com/klauspost/cpuid/v2"

// lowNEON sets the products in low precision. Rounding and quantising rows is left to the portable forms. Without dot products
// (ASIMDDP, Armv8.2) so is int8.
func lowNEON(s *Kernels) {
	cpu := cpuid.CPU
	s.BF16 = bf16NEON(cpu.Supports(cpuid.BF16))
	switch {
	case cpu.Supports(cpuid.I8MM):
		s.Int8 = int8USMMLA()
	case cpu.Supports(cpuid.ASIMDDP):
		s.Int8 = int8SDOT()
	}
}

// bf16NEON is BF16 by BFMLALT and BFMLALB if native, else by FMLA. Neither is faster than float32: BFMLALB, too, multiplies four pairs
// of numbers.
func bf16NEON(native bool) BF16 {
	s := BF16{MR: 6, NR: 16, Pairs: pairsGeneric, peak: peakNEON, peakFLOP: 192}
	if native {
		s.Round, s.PairBytes = roundGeneric, 4
		s.Tiles = []LowTile{
			{6, bf16x6NEON},
			{5, bf16x5NEON},
			{4, bf16x4NEON},
			{3, bf16x3NEON},
			{2, bf16x2NEON},
			{1, bf16x1NEON},
		}
		s.peak, s.peakFLOP = peakBFMLAL, 192
		return s
	}
	s.Round, s.PairBytes = roundSplitGeneric, 8
	s.Tiles = []LowTile{
		{6, bf16x6SplitNEON},
		{5, bf16x5SplitNEON},
		{4, bf16x4SplitNEON},
		{3, bf16x3SplitNEON},
		{2, bf16x2SplitNEON},
		{1, bf16x1SplitNEON},
	}
	return s
}

// int8USMMLA is Int8 by products of 2×8 and 8×2 bytes, unsigned and signed (I8MM, Armv8.6); outlier channels by FMLA.
func int8USMMLA() Int8 {
	return Int8{
		MR: 6, NR: 16, Fast: true,
		Tiles: []LowTile{
			{6, int8x6USMMLA},
			{5, int8x5USMMLA},
			{4, int8x4USMMLA},
			{3, int8x3USMMLA},
			{2, int8x2USMMLA},
			{1, int8x1USMMLA},
		},
		Quantize: quantizeGeneric, QuadBytes: 4, Depth: 8,
		Outliers: roundSplitGeneric, OutlierBytes: 8, Range: rangeGeneric,
		peak: peakUSMMLA, peakOps: 1536,
	}
}

// int8SDOT is Int8 by dot products of signed bytes: A holds q − 128, and 128 times the sums of B's columns come back by the offset.
func int8SDOT() Int8 {
	s := int8USMMLA()
	s.Tiles = []LowTile{
		{6, int8x6SDOT},
		{5, int8x5SDOT},
		{4, int8x4SDOT},
		{3, int8x3SDOT},
		{2, int8x2SDOT},
		{1, int8x1SDOT},
	}
	s.Quantize, s.Shift, s.Depth = quantizeShiftedGeneric, 128, 4
	s.peak, s.peakOps = peakSDOT, 768
	return s
}

// quantizeShiftedGeneric is Quantize with a byte q − 128 for each element.
func quantizeShiftedGeneric(dst []uint8, x []float32, inv float32, zero int32) {
	for i, v := range x {
		dst[i] = uint8(quantize1(v, inv, zero) - 128)
	}
}
