package train

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bertlabel/asm"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train/data"
	"bertlabel/train/metrics"
)

// Model is what a Loop trains: a head on fixed features, or an encoder with its head.
type Model interface {
	// Params returns the trained parameters, always the same and in the same order.
	Params() []*tensor.Param

	// AddGradient adds the gradient of Σ loss(cell)/b.Cells, over the known cells of b, to the gradients of the parameters, and
	// returns that sum. A number that is not finite is a *DivergedError.
	AddGradient(b Batch) (loss float64, err error)

	// SparseSquares returns what GlobalNorm takes in place of the squares of some parameters; nil for none. It is about all
	// batches since the last call.
	SparseSquares() map[string]float64
}

// Batch is a number of rows whose activations are held at once. Its slices are valid during AddGradient only.
type Batch struct {
	Rows   []int  // which rows of the training data
	Labels []int8 // row-major [len(Rows), labels]: 1, 0, or −1 for unknown
	Cells  int    // known cells of all batches of the step: the divisor of the loss, at least 1
	First  uint64 // Rows[i] is example First + i of the endless stream, which dropout goes by

	Shares []float32 // as Labels, what the loss takes in their place (layers.MeanSoftLoss); nil where Labels are all there is
}

// Loop makes the steps of a training run: draw rows, add up gradients, clip, step, and now and then evaluate.
//
// Everything a step does follows from the configuration and from the number of steps before it, so a run that goes on from
// saved variables and a saved State has the bits of a run that never stopped.
type Loop struct {
	Config   Config
	Schedule Schedule

	// Evaluate scores the model on held-out rows; nil without any.
	Evaluate func(ctx context.Context) (*metrics.Report, error)

	// Observe is told of every step, after it and its evaluation; nil for nobody. An error from it ends the run.
	Observe func(Progress) error

	model     Model
	optimizer *Optimizer
	workers   *tensor.Workers
	stream    data.Stream
	labels    []int8    // of all rows, row-major [rows, labels]
	shares    []float32 // as labels; nil for none
	state     State
	goBack    func(step int64) error // reads the variables of a checkpoint; nil without any

	rows      []int // of one step, as the two below
	rowLabels []int8
	rowShares []float32
}

// State is how far a run has come. Together with the variables of Loop.Variables it is all that going on needs.
type State struct {
	Step     int64   `json:"step"`                   // steps made
	BestStep int64   `json:"best_step"`              // the step whose evaluation was best; 0 for none yet
	Best     float64 `json:"best"`                   // the value of the best metric there
	Worse    int     `json:"evaluations_since_best"` // for early stopping

	LeftOut int64 `json:"left_out,omitempty"` // steps that made no update, because something was not finite
	// of these, since the last good step; with RestoreOnNaN since the last good one that was saved
	LeftOutInARow int   `json:"left_out_in_a_row,omitempty"`
	RestoreStep   int64 `json:"restore_step,omitempty"` // the last regular checkpoint, to which RestoreOnNaN goes back

	// Owed is the report of the last step when the run was stopped in the middle of its evaluation, which is then made first.
	Owed *Progress `json:"evaluation_owed,omitempty"`
}

// Observed returns the last step that Loop.Observe was told of.
func (s State) Observed() int64 {
	if s.Owed != nil {
		return s.Step - 1
	}
	return s.Step
}

// Progress is the report of one step.
type Progress struct {
	Step         int64   `json:"step"`  // counted from 1
	Steps        int     `json:"steps"` // of the whole run
	Epoch        float64 `json:"epoch"` // rows drawn, over the rows of the data
	Loss         float64 `json:"loss"`  // mean over the known cells of this step's rows, before the update
	LearningRate float32 `json:"learning_rate"`
	GradNorm     float64 `json:"grad_norm"` // global norm as clipping uses it, before clipping
	Rows         int     `json:"rows"`      // of this step
	Seconds      float64 `json:"seconds"`   // that it took, evaluation left out

	LeftOut string `json:"left_out,omitempty"` // why the step made no update: then it has no loss and no norm

	Dev  *metrics.Report `json:"-"` // nil where nothing was evaluated
	Best bool            `json:"-"` // Dev is the best so far: these are the weights to keep
	Last bool            `json:"-"` // the run ends here
}

// NewLoop returns a loop that trains model on so many rows. labels is row-major [rows, labels], with 1, 0, or −1 for an unknown
// cell; shares are nil, or what the loss takes in place of the known ones. workers run the loops over parameters, and stand ready while the
// model computes; nil for one goroutine.
func NewLoop(cfg Config, model Model, rows int, labels []int8, shares []float32, workers *tensor.Workers) (*Loop, error) {
	if err := errors.Join(asm.BestErr, cfg.Check()); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if rows == 0 || len(labels) == 0 || len(labels)%rows != 0 {
		return nil, fmt.Errorf("%d label cells for %d training rows", len(labels), rows)
	}
	if shares != nil && len(shares) != len(labels) {
		return nil, fmt.Errorf("%d shares for %d label cells", len(shares), len(labels))
	}
	schedule, err := cfg.Schedule(rows)
	if err != nil {
		return nil, err
	}
	optimizer, err := NewOptimizer(model.Params(), OptimizerConfig{
		Form: cfg.Optimizer, WeightDecay: cfg.WeightDecay, Scale: layerDecay(cfg.LayerDecay, model.Params()),
	}, workers)
	if err != nil {
		return nil, err
	}
	l := &Loop{
		Config: cfg, Schedule: schedule,
		model: model, optimizer: optimizer, workers: workers,
		stream: data.Stream{Rows: rows, Seed: cfg.Seed, Shuffle: cfg.Shuffle}, labels: labels, shares: shares,
		rows:      make([]int, cfg.StepRows()),
		rowLabels: make([]int8, cfg.StepRows()*(len(labels)/rows)),
	}
	if shares != nil {
		l.rowShares = make([]float32, len(l.rowLabels))
	}
	return l, nil
}

