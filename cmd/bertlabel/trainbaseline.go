package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"bertlabel/bert/model"
	"bertlabel/checkpoint/atomic"
	"bertlabel/cmd/bertlabel/internal/baseline"
	"bertlabel/train/data"
	"bertlabel/train/metrics"
)

// baselineFile is what the folder of a run says of the baseline.
const baselineFile = "baseline.json"

// How the baseline makes vectors of texts, and the values of C that it chooses from for each label.
var baselineOptions = baseline.Options{Words: 2, MinDF: 2, SublinearTF: true}

func baselineCs() []float64 { return []float64{1, 4, 16} }

// baselineReport is the content of baseline.json: how it was trained, and what dev says of it, under the names of every report, at
// thresholds chosen as those of the model are.
type baselineReport struct {
	Name        string             `json:"name"`
	Terms       int                `json:"terms"`
	MinDF       int                `json:"min_df"`
	SublinearTF bool               `json:"sublinear_tf"`
	C           map[string]float64 `json:"c"` // by label
	*metrics.Report
	PerLabelTuned *metrics.Report `json:"tuned"` // at thresholds for each label that were chosen on dev
}

// removeEarlier takes away what an earlier run in the folder has left beside its model.
func (t *training) removeEarlier() error {
	for _, name := range []string{baselineFile, foldsFile} {
		if err := os.Remove(filepath.Join(t.output, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// trainBaseline does what --baseline asks for: it trains TF-IDF with logistic regression on the same rows, judges it on dev and
// writes baseline.json. Without the flag there is no report.
func (t *training) trainBaseline(ctx context.Context, trainSet, devSet *data.Dataset) (*baselineReport, error) {
	if !t.baseline {
		return nil, nil
	}
	start, labels := time.Now(), trainSet.Labels.Names()
	t.a.log.Progress("baseline", progress{Steps: len(labels)})
	dev := baselineData(devSet)
	m, err := baseline.Train(ctx, baselineData(trainSet), dev, len(labels), baselineOptions, baselineCs(), func(done int) {
		t.a.log.Progress("baseline", progress{Step: done, Steps: len(labels)})
	})
	t.a.log.Done()
	if err != nil {
		return nil, err
	}
	r := &baselineReport{Name: "TF-IDF of words and word pairs, logistic regression", Terms: m.Vectorizer.Terms(),
		MinDF: baselineOptions.MinDF, SublinearTF: baselineOptions.SublinearTF, C: map[string]float64{}}
	for i, label := range labels {
		r.C[label] = m.C[i]
	}
	if err := r.judge(metrics.Data{Labels: labels, Truth: devSet.Y, Scores: m.Predict(dev.Texts)}, t.devTuning, t.config.Seed); err != nil {
		return nil, err
	}
	t.a.log.Infof("baseline (%s, %d terms) in %.1f s", r.Name, r.Terms, time.Since(start).Seconds())
	return r, atomic.WriteFile(atomic.OS{}, filepath.Join(t.output, baselineFile), r.write)
}

// judge evaluates on dev, with thresholds by the rules of the model's.
func (r *baselineReport) judge(dev metrics.Data, d devTuning, seed uint64) error {
	aim, err := metrics.ParseAim(d.Objective)
	if err != nil {
		return err
	}
	tuned, err := metrics.TuneGuarded(dev, aim, rand.New(rand.NewPCG(seed, thresholdStream)))
	if err != nil {
		return err
	}
	thresholds := []float32{model.DefaultThreshold}
	switch d.Thresholds {
	case "per-label":
		thresholds = tuned.Thresholds
	case "global":
		thresholds = []float32{tuned.Global}
	}
	if r.Report, err = metrics.Evaluate(dev, thresholds); err != nil {
		return err
	}
	r.PerLabelTuned, err = metrics.Evaluate(dev, tuned.Thresholds)
	return err
}

func (r *baselineReport) write(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// say tells the figures in the words of devTuning.apply, which tells those of the model. r may be nil.
func (r *baselineReport) say(a *app) {
	if r == nil {
		return
	}
	line := func(at string, m *metrics.Report) {
		a.log.Infof("baseline on dev at %s: f1_macro %.4f, f1_micro %.4f, precision_macro %.4f, recall_macro %.4f", at, m.F1Macro, m.F1Micro, m.PrecisionMacro, m.RecallMacro)
	}
	line(span(r.Report.Threshold), r.Report)
	line(span(r.PerLabelTuned.Threshold)+", tuned per label", r.PerLabelTuned)
}

// baselineData is a data set for the baseline.
func baselineData(set *data.Dataset) baseline.Data {
	d := baseline.Data{Truth: set.Y}
	for i, text := range set.Texts {
		d.Texts = append(d.Texts, []string{text, set.Pair(i)})
	}
	return d
}
