//go:build !noasm && !purego

// The tiles of set neon: C[m × 16·panels] = Base + Bias + A[m×k]·B[k × 16·panels], m ≤ 6. CPU features: ASIMD, which every arm64 has.
//
// Registers of every tile
//
//	R0      steps left, k … 1
//	R1…R6   address of A[0,p] … A[5,p]; R7 = column stride of A in bytes
//	R8      address of B[p,0] in panel 0; R11 R12 R13 = the same in panels 1, 2, 3 (several panels only)
//	R9      address of a row of Base, at the end of C; R10 = row stride of it in bytes
//	R1 R2 R3 at the end: address of a row of Base, its row stride in bytes, address of Bias
//	R16     address of next[p·nps]; R17 = 4·nps, the bytes of next per step
//
//	V0…V23  the tile's sums: V(4i)…V(4i+3) hold row i of one panel, V(8i)…V(8i+7) of two, V0…V15 of four
//	V24…V29 row i of A: A[i,p] in all 4 lanes, or A[i,p] … A[i,p+3]; at the end V24…V27 a row of Base and then of C
//	V28…V31 part of row p of B, two vectors at a time in V30 V31 with one panel; at the end of Bias

#include "textflag.h"
#include "neon_arm64.h"

// ROWSm(OP) applies OP to the rows 0 … m−1 of a tile: OP(address of A[i,p], register for it, its number, number of the row's
// first sum).
#define ROWS1(OP) OP(R1, V24, 24, 0)
#define ROWS2(OP) ROWS1(OP); OP(R2, V25, 25, 4)
#define ROWS3(OP) ROWS2(OP); OP(R3, V26, 26, 8)
#define ROWS4(OP) ROWS3(OP); OP(R4, V27, 27, 12)
#define ROWS5(OP) ROWS4(OP); OP(R5, V28, 28, 16)
#define ROWS6(OP) ROWS5(OP); OP(R6, V29, 29, 20)

// Start: row i of the tile is zero; fetch row i of Base, which is needed at the end.
#define CLEAR(a, v, t, d) \
	VZERO(d); VZERO(d+1); VZERO(d+2); VZERO(d+3); PRFM (R9), PLDL1KEEP; ADD R10, R9

// Step p: A[i,p] to all lanes of a register; go to A[i,p+1].
#define LOAD(a, v, t, d) VLD1R.P (a)(R7), [v.S4]

// Step p, row i: tile[i,:] += A[i,p]·B[p,:], rounded once; first the lower half of the row, then the upper.
#define FMALO(a, v, t, d) VFMLA4S(t, 30, d); VFMLA4S(t, 31, d+1)
#define FMAHI(a, v, t, d) VFMLA4S(t, 30, d+2); VFMLA4S(t, 31, d+3)

// Steps p … p+3 when A[i,p] … A[i,p+3] lie side by side: one load, then the same products lane by lane. FMLA takes the lane
// as it is, where LOAD would spend a vector instruction to spread it (Arm Neoverse N1 Software Optimization Guide, LD1R: L, V).
#define LOADx4(a, v, t, d) VLD1.P 16(a), [v.S4]
#define FMALO0(a, v, t, d) VFMLAS(t, 0, 30, d); VFMLAS(t, 0, 31, d+1)
#define FMAHI0(a, v, t, d) VFMLAS(t, 0, 30, d+2); VFMLAS(t, 0, 31, d+3)
#define FMALO1(a, v, t, d) VFMLAS(t, 1, 30, d); VFMLAS(t, 1, 31, d+1)
#define FMAHI1(a, v, t, d) VFMLAS(t, 1, 30, d+2); VFMLAS(t, 1, 31, d+3)
#define FMALO2(a, v, t, d) VFMLAS(t, 2, 30, d); VFMLAS(t, 2, 31, d+1)
#define FMAHI2(a, v, t, d) VFMLAS(t, 2, 30, d+2); VFMLAS(t, 2, 31, d+3)
#define FMALO3(a, v, t, d) VFMLAS(t, 3, 30, d); VFMLAS(t, 3, 31, d+1)
#define FMAHI3(a, v, t, d) VFMLAS(t, 3, 30, d+2); VFMLAS(t, 3, 31, d+3)

