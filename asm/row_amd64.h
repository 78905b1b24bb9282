// The kernels that see a whole row, for YMM and ZMM registers alike: sums, softmax, LayerNorm. The level's header and
// elem_amd64.h are included before. A0…A7 are accumulators, V0 is the vector at hand, V1…V7 formulas and constants.

// PASS walks along DX numbers, AX bytes from their begin: STEP(at, a, b) for each vector, which lies at at(pointer)(AX*1), and
// LAST for the remaining CX numbers, if any. Four steps in turn have accumulators A0, A2, A4, A6, the single ones and LAST use A0.
// Each PASS needs four labels.
#define PASS(STEP, LAST, loop, single, rest, end) \
	XORQ AX, AX; \
	MOVQ DX, CX; \
	SUBQ $(4*LANES), CX; \
	JLT  single; \
loop: \
	STEP(0, A0, A1); \
	STEP(4*LANES, A2, A3); \
	STEP(8*LANES, A4, A5); \
	STEP(12*LANES, A6, A7); \
	ADDQ $(16*LANES), AX; \
	SUBQ $(4*LANES), CX; \
	JGE  loop; \
single: \
	ADDQ $(3*LANES), CX; \
	JLT  rest; \
	STEP(0, A0, A1); \
	ADDQ $(4*LANES), AX; \
	SUBQ $(4*LANES), CX; \
	JMP  single; \
rest: \
	ADDQ $LANES, CX; \
	JEQ  end; \
	RESTMASK; \
	LAST; \
end:

// Sums have one order at all levels, that of sum_generic.go: four vectors of 16 lanes. How a level holds these lanes stands in its header,
// which defines a pass for each kind of sum. Their STEP is that of PASS, LAST(a, b) is told its accumulators. They need their own labels.
//
//	SUMPASS    one float32 sum, Σ a: its lanes. CX then is how many numbers LAST had, 0 for none; they lie at (pointer)(AX*1)
//	SUM        X8 = the sum of these lanes
//	SUMPAIR    two float32 sums: X4 = Σ a, X8 = Σ b. V0…V5 are lost
//	SUMPD      one float64 sum, a and b of the lower and the upper half of a vector: X8 = Σ a + Σ b. V0…V5 are lost
//
// ZERO: all accumulators 0.
#define ZERO \
	VXORPS A0, A0, A0; VXORPS A1, A1, A1; VXORPS A2, A2, A2; VXORPS A3, A3, A3; \
	VXORPS A4, A4, A4; VXORPS A5, A5, A5; VXORPS A6, A6, A6; VXORPS A7, A7, A7

// WIDEN: V0 = the lower half of V0 in float64, V1 = the upper.
#define WIDEN \
	VMOVAPS   V0, V1; \
	VCVTPS2PD H0, V0; \
	UPPER(V1, H1); \
	VCVTPS2PD H1, V1

// DOT: X8 = Σ x·y, x at SI, y at DI.
#define DOTSTEP(at, a, b) \
	VMOVUPS     at(SI)(AX*1), V0; \
	VFMADD231PS at(DI)(AX*1), V0, a
#define DOTLAST(a, b) \
	LOADREST((SI)(AX*1), V0); \
	LOADREST((DI)(AX*1), V1); \
	VFMADD231PS V1, V0, a
#define DOT \
	SUMPASS(DOTSTEP, DOTLAST, loop, single, rest, low, end); \
	SUM

// SUMSQUARES: X8 = Σ x² in float64, x at SI.
#define SQUARESTEP(at, a, b) \
	VCVTPS2PD   at(SI)(AX*1), V0; \
	VCVTPS2PD   at+HALF(SI)(AX*1), V1; \
	VFMADD231PD V0, V0, a; \
	VFMADD231PD V1, V1, b
#define SQUARELAST(a, b) \
	LOADREST((SI)(AX*1), V0); \
	WIDEN; \
	VFMADD231PD V0, V0, a; \
	VFMADD231PD V1, V1, b
#define SUMSQUARES SUMPD(SQUARESTEP, SQUARELAST, loop, single, rest, low, end, loop2, end2)

// AXPY: y += a·x, x at SI, y at DI, a in V5.
#define AXPYSTEP(at, a, b) \
	VMOVUPS     at(SI)(AX*1), V0; \
	VFMADD213PS at(DI)(AX*1), V5, V0; \
	VMOVUPS     V0, at(DI)(AX*1)
#define AXPYLAST \
	LOADREST((SI)(AX*1), V0); \
	LOADREST((DI)(AX*1), V1); \
	VFMADD213PS V1, V5, V0; \
	STOREREST((DI)(AX*1), two, one, stored)
