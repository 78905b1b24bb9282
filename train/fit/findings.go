package fit

import (
	"math"
	"strings"

	"bertlabel/bert"
	"bertlabel/layers"
	"bertlabel/train/diagnosis"
	"bertlabel/train/fit/note"
	"bertlabel/train/solver"
)

// inspect looks at what the run is about to begin with.
func (r *run) inspect() {
	pooler := strings.Contains(r.pooling.String(), bert.Pooled.String())
	encoder, all := diagnosis.InspectEncoder(r.m.Encoder, pooler), r.o.Tune == All
	if all && encoder.Scratch() {
		r.watch.note(note.FromScratch{})
	}
	r.watch.findings(encoder.Findings(all)...)
	switch rate := r.config.LearningRate; {
	case r.o.exact():
	case r.o.Tune == Head:
		r.watch.findings(diagnosis.LearningRate(rate, diagnosis.Head)...)
	case encoder.Scratch():
		r.watch.findings(diagnosis.LearningRate(rate, diagnosis.Scratch)...)
	default:
		r.watch.findings(diagnosis.LearningRate(rate, diagnosis.Layers)...)
	}
	if r.o.Dev != nil {
		r.watch.findings(diagnosis.Splits(r.rows, r.o.Dev)...)
	}
}

// inspectLosses looks at how well the finished head fits the training rows and those of Dev, which onDev has judged; nil for none. A
// calibrated head is judged as the probabilities that it has become; discriminants that were not calibrated are none. A discriminant
// of rows in parts is not looked at: its labels are not in memory.
func (h *headRun) inspectLosses(onDev *judged) error {
	minimised, shares := h.loss, h.train.Shares
	switch {
	case h.run.o.calibration() != AsNeeded: // to cells as they are counted
		minimised, shares = layers.SigmoidCrossEntropy{}, nil
	case h.run.o.Solver == LDA:
		return nil
	}
	if h.train.Y == nil {
		return nil
	}
	labels := len(h.run.labels)
	features := h.train
	features.Shares = shares
	loss, err := solver.MeanLoss(h.head, minimised, features, h.run.workers)
	if err != nil {
		return err
	}
	_, plain := minimised.(layers.SigmoidCrossEntropy)
	l := diagnosis.Losses{
		Train:      loss,
		Prior:      diagnosis.PriorLoss(minimised, h.train.Y, shares, labels),
		Comparable: plain && !h.run.rows.Soft(),
		Dev:        math.NaN(), DevLowest: math.NaN(), AgainstOverfitting: "a larger `weight_decay` or fewer epochs",
		Reading: h.run.readings[h.run.rows],
	}
	if h.run.o.exact() {
		l.AgainstOverfitting = "a larger `l2`"
	}
	if onDev != nil {
		l.Dev = layers.MeanLoss(layers.SigmoidCrossEntropy{}, nil, onDev.logits, onDev.Truth, 0)
		l.DevPrior = diagnosis.PriorLoss(layers.SigmoidCrossEntropy{}, onDev.Truth, nil, labels)
	}
	h.run.watch.findings(l.Findings()...)
	return nil
}

// inspectLosses looks at the losses of the run: that of the training rows is the mean over the last third of the steps.
func (e *encoderRun) inspectLosses() {
	_, plain := e.loss.(layers.SigmoidCrossEntropy)
	labels := len(e.run.labels)
	l := diagnosis.Losses{
		Train: e.losses.Late(), Prior: diagnosis.PriorLoss(e.loss, e.run.rows.Y, e.run.rows.Shares, labels),
		Comparable: plain && !e.run.rows.Soft(), Dev: e.losses.Dev, DevLowest: e.losses.DevLowest,
		AgainstOverfitting: "fewer epochs (`early_stopping` finds them) or more `dropout`",
		Reading:            e.run.readings[e.run.rows],
	}
	if e.run.o.Dev != nil {
		l.DevPrior = diagnosis.PriorLoss(layers.SigmoidCrossEntropy{}, e.run.o.Dev.Y, nil, labels)
	}
	e.run.watch.findings(l.Findings()...)
}
