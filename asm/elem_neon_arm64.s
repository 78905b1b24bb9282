//go:build !noasm && !purego

// The element-wise and row kernels of set neon. CPU features: ASIMD, which every arm64 has.
//
//	R0      address of x; R1 = address of y; R7 R8 = gamma, beta
//	R2      numbers in the row; R3 = numbers left
//	R4      address of coefs
//	R5 R6   temporary, and R10 R11 of sums
//	V0      the vector at hand; V1…V7 formulas; V8…V10 constants of the row; V16…V31 accumulators

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

// Softmax: x = e^(scale·x − top)/sum. V8 = scale, V9 = top, then 1/sum. MASKREST: V7 = ones in the R3 lanes of the rest.
#define MASKREST \
	MOVD $·restMask+16(SB), R5; \
	SUB  R3<<2, R5, R5; \
	VLD1 (R5), [V7.S4]
#define MAXSTEP(a, b) \
	VLD1.P 16(R0), [V0.S4]; \
	VFMUL4S(8, 0, 0); \
	VFMAX4S(0, a, a)
#define MAXLAST \
	LOADREST(R0, F0, V0, odd0, end0); \
	VFMUL4S(8, 0, 0); \
	VFMAX4S(0, 16, 0); \
	MASKREST; \
	VBITQ(7, 0, 16)
#define EXPSTEP(a, b) \
	VLD1.P 16(R0), [V0.S4]; \
	VFMUL4S(8, 0, 0); \
	VFSUB4S(9, 0, 0); \
	EXPLOW; \
	VST1.P [V0.S4], 16(R1); \
	VFADD4S(0, a, a)
#define EXPLAST \
	LOADREST(R0, F0, V0, odd1, end1); \
	VFMUL4S(8, 0, 0); \
	VFSUB4S(9, 0, 0); \
	EXPLOW; \
	MASKREST; \
	VANDQ(7, 0, 0); \
	VFADD4S(0, 16, 16); \
	STOREREST(R1, odd2, end2)
#define SCALESTEP(a, b) \
	VLD1 (R0), [V0.S4]; \
	VFMUL4S(9, 0, 0); \
	VST1.P [V0.S4], 16(R0)
#define SCALELAST \
	LOADREST(R0, F0, V0, odd3, end3); \
	VFMUL4S(9, 0, 0); \
	STOREREST(R0, odd4, end4)

// func softmaxNEON(x []float32, scale float32)
TEXT ·softmaxNEON(SB), NOSPLIT, $0-28
	MOVD  $·coefs(SB), R4
	MOVD  x_base+0(FP), R0
	MOVD  x_len+8(FP), R2
	FMOVS scale+24(FP), F8
	VDUP  V8.S[0], V8.S4
	K(coef_minusInf, 16)
	VMOVQ(16, 18); VMOVQ(16, 20); VMOVQ(16, 22)
	PASS(MAXSTEP, MAXLAST, loop1, single1, rest1, done1)
	VFMAX4S(18, 16, 16); VFMAX4S(22, 20, 20); VFMAX4S(20, 16, 16)
	VFMAXP4S(16, 16, 16); VFMAXP4S(16, 16, 16)
	VDUP  V16.S[0], V9.S4
	MOVD  x_base+0(FP), R0
	MOVD  R0, R1
	SUMPASS(EXPSTEP, EXPLAST, loop2, single2, rest2, quad2, last2, back2, turn2, done2)
	SUM
	FMOVS $1.0, F0
	FDIVS F16, F0, F9
	VDUP  V9.S[0], V9.S4
	MOVD  x_base+0(FP), R0
	PASS(SCALESTEP, SCALELAST, loop3, single3, rest3, done3)
	RET

// LayerNorm: y = (x − hi − lo)·rstd·gamma + beta. hi + lo is the mean, summed in float64. V8 = hi, V9 = lo, V10 = rstd.
#define SKIP ADD $128, R0
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
	VFSUB4S(8, 0, 0); \
	VFSUB4S(9, 0, 0); \
	VFMLA4S(0, 0, a)
#define VARLAST \
	LOADREST(R0, F0, V0, odd1, end1); \
	VFSUB4S(8, 0, 0); \
	VFSUB4S(9, 0, 0); \
	MASKREST; \
	VANDQ(7, 0, 0); \
	VFMLA4S(0, 0, 16)
