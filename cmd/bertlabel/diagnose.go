package main

import (
	"math"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/diagnosis"
	"bertlabel/train/metrics"
)

// diagnoseStart looks at what a run is about to begin with; devSet is nil for none.
func (t *training) diagnoseStart(m *model.Model, pooling bert.Pooling, trainSet, devSet *data.Dataset) {
	encoder, all := diagnosis.InspectEncoder(m.Encoder, flags.UsesPooler(pooling)), t.tune == "all"
	if all && encoder.Scratch() {
		t.a.Log.Infof("the encoder's weights are those before any training: it is trained from scratch")
	}
	flags.Found(t.a, encoder.Findings(all)...)
	switch {
	case t.tune == "head" && t.Solver != "gradient":
	case t.tune == "head":
		flags.Found(t.a, diagnosis.LearningRate(t.config.LearningRate, diagnosis.Head)...)
	case encoder.Scratch():
		flags.Found(t.a, diagnosis.LearningRate(t.config.LearningRate, diagnosis.Scratch)...)
	default:
		flags.Found(t.a, diagnosis.LearningRate(t.config.LearningRate, diagnosis.Layers)...)
	}
	if devSet != nil {
		flags.Found(t.a, diagnosis.Splits(trainSet, devSet)...)
	}
}

// diagnoseLosses looks at how well the head fits the training rows and those of dev; dev.X is nil for none. A calibrated head is judged
// as the probabilities that it has become; discriminants that were not calibrated are none.
func (r *headRun) diagnoseLosses() {
	minimised := r.loss
	switch {
	case r.Calibrate != "":
		minimised = layers.SigmoidCrossEntropy{}
	case r.Solver == "lda":
		return
	}
	loss := func(l layers.Loss, f train.Features) float64 {
		logits := tensor.New(f.X.Rows, len(r.labels))
		r.head.Forward(logits, f.X)
		return layers.MeanLoss(l, nil, logits, f.Y, 0)
	}
	_, plain := minimised.(layers.SigmoidCrossEntropy)
	l := diagnosis.Losses{
		Train: loss(minimised, r.train), Prior: diagnosis.PriorLoss(minimised, r.train.Y, len(r.labels)), Comparable: plain,
		Dev: math.NaN(), DevLowest: math.NaN(), AgainstOverfitting: "a larger --weight-decay or fewer epochs",
	}
	if r.Solver != "gradient" {
		l.AgainstOverfitting = "a larger --l2"
	}
	if r.dev.X != nil {
		l.Dev, l.DevPrior = loss(layers.SigmoidCrossEntropy{}, r.dev), diagnosis.PriorLoss(layers.SigmoidCrossEntropy{}, r.dev.Y, len(r.labels))
	}
	flags.Found(r.a, l.Findings()...)
}

// lossWatch keeps the losses of a run.
type lossWatch struct {
	steps          []float64
	dev, devLowest float64 // 0 before the first evaluation
}

func (w *lossWatch) observe(p train.Progress) {
	w.steps = append(w.steps, p.Loss)
	if p.Dev != nil {
		if w.dev = float64(p.Dev.LogLoss); w.devLowest == 0 || w.dev < w.devLowest {
			w.devLowest = w.dev
		}
	}
}

// diagnoseLosses looks at the losses of the run: that of the training rows is the mean over the last third of the steps.
func (r *encoderRun) diagnoseLosses() {
	sum, last := 0.0, r.watch.steps[2*len(r.watch.steps)/3:]
	for _, loss := range last {
		sum += loss
	}
	_, plain := r.loss.(layers.SigmoidCrossEntropy)
	l := diagnosis.Losses{
		Train: sum / float64(len(last)), Prior: diagnosis.PriorLoss(r.loss, r.trainSet.Y, r.trainSet.Labels.Len()), Comparable: plain,
		Dev: r.watch.dev, DevLowest: r.watch.devLowest, AgainstOverfitting: "fewer epochs (--early-stopping finds them) or more --dropout",
	}
	if r.devSet != nil {
		l.DevPrior = diagnosis.PriorLoss(layers.SigmoidCrossEntropy{}, r.devSet.Y, r.devSet.Labels.Len())
	}
	flags.Found(r.a, l.Findings()...)
}

// diagnoseDev looks at the scores of the finished model on dev rows with these features.
func diagnoseDev(a *cli.App, m *model.Model, features *tensor.Tensor, set *data.Dataset) error {
	_, probabilities := m.Score(features)
	report, err := metrics.Evaluate(metrics.Data{Labels: m.Labels, Truth: set.Y, Scores: probabilities.Data}, m.Thresholds)
	if err == nil {
		flags.DiagnoseScores(a, set, report, probabilities.Data)
	}
	return err
}
