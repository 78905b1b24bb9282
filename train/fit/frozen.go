package fit

import (
	"context"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/train"
)

// keeping is how much of the frozen layers below the trained ones a run keeps. More of it takes more memory and less time, and changes no
// bit.
type keeping int

const (
	keepNothing keeping = iota
	keepStates          // what they give for the training texts, where a second epoch reads it
	keepAll             // the same where the refit alone reads it, and for Dev; and what the refit reads of their outputs
)

// keep says how much is kept by a run of so many steps.
func (e *encoderRun) keep(k keeping, steps int) {
	r, epoch := e.run, e.task.Texts.Texts()/e.task.Config.StepRows()
	frozen := e.task.Tune.Layers < len(r.m.Encoder.Layers)
	refits := k == keepAll && r.o.Refit != Gradient && steps >= epoch
	e.task.KeepFrozen = frozen && (k >= keepStates && steps > epoch || refits)
	e.task.KeepFeatures, e.keepDev = "", frozen && k == keepAll && r.o.Dev != nil
	if frozen && refits {
		e.task.KeepFeatures = r.refitPooling
	}
}

// countKept adds to an estimate of the steps what is kept for Dev, and what the refit, which follows them, takes beyond what they then set
// free: its features, which grow during the steps if any are kept, and the solver.
func (e *encoderRun) countKept(need *train.Memory) {
	r, rows := e.run, 0
	if e.keepDev {
		need.Frozen += 4 * countTokens(r.devTexts) * r.m.Encoder.Config.HiddenSize
		dev, _ := r.readRows(r.devTexts)
		rows += len(dev)
	}
	if r.o.Refit == Gradient {
		return
	}
	if e.task.KeepFeatures != "" {
		rows += len(r.texts)
	}
	kept := 4 * rows * r.refitWidth
	passes := kept + r.passesMemory(0) - (need.Released() - need.Frozen) // while the states are still there
	solving := r.solverMemory(r.o.Refit, r.refitWidth) - need.Released()
	need.Features = max(kept, solving)
	if kept > 0 {
		need.Features = max(need.Features, passes)
	}
}

// keepDevStates makes room for what is kept of Dev.
func (e *encoderRun) keepDevStates() error {
	r, pooling := e.run, e.run.pooling
	if !e.keepDev {
		return nil
	}
	if r.o.Refit != Gradient {
		pooling = r.refitPooling
	}
	dev, _ := r.readRows(r.devTexts)
	r.frozenDev = bert.NewFrozenStates(batchOf(dev), r.m.Encoder.Config.HiddenSize)
	return r.frozenDev.Pool(r.m.Encoder, e.task.Tune.Layers, pooling)
}

// devFeatures computes the features of Dev for a pooling, that of the tuned head or of the refit, of which frozenDev has all vectors.
func (r *run) devFeatures(ctx context.Context, pooling bert.Pooling) (dev train.Features, err error) {
	dev.Y = r.o.Dev.Y
	_, dev.First = r.readRows(r.devTexts)
	dev.X, err = r.compute(ctx, pooling, r.o.Dev, r.devTexts, r.frozenDev, nil)
	if err != nil || r.frozenDev == nil {
		return dev, err
	}
	dev.X, err = bert.SelectFeatures(dev.X, r.frozenDev.Pooling(), pooling)
	return dev, err
}

// batchOf returns texts one after the other.
func batchOf(texts []tokenizer.Encoding) *bert.Batch {
	b := &bert.Batch{}
	for i := range texts {
		model.AppendTo(b, &texts[i])
	}
	return b
}
