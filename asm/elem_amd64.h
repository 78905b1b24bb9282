// The formulas of elem_generic.go on one vector of numbers, for YMM and ZMM registers alike, so that both sets do the same
// operations. avx2_amd64.h or avx512_amd64.h, included before, name the registers V0…V7 and define
//
//	MULK, ADDK, SUBK, MINK, MAXK, ANDK, ANDNK    VMULPS … with a constant of coefs as first operand
//	FMADDK213, FMADDK231, FNMADDK231             VFMADD213PS … likewise
//	ROUND(x, n)            n = round(x), ties to even
//	LDEXP(n, p)            p = p·2ⁿ; n is lost
//	PICK(is, c, x, a, p)   p = a where (x is c); not where x is NaN
//	LANES, RESTMASK, LOADREST, STOREREST         the last numbers of a slice: see there
//
// A formula takes x in V0 and leaves f(x) there. V1…V6 are lost, V7 belongs to the level.
//
// VMINPS and VMAXPS give the operand that Go writes first if one is NaN. So a limit passes NaN on if x stands first; where a
// constant stands first, NaN comes back at the end, when the formula multiplies by x or divides x.

#define LESS    $17 // LT_OQ
#define ATLEAST $29 // GE_OQ
#define GREATER $30 // GT_OQ

// EXPPARTS: p = e^(t − n·ln 2), n = round(t·log₂e). t is lost.
#define EXPPARTS(t, n, p) \
	MULK         ·coefs+coef_log2e(SB), t, n; \
	ROUND(n, n); \
	FNMADDK231   ·coefs+coef_ln2Hi(SB), n, t; \
	FNMADDK231   ·coefs+coef_ln2Lo(SB), n, t; \
	VBROADCASTSS ·coefs+coef_exp6(SB), p; \
	FMADDK213    ·coefs+coef_exp5(SB), t, p; \
	FMADDK213    ·coefs+coef_exp4(SB), t, p; \
	FMADDK213    ·coefs+coef_exp3(SB), t, p; \
	FMADDK213    ·coefs+coef_exp2(SB), t, p; \
	FMADDK213    ·coefs+coef_one(SB), t, p; \
	FMADDK213    ·coefs+coef_one(SB), t, p

// EXPIN: p = e^t for expMin ≤ t ≤ expMax. t and n are lost.
#define EXPIN(t, n, p) \
	EXPPARTS(t, n, p); \
	LDEXP(n, p)

// EXPLOW: V0 = e^x, 0 below expMin, for x ≤ expMax. EXP: the same, +Inf above. What EXPIN makes of other x is replaced.
#define EXPLOW \
	VMOVAPS V0, V1; \
	EXPIN(V1, V2, V3); \
	VXORPS  V1, V1, V1; \
	PICK(LESS, ·coefs+coef_expMin(SB), V0, V1, V3); \
	VMOVAPS V3, V0
#define EXP \
	VMOVAPS      V0, V4; \
	EXPLOW; \
	VBROADCASTSS ·coefs+coef_inf(SB), V1; \
	PICK(GREATER, ·coefs+coef_expMax(SB), V4, V1, V0)

// TANH: with a = |x| (V1), the polynomial in a² (V2) for a < tanhPoly, and for NaN, else 1 − 2/(1 + e^2a); then x's sign.
#define TANH \
	ANDK         ·coefs+coef_abs(SB), V0, V1; \
	VADDPS       V1, V1, V2; \
	MINK         ·coefs+coef_tanhOne(SB), V2, V2; \
	EXPIN(V2, V3, V4); \
	ADDK         ·coefs+coef_one(SB), V4, V4; \
	VBROADCASTSS ·coefs+coef_two(SB), V3; \
	VDIVPS       V4, V3, V3; \
	VBROADCASTSS ·coefs+coef_one(SB), V4; \
	VSUBPS       V3, V4, V3; \
	VMULPS       V1, V1, V2; \
	VBROADCASTSS ·coefs+coef_tanh11(SB), V4; \
	FMADDK213    ·coefs+coef_tanh9(SB), V2, V4; \
	FMADDK213    ·coefs+coef_tanh7(SB), V2, V4; \
	FMADDK213    ·coefs+coef_tanh5(SB), V2, V4; \
	FMADDK213    ·coefs+coef_tanh3(SB), V2, V4; \
	VMULPS       V2, V4, V4; \
	VFMADD213PS  V1, V1, V4; \
	PICK(ATLEAST, ·coefs+coef_tanhPoly(SB), V1, V3, V4); \
	ANDK         ·coefs+coef_sign(SB), V0, V0; \
	VORPS        V4, V0, V0

