package main

import (
	"math"
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/diagnosis"
	"bertlabel/train/metrics"
)

// found warns of each finding; the report of the run shows all warnings.
func (a *app) found(findings ...diagnosis.Finding) {
	for _, f := range findings {
		a.log.Warnf("%s", flaggedFinding(f))
	}
}

// diagnoseModel looks at the weights of a model that is to be used as it is.
func diagnoseModel(m *model.Model) []diagnosis.Finding {
	return diagnosis.InspectEncoder(m.Encoder, usesPooler(m.Pooling)).Findings(false)
}

// usesPooler reports whether the pooler's output is part of the features.
func usesPooler(p bert.Pooling) bool { return strings.Contains(p.String(), bert.Pooled.String()) }

// sayCut tells how many texts were cut, if any.
func (a *app) sayCut(m *model.Model, file string, cut, texts int) {
	found := diagnosis.Cut(file, cut, texts, m.MaxSeqLength, m.Encoder.Config.MaxPositionEmbeddings)
	if a.found(found...); cut > 0 && len(found) == 0 {
		a.log.Infof("%s: %d of %d texts (%.1f %%) were longer than %d tokens and were cut", file, cut, texts, 100*float64(cut)/float64(texts), m.MaxSeqLength)
	}
}

// diagnoseStart looks at what a run is about to begin with; devSet is nil for none.
func (t *training) diagnoseStart(m *model.Model, pooling bert.Pooling, trainSet, devSet *data.Dataset) {
	encoder, all := diagnosis.InspectEncoder(m.Encoder, usesPooler(pooling)), t.tune == "all"
	if all && encoder.Scratch() {
		t.a.log.Infof("the encoder's weights are those before any training: it is trained from scratch")
	}
	t.a.found(encoder.Findings(all)...)
	switch {
	case t.tune == "head" && t.Solver != "gradient":
	case t.tune == "head":
		t.a.found(diagnosis.LearningRate(t.config.LearningRate, diagnosis.Head)...)
	case encoder.Scratch():
		t.a.found(diagnosis.LearningRate(t.config.LearningRate, diagnosis.Scratch)...)
	default:
		t.a.found(diagnosis.LearningRate(t.config.LearningRate, diagnosis.Layers)...)
	}
	if devSet != nil {
		t.a.found(diagnosis.Splits(trainSet, devSet)...)
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
	r.a.found(l.Findings()...)
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
	r.a.found(l.Findings()...)
}

// diagnoseDev looks at the scores of the finished model on dev rows with these features.
func (a *app) diagnoseDev(m *model.Model, features *tensor.Tensor, set *data.Dataset) error {
	_, probabilities := m.Score(features)
	report, err := metrics.Evaluate(metrics.Data{Labels: m.Labels, Truth: set.Y, Scores: probabilities.Data}, m.Thresholds)
	if err == nil {
		a.diagnoseScores(set, report, probabilities.Data)
	}
	return err
}

// diagnoseScores looks at probabilities [rows, labels] and what their evaluation says.
func (a *app) diagnoseScores(set *data.Dataset, r *metrics.Report, probabilities []float32) {
	scores := diagnosis.NewScores(r.Labels, nil) // the report knows what is predicted
	for i, text := range set.Texts {
		scores.Add(text+set.Pair(i), probabilities[i*len(r.Labels):(i+1)*len(r.Labels)])
	}
	a.found(scores.Findings()...)
	a.found(diagnosis.Labels(r)...)
}

// addScores takes in a chunk of predicted rows; those that could not be read have no prediction.
func addScores(scores *diagnosis.Scores, chunk []readRow, predictions []model.Prediction) {
	for i := range chunk {
		if chunk[i].err == nil {
			scores.Add(chunk[i].Text+chunk[i].Pair, predictions[0].Probabilities)
			predictions = predictions[1:]
		}
	}
}
