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
// steps in turn have accumulators V16, V18, V20, V22, the single ones and LAST use V16. Each PASS needs four labels.
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

// Sums have the order of sum_generic.go: four vectors of 16 lanes. In float32 these are V16…V31, four registers a vector, so that one sum
// has them all. Of a pair of sums, and of a sum in float64, V16…V31 hold two vectors, and a second walk along the row adds up the others.

// ZERO: V16…V31 are 0.
#define ZERO \
	VZERO(16); VZERO(17); VZERO(18); VZERO(19); VZERO(20); VZERO(21); VZERO(22); VZERO(23); \
	VZERO(24); VZERO(25); VZERO(26); VZERO(27); VZERO(28); VZERO(29); VZERO(30); VZERO(31)

// SUMREST: the R3 + 16 numbers that do not fill a vector: the first 4 go to the accumulators a0, b0, the next to those that follow. LAST
// knows the first ones only, so TURN moves the accumulators of a vector one place on after each 4, and in the end back to their places.
// R3 then is how many numbers LAST had. R10, R11 are lost.
#define SUMREST(STEP, LAST, TURN, a0, b0, quad, last, back, turn, end) \
	ADDS $16, R3; \
	BEQ  end; \
	LSR  $2, R3, R10; \
	AND  $3, R3; \
	MOVD R10, R11; \
quad: \
	CBZ  R11, last; \
	STEP(a0, b0); \
	TURN; \
	SUB  $1, R11; \
	B    quad; \
last: \
	CBZ  R3, back; \
	LAST; \
back: \
	CBZ  R10, end; \
turn: \
	TURN; \
	ADD  $1, R10; \
	CMP  $4, R10; \
	BNE  turn; \
end:

// TURN4, TURN8: V16…V19, or V16…V23 in pairs, move one place on.
#define TURN4 VMOVQ(16, 0); VMOVQ(17, 16); VMOVQ(18, 17); VMOVQ(19, 18); VMOVQ(0, 19)
#define TURN8 \
	VMOVQ(16, 0); VMOVQ(18, 16); VMOVQ(20, 18); VMOVQ(22, 20); VMOVQ(0, 22); \
	VMOVQ(17, 0); VMOVQ(19, 17); VMOVQ(21, 19); VMOVQ(23, 21); VMOVQ(0, 23)

// SUMPASS: one float32 sum, Σ a: its lanes. SUM: lane 0 of V16 = the sum of these lanes.
#define SUMPASS(STEP, LAST, loop, single, rest, quad, last, back, turn, end) \
	ZERO; \
	SUBS $64, R2, R3; \
	BLT  single; \
loop: \
	STEP(16, 16); STEP(17, 17); STEP(18, 18); STEP(19, 19); \
	STEP(20, 20); STEP(21, 21); STEP(22, 22); STEP(23, 23); \
	STEP(24, 24); STEP(25, 25); STEP(26, 26); STEP(27, 27); \
	STEP(28, 28); STEP(29, 29); STEP(30, 30); STEP(31, 31); \
	SUBS $64, R3; \
	BGE  loop; \
single: \
	ADDS $48, R3; \
	BLT  rest; \
	STEP(16, 16); STEP(17, 17); STEP(18, 18); STEP(19, 19); \
	SUBS $64, R3; \
	B    single; \
rest: \
	SUMREST(STEP, LAST, TURN4, 16, 16, quad, last, back, turn, end)
#define SUM \
	VFADD4S(20, 16, 16); VFADD4S(21, 17, 17); VFADD4S(22, 18, 18); VFADD4S(23, 19, 19); \
	VFADD4S(28, 24, 24); VFADD4S(29, 25, 25); VFADD4S(30, 26, 26); VFADD4S(31, 27, 27); \
	VFADD4S(24, 16, 16); VFADD4S(25, 17, 17); VFADD4S(26, 18, 18); VFADD4S(27, 19, 19); \
	VFADD4S(18, 16, 16); VFADD4S(19, 17, 17); VFADD4S(17, 16, 16); \
	FOLD(16)

// FOLD: lane 0 of V[v] = (lane 0 + lane 2) + (lane 1 + lane 3). V0 is lost.
#define FOLD(v) \
	VEXT8(v, 0); \
	VFADD4S(0, v, v); \
	VFADDP4S(v, v, v)

