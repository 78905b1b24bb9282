//go:build !noasm && !purego

// The tiles of set avx512: C[m × 32·panels] = Base + Bias + A[m×k]·B[k × 32·panels], m ≤ 12. CPU features: AVX512F.
//
// Registers of every tile
//
//	CX      steps left, k … 1
//	R8…R11  address of A[0,p], A[3,p], A[6,p], A[9,p]; SI = row stride of A in bytes, DX = column stride
//	DI      address of B[p,0] in panel 0; R12 = the same in panel 1, R13 = panel stride in bytes (several panels only)
//	AX      address of a row of Base, at the end of C; BX = row stride of it in bytes
//	R8 SI R9 at the end: address of a row of Base, its row stride in bytes, address of Bias
//	R14     address of next[p·nps]; R15 = 4·nps, the bytes of next per step
//
//	Z0…Z23  the tile's sums: Z(2i), Z(2i+1) hold row i of one panel, Z(4i)…Z(4i+3) of two, Z0…Z7 of four
//	Z24…Z27 row p of B: Z24 Z25 in panel 0, Z26 Z27 in panel 1
//	Z28…Z31 an element of A in all 16 lanes
//
// One step is not unrolled: the eight other instructions of the loop run beside its 24 FMAs (BenchmarkGEMMTile).

#include "textflag.h"

// ROWSm(OP) applies OP to the rows 0 … m−1 of a tile: OP(address of A[i,p], register for it, sums of the row).
#define ROWS1(OP)  OP((R8), Z28, Z0, Z1)
#define ROWS2(OP)  ROWS1(OP); OP((R8)(SI*1), Z29, Z2, Z3)
#define ROWS3(OP)  ROWS2(OP); OP((R8)(SI*2), Z30, Z4, Z5)
#define ROWS4(OP)  ROWS3(OP); OP((R9), Z31, Z6, Z7)
#define ROWS5(OP)  ROWS4(OP); OP((R9)(SI*1), Z28, Z8, Z9)
#define ROWS6(OP)  ROWS5(OP); OP((R9)(SI*2), Z29, Z10, Z11)
#define ROWS7(OP)  ROWS6(OP); OP((R10), Z30, Z12, Z13)
#define ROWS8(OP)  ROWS7(OP); OP((R10)(SI*1), Z31, Z14, Z15)
#define ROWS9(OP)  ROWS8(OP); OP((R10)(SI*2), Z28, Z16, Z17)
#define ROWS10(OP) ROWS9(OP); OP((R11), Z29, Z18, Z19)
#define ROWS11(OP) ROWS10(OP); OP((R11)(SI*1), Z30, Z20, Z21)
#define ROWS12(OP) ROWS11(OP); OP((R11)(SI*2), Z31, Z22, Z23)

// Start: row i of the tile is zero; fetch row i of Base, which is needed at the end.
#define CLEAR(a, t, c0, c1) \
	VPXORD c0, c0, c0; VPXORD c1, c1, c1; \
	PREFETCHT0 (AX); PREFETCHT0 64(AX); ADDQ BX, AX

// Step p, row i: tile[i,:] += A[i,p]·B[p,:], rounded once.
#define FMA(a, t, c0, c1) \
	VBROADCASTSS a, t; VFMADD231PS Z24, t, c0; VFMADD231PS Z25, t, c1

// End, one vector: C = (Base + Bias) + sum.
#define ADDV(at, t, c) \
	VMOVUPS at(R8), t; VADDPS at(R9), t, t; VADDPS c, t, c; VMOVUPS c, at(AX)

// End, row i: C[i,:] = (Base[i,:] + Bias) + tile[i,:].
#define ADD(a, t, c0, c1) \
	ADDV(0, t, c0); ADDV(64, t, c1); ADDQ BX, AX; ADDQ SI, R8

// Step p: load B[p,:], fetch B[p+8,:], multiply by the rows of A, go to B[p+1,:].
#define STEP(ROWS) \
	VMOVUPS (DI), Z24; VMOVUPS 64(DI), Z25; \
	PREFETCHT0 1024(DI); PREFETCHT0 1088(DI); \
	ROWS(FMA); \
	ADDQ $128, DI

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
	ADDQ DX, R8; ADDQ DX, R9; ADDQ DX, R10; ADDQ DX, R11; \
	DECQ CX; \
	JNZ step; \
add: \
	OUTPUTS; \
	ROWS(ADD); \
	VZEROUPPER; \
	RET

// func gemm12x32AVX512(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int,
//	base []float32, ldbase int, bias, next []float32, nps int)
TEXT ·gemm12x32AVX512(SB), NOSPLIT, $0-200
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
	LEAQ (R9)(R12*1), R10; \
	LEAQ (R10)(R12*1), R11; \
	LEAQ (DI)(R13*1), R12 // panel 1
#define OUTPUTS \
	MOVQ c_base+80(FP), AX; \
	MOVQ ldc+104(FP), BX; \
	MOVQ base_base+112(FP), R8; \
	MOVQ ldbase+136(FP), SI; \
	MOVQ bias_base+144(FP), R9; \
	SHLQ $2, BX; SHLQ $2, SI
	TILE(ROWS12, CLEAR, STEP, ADD)

