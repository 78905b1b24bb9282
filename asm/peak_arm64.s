//go:build !noasm && !purego

// The FMA loop behind Peak: as many independent sums as a GEMM tile keeps, no memory access. CPU features: ASIMD.
// The factors are zero, so that no sum overflows.

#include "textflag.h"
#include "neon_arm64.h"

// func peakNEON(rounds int)
// One round: 24 FMAs of 4 lanes, 192 operations. R0 counts the rounds.
TEXT ·peakNEON(SB), NOSPLIT, $0-8
	MOVD rounds+0(FP), R0
	VZERO(30); VZERO(31)
	VZERO(0); VZERO(1); VZERO(2); VZERO(3)
	VZERO(4); VZERO(5); VZERO(6); VZERO(7)
	VZERO(8); VZERO(9); VZERO(10); VZERO(11)
	VZERO(12); VZERO(13); VZERO(14); VZERO(15)
	VZERO(16); VZERO(17); VZERO(18); VZERO(19)
	VZERO(20); VZERO(21); VZERO(22); VZERO(23)
	PCALIGN $32
round:
	VFMLA4S(30, 31, 0); VFMLA4S(30, 31, 1); VFMLA4S(30, 31, 2); VFMLA4S(30, 31, 3)
	VFMLA4S(30, 31, 4); VFMLA4S(30, 31, 5); VFMLA4S(30, 31, 6); VFMLA4S(30, 31, 7)
	VFMLA4S(30, 31, 8); VFMLA4S(30, 31, 9); VFMLA4S(30, 31, 10); VFMLA4S(30, 31, 11)
	VFMLA4S(30, 31, 12); VFMLA4S(30, 31, 13); VFMLA4S(30, 31, 14); VFMLA4S(30, 31, 15)
	VFMLA4S(30, 31, 16); VFMLA4S(30, 31, 17); VFMLA4S(30, 31, 18); VFMLA4S(30, 31, 19)
	VFMLA4S(30, 31, 20); VFMLA4S(30, 31, 21); VFMLA4S(30, 31, 22); VFMLA4S(30, 31, 23)
	SUBS $1, R0, R0
	BGT round
	RET

// ONCE24 applies OP to the sums 0 … 23.
#define ONCE24(OP) \
	OP(30, 31, 0); OP(30, 31, 1); OP(30, 31, 2); OP(30, 31, 3); OP(30, 31, 4); OP(30, 31, 5); OP(30, 31, 6); OP(30, 31, 7); \
	OP(30, 31, 8); OP(30, 31, 9); OP(30, 31, 10); OP(30, 31, 11); OP(30, 31, 12); OP(30, 31, 13); OP(30, 31, 14); OP(30, 31, 15); \
	OP(30, 31, 16); OP(30, 31, 17); OP(30, 31, 18); OP(30, 31, 19); OP(30, 31, 20); OP(30, 31, 21); OP(30, 31, 22); OP(30, 31, 23)

// func peakBFMLAL(rounds int)
// One round: 24 BFMLALB of 4 lanes, 192 operations. CPU feature: BF16.
TEXT ·peakBFMLAL(SB), NOSPLIT, $0-8
	MOVD rounds+0(FP), R0
	VZERO(30); VZERO(31)
bfmlal:
	ONCE24(VBFMLALB)
	SUBS $1, R0, R0
	BGT bfmlal
	RET

// func peakUSMMLA(rounds int)
// One round: 24 USMMLA of 2×2 sums over 8 products, 1536 operations. CPU feature: I8MM.
TEXT ·peakUSMMLA(SB), NOSPLIT, $0-8
	MOVD rounds+0(FP), R0
usmmla:
	ONCE24(VUSMMLA)
	SUBS $1, R0, R0
	BGT usmmla
	RET

// func peakSDOT(rounds int)
// One round: 24 SDOT of 4 quads, 768 operations. CPU feature: ASIMDDP.
TEXT ·peakSDOT(SB), NOSPLIT, $0-8
	MOVD rounds+0(FP), R0
sdot:
	ONCE24(VSDOT)
	SUBS $1, R0, R0
	BGT sdot
	RET
