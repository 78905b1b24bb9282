//go:build !noasm && !purego

package asm

// The tiles and roundings of kernels_amd64.go for low precision, by the contracts of BF16 and Int8. A name gives the rows of a tile.

//go:noescape
func bf16x12AVX512(t *TileArgs)

//go:noescape
func bf16x11AVX512(t *TileArgs)

//go:noescape
func bf16x10AVX512(t *TileArgs)

//go:noescape
func bf16x9AVX512(t *TileArgs)

//go:noescape
func bf16x8AVX512(t *TileArgs)

//go:noescape
func bf16x7AVX512(t *TileArgs)

//go:noescape
func bf16x6AVX512(t *TileArgs)

//go:noescape
func bf16x5AVX512(t *TileArgs)

//go:noescape
func bf16x4AVX512(t *TileArgs)

//go:noescape
func bf16x3AVX512(t *TileArgs)

//go:noescape
func bf16x2AVX512(t *TileArgs)

//go:noescape
func bf16x1AVX512(t *TileArgs)

//go:noescape
func bf16x12SplitAVX512(t *TileArgs)

//go:noescape
func bf16x11SplitAVX512(t *TileArgs)

//go:noescape
func bf16x10SplitAVX512(t *TileArgs)

//go:noescape
func bf16x9SplitAVX512(t *TileArgs)

//go:noescape
func bf16x8SplitAVX512(t *TileArgs)

//go:noescape
func bf16x7SplitAVX512(t *TileArgs)

//go:noescape
func bf16x6SplitAVX512(t *TileArgs)

//go:noescape
func bf16x5SplitAVX512(t *TileArgs)

//go:noescape
func bf16x4SplitAVX512(t *TileArgs)

//go:noescape
func bf16x3SplitAVX512(t *TileArgs)

//go:noescape
func bf16x2SplitAVX512(t *TileArgs)

//go:noescape
func bf16x1SplitAVX512(t *TileArgs)

//go:noescape
func int8x12AVX512BF16(t *TileArgs)

//go:noescape
func int8x11AVX512BF16(t *TileArgs)

//go:noescape
func int8x10AVX512BF16(t *TileArgs)

//go:noescape
func int8x9AVX512BF16(t *TileArgs)

//go:noescape
func int8x8AVX512BF16(t *TileArgs)

//go:noescape
func int8x7AVX512BF16(t *TileArgs)

//go:noescape
func int8x6AVX512BF16(t *TileArgs)

//go:noescape
func int8x5AVX512BF16(t *TileArgs)

//go:noescape
func int8x4AVX512BF16(t *TileArgs)

//go:noescape
func int8x3AVX512BF16(t *TileArgs)

//go:noescape
func int8x2AVX512BF16(t *TileArgs)

//go:noescape
func int8x1AVX512BF16(t *TileArgs)

//go:noescape
func int8x12AVX512(t *TileArgs)

//go:noescape
func int8x11AVX512(t *TileArgs)

//go:noescape
func int8x10AVX512(t *TileArgs)

//go:noescape
func int8x9AVX512(t *TileArgs)

//go:noescape
func int8x8AVX512(t *TileArgs)

//go:noescape
func int8x7AVX512(t *TileArgs)

//go:noescape
func int8x6AVX512(t *TileArgs)

//go:noescape
func int8x5AVX512(t *TileArgs)

//go:noescape
func int8x4AVX512(t *TileArgs)

//go:noescape
func int8x3AVX512(t *TileArgs)

//go:noescape
func int8x2AVX512(t *TileArgs)

//go:noescape
func int8x1AVX512(t *TileArgs)

//go:noescape
func bf16x6AVX2(t *TileArgs)

//go:noescape
func bf16x5AVX2(t *TileArgs)

//go:noescape
func bf16x4AVX2(t *TileArgs)

//go:noescape
func bf16x3AVX2(t *TileArgs)

//go:noescape
func bf16x2AVX2(t *TileArgs)

//go:noescape
func bf16x1AVX2(t *TileArgs)

//go:noescape
func int8x6AVX2(t *TileArgs)

//go:noescape
func int8x5AVX2(t *TileArgs)

//go:noescape
func int8x4AVX2(t *TileArgs)

//go:noescape
func int8x3AVX2(t *TileArgs)

//go:noescape
func int8x2AVX2(t *TileArgs)

//go:noescape
func int8x1AVX2(t *TileArgs)

//go:noescape
func int8x6AVX2VNNI(t *TileArgs)

//go:noescape
func int8x5AVX2VNNI(t *TileArgs)

//go:noescape
func int8x4AVX2VNNI(t *TileArgs)

//go:noescape
func int8x3AVX2VNNI(t *TileArgs)

