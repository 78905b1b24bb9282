//go:build !noasm && !purego

package asm

import "github.com/klauspost/cpuid/v2"

// lowAVX512 sets the products in low precision. Those of int8 need AVX512_VNNI (Cascade Lake, Zen 4 and later), else they stay
// as they are in AVX2; those of bf16 need AVX512_BF16 to be fast (Zen 4 and later).
func lowAVX512(s *Kernels) {
	fast := fastBF16()
	s.BF16 = bf16AVX512(fast)
	if cpuid.CPU.Supports(cpuid.AVX512VNNI) {
		s.Int8 = int8AVX512(fast)
	}
}

// fastBF16 reports whether VDPBF16PS is worth having. AMD's CPUs start as many as FMAs. Intel's have it since Cooper Lake, but do half
// the operations by it that they do by FMA (BenchmarkLowTile on a Xeon of family 6, model 207: 84 against 158 GFLOP/s): there the
// FMA tiles give the same bits sooner.
func fastBF16() bool {
	return cpuid.CPU.Supports(cpuid.AVX512BF16) && !cpuid.CPU.IsVendor(cpuid.Intel)
}

// bf16AVX512 is BF16 by VDPBF16PS if native, else by FMA.
func bf16AVX512(native bool) BF16 {
	if !native {
		return BF16{
			MR: 12, NR: 32,
			Tiles: []LowTile{
				{12, bf16x12SplitAVX512},
				{11, bf16x11SplitAVX512},
				{10, bf16x10SplitAVX512},
				{9, bf16x9SplitAVX512},
				{8, bf16x8SplitAVX512},
				{7, bf16x7SplitAVX512},
				{6, bf16x6SplitAVX512},
				{5, bf16x5SplitAVX512},
				{4, bf16x4SplitAVX512},
				{3, bf16x3SplitAVX512},
				{2, bf16x2SplitAVX512},
				{1, bf16x1SplitAVX512},
			},
			Round: splitAVX512, PairBytes: 8, Pairs: pairsBy(pairsAVX512, 16),
			peak: peakAVX512, peakFLOP: 768,
		}
	}
	return BF16{
		MR: 12, NR: 32, Fast: true,
		Tiles: []LowTile{
			{12, bf16x12AVX512},
			{11, bf16x11AVX512},
			{10, bf16x10AVX512},
			{9, bf16x9AVX512},
			{8, bf16x8AVX512},
			{7, bf16x7AVX512},
			{6, bf16x6AVX512},
			{5, bf16x5AVX512},
			{4, bf16x4AVX512},
			{3, bf16x3AVX512},
			{2, bf16x2AVX512},
			{1, bf16x1AVX512},
		},
		Round: roundAVX512BF16, PairBytes: 4, Pairs: pairsBy(pairsAVX512BF16, 16),
		peak: peakBF16AVX512, peakFLOP: 1536,
	}
}

// int8AVX512 is Int8 by VPDPBUSD, with outlier channels by VDPBF16PS if native, else by FMA.
func int8AVX512(native bool) Int8 {
	s := Int8{
		MR: 12, NR: 32, Fast: true,
		Quantize: quantizeBy(quantizeAVX512, quantizeGeneric, 16, 1), QuadBytes: 4, Depth: 4,
		Range: rangeBy(rangeAVX512, 16),
		peak:  peakVNNIAVX512, peakOps: 3072,
	}
	if native {
		s.Outliers, s.OutlierBytes = roundAVX512BF16, 4
		s.Tiles = []LowTile{
			{12, int8x12AVX512BF16},
			{11, int8x11AVX512BF16},
			{10, int8x10AVX512BF16},
			{9, int8x9AVX512BF16},
			{8, int8x8AVX512BF16},
			{7, int8x7AVX512BF16},
			{6, int8x6AVX512BF16},
			{5, int8x5AVX512BF16},
			{4, int8x4AVX512BF16},
			{3, int8x3AVX512BF16},
			{2, int8x2AVX512BF16},
			{1, int8x1AVX512BF16},
		}
		return s
	}
	s.Outliers, s.OutlierBytes = splitAVX512, 8
	s.Tiles = []LowTile{
		{12, int8x12AVX512},
		{11, int8x11AVX512},
		{10, int8x10AVX512},
		{9, int8x9AVX512},
		{8, int8x8AVX512},
		{7, int8x7AVX512},
		{6, int8x6AVX512},
		{5, int8x5AVX512},
		{4, int8x4AVX512},
		{3, int8x3AVX512},
		{2, int8x2AVX512},
		{1, int8x1AVX512},
	}
	return s
}

// lowAVX2 sets the products in low precision. Those of int8 are by VPDPBUSD with AVX-VNNI (Alder Lake, Zen 5 and later), else by
// VPMADDWD.
func lowAVX2(s *Kernels) {
	s.BF16 = BF16{
		MR: 6, NR: 16,
		Tiles: []LowTile{
			{6, bf16x6AVX2},
			{5, bf16x5AVX2},
			{4, bf16x4AVX2},
			{3, bf16x3AVX2},
			{2, bf16x2AVX2},
			{1, bf16x1AVX2},
		},
		Round: roundBy(splitAVX2, 8), PairBytes: 8, Pairs: pairsBy(pairsAVX2, 8),
		peak: peakAVX2, peakFLOP: 192,
	}
	s.Int8 = int8AVX2(cpuid.CPU.Supports(cpuid.AVXVNNI))
}

// int8AVX2 is Int8 by VPDPBUSD if vnni, else by VPMADDWD; outlier channels by FMA.
func int8AVX2(vnni bool) Int8 {
	s := Int8{
		MR: 6, NR: 16, Fast: true,
		Range:    rangeBy(rangeAVX2, 8),
		Outliers: roundBy(splitAVX2, 8), OutlierBytes: 8,
	}
	if vnni {
		s.Quantize, s.QuadBytes, s.Depth = quantizeBy(quantizeAVX2, quantizeGeneric, 8, 1), 4, 4
		s.Tiles = []LowTile{
			{6, int8x6AVX2VNNI},
			{5, int8x5AVX2VNNI},
			{4, int8x4AVX2VNNI},
			{3, int8x3AVX2VNNI},
			{2, int8x2AVX2VNNI},
			{1, int8x1AVX2VNNI},
		}
		s.peak, s.peakOps = peakVNNIAVX2, 768
		return s
	}
	s.Quantize, s.QuadBytes, s.Depth = quantizeBy(quantizeWideAVX2, quantizeWideGeneric, 8, 2), 8, 2
	s.Tiles = []LowTile{
		{6, int8x6AVX2},
		{5, int8x5AVX2},
		{4, int8x4AVX2},
		{3, int8x3AVX2},
		{2, int8x2AVX2},
		{1, int8x1AVX2},
	}
	s.peak, s.peakOps = peakMADDAVX2, 320
	return s
}
