package asm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// rowLengths are all that end a pass in every way, and those of real models.
func rowLengths() []int {
	var n []int
	for i := range 131 {
		n = append(n, i)
	}
	return append(n, 255, 256, 300, 384, 512, 768, 1000, 1024)
}

// eachRow runs f for every set, every row length and some places in memory. r allocates guarded slices; f must give the same
// numbers wherever they lie: the rng starts anew for each place, and the results of f are compared.
func eachRow(t *testing.T, f func(t *testing.T, set Kernels, n int, r *rows) (results []float32)) {
	for _, set := range Sets() {
		t.Run(set.Name, func(t *testing.T) {
			for _, n := range rowLengths() {
				var first []float32
				for skip := range 3 {
					r := &rows{Rand: rand.New(rand.NewPCG(5, uint64(n))), skip: skip * 5}
					results := f(t, set, n, r)
					if err := r.check(); err != nil {
						t.Fatalf("n=%d: %v", n, err)
					}
					if skip == 0 {
						first = results
					} else if err := compare(results, first); err != nil {
						t.Fatalf("n=%d: results depend on the place in memory: %v", n, err)
					}
				}
			}
		})
	}
}

// rows makes random operands at some place in memory.
type rows struct {
	*rand.Rand
	guarded
	skip int
}

// normal returns a guarded slice of n normal random numbers.
func (r *rows) normal(n int, mean, std float64) []float32 {
	x := r.allocAt(r.skip, n)
	r.skip++
	for i := range x {
		x[i] = float32(mean + std*r.NormFloat64())
	}
	return x
}

// TestSoftmax. The argument scale·x − max has the error of two roundings, 2⁻²⁴·(|scale·x| + |scale·x − max|), which e makes a
// relative one; eˣ adds 2 ulp, the sum at most n/16 + 6 roundings in a row (16 lanes at least), 1/sum and the product two more.
func TestSoftmax(t *testing.T) {
	eachRow(t, func(t *testing.T, set Kernels, n int, r *rows) []float32 {
		x := r.normal(n, 0, 10)
		const scale = 0.125
		want, size := softmax64(x, scale)
		set.Softmax(x, scale)
		var sum float64
		for i, got := range x {
			bound := want[i]*(14+3*size+float64(n)/16)*0x1p-24 + 0x1p-126
			if diff := math.Abs(float64(got) - want[i]); !(diff <= bound) {
				t.Fatalf("n=%d: p[%d] = %g, want %g ± %g", n, i, got, want[i], bound)
			}
			sum += float64(got)
		}
		if bound := 4 * float64(n) * 0x1p-24; n > 0 && !(math.Abs(sum-1) <= bound) {
			t.Fatalf("n=%d: probabilities sum to %g, want 1 ± %g", n, sum, bound)
		}
		return x
	})
}

// softmax64 returns the probabilities and the largest |scale·x|.
func softmax64(x []float32, scale float64) (p []float64, size float64) {
	top, sum := math.Inf(-1), 0.0
	for _, v := range x {
		top = max(top, scale*float64(v))
		size = max(size, math.Abs(scale*float64(v)))
	}
	for _, v := range x {
		p = append(p, math.Exp(scale*float64(v)-top))
		sum += p[len(p)-1]
	}
	for i := range p {
		p[i] /= sum
	}
	return p, size
}

// TestSoftmaxSpecial: far lower scores get exactly 0, −Inf too; a score of NaN or +Inf, or nothing but −Inf, makes all NaN.
func TestSoftmaxSpecial(t *testing.T) {
	for _, set := range Sets() {
		for n := 2; n < 70; n++ {
			for name, c := range map[string]struct{ rest, one, wantRest, wantOne float32 }{
				"equal":      {7, 7, 1 / float32(n), 1 / float32(n)},
				"huge":       {-math.MaxFloat32, 1e30, 0, 1},
				"masked":     {-10000, 0.5, 0, 1},
				"all masked": {-10000, -10000, 1 / float32(n), 1 / float32(n)},
				"-Inf":       {-inf, -3, 0, 1},
				"all -Inf":   {-inf, -inf, nan, nan},
				"+Inf":       {1, inf, nan, nan},
				"NaN":        {1, nan, nan, nan},
				"odd NaN":    {1, math.Float32frombits(0x7FC001FF), nan, nan},
			} {
				x := make([]float32, n)
				for i := range x {
					x[i] = c.rest
				}
				x[n/3] = c.one
				set.Softmax(x, 1)
				for i, got := range x {
					want := c.wantRest
					if i == n/3 {
						want = c.wantOne
					}
					if !(math.Abs(float64(got-want)) <= 0x1p-23*float64(want)) && !sameBits(got, want) {
						t.Fatalf("%s: %s: n=%d: p[%d] = %g, want %g", set.Name, name, n, i, got, want)
					}
				}
			}
		}
	}
}

