package metrics

import "math"

// objective is the penalised cross-entropy of a line, its gradient and its Hessian by slope and intercept:
//
//	f = Σ −y·ln p − (1−y)·ln(1−p) + prior/2 · |line − centre|²    with p = σ(slope·z + intercept)
//	∂f = Σ (p−y)·(z, 1) + prior·(line − centre)
//	∂²f = Σ p(1−p)·(z, 1)(z, 1)ᵀ + prior·I
type objective struct {
	f                  float64
	dSlope, dIntercept float64
	h11, h12, h22      float64
}

// newObjective computes the objective of l on cells.
func newObjective(cells []cell, l, centre line, prior float64) (o objective) {
	for _, c := range cells {
		x := l.slope*c.z + l.intercept
		e := math.Exp(-math.Abs(x))
		p := 1 / (1 + e)
		if x < 0 {
			p = e / (1 + e)
		}
		w := e / ((1 + e) * (1 + e)) // p(1−p)
		o.f += math.Max(x, 0) - x*c.y + math.Log1p(e)
		o.dSlope += (p - c.y) * c.z
		o.dIntercept += p - c.y
		o.h11 += w * c.z * c.z
		o.h12 += w * c.z
		o.h22 += w
	}
	da, db := l.slope-centre.slope, l.intercept-centre.intercept
	o.f += prior / 2 * (da*da + db*db)
	o.dSlope += prior * da
	o.dIntercept += prior * db
	o.h11 += prior
	o.h22 += prior
	return o
}

// newtonStep returns −(∂²f)⁻¹·∂f, and the decrease of f that its slope promises for a whole step, ∂fᵀ(∂²f)⁻¹∂f. For
// Temperature the intercept stays.
func (o *objective) newtonStep(method Method) (step line, decrease float64) {
	if method == Temperature {
		step.slope = -o.dSlope / o.h11
	} else {
		determinant := o.h11*o.h22 - o.h12*o.h12
		step.slope = (o.h12*o.dIntercept - o.h22*o.dSlope) / determinant
		step.intercept = (o.h12*o.dSlope - o.h11*o.dIntercept) / determinant
	}
	return step, -(o.dSlope*step.slope + o.dIntercept*step.intercept)
}

// fitLine minimises the objective, which is convex, by Newton's method with step halving (Boyd and Vandenberghe 2004, §9.5).
// It returns centre for a prior of +Inf, and where the best slope is not positive.
func fitLine(cells []cell, centre line, prior float64, method Method) line {
	const rounds = 100 // a dozen are usual
	if math.IsInf(prior, 1) {
		return centre
	}
	at := centre
	o := newObjective(cells, at, centre, prior)
	for range rounds {
		step, decrease := o.newtonStep(method)
		if !(decrease > 1e-13*(1+o.f)) { // what float64 sums can still tell apart
			break
		}
		lower := func(size float64) bool {
			next := line{at.slope + size*step.slope, at.intercept + size*step.intercept}
			tried := newObjective(cells, next, centre, prior)
			if tried.f > o.f-size*decrease/10 {
				return false
			}
			at, o = next, tried
			return true
		}
		if !halve(lower) {
			break
		}
	}
	if !(at.slope > 0) {
		return centre
	}
	return at
}

// halve tries step sizes 1, 1/2, 1/4 … until one does.
func halve(try func(size float64) bool) bool {
	for size := 1.0; size > 1e-12; size /= 2 {
		if try(size) {
			return true
		}
	}
	return false
}