#define NORMSTEP(a, b) \
	VLD1.P 16(R0), [V0.S4]; \
	VFSUB4S(8, 0, 0); \
	VFSUB4S(9, 0, 0); \
	VFMUL4S(10, 0, 1); \
	VLD1.P 16(R7), [V2.S4]; \
	VLD1.P 16(R8), [V0.S4]; \
	VFMLA4S(2, 1, 0); \
	VST1.P [V0.S4], 16(R1)
#define NORMLAST \
	LOADREST(R0, F0, V0, odd2, end2); \
	VFSUB4S(8, 0, 0); \
	VFSUB4S(9, 0, 0); \
	VFMUL4S(10, 0, 1); \
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
	HALVES(MEANSTEP, MEANLAST, SKIP, loop1, single1, rest1, quad1, last1, back1, turn1, done1)
	SAVEPD
	MOVD   x_base+24(FP), R0
	OTHERS(MEANSTEP, SKIP, loop4, done4)
	SUMPD
	SCVTFD R2, F1
	FDIVD  F1, F16, F16
	FCVTDS F16, F8
	FCVTSD F8, F1
	FSUBD  F1, F16, F9
	FCVTDS F9, F9
	FMOVS  F8, mean+104(FP)
	VDUP   V8.S[0], V8.S4
	VDUP   V9.S[0], V9.S4
	MOVD   x_base+24(FP), R0
	SUMPASS(VARSTEP, VARLAST, loop2, single2, rest2, quad2, last2, back2, turn2, done2)
	SUM
	SCVTFS R2, F1
	FDIVS  F1, F16, F16
	FMOVS  eps+96(FP), F1
	FADDS  F1, F16, F16
	FSQRTS F16, F16
	FMOVS  $1.0, F1
	FDIVS  F16, F1, F10
	FMOVS  F10, rstd+108(FP)
	VDUP   V10.S[0], V10.S4
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
	SUMPASS(DOTSTEP, DOTLAST, loop, single, rest, quad, last, back, turn, done)
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
	HALVES(SQUARESTEP, SQUARELAST, SKIP, loop, single, rest, quad, last, back, turn, done)
	SAVEPD
	MOVD  x_base+0(FP), R0
	OTHERS(SQUARESTEP, SKIP, loop2, done2)
	SUMPD
	FMOVD F16, ret+24(FP)
	RET

// func scaleNEON(y []float32, a float32)
TEXT ·scaleNEON(SB), NOSPLIT, $0-28
	MOVD  y_base+0(FP), R0
	MOVD  y_len+8(FP), R2
	FMOVS a+24(FP), F9
	VDUP  V9.S[0], V9.S4
	PASS(SCALESTEP, SCALELAST, loop, single, rest, done)
	RET

#define MULADDSTEP(a, b) \
	VLD1.P 16(R0), [V1.S4]; \
	VLD1.P 16(R7), [V2.S4]; \
	VLD1 (R1), [V0.S4]; \
	VFMLA4S(2, 1, 0); \
	VST1.P [V0.S4], 16(R1)
#define MULADDLAST \
	LOADREST(R0, F1, V1, odd0, end0); \
	LOADREST(R7, F2, V2, odd1, end1); \
	LOADREST(R1, F0, V0, odd2, end2); \
	VFMLA4S(2, 1, 0); \
	STOREREST(R1, odd3, end3)

// func mulAddNEON(y, a, x []float32)
TEXT ·mulAddNEON(SB), NOSPLIT, $0-72
	MOVD y_base+0(FP), R1
	MOVD a_base+24(FP), R7
	MOVD x_base+48(FP), R0
	MOVD x_len+56(FP), R2
	PASS(MULADDSTEP, MULADDLAST, loop, single, rest, done)
	RET

// func geluTanhBackwardNEON(dx, dy, x []float32)
TEXT ·geluTanhBackwardNEON(SB), NOSPLIT, $0-72
	MAPBACKWARD(GELUTANHSLOPE)

// func geluErfBackwardNEON(dx, dy, x []float32)
TEXT ·geluErfBackwardNEON(SB), NOSPLIT, $0-72
	MAPBACKWARD(GELUERFSLOPE)

