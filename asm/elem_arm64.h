// The formulas of elem_generic.go on one vector of 4 numbers, with the operations and the order of elem_amd64.h. Registers are
// given by number. R4 holds the address of coefs.
//
// A formula takes x in V0 and leaves f(x) there. V1…V7 are lost.

// K: V[d] = a constant. HORNER: V[q] = constant + V[p]·V[t]. MINK, MAXK: V[x] held to a constant, V[k] is lost.
#define K(c, d)           VLDR4(c, d)
#define HORNER(c, t, p, q) K(c, q); VFMLA4S(t, p, q)
#define MINK(c, k, x)      K(c, k); VFMIN4S(k, x, x)
#define MAXK(c, k, x)      K(c, k); VFMAX4S(k, x, x)

// EXPPARTS: p = e^(t − n·ln 2), n = round(t·log₂e). t and q are lost.
#define EXPPARTS(t, n, p, q) \
	K(coef_log2e, q); \
	VFMUL4S(q, t, n); \
	VFRINTN4S(n, n); \
	K(coef_ln2Hi, q); \
	VFMLS4S(q, n, t); \
	K(coef_ln2Lo, q); \
	VFMLS4S(q, n, t); \
	K(coef_exp6, p); \
	HORNER(coef_exp5, t, p, q); \
	HORNER(coef_exp4, t, q, p); \
	HORNER(coef_exp3, t, p, q); \
	HORNER(coef_exp2, t, q, p); \
	HORNER(coef_one, t, p, q); \
	HORNER(coef_one, t, q, p)

// LDEXP: p = p·2ⁿ; n is lost. As an integer NaN is 0, and p stays NaN.
#define LDEXP(n, p) \
	VFCVTNS4S(n, n); \
	VSHL23(n, n); \
	VIADD4S(n, p, p)

// EXPIN: p = e^t for expMin ≤ t ≤ expMax. t, n, q are lost.
#define EXPIN(t, n, p, q) \
	EXPPARTS(t, n, p, q); \
	LDEXP(n, p)

// EXPLOW: V0 = e^x, 0 below expMin, for x ≤ expMax. EXP: the same, +Inf above. What EXPIN makes of other x is replaced.
#define EXPLOW \
	VMOVQ(0, 1); \
	EXPIN(1, 2, 3, 5); \
	K(coef_expMin, 1); \
	VFCMGT4S(0, 1, 1); \
	VBICQ(1, 3, 0)
#define EXP \
	VMOVQ(0, 6); \
	EXPLOW; \
	K(coef_expMax, 1); \
	VFCMGT4S(1, 6, 1); \
	K(coef_inf, 2); \
	VBITQ(1, 2, 0)

// TANH: with a = |x| (V1), the polynomial in a² (V2) for a < tanhPoly, and for NaN, else 1 − 2/(1 + e^2a); then x's sign.
#define TANH \
	VFABS4S(0, 1); \
	VFADD4S(1, 1, 2); \
	MINK(coef_tanhOne, 5, 2); \
	EXPIN(2, 3, 4, 5); \
	K(coef_one, 5); \
	VFADD4S(5, 4, 4); \
	K(coef_two, 3); \
	VFDIV4S(4, 3, 3); \
	VFSUB4S(3, 5, 3); \
	VFMUL4S(1, 1, 2); \
	K(coef_tanh11, 4); \
	HORNER(coef_tanh9, 2, 4, 6); \
	HORNER(coef_tanh7, 2, 6, 4); \
	HORNER(coef_tanh5, 2, 4, 6); \
	HORNER(coef_tanh3, 2, 6, 4); \
	VFMUL4S(2, 4, 4); \
	VMOVQ(1, 6); \
	VFMLA4S(1, 4, 6); \
	K(coef_tanhPoly, 5); \
	VFCMGE4S(5, 1, 5); \
	VBITQ(5, 3, 6); \
	K(coef_sign, 5); \
	VBIFQ(5, 6, 0)

// SIGMOID: 2⁻⁶⁴/(2⁻⁶⁴ + e^−x·2⁻⁶⁴), with x first held between sigmoidMin and sigmoidMax.
#define SIGMOID \
	MAXK(coef_sigmoidMin, 1, 0); \
	MINK(coef_sigmoidMax, 1, 0); \
	VFNEG4S(0, 0); \
	EXPPARTS(0, 1, 2, 3); \
	K(coef_sigmoidShift, 3); \
	VFSUB4S(3, 1, 1); \
	LDEXP(1, 2); \
	K(coef_sigmoidOne, 0); \
	VFADD4S(0, 2, 2); \
	VFDIV4S(2, 0, 0)