#define AXPY PASS(AXPYSTEP, AXPYLAST, loop, single, rest, end)

// ADD: y += x, x at SI, y at DI.
#define ADDSTEP(at, a, b) \
	VMOVUPS at(SI)(AX*1), V0; \
	VADDPS  at(DI)(AX*1), V0, V0; \
	VMOVUPS V0, at(DI)(AX*1)
#define ADDLAST \
	LOADREST((SI)(AX*1), V0); \
	LOADREST((DI)(AX*1), V1); \
	VADDPS  V1, V0, V0; \
	STOREREST((DI)(AX*1), two, one, stored)
#define ADD PASS(ADDSTEP, ADDLAST, loop, single, rest, end)

// MULADD: y += a·x, x at SI, a at R8, y at DI.
#define MULADDSTEP(at, a, b) \
	VMOVUPS     at(SI)(AX*1), V0; \
	VMOVUPS     at(R8)(AX*1), V1; \
	VFMADD213PS at(DI)(AX*1), V1, V0; \
	VMOVUPS     V0, at(DI)(AX*1)
#define MULADDLAST \
	LOADREST((SI)(AX*1), V0); \
	LOADREST((R8)(AX*1), V1); \
	LOADREST((DI)(AX*1), V2); \
	VFMADD213PS V2, V1, V0; \
	STOREREST((DI)(AX*1), two, one, stored)
#define MULADD PASS(MULADDSTEP, MULADDLAST, loop, single, rest, end)

// SOFTMAX: x = e^(scale·x − top)/sum, x at SI, scale in V5. V6 is top, then 1/sum.
#define MAXSTEP(at, a, b) \
	VMULPS at(SI)(AX*1), V5, V0; \
	VMAXPS V0, a, a
#define MAXLAST \
	LOADREST((SI)(AX*1), V0); \
	VMULPS V0, V5, V0; \
	MAXREST(V0, A0)
#define EXPSTEP(at, a, b) \
	VMULPS  at(SI)(AX*1), V5, V0; \
	VSUBPS  V6, V0, V0; \
	EXPLOW; \
	VMOVUPS V0, at(SI)(AX*1); \
	VADDPS  V0, a, a
#define EXPLAST(a, b) \ // leaves V0 to be stored
	LOADREST((SI)(AX*1), V0); \
	VMULPS  V0, V5, V0; \
	VSUBPS  V6, V0, V0; \
	EXPLOW; \
	ZEROREST(V0); \
	VADDPS  V0, a, a
#define SCALESTEP(at, a, b) \
	VMULPS  at(SI)(AX*1), V6, V0; \
	VMOVUPS V0, at(SI)(AX*1)
#define SCALELAST \
	LOADREST((SI)(AX*1), V0); \
	VMULPS  V0, V6, V0; \
	STOREREST((SI)(AX*1), two3, one3, stored3)
#define SCALE PASS(SCALESTEP, SCALELAST, loop3, single3, rest3, end3) // x = x·V6
#define SOFTMAX \
	VBROADCASTSS ·coefs+coef_minusInf(SB), A0; \
	VMOVAPS A0, A2; VMOVAPS A0, A4; VMOVAPS A0, A6; \
	PASS(MAXSTEP, MAXLAST, loop1, single1, rest1, end1); \
	VMAXPS A2, A0, A0; VMAXPS A6, A4, A4; VMAXPS A4, A0, A0; \
	FOLD(VMAXPS); \
	VBROADCASTSS X8, V6; \
	SUMPASS(EXPSTEP, EXPLAST, loop2, single2, rest2, low2, end2); \
	TESTQ CX, CX; \
	JEQ   all2; \
	STOREREST((SI)(AX*1), two2, one2, stored2); \
all2: \
	SUM; \
	VMOVSS ·coefs+coef_one(SB), X0; \
	VDIVSS X8, X0, X0; \
	VBROADCASTSS X0, V6; \
	SCALE

// SOFTMAXBACKWARD: dx = scale·p·(dy − Σ dy·p); p at SI, dy at DI for the sum and at R8, scale in V5, V6 = the sum.
#define SOFTMAXBACKSTEP(at, a, b) \
	VMOVUPS at(R8)(AX*1), V0; \
	VSUBPS  V6, V0, V0; \
	VMULPS  at(SI)(AX*1), V0, V0; \
	VMULPS  V5, V0, V0; \
	VMOVUPS V0, at(DI)(AX*1)
#define SOFTMAXBACKLAST \
	LOADREST((R8)(AX*1), V0); \
	LOADREST((SI)(AX*1), V1); \
	VSUBPS  V6, V0, V0; \
	VMULPS  V1, V0, V0; \
	VMULPS  V5, V0, V0; \
	STOREREST((DI)(AX*1), two, one, stored)
