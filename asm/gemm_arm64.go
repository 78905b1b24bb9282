//go:build !noasm && !purego

package asm

// The tiles of kernels_arm64.go, all by the contract of Tile. A name gives rows × columns.

//go:noescape
func gemm6x16NEON(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm5x16NEON(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm4x16NEON(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm3x32NEON(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm3x16NEON(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm2x32NEON(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm2x16NEON(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm1x64NEON(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

//go:noescape
func gemm1x16NEON(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
	base []float32, ldbase int, bias, next []float32, nps int)

// peakNEON runs rounds × 24 independent FMAs of 4 lanes.
//
//go:noescape
func peakNEON(rounds int)
