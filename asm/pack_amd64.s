//go:build !noasm && !purego

// PackCols for AVX-512 and AVX2: a stripe of W columns of the panel from W rows of src, four elements of each row at a time.
// CPU features: AVX512F, DQ; AVX2.
//
// W rows of four elements fill four registers, row i going to lane i/4 of register i mod 4. Transposing the 4×4 blocks inside
// the lanes leaves in register c the elements c of all W rows, in order: four rows of the panel.
//
//	BX     rows of src in this stripe; the columns of the others are zero
//	CX     elements left in a row, a multiple of 4
//	DI     address of dst[p·NR]
//	R8     address of src[p]; SI = address of src[j·ld + p]; DX = ld in bytes
//	0…3    the registers of the stripe; 4…7 the half-transposed blocks

#include "textflag.h"

// LOAD takes row j to lane 0 of a register and zeroes the other lanes; INSERT takes row j to another lane. The rows end at BX.
#define LOAD(j, x) CMPQ BX, $j; JLE loaded; VMOVUPS (SI), x; ADDQ DX, SI
#define INSERT(j, instruction, lane, r) CMPQ BX, $j; JLE loaded; instruction $lane, (SI), r, r; ADDQ DX, SI

// TRANSPOSE transposes the 4×4 blocks in all lanes: rows x0…x3 in, columns out, in the same registers.
#define TRANSPOSE(x0, x1, x2, x3, y0, y1, y2, y3) \
	VUNPCKLPS x1, x0, y0; VUNPCKHPS x1, x0, y1; \ // x0[0] x1[0] x0[1] x1[1], then [2] and [3]
	VUNPCKLPS x3, x2, y2; VUNPCKHPS x3, x2, y3; \
	VUNPCKLPD y2, y0, x0; VUNPCKHPD y2, y0, x1; \ // x0[0] x1[0] x2[0] x3[0], then [1]
	VUNPCKLPD y3, y1, x2; VUNPCKHPD y3, y1, x3

// func packStripeAVX512(dst, src []float32, ld, k, n int)
// W = 16, NR = 32.
TEXT ·packStripeAVX512(SB), NOSPLIT, $0-72
#define ARGUMENTS \
	MOVQ dst_base+0(FP), DI; \
	MOVQ src_base+24(FP), R8; \
	MOVQ ld+48(FP), DX; \
	MOVQ k+56(FP), CX; \
	MOVQ n+64(FP), BX; \
	SHLQ $2, DX
	ARGUMENTS
step:
	MOVQ R8, SI
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	LOAD(0, X0)
	LOAD(1, X1)
	LOAD(2, X2)
	LOAD(3, X3)
	INSERT(4, VINSERTF32X4, 1, Z0)
	INSERT(5, VINSERTF32X4, 1, Z1)
	INSERT(6, VINSERTF32X4, 1, Z2)
	INSERT(7, VINSERTF32X4, 1, Z3)
	INSERT(8, VINSERTF32X4, 2, Z0)
	INSERT(9, VINSERTF32X4, 2, Z1)
	INSERT(10, VINSERTF32X4, 2, Z2)
	INSERT(11, VINSERTF32X4, 2, Z3)
	INSERT(12, VINSERTF32X4, 3, Z0)
	INSERT(13, VINSERTF32X4, 3, Z1)
	INSERT(14, VINSERTF32X4, 3, Z2)
	INSERT(15, VINSERTF32X4, 3, Z3)
loaded:
	TRANSPOSE(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)
	VMOVUPS Z0, (DI)
	VMOVUPS Z1, 128(DI)
	VMOVUPS Z2, 256(DI)
	VMOVUPS Z3, 384(DI)
	ADDQ $16, R8
	ADDQ $512, DI
	SUBQ $4, CX
	JG step
	VZEROUPPER
	RET

// func packStripeAVX2(dst, src []float32, ld, k, n int)
// W = 8, NR = 16.
TEXT ·packStripeAVX2(SB), NOSPLIT, $0-72
	ARGUMENTS
step:
	MOVQ R8, SI
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	LOAD(0, X0)
	LOAD(1, X1)
	LOAD(2, X2)
	LOAD(3, X3)
	INSERT(4, VINSERTF128, 1, Y0)
	INSERT(5, VINSERTF128, 1, Y1)
	INSERT(6, VINSERTF128, 1, Y2)
	INSERT(7, VINSERTF128, 1, Y3)
loaded:
	TRANSPOSE(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7)
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 64(DI)
	VMOVUPS Y2, 128(DI)
	VMOVUPS Y3, 192(DI)
	ADDQ $16, R8
	ADDQ $256, DI
	SUBQ $4, CX
	JG step
	VZEROUPPER
	RET