// TestLayerNorm holds y to 1e-6·(|x̂·gamma| + |gamma| + |beta|): relative to the terms of the formula, and to gamma where x̂
// passes through 0. Rows with a mean a thousand times their deviation are held to the same.
func TestLayerNorm(t *testing.T) {
	for _, mean := range []float64{0, 0.1, -3, 1000} {
		t.Run(fmt.Sprintf("mean=%g", mean), func(t *testing.T) {
			eachRow(t, func(t *testing.T, set Kernels, n int, r *rows) []float32 {
				x, gamma, beta := r.normal(n, mean, 1), r.normal(n, 1, 0.5), r.normal(n, 0, 1)
				y := r.allocAt(n%3, n)
				gotMean, gotRStd := set.LayerNorm(y, x, gamma, beta, 1e-12)
				if n < 2 {
					return y
				}
				m, rstd := moments64(x, 1e-12)
				if !(math.Abs(float64(gotMean)-m) <= ulp(m)/2) || !(math.Abs(float64(gotRStd)-rstd) <= 1e-6*rstd) {
					t.Fatalf("n=%d: mean %g, rstd %g; want %g, %g", n, gotMean, gotRStd, m, rstd)
				}
				for i := range y {
					norm, g, b := (float64(x[i])-m)*rstd, float64(gamma[i]), float64(beta[i])
					bound := 1e-6 * (math.Abs(norm*g) + math.Abs(g) + math.Abs(b))
					if !(math.Abs(float64(y[i])-(norm*g+b)) <= bound) {
						t.Fatalf("n=%d: y[%d] = %g, want %g ± %g", n, i, y[i], norm*g+b, bound)
					}
				}
				set.LayerNorm(x, x, gamma, beta, 1e-12)
				if err := compare(x, y); err != nil {
					t.Fatalf("n=%d, y = x: %v", n, err)
				}
				return y
			})
		})
	}
}

func moments64(x []float32, eps float64) (mean, rstd float64) {
	for _, v := range x {
		mean += float64(v)
	}
	mean /= float64(len(x))
	var variance float64
	for _, v := range x {
		variance += (float64(v) - mean) * (float64(v) - mean)
	}
	return mean, 1 / math.Sqrt(variance/float64(len(x))+eps)
}

// TestLayerNormEqual: a row of equal numbers, however odd, gives beta exactly. NaN and Inf in a row make all of it NaN.
func TestLayerNormEqual(t *testing.T) {
	for _, set := range Sets() {
		for n := 1; n < 130; n++ {
			x, y, gamma, beta := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
			for _, c := range []float32{0, 0.1, 1.0 / 3, -1000.1, 1e30, 0x1p-140} {
				for i := range x {
					x[i], gamma[i], beta[i] = c, 3, float32(i)
				}
				mean, rstd := set.LayerNorm(y, x, gamma, beta, 1e-12)
				if mean != c || !(math.Abs(float64(rstd)-1e6) <= 1) {
					t.Errorf("%s: n=%d, all %g: mean %g, rstd %g", set.Name, n, c, mean, rstd)
				}
				if err := compare(y, beta); err != nil {
					t.Fatalf("%s: n=%d, all %g: %v", set.Name, n, c, err)
				}
			}
			for _, c := range []float32{nan, inf, -inf} {
				x[n/2] = c
				set.LayerNorm(y, x, gamma, beta, 1e-12)
				for i := range y {
					if y[i] == y[i] {
						t.Fatalf("%s: n=%d, x[%d] = %g: y[%d] = %g, want NaN", set.Name, n, n/2, c, i, y[i])
					}
				}
			}
		}
	}
}

// TestRowBits: the kernels that see a whole row, and those of many terms, give the bits of generic in all sets, and generic gives the same
// bits on all machines: hashes of all lengths up to 600.
func TestRowBits(t *testing.T) {
	hashes := map[string]uint32{
		"Softmax":           0xe0580b36,
		"SoftmaxBackward":   0x78e5723c,
		"LayerNorm":         0xa0eace0d,
		"LayerNormBackward": 0x97c749c4,
		"Sums":              0x9bc67cf6,
		"AdamW":             0x91b5dc7d,
	}
	for _, set := range Sets() {
		for name, results := range rowResults(set) {
			if got := hashBits(results); got != hashes[name] {
				t.Errorf("%s: %s: hash %#x, want %#x", set.Name, name, got, hashes[name])
			}
		}
	}
}

