//go:build !noasm && !purego
package asm
func packColsNEON(dst, src []float32, ld, k, n int)   { packCols(dst, src, 16, ld, k, n) }
