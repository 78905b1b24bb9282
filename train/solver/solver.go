package solver

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"bertlabel/asm"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
)

// Task is a label head on fixed features that is solved instead of trained. Its loss is convex, so each label has one best
// row of weights, and finding that takes neither a learning rate nor epochs:
//
//	minimise over w, b:   1/|known| · Σ loss(w·x + b, y) + l2/2 · |w|²
//
// where x are the features, standardised by the training rows, and the sum is over the label's known cells. A share y of Features.Shares
// has the loss y·loss(z, 1) + (1−y)·loss(z, 0), on Dev too (layers.MeanSoftLoss).
type Task struct {
	Labels     []string
	Train      train.Features
	Dev        train.Features      // what l2 is chosen on; the zero Features for none
	Classifier *layers.Classifier  // where the result goes, as a head on features that are not standardised
	Loss       layers.CrossEntropy // nil for layers.SigmoidCrossEntropy
	L2         []float64           // what l2 is chosen from, falling; nil for DefaultPath(), of Discriminant for DiscriminantPath()
	Seed       uint64              // draws the cells that are held out when there is no Dev
	Workers    *tensor.Workers     // nil for one goroutine; their number does not change a bit of the result
	Observe    func(Progress) error
}

// Progress is the report of one pass over the features.
type Progress struct {
	Round  int // counted from 1
	Solved int // labels that are done
	Labels int

	// Of Discriminant on Parts, before its first round: parts that have been measured, of how many; else 0.
	Measured, Parts int
}

// Solution is what Head or Discriminant found for one label.
type Solution struct {
	L2       float64 // the strength of the penalty that was chosen
	HeldLoss float64 // mean loss at L2 on the cells it was chosen on, from the rows it was chosen with; NaN when none chose
	Gradient float64 // the largest element of the gradient that is left
	Rounds   int     // passes over the features that it took; of Discriminant strengths that were tried

	// End is 1 where L2 was chosen from several strengths and is the strongest of them, −1 where it is the weakest, else 0: a better
	// one may lie beyond.
	End int
}

// endOf returns the Solution.End of the strength at a place of a falling path.
func endOf(path []float64, place int) int {
	switch {
	case len(path) > 1 && place == 0:
		return 1
	case len(path) > 1 && place == len(path)-1:
		return -1
	}
	return 0
}

// HeldLoss returns the least and the largest strength of the labels that were solved, and the mean loss on the cells that chose; NaN
// where there are none.
func HeldLoss(solutions []Solution) (strength [2]float64, loss float64) {
	var strengths []float64
	n := 0
	for _, s := range solutions {
		if s.Rounds > 0 {
			strengths = append(strengths, s.L2)
		}
		if !math.IsNaN(s.HeldLoss) {
			loss += s.HeldLoss
			n++
		}
	}
	strength = [2]float64{math.NaN(), math.NaN()}
	if len(strengths) > 0 {
		strength = [2]float64{slices.Min(strengths), slices.Max(strengths)}
	}
	if len(strengths) == 0 || n == 0 {
		return strength, math.NaN()
	}
	return strength, loss / float64(n)
}

// DefaultL2 is the strength for labels about which nothing is known: no cell that is held out is positive, or none is negative.
const DefaultL2 = 1e-2

// DefaultPath returns the strengths that Head chooses from: half powers of ten from 1 down to 1e-5.
func DefaultPath() (path []float64) {
	for e := 0.0; e >= -5; e -= 0.5 {
		path = append(path, math.Pow(10, e))
	}
	return path
}

// Head sets task.Classifier to the solution for every label and returns how each was found.
//
// For each label l2 is the strength with the lowest mean loss on Dev. The strengths are tried from the strongest on, each from
// where the last one ended, until the loss on Dev has got worse twice in a row. Without Dev every fifth positive and every
// fifth negative cell of the label, in an order drawn by Seed, stay out while l2 is chosen, and come in for the solution. Labels
// do not see each other: a label's weights have the same bits whatever the others are. One with cells of one class only gets
// weights of zero and a bias of the log-odds with half a cell added to both classes.
//
// task.Train.Parts are read in every pass, two of a round: in memory are logits and labels of all rows, 9 bytes a cell, and the bits are
// those of the same rows in memory, wherever one part ends.
//
// The error is that of Observe, of Parts, the cause of ctx's end, or says what is wrong with the task.
func Head(ctx context.Context, task Task) ([]Solution, error) {
	if err := task.check(); err != nil {
		return nil, err
	}
	if parts := task.Train.Parts; parts != nil && task.Train.Y == nil {
		var err error
		if task.Train.Y, task.Train.Shares, err = train.LabelsOf(parts); err != nil {
			return nil, err
		}
	}
	task.Workers.Start()
	defer task.Workers.Stop()
	s := newSolver(task)
	for round := 1; len(s.active) > 0; round++ {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if s.design.err == nil {
			s.round()
		}
		if s.design.err != nil {
			return nil, s.design.err
		}
		if task.Observe != nil {
			if err := task.Observe(Progress{Round: round, Solved: len(s.labels) - len(s.active), Labels: len(s.labels)}); err != nil {
				return nil, err
			}
		}
	}
	return s.solutions(), s.design.err
}