// SIGMOID: 2⁻⁶⁴/(2⁻⁶⁴ + e^−x·2⁻⁶⁴), with x first held between sigmoidMin and sigmoidMax.
#define SIGMOID \
	VBROADCASTSS ·coefs+coef_sigmoidMin(SB), V1; \
	VMAXPS       V0, V1, V0; \
	VBROADCASTSS ·coefs+coef_sigmoidMax(SB), V1; \
	VMINPS       V0, V1, V0; \
	VBROADCASTSS ·coefs+coef_sign(SB), V1; \
	VXORPS       V1, V0, V0; \
	EXPPARTS(V0, V1, V2); \
	SUBK         ·coefs+coef_sigmoidShift(SB), V1, V1; \
	LDEXP(V1, V2); \
	ADDK         ·coefs+coef_sigmoidOne(SB), V2, V2; \
	VBROADCASTSS ·coefs+coef_sigmoidOne(SB), V0; \
	VDIVPS       V2, V0, V0

// GELUTANH: x/(1 + 2s), s = e^t, t = x·(gelu1 + gelu3·x²) − ln 2 held between expMin and expMax.
#define GELUTANH \
	VMULPS       V0, V0, V1; \
	VBROADCASTSS ·coefs+coef_gelu3(SB), V2; \
	FMADDK213    ·coefs+coef_gelu1(SB), V1, V2; \
	FMADDK213    ·coefs+coef_minusLn2(SB), V0, V2; \
	MINK         ·coefs+coef_expMax(SB), V2, V2; \
	MAXK         ·coefs+coef_expMin(SB), V2, V2; \
	EXPIN(V2, V3, V4); \
	VBROADCASTSS ·coefs+coef_one(SB), V1; \
	FMADDK231    ·coefs+coef_two(SB), V4, V1; \
	VDIVPS       V1, V0, V0

// NORMALTAIL: with a in V1, V4 = e = e^(−a²/2) and V5 = m = Φ(−a)/e. V2, V3, V6 are lost.
#define NORMALTAIL \
	ADDK         ·coefs+coef_mills(SB), V1, V5; \
	VDIVPS       V5, V1, V6; \
	MULK         ·coefs+coef_minusHalf(SB), V1, V2; \
	VMULPS       V1, V2, V2; \
	EXPIN(V2, V3, V4); \
	VBROADCASTSS ·coefs+coef_mills8(SB), V5; \
	FMADDK213    ·coefs+coef_mills7(SB), V6, V5; \
	FMADDK213    ·coefs+coef_mills6(SB), V6, V5; \
	FMADDK213    ·coefs+coef_mills5(SB), V6, V5; \
	FMADDK213    ·coefs+coef_mills4(SB), V6, V5; \
	FMADDK213    ·coefs+coef_mills3(SB), V6, V5; \
	FMADDK213    ·coefs+coef_mills2(SB), V6, V5; \
	FMADDK213    ·coefs+coef_mills1(SB), V6, V5; \
	FMADDK213    ·coefs+coef_half(SB), V6, V5

// POSITIVE: s = 0 where the sign bit of x is set, else 1.
#define POSITIVE(x, s) \
	VPSRAD $31, x, s; \
	ANDNK  ·coefs+coef_one(SB), s, s

// GELUERF: x·[x ≥ 0] − a·e·m with a = min(|x|, millsMax).
#define GELUERF \
	ANDK         ·coefs+coef_abs(SB), V0, V1; \
	MINK         ·coefs+coef_millsMax(SB), V1, V1; \
	NORMALTAIL; \
	POSITIVE(V0, V2); \
	VMULPS       V2, V0, V0; \
	VMULPS       V1, V4, V4; \
	VFNMADD231PS V5, V4, V0