// End: C[i,:] = (Base[i,:] + Bias) + tile[i,:], from number d of the sums on; Base in V24…V27, Bias in V28…V31.
#define SUM4(d) \
	VFADD4S(28, 24, 24); VFADD4S(29, 25, 25); VFADD4S(30, 26, 26); VFADD4S(31, 27, 27); \
	VFADD4S(d, 24, 24); VFADD4S(d+1, 25, 25); VFADD4S(d+2, 26, 26); VFADD4S(d+3, 27, 27)
#define ADDC(a, v, t, d) \
	VLD1 (R1), [V24.S4, V25.S4, V26.S4, V27.S4]; ADD R2, R1; \
	SUM4(d); \
	VST1 [V24.S4, V25.S4, V26.S4, V27.S4], (R9); ADD R10, R9

// Step p with B[p,:] at 0(R8): load one half of it, multiply by the rows of A, then the other half.
#define ROWB(ROWS, LO, HI) \
	FLDPQ (R8), (F30, F31); ROWS(LO); \
	FLDPQ 32(R8), (F30, F31); ROWS(HI); \
	PRFM 1024(R8), PLDL1KEEP; ADD $64, R8; \
	PRFM (R16), PLDL2KEEP; ADD R17, R16

// A tile is: sums = 0; k steps, four at a time while A's columns lie side by side; C += sums.
#define TILE(ROWS) \
	ARGUMENTS; \
	ROWS(CLEAR); \
	CMP $4, R7; \
	BNE rest; \
four: \
	SUBS $4, R0, R0; \
	BLT fewer; \
	ROWS(LOADx4); \
	ROWB(ROWS, FMALO0, FMAHI0); \
	ROWB(ROWS, FMALO1, FMAHI1); \
	ROWB(ROWS, FMALO2, FMAHI2); \
	ROWB(ROWS, FMALO3, FMAHI3); \
	B four; \
fewer: \
	ADD $4, R0; \
rest: \
	CBZ R0, add; \
one: \
	ROWS(LOAD); \
	ROWB(ROWS, FMALO, FMAHI); \
	SUBS $1, R0, R0; \
	BNE one; \
add: \
	OUTPUTS; \
	VLD1 (R3), [V28.S4, V29.S4, V30.S4, V31.S4]; \
	ROWS(ADDC); \
	RET

// func gemm6x16NEON(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
//	base []float32, ldbase int, bias, next []float32, nps int)
TEXT ·gemm6x16NEON(SB), NOSPLIT, $0-200
// ARGUMENTS stands inside a function so that go vet compares its names and offsets with the Go declaration.
#define ARGUMENTS \
	MOVD k+0(FP), R0; \
	MOVD a_base+8(FP), R1; \
	MOVD ars+32(FP), R14; \
	MOVD acs+40(FP), R7; \
	MOVD b_base+48(FP), R8; \
	MOVD bps+72(FP), R15; \
	MOVD base_base+112(FP), R9; \
	MOVD ldbase+136(FP), R10; \
	MOVD next_base+168(FP), R16; \
	MOVD nps+192(FP), R17; \
	LSL $2, R7; LSL $2, R10; LSL $2, R17; \ // floats to bytes
	ADD R14<<2, R1, R2; ADD R14<<2, R2, R3; ADD R14<<2, R3, R4; ADD R14<<2, R4, R5; ADD R14<<2, R5, R6; \
	ADD R15<<2, R8, R11; ADD R15<<2, R11, R12; ADD R15<<2, R12, R13
#define OUTPUTS \
	MOVD c_base+80(FP), R9; \
	MOVD ldc+104(FP), R10; \
	MOVD base_base+112(FP), R1; \
	MOVD ldbase+136(FP), R2; \
	MOVD bias_base+144(FP), R3; \
	LSL $2, R10; LSL $2, R2
	TILE(ROWS6)

