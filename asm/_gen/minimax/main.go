// Minimax prints the polynomials of asm/elem_generic.go: go run ./asm/_gen/minimax
//
// Each is the best approximation in the weighted maximum norm (Remez's second algorithm on a grid of Chebyshev points; see
// Muller, Elementary Functions, ch. 3). Its coefficients are rounded to float32, then moved by single ulps as long as that
// lessens the error. The error printed is that of the float32 coefficients, evaluated in float64.
package main

import (
	"fmt"
	"math"
)

// A fit asks for Σ c[j]·v(x)^power[j] ≈ f(x) on [lo, hi], the error weighted by w.
type fit struct {
	name   string
	f, v   func(x float64) float64
	w      func(x float64) float64
	power  []int
	lo, hi float64
}

func identity(x float64) float64 { return x }

var fits = []fit{{
	// e^r = 1 + r + Σ c·r^j, relative. Reduction leaves |r| ≤ ln 2/2 and a little more, as x·log₂e is rounded.
	name:  "exp",
	f:     func(r float64) float64 { return math.Expm1(r) - r },
	v:     identity,
	w:     func(r float64) float64 { return math.Exp(-r) },
	power: []int{2, 3, 4, 5, 6},
	lo:    -0.34662, hi: 0.34662,
}, {
	// tanh x = x + Σ c·x^j, relative.
	name:  "tanh",
	f:     func(x float64) float64 { return math.Tanh(x) - x },
	v:     identity,
	w:     func(x float64) float64 { return 1 / math.Tanh(x) },
	power: []int{3, 5, 7, 9, 11},
	lo:    0.01, hi: 0.625,
}, {
	// Φ(−a)·e^(a²/2) = ½ + Σ c·s^j with s = a/(a + 3.5). The weight holds a·Φ(−a), the term in GELU, to 2e-9 and Φ(−a) to
	// 2e-7 of itself in the tail.
	name:  "mills",
	f:     func(a float64) float64 { return mills(a) - 0.5 },
	v:     func(a float64) float64 { return a / (a + 3.5) },
	w:     func(a float64) float64 { return math.Max(a*math.Exp(-a*a/2), 0.01/mills(a)) },
	power: []int{1, 2, 3, 4, 5, 6, 7, 8},
	lo:    0.001, hi: 13.25,
}}

func mills(a float64) float64 { return math.Erfc(a/math.Sqrt2) / 2 * math.Exp(a*a/2) }

func main() {
	for _, f := range fits {
		c, worst := f.rounded()
		fmt.Printf("%s: error %.2g (2^%.1f)\n", f.name, worst, math.Log2(worst))
		for j, c := range c {
			fmt.Printf("\tpower %d: %x // %.9g\n", f.power[j], c, c)
		}
	}
}

// rounded returns the best coefficients in float32, and the weighted error they leave.
func (f fit) rounded() (c []float32, worst float64) {
	g := f.grid()
	for _, x := range g.remez() {
		c = append(c, float32(x))
	}
	worst = g.worst(c)
	for better := true; better; {
		better = false
		for j, old := range c {
			for _, way := range []float32{-math.MaxFloat32, math.MaxFloat32} {
				c[j] = math.Nextafter32(old, way)
				if e := g.worst(c); e < worst {
					worst, better = e, true
					break
				}
				c[j] = old
			}
		}
	}
	return c, worst
}

// A grid holds a fit at Chebyshev points: weighted values of the function and of each power.
type grid struct {
	f     []float64
	basis [][]float64
}

func (f fit) grid() grid {
	const n = 20000
	g := grid{make([]float64, n), make([][]float64, n)}
	for i := range n {
		x := (f.lo+f.hi)/2 - (f.hi-f.lo)/2*math.Cos(math.Pi*float64(i)/(n-1))
		w := f.w(x)
		g.f[i] = w * f.f(x)
		for _, p := range f.power {
			g.basis[i] = append(g.basis[i], w*math.Pow(f.v(x), float64(p)))
		}
	}
	return g
}

// remez returns the coefficients with the least maximum of |f − Σ c·basis|. It levels the error at len(c)+1 points, with
// alternating signs, and moves the points to the extremes of the error until none exceeds the level.
func (g grid) remez() []float64 {
	m := len(g.basis[0])
	ref := make([]int, m+1)
	for i := range ref {
		ref[i] = i * (len(g.f) - 1) / m
	}
	for range 100 {
		c, level := g.level(ref)
		residual := g.residual(c)
		next := extremes(residual, m+1)
		if len(next) < m+1 || norm(residual) <= math.Abs(level)*(1+1e-6) {
			return c
		}
		ref = next
	}
	panic("minimax: no convergence")
}

func (g grid) worst(c []float32) float64 {
	wide := make([]float64, len(c))
	for j, c := range c {
		wide[j] = float64(c)
	}
	return norm(g.residual(wide))
}

func norm(r []float64) (worst float64) {
	for _, r := range r {
		worst = max(worst, math.Abs(r))
	}
	return worst
}

func (g grid) residual(c []float64) []float64 {
	r := make([]float64, len(g.f))
	for i := range r {
		r[i] = g.f[i]
		for j, c := range c {
			r[i] -= c * g.basis[i][j]
		}
	}
	return r
}

// level solves Σ c·basis + (−1)^i·e = f at the points ref.
func (g grid) level(ref []int) (c []float64, e float64) {
	var rows [][]float64
	for i, p := range ref {
		row := append([]float64{}, g.basis[p]...)
		rows = append(rows, append(row, float64(1-i%2*2), g.f[p]))
	}
	x := solve(rows)
	return x[:len(x)-1], x[len(x)-1]
}

// extremes returns the place of the largest |r| in each run of one sign; of more than n, the n neighbours that keep the
// larger ends.
func extremes(r []float64, n int) []int {
	var at []int
	for i, v := range r {
		switch {
		case len(at) == 0 || math.Signbit(v) != math.Signbit(r[at[len(at)-1]]):
			at = append(at, i)
		case math.Abs(v) > math.Abs(r[at[len(at)-1]]):
			at[len(at)-1] = i
		}
	}
	for len(at) > n {
		if math.Abs(r[at[0]]) < math.Abs(r[at[len(at)-1]]) {
			at = at[1:]
		} else {
			at = at[:len(at)-1]
		}
	}
	return at
}

// solve returns x with A·x = b by Gaussian elimination with row exchanges; the rows are [A | b].
func solve(rows [][]float64) []float64 {
	n := len(rows)
	for k := range n {
		for i := k + 1; i < n; i++ {
			if math.Abs(rows[i][k]) > math.Abs(rows[k][k]) {
				rows[i], rows[k] = rows[k], rows[i]
			}
		}
		for i := k + 1; i < n; i++ {
			q := rows[i][k] / rows[k][k]
			for j := k; j <= n; j++ {
				rows[i][j] -= q * rows[k][j]
			}
		}
	}
	x := make([]float64, n)
	for k := n - 1; k >= 0; k-- {
		x[k] = rows[k][n]
		for j := k + 1; j < n; j++ {
			x[k] -= rows[k][j] * x[j]
		}
		x[k] /= rows[k][k]
	}
	return x
}