// GELUTANH: x/(1 + 2s), s = e^t, t = x·(gelu1 + gelu3·x²) − ln 2 held between expMin and expMax.
#define GELUTANH \
	VFMUL4S(0, 0, 1); \
	K(coef_gelu3, 3); \
	HORNER(coef_gelu1, 1, 3, 2); \
	HORNER(coef_minusLn2, 0, 2, 3); \
	MINK(coef_expMax, 5, 3); \
	MAXK(coef_expMin, 5, 3); \
	EXPIN(3, 1, 2, 5); \
	K(coef_two, 5); \
	HORNER(coef_one, 5, 2, 1); \
	VFDIV4S(1, 0, 0)

// NORMALTAIL: with a in V1, V4 = e = e^(−a²/2) and V5 = m = Φ(−a)/e. V2, V3, V6 are lost.
#define NORMALTAIL \
	K(coef_mills, 5); \
	VFADD4S(1, 5, 5); \
	VFDIV4S(5, 1, 6); \
	K(coef_minusHalf, 2); \
	VFMUL4S(1, 2, 2); \
	VFMUL4S(1, 2, 2); \
	EXPIN(2, 3, 4, 5); \
	K(coef_mills8, 5); \
	HORNER(coef_mills7, 6, 5, 2); \
	HORNER(coef_mills6, 6, 2, 5); \
	HORNER(coef_mills5, 6, 5, 2); \
	HORNER(coef_mills4, 6, 2, 5); \
	HORNER(coef_mills3, 6, 5, 2); \
	HORNER(coef_mills2, 6, 2, 5); \
	HORNER(coef_mills1, 6, 5, 2); \
	HORNER(coef_half, 6, 2, 5)

// POSITIVE: V[s] = 0 where the sign bit of V[x] is set, else 1. V[k] is lost.
#define POSITIVE(x, k, s) \
	VSSHR31(x, s); \
	K(coef_one, k); \
	VBICQ(s, k, s)

// GELUERF: x·[x ≥ 0] − a·e·m with a = min(|x|, millsMax).
#define GELUERF \
	VFABS4S(0, 1); \
	MINK(coef_millsMax, 5, 1); \
	NORMALTAIL; \
	POSITIVE(0, 3, 2); \
	VFMUL4S(2, 0, 0); \
	VFMUL4S(1, 4, 4); \
	VFMLS4S(5, 4, 0)

// GELUTANHSLOPE: σ·(1 − x·w·s·σ) with x held to ±geluFlat, s = e^−2u, σ = 1/(1 + s) and w = −2u′.
#define GELUTANHSLOPE \
	MAXK(coef_minusGeluFlat, 1, 0); \
	MINK(coef_geluFlat, 1, 0); \
	VFMUL4S(0, 0, 1); \
	K(coef_gelu3, 3); \
	HORNER(coef_gelu1, 1, 3, 2); \
	VFMUL4S(0, 2, 2); \
	K(coef_gelu9, 3); \
	HORNER(coef_gelu1, 1, 3, 6); \
	VFMUL4S(0, 6, 6); \
	EXPIN(2, 3, 4, 5); \
	K(coef_one, 1); \
	VFADD4S(1, 4, 2); \
	VFDIV4S(2, 1, 3); \
	VFMUL4S(3, 4, 4); \
	VFMLS4S(4, 6, 1); \
	VFMUL4S(3, 1, 0)

// GELUERFSLOPE: p + g·(1 − 2p) with a = min(|x|, millsMax), g = e·(m − a·φ(0)), p = [x ≥ 0].
#define GELUERFSLOPE \
	VFABS4S(0, 1); \
	MINK(coef_millsMax, 5, 1); \
	NORMALTAIL; \
	K(coef_density, 2); \
	VFMLS4S(2, 1, 5); \
	VFMUL4S(5, 4, 4); \
	POSITIVE(0, 3, 2); \
	VMOVQ(2, 0); \
	K(coef_one, 3); \
	K(coef_two, 1); \
	VFMLS4S(1, 0, 3); \
	VFMLA4S(3, 4, 0)

// The R3 = 1…3 numbers that do not fill a register go one by one; the other lanes are 0.

