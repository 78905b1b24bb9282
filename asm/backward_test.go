package asm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestGELUBackward: dx is dy times the derivative, which TestElementAccuracy holds to its formula, and may be dy or x.
func TestGELUBackward(t *testing.T) {
	for _, tanh := range []bool{true, false} {
		eachRow(t, func(t *testing.T, set Kernels, n int, r *rows) []float32 {
			backward := set.GELUErfBackward
			if tanh {
				backward = set.GELUTanhBackward
			}
			x, dy, dx := r.normal(n, 0, 2), r.normal(n, 0, 1), r.allocAt(n%5, n)
			want := make([]float32, n)
			for i := range want {
				want[i] = 1
			}
			backward(want, want, x)
			for i := range want {
				want[i] *= dy[i]
			}
			backward(dx, dy, x)
			if err := compare(dx, want); err != nil {
				t.Fatalf("n=%d: %v", n, err)
			}
			backward(dy, dy, x)
			if err := compare(dy, want); err != nil {
				t.Fatalf("n=%d, dx = dy: %v", n, err)
			}
			return dx
		})
	}
}

// TestBackwardFormulas holds the float64 formulas that the backward kernels are compared with to central differences of the
// forward ones, whose error is about h² = 1e-8 of the third derivative.
func TestBackwardFormulas(t *testing.T) {
	const h, tol = 1e-4, 1e-6
	rng := rand.New(rand.NewPCG(7, 8))
	for x := -6.0; x <= 6; x += 0.37 {
		if d := (geluTanh64(x+h) - geluTanh64(x-h)) / (2 * h); !(math.Abs(d-geluTanhSlope64(x)) <= tol) {
			t.Errorf("GELUTanh′(%g) = %g, difference %g", x, geluTanhSlope64(x), d)
		}
		if d := (geluErf64(x+h) - geluErf64(x-h)) / (2 * h); !(math.Abs(d-geluErfSlope64(x)) <= tol) {
			t.Errorf("GELUErf′(%g) = %g, difference %g", x, geluErfSlope64(x), d)
		}
	}
	const n, scale, eps = 12, 0.7, 1e-3
	x, dy, gamma := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range x {
		x[i], dy[i], gamma[i] = rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()
	}
	loss := func(y []float64) (sum float64) {
		for i := range y {
			sum += y[i] * dy[i]
		}
		return sum
	}
	forward := map[string]func() []float64{
		"Softmax":   func() []float64 { return softmaxOf(x, scale) },
		"LayerNorm": func() []float64 { norm, _ := normOf(x, eps); return times(norm, gamma) },
	}
	norm, rstd := normOf(x, eps)
	backward := map[string][]float64{
		"Softmax":   softmaxBackward64(softmaxOf(x, scale), dy, scale),
		"LayerNorm": layerNormBackward64(dy, norm, gamma, rstd),
	}
	for name, f := range forward {
		for i, old := range x {
			x[i] = old + h
			up := loss(f())
			x[i] = old - h
			down := loss(f())
			x[i] = old
			if d := (up - down) / (2 * h); !(math.Abs(d-backward[name][i]) <= tol) {
				t.Errorf("%s: dx[%d] = %g, difference %g", name, i, backward[name][i], d)
			}
		}
	}
}

func softmaxOf(x []float64, scale float64) []float64 {
	y, sum := make([]float64, len(x)), 0.0
	for i, v := range x {
		y[i] = math.Exp(scale * v)
		sum += y[i]
	}
	for i := range y {
		y[i] /= sum
	}
	return y
}

func normOf(x []float64, eps float64) (norm []float64, rstd float64) {
	var mean, variance float64
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / float64(len(x))
	}
	rstd = 1 / math.Sqrt(variance+eps)
	for _, v := range x {
		norm = append(norm, (v-mean)*rstd)
	}
	return norm, rstd
}

