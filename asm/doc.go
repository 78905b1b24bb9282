// Package asm holds the arithmetic that takes the time: the register tiles of the matrix product and the element-wise
// functions of BERT, on plain []float32. It knows no shapes beyond its arguments, starts no goroutines and keeps no state.
//
// A Kernels value is one complete set for one CPU feature level:
//
//	generic  plain Go, on every CPU: the specification of all others
//	avx2     AVX2 and FMA3, 16 registers of 8 floats
//	avx512   AVX-512 F, BW, DQ, VL, 32 registers of 16 floats
//	neon     ASIMD on arm64, 32 registers of 4 floats
//
// Best is the set of this process; BERTLABEL_KERNELS names another one. The build tags noasm and purego leave generic alone.
//
// A call such as asm.Best.LayerNorm(…) goes through a field. What it computes stands in the function of generic's that bears the name:
// Best.NAME is nameGeneric (layerNormGeneric, softmaxGeneric, geluTanhGeneric, …), and the other sets do the same, faster.
//
// Read kernels.go first, the contract of every kernel; then gemm_generic.go, the matrix product in twenty lines of Go; then
// gemm_avx512_amd64.s, the same in registers, with docs/kernels.md beside it, which goes through one tile line by line. The
// element-wise functions begin at elem_generic.go; docs/elementwise.md derives them. low.go is the contract of the products in bf16 and
// int8, bf16_generic.go and int8_generic.go their specification, docs/precision.md the formulas.
package asm