TEXT ·gemm11x32AVX512(SB), NOSPLIT, $0-200
	TILE(ROWS11, CLEAR, STEP, ADD)

TEXT ·gemm10x32AVX512(SB), NOSPLIT, $0-200
	TILE(ROWS10, CLEAR, STEP, ADD)

TEXT ·gemm9x32AVX512(SB), NOSPLIT, $0-200
	TILE(ROWS9, CLEAR, STEP, ADD)

TEXT ·gemm8x32AVX512(SB), NOSPLIT, $0-200
	TILE(ROWS8, CLEAR, STEP, ADD)

TEXT ·gemm7x32AVX512(SB), NOSPLIT, $0-200
	TILE(ROWS7, CLEAR, STEP, ADD)

TEXT ·gemm6x32AVX512(SB), NOSPLIT, $0-200
	TILE(ROWS6, CLEAR, STEP, ADD)

TEXT ·gemm5x32AVX512(SB), NOSPLIT, $0-200
	TILE(ROWS5, CLEAR, STEP, ADD)

TEXT ·gemm4x32AVX512(SB), NOSPLIT, $0-200
	TILE(ROWS4, CLEAR, STEP, ADD)

TEXT ·gemm3x32AVX512(SB), NOSPLIT, $0-200
	TILE(ROWS3, CLEAR, STEP, ADD)

TEXT ·gemm2x32AVX512(SB), NOSPLIT, $0-200
	TILE(ROWS2, CLEAR, STEP, ADD)

TEXT ·gemm1x32AVX512(SB), NOSPLIT, $0-200
	TILE(ROWS1, CLEAR, STEP, ADD)

// Two panels, m ≤ 3: four sums a row, for at least eight independent chains of FMA.
#define ROWS2x2(OP) OP((R8), Z28, Z0, Z1, Z2, Z3); OP((R8)(SI*1), Z29, Z4, Z5, Z6, Z7)
#define ROWS3x2(OP) ROWS2x2(OP); OP((R8)(SI*2), Z30, Z8, Z9, Z10, Z11)

#define CLEAR2(a, t, c0, c1, c2, c3) \
	VPXORD c0, c0, c0; VPXORD c1, c1, c1; VPXORD c2, c2, c2; VPXORD c3, c3, c3

#define FMA2(a, t, c0, c1, c2, c3) \
	VBROADCASTSS a, t; \
	VFMADD231PS Z24, t, c0; VFMADD231PS Z25, t, c1; \
	VFMADD231PS Z26, t, c2; VFMADD231PS Z27, t, c3

#define ADDS(at, t, c0, c1, c2, c3) \
	ADDV(at, t, c0); ADDV(at+64, t, c1); ADDV(at+128, t, c2); ADDV(at+192, t, c3)
#define ADD2(a, t, c0, c1, c2, c3) ADDS(0, t, c0, c1, c2, c3); ADDQ BX, AX; ADDQ SI, R8

#define STEP2(ROWS) \
	VMOVUPS (DI), Z24; VMOVUPS 64(DI), Z25; VMOVUPS (R12), Z26; VMOVUPS 64(R12), Z27; \
	ROWS(FMA2); \
	ADDQ $128, DI; ADDQ $128, R12

TEXT ·gemm3x64AVX512(SB), NOSPLIT, $0-200
	TILE(ROWS3x2, CLEAR2, STEP2, ADD2)

TEXT ·gemm2x64AVX512(SB), NOSPLIT, $0-200
	TILE(ROWS2x2, CLEAR2, STEP2, ADD2)

// Four panels, one row: each vector of B is used once, so FMA takes it from memory. Panels 2 and 3 are (R12)(R13·1, 2).
#define ROWS1x4(OP) OP((R8), Z28, Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)

#define CLEAR4(a, t, c0, c1, c2, c3, c4, c5, c6, c7) \
	CLEAR2(a, t, c0, c1, c2, c3); CLEAR2(a, t, c4, c5, c6, c7)

#define FMA4(a, t, c0, c1, c2, c3, c4, c5, c6, c7) \
	VBROADCASTSS a, t; \
	VFMADD231PS (DI), t, c0; VFMADD231PS 64(DI), t, c1; \
	VFMADD231PS (R12), t, c2; VFMADD231PS 64(R12), t, c3; \
	VFMADD231PS (R12)(R13*1), t, c4; VFMADD231PS 64(R12)(R13*1), t, c5; \
	VFMADD231PS (R12)(R13*2), t, c6; VFMADD231PS 64(R12)(R13*2), t, c7

#define ADD4(a, t, c0, c1, c2, c3, c4, c5, c6, c7) \
	ADDS(0, t, c0, c1, c2, c3); ADDS(256, t, c4, c5, c6, c7)

#define STEP4(ROWS) \
	ROWS(FMA4); \
	ADDQ $128, DI; ADDQ $128, R12

TEXT ·gemm1x128AVX512(SB), NOSPLIT, $0-200
	TILE(ROWS1x4, CLEAR4, STEP4, ADD4)
