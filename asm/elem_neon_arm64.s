//go:build !noasm && !purego

// The element-wise and row kernels of set neon. CPU features: ASIMD, which every arm64 has.
//
//	R0      address of x; R1 = address of y; R7 R8 = gamma, beta
//	R2      numbers in the row; R3 = numbers left
//	R4      address of coefs; R5 R6 temporary
//	V0      the vector at hand; V1…V7 formulas; V16…V23 accumulators; V24…V26 constants of the row

#include "textflag.h"
#include "go_asm.h"
#include "neon_arm64.h"
#include "elem_arm64.h"

// func expNEON(y, x []float32)
TEXT ·expNEON(SB), NOSPLIT, $0-48
	MAP(EXP)

// func tanhNEON(y, x []float32)
TEXT ·tanhNEON(SB), NOSPLIT, $0-48
	MAP(TANH)

// func sigmoidNEON(y, x []float32)
TEXT ·sigmoidNEON(SB), NOSPLIT, $0-48
	MAP(SIGMOID)

// func geluTanhNEON(y, x []float32)
TEXT ·geluTanhNEON(SB), NOSPLIT, $0-48
	MAP(GELUTANH)

// func geluErfNEON(y, x []float32)
TEXT ·geluErfNEON(SB), NOSPLIT, $0-48
	MAP(GELUERF)

// Softmax: x = e^(scale·x − top)/sum. V24 = scale, V25 = top, then 1/sum. MASKREST: V7 = ones in the R3 lanes of the rest.
#define MASKREST \
	MOVD $·restMask+16(SB), R5; \
	SUB  R3<<2, R5, R5; \
	VLD1 (R5), [V7.S4]
#define MAXSTEP(a, b) \
	VLD1.P 16(R0), [V0.S4]; \
	VFMUL4S(24, 0, 0); \
	VFMAX4S(0, a, a)
#define MAXLAST \
	LOADREST(R0, F0, V0, odd0, end0); \
	VFMUL4S(24, 0, 0); \
	VFMAX4S(0, 16, 0); \
	MASKREST; \
	VBITQ(7, 0, 16)
#define EXPSTEP(a, b) \
	VLD1.P 16(R0), [V0.S4]; \
	VFMUL4S(24, 0, 0); \
	VFSUB4S(25, 0, 0); \
	EXPLOW; \
	VST1.P [V0.S4], 16(R1); \
	VFADD4S(0, a, a)
#define EXPLAST \
	LOADREST(R0, F0, V0, odd1, end1); \
	VFMUL4S(24, 0, 0); \
	VFSUB4S(25, 0, 0); \
	EXPLOW; \
	MASKREST; \
	VANDQ(7, 0, 0); \
	VFADD4S(0, 16, 16); \
	STOREREST(R1, odd2, end2)
#define SCALESTEP(a, b) \
	VLD1 (R0), [V0.S4]; \
	VFMUL4S(25, 0, 0); \
	VST1.P [V0.S4], 16(R0)
#define SCALELAST \
	LOADREST(R0, F0, V0, odd3, end3); \
	VFMUL4S(25, 0, 0); \
	STOREREST(R0, odd4, end4)

// func softmaxNEON(x []float32, scale float32)
TEXT ·softmaxNEON(SB), NOSPLIT, $0-28
	MOVD  $·coefs(SB), R4
	MOVD  x_base+0(FP), R0
	MOVD  x_len+8(FP), R2
	FMOVS scale+24(FP), F24
	VDUP  V24.S[0], V24.S4
	K(coef_minusInf, 16)
	VMOVQ(16, 18); VMOVQ(16, 20); VMOVQ(16, 22)
	PASS(MAXSTEP, MAXLAST, loop1, single1, rest1, done1)
	VFMAX4S(18, 16, 16); VFMAX4S(22, 20, 20); VFMAX4S(20, 16, 16)
	VFMAXP4S(16, 16, 16); VFMAXP4S(16, 16, 16)
	VDUP  V16.S[0], V25.S4
	MOVD  x_base+0(FP), R0
	MOVD  R0, R1
	ZERO
	PASS(EXPSTEP, EXPLAST, loop2, single2, rest2, done2)
	SUM
	FMOVS $1.0, F0
	FDIVS F16, F0, F25
	VDUP  V25.S[0], V25.S4
	MOVD  x_base+0(FP), R0
	PASS(SCALESTEP, SCALELAST, loop3, single3, rest3, done3)
	RET

// LayerNorm: y = (x − hi − lo)·rstd·gamma + beta. hi + lo is the mean, summed in float64. V24 = hi, V25 = lo, V26 = rstd.
#define MEANSTEP(a, b) \
	VLD1.P 16(R0), [V0.S4]; \
	VFCVTL(0, 1); \
	VFCVTL2(0, 2); \
	VFADD2D(1, a, a); \
	VFADD2D(2, b, b)
#define MEANLAST \
	LOADREST(R0, F0, V0, odd0, end0); \
	VFCVTL(0, 1); \
	VFCVTL2(0, 2); \
	VFADD2D(1, 16, 16); \
	VFADD2D(2, 17, 17)
#define VARSTEP(a, b) \
	VLD1.P 16(R0), [V0.S4]; \
	VFSUB4S(24, 0, 0); \
	VFSUB4S(25, 0, 0); \
	VFMLA4S(0, 0, a)
#define VARLAST \
	LOADREST(R0, F0, V0, odd1, end1); \
	VFSUB4S(24, 0, 0); \
	VFSUB4S(25, 0, 0); \
	MASKREST; \
	VANDQ(7, 0, 0); \
	VFMLA4S(0, 0, 16)
