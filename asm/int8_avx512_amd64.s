//go:build !noasm && !purego

// The tiles of Int8 at level avx512: C[m×32] = A[m×k]·B[k×32], scaled, + Bias + Base, m ≤ 12, k in quads. CPU features: AVX512F, BW,
// AVX512_VNNI and, for the tiles named BF16, AVX512_BF16.
//
// Registers: low_avx512_amd64.h. A step takes a quad of k: a row of B is 32 quads of bytes, 128 bytes; an element of A is a quad of
// bytes. Sums are int32, then float32. CX is the address of the RowFactors before and behind the steps.

#include "textflag.h"
#include "go_asm.h"
#include "low_avx512_amd64.h"

// Start, row i: tile[i,:] = Offset[i]·ColSums; fetch row i of Base.
#define OFFSET(a, t, tn, c0, c1, n0, n1) \
	VPBROADCASTD RowFactor_Offset(CX), t; ADDQ $RowFactor__size, CX; \
	VPMULLD Z24, t, c0; VPMULLD Z25, t, c1; \
	PREFETCHT0 (R12); PREFETCHT0 64(R12); ADDQ R13, R12

// Step p, row i: tile[i,:] += A[i,p…p+3]·B[p…p+3,:].
#define DOTQUAD(a, t, tn, c0, c1, n0, n1) \
	VPBROADCASTD a, t; VPDPBUSD Z24, t, c0; VPDPBUSD Z25, t, c1

// Behind the steps, row i: tile[i,:] = float32(tile[i,:])·Scale[i]·ColScales.
#define SCALE(a, t, tn, c0, c1, n0, n1) \
	VBROADCASTSS RowFactor_Scale(CX), t; ADDQ $RowFactor__size, CX; \
	VCVTDQ2PS c0, c0; VCVTDQ2PS c1, c1; \
	VMULPS t, c0, c0; VMULPS t, c1, c1; \
	VMULPS Z24, c0, c0; VMULPS Z25, c1, c1

// A tile is, for each panel: sums = offsets; K steps; scaled; Pairs steps of outlier channels; C = Base + Bias + sums.
#define INT8TILE(ROWS, PREPARE, PAIR) \
	ARGUMENTS; \
panel: \
	PANEL; \
	MOVQ TileArgs_Rows(DX), CX; \
	MOVQ TileArgs_ColSums(DX), AX; \
	ADDQ TileArgs_at(DX), AX; \
	VMOVDQU32 (AX), Z24; VMOVDQU32 64(AX), Z25; \
	ROWS(OFFSET); \
	MOVQ TileArgs_K(DX), CX; \
	PCALIGN $32; \
step: \
	LOADB; \
	ROWS(DOTQUAD); \
	FORWARD; \
	DECQ CX; \
	JNZ step; \
	MOVQ TileArgs_Rows(DX), CX; \
	MOVQ TileArgs_ColScales(DX), AX; \
	ADDQ TileArgs_at(DX), AX; \
	VMOVUPS (AX), Z24; VMOVUPS 64(AX), Z25; \
	ROWS(SCALE); \
	MOVQ TileArgs_Pairs(DX), CX; \
	TESTQ CX, CX; \
	JZ finish; \
	PREPARE; \
outliers: \
	PAIR(ROWS); \
	ADDQ $128, DI; \
	ADDQ $4, R8; ADDQ $4, R9; ADDQ $4, R10; ADDQ $4, R11; \
	DECQ CX; \
	JNZ outliers; \
finish: \
	FINISH(ROWS)

#define NOTHING

// BF16PAIR is one step of outlier channels by VDPBF16PS.
#define BF16PAIR(ROWS) \
	VMOVUPS (DI), Z24; VMOVUPS 64(DI), Z25; \
	ROWS(DOTPAIR)

// func int8x12AVX512BF16(t *TileArgs)
TEXT ·int8x12AVX512BF16(SB), NOSPLIT, $0-8
	INT8TILE(ROWS12, NOTHING, BF16PAIR)

TEXT ·int8x11AVX512BF16(SB), NOSPLIT, $0-8
	INT8TILE(ROWS11, NOTHING, BF16PAIR)

TEXT ·int8x10AVX512BF16(SB), NOSPLIT, $0-8
	INT8TILE(ROWS10, NOTHING, BF16PAIR)

TEXT ·int8x9AVX512BF16(SB), NOSPLIT, $0-8
	INT8TILE(ROWS9, NOTHING, BF16PAIR)

TEXT ·int8x8AVX512BF16(SB), NOSPLIT, $0-8
	INT8TILE(ROWS8, NOTHING, BF16PAIR)

TEXT ·int8x7AVX512BF16(SB), NOSPLIT, $0-8
	INT8TILE(ROWS7, NOTHING, BF16PAIR)

TEXT ·int8x6AVX512BF16(SB), NOSPLIT, $0-8
	INT8TILE(ROWS6, NOTHING, BF16PAIR)

TEXT ·int8x5AVX512BF16(SB), NOSPLIT, $0-8
	INT8TILE(ROWS5, NOTHING, BF16PAIR)

TEXT ·int8x4AVX512BF16(SB), NOSPLIT, $0-8
	INT8TILE(ROWS4, NOTHING, BF16PAIR)

TEXT ·int8x3AVX512BF16(SB), NOSPLIT, $0-8
	INT8TILE(ROWS3, NOTHING, BF16PAIR)

TEXT ·int8x2AVX512BF16(SB), NOSPLIT, $0-8
	INT8TILE(ROWS2, NOTHING, BF16PAIR)

TEXT ·int8x1AVX512BF16(SB), NOSPLIT, $0-8
	INT8TILE(ROWS1, NOTHING, BF16PAIR)

// func int8x12AVX512(t *TileArgs)
TEXT ·int8x12AVX512(SB), NOSPLIT, $0-8
	INT8TILE(ROWS12, HIGHMASK, SPLITPAIR)

TEXT ·int8x11AVX512(SB), NOSPLIT, $0-8
	INT8TILE(ROWS11, HIGHMASK, SPLITPAIR)

TEXT ·int8x10AVX512(SB), NOSPLIT, $0-8
	INT8TILE(ROWS10, HIGHMASK, SPLITPAIR)

TEXT ·int8x9AVX512(SB), NOSPLIT, $0-8
	INT8TILE(ROWS9, HIGHMASK, SPLITPAIR)

TEXT ·int8x8AVX512(SB), NOSPLIT, $0-8
	INT8TILE(ROWS8, HIGHMASK, SPLITPAIR)

TEXT ·int8x7AVX512(SB), NOSPLIT, $0-8
	INT8TILE(ROWS7, HIGHMASK, SPLITPAIR)

TEXT ·int8x6AVX512(SB), NOSPLIT, $0-8
	INT8TILE(ROWS6, HIGHMASK, SPLITPAIR)

TEXT ·int8x5AVX512(SB), NOSPLIT, $0-8
	INT8TILE(ROWS5, HIGHMASK, SPLITPAIR)

TEXT ·int8x4AVX512(SB), NOSPLIT, $0-8
	INT8TILE(ROWS4, HIGHMASK, SPLITPAIR)

TEXT ·int8x3AVX512(SB), NOSPLIT, $0-8
	INT8TILE(ROWS3, HIGHMASK, SPLITPAIR)

TEXT ·int8x2AVX512(SB), NOSPLIT, $0-8
	INT8TILE(ROWS2, HIGHMASK, SPLITPAIR)

TEXT ·int8x1AVX512(SB), NOSPLIT, $0-8
	INT8TILE(ROWS1, HIGHMASK, SPLITPAIR)