func times(x, y []float64) (xy []float64) {
	for i := range x {
		xy = append(xy, x[i]*y[i])
	}
	return xy
}

func softmaxBackward64(p, dy []float64, scale float64) (dx []float64) {
	var dot float64
	for i := range p {
		dot += p[i] * dy[i]
	}
	for i := range p {
		dx = append(dx, scale*p[i]*(dy[i]-dot))
	}
	return dx
}

func layerNormBackward64(dy, norm, gamma []float64, rstd float64) (dx []float64) {
	var meanG, meanGX float64
	g := times(dy, gamma)
	for i := range g {
		meanG += g[i] / float64(len(g))
		meanGX += g[i] * norm[i] / float64(len(g))
	}
	for i := range g {
		dx = append(dx, rstd*(g[i]-meanG-norm[i]*meanGX))
	}
	return dx
}

func wide(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// TestSoftmaxBackward: the sum has the error of a Dot (TestDot), the rest four roundings.
func TestSoftmaxBackward(t *testing.T) {
	eachRow(t, func(t *testing.T, set Kernels, n int, r *rows) []float32 {
		p, dy, dx := r.normal(n, 0, 3), r.normal(n, 0, 1), r.allocAt(n%5, n)
		set.Softmax(p, 1)
		const scale = 0.125
		want := softmaxBackward64(wide(p), wide(dy), scale)
		var size float64 // Σ |dy·p|
		for i := range p {
			size += math.Abs(float64(dy[i]) * float64(p[i]))
		}
		set.SoftmaxBackward(dx, p, dy, scale)
		for i := range dx {
			bound := scale * float64(p[i]) * (4*math.Abs(float64(dy[i])) + float64(4+2*n)*size) * 0x1p-24
			if !(math.Abs(float64(dx[i])-want[i]) <= bound) {
				t.Fatalf("n=%d: dx[%d] = %g, want %g ± %g", n, i, dx[i], want[i], bound)
			}
		}
		set.SoftmaxBackward(dy, p, dy, scale)
		if err := compare(dy, dx); err != nil {
			t.Fatalf("n=%d, dx = dy: %v", n, err)
		}
		return dx
	})
}

// TestLayerNormBackward holds dx to 1e-6 of the terms of its formula, with mean |g| and mean |g·x̂| for the means.
func TestLayerNormBackward(t *testing.T) {
	eachRow(t, func(t *testing.T, set Kernels, n int, r *rows) []float32 {
		dy, norm, gamma, dx := r.normal(n, 0.2, 1), r.normal(n, 0, 1), r.normal(n, 1, 0.5), r.allocAt(n%5, n)
		const rstd = 1.75
		want := layerNormBackward64(wide(dy), wide(norm), wide(gamma), rstd)
		var g, gx float64
		for i := range dy {
			g += math.Abs(float64(dy[i])*float64(gamma[i])) / float64(n)
			gx += math.Abs(float64(dy[i])*float64(gamma[i])*float64(norm[i])) / float64(n)
		}
		set.LayerNormBackward(dx, dy, norm, gamma, rstd)
		for i := range dx {
			bound := 1e-6 * rstd * (math.Abs(float64(dy[i])*float64(gamma[i])) + g + math.Abs(float64(norm[i]))*gx)
			if !(math.Abs(float64(dx[i])-want[i]) <= bound) {
				t.Fatalf("n=%d: dx[%d] = %g, want %g ± %g", n, i, dx[i], want[i], bound)
			}
		}
		set.LayerNormBackward(dy, dy, norm, gamma, rstd)
		if err := compare(dy, dx); err != nil {
			t.Fatalf("n=%d, dx = dy: %v", n, err)
		}
		return dx
	})
}

// TestAdamW compares one step with float64: m and v with two roundings of their terms, w with one of itself and eight of the
// terms of its update. The gradient becomes zero. A step with LR 0 leaves w alone.
func TestAdamW(t *testing.T) {
	const b1, b2 = 0.9, 0.999
	for name, s := range map[string]AdamStep{
		"google":    {Clip: 0.3, MHat: 1, VHat: 1, Eps: 1e-6, Decay: 0.01, LR: 2e-5},
		"corrected": {Clip: 1, MHat: 1 / (1 - b1*b1*b1), VHat: 1 / (1 - b2*b2*b2), Eps: 1e-8, Decay: 0.1, LR: 1e-3},
		"large":     {Clip: 1, MHat: 1, VHat: 1, Eps: 1e-6, LR: 1},
		"first":     {Clip: 1, MHat: 1, VHat: 1, Eps: 1e-6, Decay: 0.01},
	} {
		s.Beta1, s.Gain1, s.Beta2, s.Gain2 = b1, 1-b1, b2, 1-b2
		t.Run(name, func(t *testing.T) {
			eachRow(t, func(t *testing.T, set Kernels, n int, r *rows) []float32 {
				w, g, m, v := r.normal(n, 0, 0.02), r.normal(n, 0, 1e-3), r.normal(n, 0, 1e-4), r.normal(n, 0, 1e-3)
				for i := range v {
					v[i] *= v[i]
				}
				if n > 3 {
					g[1], m[1], v[1] = 0, 0, 0 // a weight without any gradient so far
				}
				want := adamW64(wide(w), wide(g), wide(m), wide(v), s)
				old := slices.Clone(w)
				set.AdamW(w, g, m, v, &s)
				for i, want := range want {
					if err := want.check(w[i], m[i], v[i]); err != nil {
						t.Fatalf("n=%d, element %d: %v", n, i, err)
					}
					if g[i] != 0 {
						t.Fatalf("n=%d: g[%d] = %g, want 0", n, i, g[i])
					}
				}
				if s.LR == 0 {
					if err := compare(w, old); err != nil {
						t.Fatalf("n=%d: w has moved: %v", n, err)
					}
				}
				return slices.Concat(w, m, v)
			})
		})
	}
}

// adam is an exact result, with the errors that float32 may make of it.
type adam struct{ w, m, v, errW, errM, errV float64 }

func adamW64(w, g, m, v []float64, s AdamStep) (want []adam) {
	b1, g1, b2, g2 := float64(s.Beta1), float64(s.Gain1), float64(s.Beta2), float64(s.Gain2)
	for i := range w {
		var a adam
		d := float64(s.Clip) * g[i]
		a.m = b1*m[i] + g1*d
		a.v = b2*v[i] + g2*d*d
		update := float64(s.MHat) * a.m / (math.Sqrt(float64(s.VHat)*a.v) + float64(s.Eps))
		a.w = w[i] - float64(s.LR)*(update+float64(s.Decay)*w[i])
		const u = 0x1p-24
		a.errM = 4 * u * (math.Abs(b1*m[i]) + math.Abs(g1*d))
		a.errV = 5 * u * a.v
		cancelled := 1.0 // the error of m grows where its terms cancel
		if a.m != 0 {
			cancelled = (math.Abs(b1*m[i]) + math.Abs(g1*d)) / math.Abs(a.m)
		}
		a.errW = u*(math.Abs(a.w)+math.Abs(w[i])) + 8*u*float64(s.LR)*(math.Abs(update)*cancelled+math.Abs(float64(s.Decay)*w[i]))
		want = append(want, a)
	}
	return want
}

func (a adam) check(w, m, v float32) error {
	for _, c := range []struct {
		name             string
		got              float32
		want, difference float64
	}{{"w", w, a.w, a.errW}, {"m", m, a.m, a.errM}, {"v", v, a.v, a.errV}} {
		if !(math.Abs(float64(c.got)-c.want) <= c.difference) {
			return fmt.Errorf("%s = %g, want %g ± %g", c.name, c.got, c.want, c.difference)
		}
	}
	return nil
}
