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
func (t *training) trainBaseline(ctx context.Context, trainSet, devSet *data.Dataset) (r *baseline.Report, err error) {
	if !t.baseline {
		return nil, nil
	}
	start := time.Now()
	task := baseline.Task{Train: trainSet, Dev: devSet, Folds: t.folds, Seed: t.config.Seed, Observe: func(p baseline.Progress) {
		work := "baseline"
		if p.Folds > 0 {
			work = fmt.Sprintf("baseline %d/%d", p.Fold, p.Folds)
		}
		t.a.Log.Progress(work, cli.Progress{Step: p.Done, Steps: p.Labels})
	}}
	if task.Aim, err = metrics.ParseAim(t.Objective); err != nil {
		return nil, err
	}
	switch t.Thresholds {
	case "per-label":
		task.Pick = func(tuned *metrics.Tuned) []float32 { return tuned.Thresholds }
	case "global":
		task.Pick = func(tuned *metrics.Tuned) []float32 { return []float32{tuned.Global} }
	}
	defer t.a.Log.Done()
	if r, err = baseline.Judge(ctx, task); err != nil {
		return nil, err
	}
	t.a.Log.Done()
	t.a.Log.Infof("baseline (%s, %d terms) in %.1f s", r.Name, r.Terms, time.Since(start).Seconds())
	write := func(w io.Writer) error { return cli.WriteIndented(w, r) }
	return r, atomic.WriteFile(atomic.OS{}, filepath.Join(t.output, baselineFile), write)
}

// compareBaseline tells the figures in the words of devTuning.apply, which tells those of the model, and warns when the model is
// behind. set are the rows of devScores. r may be nil.
func (t *training) compareBaseline(r *baseline.Report, set *data.Dataset) error {
	if r == nil {
		return nil
	}
	on := "dev"
	if t.folds > 0 {
		on = "rows out of fold"
	}
	line := func(at string, m *metrics.Report) {
		t.a.Log.Infof("baseline on %s at %s: f1_macro %.4f, f1_micro %.4f, precision_macro %.4f, recall_macro %.4f", on, at, m.F1Macro, m.F1Micro, m.PrecisionMacro, m.RecallMacro)
	}
	if t.Thresholds != "per-label" {
		line(flags.Span(r.Report.Threshold), r.Report)
	}
	line(flags.Span(r.Tuned.Threshold)+", tuned per label", r.Tuned)
	if t.devScores == nil {
		return nil // --resume found a run at its end
	}
	model, err := metrics.Evaluate(metrics.Data{Labels: set.Labels.Names(), Truth: set.Y, Scores: t.devScores}, t.devThresholds)
	if err != nil {
		return err
	}
	t.a.Log.Infof("average_precision_macro on %s: model %.4f, baseline %.4f", on, model.AveragePrecisionMacro, r.AveragePrecisionMacro)
	flags.Found(t.a, diagnosis.Baseline(model, r.Report)...)
	return nil
}
