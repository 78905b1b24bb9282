//go:build !noasm && !purego

#include "textflag.h"

// Subtract64: c[i·ldc + j] −= Σ a[p·lda + i]·b[p·16 + j] in float64, i < 4, j < 16. Product and difference are two instructions, so that
// they round as scalar code does. The block of c stays in registers; a step loads a row of b and four numbers of a.
//
//	CX steps left, SI a, R8 8·lda, DX b, DI c, R9 8·ldc, R10 c of row 2

// OPERANDS loads them.
#define OPERANDS \
	MOVQ k+0(FP), CX; \
	MOVQ a_base+8(FP), SI; \
	MOVQ lda+32(FP), R8; \
	MOVQ b_base+40(FP), DX; \
	MOVQ c_base+64(FP), DI; \
	MOVQ ldc+88(FP), R9; \
	SHLQ $3, R8; \
	SHLQ $3, R9; \
	LEAQ (DI)(R9*2), R10

// LOAD takes the rows of c into registers, two vectors of w bytes each; STORE puts them back.
#define LOAD(w, r0, r1, r2, r3, r4, r5, r6, r7) \
	VMOVUPD (DI), r0; VMOVUPD w(DI), r1; \
	VMOVUPD (DI)(R9*1), r2; VMOVUPD w(DI)(R9*1), r3; \
	VMOVUPD (R10), r4; VMOVUPD w(R10), r5; \
	VMOVUPD (R10)(R9*1), r6; VMOVUPD w(R10)(R9*1), r7
#define STORE(w, r0, r1, r2, r3, r4, r5, r6, r7) \
	VMOVUPD r0, (DI); VMOVUPD r1, w(DI); \
	VMOVUPD r2, (DI)(R9*1); VMOVUPD r3, w(DI)(R9*1); \
	VMOVUPD r4, (R10); VMOVUPD r5, w(R10); \
	VMOVUPD r6, (R10)(R9*1); VMOVUPD r7, w(R10)(R9*1)

// A row of c in two vectors: lo and hi −= a[i]·(Z8, Z9).
#define ROW512(i, lo, hi) \
	VMULPD.BCST (8*i)(SI), Z8, Z10; VMULPD.BCST (8*i)(SI), Z9, Z11; \
	VSUBPD Z10, lo, lo; VSUBPD Z11, hi, hi

// func subtract64AVX512(k int, a []float64, lda int, b []float64, c []float64, ldc int)
TEXT ·subtract64AVX512(SB), NOSPLIT, $0-96
	OPERANDS
	LOAD(64, Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)
	TESTQ CX, CX
	JZ done
step:
	VMOVUPD (DX), Z8
	VMOVUPD 64(DX), Z9
	ROW512(0, Z0, Z1)
	ROW512(1, Z2, Z3)
	ROW512(2, Z4, Z5)
	ROW512(3, Z6, Z7)
	ADDQ $128, DX
	ADDQ R8, SI
	DECQ CX
	JNZ step
done:
	STORE(64, Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)
	VZEROUPPER
	RET

// A row of half a block in two vectors: lo and hi −= a[i]·(Y8, Y9).
#define ROW2(i, lo, hi) \
	VBROADCASTSD (8*i)(SI), Y10; \
	VMULPD Y8, Y10, Y11; VMULPD Y9, Y10, Y10; \
	VSUBPD Y11, lo, lo; VSUBPD Y10, hi, hi

// func subtract64AVX2(k int, a []float64, lda int, b []float64, c []float64, ldc int)
//
// Half a block after the other, R11 of them left: the registers do not hold 4 rows of 16.
TEXT ·subtract64AVX2(SB), NOSPLIT, $0-96
	OPERANDS
	MOVQ $2, R11
half:
	LOAD(32, Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7)
	TESTQ CX, CX
	JZ done
step:
	VMOVUPD (DX), Y8
	VMOVUPD 32(DX), Y9
	ROW2(0, Y0, Y1)
	ROW2(1, Y2, Y3)
	ROW2(2, Y4, Y5)
	ROW2(3, Y6, Y7)
	ADDQ $128, DX
	ADDQ R8, SI
	DECQ CX
	JNZ step
done:
	STORE(32, Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7)
	MOVQ k+0(FP), CX
	MOVQ a_base+8(FP), SI
	MOVQ b_base+40(FP), DX
	ADDQ $64, DX
	ADDQ $64, DI
	ADDQ $64, R10
	DECQ R11
	JNZ half
	VZEROUPPER
	RET