// GELUTANHSLOPE: σ·(1 − x·w·s·σ) with x held to ±geluFlat, s = e^−2u, σ = 1/(1 + s) and w = −2u′.
#define GELUTANHSLOPE \
	VBROADCASTSS ·coefs+coef_minusGeluFlat(SB), V1; \
	VMAXPS       V0, V1, V0; \
	VBROADCASTSS ·coefs+coef_geluFlat(SB), V1; \
	VMINPS       V0, V1, V0; \
	VMULPS       V0, V0, V1; \
	VBROADCASTSS ·coefs+coef_gelu3(SB), V2; \
	FMADDK213    ·coefs+coef_gelu1(SB), V1, V2; \
	VMULPS       V0, V2, V2; \
	VBROADCASTSS ·coefs+coef_gelu9(SB), V5; \
	FMADDK213    ·coefs+coef_gelu1(SB), V1, V5; \
	VMULPS       V0, V5, V5; \
	EXPIN(V2, V3, V4); \
	ADDK         ·coefs+coef_one(SB), V4, V2; \
	VBROADCASTSS ·coefs+coef_one(SB), V1; \
	VDIVPS       V2, V1, V3; \
	VMULPS       V3, V4, V4; \
	VFNMADD231PS V4, V5, V1; \
	VMULPS       V3, V1, V0

// GELUERFSLOPE: p + g·(1 − 2p) with a = min(|x|, millsMax), g = e·(m − a·φ(0)), p = [x ≥ 0].
#define GELUERFSLOPE \
	ANDK         ·coefs+coef_abs(SB), V0, V1; \
	VBROADCASTSS ·coefs+coef_millsMax(SB), V2; \
	VMINPS       V1, V2, V1; \
	NORMALTAIL; \
	FNMADDK231   ·coefs+coef_density(SB), V1, V5; \
	VMULPS       V5, V4, V4; \
	POSITIVE(V0, V0); \
	VBROADCASTSS ·coefs+coef_one(SB), V3; \
	FNMADDK231   ·coefs+coef_two(SB), V0, V3; \
	VFMADD231PS  V3, V4, V0

// MAP: y[i] = f(x[i]) for i < len(x), DX numbers from SI to DI.
#define MAP(F) \
	MOVQ y_base+0(FP), DI; \
	MOVQ x_base+24(FP), SI; \
	MOVQ x_len+32(FP), DX; \
	XORQ AX, AX; \
	SUBQ $LANES, DX; \
	JLT  rest; \
loop: \
	VMOVUPS (SI)(AX*1), V0; \
	F; \
	VMOVUPS V0, (DI)(AX*1); \
	ADDQ $(4*LANES), AX; \
	SUBQ $LANES, DX; \
	JGE  loop; \
rest: \
	ADDQ $LANES, DX; \
	JEQ  done; \
	MOVQ DX, CX; \
	RESTMASK; \
	LOADREST((SI)(AX*1), V0); \
	F; \
	STOREREST((DI)(AX*1), two, one, stored); \
done: \
	VZEROUPPER; \
	RET

// MAPBACKWARD: dx[i] = dy[i]·f′(x[i]); x at R8, dy at SI, dx at DI.
#define MAPBACKWARD(SLOPE) \
	MOVQ dx_base+0(FP), DI; \
	MOVQ dy_base+24(FP), SI; \
	MOVQ x_base+48(FP), R8; \
	MOVQ x_len+56(FP), DX; \
	XORQ AX, AX; \
	SUBQ $LANES, DX; \
	JLT  rest; \
loop: \
	VMOVUPS (R8)(AX*1), V0; \
	SLOPE; \
	VMULPS (SI)(AX*1), V0, V0; \
	VMOVUPS V0, (DI)(AX*1); \
	ADDQ $(4*LANES), AX; \
	SUBQ $LANES, DX; \
	JGE  loop; \
rest: \
	ADDQ $LANES, DX; \
	JEQ  done; \
	MOVQ DX, CX; \
	RESTMASK; \
	LOADREST((R8)(AX*1), V0); \
	SLOPE; \
	LOADREST((SI)(AX*1), V1); \
	VMULPS V1, V0, V0; \
	STOREREST((DI)(AX*1), two, one, stored); \
done: \
	VZEROUPPER; \
	RET