// HALVES: SUMPASS for two accumulators at a time, V16…V23 for vector 0, V24…V31 for vector 1. OTHERS: the same for vectors 2 and 3, which
// only whole blocks of 64 numbers have. SKIP moves the pointers on by 32 numbers; before OTHERS they stand at the first number.
#define HALVES(STEP, LAST, SKIP, loop, single, rest, quad, last, back, turn, end) \
	ZERO; \
	SUBS $64, R2, R3; \
	BLT  single; \
loop: \
	STEP(16, 17); STEP(18, 19); STEP(20, 21); STEP(22, 23); \
	STEP(24, 25); STEP(26, 27); STEP(28, 29); STEP(30, 31); \
	SKIP; \
	SUBS $64, R3; \
	BGE  loop; \
single: \
	ADDS $48, R3; \
	BLT  rest; \
	STEP(16, 17); STEP(18, 19); STEP(20, 21); STEP(22, 23); \
	SUBS $64, R3; \
	B    single; \
rest: \
	SUMREST(STEP, LAST, TURN8, 16, 17, quad, last, back, turn, end)
#define OTHERS(STEP, SKIP, loop, end) \
	ZERO; \
	SUBS $64, R2, R3; \
	BLT  end; \
loop: \
	SKIP; \
	STEP(16, 17); STEP(18, 19); STEP(20, 21); STEP(22, 23); \
	STEP(24, 25); STEP(26, 27); STEP(28, 29); STEP(30, 31); \
	SUBS $64, R3; \
	BGE  loop; \
end:

// JOINPD: V16…V19 = the sum of two vectors in float64, whose halves are joined first. SAVEPD puts it aside; SUMPD: lane 0 of V16 = the sum
// of both.
#define JOINPD \
	VFADD2D(20, 16, 16); VFADD2D(21, 17, 17); VFADD2D(22, 18, 18); VFADD2D(23, 19, 19); \
	VFADD2D(28, 24, 24); VFADD2D(29, 25, 25); VFADD2D(30, 26, 26); VFADD2D(31, 27, 27); \
	VFADD2D(24, 16, 16); VFADD2D(25, 17, 17); VFADD2D(26, 18, 18); VFADD2D(27, 19, 19)
#define SAVEPD \
	JOINPD; \
	VMOVQ(16, 8); VMOVQ(17, 9); VMOVQ(18, 10); VMOVQ(19, 11)
#define SUMPD \
	JOINPD; \
	VFADD2D(16, 8, 16); VFADD2D(17, 9, 17); VFADD2D(18, 10, 18); VFADD2D(19, 11, 19); \
	VFADD2D(18, 16, 16); VFADD2D(19, 17, 17); VFADD2D(17, 16, 16); \
	VFADDP2D(16, 16, 16)

// JOINPAIR: V16…V23 = the sums of two vectors, a in the even registers, b in the odd ones. SAVEPAIR puts them aside; SUMPAIR: lane 0 of V16
// = Σ a, of V17 = Σ b.
#define JOINPAIR \
	VFADD4S(24, 16, 16); VFADD4S(25, 17, 17); VFADD4S(26, 18, 18); VFADD4S(27, 19, 19); \
	VFADD4S(28, 20, 20); VFADD4S(29, 21, 21); VFADD4S(30, 22, 22); VFADD4S(31, 23, 23)
#define SAVEPAIR \
	JOINPAIR; \
	VMOVQ(16, 8); VMOVQ(17, 9); VMOVQ(18, 10); VMOVQ(19, 11); \
	VMOVQ(20, 12); VMOVQ(21, 13); VMOVQ(22, 14); VMOVQ(23, 15)
#define SUMPAIR \
	JOINPAIR; \
	VFADD4S(16, 8, 16); VFADD4S(17, 9, 17); VFADD4S(18, 10, 18); VFADD4S(19, 11, 19); \
	VFADD4S(20, 12, 20); VFADD4S(21, 13, 21); VFADD4S(22, 14, 22); VFADD4S(23, 15, 23); \
	VFADD4S(20, 16, 16); VFADD4S(22, 18, 18); VFADD4S(18, 16, 16); \
	VFADD4S(21, 17, 17); VFADD4S(23, 19, 19); VFADD4S(19, 17, 17); \
	FOLD(16); FOLD(17)
