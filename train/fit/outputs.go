package fit

import (
	"context"
	"fmt"
	"slices"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/diagnosis"
	"bertlabel/train/fit/note"
)

// Outputs finds outputs for the labels of rows on the features that m's head reads; m stays as it is. Each label is found on the rows
// that say 1 or 0 for it, by an exact solver: LBFGS, or LDA where the options say so. Where m reads windows by noisy-or, which has no exact
// head, it is found by gradient steps of Config, and of those of Dev the ones with the highest average precision stay; LBFGS then stands
// for Gradient. What happens to one label does not move the others:
//
//	added, err := fit.Outputs(ctx, m, rows, fit.Options{Dev: dev})
//	m.SetOutputs(append(m.Outputs(), added...))
//
// data.Dataset.Columns and AnyOf make the cells of a label that is to be added or merged. Of the options Dev, Solver, L2, Tuning, Cache,
// OnLong, the seed of Config, MaxMemory and Observer count; others than their zero values are refused. Rows that say nothing of any
// label are left out. A label without rows of both kinds, in rows or Dev, is a *data.RowError; other errors are those of Model.
func Outputs(ctx context.Context, m *model.Model, rows *data.Dataset, o Options) ([]model.Output, error) {
	if ctx == nil {
		return nil, errNoContext
	}
	if err := checkOutputs(m, rows, &o); err != nil {
		return nil, err
	}
	o.Pooling, o.WindowPooling, o.Solver = m.Pooling, m.WindowPooling, outputSolver(m, &o)
	sets := []**data.Dataset{&rows}
	if o.Dev != nil {
		sets = append(sets, &o.Dev)
	}
	for _, set := range sets {
		if err := (*set).CheckClasses(); err != nil {
			return nil, err
		}
		*set = (*set).Known()
	}
	r := &run{m: m, rows: rows, o: &o, config: o.config(), pooling: m.Pooling, labels: rows.Labels.Names(),
		workers: tensor.NewWorkers(m.Threads()), readings: map[*data.Dataset]diagnosis.Reading{}}
	ctx, r.cancel = context.WithCancelCause(ctx)
	defer r.cancel(nil)
	r.watch = &watcher{o: o.Observer, cancel: r.cancel}
	h := &headRun{run: r, loss: layers.SigmoidCrossEntropy{}, pooling: m.Pooling}
	found, err := h.findOutputs(ctx)
	if err != nil {
		return nil, err
	}
	if old, err := RecordOf(m); err == nil && old.Calibrate != "" && o.calibration() == AsNeeded {
		r.watch.note(note.Uncalibrated{Model: old.Calibrate, Labels: r.labels})
	}
	part := &model.Model{Encoder: m.Encoder, WindowPooling: m.WindowPooling} // only the new labels
	part.SetHead(found.head, slices.Clone(r.labels), m.Pooling)
	if o.Dev != nil {
		if _, err := r.settle(part, h.dev, nil); err != nil {
			return nil, err
		}
	}
	for l, label := range r.labels {
		n := note.Found{Label: label, Rows: rows.Classes(l), Threshold: part.Thresholds[l]}
		if found.solutions != nil {
			n.L2 = found.solutions[l].L2
		}
		r.watch.note(n)
	}
	return part.Outputs(), nil
}

// findOutputs computes the features and solves.
func (h *headRun) findOutputs(ctx context.Context) (found headFound, err error) {
	r := h.run
	if err := r.encode(); err != nil {
		return found, err
	}
	if r.width, err = r.m.Encoder.PoolingWidth(r.pooling); err == nil && r.o.MaxMemory > 0 {
		err = r.admitHead()
	}
	if err != nil {
		return found, err
	}
	if h.train, err = r.features(ctx, r.pooling, r.rows, r.texts); err == nil && r.o.Dev != nil {
		h.dev, err = r.features(ctx, r.pooling, r.o.Dev, r.devTexts)
	}
	if err != nil {
		return found, err
	}
	if r.noisyOr() {
		return h.descendEach(ctx)
	}
	return h.solve(ctx, headTask{rows: h.train, dev: h.dev, work: solveWork}, h.loss)
}

// descendEach finds the heads of the labels by gradient steps, each on the texts that say 1 or 0 for it and apart from the others.
func (h *headRun) descendEach(ctx context.Context) (found headFound, err error) {
	r, width := h.run, h.train.X.Cols
	found.head = layers.ZeroClassifier(len(r.labels), width)
	config := r.config
	config.BestMetric = "average_precision_macro"
	r.watch.begin(solveWork, "labels", len(r.labels))
	defer r.watch.end()
	for l, label := range r.labels {
		task := train.HeadTask{Config: config, Labels: []string{label}, Train: h.train.Label(l, len(r.labels)), Loss: h.loss, Workers: r.workers}
		if h.dev.X != nil {
			task.Dev = h.dev.Label(l, len(r.labels))
		}
		one := *r
		one.labels = task.Labels
		task.Classifier = one.newHead(width, task.Train.Y, task.Train.Shares)
		if _, err := train.TrainHead(ctx, task); err != nil {
			return found, fmt.Errorf("label %q: %w", label, err)
		}
		copy(found.head.Weights.Value[l*width:], task.Classifier.Weights.Value)
		found.head.Bias.Value[l] = task.Classifier.Bias.Value[0]
		r.watch.done(l + 1)
	}
	return found, nil
}

// outputSolver returns what o.Solver stands for where outputs of m are found.
func outputSolver(m *model.Model, o *Options) Solver {
	switch noisy := m.WindowPooling == model.NoisyOr; {
	case noisy && o.Solver == LBFGS:
		return Gradient
	case !noisy && o.Solver == Gradient:
		return LBFGS
	}
	return o.Solver
}

// checkOutputs refuses what new labels cannot be found with.
func checkOutputs(m *model.Model, rows *data.Dataset, o *Options) error {
	if err := checkInputs(m, rows, o); err != nil {
		return err
	}
	switch {
	case m.Head == nil:
		return refuse("model", " has no head that labels could be added to: train one first")
	case o.Tune != Head:
		return refuse("tune", " %s: new labels leave the encoder as it is, want head", o.Tune)
	case o.Folds != 0:
		return refuse("folds", " %d: new labels are judged on `dev`, want 0", o.Folds)
	case o.Precision.Resolve() != bert.FP32:
		return refuse("precision", " %s: new labels are found in the precision of the model, want fp32", o.Precision)
	case o.Folder != Folder{}:
		return refuse("output", " is not for new labels: m.SetOutputs takes them, and m.Save writes the model")
	case o.WindowPooling != "" && o.WindowPooling.String() != m.WindowPooling.String():
		return refuse("window_pooling", " is that of the model's head, %s", m.WindowPooling)
	case m.WindowPooling == model.NoisyOr && o.L2 > 0:
		return refuse("l2", " is for exact heads: the model reads windows by noisy-or, and new labels are found by gradient steps")
	case len(o.Poolings) > 0 || o.Pooling != "" && o.Pooling != m.Pooling:
		return refuse("pooling", " is that of the model's head, %s", m.Pooling)
	case o.Loss != nil || o.Balance != 0:
		return refuse("loss", " is the sigmoid cross-entropy for new labels")
	case o.LossSource != "" || o.LogOddsBias:
		return refuse("bias_init", " and the weights of a loss are not for new labels, which an exact solver finds: want neither")
	case o.Recompute || o.EncoderDropout != nil:
		return refuse("recompute", " and `dropout` are for training the encoder, which stays as it is: want neither")
	}
	c := *o
	c.Solver, c.WindowPooling = outputSolver(m, o), m.WindowPooling
	return c.Check()
}
