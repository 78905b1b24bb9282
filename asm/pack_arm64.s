//go:build !noasm && !purego

// PackCols for NEON: a stripe of 4 columns of the panel from 4 rows of src, four elements of each row at a time.
// CPU features: ASIMD.
//
//	R0      address of dst[p·NR], NR = 16
//	R1      address of src[p]; R5 = address of src[j·ld + p]; R2 = ld in bytes
//	R3      elements left in a row, a multiple of 4
//	R4      rows of src in this stripe; the columns of the others are zero
//	V0…V3   four elements of each row, then of each column; V4…V7 the half-transposed block

#include "textflag.h"
#include "neon_arm64.h"

// LOAD takes row j, unless the stripe ends before it.
#define LOAD(j, v) CMP $j, R4; BLE loaded; VLD1 (R5), [v.S4]; ADD R2, R5

// func packStripeNEON(dst, src []float32, ld, k, n int)
TEXT ·packStripeNEON(SB), NOSPLIT, $0-72
	MOVD dst_base+0(FP), R0
	MOVD src_base+24(FP), R1
	MOVD ld+48(FP), R2
	MOVD k+56(FP), R3
	MOVD n+64(FP), R4
	LSL  $2, R2
step:
	MOVD R1, R5
	VZERO(0); VZERO(1); VZERO(2); VZERO(3)
	LOAD(0, V0)
	LOAD(1, V1)
	LOAD(2, V2)
	LOAD(3, V3)
loaded:
	VTRN1 V1.S4, V0.S4, V4.S4 // V0[0] V1[0] V0[2] V1[2]
	VTRN2 V1.S4, V0.S4, V5.S4 // V0[1] V1[1] V0[3] V1[3]
	VTRN1 V3.S4, V2.S4, V6.S4
	VTRN2 V3.S4, V2.S4, V7.S4
	VTRN1 V6.D2, V4.D2, V0.D2 // V0[0] V1[0] V2[0] V3[0]
	VTRN1 V7.D2, V5.D2, V1.D2 // the elements [1]
	VTRN2 V6.D2, V4.D2, V2.D2 // [2]
	VTRN2 V7.D2, V5.D2, V3.D2 // [3]
	ADD  $64, R0, R6
	ADD  $128, R0, R7
	ADD  $192, R0, R8
	VST1 [V0.S4], (R0)
	VST1 [V1.S4], (R6)
	VST1 [V2.S4], (R7)
	VST1 [V3.S4], (R8)
	ADD  $16, R1
	ADD  $256, R0
	SUBS $4, R3, R3
	BGT  step
	RET
