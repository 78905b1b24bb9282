//go:build !noasm && !purego

// The tiles of BF16 and Int8 of set neon: C[m×16] = A[m×k]·B[k×16], scaled if int8, + Bias + Base, m ≤ 6. CPU features: ASIMD; BF16
// for the tiles of BF16 that are not named Split, which do the same by FMLA; I8MM for USMMLA, ASIMDDP for SDOT.
//
// A step takes a pair of bf16 or a quad of bytes: a row of B is 64 bytes, an element of A 4, or, in the split tiles, two float32. The
// instructions BFDOT and BFMMLA would round differently (to odd, both products before the sum): they have no place here.
//
// Registers of every tile
//
//	R0      steps left
//	R1…R6   address of A[0,p] … A[5,p]
//	R8      address of B[p,0]
//	R9      address of a row of C; R10 = row stride of C in bytes
//	R11     address of a row of Base; R12 = row stride of Base in bytes
//	R14     address of the RowFactor of a row, of ColSums, ColScales, Bias
//	R15     the TileArgs
//	R16     address of what to fetch; R17 = bytes of it per step
//	R19     panels left; R20 = bytes of C to the left of the panel
//
//	V0…V23  the tile's sums: V(4i)…V(4i+3) hold row i
//	V24…V29 an element of row i of A in all 4 lanes; at the end V24…V27 a row of Base
//	V28…V31 Bias; V30 V31 half of row p of B, or of what belongs to columns

#include "textflag.h"
#include "go_asm.h"
#include "neon_arm64.h"

// ROWSm(OP) applies OP to the rows 0 … m−1 of a tile: OP(address of A[i,p], register for it, its number, number of the row's
// first sum).
#define ROWS1(OP) OP(R1, V24, 24, 0)
#define ROWS2(OP) ROWS1(OP); OP(R2, V25, 25, 4)
#define ROWS3(OP) ROWS2(OP); OP(R3, V26, 26, 8)
#define ROWS4(OP) ROWS3(OP); OP(R4, V27, 27, 12)
#define ROWS5(OP) ROWS4(OP); OP(R5, V28, 28, 16)
#define ROWS6(OP) ROWS5(OP); OP(R6, V29, 29, 20)

// ARGUMENTS loads the registers that go on from panel to panel, PANEL those that each panel has anew.
#define ARGUMENTS \
	MOVD t+0(FP), R15; \
	MOVD TileArgs_Panels(R15), R19; \
	MOVD $0, R20; \
	MOVD TileArgs_B(R15), R8; \
	MOVD TileArgs_Next(R15), R16; \
	MOVD TileArgs_NPS(R15), R17

#define PANEL \
	MOVD TileArgs_K(R15), R0; \
	MOVD TileArgs_A(R15), R1; \
	MOVD TileArgs_ARS(R15), R2; \
	ADD R2, R1, R7; ADD R2, R7, R3; ADD R2, R3, R4; ADD R2, R4, R5; ADD R2, R5, R6; \
	MOVD R7, R2

// Start: row i of the tile is zero.
#define CLEAR(a, v, t, d) VZERO(d); VZERO(d+1); VZERO(d+2); VZERO(d+3)

// Step p: A[i,p] to all lanes of a register; go to A[i,p+1].
#define LOAD(a, v, t, d) VLD1R.P 4(a), [v.S4]

// Row i, one half of a row of B in V30 V31, and then the other.
#define BFLO(a, v, t, d) VBFMLALT(t, 30, d); VBFMLALT(t, 31, d+1); VBFMLALB(t, 30, d); VBFMLALB(t, 31, d+1)
#define BFHI(a, v, t, d) VBFMLALT(t, 30, d+2); VBFMLALT(t, 31, d+3); VBFMLALB(t, 30, d+2); VBFMLALB(t, 31, d+3)
#define FMLO(a, v, t, d) VFMLA4S(t, 30, d); VFMLA4S(t, 31, d+1)
#define FMHI(a, v, t, d) VFMLA4S(t, 30, d+2); VFMLA4S(t, 31, d+3)
#define SDLO(a, v, t, d) VSDOT(30, t, d); VSDOT(31, t, d+1)
#define SDHI(a, v, t, d) VSDOT(30, t, d+2); VSDOT(31, t, d+3)

