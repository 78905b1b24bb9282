//go:build !noasm && !purego

// The tiles of BF16 at level avx2: C[m×16] = A[m×k]·B[k×16] + Bias + Base, m ≤ 6, k in pairs, by FMA on rounded operands. CPU
// features: AVX2, FMA3.
//
// Registers: low_avx2_amd64.h. A step takes a pair of k: a row of B is 16 pairs of bf16, 64 bytes; an element of A is two float32.

#include "textflag.h"
#include "go_asm.h"
#include "low_avx2_amd64.h"

// bf16High keeps the upper half of each number.
DATA ·bf16High+0(SB)/8, $0xFFFF0000FFFF0000
DATA ·bf16High+8(SB)/8, $0xFFFF0000FFFF0000
DATA ·bf16High+16(SB)/8, $0xFFFF0000FFFF0000
DATA ·bf16High+24(SB)/8, $0xFFFF0000FFFF0000
GLOBL ·bf16High(SB), RODATA|NOPTR, $32

// A tile is, for each panel: sums = 0; K steps; C = Base + Bias + sums.
#define SPLITTILE(ROWS) \
	ARGUMENTS; \
panel: \
	PANEL; \
	ROWS(CLEAR); \
	PCALIGN $32; \
step: \
	SPLITPAIR(ROWS); \
	FORWARD(4); \
	DECQ CX; \
	JNZ step; \
	FINISH(ROWS)

// func bf16x6AVX2(t *TileArgs)
TEXT ·bf16x6AVX2(SB), NOSPLIT, $0-8
	SPLITTILE(ROWS6)

TEXT ·bf16x5AVX2(SB), NOSPLIT, $0-8
	SPLITTILE(ROWS5)

TEXT ·bf16x4AVX2(SB), NOSPLIT, $0-8
	SPLITTILE(ROWS4)

TEXT ·bf16x3AVX2(SB), NOSPLIT, $0-8
	SPLITTILE(ROWS3)

TEXT ·bf16x2AVX2(SB), NOSPLIT, $0-8
	SPLITTILE(ROWS2)

TEXT ·bf16x1AVX2(SB), NOSPLIT, $0-8
	SPLITTILE(ROWS1)
