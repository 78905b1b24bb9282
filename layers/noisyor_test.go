package layers

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"bertlabel/tensor"
)

// Numbers of 1300 bits tell 1 + e⁻⁴⁵⁰ from 1.
const bigBits = 1300

func bigFloat(x float64) *big.Float { return new(big.Float).SetPrec(bigBits).SetFloat64(x) }

// bigExp is eˣ: the series at x/2ᵏ, squared k times.
func bigExp(x float64) *big.Float {
	const k, terms = 40, 40 // |x| < 2⁹: (2⁻³¹)⁴⁰/40! is below 2⁻¹⁴⁰⁰
	y, sum, term := bigFloat(math.Ldexp(x, -k)), bigFloat(1), bigFloat(1)
	for i := 1; i <= terms; i++ {
		term.Quo(term.Mul(term, y), bigFloat(float64(i)))
		sum.Add(sum, term)
	}
	for range k {
		sum.Mul(sum, sum)
	}
	return sum
}

// bigLog is ln x, to float64: a step of Newton's from an estimate e, e + x/eᵉ − 1, is good to the square of its error.
func bigLog(x *big.Float) float64 {
	mantissa := new(big.Float)
	exponent := x.MantExp(mantissa)
	m, _ := mantissa.Float64()
	estimate := math.Log(m) + float64(exponent)*math.Ln2
	rest := new(big.Float).SetPrec(bigBits).Quo(x, bigExp(estimate))
	step, _ := rest.Sub(rest, bigFloat(1)).Float64()
	return estimate + step
}

// bigNoisyOr is the definition: the odds of the text are 1/Π(1 − p_w) − 1 = Π(1 + e^z_w) − 1, and the derivative of their logarithm by
// z_w is e^z_w/(1 + e^z_w) · Π/(Π − 1).
func bigNoisyOr(z []float64) (logit float64, gradient []float64) {
	product := bigFloat(1)
	for _, v := range z {
		product.Mul(product, new(big.Float).Add(bigFloat(1), bigExp(v)))
	}
	odds := new(big.Float).Sub(product, bigFloat(1))
	for _, v := range z {
		g := new(big.Float).Quo(bigExp(v), new(big.Float).Add(bigFloat(1), bigExp(v)))
		g.Mul(g, new(big.Float).Quo(product, odds))
		d, _ := g.Float64()
		gradient = append(gradient, d)
	}
	return bigLog(odds), gradient
}

// noisyOrCases are logits of texts: of all sizes, and on both sides of where the formulas change.
func noisyOrCases() (cases [][]float64) {
	rng := rand.New(rand.NewPCG(3, 15))
	for _, scale := range []float64{1e-3, 1, 10, 40, 200} {
		for _, shift := range []float64{-200, -37, -5, 0, 20, 40, 200} {
			z := make([]float64, 1+rng.IntN(12))
			for w := range z {
				z[w] = shift + scale*rng.NormFloat64()
				z[w] = max(-440, min(440, z[w]))
			}
			cases = append(cases, z)
		}
	}
	return append(cases, []float64{-37.0000001, -38}, []float64{-36.9999999, -38}, []float64{39.9, -3}, []float64{20, 20.000001},
		[]float64{0, 0, 0}, []float64{-440, -440}, []float64{440, -440, 440}, []float64{math.Log(math.E - 1), -1e-300})
}

// TestNoisyOr holds logit and gradient beside the definition in 1300 bits.
func TestNoisyOr(t *testing.T) {
	for _, z := range noisyOrCases() {
		want, gradient := bigNoisyOr(z)
		got := NoisyOr(z)
		// Sums of up to twelve terms that are good to two units in the last place, whose logarithm is taken.
		if bound := 32 * 0x1p-52 * max(1, math.Abs(want)); !(math.Abs(got-want) <= bound) {
			t.Errorf("%v: logit %v, want %v ± %.1e", z, got, want, bound)
		}
		dz := slices.Clone(z)
		NoisyOrGradient(dz, dz)
		for w, d := range dz {
			if bound := 64 * 0x1p-52 * max(1, math.Abs(z[w])) * gradient[w]; !(math.Abs(d-gradient[w]) <= bound+0x1p-1000) {
				t.Errorf("%v: derivative %v by window %d, want %v", z, d, w, gradient[w])
			}
		}
	}
	for _, z := range [][]float64{{math.NaN(), 1}, {1, math.NaN()}, {-50, math.NaN(), -60}} {
		if got := NoisyOr(z); !math.IsNaN(got) {
			t.Errorf("%v: %v", z, got)
		}
	}
	if got := NoisyOr([]float64{math.MaxFloat32, math.MaxFloat32}); float32(got) != float32(math.Inf(1)) {
		t.Errorf("an overflow passes for %v", got)
	}
}