// rowResults returns the results of each such kernel for rows of 0 to 600 numbers.
func rowResults(set Kernels) map[string][]float32 {
	const longest = 600
	rng, results := rand.New(rand.NewPCG(7, 8)), map[string][]float32{}
	draw := func(mean, std float64) []float32 {
		x := make([]float32, longest)
		for i := range x {
			x[i] = float32(mean + std*rng.NormFloat64())
		}
		return x
	}
	gamma, beta := draw(1, 0.5), draw(0, 1)
	for n := range longest + 1 {
		x, dy := draw(3, 2)[:n], draw(0, 1)[:n]
		keep := func(name string, y ...float32) { results[name] = append(results[name], y...) }

		p := slices.Clone(x)
		set.Softmax(p, 0.7)
		keep("Softmax", p...)
		dx := make([]float32, n)
		set.SoftmaxBackward(dx, p, dy, 0.7)
		keep("SoftmaxBackward", dx...)

		norm := make([]float32, n)
		mean, rstd := set.LayerNorm(norm, x, gamma[:n], beta[:n], 1e-12)
		keep("LayerNorm", append(norm, mean, rstd)...)
		set.LayerNormBackward(dx, dy, norm, gamma[:n], rstd)
		keep("LayerNormBackward", dx...)

		squares := math.Float64bits(set.SumSquares(x))
		keep("Sums", set.Dot(x, dy), math.Float32frombits(uint32(squares)), math.Float32frombits(uint32(squares>>32)))

		w, m, v := draw(0, 1)[:n], draw(0, 1)[:n], draw(1, 0.1)[:n]
		step := AdamStep{Clip: 0.9, Beta1: 0.9, Gain1: 0.1, Beta2: 0.99, Gain2: 0.01, MHat: 1.5, VHat: 1.2, Eps: 1e-6, Decay: 0.01, LR: 1e-3}
		set.AdamW(w, dy, m, v, &step)
		keep("AdamW", slices.Concat(w, m, v)...)
	}
	return results
}

// TestDot, TestSumSquares: any order of n sums has an error of at most n·2⁻²⁴·Σ|xy| (2⁻⁵³ in float64), and 1/(1 − n·2⁻²⁴)
// more, which 2 covers: Higham, Accuracy and Stability, §3.1.
func TestDot(t *testing.T) {
	eachRow(t, func(t *testing.T, set Kernels, n int, r *rows) []float32 {
		x, y := r.normal(n, 0, 1), r.normal(n, 0, 1)
		var want, size float64
		for i := range x {
			want += float64(x[i]) * float64(y[i])
			size += math.Abs(float64(x[i]) * float64(y[i]))
		}
		got := set.Dot(x, y)
		if bound := 2 * float64(n) * 0x1p-24 * size; !(math.Abs(float64(got)-want) <= bound) {
			t.Fatalf("n=%d: %g, want %g ± %g", n, got, want, bound)
		}
		return []float32{got}
	})
}

func TestSumSquares(t *testing.T) {
	eachRow(t, func(t *testing.T, set Kernels, n int, r *rows) []float32 {
		x := r.normal(n, 0, 1e25) // squares beyond float32
		var want float64
		for i := range x {
			want += float64(x[i]) * float64(x[i])
		}
		got := set.SumSquares(x)
		if bound := 2 * float64(n) * 0x1p-53 * want; !(math.Abs(got-want) <= bound) {
			t.Fatalf("n=%d: %g, want %g ± %g", n, got, want, bound)
		}
		return []float32{float32(got / 1e50)}
	})
}

// TestAxpy, TestMulAdd: each element is one fused multiply-add.
func TestAxpy(t *testing.T) {
	eachRow(t, func(t *testing.T, set Kernels, n int, r *rows) []float32 {
		x, y, a := r.normal(n, 0, 1), r.normal(n, 0, 1), float32(r.NormFloat64())
		want := make([]float32, n)
		for i := range want {
			want[i] = fma32(a, x[i], y[i])
		}
		set.Axpy(y, a, x)
		if err := compare(y, want); err != nil {
			t.Fatalf("n=%d: %v", n, err)
		}
		return y
	})
}

func TestAdd(t *testing.T) {
	eachRow(t, func(t *testing.T, set Kernels, n int, r *rows) []float32 {
		x, y := r.normal(n, 0, 1), r.normal(n, 0, 1)
		want := make([]float32, n)
		for i := range want {
			want[i] = x[i] + y[i]
		}
		set.Add(y, x)
		if err := compare(y, want); err != nil {
			t.Fatalf("n=%d: %v", n, err)
		}
		return y
	})
}

func TestScale(t *testing.T) {
	eachRow(t, func(t *testing.T, set Kernels, n int, r *rows) []float32 {
		y, a := r.normal(n, 0, 1), float32(r.NormFloat64())
		want := make([]float32, n)
		for i := range want {
			want[i] = a * y[i]
		}
		set.Scale(y, a)
		if err := compare(y, want); err != nil {
			t.Fatalf("n=%d: %v", n, err)
		}
		return y
	})
}

func TestMulAdd(t *testing.T) {
	eachRow(t, func(t *testing.T, set Kernels, n int, r *rows) []float32 {
		a, x, y := r.normal(n, 0, 1), r.normal(n, 0, 1), r.normal(n, 0, 1)
		want := make([]float32, n)
		for i := range want {
			want[i] = fma32(a[i], x[i], y[i])
		}
		set.MulAdd(y, a, x)
		if err := compare(y, want); err != nil {
			t.Fatalf("n=%d: %v", n, err)
		}
		return y
	})
}
