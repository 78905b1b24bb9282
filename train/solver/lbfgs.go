package solver

// lbfgsMemory is the number of steps that lbfgs remembers; 3 to 20 are usual (Nocedal and Wright 2006, §7.2).
const lbfgsMemory = 10

// lbfgs is the memory of limited-memory BFGS (Liu and Nocedal 1989; Nocedal and Wright 2006, algorithm 7.4): the last steps s,
// each with the change y of the gradient that it made. They turn an inverse Hessian H₀ into a better one, H. The recursion that
// gives H·g is cut in two where H₀ is applied, H·g = up(H₀·down(g)), so that H₀ can be applied for many problems at once.
type lbfgs struct {
	pairs []pair // oldest first
}

type pair struct {
	s, y  []float64
	rho   float64 // 1/sᵀy
	alpha float64 // from down to up
}

// forget empties the memory.
func (m *lbfgs) forget() { m.pairs = m.pairs[:0] }

// remember adds a step and the gradients after and before it. A step along which the gradient did not grow, as that of a convex
// function does, is left out.
func (m *lbfgs) remember(s, after, before []float64) {
	var p pair
	if len(m.pairs) == lbfgsMemory { // takes the place of the oldest
		p = m.pairs[0]
		m.pairs = append(m.pairs[:0], m.pairs[1:]...)
	}
	p.s = append(p.s[:0], s...)
	p.y = append(p.y[:0], after...)
	axpy(p.y, -1, before)
	if sy := dot(p.s, p.y); sy > 0 {
		p.rho = 1 / sy
		m.pairs = append(m.pairs, p)
	}
}

// down is the first loop, from the newest step to the oldest. It changes q in place.
func (m *lbfgs) down(q []float64) {
	for i := len(m.pairs) - 1; i >= 0; i-- {
		p := &m.pairs[i]
		p.alpha = p.rho * dot(p.s, q)
		axpy(q, -p.alpha, p.y)
	}
}

// up is the second loop, from the oldest step to the newest. It changes r in place.
func (m *lbfgs) up(r []float64) {
	for _, p := range m.pairs {
		axpy(r, p.alpha-p.rho*dot(p.y, r), p.s)
	}
}

// dot returns Σ x·y.
func dot(x, y []float64) (sum float64) {
	for i, v := range x {
		sum += v * y[i]
	}
	return sum
}

// axpy adds a·x to y.
func axpy(y []float64, a float64, x []float64) {
	for i, v := range x {
		y[i] += a * v
	}
}
