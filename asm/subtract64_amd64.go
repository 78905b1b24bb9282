//go:build !noasm && !purego

package asm

// subtract64AVX512 and subtract64AVX2 are Subtract64.
//
//go:noescape
func subtract64AVX512(k int, a []float64, lda int, b []float64, c []float64, ldc int)

//go:noescape
func subtract64AVX2(k int, a []float64, lda int, b []float64, c []float64, ldc int)
