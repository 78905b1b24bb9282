package asm

import "math"

// The element-wise kernels in plain Go: the specification. Every operation is one float32 rounding: a product stands in
// float32(…), so that no compiler fuses it with what follows (Go specification, "Floating-point operators"), and a fused
// multiply-add is fma32. The SIMD levels do the same operations, so all sets give the same bits.
// docs/elementwise.md derives the formulas; go run ./asm/_gen/minimax prints the polynomials.

// Constants of eˣ = 2ⁿ·eʳ, n = round(x·log₂e), r = x − n·ln 2. ln2Hi has 9 bits (Cody and Waite 1980, ch. 6), so n·ln2Hi
// and x − n·ln2Hi are exact.
const (
	log2e  = 1.44269504088896340735992468100189214
	ln2Hi  = 0x1.63p-1
	ln2Lo  = -0x1.bd0106p-13 // ln 2 − ln2Hi
	expMin = -0x1.5d589ep+6  // ln 2⁻¹²⁶ = −87.336…, rounded up: below it results are 0
	expMax = 0x1.62e42ep+6   // the largest float32 below ln 2¹²⁸ = 88.722…
	ln2    = 0.693147180559945309417232121458176568
)

// eʳ = 1 + r + exp2·r² + … + exp6·r⁶ for |r| ≤ ln 2/2, relative error 2^−28.2.
const (
	exp2 = 0x1.fffffcp-02
	exp3 = 0x1.555492p-03
	exp4 = 0x1.5558d2p-05
	exp5 = 0x1.1239ccp-07
	exp6 = 0x1.6a2408p-10
)

var expCoefs = [...]float64{exp6, exp5, exp4, exp3, exp2, 1, 1}

// expPoly returns horner(r, expCoefs[:]), without the loop: in half the time.
func expPoly(r float32) float32 {
	x := float64(r)
	s5 := exp6*x + exp5
	s4 := float64(float32(s5))*x + exp4
	s3 := float64(float32(s4))*x + exp3
	s2 := float64(float32(s3))*x + exp2
	s1 := float64(float32(s2))*x + 1
	s0 := float64(float32(s1))*x + 1
	if halfway(s5) || halfway(s4) || halfway(s3) || halfway(s2) || halfway(s1) || halfway(s0) {
		return horner(r, expCoefs[:])
	}
	return float32(s0)
}

// expParts returns p = eʳ and n with eˣ = p·2ⁿ, for |x| ≤ 2¹⁵.
func expParts(x float32) (p float32, n int32) {
	k := float32(math.RoundToEven(float64(float32(x * log2e))))
	r := fma32(-k, ln2Lo, x-float32(k*ln2Hi))
	return expPoly(r), int32(k)
}

// ldexp returns p·2ⁿ by adding n to the exponent: p and p·2ⁿ must be normal.
func ldexp(p float32, n int32) float32 {
	return math.Float32frombits(math.Float32bits(p) + uint32(n)<<23)
}

// exp1 returns eˣ: 0 below expMin, +Inf above expMax.
func exp1(x float32) float32 {
	switch {
	case x < expMin:
		return 0
	case x > expMax:
		return float32(math.Inf(1))
	case x != x:
		return x
	}
	return ldexp(expParts(x))
}

func expGeneric(y, x []float32) {
	for i, v := range x {
		y[i] = exp1(v)
	}
}

// tanh x = x + tanh3·x³ + … + tanh11·x¹¹ for |x| < tanhPoly (the bound is that of Cody and Waite, ch. 13), relative error
// 2^−27.4.
const (
	tanhPoly = 0.625
	tanh3    = -0x1.555532p-02
	tanh5    = 0x1.110722p-03
	tanh7    = -0x1.b83c5cp-05
	tanh9    = 0x1.522694p-06
	tanh11   = -0x1.75e1dap-08
	tanhOne  = 20 // 1 − 2/(1 + e²⁰) rounds to 1
)

var tanhCoefs = [...]float64{tanh11, tanh9, tanh7, tanh5, tanh3}

// tanh1 works on |x| and gives the result the sign of x: the polynomial near 0, else 1 − 2/(1 + e^(2|x|)).
func tanh1(x float32) float32 {
	a := abs(x)
	if a >= tanhPoly {
		a = 1 - 2/(1+exp1(min(2*a, tanhOne)))
	} else {
		z := float32(a * a)
		a = fma32(float32(horner(z, tanhCoefs[:])*z), a, a)
	}
	return copysign(a, x)
}

func tanhGeneric(y, x []float32) {
	for i, v := range x {
		y[i] = tanh1(v)
	}
}

// Sigmoid is 1/(1 + e⁻ˣ) with both terms scaled by 2⁻⁶⁴, so that e⁻ˣ stays finite down to x = −104, where the result is no
// longer a float32. Above 42 it is 1.
const (
	sigmoidMin   = -104
	sigmoidMax   = 42
	sigmoidShift = 64
	sigmoidOne   = 0x1p-64
)

func sigmoid1(x float32) float32 {
	if x != x {
		return x
	}
	p, n := expParts(-max(sigmoidMin, min(x, sigmoidMax)))
	return sigmoidOne / (sigmoidOne + ldexp(p, n-sigmoidShift))
}

func sigmoidGeneric(y, x []float32) {
	for i, v := range x {
		y[i] = sigmoid1(v)
	}
}

// −2u = x·(gelu1 + gelu3·x²): Hendrycks and Gimpel 2016 (arXiv:1606.08415), §2, and `gelu` of modeling.py.
const (
	gelu1 = -2 * 0.797884560802865355879892119868763737 // −2·√(2/π)
	gelu3 = gelu1 * 0.044715
)

