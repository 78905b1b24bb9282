package solver

import (
	"context"
	"fmt"
	"math"
	"slices"

	"bertlabel/asm"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/metrics"

	"gonum.org/v1/gonum/mat"
)

// DiscriminantPath returns the strengths that Discriminant chooses from, falling.
func DiscriminantPath() []float64 { return []float64{1, 0.3, 0.1, 0.03, 0.01, 0.003} }

// Discriminant sets task.Classifier to Fisher's linear discriminant for every label (Fisher 1936; Hastie, Tibshirani and
// Friedman 2009, The Elements of Statistical Learning, §4.3) and returns how each was found. The features of the texts with a label
// and of those without it are taken for normal clouds around μ₁ and μ₀ with one covariance Σ, to which l2 is added, as in Friedman's
// regularised analysis (1989). With π the label's frequency and δ = μ₁ − μ₀, Bayes' theorem then makes the log-odds linear in x:
//
//	logit = v·x + b    v = (Σ + l2·I)⁻¹·δ    b = ln π/(1−π) − v·(μ₁ + μ₀)/2
//
// Σ is what the covariance G of all rows leaves without the distance of the means, G − π(1−π)·δδᵀ, so one decomposition of
// G + l2·I serves all labels (Sherman and Morrison 1950). Nothing is iterated. Where features are many and positives few this can
// beat the logistic regression of Head, since every row helps to know Σ (Efron 1975); docs/quality.md has figures.
//
// The logits order texts well but are too sure of themselves: calibrate them (metrics.Calibrate). So what l2 is chosen by is the
// order alone: it is the strength, one for all labels, with the highest macro-averaged average precision on Dev. The strengths are
// tried from the strongest on, until that has got no better; HeldLoss is what it lacks to 1. Unknown cells count for no mean; their
// rows still count for G. A label with cells of one class only gets what Head gives it. task.Loss is not used.
//
// The error is that of Observe, the cause of ctx's end, or says what is wrong with the task, such as several strengths and no Dev.
func Discriminant(ctx context.Context, task Task) ([]Solution, error) {
	if err := task.check(); err != nil {
		return nil, err
	}
	if task.L2 == nil {
		task.L2 = DiscriminantPath()
	}
	if len(task.L2) > 1 && task.Dev.X == nil {
		return nil, fmt.Errorf("%d strengths of the L2 penalty and no Dev to choose on", len(task.L2))
	}
	task.Workers.Start()
	defer task.Workers.Stop()
	best, solution, err := newDiscriminant(task).choose(ctx)
	if err != nil {
		return nil, err
	}
	task.Classifier.Weights.Value, task.Classifier.Bias.Value = best.Weights.Value, best.Bias.Value
	return slices.Repeat([]Solution{solution}, len(task.Labels)), nil
}

// choose tries the strengths, and returns the head of the best one.
func (d *discriminant) choose(ctx context.Context) (best *layers.Classifier, solution Solution, err error) {
	solution.HeldLoss = math.NaN() // no loss is at least that
	for round, l2 := range d.L2 {
		if ctx.Err() != nil {
			return nil, solution, context.Cause(ctx)
		}
		head, err := d.solve(l2)
		if err != nil {
			return nil, solution, err
		}
		loss, err := d.heldLoss(head)
		if err != nil {
			return nil, solution, err
		}
		if loss >= solution.HeldLoss {
			break
		}
		best, solution = head, Solution{L2: l2, HeldLoss: loss, Rounds: round + 1}
		if d.Observe != nil {
			if err := d.Observe(Progress{Round: round + 1, Labels: len(d.Labels)}); err != nil {
				return nil, solution, err
			}
		}
	}
	return best, solution, nil
}

// discriminant is one call of Discriminant.
type discriminant struct {
	Task
	design *design
	gram   *mat.SymDense // G, [hidden, hidden]
	labels []classMoments
}

// classMoments is what the discriminant knows of a label. μ₁ and μ₀ are mean + (1−π)δ and mean − πδ, with δ = covariance/(π(1−π)).
type classMoments struct {
	negatives, positives float64
	mean                 []float64 // of x over the known rows, [hidden]
	covariance           []float64 // of x and y over the known rows, [hidden]
}

func newDiscriminant(task Task) *discriminant {
	d := &discriminant{Task: task, design: newDesign(task.Train.X, task.Workers)}
	d.gram = mat.NewSymDense(d.design.x.Cols, slices.Concat(d.design.gram()...))
	d.measure()
	return d
}