// PART takes a step with the words of B as FORM makes them of V30 V31.
#define PART(ROWS, FORM, LO, HI) \
	ROWS(LOAD); \
	FLDPQ (R8), (F30, F31); FORM; ROWS(LO); \
	FLDPQ 32(R8), (F30, F31); FORM; ROWS(HI)

#define ASIS
#define ODD  VUSHR16(30, 30); VUSHR16(31, 31); VSHL16(30, 30); VSHL16(31, 31)
#define EVEN VSHL16(30, 30); VSHL16(31, 31)

// SPLITPAIR is a step of bf16 by FMLA: the odd element of each pair as float32, then the even one. A has them in this order.
#define SPLITPAIR(ROWS) PART(ROWS, ODD, FMLO, FMHI); PART(ROWS, EVEN, FMLO, FMHI)
#define BF16PAIR(ROWS)  PART(ROWS, ASIS, BFLO, BFHI)
#define SDQUAD(ROWS)    PART(ROWS, ASIS, SDLO, SDHI)

// ADVANCE goes to the next row of B, and fetches.
#define ADVANCE \
	PRFM 1024(R8), PLDL1KEEP; ADD $64, R8; \
	PRFM (R16), PLDL2KEEP; ADD R17, R16

// STEPS takes R0 steps.
#define STEPS(again, STEP, ROWS) \
again: \
	STEP(ROWS); \
	ADVANCE; \
	SUBS $1, R0, R0; \
	BNE again

// End, row i: C[i,:] = (Base[i,:] + Bias) + tile[i,:].
#define STORE(a, v, t, d) \
	VLD1 (R11), [V24.S4, V25.S4, V26.S4, V27.S4]; ADD R12, R11; \
	VFADD4S(28, 24, 24); VFADD4S(29, 25, 25); VFADD4S(30, 26, 26); VFADD4S(31, 27, 27); \
	VFADD4S(d, 24, 24); VFADD4S(d+1, 25, 25); VFADD4S(d+2, 26, 26); VFADD4S(d+3, 27, 27); \
	VST1 [V24.S4, V25.S4, V26.S4, V27.S4], (R9); ADD R10, R9

// FINISH stores the tile and goes back to panel for the next one.
#define FINISH(ROWS) \
	MOVD TileArgs_C(R15), R9; \
	MOVD TileArgs_LDC(R15), R10; \
	MOVD TileArgs_Base(R15), R11; \
	MOVD TileArgs_LDBase(R15), R12; \
	LSL $2, R10; LSL $2, R12; \ // floats to bytes
	ADD R20, R9; ADD R20, R11; \
	MOVD TileArgs_Bias(R15), R14; \
	ADD R20, R14; \
	VLD1 (R14), [V28.S4, V29.S4, V30.S4, V31.S4]; \
	ROWS(STORE); \
	ADD $64, R20; \
	SUBS $1, R19, R19; \
	BNE panel; \
	RET

#define BF16TILE(ROWS, PAIR) \
	ARGUMENTS; \
panel: \
	PANEL; \
	ROWS(CLEAR); \
	STEPS(step, PAIR, ROWS); \
	FINISH(ROWS)

// Start, row i: Offset[i] to all lanes; tile[i,:] = Offset[i]·ColSums.
#define LOADOFFSET(a, v, t, d) VLD1R (R14), [v.S4]; ADD $RowFactor__size, R14
#define OFFLO(a, v, t, d) VIMUL4S(t, 30, d); VIMUL4S(t, 31, d+1)
#define OFFHI(a, v, t, d) VIMUL4S(t, 30, d+2); VIMUL4S(t, 31, d+3)

// Behind the steps, row i: tile[i,:] = float32(tile[i,:])·Scale[i]·ColScales.
#define SCALELO(a, v, t, d) \
	VSCVTF4S(d, d); VSCVTF4S(d+1, d+1); \
	VFMUL4S(t, d, d); VFMUL4S(t, d+1, d+1); \
	VFMUL4S(30, d, d); VFMUL4S(31, d+1, d+1)
#define SCALEHI(a, v, t, d) SCALELO(a, v, t, (d+2))

#define COLUMNS(ROWS, LO, HI) \
	FLDPQ (R14), (F30, F31); ROWS(LO); \
	FLDPQ 32(R14), (F30, F31); ROWS(HI)

