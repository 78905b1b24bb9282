//go:build !noasm && !purego

// The tiles of set avx2: C[m × 16·panels] = Base + Bias + A[m×k]·B[k × 16·panels], m ≤ 6. CPU features: AVX2, FMA3.
//
// Registers of every tile
//
//	CX      steps left, k … 1
//	R8 R9   address of A[0,p] and A[3,p]; SI = row stride of A in bytes, DX = column stride
//	DI      address of B[p,0] in panel 0; R12 = the same in panel 1, R13 = panel stride in bytes (several panels only)
//	AX      address of a row of Base, at the end of C; BX = row stride of it in bytes
//	R8 SI R9 at the end: address of a row of Base, its row stride in bytes, address of Bias
//	R14     address of next[p·nps]; R15 = 4·nps, the bytes of next per step
//
//	Y0…Y11  the tile's sums: Y(2i), Y(2i+1) hold row i of one panel, Y(4i)…Y(4i+3) of two, Y0…Y7 of four
//	Y10…Y13 row p of B: Y12 Y13 in panel 0, Y10 Y11 in panel 1
//	Y14 Y15 an element of A in all 8 lanes
//
// The file is the twin of gemm_avx512_amd64.s with half as many registers, half as wide.

#include "textflag.h"

// ROWSm(OP) applies OP to the rows 0 … m−1 of a tile: OP(address of A[i,p], register for it, sums of the row).
#define ROWS1(OP) OP((R8), Y14, Y0, Y1)
#define ROWS2(OP) ROWS1(OP); OP((R8)(SI*1), Y15, Y2, Y3)
#define ROWS3(OP) ROWS2(OP); OP((R8)(SI*2), Y14, Y4, Y5)
#define ROWS4(OP) ROWS3(OP); OP((R9), Y15, Y6, Y7)
#define ROWS5(OP) ROWS4(OP); OP((R9)(SI*1), Y14, Y8, Y9)
#define ROWS6(OP) ROWS5(OP); OP((R9)(SI*2), Y15, Y10, Y11)

// Start: row i of the tile is zero; fetch row i of Base, which is needed at the end.
#define CLEAR(a, t, c0, c1) \
	VXORPS c0, c0, c0; VXORPS c1, c1, c1; PREFETCHT0 (AX); ADDQ BX, AX

// Step p, row i: tile[i,:] += A[i,p]·B[p,:], rounded once.
#define FMA(a, t, c0, c1) \
	VBROADCASTSS a, t; VFMADD231PS Y12, t, c0; VFMADD231PS Y13, t, c1

// End, one vector: C = (Base + Bias) + sum.
#define ADDV(at, t, c) \
	VMOVUPS at(R8), t; VADDPS at(R9), t, t; VADDPS c, t, c; VMOVUPS c, at(AX)

// End, row i: C[i,:] = (Base[i,:] + Bias) + tile[i,:].
#define ADD(a, t, c0, c1) \
	ADDV(0, t, c0); ADDV(32, t, c1); ADDQ BX, AX; ADDQ SI, R8

// Step p: load B[p,:], fetch B[p+16,:], multiply by the rows of A, go to B[p+1,:].
#define STEP(ROWS) \
	VMOVUPS (DI), Y12; VMOVUPS 32(DI), Y13; PREFETCHT0 1024(DI); \
	ROWS(FMA); \
	ADDQ $64, DI

// A tile is: sums = 0; k steps; C = (Base + Bias) + sums.
#define TILE(ROWS, CLEAR, STEP, ADD) \
	ARGUMENTS; \
	ROWS(CLEAR); \
	TESTQ CX, CX; \
	JZ add; \
	PCALIGN $32; \
step: \
	STEP(ROWS); \
	PREFETCHT1 (R14); ADDQ R15, R14; \
	ADDQ DX, R8; ADDQ DX, R9; \
	DECQ CX; \
	JNZ step; \
add: \
	OUTPUTS; \
	ROWS(ADD); \
	VZEROUPPER; \
	RET

// func gemm6x16AVX2(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
//	base []float32, ldbase int, bias, next []float32, nps int)
TEXT ·gemm6x16AVX2(SB), NOSPLIT, $0-200
// ARGUMENTS stands inside a function so that go vet compares its names and offsets with the Go declaration.
#define ARGUMENTS \
	MOVQ k+0(FP), CX; \
	MOVQ a_base+8(FP), R8; \
	MOVQ ars+32(FP), SI; \
	MOVQ acs+40(FP), DX; \
	MOVQ b_base+48(FP), DI; \
	MOVQ bps+72(FP), R13; \
	MOVQ base_base+112(FP), AX; \
	MOVQ ldbase+136(FP), BX; \
	MOVQ next_base+168(FP), R14; \
	MOVQ nps+192(FP), R15; \
	SHLQ $2, SI; SHLQ $2, DX; SHLQ $2, R13; SHLQ $2, BX; SHLQ $2, R15; \ // floats to bytes
	LEAQ (SI)(SI*2), R12; \ // three rows of A
	LEAQ (R8)(R12*1), R9; \
	LEAQ (DI)(R13*1), R12 // panel 1
