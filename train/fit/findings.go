package fit

import (
	"math"
	"strings"

	"bertlabel/bert"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/diagnosis"
	"bertlabel/train/fit/note"
)

// inspect looks at what the run is about to begin with.
func (r *run) inspect() {
	encoder, all := diagnosis.InspectEncoder(r.m.Encoder, usesPooler(r.pooling)), r.o.Tune == All
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

// usesPooler reports whether the pooler's output is part of the features.
func usesPooler(p bert.Pooling) bool { return strings.Contains(p.String(), bert.Pooled.String()) }

// inspectLosses looks at how well the finished head fits the training rows and those of Dev, which onDev has judged; nil for none. A
// calibrated head is judged as the probabilities that it has become; discriminants that were not calibrated are none.
func (h *headRun) inspectLosses(onDev *judged) {
	minimised := h.loss
	switch {
	case h.run.o.calibration() != AsNeeded:
		minimised = layers.SigmoidCrossEntropy{}
	case h.run.o.Solver == LDA:
		return
	}
	labels := len(h.run.labels)
	logits := tensor.New(h.train.X.Rows, labels)
	h.head.Forward(logits, h.train.X)
	_, plain := minimised.(layers.SigmoidCrossEntropy)
	l := diagnosis.Losses{
		Train: layers.MeanLoss(minimised, nil, logits, h.train.Y, 0), Prior: diagnosis.PriorLoss(minimised, h.train.Y, labels),
		Comparable: plain,
		Dev:        math.NaN(), DevLowest: math.NaN(), AgainstOverfitting: "a larger `weight_decay` or fewer epochs",
	}
	if h.run.o.exact() {
		l.AgainstOverfitting = "a larger `l2`"
	}
	if onDev != nil {
		l.Dev = layers.MeanLoss(layers.SigmoidCrossEntropy{}, nil, onDev.logits, onDev.Truth, 0)
		l.DevPrior = diagnosis.PriorLoss(layers.SigmoidCrossEntropy{}, onDev.Truth, labels)
	}
	h.run.watch.findings(l.Findings()...)
}

// lossWatch keeps the losses of a run of the encoder.
type lossWatch struct {
	steps          []float64
	dev, devLowest float64 // 0 before the first evaluation
}

func (w *lossWatch) observe(p train.Progress) {
	if p.LeftOut != "" {
		return
	}
	w.steps = append(w.steps, p.Loss)
	if p.Dev != nil {
		if w.dev = float64(p.Dev.LogLoss); w.devLowest == 0 || w.dev < w.devLowest {
			w.devLowest = w.dev
		}
	}
}

// inspectLosses looks at the losses of the run: that of the training rows is the mean over the last third of the steps.
func (e *encoderRun) inspectLosses() {
	sum, last := 0.0, e.losses.steps[2*len(e.losses.steps)/3:]
	for _, loss := range last {
		sum += loss
	}
	_, plain := e.loss.(layers.SigmoidCrossEntropy)
	labels := len(e.run.labels)
	l := diagnosis.Losses{
		Train: sum / float64(len(last)), Prior: diagnosis.PriorLoss(e.loss, e.run.rows.Y, labels), Comparable: plain,
		Dev: e.losses.dev, DevLowest: e.losses.devLowest,
		AgainstOverfitting: "fewer epochs (`early_stopping` finds them) or more `dropout`",
	}
	if e.run.o.Dev != nil {
		l.DevPrior = diagnosis.PriorLoss(layers.SigmoidCrossEntropy{}, e.run.o.Dev.Y, labels)
	}
	e.run.watch.findings(l.Findings()...)
}