func (t Task) check() error {
	if err := errors.Join(asm.BestErr, train.CheckFeatures(t.Labels, t.Classifier, t.Train, t.Dev)); err != nil {
		return err
	}
	if err := t.checkL2(); err != nil {
		return err
	}
	for name, f := range map[string]train.Features{"training features": t.Train, "dev features": t.Dev} {
		if err := checkFinite(name, f.X); err != nil {
			return err
		}
	}
	return nil
}

func (t Task) checkL2() error {
	for i, l2 := range t.L2 {
		if !(l2 > 0) || math.IsInf(l2, 1) || i > 0 && l2 >= t.L2[i-1] {
			return fmt.Errorf("strengths of the L2 penalty are %v, want falling ones above 0", t.L2)
		}
	}
	return nil
}

// checkFinite refuses features that are no numbers; nil are none.
func checkFinite(name string, x *tensor.Tensor) error {
	if x == nil {
		return nil
	}
	for i := range x.Rows {
		if j := tensor.NotFinite(x.Row(i)); j >= 0 {
			return fmt.Errorf("%s: row %d, column %d is %v, want a number", name, i, j, x.Row(i)[j])
		}
	}
	return nil
}

// solver is one call of Head. A round is a step of L-BFGS for every label that is not solved yet; they share its two
// passes over X, and each is at its own place on the path. (A solver with a label at a time reads X once for every evaluation
// of every label: BenchmarkSolver compares gonum's L-BFGS.)
type solver struct {
	Task
	design         *design
	dev            *tensor.Tensor // Dev.X by the moments of X, [dev rows, hidden]
	preconditioner preconditioner
	labels         []*labelSolver
	active         []*labelSolver // those that are not solved

	// One row for each active label.
	steps     tensor.Tensor // directions, [active, hidden]
	mixed     tensor.Tensor // in between, [active, hidden]
	cells     tensor.Tensor // first the change of the logits, then the loss's derivative by them, [active, rows]
	gradients [][]float64   // [active][hidden]
	exponents []int         // [active], see preconditioner
}

func newSolver(task Task) *solver {
	s := &solver{Task: task}
	if parts := task.Train.Parts; parts != nil {
		s.design = newStreamDesign(newStream(parts, 0, parts.Len()), task.Workers)
	} else {
		s.design = newDesign(task.Train.X, task.Workers)
	}
	if s.Loss == nil {
		s.Loss = layers.SigmoidCrossEntropy{}
	}
	if s.L2 == nil {
		s.L2 = DefaultPath()
	}
	if s.Dev.X != nil {
		s.dev = s.design.standardise(s.Dev.X)
	}
	s.preconditioner = preconditioner{s.design.gram(s.design.rows), map[int]*tensor.Packed{}, tensor.NewWorkspace(task.Workers)}
	order := rand.New(rand.NewPCG(task.Seed, holdOutStream)).Perm(s.design.rows)
	for label := range task.Labels {
		l := s.newLabel(label, order)
		s.labels = append(s.labels, l)
		if !l.solved {
			s.active = append(s.active, l)
			s.gradients = append(s.gradients, make([]float64, s.design.cols))
		}
	}
	return s
}

// holdOutStream keeps the numbers that hold cells out apart from those of the permutations, whose streams are the epochs, and of
// a new head (train.InitClassifier, math.MaxUint64).
const holdOutStream = math.MaxUint64 - 1

// round makes one step for every active label.
func (s *solver) round() {
	slices.SortStableFunc(s.active, func(a, b *labelSolver) int { return a.exponent() - b.exponent() })
	s.exponents = s.exponents[:0]
	for _, l := range s.active {
		s.exponents = append(s.exponents, l.exponent())
	}
	n := len(s.active)
	s.steps.Resize(n, s.design.cols)
	s.mixed.Resize(n, s.design.cols)
	s.cells.Resize(n, s.design.rows)

	s.each(func(i int, l *labelSolver) { l.startStep(s.mixed.Row(i)) })
	s.preconditioner.apply(&s.steps, &s.mixed, s.exponents)
	s.each(func(i int, l *labelSolver) { l.finishStep(s.steps.Row(i)) })
	s.design.multiply(&s.cells, &s.steps)
	s.each(func(i int, l *labelSolver) { l.move(s.cells.Row(i)) })
	s.design.multiplyTransposed(s.gradients[:n], &s.cells)
	s.each(func(i int, l *labelSolver) { l.judge(s.gradients[i]) })
	s.active = slices.DeleteFunc(s.active, func(l *labelSolver) bool { return l.solved })
}

// each does work for the active labels, in parallel.
func (s *solver) each(work func(i int, l *labelSolver)) {
	s.Workers.Do(len(s.active), loop(func(_, i int) { work(i, s.active[i]) }))
}

// solutions fills the classifier.
func (s *solver) solutions() (solutions []Solution) {
	c, hidden := s.Classifier, s.design.cols
	c.Weights.Value = make([]float32, c.Weights.Size())
	c.Bias.Value = make([]float32, c.Bias.Size())
	for i, l := range s.labels {
		c.Bias.Value[i] = s.design.unstandardise(c.Weights.Value[i*hidden:(i+1)*hidden], l.w[:hidden], l.w[hidden])
		solution := Solution{L2: l.l2, HeldLoss: l.bestLoss, Gradient: largest(l.gradient), Rounds: l.rounds}
		if !math.IsNaN(l.bestLoss) {
			solution.End = endOf(s.L2, slices.Index(s.L2, l.l2))
		}
		solutions = append(solutions, solution)
	}
	return solutions
}
