package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"bertlabel/bert/model"
	"bertlabel/checkpoint/atomic"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/train/baseline"
	"bertlabel/train/data"
	"bertlabel/train/diagnosis"
	"bertlabel/train/metrics"
)

// baselineFile is what the folder of a run says of the baseline.
const baselineFile = "baseline.json"

// How the baseline makes vectors of texts, and the values of C that it chooses from for each label.
var baselineOptions = baseline.Options{Words: 2, MinDF: 2, SublinearTF: true}

func baselineCs() []float64 { return []float64{1, 4, 16} }

// baselineC is the one that most labels of GoEmotions choose.
const baselineC = 4

// baselineReport is the content of baseline.json: how it was trained, and what dev or the
// rows out of fold say of it, under the names of every report, at
// thresholds chosen as those of the model are.
type baselineReport struct {
	Name        string             `json:"name"`
	Terms       int                `json:"terms"`
	MinDF       int                `json:"min_df"`
	SublinearTF bool               `json:"sublinear_tf"`
	C           map[string]float64 `json:"c"` // by label
	*metrics.Report
	PerLabelTuned *metrics.Report `json:"tuned"` // at thresholds for each label that were chosen on the same rows

	on string // the rows that judged, in words
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

// trainBaseline does what --baseline asks for: it trains TF-IDF with logistic regression on the same rows, judges it on dev or out of
// fold, and writes baseline.json. Without the flag there is no report.
func (t *training) trainBaseline(ctx context.Context, trainSet, devSet *data.Dataset) (r *baselineReport, err error) {
	if !t.baseline {
		return nil, nil
	}
	start, labels := time.Now(), trainSet.Labels.Names()
	r = &baselineReport{Name: "TF-IDF of words and word pairs, logistic regression", MinDF: baselineOptions.MinDF, SublinearTF: baselineOptions.SublinearTF,
		C: map[string]float64{}, on: "dev"}
	judged := metrics.Data{Labels: labels}
	if t.folds > 0 {
		r.on, judged.Truth = "rows out of fold", trainSet.Y
		judged.Scores, err = r.crossFit(ctx, t, trainSet)
	} else {
		judged.Truth = devSet.Y
		judged.Scores, err = r.fit(ctx, t.a, "baseline", labels, baselineData(trainSet), baselineData(devSet), baselineCs())
	}
	if err != nil {
		return nil, err
	}
	if err := r.judge(judged, t.devTuning); err != nil {
		return nil, err
	}
	t.a.Log.Infof("baseline (%s, %d terms) in %.1f s", r.Name, r.Terms, time.Since(start).Seconds())
	return r, atomic.WriteFile(atomic.OS{}, filepath.Join(t.output, baselineFile), r.write)
}

// fit trains on rows, and returns the probabilities of others, [rows, labels].
func (r *baselineReport) fit(ctx context.Context, a *cli.App, work string, labels []string, rows, others baseline.Data, cs []float64) ([]float32, error) {
	a.Log.Progress(work, cli.Progress{Steps: len(labels)})
	defer a.Log.Done()
	m, err := baseline.Train(ctx, rows, others, len(labels), baselineOptions, cs, func(done int) {
		a.Log.Progress(work, cli.Progress{Step: done, Steps: len(labels)})
	})
	if err != nil {
		return nil, err
	}
	r.Terms = m.Vectorizer.Terms()
	for i, label := range labels {
		r.C[label] = m.C[i]
	}
	return m.Predict(others.Texts), nil
}

// crossFit returns the probabilities of all rows, each by a model of the other folds, which are those of the head. There is nothing
// to choose C on.
func (r *baselineReport) crossFit(ctx context.Context, t *training, set *data.Dataset) ([]float32, error) {
	fold, err := t.dealFolds(set)
	if err != nil {
		return nil, err
	}
	all, labels, scores := baselineData(set), set.Labels.Names(), make([]float32, len(set.Y))
	c := len(labels)
	for k := range t.folds {
		var parts [2]baseline.Data
		rest, held := splitFold(fold, k)
		for i, rows := range [][]int{rest, held} {
			for _, row := range rows {
				parts[i].Texts = append(parts[i].Texts, all.Texts[row])
				parts[i].Truth = append(parts[i].Truth, all.Truth[row*c:(row+1)*c]...)
			}
		}
		p, err := r.fit(ctx, t.a, fmt.Sprintf("baseline %d/%d", k+1, t.folds), labels, parts[0], parts[1], []float64{baselineC})
		if err != nil {
			return nil, err
		}
		for i, row := range held {
			copy(scores[row*c:(row+1)*c], p[i*c:(i+1)*c])
		}
	}
	return scores, nil
}

// judge evaluates on rows, with thresholds by the rules of the model's.
func (r *baselineReport) judge(dev metrics.Data, d devTuning) error {
	aim, err := metrics.ParseAim(d.Objective)
	if err != nil {
		return err
	}
	tuned, err := metrics.Tune(dev, aim)
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

func (r *baselineReport) write(w io.Writer) error { return cli.WriteIndented(w, r) }

// compareBaseline tells the figures in the words of devTuning.apply, which tells those of the model, and warns when the model is
// behind. set are the rows of devScores. r may be nil.
func (t *training) compareBaseline(r *baselineReport, set *data.Dataset) error {
	if r == nil {
		return nil
	}
	line := func(at string, m *metrics.Report) {
		t.a.Log.Infof("baseline on %s at %s: f1_macro %.4f, f1_micro %.4f, precision_macro %.4f, recall_macro %.4f", r.on, at, m.F1Macro, m.F1Micro, m.PrecisionMacro, m.RecallMacro)
	}
	if t.Thresholds != "per-label" {
		line(flags.Span(r.Report.Threshold), r.Report)
	}
	line(flags.Span(r.PerLabelTuned.Threshold)+", tuned per label", r.PerLabelTuned)
	if t.devScores == nil {
		return nil // --resume found a run at its end
	}
	model, err := metrics.Evaluate(metrics.Data{Labels: set.Labels.Names(), Truth: set.Y, Scores: t.devScores}, t.devThresholds)
	if err != nil {
		return err
	}
	t.a.Log.Infof("average_precision_macro on %s: model %.4f, baseline %.4f", r.on, model.AveragePrecisionMacro, r.AveragePrecisionMacro)
	flags.Found(t.a, diagnosis.Baseline(model, r.Report)...)
	return nil
}

// baselineData is a data set for the baseline.
func baselineData(set *data.Dataset) baseline.Data {
	d := baseline.Data{Truth: set.Y}
	for i, text := range set.Texts {
		d.Texts = append(d.Texts, []string{text, set.Pair(i)})
	}
	return d
}