// TestNoisyOrShares: they are −ln(1 − p_w), add up to that of the text, and are in the same proportion where its logit is another one.
func TestNoisyOrShares(t *testing.T) {
	for _, z := range noisyOrCases() {
		shares, logit := make([]float64, len(z)), NoisyOr(z)
		NoisyOrShares(shares, z, logit)
		whole := 0.0
		for w, share := range shares {
			whole += share
			// softplus is as steep as e^z where z is far below 0: a rounding of z counts |z| times
			if want, bound := softplus(z[w]), 64*0x1p-52*max(1, math.Abs(logit)); !(math.Abs(share-want) <= bound*want) {
				t.Errorf("%v: share %v of window %d, want %v", z, share, w, want)
			}
		}
		if want := softplus(logit); !(math.Abs(whole-want) <= 64*0x1p-52*want) {
			t.Errorf("%v: shares add up to %v, want %v", z, whole, want)
		}
		other := make([]float64, len(z))
		NoisyOrShares(other, z, 0.3)
		for w := range other {
			if want := shares[w] / whole * softplus(0.3); !(math.Abs(other[w]-want) <= 64*0x1p-52*want) {
				t.Errorf("%v: share %v of window %d in another logit, want %v", z, other[w], w, want)
			}
		}
	}
}

// TestNoisyOrPart: windows that are alike and have that logit make the text's.
func TestNoisyOrPart(t *testing.T) {
	for _, z := range []float64{-440, -50, -37, -2, 0, 1, 30, 300} {
		if got := NoisyOrPart(z, 1); got != z {
			t.Errorf("one window of %v has %v", z, got)
		}
		for _, n := range []int{2, 7, 100} {
			part := NoisyOrPart(z, float64(n))
			if got := NoisyOr(slices.Repeat([]float64{part}, n)); !(math.Abs(got-z) <= 1e-13*max(1, math.Abs(z))) { // sums of 100 terms
				t.Errorf("%d windows of %v have %v, want %v", n, part, got, z)
			}
		}
	}
}

// TestNoisyOrRows: each text has what NoisyOr and its gradient give for its windows, whatever stands beside it, and one window's bits.
func TestNoisyOrRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	first, labels := []int{0, 1, 4, 6, 7, 19}, 3
	z, y, dy, dz := tensor.New(19, labels), tensor.New(5, labels), tensor.New(5, labels), tensor.New(19, labels)
	for i := range z.Data {
		z.Data[i] = float32(4 * rng.NormFloat64())
	}
	for i := range dy.Data {
		dy.Data[i] = float32(rng.NormFloat64())
	}
	NoisyOrRows(y, z, first)
	NoisyOrRowsBackward(dz, z, dy, first)
	for text := range 5 {
		for l := range labels {
			var of []float64
			for w := first[text]; w < first[text+1]; w++ {
				of = append(of, float64(z.Row(w)[l]))
			}
			gradient := make([]float64, len(of))
			NoisyOrGradient(gradient, of)
			if want := float32(NoisyOr(of)); y.Row(text)[l] != want {
				t.Errorf("text %d, label %d: %v, want %v", text, l, y.Row(text)[l], want)
			}
			for w, g := range gradient {
				if got, want := dz.Row(first[text] + w)[l], float32(float64(dy.Row(text)[l])*g); got != want {
					t.Errorf("text %d, label %d, window %d: gradient %v, want %v", text, l, w, got, want)
				}
			}
		}
	}
	c := ZeroClassifier(labels, 2)
	for i := range c.Weights.Value {
		c.Weights.Value[i] = float32(rng.NormFloat64())
	}
	x := tensor.New(19, 2)
	for i := range x.Data {
		x.Data[i] = float32(rng.NormFloat64())
	}
	logits, probabilities := c.ScoreWindows(x, first)
	rows, sure := c.Score(x)
	for text, w := range map[int]int{0: 0, 3: 6} { // texts of one window
		if !slices.Equal(logits.Row(text), rows.Row(w)) || !slices.Equal(probabilities.Row(text), sure.Row(w)) {
			t.Errorf("text %d of one window has other bits than by itself", text)
		}
	}
	for text := range 5 {
		for l, p := range probabilities.Row(text) {
			without := 1.0
			for w := first[text]; w < first[text+1]; w++ {
				without *= 1 - float64(sure.Row(w)[l])
			}
			if !(math.Abs(float64(p)-(1-without)) <= 1e-6) { // float32 probabilities
				t.Errorf("text %d, label %d: probability %v, want %v", text, l, p, 1-without)
			}
		}
	}
}