//go:noescape
func int8x2AVX2VNNI(t *TileArgs)

//go:noescape
func int8x1AVX2VNNI(t *TileArgs)

// roundAVX512BF16 is Round with pairs of 4 bytes.
//
//go:noescape
func roundAVX512BF16(dst []uint8, x []float32)

// splitAVX512 is Round with pairs of 8 bytes.
//
//go:noescape
func splitAVX512(dst []uint8, x []float32)

// pairsAVX512BF16 is Pairs for a positive multiple of 16 numbers, by VCVTNE2PS2BF16.
//
//go:noescape
func pairsAVX512BF16(dst []uint8, even, odd []float32)

// pairsAVX512 is the same by integer instructions.
//
//go:noescape
func pairsAVX512(dst []uint8, even, odd []float32)

// splitAVX2 is Round with pairs of 8 bytes, for a positive multiple of 8 numbers.
//
//go:noescape
func splitAVX2(dst []uint8, x []float32)

// pairsAVX2 is Pairs for a positive multiple of 8 numbers.
//
//go:noescape
func pairsAVX2(dst []uint8, even, odd []float32)

// quantizeAVX512 is Quantize with bytes, for a positive multiple of 16 numbers.
//
//go:noescape
func quantizeAVX512(dst []uint8, x []float32, inv float32, zero int32)

// quantizeAVX2 is Quantize with bytes, for a positive multiple of 8 numbers.
//
//go:noescape
func quantizeAVX2(dst []uint8, x []float32, inv float32, zero int32)

// quantizeWideAVX2 is Quantize with int16, for a positive multiple of 8 numbers.
//
//go:noescape
func quantizeWideAVX2(dst []uint8, x []float32, inv float32, zero int32)

// rangeAVX512 is Range for a multiple of 16 numbers.
//
//go:noescape
func rangeAVX512(x []float32) (lo, hi float32)

// rangeAVX2 is Range for a multiple of 8 numbers.
//
//go:noescape
func rangeAVX2(x []float32) (lo, hi float32)

// peakBF16AVX512 runs rounds × 24 independent VDPBF16PS.
//
//go:noescape
func peakBF16AVX512(rounds int)

// peakVNNIAVX512 runs rounds × 24 independent VPDPBUSD of 64 bytes.
//
//go:noescape
func peakVNNIAVX512(rounds int)

// peakVNNIAVX2 runs rounds × 12 independent VPDPBUSD of 32 bytes.
//
//go:noescape
func peakVNNIAVX2(rounds int)

// peakMADDAVX2 runs rounds × 10 independent VPMADDWD of 16 int16, each with its addition.
//
//go:noescape
func peakMADDAVX2(rounds int)

// whole splits n into a multiple of vector, for the assembly, and the rest, for the generic form.
func whole(n, vector int) int { return n &^ (vector - 1) }

// roundBy returns Round, given it for whole vectors.
func roundBy(vectors func(dst []uint8, x []float32), vector int) func(dst []uint8, x []float32) {
	return func(dst []uint8, x []float32) {
		n := whole(len(x), vector)
		if n > 0 {
			vectors(dst, x[:n])
		}
		roundSplitGeneric(dst[4*n:], x[n:])
	}
}

// pairsBy returns Pairs, given it for whole vectors.
func pairsBy(vectors func(dst []uint8, even, odd []float32), vector int) func(dst []uint8, even, odd []float32) {
	return func(dst []uint8, even, odd []float32) {
		n := whole(len(even), vector)
		if n > 0 {
			vectors(dst, even[:n], odd)
		}
		pairsGeneric(dst[4*n:], even[n:], odd[n:])
	}
}

// quantize is the type of Quantize.
type quantize = func(dst []uint8, x []float32, inv float32, zero int32)

// quantizeBy returns Quantize, given it for whole vectors, with so many bytes for an element.
func quantizeBy(vectors, rest quantize, vector, bytes int) quantize {
	return func(dst []uint8, x []float32, inv float32, zero int32) {
		n := whole(len(x), vector)
		if n > 0 {
			vectors(dst, x[:n], inv, zero)
		}
		rest(dst[bytes*n:], x[n:], inv, zero)
	}
}

// rangeBy returns Range, given it for whole vectors.
func rangeBy(vectors func(x []float32) (lo, hi float32), vector int) func(x []float32) (lo, hi float32) {
	return func(x []float32) (lo, hi float32) {
		n := whole(len(x), vector)
		restLo, restHi := rangeGeneric(x[n:])
		if n > 0 {
			lo, hi = vectors(x[:n])
		}
		return min(lo, restLo), max(hi, restHi) // of max, NaN if either is
	}
}