// geluTanh1 returns x/(1 + e^(−2u)) as x/(1 + 2s) with s = e^(−2u − ln 2): s stays finite where 2s becomes +Inf, which is
// right, and the limit of t never shows.
func geluTanh1(x float32) float32 {
	if x != x {
		return x
	}
	t := fma32(fma32(gelu3, float32(x*x), gelu1), x, -ln2)
	s := exp1(max(expMin, min(t, expMax)))
	return x / fma32(2, s, 1)
}

func geluTanhGeneric(y, x []float32) {
	for i, v := range x {
		y[i] = geluTanh1(v)
	}
}

// geluTanhSlope1 returns the derivative of GELUTanh. With s = e^(−2u) and σ = 1/(1 + s) that is x·σ, so
//
//	(x·σ)′ = σ + x·σ·(1 − σ)·2u′ = σ·(1 + x·2u′·s·σ),   −2u′ = gelu1 + 3·gelu3·x².
//
// Beyond ±geluFlat it is the value there, less than 3e-36 from 0 or from 1.
func geluTanhSlope1(x float32) float32 {
	x = max(-geluFlat, min(x, geluFlat))
	z := float32(x * x)
	s := exp1(float32(x * fma32(gelu3, z, gelu1)))
	w := float32(x * fma32(gelu9, z, gelu1)) // −x·2u′
	sigma := 1 / (1 + s)
	return float32(sigma * fma32(-w, float32(s*sigma), 1))
}

const (
	gelu9    = 3 * gelu3
	geluFlat = 10 // e^(∓2u) there is still a normal number
)

func geluTanhBackwardGeneric(dx, dy, x []float32) {
	for i, v := range x {
		dx[i] = dy[i] * geluTanhSlope1(v)
	}
}

// Φ(−a) = e^(−a²/2)·(½ + mills1·s + … + mills8·s⁸), s = a/(a + mills), for 0 ≤ a ≤ millsMax: a·Φ(−a) within 2^−27.2, Φ(−a)
// within 6.5e-7 of itself. The bracket is Mills' ratio of the normal distribution over √(2π); Hastings 1955 approximates it by
// polynomials in 1/(1 + p·a) (Abramowitz and Stegun 26.2.17). The rounding of s does no harm near 0, where s is 0. At
// millsMax the exponential is still a normal number.
const (
	mills    = 3.5
	millsMax = 13.2
	mills1   = -0x1.6573c4p+00
	mills2   = 0x1.aa8c6p+00
	mills3   = -0x1.f22f34p-01
	mills4   = 0x1.148e16p-04
	mills5   = 0x1.6f9c14p-03
	mills6   = 0x1.f7461ep-06
	mills7   = -0x1.d59a32p-04
	mills8   = 0x1.483ffcp-05
)

var millsCoefs = [...]float64{mills8, mills7, mills6, mills5, mills4, mills3, mills2, mills1, 0.5}

// millsPoly returns horner(s, millsCoefs[:]), likewise.
func millsPoly(s float32) float32 {
	x := float64(s)
	s7 := mills8*x + mills7
	s6 := float64(float32(s7))*x + mills6
	s5 := float64(float32(s6))*x + mills5
	s4 := float64(float32(s5))*x + mills4
	s3 := float64(float32(s4))*x + mills3
	s2 := float64(float32(s3))*x + mills2
	s1 := float64(float32(s2))*x + mills1
	s0 := float64(float32(s1))*x + 0.5
	if halfway(s7) || halfway(s6) || halfway(s5) || halfway(s4) || halfway(s3) || halfway(s2) || halfway(s1) || halfway(s0) {
		return horner(s, millsCoefs[:])
	}
	return float32(s0)
}

// normalTail returns e = e^(−a²/2) and m = Φ(−a)/e.
func normalTail(a float32) (e, m float32) {
	e = exp1(float32(float32(-0.5*a) * a))
	s := a / (a + mills)
	return e, millsPoly(s)
}

// geluErf1 returns x·Φ(x) = max(x, 0) − |x|·Φ(−|x|), which cancels nowhere. The maximum is x·[x ≥ 0], so that −Inf gives NaN
// as it does in the formula with erf.
func geluErf1(x float32) float32 {
	if x != x {
		return x
	}
	a := min(abs(x), millsMax)
	e, m := normalTail(a)
	return fma32(-float32(e*a), m, float32(x*step(x)))
}

func geluErfGeneric(y, x []float32) {
	for i, v := range x {
		y[i] = geluErf1(v)
	}
}

// geluErfSlope1 returns the derivative of GELUErf, Φ(x) + x·φ(x) with the density φ(x) = e^(−x²/2)/√(2π). For x < 0 that is
// g = Φ(−a) − a·φ(a), for the others 1 − g.
func geluErfSlope1(x float32) float32 {
	if x != x {
		return x
	}
	a := min(abs(x), millsMax)
	e, m := normalTail(a)
	g := float32(e * fma32(-a, density, m))
	p := step(x)
	return fma32(g, 1-2*p, p)
}

const density = 0.398942280401432677939946059934381868 // φ(0) = 1/√(2π)

func geluErfBackwardGeneric(dx, dy, x []float32) {
	for i, v := range x {
		dx[i] = dy[i] * geluErfSlope1(v)
	}
}

// step returns 0 if the sign bit of x is set, else 1.
func step(x float32) float32 {
	if math.Signbit(float64(x)) {
		return 0
	}
	return 1
}

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

func copysign(x, sign float32) float32 { return float32(math.Copysign(float64(x), float64(sign))) }