// measure sets the moments of all labels, in one pass over X.
func (d *discriminant) measure() {
	n, x := len(d.Labels), d.design.x
	cells := tensor.New(2*n, x.Rows) // what X is multiplied by: for each label 1 and y − π on its known rows, over their number
	sums := make([][]float64, 2*n)
	for i := range sums {
		sums[i] = make([]float64, x.Cols)
	}
	for l, count := range train.CountClasses(d.Train.Y, n) {
		known := count.Negatives + count.Positives
		for i := range x.Rows {
			if y := d.Train.Y[i*n+l]; y != layers.Unknown {
				cells.Row(2 * l)[i] = float32(1 / known)
				cells.Row(2*l + 1)[i] = float32((float64(y) - count.Positives/known) / known)
			}
		}
		d.labels = append(d.labels, classMoments{count.Negatives, count.Positives, sums[2*l], sums[2*l+1]})
	}
	d.design.multiplyTransposed(sums, cells)
}

// solve returns the head for a strength.
func (d *discriminant) solve(l2 float64) (*layers.Classifier, error) {
	n, hidden := len(d.Labels), d.design.x.Cols
	shrunk := mat.NewSymDense(hidden, nil)
	shrunk.CopySym(d.gram)
	directions := mat.NewDense(hidden, n, nil)
	for j := range hidden {
		shrunk.SetSym(j, j, d.gram.At(j, j)+l2)
		for l := range d.labels {
			directions.Set(j, l, d.labels[l].covariance[j])
		}
	}
	var cholesky mat.Cholesky
	if !cholesky.Factorize(shrunk) {
		return nil, fmt.Errorf("the covariance of the features with %g added is not positive definite in float64: give a larger L2", l2)
	}
	if err := cholesky.SolveTo(directions, directions); err != nil {
		return nil, fmt.Errorf("the covariance of the features with %g added: %w; give a larger L2", l2, err)
	}
	head := layers.NewClassifier(n, hidden)
	head.Weights.Value, head.Bias.Value = make([]float32, n*hidden), make([]float32, n)
	for l := range d.labels {
		v, b := d.labels[l].logit(mat.Col(nil, l, directions))
		head.Bias.Value[l] = d.design.unstandardise(head.Weights.Value[l*hidden:(l+1)*hidden], v, b)
	}
	return head, nil
}

// leastWithin is the least share of a label's variance that its features are taken not to explain.
const leastWithin = 0.01

// logit returns v and b of a label, given w = (G + l2·I)⁻¹·covariance, which it overwrites. By Sherman and Morrison's formula
//
//	v = (G + l2·I − π(1−π)·δδᵀ)⁻¹·δ = w / (π(1−π) − covariance·w)
func (m *classMoments) logit(w []float64) (v []float64, b float64) {
	if m.positives == 0 || m.negatives == 0 {
		clear(w)
		return w, math.Log((m.positives + 0.5) / (m.negatives + 0.5))
	}
	pi := m.positives / (m.positives + m.negatives)
	// The rows of unknown cells are in G but not in the covariance, so with many of them the difference may come out too small, or
	// below 0. That is the scale only, which calibration puts right.
	within := max(pi*(1-pi)-dot(m.covariance, w), leastWithin*pi*(1-pi))
	for j := range w {
		w[j] /= within
	}
	// (μ₁ + μ₀)/2 = mean + (1/2 − π)·δ
	return w, math.Log(m.positives/m.negatives) - dot(w, m.mean) - (0.5-pi)/(pi*(1-pi))*dot(w, m.covariance)
}

// heldLoss returns 1 − the macro-averaged average precision on Dev; 0 when no label has positives there, NaN without Dev.
func (d *discriminant) heldLoss(head *layers.Classifier) (float64, error) {
	if d.Dev.X == nil {
		return math.NaN(), nil
	}
	scores := tensor.New(d.Dev.X.Rows, len(d.Labels))
	head.Forward(scores, d.Dev.X)
	for i := range scores.Data { // probabilities close to 1 would tie
		scores.Data[i] /= 8
	}
	asm.Best.Sigmoid(scores.Data, scores.Data)
	r, err := metrics.Evaluate(metrics.Data{Labels: d.Labels, Truth: d.Dev.Y, Scores: scores.Data}, []float32{0.5})
	if err != nil || !r.AveragePrecisionMacro.Defined() {
		return 0, err
	}
	return 1 - float64(r.AveragePrecisionMacro), nil
}
