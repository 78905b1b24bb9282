package solver

import (
	"math"

	"bertlabel/asm"
)

// cellClass says what a cell is to the problem of its label.
type cellClass uint8

const (
	unknownCell cellClass = iota
	negativeCell
	positiveCell
	heldNegative // in the loss only when l2 has been chosen
	heldPositive
	classes
)

// classOf returns the class of a cell of Features.Y.
func classOf(y int8) cellClass { return cellClass(y + 1) }

// cellTerms are the loss of a cell as a function of its logit z. With u = z for a negative cell and −z for a positive one, so
// that nothing cancels where the cell is well on its side:
//
//	loss       = right·softplus(u) + wrong·softplus(−u)
//	∂loss/∂z   = sign·(right·σ(u) − wrong·σ(−u))
//	∂²loss/∂z² = (right + wrong)·σ(u)·σ(−u)
type cellTerms struct {
	sign         float32 // u = sign·z
	right, wrong float64 // the weights of layers.CrossEntropy
}

// first and second return the derivatives by z, given p = σ(u).
func (t *cellTerms) first(p float64) float64  { return float64(t.sign) * (t.right*p - t.wrong*(1-p)) }
func (t *cellTerms) second(p float64) float64 { return (t.right + t.wrong) * p * (1 - p) }

// setTerms makes terms of the loss. Those of cells that are unknown or held out stay zero.
func (l *labelSolver) setTerms() {
	wrong, right := l.Loss.Weights(false, l.label)
	l.terms[negativeCell] = cellTerms{+1, right, wrong}
	right, wrong = l.Loss.Weights(true, l.label)
	l.terms[positiveCell] = cellTerms{-1, right, wrong}
}

// termsOf returns the terms of the cell of a row. A share y of Features.Shares is y of a positive cell and 1−y of a negative one; its class
// says which way u is turned.
func (l *labelSolver) termsOf(row int) cellTerms {
	t := l.terms[l.class[row]]
	if l.Train.Shares == nil || t.sign == 0 {
		return t
	}
	y, n, p := float64(l.Train.Shares[row*len(l.Labels)+l.label]), &l.terms[negativeCell], &l.terms[positiveCell]
	positive, negative := y*p.right+(1-y)*n.wrong, (1-y)*n.right+y*p.wrong // the weights of softplus(−z) and softplus(z)
	if t.sign > 0 {
		return cellTerms{t.sign, negative, positive}
	}
	return cellTerms{t.sign, positive, negative}
}

// derivatives sets r [rows] to the derivative of the mean loss by each logit. It returns the sum, which is the derivative by the
// bias, and that of the second derivatives.
func (l *labelSolver) derivatives(r []float32) (first, second float64) {
	for i, z := range l.z {
		r[i] = l.terms[l.class[i]].sign * z
	}
	asm.Best.Sigmoid(r, r)
	for i, p := range r {
		t := l.termsOf(i)
		d := t.first(float64(p)) / l.known
		r[i] = float32(d)
		first += d
		second += t.second(float64(p)) / l.known
	}
	return first, second
}

// along returns the first and the second derivative of the mean loss at logits z + t·dz by t; dz is [rows].
func (l *labelSolver) along(t float32, dz []float32) (first, second float64) {
	var buffer [1024]float32
	for from := 0; from < len(dz); from += len(buffer) {
		to := min(from+len(buffer), len(dz))
		p, z, dz, class := buffer[:to-from], l.z[from:to], dz[from:to], l.class[from:to]
		for i := range p {
			p[i] = l.terms[class[i]].sign * (z[i] + t*dz[i])
		}
		asm.Best.Sigmoid(p, p)
		for i, p := range p {
			terms, d := l.termsOf(from+i), float64(dz[i])
			first += terms.first(float64(p)) * d
			second += terms.second(float64(p)) * d * d
		}
	}
	return first / l.known, second / l.known
}

// search returns the t > 0 at which the penalised loss along the step is least, or rather where its slope is down to a tenth; 0
// when the step does not lead down. dz is X·step with the bias's step, [rows]. It is Newton's method on the slope, which grows
// with t, kept inside the bracket found so far.
func (l *labelSolver) search(dz []float32) float32 {
	const (
		enough = 0.1
		tries  = 30 // one or two are usual
	)
	hidden := len(l.w) - 1
	w, step := l.w[:hidden], l.step[:hidden]
	penalty, bend := l.l2*dot(w, step), l.l2*dot(step, step)
	start := dot(l.gradient, l.step)
	l.promised = -start / 2
	if !(start < 0) {
		return 0
	}
	low, high, t := 0.0, math.Inf(1), 1.0
	for range tries {
		first, second := l.along(float32(t), dz)
		first, second = first+penalty+t*bend, second+bend
		if math.Abs(first) <= enough*math.Abs(start) {
			return float32(t)
		}
		if first < 0 {
			low = t
		} else {
			high = t
		}
		t -= first / second
		switch {
		case low < t && t < high:
		case math.IsInf(high, 1):
			t = 2 * low
		default:
			t = (low + high) / 2
		}
	}
	return float32(low)
}