#define SOFTMAXBACKWARD(dx) \
	DOT; \
	VBROADCASTSS X8, V6; \
	MOVQ         DI, R8; \
	MOVQ         dx, DI; \
	PASS(SOFTMAXBACKSTEP, SOFTMAXBACKLAST, loop2, single2, rest2, end2)

// LAYERNORM: y = (x − hi − lo)·rstd·gamma + beta; x at SI, y at DI, gamma at R8, beta at R9. hi + lo is the mean, summed in
// float64: X8/DX. V4 = hi, V5 = lo, V6 = rstd.
#define MEANSTEP(at, a, b) \
	VCVTPS2PD at(SI)(AX*1), V0; \
	VCVTPS2PD at+HALF(SI)(AX*1), V1; \
	VADDPD    V0, a, a; \
	VADDPD    V1, b, b
#define MEANLAST(a, b) \
	LOADREST((SI)(AX*1), V0); \
	WIDEN; \
	VADDPD V0, a, a; \
	VADDPD V1, b, b
#define VARSTEP(at, a, b) \
	VMOVUPS     at(SI)(AX*1), V0; \
	VSUBPS      V4, V0, V0; \
	VSUBPS      V5, V0, V0; \
	VFMADD231PS V0, V0, a
#define VARLAST(a, b) \
	LOADREST((SI)(AX*1), V0); \
	VSUBPS      V4, V0, V0; \
	VSUBPS      V5, V0, V0; \
	ZEROREST(V0); \
	VFMADD231PS V0, V0, a
#define NORMSTEP(at, a, b) \
	VMOVUPS     at(SI)(AX*1), V0; \
	VSUBPS      V4, V0, V0; \
	VSUBPS      V5, V0, V0; \
	VMULPS      V6, V0, V0; \
	VMOVUPS     at(R8)(AX*1), V1; \
	VFMADD213PS at(R9)(AX*1), V1, V0; \
	VMOVUPS     V0, at(DI)(AX*1)
#define NORMLAST \
	LOADREST((SI)(AX*1), V0); \
	VSUBPS      V4, V0, V0; \
	VSUBPS      V5, V0, V0; \
	VMULPS      V6, V0, V0; \
	LOADREST((R8)(AX*1), V1); \
	LOADREST((R9)(AX*1), V2); \
	VFMADD213PS V2, V1, V0; \
	STOREREST((DI)(AX*1), two, one, stored)
#define LAYERNORM(eps) \
	SUMPD(MEANSTEP, MEANLAST, loop1, single1, rest1, low1, end1, loop4, end4); \
	VXORPS       X0, X0, X0; \
	VCVTSI2SDQ   DX, X0, X1; \
	VDIVSD       X1, X8, X8; \
	VCVTSD2SS    X8, X0, X4; \
	VCVTSS2SD    X4, X0, X1; \
	VSUBSD       X1, X8, X5; \
	VCVTSD2SS    X5, X0, X5; \
	VBROADCASTSS X4, V4; \
	VBROADCASTSS X5, V5; \
	SUMPASS(VARSTEP, VARLAST, loop2, single2, rest2, low2, end2); \
	SUM; \
	VXORPS       X0, X0, X0; \
	VCVTSI2SSQ   DX, X0, X1; \
	VDIVSS       X1, X8, X8; \
	VADDSS       eps, X8, X8; \
	VSQRTSS      X8, X8, X8; \
	VMOVSS       ·coefs+coef_one(SB), X6; \
	VDIVSS       X8, X6, X6; \
	VBROADCASTSS X6, V6; \
	PASS(NORMSTEP, NORMLAST, loop3, single3, rest3, end3)

// LAYERNORMBACKWARD: dx = rstd·(g − mean(g) − x̂·mean(g·x̂)), g = gamma·dy; dy at SI, gamma at R8, x̂ at R9, dx at DI.
// V4 = mean(g), V5 = mean(g·x̂), V6 = rstd.
#define MEANSSTEP(at, a, b) \
	VMOVUPS     at(SI)(AX*1), V0; \
	VMULPS      at(R8)(AX*1), V0, V0; \
	VADDPS      V0, a, a; \
	VFMADD231PS at(R9)(AX*1), V0, b
#define MEANSLAST(a, b) \
	LOADREST((SI)(AX*1), V0); \
	LOADREST((R8)(AX*1), V1); \
	LOADREST((R9)(AX*1), V2); \
	VMULPS      V1, V0, V0; \
	VADDPS      V0, a, a; \
	VFMADD231PS V2, V0, b
