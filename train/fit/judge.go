package fit

import (
	"math/rand/v2"
	"slices"

	"bertlabel/bert/model"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/diagnosis"
	"bertlabel/train/fit/note"
	"bertlabel/train/metrics"
)

// judged is what a head says of rows whose labels are known. They are scored once; what is asked of the scores is kept.
type judged struct {
	metrics.Data                // Scores are the probabilities
	logits       *tensor.Tensor // [rows, labels]; nil for rows out of fold, whose heads differ
	half         *metrics.Report
}

// judge scores rows with the head of m and what belongs to it.
func (r *run) judge(m *model.Model, rows train.Features) *judged {
	logits, probabilities := m.ScoreWindows(rows.X, rows.First)
	return &judged{Data: metrics.Data{Labels: r.labels, Truth: rows.Y, Scores: probabilities.Data}, logits: logits}
}

// atHalf evaluates with thresholds of 0.5.
func (j *judged) atHalf() (*metrics.Report, error) {
	var err error
	if j.half == nil {
		j.half, err = metrics.Evaluate(j.Data, []float32{model.DefaultThreshold})
	}
	return j.half, err
}

// at evaluates with one threshold for each label.
func (j *judged) at(thresholds []float32) (*metrics.Report, error) {
	thresholds = slices.Clone(thresholds) // the report's own
	if slices.ContainsFunc(thresholds, func(t float32) bool { return t != model.DefaultThreshold }) {
		return metrics.Evaluate(j.Data, thresholds)
	}
	half, err := j.atHalf()
	if err != nil {
		return nil, err
	}
	r := *half // with the thresholds in the form that was asked for
	r.Threshold = thresholds
	return &r, nil
}

// decide returns the metrics of what is predicted with some thresholds, without a whole evaluation.
func (j *judged) decide(thresholds ...float32) (*metrics.Summary, error) {
	if j.half != nil && len(thresholds) == 1 && thresholds[0] == model.DefaultThreshold {
		return &j.half.Summary, nil
	}
	return metrics.Decide(j.Data, thresholds)
}

// calibrationStream is the stream of random numbers that deals the dev rows into folds.
const calibrationStream = 1 << 40

// settle calibrates the model's head and chooses its thresholds on the rows of Dev with these features, as far as the options say, and
// reports what Dev says of the result. onDev is what the head was judged as before, nil if it was not.
func (r *run) settle(m *model.Model, dev train.Features, onDev *judged) (*judged, error) {
	if onDev == nil {
		onDev = r.judge(m, dev)
	}
	if how := r.o.calibration(); how != AsNeeded {
		random := rand.New(rand.NewPCG(r.config.Seed, calibrationStream))
		c, err := metrics.Calibrate(m.Labels, onDev.Truth, onDev.logits.Data, how.method(), random)
		if err != nil {
			return nil, err
		}
		m.Calibrate(c.Slope, c.Intercept)
		r.watch.note(note.Calibrated{How: how.String(), Before: c.Before, After: c.After})
		onDev = r.judge(m, dev) // with the bits that the model will give
	}
	tuned, err := r.tune(onDev)
	if err != nil {
		return nil, err
	}
	m.Thresholds = r.o.Tuning.Pick(tuned, len(m.Labels))
	r.watch.note(note.Tuned{How: r.o.Tuning.Thresholds.String(), Thresholds: m.Thresholds})
	return onDev, nil
}

// tune finds the best thresholds, and reports what each kind is worth.
func (r *run) tune(onDev *judged) (*metrics.Tuned, error) {
	aim := r.o.Tuning.Aim
	tuned, err := metrics.Tune(onDev.Data, aim)
	if err != nil {
		return nil, err
	}
	note := note.Judged{Aim: aim, Tuned: tuned}
	type kind struct {
		of         **metrics.Summary
		thresholds []float32
	}
	kinds := []kind{{&note.Half, []float32{model.DefaultThreshold}}, {&note.Global, []float32{tuned.Global}}, {&note.PerLabel, tuned.Thresholds}}
	if r.o.Tuning.Thresholds == Guarded {
		kinds = append(kinds, kind{&note.Guarded, tuned.Guarded})
	}
	for _, c := range kinds {
		if *c.of, err = onDev.decide(c.thresholds...); err != nil {
			return nil, err
		}
	}
	r.watch.note(note)
	return tuned, nil
}

// Pick returns the thresholds that a model keeps, one for each label, given those that were tuned on the rows that judge.
func (t Tuning) Pick(tuned *metrics.Tuned, labels int) []float32 {
	switch t.Thresholds {
	case PerLabel:
		return slices.Clone(tuned.Thresholds)
	case Global:
		return slices.Repeat([]float32{tuned.Global}, labels)
	case Guarded:
		return slices.Clone(tuned.Guarded)
	}
	return slices.Repeat([]float32{model.DefaultThreshold}, labels)
}

// report makes what Dev says of the finished model part of the result, and looks at its predictions.
func (r *run) report(m *model.Model, onDev *judged) (err error) {
	r.result.Scores = onDev.Scores
	if r.result.Dev, err = onDev.at(m.Thresholds); err == nil {
		r.watch.findings(diagnosis.Predictions(r.o.Dev, r.result.Dev, onDev.Scores, r.readings[r.o.Dev])...)
	}
	return err
}
