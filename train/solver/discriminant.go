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

// DiscriminantPath returns the strengths that Discriminant chooses from, falling. It begins at DiscriminantBegin.
func DiscriminantPath() []float64 { return []float64{100, 30, 10, 3, 1, 0.3, 0.1, 0.03, 0.01, 0.003} }

// DiscriminantBegin is the strength of DiscriminantPath that is tried first: between those of many rows and those of few.
const DiscriminantBegin = 3

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
// order alone: it is the strength, one for all labels, with the highest macro-averaged average precision on Dev; HeldLoss is what it
// lacks to 1. Of DiscriminantPath() DiscriminantBegin is tried first, of task.L2 the strongest; from there the weaker ones follow
// until that has got no better, and if no weaker one was better, the stronger ones likewise. Unknown cells count for no mean; their
// rows still count for G. With Features.Shares a row belongs to a label by its share y, and by 1−y to its absence: π, μ₁ and μ₀ are the
// means so weighted, and the decomposition of G stays. On Dev the order is that of Y. A label with cells of one class only gets what Head
// gives it. task.Loss is not used.
//
// With fewer rows than columns the same v is found from a matrix [rows, rows] (see solveRows).
//
// Of task.Train.Parts each is measured by itself, and what was measured is merged (MeasureParts): memory depends on columns and labels, not
// on rows, and one part gives the bits of the same rows in memory. Fewer rows than columns are read into memory.
//
// The error is that of Observe, the cause of ctx's end, or says what is wrong with the task, such as several strengths and no Dev.
func Discriminant(ctx context.Context, task Task) ([]Solution, error) {
	if err := task.check(); err != nil {
		return nil, err
	}
	if parts := task.Train.Parts; parts != nil {
		if task.Workers == nil {
			task.Workers = tensor.NewWorkers(1)
		}
		if train.RowsOf(parts) >= parts.Width() {
			s, err := MeasureParts(ctx, parts, len(task.Labels), task.Workers, func(measured, of int) error {
				if task.Observe == nil {
					return nil
				}
				return task.Observe(Progress{Labels: len(task.Labels), Measured: measured, Parts: of})
			})
			if err != nil {
				return nil, err
			}
			return DiscriminantOf(ctx, s, task)
		}
		var err error
		if task.Train, err = train.Load(parts); err != nil {
			return nil, err
		}
	}
	return discriminate(ctx, task, newDiscriminant)
}

// discriminate chooses the strength for a discriminant, which start makes when the workers run.
func discriminate(ctx context.Context, task Task, start func(Task) *discriminant) ([]Solution, error) {
	begin := 0
	if task.L2 == nil {
		task.L2 = DiscriminantPath()
		begin = slices.Index(task.L2, DiscriminantBegin)
	}
	if len(task.L2) > 1 && task.Dev.X == nil {
		return nil, fmt.Errorf("%d strengths of the L2 penalty and no Dev to choose on", len(task.L2))
	}
	task.Workers.Start()
	defer task.Workers.Stop()
	best, solution, err := start(task).choose(ctx, begin)
	if err != nil {
		return nil, err
	}
	task.Classifier.Weights.Value, task.Classifier.Bias.Value = best.Weights.Value, best.Bias.Value
	return slices.Repeat([]Solution{solution}, len(task.Labels)), nil
}

// choose walks the path both ways from a place, and returns the head of the best strength.
func (d *discriminant) choose(ctx context.Context, begin int) (best *layers.Classifier, solution Solution, err error) {
	at, rounds := begin, 0
	try := func(place int) (better bool, err error) {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		head, err := d.solve(d.L2[place])
		if err != nil {
			return false, err
		}
		loss, err := d.heldLoss(head)
		if err != nil {
			return false, err
		}
		if better = best == nil || loss < solution.HeldLoss; better {
			at, best, solution = place, head, Solution{L2: d.L2[place], HeldLoss: loss}
		}
		if rounds++; d.Observe != nil {
			err = d.Observe(Progress{Round: rounds, Labels: len(d.Labels)})
		}
		return better, err
	}
	better, err := try(begin)
	for place := begin + 1; err == nil && better && place < len(d.L2); place++ {
		better, err = try(place)
	}
	better = at == begin
	for place := begin - 1; err == nil && better && place >= 0; place-- {
		better, err = try(place)
	}
	solution.Rounds, solution.End = rounds, endOf(d.L2, at)
	return best, solution, err
}

// discriminant is one call of Discriminant.
type discriminant struct {
	Task
	design *design
	rows   bool          // fewer rows than columns: gram is K, and solveRows solves
	gram   *mat.SymDense // G = XᵀX/n, [hidden, hidden], or K = XXᵀ/n, [n, n]
	cells  tensor.Tensor // what X is multiplied by: for each label 1 and y − π on its known rows, over their number, [2·labels, n]
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
	d.measure()
	d.setGram(d.design.rows < d.design.cols)
	return d
}

