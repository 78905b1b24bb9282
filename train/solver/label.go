package solver

import (
	"math"

	"bertlabel/asm"
	"bertlabel/layers"
	"bertlabel/train"
)

// labelSolver is the problem of one label. Its variables are w, then the bias. What a round does to it, in order:
//
//	startStep, preconditioner, finishStep   step ← −H·gradient, by L-BFGS with the preconditioner as its H₀
//	multiply, move                          t ← argmin f(w + t·step): z = w·x + b is linear in t and needs no other pass;
//	                                        w ← w + t·step, r ← ∂loss/∂z
//	multiplyTransposed, judge               gradient ← r·X + l2·w; when that is small: on to the next l2, or done
type labelSolver struct {
	*solver
	label int
	class []cellClass        // [rows]
	terms [classes]cellTerms // of the loss
	known float64            // cells in the loss
	base  float64            // mean loss of the best bias alone

	w        []float64 // [hidden+1]
	z        []float32 // logits, [rows]
	gradient []float64 // at w, [hidden+1]
	before   []float64 // the gradient before the step, [hidden+1]
	step     []float64 // [hidden+1]
	memory   lbfgs

	l2        float64
	bend      float64 // mean second derivative of the loss by z, at w
	curvature float64 // the one that the preconditioner goes by
	steps     int     // made for this l2
	promised  float64 // by how much the last step was to lower the loss, if it were quadratic; +Inf before the first
	stalled   bool    // not even the preconditioned gradient leads down
	restart   bool    // this round computes z and the gradient, and makes no step

	place            int // of l2 on the path
	bestL2, bestLoss float64
	worse            int  // strengths in a row since the best
	chosen           bool // l2 is the one
	solved           bool
	rounds           int
}

const (
	// Work on a strength of the path ends with a step that promises less than this share of the loss without features: what is
	// left to gain is then small beside what the strengths differ by. Work on the solution ends when no element of the gradient is
	// above the tolerance times the curvature.
	pathTolerance  = 1e-4
	finalTolerance = 1e-5

	maxSteps     = 300  // for one strength; 10 are usual
	minCurvature = 1e-9 // of a label whose cells are all but parted
	heldOut      = 5    // one of so many cells is held out
)

// newLabel returns the problem at the start of its path: w = 0, and the bias that is best there. order is a permutation of the
// rows.
func (s *solver) newLabel(label int, order []int) *labelSolver {
	rows, size := s.design.rows, s.design.cols+1
	l := &labelSolver{
		solver: s, label: label, class: make([]cellClass, rows), z: make([]float32, rows),
		w: make([]float64, size), gradient: make([]float64, size), before: make([]float64, size), step: make([]float64, size),
		restart: true, promised: math.Inf(1), bestLoss: math.NaN(),
	}
	for i := range l.class {
		l.class[i] = classOf(s.Train.Y[i*len(s.Labels)+label])
	}
	negatives, positives := l.count()
	if negatives == 0 || positives == 0 {
		l.w[size-1] = math.Log((positives + 0.5) / (negatives + 0.5))
		l.solved = true
		return l
	}
	l.setTerms()
	n, p := l.terms[negativeCell], l.terms[positiveCell]
	l.w[size-1] = math.Log((positives*p.right + negatives*n.wrong) / (positives*p.wrong + negatives*n.right))
	l.base = l.constantLoss(negatives, positives)
	switch {
	case len(s.L2) == 1:
		l.l2, l.chosen = s.L2[0], true
	case !l.holdOut(order):
		l.l2, l.chosen = DefaultL2, true
	default:
		l.l2, l.bestLoss = s.L2[0], math.Inf(1)
	}
	return l
}

// constantLoss returns the mean loss of the bias for so many cells.
func (l *labelSolver) constantLoss(negatives, positives float64) float64 {
	z := l.w[len(l.w)-1]
	n, _ := l.Loss.Cell(z, false, l.label)
	p, _ := l.Loss.Cell(z, true, l.label)
	return (negatives*n + positives*p) / (negatives + positives)
}

// count sets known, and returns the cells in the loss; of a share that is its part of each.
func (l *labelSolver) count() (negatives, positives float64) {
	l.known = 0
	for i, c := range l.class {
		if c == negativeCell || c == positiveCell {
			l.known++
			positives += share(&l.Train, i*len(l.Labels)+l.label)
		}
	}
	return l.known - positives, positives
}

// share returns how much of a known cell of Features is positive: 1, 0, or its share.
func share(f *train.Features, cell int) float64 {
	if f.Shares != nil {
		return float64(f.Shares[cell])
	}
	return float64(f.Y[cell])
}

// holdOut sees to cells that l2 can be chosen on, and reports whether there are any of both classes. With Dev these are Dev's;
// without, every fifth positive and every fifth negative cell in the given order of the rows; which of them a share is Features.Y says.
func (l *labelSolver) holdOut(order []int) bool {
	if l.dev != nil {
		known, positives := 0.0, 0.0
		for i := range l.dev.Rows {
			if cell := i*len(l.Labels) + l.label; l.Dev.Y[cell] != layers.Unknown {
				known++
				positives += share(&l.Dev, cell)
			}
		}
		return positives > 0 && positives < known
	}
	negatives, positives := l.count()
	if min(negatives, positives) < heldOut {
		return false
	}
	var count [classes]int
	for _, i := range order {
		c := l.class[i]
		if count[c]++; c != unknownCell && count[c]%heldOut == 0 {
			l.class[i] = c + heldNegative - negativeCell
		}
	}
	l.count()
	return true
}