TEXT ·gemm5x16NEON(SB), NOSPLIT, $0-200
	TILE(ROWS5)

TEXT ·gemm4x16NEON(SB), NOSPLIT, $0-200
	TILE(ROWS4)

TEXT ·gemm3x16NEON(SB), NOSPLIT, $0-200
	TILE(ROWS3)

TEXT ·gemm2x16NEON(SB), NOSPLIT, $0-200
	TILE(ROWS2)

TEXT ·gemm1x16NEON(SB), NOSPLIT, $0-200
	TILE(ROWS1)

// Several panels and few rows, for at least sixteen independent chains of FMA. Each panel of B is the four vectors V28…V31.
#define ROWS2x2(OP) ROWS1(OP); OP(R2, V25, 25, 8)
#define ROWS3x2(OP) ROWS2x2(OP); OP(R3, V26, 26, 16)

#define CLEAR4(d) VZERO(d); VZERO(d+1); VZERO(d+2); VZERO(d+3)
#define CLEARx2(a, v, t, d) CLEAR4(d); CLEAR4(d+4)
#define CLEARx4(a, v, t, d) CLEAR4(d); CLEAR4(d+4); CLEAR4(d+8); CLEAR4(d+12)

#define FMA4(t, d) VFMLA4S(t, 28, d); VFMLA4S(t, 29, d+1); VFMLA4S(t, 30, d+2); VFMLA4S(t, 31, d+3)
#define FMAP0(a, v, t, d) FMA4(t, d)
#define FMAP1(a, v, t, d) FMA4(t, d+4)
#define FMAP2(a, v, t, d) FMA4(t, d+8)
#define FMAP3(a, v, t, d) FMA4(t, d+12)

#define ADD4(d) \
	VLD1.P 64(R5), [V24.S4, V25.S4, V26.S4, V27.S4]; VLD1.P 64(R6), [V28.S4, V29.S4, V30.S4, V31.S4]; \
	SUM4(d); \
	VST1.P [V24.S4, V25.S4, V26.S4, V27.S4], 64(R14)
#define ROW MOVD R9, R14; MOVD R1, R5; MOVD R3, R6; ADD R10, R9; ADD R2, R1
#define ADDx2(a, v, t, d) ROW; ADD4(d); ADD4(d+4)
#define ADDx4(a, v, t, d) ROW; ADD4(d); ADD4(d+4); ADD4(d+8); ADD4(d+12)

// B[p,:] of the panel at address b, times the rows of A.
#define PANEL(b, ROWS, FMA) \
	VLD1.P 64(b), [V28.S4, V29.S4, V30.S4, V31.S4]; ROWS(FMA)
#define STEPx2(ROWS) PANEL(R8, ROWS, FMAP0); PANEL(R11, ROWS, FMAP1)
#define STEPx4(ROWS) STEPx2(ROWS); PANEL(R12, ROWS, FMAP2); PANEL(R13, ROWS, FMAP3)

#define WIDE(ROWS, CLEAR, STEP, ADDC) \
	ARGUMENTS; \
	ROWS(CLEAR); \
	CBZ R0, add; \
step: \
	ROWS(LOAD); \
	STEP(ROWS); \
	PRFM (R16), PLDL2KEEP; ADD R17, R16; \
	SUBS $1, R0, R0; \
	BNE step; \
add: \
	OUTPUTS; \
	ROWS(ADDC); \
	RET

TEXT ·gemm3x32NEON(SB), NOSPLIT, $0-200
	WIDE(ROWS3x2, CLEARx2, STEPx2, ADDx2)

TEXT ·gemm2x32NEON(SB), NOSPLIT, $0-200
	WIDE(ROWS2x2, CLEARx2, STEPx2, ADDx2)

TEXT ·gemm1x64NEON(SB), NOSPLIT, $0-200
	WIDE(ROWS1, CLEARx4, STEPx4, ADDx4)