#define OUTPUTS \
	MOVQ c_base+80(FP), AX; \
	MOVQ ldc+104(FP), BX; \
	MOVQ base_base+112(FP), R8; \
	MOVQ ldbase+136(FP), SI; \
	MOVQ bias_base+144(FP), R9; \
	SHLQ $2, BX; SHLQ $2, SI
	TILE(ROWS6, CLEAR, STEP, ADD)

TEXT ·gemm5x16AVX2(SB), NOSPLIT, $0-200
	TILE(ROWS5, CLEAR, STEP, ADD)

TEXT ·gemm4x16AVX2(SB), NOSPLIT, $0-200
	TILE(ROWS4, CLEAR, STEP, ADD)

TEXT ·gemm3x16AVX2(SB), NOSPLIT, $0-200
	TILE(ROWS3, CLEAR, STEP, ADD)

TEXT ·gemm2x16AVX2(SB), NOSPLIT, $0-200
	TILE(ROWS2, CLEAR, STEP, ADD)

TEXT ·gemm1x16AVX2(SB), NOSPLIT, $0-200
	TILE(ROWS1, CLEAR, STEP, ADD)

// Two panels, two rows: four sums a row, for eight independent chains of FMA.
#define ROWS2x2(OP) OP((R8), Y14, Y0, Y1, Y2, Y3); OP((R8)(SI*1), Y15, Y4, Y5, Y6, Y7)

#define CLEAR2(a, t, c0, c1, c2, c3) \
	VXORPS c0, c0, c0; VXORPS c1, c1, c1; VXORPS c2, c2, c2; VXORPS c3, c3, c3

#define FMA2(a, t, c0, c1, c2, c3) \
	VBROADCASTSS a, t; \
	VFMADD231PS Y12, t, c0; VFMADD231PS Y13, t, c1; \
	VFMADD231PS Y10, t, c2; VFMADD231PS Y11, t, c3

#define ADDS(at, t, c0, c1, c2, c3) \
	ADDV(at, t, c0); ADDV(at+32, t, c1); ADDV(at+64, t, c2); ADDV(at+96, t, c3)
#define ADD2(a, t, c0, c1, c2, c3) ADDS(0, t, c0, c1, c2, c3); ADDQ BX, AX; ADDQ SI, R8

#define STEP2(ROWS) \
	VMOVUPS (DI), Y12; VMOVUPS 32(DI), Y13; VMOVUPS (R12), Y10; VMOVUPS 32(R12), Y11; \
	ROWS(FMA2); \
	ADDQ $64, DI; ADDQ $64, R12

TEXT ·gemm2x32AVX2(SB), NOSPLIT, $0-200
	TILE(ROWS2x2, CLEAR2, STEP2, ADD2)

// Four panels, one row: each vector of B is used once, so FMA takes it from memory. Panels 2 and 3 are (R12)(R13·1, 2).
#define ROWS1x4(OP) OP((R8), Y14, Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7)

#define CLEAR4(a, t, c0, c1, c2, c3, c4, c5, c6, c7) \
	CLEAR2(a, t, c0, c1, c2, c3); CLEAR2(a, t, c4, c5, c6, c7)

#define FMA4(a, t, c0, c1, c2, c3, c4, c5, c6, c7) \
	VBROADCASTSS a, t; \
	VFMADD231PS (DI), t, c0; VFMADD231PS 32(DI), t, c1; \
	VFMADD231PS (R12), t, c2; VFMADD231PS 32(R12), t, c3; \
	VFMADD231PS (R12)(R13*1), t, c4; VFMADD231PS 32(R12)(R13*1), t, c5; \
	VFMADD231PS (R12)(R13*2), t, c6; VFMADD231PS 32(R12)(R13*2), t, c7

#define ADD4(a, t, c0, c1, c2, c3, c4, c5, c6, c7) \
	ADDS(0, t, c0, c1, c2, c3); ADDS(128, t, c4, c5, c6, c7)

#define STEP4(ROWS) \
	ROWS(FMA4); \
	ADDQ $64, DI; ADDQ $64, R12

TEXT ·gemm1x64AVX2(SB), NOSPLIT, $0-200
	TILE(ROWS1x4, CLEAR4, STEP4, ADD4)