// SCALED makes the sums numbers and adds the outlier channels.
#define SCALED(ROWS) \
	MOVD TileArgs_Rows(R15), R14; \
	ADD $RowFactor_Scale, R14; \
	ROWS(LOADOFFSET); \
	MOVD TileArgs_ColScales(R15), R14; \
	ADD R20, R14; \
	COLUMNS(ROWS, SCALELO, SCALEHI); \
	MOVD TileArgs_Pairs(R15), R0; \
	CBZ R0, finish; \
	STEPS(outliers, SPLITPAIR, ROWS); \
finish:

// A tile is, for each panel: sums = offsets; K steps; scaled; Pairs steps of outlier channels by FMLA; C = Base + Bias + sums.
#define INT8TILE(ROWS, QUAD) \
	ARGUMENTS; \
panel: \
	PANEL; \
	MOVD TileArgs_Rows(R15), R14; \
	ROWS(LOADOFFSET); \
	MOVD TileArgs_ColSums(R15), R14; \
	ADD R20, R14; \
	COLUMNS(ROWS, OFFLO, OFFHI); \
	STEPS(step, QUAD, ROWS); \
	SCALED(ROWS); \
	FINISH(ROWS)

// The tiles by USMMLA take two steps at once. A register of A has eight bytes of each of two rows, one of B eight of each of two columns
// (a panel is [k/8][16][8] bytes), and one of sums their 2×2 sums. Columns 4q, 4q+1 of rows 2i, 2i+1 are summed in V(8i+q), columns
// 4q+2, 4q+3 in V(8i+4+q), so that halves change places at the end and V(4i)…V(4i+3) hold row i.

// BLOCKSm(TWO, ONE) applies TWO to the pairs of rows of a tile of m rows, and ONE to the row that is left: (addresses of A[i,p] and
// A[i+1,p], register for both, its number, number of the first sum). The second row of the latter is the first one again, and what
// becomes of it stays in registers that the tile does not use.
#define BLOCKS1(TWO, ONE) ONE(R1, R1, V24, 24, 0)
#define BLOCKS2(TWO, ONE) TWO(R1, R2, V24, 24, 0)
#define BLOCKS3(TWO, ONE) BLOCKS2(TWO, ONE); ONE(R3, R3, V25, 25, 8)
#define BLOCKS4(TWO, ONE) BLOCKS2(TWO, ONE); TWO(R3, R4, V25, 25, 8)
#define BLOCKS5(TWO, ONE) BLOCKS4(TWO, ONE); ONE(R5, R5, V26, 26, 16)
#define BLOCKS6(TWO, ONE) BLOCKS4(TWO, ONE); TWO(R5, R6, V26, 26, 16)

// Steps p and p+1: A of two rows, or of one; go to A[i,p+2].
#define LOADTWO(a, b, v, t, d) VLD1.P 8(a), v.D[0]; VLD1.P 8(b), v.D[1]
#define LOADONE(a, b, v, t, d) VLD1R.P 8(a), [v.D2]

// Columns 0…7, with B in V28…V31, and then 8…15.
#define MMLO(a, b, v, t, d) VUSMMLA(28, t, d); VUSMMLA(29, t, d+4); VUSMMLA(30, t, d+1); VUSMMLA(31, t, d+5)
#define MMHI(a, b, v, t, d) VUSMMLA(28, t, d+2); VUSMMLA(29, t, d+6); VUSMMLA(30, t, d+3); VUSMMLA(31, t, d+7)

#define MMQUADS(BLOCKS) \
	BLOCKS(LOADTWO, LOADONE); \
	FLDPQ (R8), (F28, F29); FLDPQ 32(R8), (F30, F31); BLOCKS(MMLO, MMLO); \
	ADVANCE; SUB $1, R0; \
	FLDPQ (R8), (F28, F29); FLDPQ 32(R8), (F30, F31); BLOCKS(MMHI, MMHI)

// End of the steps: the blocks of two rows become rows.
#define HALVES(d) VZIP1D(d+4, d, 30); VZIP2D(d+4, d, d+4); VMOVQ(30, d)
#define UNBLOCK(a, b, v, t, d) HALVES(d); HALVES((d+1)); HALVES((d+2)); HALVES((d+3))

// Then row i: tile[i,:] += Offset[i]·ColSums.
#define ADDOFFLO(a, v, t, d) VIMLA4S(t, 30, d); VIMLA4S(t, 31, d+1)
#define ADDOFFHI(a, v, t, d) VIMLA4S(t, 30, d+2); VIMLA4S(t, 31, d+3)