#define NORMBACKSTEP(at, a, b) \
	VMOVUPS      at(SI)(AX*1), V0; \
	VMULPS       at(R8)(AX*1), V0, V0; \
	VSUBPS       V4, V0, V0; \
	VFNMADD231PS at(R9)(AX*1), V5, V0; \
	VMULPS       V6, V0, V0; \
	VMOVUPS      V0, at(DI)(AX*1)
#define NORMBACKLAST \
	LOADREST((SI)(AX*1), V0); \
	LOADREST((R8)(AX*1), V1); \
	LOADREST((R9)(AX*1), V2); \
	VMULPS       V1, V0, V0; \
	VSUBPS       V4, V0, V0; \
	VFNMADD231PS V2, V5, V0; \
	VMULPS       V6, V0, V0; \
	STOREREST((DI)(AX*1), two, one, stored)
#define LAYERNORMBACKWARD \
	SUMPAIR(MEANSSTEP, MEANSLAST, loop1, single1, rest1, low1, end1, loop3, end3); \
	VXORPS       X0, X0, X0; \
	VCVTSI2SSQ   DX, X0, X2; \
	VDIVSS       X2, X4, X4; \
	VBROADCASTSS X4, V4; \
	VDIVSS       X2, X8, X5; \
	VBROADCASTSS X5, V5; \
	PASS(NORMBACKSTEP, NORMBACKLAST, loop2, single2, rest2, end2)

// ADAMW: one step of Adam; w at DI, g at SI, m at R8, v at R9, the AdamStep at R11. The accumulators hold its numbers.
#define CLIP  V5
#define BETA1 V6
#define GAIN1 A0
#define BETA2 A1
#define GAIN2 A2
#define MHAT  A3
#define VHAT  A4
#define EPS   A5
#define DECAY A6
#define LR    A7

// ADAM: from g in V0, m in V1, v in V2, w in V3, the new m, v, w. V4 is lost.
#define ADAM \
	VMULPS       CLIP, V0, V0; \
	VMULPS       BETA1, V1, V1; \
	VFMADD231PS  GAIN1, V0, V1; \
	VMULPS       V0, V0, V0; \
	VMULPS       BETA2, V2, V2; \
	VFMADD231PS  GAIN2, V0, V2; \
	VMULPS       VHAT, V2, V4; \
	VSQRTPS      V4, V4; \
	VADDPS       EPS, V4, V4; \
	VMULPS       MHAT, V1, V0; \
	VDIVPS       V4, V0, V0; \
	VFMADD231PS  DECAY, V3, V0; \
	VFNMADD231PS LR, V0, V3
#define ADAMSTEP(at, a, b) \
	VMOVUPS at(SI)(AX*1), V0; \
	VMOVUPS at(R8)(AX*1), V1; \
	VMOVUPS at(R9)(AX*1), V2; \
	VMOVUPS at(DI)(AX*1), V3; \
	ADAM; \
	VMOVUPS V1, at(R8)(AX*1); \
	VMOVUPS V2, at(R9)(AX*1); \
	VMOVUPS V3, at(DI)(AX*1); \
	VXORPS  V0, V0, V0; \
	VMOVUPS V0, at(SI)(AX*1)
#define ADAMLAST \
	LOADREST((SI)(AX*1), V0); \
	LOADREST((R8)(AX*1), V1); \
	LOADREST((R9)(AX*1), V2); \
	LOADREST((DI)(AX*1), V3); \
	ADAM; \
	VMOVAPS V1, V0; \
	STOREREST((R8)(AX*1), two1, one1, stored1); \
	VMOVAPS V2, V0; \
	STOREREST((R9)(AX*1), two2, one2, stored2); \
	VMOVAPS V3, V0; \
	STOREREST((DI)(AX*1), two3, one3, stored3); \
	VXORPS  V0, V0, V0; \
	STOREREST((SI)(AX*1), two4, one4, stored4)
#define ADAMW \
	VBROADCASTSS AdamStep_Clip(R11), CLIP; \
	VBROADCASTSS AdamStep_Beta1(R11), BETA1; \
	VBROADCASTSS AdamStep_Gain1(R11), GAIN1; \
	VBROADCASTSS AdamStep_Beta2(R11), BETA2; \
	VBROADCASTSS AdamStep_Gain2(R11), GAIN2; \
	VBROADCASTSS AdamStep_MHat(R11), MHAT; \
	VBROADCASTSS AdamStep_VHat(R11), VHAT; \
	VBROADCASTSS AdamStep_Eps(R11), EPS; \
	VBROADCASTSS AdamStep_Decay(R11), DECAY; \
	VBROADCASTSS AdamStep_LR(R11), LR; \
	PASS(ADAMSTEP, ADAMLAST, loop, single, rest, end)
