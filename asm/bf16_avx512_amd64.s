//go:build !noasm && !purego

// The tiles of BF16 at level avx512: C[m×32] = A[m×k]·B[k×32] + Bias + Base, m ≤ 12, k in pairs. CPU features: AVX512F, BW and, for
// the tiles that are not named Split, AVX512_BF16; those that are do the same by FMA.
//
// Registers: low_avx512_amd64.h. A step takes a pair of k: a row of B is 32 pairs of bf16, 128 bytes; an element of A is a pair of
// bf16, or, in the split tiles, two float32.

#include "textflag.h"
#include "go_asm.h"
#include "low_avx512_amd64.h"

// A tile is, for each panel: sums = 0; K steps; C = Base + Bias + sums.
#define BF16TILE(ROWS) \
	ARGUMENTS; \
panel: \
	PANEL; \
	ROWS(CLEAR); \
	PCALIGN $32; \
step: \
	LOADB; \
	ROWS(DOTPAIR); \
	FORWARD; \
	DECQ CX; \
	JNZ step; \
	FINISH(ROWS)

// The same by FMA.
#define SPLITTILE(ROWS) \
	ARGUMENTS; \
panel: \
	PANEL; \
	ROWS(CLEAR); \
	HIGHMASK; \
	PCALIGN $32; \
step: \
	SPLITPAIR(ROWS); \
	FORWARD; \
	DECQ CX; \
	JNZ step; \
	FINISH(ROWS)

// func bf16x12AVX512(t *TileArgs)
TEXT ·bf16x12AVX512(SB), NOSPLIT, $0-8
	BF16TILE(ROWS12)

TEXT ·bf16x11AVX512(SB), NOSPLIT, $0-8
	BF16TILE(ROWS11)

TEXT ·bf16x10AVX512(SB), NOSPLIT, $0-8
	BF16TILE(ROWS10)

TEXT ·bf16x9AVX512(SB), NOSPLIT, $0-8
	BF16TILE(ROWS9)

TEXT ·bf16x8AVX512(SB), NOSPLIT, $0-8
	BF16TILE(ROWS8)

TEXT ·bf16x7AVX512(SB), NOSPLIT, $0-8
	BF16TILE(ROWS7)

TEXT ·bf16x6AVX512(SB), NOSPLIT, $0-8
	BF16TILE(ROWS6)

TEXT ·bf16x5AVX512(SB), NOSPLIT, $0-8
	BF16TILE(ROWS5)

TEXT ·bf16x4AVX512(SB), NOSPLIT, $0-8
	BF16TILE(ROWS4)

TEXT ·bf16x3AVX512(SB), NOSPLIT, $0-8
	BF16TILE(ROWS3)

TEXT ·bf16x2AVX512(SB), NOSPLIT, $0-8
	BF16TILE(ROWS2)

TEXT ·bf16x1AVX512(SB), NOSPLIT, $0-8
	BF16TILE(ROWS1)

// func bf16x12SplitAVX512(t *TileArgs)
TEXT ·bf16x12SplitAVX512(SB), NOSPLIT, $0-8
	SPLITTILE(ROWS12)

TEXT ·bf16x11SplitAVX512(SB), NOSPLIT, $0-8
	SPLITTILE(ROWS11)

TEXT ·bf16x10SplitAVX512(SB), NOSPLIT, $0-8
	SPLITTILE(ROWS10)

TEXT ·bf16x9SplitAVX512(SB), NOSPLIT, $0-8
	SPLITTILE(ROWS9)

TEXT ·bf16x8SplitAVX512(SB), NOSPLIT, $0-8
	SPLITTILE(ROWS8)

TEXT ·bf16x7SplitAVX512(SB), NOSPLIT, $0-8
	SPLITTILE(ROWS7)

TEXT ·bf16x6SplitAVX512(SB), NOSPLIT, $0-8
	SPLITTILE(ROWS6)

TEXT ·bf16x5SplitAVX512(SB), NOSPLIT, $0-8
	SPLITTILE(ROWS5)

TEXT ·bf16x4SplitAVX512(SB), NOSPLIT, $0-8
	SPLITTILE(ROWS4)

TEXT ·bf16x3SplitAVX512(SB), NOSPLIT, $0-8
	SPLITTILE(ROWS3)

TEXT ·bf16x2SplitAVX512(SB), NOSPLIT, $0-8
	SPLITTILE(ROWS2)

TEXT ·bf16x1SplitAVX512(SB), NOSPLIT, $0-8
	SPLITTILE(ROWS1)