// Softmax backward: dx = scale·p·(dy − Σ dy·p). p at R0, dy at R1 for the sum and at R7. V8 = scale, V9 = the sum.
#define SOFTMAXBACKSTEP(a, b) \
	VLD1.P 16(R7), [V0.S4]; \
	VLD1.P 16(R0), [V1.S4]; \
	VFSUB4S(9, 0, 0); \
	VFMUL4S(1, 0, 0); \
	VFMUL4S(8, 0, 0); \
	VST1.P [V0.S4], 16(R1)
#define SOFTMAXBACKLAST \
	LOADREST(R7, F0, V0, odd2, end2); \
	LOADREST(R0, F1, V1, odd3, end3); \
	VFSUB4S(9, 0, 0); \
	VFMUL4S(1, 0, 0); \
	VFMUL4S(8, 0, 0); \
	STOREREST(R1, odd4, end4)

// func softmaxBackwardNEON(dx, p, dy []float32, scale float32)
TEXT ·softmaxBackwardNEON(SB), NOSPLIT, $0-76
	MOVD  p_base+24(FP), R0
	MOVD  p_len+32(FP), R2
	MOVD  dy_base+48(FP), R1
	SUMPASS(DOTSTEP, DOTLAST, loop1, single1, rest1, quad1, last1, back1, turn1, done1)
	SUM
	VDUP  V16.S[0], V9.S4
	FMOVS scale+72(FP), F8
	VDUP  V8.S[0], V8.S4
	MOVD  p_base+24(FP), R0
	MOVD  dy_base+48(FP), R7
	MOVD  dx_base+0(FP), R1
	PASS(SOFTMAXBACKSTEP, SOFTMAXBACKLAST, loop2, single2, rest2, done2)
	RET

// LayerNorm backward: dx = rstd·(g − mean(g) − x̂·mean(g·x̂)), g = gamma·dy. dy at R0, gamma at R7, x̂ at R8, dx at R1.
// V8 = mean(g), V9 = mean(g·x̂), V10 = rstd.
#define SKIP3 ADD $128, R0; ADD $128, R7; ADD $128, R8
#define MEANSSTEP(a, b) \
	VLD1.P 16(R0), [V0.S4]; \
	VLD1.P 16(R7), [V1.S4]; \
	VLD1.P 16(R8), [V2.S4]; \
	VFMUL4S(1, 0, 0); \
	VFADD4S(0, a, a); \
	VFMLA4S(2, 0, b)
#define MEANSLAST \
	LOADREST(R0, F0, V0, odd0, end0); \
	LOADREST(R7, F1, V1, odd1, end1); \
	LOADREST(R8, F2, V2, odd2, end2); \
	VFMUL4S(1, 0, 0); \
	VFADD4S(0, 16, 16); \
	VFMLA4S(2, 0, 17)
#define NORMBACKSTEP(a, b) \
	VLD1.P 16(R0), [V0.S4]; \
	VLD1.P 16(R7), [V1.S4]; \
	VLD1.P 16(R8), [V2.S4]; \
	VFMUL4S(1, 0, 0); \
	VFSUB4S(8, 0, 0); \
	VFMLS4S(2, 9, 0); \
	VFMUL4S(10, 0, 0); \
	VST1.P [V0.S4], 16(R1)
#define NORMBACKLAST \
	LOADREST(R0, F0, V0, odd3, end3); \
	LOADREST(R7, F1, V1, odd4, end4); \
	LOADREST(R8, F2, V2, odd5, end5); \
	VFMUL4S(1, 0, 0); \
	VFSUB4S(8, 0, 0); \
	VFMLS4S(2, 9, 0); \
	VFMUL4S(10, 0, 0); \
	STOREREST(R1, odd6, end6)

// func layerNormBackwardNEON(dx, dy, norm, gamma []float32, rstd float32)
TEXT ·layerNormBackwardNEON(SB), NOSPLIT, $0-100
	MOVD   dx_base+0(FP), R1
	MOVD   dy_base+24(FP), R0
	MOVD   dy_len+32(FP), R2
	MOVD   norm_base+48(FP), R8
	MOVD   gamma_base+72(FP), R7
	HALVES(MEANSSTEP, MEANSLAST, SKIP3, loop1, single1, rest1, quad1, last1, back1, turn1, done1)
	SAVEPAIR
	MOVD   dy_base+24(FP), R0
	MOVD   norm_base+48(FP), R8
	MOVD   gamma_base+72(FP), R7
	OTHERS(MEANSSTEP, SKIP3, loop3, done3)
	SUMPAIR
	SCVTFS R2, F1
	FDIVS  F1, F16, F8
	VDUP   V8.S[0], V8.S4
	FDIVS  F1, F17, F9
	VDUP   V9.S[0], V9.S4
	FMOVS  rstd+96(FP), F10
	VDUP   V10.S[0], V10.S4
	MOVD   dy_base+24(FP), R0
	MOVD   norm_base+48(FP), R8
	MOVD   gamma_base+72(FP), R7
	PASS(NORMBACKSTEP, NORMBACKLAST, loop2, single2, rest2, done2)
	RET