// heldLoss returns the mean loss on the cells that l2 is chosen on.
func (l *labelSolver) heldLoss() float64 {
	sum, n, hidden := 0.0, 0, len(l.w)-1
	add := func(z, y float64) {
		loss, _ := layers.SoftCell(l.Loss, z, y, l.label)
		sum += loss
		n++
	}
	if l.dev == nil {
		for i, c := range l.class {
			if c == heldNegative || c == heldPositive {
				add(float64(l.z[i]), share(&l.Train, i*len(l.Labels)+l.label))
			}
		}
		return sum / float64(n)
	}
	w := make([]float32, hidden)
	for j := range w {
		w[j] = float32(l.w[j])
	}
	for i := range l.dev.Rows {
		if cell := i*len(l.Labels) + l.label; l.Dev.Y[cell] != layers.Unknown {
			add(float64(asm.Best.Dot(w, l.dev.Row(i)))+l.w[hidden], share(&l.Dev, cell))
		}
	}
	return sum / float64(n)
}

// nextStrength goes on along the path, from its end to the solution, and from there nowhere.
func (l *labelSolver) nextStrength() {
	if l.chosen {
		l.solved = true
		return
	}
	l.worse++
	if loss := l.heldLoss(); loss < l.bestLoss {
		l.bestLoss, l.bestL2, l.worse = loss, l.l2, 0
	}
	if l.place++; l.worse == 2 || l.place == len(l.L2) {
		l.choose(l.bestL2)
	} else {
		l.begin(l.L2[l.place])
	}
}

// begin starts work on a strength at the present w, whose gradient at the last strength is known.
func (l *labelSolver) begin(l2 float64) {
	hidden := len(l.w) - 1
	axpy(l.gradient[:hidden], l2-l.l2, l.w[:hidden])
	l.l2, l.curvature, l.steps, l.promised, l.stalled = l2, l.bend, 0, math.Inf(1), false
	l.memory.forget()
}

// choose starts work on the solution, with all known cells in the loss.
func (l *labelSolver) choose(l2 float64) {
	for i, c := range l.class {
		if c == heldNegative || c == heldPositive {
			l.class[i] = c + negativeCell - heldNegative
		}
	}
	l.count()
	l.begin(l2)
	l.chosen, l.restart = true, true
}

// exponent returns which inverse of the preconditioner serves the label in this round.
func (l *labelSolver) exponent() int {
	if l.restart {
		return unconditioned
	}
	return exponentOf(l.l2, l.curvature)
}

// startStep sets x [hidden] to what the preconditioner is to be applied to.
func (l *labelSolver) startStep(x []float32) {
	if l.restart {
		return
	}
	copy(l.before, l.gradient)
	copy(l.step, l.gradient)
	l.memory.down(l.step)
	for j := range x {
		x[j] = float32(l.step[j] / l.curvature)
	}
}

// finishStep takes what the preconditioner has made of x, [hidden], and sets it to what X is to be multiplied by.
func (l *labelSolver) finishStep(x []float32) {
	if l.restart {
		for j := range x {
			x[j] = float32(l.w[j])
			l.w[j] = float64(x[j])
		}
		return
	}
	for j, v := range x {
		l.step[j] = float64(v)
	}
	l.step[len(x)] /= l.curvature
	l.memory.up(l.step)
	for j, v := range l.step {
		l.step[j] = float64(float32(-v)) // as X sees it
	}
	for j := range x {
		x[j] = float32(l.step[j])
	}
}

// move goes along the step as far as it leads down. cells [rows] comes as X·step, for a restart as X·w, and leaves as the
// derivative of the mean loss by z.
func (l *labelSolver) move(cells []float32) {
	hidden := len(l.w) - 1
	if l.restart {
		for i, v := range cells {
			l.z[i] = v + float32(l.w[hidden])
		}
	} else {
		for i := range cells {
			cells[i] += float32(l.step[hidden])
		}
		t := l.search(cells)
		if t == 0 {
			l.stalled = len(l.memory.pairs) == 0
			l.memory.forget()
		}
		for i, v := range cells {
			l.z[i] += t * v
		}
		for j := range l.step {
			l.step[j] *= float64(t)
			l.w[j] += l.step[j]
		}
	}
	l.gradient[hidden], l.bend = l.derivatives(cells)
	l.bend = max(l.bend, minCurvature)
}

// judge takes r·X, [hidden], for the gradient, and decides how to go on.
func (l *labelSolver) judge(product []float64) {
	for j, v := range product {
		l.gradient[j] = v + l.l2*l.w[j]
	}
	if l.restart {
		l.curvature, l.restart = l.bend, false
	} else {
		l.memory.remember(l.step, l.gradient, l.before)
	}
	if l.bend < l.curvature/4 { // the preconditioner is made for another problem
		l.curvature = l.bend
		l.memory.forget()
	}
	l.rounds++
	l.steps++
	for !l.solved && !l.restart && l.settled() {
		l.nextStrength()
	}
}

// settled reports whether work on this strength is over.
func (l *labelSolver) settled() bool {
	if l.stalled || l.steps >= maxSteps {
		return true
	}
	if l.chosen {
		return largest(l.gradient) <= finalTolerance*l.bend
	}
	return l.promised <= pathTolerance*l.base
}

// largest returns the largest magnitude in x.
func largest(x []float64) (m float64) {
	for _, v := range x {
		m = max(m, math.Abs(v))
	}
	return m
}