// Variables returns what a checkpoint of the run holds: the trained parameters and the optimizer's moments. They share the
// loop's memory and must not be written while Run runs.
func (l *Loop) Variables() []*tensor.Param {
	return append(l.optimizer.State(), l.model.Params()...)
}

// State returns how far the run has come.
func (l *Loop) State() State { return l.state }

// Restore makes Run go on after a state. The variables must be those saved with it.
func (l *Loop) Restore(s State) { l.state = s }

// Run makes the steps that are left. It ends after the last one, after Config.EarlyStopping evaluations in a row that were no
// better, or with an error: a *DivergedError, one from Evaluate or Observe, or the cause of ctx's end, which it looks at
// between two steps. The loop then stands after its last whole step.
func (l *Loop) Run(ctx context.Context) error {
	for l.state.Owed != nil || !l.finished() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p, err := l.next()
		if err != nil {
			return err
		}
		if l.evaluatesAt(p.Step) {
			if p.Dev, err = l.Evaluate(ctx); err != nil {
				owed := p
				l.state.Owed = &owed
				return fmt.Errorf("evaluation at step %d: %w", p.Step, err)
			}
			p.Best = l.judge(p.Dev)
		}
		p.Last = l.finished()
		if l.Observe != nil {
			if err := l.Observe(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// finished reports whether no step is left to make.
func (l *Loop) finished() bool {
	return l.state.Step >= int64(l.Schedule.Steps) || l.Config.EarlyStopping > 0 && l.state.Worse >= l.Config.EarlyStopping
}

// next makes one step, or returns the report of the last one if its evaluation is owed.
func (l *Loop) next() (Progress, error) {
	if p := l.state.Owed; p != nil {
		l.state.Owed = nil
		return *p, nil
	}
	return l.step()
}

// step makes one step.
func (l *Loop) step() (Progress, error) {
	start, done := time.Now(), l.state.Step
	l.workers.Start()
	defer l.workers.Stop()
	loss, norm, err := l.gradient(done)
	lr := l.Schedule.Rate(done)
	if err == nil {
		err = l.optimizer.Step(done, lr, ClipFactor(norm, l.Config.ClipNorm))
	}
	leftOut := ""
	if d, ok := errors.AsType[*DivergedError](err); ok {
		d.Step = done + 1
		err, leftOut, loss, norm = l.leaveOut(d), d.Error(), 0, 0
	}
	if err != nil {
		return Progress{}, err
	}
	if l.Config.OnNaN == SkipOnNaN && leftOut == "" {
		l.state.LeftOutInARow = 0
	}
	l.state.Step++
	return Progress{
		Step: l.state.Step, Steps: l.Schedule.Steps,
		Epoch: float64(l.state.Step*int64(len(l.rows))) / float64(l.stream.Rows),
		Loss:  loss, LearningRate: lr, GradNorm: norm,
		Rows: len(l.rows), Seconds: time.Since(start).Seconds(), LeftOut: leftOut,
	}, nil
}

// gradient draws the rows of the step that follows done others, and sums the gradient and the loss of its batches.
func (l *Loop) gradient(done int64) (loss, norm float64, err error) {
	first := done * int64(len(l.rows))
	labels := len(l.labels) / l.stream.Rows
	l.stream.Batch(l.rows, first)
	for i, row := range l.rows {
		copy(l.rowLabels[i*labels:(i+1)*labels], l.labels[row*labels:])
		if l.shares != nil {
			copy(l.rowShares[i*labels:(i+1)*labels], l.shares[row*labels:])
		}
	}
	cells := max(1, layers.KnownCells(l.rowLabels))
	for from := 0; from < len(l.rows); from += l.Config.BatchSize {
		to := from + l.Config.BatchSize
		b := Batch{Rows: l.rows[from:to], Labels: l.rowLabels[from*labels : to*labels], Cells: cells, First: uint64(first) + uint64(from)}
		if l.shares != nil {
			b.Shares = l.rowShares[from*labels : to*labels]
		}
		part, err := l.model.AddGradient(b)
		if err != nil {
			return 0, 0, err
		}
		loss += part
	}
	if !finite(loss) {
		return 0, 0, &DivergedError{Tensor: "loss", Value: loss}
	}
	norm, err = l.optimizer.GlobalNorm(l.model.SparseSquares())
	return loss, norm, err
}

// evaluatesAt reports whether the model is evaluated after that step: every Config.EvalSteps, or whenever an epoch is full, and
// at the end.
func (l *Loop) evaluatesAt(step int64) bool {
	switch {
	case l.Evaluate == nil:
		return false
	case step == int64(l.Schedule.Steps):
		return true
	case l.Config.EvalSteps > 0:
		return step%int64(l.Config.EvalSteps) == 0
	}
	rows, batch := int64(l.stream.Rows), int64(len(l.rows))
	return step*batch/rows > (step-1)*batch/rows
}

// judge compares an evaluation with the best one, and reports whether it takes its place. A value that does not exist is no
// better than any.
func (l *Loop) judge(dev *metrics.Report) bool {
	number, _ := dev.Get(l.Config.BestMetric)
	value, best := float64(number), l.state.Best
	if metrics.LowerIsBetter(l.Config.BestMetric) {
		value, best = -value, -best
	}
	better := number.Defined() && (l.state.BestStep == 0 || value > best)
	if better {
		l.state.BestStep, l.state.Best, l.state.Worse = l.state.Step, float64(number), 0
	} else {
		l.state.Worse++
	}
	return better
}
