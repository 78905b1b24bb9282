package baseline

import (
	"math"
)

// logistic is the problem of one label: with z = x·w + b for each row and its truth y, 0 or 1,
//
//	minimise over w, b:   f = ½|w|² + C · Σ (ln(1 + eᶻ) − y·z)
//
// as LogisticRegression of scikit-learn has it (penalty l2, the intercept b is free). It is strictly convex, so there is one
// solution once both classes are there. Newton's method finds it: each step solves H·d = −g by conjugate gradients, as far as the
// step is worth (a truncated Newton method: Nocedal and Wright 2006, algorithm 7.1; Lin, Weng and Keerthi 2008), with
//
//	g = (w, 0) + C · Xᵀ(p − y)      p = 1/(1 + e⁻ᶻ)
//	H = (I, 0) + C · Xᵀ·diag(p(1 − p))·X
//
// where X has a last column of ones, for b. The diagonal of H preconditions the conjugate gradients (algorithm 5.3 there): those of
// frequent and rare terms are orders of magnitude apart.
type logistic struct {
	x    *Matrix
	rows []int   // those of X whose truth is known
	y    []int8  // [rows]: 0 or 1
	c    float64 // C

	w          []float64 // [columns+1], the last one b
	z, p       []float64 // [rows]
	g, d, r, q []float64 // [columns+1]: gradient; step, rest, direction of the conjugate gradients
	hq, diag   []float64 // [columns+1]: H·q, and the diagonal of H
	u          []float64 // [rows]
}

// Where a solution is near enough: the gradient is so much smaller than that of w = 0, which Newton's method, once near, makes in
// two steps from the square root of it.
const (
	gradientTolerance = 1e-8
	mostNewtonSteps   = 100 // ten are usual
	mostCGSteps       = 500
)

func newLogistic(x *Matrix, rows []int, y []int8) *logistic {
	n, m := len(rows), x.Cols+1
	l := &logistic{x: x, rows: rows, y: y, w: make([]float64, m)}
	for _, v := range []*[]float64{&l.z, &l.p, &l.u} {
		*v = make([]float64, n)
	}
	for _, v := range []*[]float64{&l.g, &l.d, &l.r, &l.q, &l.hq, &l.diag} {
		*v = make([]float64, m)
	}
	return l
}

// solve sets w to the solution for c, from where it is, and returns the number of Newton steps.
func (l *logistic) solve(c float64) (steps int) {
	l.c = c
	start := l.gradientAtZero()
	l.multiply(l.z, l.w)
	for ; steps < mostNewtonSteps; steps++ {
		l.gradient()
		norm := math.Sqrt(dot(l.g, l.g))
		if !(norm > gradientTolerance*start) {
			break
		}
		l.newtonStep(min(0.5, math.Sqrt(norm/start)) * norm)
		if !l.search() {
			break
		}
	}
	return steps
}

// gradientAtZero returns the norm of the gradient at w = 0, b = 0, the measure of what is small.
func (l *logistic) gradientAtZero() float64 {
	for i, y := range l.y {
		l.u[i] = l.c * (0.5 - float64(y))
	}
	l.multiplyTransposed(l.g, l.u)
	return math.Sqrt(dot(l.g, l.g))
}

// gradient sets p and g.
func (l *logistic) gradient() {
	for i, z := range l.z {
		l.p[i] = 1 / (1 + math.Exp(-z))
		l.u[i] = l.c * (l.p[i] - float64(l.y[i]))
	}
	l.multiplyTransposed(l.g, l.u)
	l.penalise(l.g, l.w)
}

// newtonStep sets d to −H⁻¹·g but for a rest of the given norm, by conjugate gradients.
func (l *logistic) newtonStep(rest float64) {
	l.diagonal()
	clear(l.d)
	for j, g := range l.g {
		l.r[j], l.q[j] = -g, -g/l.diag[j]
	}
	rq := dot(l.r, l.q) // rᵀ·diag⁻¹·r
	for range mostCGSteps {
		if math.Sqrt(dot(l.r, l.r)) <= rest {
			return
		}
		l.hessian(l.hq, l.q)
		alpha, next := rq/dot(l.q, l.hq), 0.0
		for j := range l.d {
			l.d[j] += alpha * l.q[j]
			l.r[j] -= alpha * l.hq[j]
			next += l.r[j] * l.r[j] / l.diag[j]
		}
		for j := range l.q {
			l.q[j] = l.r[j]/l.diag[j] + next/rq*l.q[j]
		}
		rq = next
	}
}

// diagonal sets diag to that of H.
func (l *logistic) diagonal() {
	for j := range l.diag {
		l.diag[j] = 1
	}
	ones := &l.diag[len(l.diag)-1]
	*ones = 0
	for i, row := range l.rows {
		columns, values := l.x.Row(row)
		h := l.c * l.p[i] * (1 - l.p[i])
		for k, column := range columns {
			l.diag[column] += h * values[k] * values[k]
		}
		*ones += h
	}
}

// hessian sets h to H·v.
func (l *logistic) hessian(h, v []float64) {
	l.multiply(l.u, v)
	for i, p := range l.p {
		l.u[i] *= l.c * p * (1 - p)
	}
	l.multiplyTransposed(h, l.u)
	l.penalise(h, v)
}

// penalise adds the part of the penalty to g: v, but nothing for b.
func (l *logistic) penalise(g, v []float64) {
	for j := range g[:len(g)-1] {
		g[j] += v[j]
	}
}

// search halves the step until f falls by a part of what its slope promises (Armijo), and goes there. It reports whether there
// was such a step: where rounding hides the fall, there is none, and w is as near as float64 comes.
func (l *logistic) search() bool {
	l.multiply(l.u, l.d) // z of the step
	before, slope := l.value(0), dot(l.g, l.d)
	for step := 1.0; step > 1e-10; step /= 2 {
		if l.value(step) <= before+1e-4*step*slope {
			for j := range l.w {
				l.w[j] += step * l.d[j]
			}
			for i := range l.z {
				l.z[i] += step * l.u[i]
			}
			return true
		}
	}
	return false
}

// value returns f at w + step·d.
func (l *logistic) value(step float64) float64 {
	squares, loss := 0.0, 0.0
	for j := range l.w[:len(l.w)-1] {
		w := l.w[j] + step*l.d[j]
		squares += w * w
	}
	for i, z := range l.z {
		z += step * l.u[i]
		loss += math.Max(z, 0) + math.Log1p(math.Exp(-math.Abs(z))) - float64(l.y[i])*z
	}
	return squares/2 + l.c*loss
}

// multiply sets z to X·w.
func (l *logistic) multiply(z, w []float64) {
	b := w[len(w)-1]
	for i, row := range l.rows {
		columns, values := l.x.Row(row)
		sum := b
		for k, column := range columns {
			sum += values[k] * w[column]
		}
		z[i] = sum
	}
}

// multiplyTransposed sets g to Xᵀ·u.
func (l *logistic) multiplyTransposed(g, u []float64) {
	clear(g)
	for i, row := range l.rows {
		columns, values := l.x.Row(row)
		for k, column := range columns {
			g[column] += values[k] * u[i]
		}
		g[len(g)-1] += u[i]
	}
}

func dot(a, b []float64) (sum float64) {
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}
