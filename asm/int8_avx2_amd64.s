//go:build !noasm && !purego

// The tiles of Int8 at level avx2: C[m×16] = A[m×k]·B[k×16], scaled, + Bias + Base, m ≤ 6, k in quads. CPU features: AVX2, FMA3 and,
// for the tiles named VNNI, AVX-VNNI: the 256-bit form of VPDPBUSD with a VEX prefix, of CPUs without AVX-512.
//
// Registers: low_avx2_amd64.h. A step takes a quad of k. With VNNI a row of B is 16 quads of bytes and an element of A is a quad of
// bytes; without, B has two rows of 16 pairs of bytes, which are widened, and an element of A is two pairs of int16. CX is the
// address of the RowFactors before and behind the steps.
//
// VPMADDUBSW, which multiplies bytes, would saturate its sums of two products at 32,767: 2·255·127 is more. VPMADDWD is exact.

#include "textflag.h"
#include "go_asm.h"
#include "low_avx2_amd64.h"

// VEXDPBUSD: Y[d] += Y[v]·Y[r] in quads, Y[v] unsigned. VEX.256.66.0F38.W0 50 /r (Intel SDM, vol. 2); Go's assembler has the EVEX
// form only.
#define VEXDPBUSD(r, v, d) \
	BYTE $0xC4; \
	BYTE $(0x42 | (((d ^ 15) >> 3) & 1) << 7 | (((r ^ 15) >> 3) & 1) << 5); \
	BYTE $(0x05 | (v ^ 15) << 3); \
	BYTE $0x50; \
	BYTE $(0xC0 | (d & 7) << 3 | (r & 7))

// Start, row i: tile[i,:] = Offset[i]·ColSums; fetch row i of Base.
#define OFFSET(a, c0, c1, n0, n1) \
	VPBROADCASTD RowFactor_Offset(CX), Y14; ADDQ $RowFactor__size, CX; \
	VPMULLD Y12, Y14, c0; VPMULLD Y13, Y14, c1; \
	PREFETCHT0 (R12); ADDQ R13, R12

// Half a step, row i: tile[i,:] += A[i,p]·B[p,:] + A[i,p+1]·B[p+1,:] with int16.
#define MADD(a, c0, c1, n0, n1) \
	VPBROADCASTD a, Y14; \
	VPMADDWD Y12, Y14, Y15; VPADDD Y15, c0, c0; \
	VPMADDWD Y13, Y14, Y15; VPADDD Y15, c1, c1
#define WIDEQUAD(ROWS) \
	VPMOVSXBW (DI), Y12; VPMOVSXBW 16(DI), Y13; PREFETCHT0 1024(DI); \
	ROWS(MADD); \
	ADDQ $4, R8; ADDQ $4, R9; \
	VPMOVSXBW 32(DI), Y12; VPMOVSXBW 48(DI), Y13; \
	ROWS(MADD); \
	FORWARD(4)

// Step p, row i: tile[i,:] += A[i,p…p+3]·B[p…p+3,:] with bytes.
#define DOTQUAD(a, c0, c1, n0, n1) \
	VPBROADCASTD a, Y14; VEXDPBUSD(12, 14, n0); VEXDPBUSD(13, 14, n1)
#define VNNIQUAD(ROWS) \
	VMOVDQU (DI), Y12; VMOVDQU 32(DI), Y13; PREFETCHT0 1024(DI); \
	ROWS(DOTQUAD); \
	FORWARD(4)

// Behind the steps, row i: tile[i,:] = float32(tile[i,:])·Scale[i]·ColScales.
#define SCALE(a, c0, c1, n0, n1) \
	VBROADCASTSS RowFactor_Scale(CX), Y14; ADDQ $RowFactor__size, CX; \
	VCVTDQ2PS c0, c0; VCVTDQ2PS c1, c1; \
	VMULPS Y14, c0, c0; VMULPS Y14, c1, c1; \
	VMULPS Y12, c0, c0; VMULPS Y13, c1, c1

// A tile is, for each panel: sums = offsets; K steps; scaled; Pairs steps of outlier channels by FMA; C = Base + Bias + sums.
#define INT8TILE(ROWS, QUAD) \
	ARGUMENTS; \
panel: \
	PANEL; \
	MOVQ TileArgs_Rows(DX), CX; \
	MOVQ TileArgs_ColSums(DX), AX; \
	ADDQ TileArgs_at(DX), AX; \
	VMOVDQU (AX), Y12; VMOVDQU 32(AX), Y13; \
	ROWS(OFFSET); \
	MOVQ TileArgs_K(DX), CX; \
	PCALIGN $32; \
step: \
	QUAD(ROWS); \
	DECQ CX; \
	JNZ step; \
	MOVQ TileArgs_Rows(DX), CX; \
	MOVQ TileArgs_ColScales(DX), AX; \
	ADDQ TileArgs_at(DX), AX; \
	VMOVUPS (AX), Y12; VMOVUPS 32(AX), Y13; \
	ROWS(SCALE); \
	MOVQ TileArgs_Pairs(DX), CX; \
	TESTQ CX, CX; \
	JZ finish; \
outliers: \
	SPLITPAIR(ROWS); \
	ADDQ $64, DI; ADDQ $4, R8; ADDQ $4, R9; \
	DECQ CX; \
	JNZ outliers; \
finish: \
	FINISH(ROWS)

// func int8x6AVX2(t *TileArgs)
TEXT ·int8x6AVX2(SB), NOSPLIT, $0-8
	INT8TILE(ROWS6, WIDEQUAD)

TEXT ·int8x5AVX2(SB), NOSPLIT, $0-8
	INT8TILE(ROWS5, WIDEQUAD)

TEXT ·int8x4AVX2(SB), NOSPLIT, $0-8
	INT8TILE(ROWS4, WIDEQUAD)

TEXT ·int8x3AVX2(SB), NOSPLIT, $0-8
	INT8TILE(ROWS3, WIDEQUAD)

TEXT ·int8x2AVX2(SB), NOSPLIT, $0-8
	INT8TILE(ROWS2, WIDEQUAD)

TEXT ·int8x1AVX2(SB), NOSPLIT, $0-8
	INT8TILE(ROWS1, WIDEQUAD)

// func int8x6AVX2VNNI(t *TileArgs)
TEXT ·int8x6AVX2VNNI(SB), NOSPLIT, $0-8
	INT8TILE(ROWS6, VNNIQUAD)

TEXT ·int8x5AVX2VNNI(SB), NOSPLIT, $0-8
	INT8TILE(ROWS5, VNNIQUAD)

TEXT ·int8x4AVX2VNNI(SB), NOSPLIT, $0-8
	INT8TILE(ROWS4, VNNIQUAD)

TEXT ·int8x3AVX2VNNI(SB), NOSPLIT, $0-8
	INT8TILE(ROWS3, VNNIQUAD)

TEXT ·int8x2AVX2VNNI(SB), NOSPLIT, $0-8
	INT8TILE(ROWS2, VNNIQUAD)

TEXT ·int8x1AVX2VNNI(SB), NOSPLIT, $0-8
	INT8TILE(ROWS1, VNNIQUAD)
