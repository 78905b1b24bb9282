//go:build !noasm && !purego

package asm

// The tiles of kernels_amd64.go, all by the contract of Tile. A name gives rows × columns.

//go:noescape
func gemm12x32AVX512(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm11x32AVX512(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm10x32AVX512(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm9x32AVX512(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm8x32AVX512(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm7x32AVX512(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm6x32AVX512(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm5x32AVX512(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm4x32AVX512(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm3x64AVX512(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm3x32AVX512(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm2x64AVX512(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm2x32AVX512(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm1x128AVX512(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm1x32AVX512(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm6x16AVX2(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm5x16AVX2(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm4x16AVX2(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm3x16AVX2(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm2x32AVX2(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm2x16AVX2(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm1x64AVX2(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm1x16AVX2(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

// peakAVX512 runs rounds × 24 independent FMAs of 16 lanes.
//
//go:noescape
func peakAVX512(rounds int)

// peakAVX2 runs rounds × 12 independent FMAs of 8 lanes.
//
//go:noescape
func peakAVX2(rounds int)