// setGram sets the matrix of products that is solved with: of the rows, or of the columns.
func (d *discriminant) setGram(rows bool) {
	x := d.design
	if d.rows = rows; rows {
		x = x.transposed()
	}
	d.gram = mat.NewSymDense(x.cols, slices.Concat(x.gram(d.design.rows)...))
}

// measure sets the moments of all labels, in one pass over X.
func (d *discriminant) measure() {
	n := len(d.Labels)
	sums := make([][]float64, 2*n)
	for i := range sums {
		sums[i] = make([]float64, d.design.cols)
	}
	counts := train.CountClasses(d.Train.Y, d.Train.Shares, n)
	for l, count := range counts {
		d.labels = append(d.labels, classMoments{count.Negatives, count.Positives, sums[2*l], sums[2*l+1]})
	}
	d.design.blocks(func(first int, x *tensor.Tensor) {
		d.setCells(first, x.Rows, counts)
		d.design.addTransposed(sums, &d.cells, x)
	})
}

// setCells sets cells of the rows [first, first+n).
func (d *discriminant) setCells(first, n int, counts []train.ClassCount) {
	labels := len(counts)
	d.cells.Resize(2*labels, n)
	for l, count := range counts {
		known := count.Negatives + count.Positives
		ones, apart := d.cells.Row(2*l), d.cells.Row(2*l+1)
		clear(ones)
		clear(apart)
		for i := range n {
			if cell := (first+i)*labels + l; d.Train.Y[cell] != layers.Unknown {
				ones[i] = float32(1 / known)
				apart[i] = float32((share(&d.Train, cell) - count.Positives/known) / known)
			}
		}
	}
}

// solve returns the head for a strength.
func (d *discriminant) solve(l2 float64) (*layers.Classifier, error) {
	n, hidden := len(d.Labels), len(d.design.mean)
	solve := d.solveColumns
	if d.rows {
		solve = d.solveRows
	}
	directions, err := solve(l2)
	if err != nil {
		return nil, err
	}
	head := layers.NewClassifier(n, hidden)
	head.Weights.Value, head.Bias.Value = make([]float32, n*hidden), make([]float32, n)
	for l := range d.labels {
		v, b := d.labels[l].logit(directions[l])
		head.Bias.Value[l] = d.design.unstandardise(head.Weights.Value[l*hidden:(l+1)*hidden], v, b)
	}
	return head, nil
}

// solveColumns returns (G + l2·I)⁻¹·covariance of every label, [labels][hidden].
func (d *discriminant) solveColumns(l2 float64) ([][]float64, error) {
	return d.solveGram(l2, func(l, j int) float64 { return d.labels[l].covariance[j] })
}

// solveRows returns what solveColumns does. covariance is Xᵀr, where r are the label's y − π on its known rows over their number, and
//
//	(XᵀX/n + l2·I)·Xᵀ = Xᵀ·(XXᵀ/n + l2·I)    so    (G + l2·I)⁻¹·Xᵀr = Xᵀ·(K + l2·I)⁻¹·r    with K = XXᵀ/n
//
// (the push-through identity: Henderson and Searle 1981, SIAM Review 23, eq. 11; of the ridge regression it is the dual form of Saunders et
// al. 1998). The time goes with the cube of the rows instead of that of the columns. Products with X are summed in float64, in the order of
// the rows.
func (d *discriminant) solveRows(l2 float64) ([][]float64, error) {
	alpha, err := d.solveGram(l2, func(l, i int) float64 { return float64(d.cells.Row(2*l + 1)[i]) })
	if err != nil {
		return nil, err
	}
	x := d.design.x
	directions := make([][]float64, len(alpha))
	for l := range directions {
		directions[l] = make([]float64, x.Cols)
	}
	d.design.eachColumns(x.Cols, func(_, from, to int) {
		for l, w := range directions {
			for i := range x.Rows {
				for j, v := range x.Row(i)[from:to] {
					w[from+j] += alpha[l][i] * float64(v)
				}
			}
		}
	})
	return directions, nil
}

// solveGram returns (gram + l2·I)⁻¹·b of every label, b given by its elements.
func (d *discriminant) solveGram(l2 float64, b func(label, i int) float64) ([][]float64, error) {
	n, size := len(d.Labels), d.gram.SymmetricDim()
	shrunk := mat.NewSymDense(size, nil)
	shrunk.CopySym(d.gram)
	solved := mat.NewDense(size, n, nil)
	for i := range size {
		shrunk.SetSym(i, i, d.gram.At(i, i)+l2)
		for l := range n {
			solved.Set(i, l, b(l, i))
		}
	}
	factors, ok := newCholesky(shrunk, d.Workers)
	if !ok {
		return nil, fmt.Errorf("the covariance of the features with %g added is not positive definite in float64: give a larger L2", l2)
	}
	if err := factors.solve(solved); err != nil {
		return nil, fmt.Errorf("the covariance of the features with %g added: %w; give a larger L2", l2, err)
	}
	columns := make([][]float64, n)
	for l := range columns {
		columns[l] = mat.Col(nil, l, solved)
	}
	return columns, nil
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