// AdamW: w at R1, g at R0, m at R7, v at R8, the AdamStep at R9.
#define CLIP  22
#define BETA1 23
#define GAIN1 24
#define BETA2 25
#define GAIN2 26
#define MHAT  27
#define VHAT  28
#define EPS   29
#define DECAY 30
#define LR    31

// ADAM: from g in V0, m in V1, v in V2, w in V3, the new m, v, w. V4 is lost.
#define ADAM \
	VFMUL4S(CLIP, 0, 0); \
	VFMUL4S(BETA1, 1, 1); \
	VFMLA4S(GAIN1, 0, 1); \
	VFMUL4S(0, 0, 0); \
	VFMUL4S(BETA2, 2, 2); \
	VFMLA4S(GAIN2, 0, 2); \
	VFMUL4S(VHAT, 2, 4); \
	VFSQRT4S(4, 4); \
	VFADD4S(EPS, 4, 4); \
	VFMUL4S(MHAT, 1, 0); \
	VFDIV4S(4, 0, 0); \
	VFMLA4S(DECAY, 3, 0); \
	VFMLS4S(LR, 0, 3)
#define ADAMSTEP(a, b) \
	VLD1 (R0), [V0.S4]; \
	VLD1 (R7), [V1.S4]; \
	VLD1 (R8), [V2.S4]; \
	VLD1 (R1), [V3.S4]; \
	ADAM; \
	VZERO(0); \
	VST1.P [V0.S4], 16(R0); \
	VST1.P [V1.S4], 16(R7); \
	VST1.P [V2.S4], 16(R8); \
	VST1.P [V3.S4], 16(R1)
#define ADAMLAST \
	LOADREST(R0, F0, V0, odd0, end0); \
	LOADREST(R7, F1, V1, odd1, end1); \
	LOADREST(R8, F2, V2, odd2, end2); \
	LOADREST(R1, F3, V3, odd3, end3); \
	ADAM; \
	VMOVQ(1, 0); \
	STOREREST(R7, odd4, end4); \
	VMOVQ(2, 0); \
	STOREREST(R8, odd5, end5); \
	VMOVQ(3, 0); \
	STOREREST(R1, odd6, end6); \
	VZERO(0); \
	STOREREST(R0, odd7, end7)

// func adamWNEON(w, g, m, v []float32, s *AdamStep)
TEXT ·adamWNEON(SB), NOSPLIT, $0-104
	MOVD  w_base+0(FP), R1
	MOVD  w_len+8(FP), R2
	MOVD  g_base+24(FP), R0
	MOVD  m_base+48(FP), R7
	MOVD  v_base+72(FP), R8
	MOVD  s+96(FP), R9
	FMOVS AdamStep_Clip(R9), F22
	FMOVS AdamStep_Beta1(R9), F23
	FMOVS AdamStep_Gain1(R9), F24
	FMOVS AdamStep_Beta2(R9), F25
	FMOVS AdamStep_Gain2(R9), F26
	FMOVS AdamStep_MHat(R9), F27
	FMOVS AdamStep_VHat(R9), F28
	FMOVS AdamStep_Eps(R9), F29
	FMOVS AdamStep_Decay(R9), F30
	FMOVS AdamStep_LR(R9), F31
	VDUP  V22.S[0], V22.S4
	VDUP  V23.S[0], V23.S4
	VDUP  V24.S[0], V24.S4
	VDUP  V25.S[0], V25.S4
	VDUP  V26.S[0], V26.S4
	VDUP  V27.S[0], V27.S4
	VDUP  V28.S[0], V28.S4
	VDUP  V29.S[0], V29.S4
	VDUP  V30.S[0], V30.S4
	VDUP  V31.S[0], V31.S4
	PASS(ADAMSTEP, ADAMLAST, loop, single, rest, done)
	RET