#define NORMSTEP(a, b) \
	VLD1.P 16(R0), [V0.S4]; \
	VFSUB4S(24, 0, 0); \
	VFSUB4S(25, 0, 0); \
	VFMUL4S(26, 0, 1); \
	VLD1.P 16(R7), [V2.S4]; \
	VLD1.P 16(R8), [V0.S4]; \
	VFMLA4S(2, 1, 0); \
	VST1.P [V0.S4], 16(R1)
#define NORMLAST \
	LOADREST(R0, F0, V0, odd2, end2); \
	VFSUB4S(24, 0, 0); \
	VFSUB4S(25, 0, 0); \
	VFMUL4S(26, 0, 1); \
	LOADREST(R7, F2, V2, odd3, end3); \
	LOADREST(R8, F0, V0, odd4, end4); \
	VFMLA4S(2, 1, 0); \
	STOREREST(R1, odd5, end5)

// func layerNormNEON(y, x, gamma, beta []float32, eps float32) (mean, rstd float32)
TEXT ·layerNormNEON(SB), NOSPLIT, $0-112
	MOVD   y_base+0(FP), R1
	MOVD   x_base+24(FP), R0
	MOVD   x_len+32(FP), R2
	MOVD   gamma_base+48(FP), R7
	MOVD   beta_base+72(FP), R8
	ZERO
	PASS(MEANSTEP, MEANLAST, loop1, single1, rest1, done1)
	SUMPD
	SCVTFD R2, F1
	FDIVD  F1, F16, F16
	FCVTDS F16, F24
	FCVTSD F24, F1
	FSUBD  F1, F16, F25
	FCVTDS F25, F25
	FMOVS  F24, mean+104(FP)
	VDUP   V24.S[0], V24.S4
	VDUP   V25.S[0], V25.S4
	MOVD   x_base+24(FP), R0
	ZERO
	PASS(VARSTEP, VARLAST, loop2, single2, rest2, done2)
	SUM
	SCVTFS R2, F1
	FDIVS  F1, F16, F16
	FMOVS  eps+96(FP), F1
	FADDS  F1, F16, F16
	FSQRTS F16, F16
	FMOVS  $1.0, F1
	FDIVS  F16, F1, F26
	FMOVS  F26, rstd+108(FP)
	VDUP   V26.S[0], V26.S4
	MOVD   x_base+24(FP), R0
	PASS(NORMSTEP, NORMLAST, loop3, single3, rest3, done3)
	RET

#define DOTSTEP(a, b) \
	VLD1.P 16(R0), [V0.S4]; \
	VLD1.P 16(R1), [V1.S4]; \
	VFMLA4S(1, 0, a)
#define DOTLAST \
	LOADREST(R0, F0, V0, odd0, end0); \
	LOADREST(R1, F1, V1, odd1, end1); \
	VFMLA4S(1, 0, 16)

// func dotNEON(x, y []float32) float32
TEXT ·dotNEON(SB), NOSPLIT, $0-52
	MOVD  x_base+0(FP), R0
	MOVD  x_len+8(FP), R2
	MOVD  y_base+24(FP), R1
	ZERO
	PASS(DOTSTEP, DOTLAST, loop, single, rest, done)
	SUM
	FMOVS F16, ret+48(FP)
	RET

#define AXPYSTEP(a, b) \
	VLD1.P 16(R0), [V1.S4]; \
	VLD1 (R1), [V0.S4]; \
	VFMLA4S(24, 1, 0); \
	VST1.P [V0.S4], 16(R1)
#define AXPYLAST \
	LOADREST(R0, F1, V1, odd0, end0); \
	LOADREST(R1, F0, V0, odd1, end1); \
	VFMLA4S(24, 1, 0); \
	STOREREST(R1, odd2, end2)

// func axpyNEON(y []float32, a float32, x []float32)
TEXT ·axpyNEON(SB), NOSPLIT, $0-56
	MOVD  y_base+0(FP), R1
	FMOVS a+24(FP), F24
	VDUP  V24.S[0], V24.S4
	MOVD  x_base+32(FP), R0
	MOVD  x_len+40(FP), R2
	PASS(AXPYSTEP, AXPYLAST, loop, single, rest, done)
	RET

#define ADDSTEP(a, b) \
	VLD1.P 16(R0), [V1.S4]; \
	VLD1 (R1), [V0.S4]; \
	VFADD4S(1, 0, 0); \
	VST1.P [V0.S4], 16(R1)
#define ADDLAST \
	LOADREST(R0, F1, V1, odd0, end0); \
	LOADREST(R1, F0, V0, odd1, end1); \
	VFADD4S(1, 0, 0); \
	STOREREST(R1, odd2, end2)

// func addNEON(y, x []float32)
TEXT ·addNEON(SB), NOSPLIT, $0-48
	MOVD y_base+0(FP), R1
	MOVD x_base+24(FP), R0
	MOVD x_len+32(FP), R2
	PASS(ADDSTEP, ADDLAST, loop, single, rest, done)
	RET

#define SQUARESTEP(a, b) \
	VLD1.P 16(R0), [V0.S4]; \
	VFCVTL(0, 1); \
	VFCVTL2(0, 2); \
	VFMLA2D(1, 1, a); \
	VFMLA2D(2, 2, b)
#define SQUARELAST \
	LOADREST(R0, F0, V0, odd0, end0); \
	VFCVTL(0, 1); \
	VFCVTL2(0, 2); \
	VFMLA2D(1, 1, 16); \
	VFMLA2D(2, 2, 17)

// func sumSquaresNEON(x []float32) float64
TEXT ·sumSquaresNEON(SB), NOSPLIT, $0-32
	MOVD  x_base+0(FP), R0
	MOVD  x_len+8(FP), R2
	ZERO
	PASS(SQUARESTEP, SQUARELAST, loop, single, rest, done)
	SUMPD
	FMOVD F16, ret+24(FP)
	RET