// A tile as INT8TILE, but that the offsets come after the steps. BLOCKS goes through A, UNBLOCKED through all sums that it sets, ROWS
// through those of the tile's rows.
#define MMLATILE(ROWS, BLOCKS, UNBLOCKED) \
	ARGUMENTS; \
panel: \
	PANEL; \
	UNBLOCKED(CLEAR); \
	STEPS(step, MMQUADS, BLOCKS); \
	BLOCKS(UNBLOCK, UNBLOCK); \
	MOVD TileArgs_Rows(R15), R14; \
	ROWS(LOADOFFSET); \
	MOVD TileArgs_ColSums(R15), R14; \
	ADD R20, R14; \
	COLUMNS(ROWS, ADDOFFLO, ADDOFFHI); \
	SCALED(ROWS); \
	FINISH(ROWS)

// func bf16x6NEON(t *TileArgs)
TEXT ·bf16x6NEON(SB), NOSPLIT, $0-8
	BF16TILE(ROWS6, BF16PAIR)

TEXT ·bf16x5NEON(SB), NOSPLIT, $0-8
	BF16TILE(ROWS5, BF16PAIR)

TEXT ·bf16x4NEON(SB), NOSPLIT, $0-8
	BF16TILE(ROWS4, BF16PAIR)

TEXT ·bf16x3NEON(SB), NOSPLIT, $0-8
	BF16TILE(ROWS3, BF16PAIR)

TEXT ·bf16x2NEON(SB), NOSPLIT, $0-8
	BF16TILE(ROWS2, BF16PAIR)

TEXT ·bf16x1NEON(SB), NOSPLIT, $0-8
	BF16TILE(ROWS1, BF16PAIR)

// func bf16x6SplitNEON(t *TileArgs)
TEXT ·bf16x6SplitNEON(SB), NOSPLIT, $0-8
	BF16TILE(ROWS6, SPLITPAIR)

TEXT ·bf16x5SplitNEON(SB), NOSPLIT, $0-8
	BF16TILE(ROWS5, SPLITPAIR)

TEXT ·bf16x4SplitNEON(SB), NOSPLIT, $0-8
	BF16TILE(ROWS4, SPLITPAIR)

TEXT ·bf16x3SplitNEON(SB), NOSPLIT, $0-8
	BF16TILE(ROWS3, SPLITPAIR)

TEXT ·bf16x2SplitNEON(SB), NOSPLIT, $0-8
	BF16TILE(ROWS2, SPLITPAIR)

TEXT ·bf16x1SplitNEON(SB), NOSPLIT, $0-8
	BF16TILE(ROWS1, SPLITPAIR)

// func int8x6SDOT(t *TileArgs)
TEXT ·int8x6SDOT(SB), NOSPLIT, $0-8
	INT8TILE(ROWS6, SDQUAD)

TEXT ·int8x5SDOT(SB), NOSPLIT, $0-8
	INT8TILE(ROWS5, SDQUAD)

TEXT ·int8x4SDOT(SB), NOSPLIT, $0-8
	INT8TILE(ROWS4, SDQUAD)

TEXT ·int8x3SDOT(SB), NOSPLIT, $0-8
	INT8TILE(ROWS3, SDQUAD)

TEXT ·int8x2SDOT(SB), NOSPLIT, $0-8
	INT8TILE(ROWS2, SDQUAD)

TEXT ·int8x1SDOT(SB), NOSPLIT, $0-8
	INT8TILE(ROWS1, SDQUAD)

// func int8x6USMMLA(t *TileArgs)
TEXT ·int8x6USMMLA(SB), NOSPLIT, $0-8
	MMLATILE(ROWS6, BLOCKS6, ROWS6)

TEXT ·int8x5USMMLA(SB), NOSPLIT, $0-8
	MMLATILE(ROWS5, BLOCKS5, ROWS6)

TEXT ·int8x4USMMLA(SB), NOSPLIT, $0-8
	MMLATILE(ROWS4, BLOCKS4, ROWS4)

TEXT ·int8x3USMMLA(SB), NOSPLIT, $0-8
	MMLATILE(ROWS3, BLOCKS3, ROWS4)

TEXT ·int8x2USMMLA(SB), NOSPLIT, $0-8
	MMLATILE(ROWS2, BLOCKS2, ROWS2)

TEXT ·int8x1USMMLA(SB), NOSPLIT, $0-8
	MMLATILE(ROWS1, BLOCKS1, ROWS2)
