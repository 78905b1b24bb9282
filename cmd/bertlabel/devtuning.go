package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/train"
	"bertlabel/train/metrics"
)

// devTuning is what --calibrate and --tune-thresholds do to a trained head on the dev rows.
type devTuning struct {
	flags.Tuning

	// What apply or the folds have left, for the report: the probabilities of the rows that judged, and the model's thresholds.
	devScores, devThresholds []float32
}

// calibrationStream is the stream of random numbers that deals the dev rows into folds.
const calibrationStream = 1 << 40

// apply calibrates the head of m and chooses its thresholds on dev, as far as the flags say, and reports what dev says of it.
func (d *devTuning) apply(a *cli.App, m *model.Model, dev train.Features, seed uint64) error {
	defer func() { d.devThresholds = m.Thresholds }()
	if err := d.calibrate(a, m, dev, seed); err != nil {
		return err
	}
	_, probabilities := m.Score(dev.X)
	d.devScores = probabilities.Data
	rows := metrics.Data{Labels: m.Labels, Truth: dev.Y, Scores: probabilities.Data}
	aim, err := metrics.ParseAim(d.Objective)
	if err != nil {
		return err
	}
	tuned, err := metrics.Tune(rows, aim)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		at         string
		thresholds []float32
	}{
		{"at 0.5", []float32{model.DefaultThreshold}},
		{fmt.Sprintf("at %.4g for all labels, the best for %s", tuned.Global, aim), []float32{tuned.Global}},
		{fmt.Sprintf("at %s, the best of each label", flags.Span(tuned.Thresholds)), tuned.Thresholds},
	} {
		r, err := metrics.Evaluate(rows, c.thresholds)
		if err != nil {
			return err
		}
		a.Log.Infof("dev %s: f1_macro %.4f, f1_micro %.4f, precision_macro %.4f, recall_macro %.4f", c.at, r.F1Macro, r.F1Micro, r.PrecisionMacro, r.RecallMacro)
	}
	switch d.Thresholds {
	case "per-label":
		m.Thresholds = tuned.Thresholds
	case "global":
		for i := range m.Thresholds {
			m.Thresholds[i] = tuned.Global
		}
	default:
		a.Log.Infof("thresholds stay %v; --tune-thresholds keeps the tuned ones", model.DefaultThreshold)
		return nil
	}
	a.Log.Infof("kept the %s thresholds: %s; on the rows that chose them they look a little better than they are", d.Thresholds, flags.Span(m.Thresholds))
	return nil
}

// calibrate makes the calibration a part of the head: its logits become slope·z + intercept.
func (d *devTuning) calibrate(a *cli.App, m *model.Model, dev train.Features, seed uint64) error {
	if d.Calibrate == "" {
		return nil
	}
	method := metrics.Platt
	if d.Calibrate == "temperature" {
		method = metrics.Temperature
	}
	logits, _ := m.Score(dev.X)
	c, err := metrics.Calibrate(m.Labels, dev.Y, logits.Data, method, rand.New(rand.NewPCG(seed, calibrationStream)))
	if err != nil {
		return err
	}
	m.Head.Rescale(c.Slope, c.Intercept)
	a.Log.Infof("calibrated on dev (%s): expected_calibration_error %.4f → %.4f, brier_score %.5f → %.5f, log_loss %.5f → %.5f, each row without its own part in it",
		d.Calibrate, c.Before.ExpectedCalibrationError, c.After.ExpectedCalibrationError, c.Before.BrierScore, c.After.BrierScore, c.Before.LogLoss, c.After.LogLoss)
	return nil
}

// addTo returns a model's training configuration with what was done to it on dev.
func (d *devTuning) addTo(training json.RawMessage) (json.RawMessage, error) {
	object := map[string]json.RawMessage{}
	if training != nil {
		if err := json.Unmarshal(training, &object); err != nil {
			return nil, err
		}
	}
	own, err := json.Marshal(d.Tuning)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(own, &object); err != nil { // keeps the other keys
		return nil, err
	}
	return json.Marshal(object)
}

// tuned reports whether a model has been calibrated or its thresholds chosen: a calibration is not to be calibrated.
func tuned(m *model.Model) (bool, error) {
	d, err := flags.TuningOf(m)
	return d.Changes(), err
}