// LOADREST: loads them at address r into the register v = f. STOREREST: stores V0. R6 is lost; the labels are their own.
#define LOADREST(r, f, v, odd, end) \
	TBZ   $1, R3, odd; \
	FMOVD (r), f; \
	TBZ   $0, R3, end; \
	ADD   $8, r, R6; \
	VLD1  (R6), v.S[2]; \
	B     end; \
odd: \
	FMOVS (r), f; \
end:
#define STOREREST(r, odd, end) \
	TBZ   $1, R3, odd; \
	FMOVD F0, (r); \
	TBZ   $0, R3, end; \
	ADD   $8, r, R6; \
	VST1  V0.S[2], (R6); \
	B     end; \
odd: \
	FMOVS F0, (r); \
end:

// MAP: y[i] = f(x[i]) for i < len(x), R3 numbers from R0 to R1.
#define MAP(F) \
	MOVD y_base+0(FP), R1; \
	MOVD x_base+24(FP), R0; \
	MOVD x_len+32(FP), R3; \
	MOVD $·coefs(SB), R4; \
	SUBS $4, R3; \
	BLT  rest; \
loop: \
	VLD1.P 16(R0), [V0.S4]; \
	F; \
	VST1.P [V0.S4], 16(R1); \
	SUBS $4, R3; \
	BGE  loop; \
rest: \
	ADDS $4, R3; \
	BEQ  done; \
	LOADREST(R0, F0, V0, odd0, end0); \
	F; \
	STOREREST(R1, odd1, end1); \
done: \
	RET

// MAPBACKWARD: dx[i] = dy[i]·f′(x[i]); x at R0, dy at R7, dx at R1.
#define MAPBACKWARD(SLOPE) \
	MOVD dx_base+0(FP), R1; \
	MOVD dy_base+24(FP), R7; \
	MOVD x_base+48(FP), R0; \
	MOVD x_len+56(FP), R3; \
	MOVD $·coefs(SB), R4; \
	SUBS $4, R3; \
	BLT  rest; \
loop: \
	VLD1.P 16(R0), [V0.S4]; \
	SLOPE; \
	VLD1.P 16(R7), [V1.S4]; \
	VFMUL4S(1, 0, 0); \
	VST1.P [V0.S4], 16(R1); \
	SUBS $4, R3; \
	BGE  loop; \
rest: \
	ADDS $4, R3; \
	BEQ  done; \
	LOADREST(R0, F0, V0, odd0, end0); \
	SLOPE; \
	LOADREST(R7, F1, V1, odd1, end1); \
	VFMUL4S(1, 0, 0); \
	STOREREST(R1, odd2, end2); \
done: \
	RET

// PASS walks along R2 numbers: STEP(a, b) for each 4 of them, LAST for the remaining R3, if any; these move the pointers. Four
// steps in turn have four pairs of accumulators a, b to themselves, the single ones and LAST share the first pair: the order
// of a sum depends on its length only. Each PASS needs four labels.
#define PASS(STEP, LAST, loop, single, rest, end) \
	SUBS $16, R2, R3; \
	BLT  single; \
loop: \
	STEP(16, 17); \
	STEP(18, 19); \
	STEP(20, 21); \
	STEP(22, 23); \
	SUBS $16, R3; \
	BGE  loop; \
single: \
	ADDS $12, R3; \
	BLT  rest; \
	STEP(16, 17); \
	SUBS $16, R3; \
	B    single; \
rest: \
	ADDS $4, R3; \
	BEQ  end; \
	LAST; \
end:

// ZERO: all accumulators 0. SUM: lane 0 of V16 = the sum of the accumulators a. SUMPD: that of a and b, float64.
#define ZERO \
	VZERO(16); VZERO(17); VZERO(18); VZERO(19); VZERO(20); VZERO(21); VZERO(22); VZERO(23)
#define SUM \
	VFADD4S(18, 16, 16); VFADD4S(22, 20, 20); VFADD4S(20, 16, 16); \
	VFADDP4S(16, 16, 16); VFADDP4S(16, 16, 16)
#define SUMPD \
	VFADD2D(17, 16, 16); VFADD2D(19, 18, 18); VFADD2D(21, 20, 20); VFADD2D(23, 22, 22); \
	VFADD2D(18, 16, 16); VFADD2D(22, 20, 20); VFADD2D(20, 16, 16); \
	VFADDP2D(16, 16, 16)
