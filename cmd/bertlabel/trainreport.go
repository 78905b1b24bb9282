package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bertlabel/bert/model"
	htmlreport "bertlabel/cmd/bertlabel/internal/report"
	"bertlabel/train/data"
	"bertlabel/train/metrics"
)

// report leaves report.html in the output folder of a training run: on the dev rows or those out of fold if there are any, else its
// curves only. The model stands there already, so a report that fails is said and no more.
func (t *training) report(m *model.Model, dev *data.Dataset, start time.Time) {
	path := filepath.Join(t.output, "report.html")
	if _, err := os.Stat(path); err == nil && dev != nil && t.devScores == nil {
		return // --resume found a run at its end, whose report knows more
	}
	r := htmlreport.New(t.a, htmlreport.CallOf(t.cmd), m, start)
	r.Title = "Training of " + htmlreport.Base(t.output)
	r.Facts = []htmlreport.Pair{{Name: "from", Value: t.models.Path}, {Name: "trained on", Value: t.train}}
	history, err := htmlreport.HistoryOf(t.output, t.config.BestMetric)
	r.History = history
	if t.devScores != nil {
		var evaluated *metrics.Report
		if evaluated, err = metrics.Evaluate(metrics.Data{Labels: m.Labels, Truth: dev.Y, Scores: t.devScores}, t.devThresholds); err == nil {
			r.Scored = htmlreport.NewScored(dev, t.devScores, evaluated)
		}
		evaluatedOn := fmt.Sprintf("%s, %d rows", dev.File, dev.Rows())
		if t.folds > 0 {
			evaluatedOn += fmt.Sprintf(", each by a head of the other folds, of %d", t.folds)
		}
		r.Facts = append(r.Facts, htmlreport.Pair{Name: "evaluated on", Value: evaluatedOn})
		r.Baseline = htmlreport.ReadBaseline(filepath.Join(t.output, baselineFile))
	}
	if err = errors.Join(err, r.Write(t.a, path, t.plots)); err != nil {
		t.a.Log.Warnf("the report could not be written: %v", err)
	}
}
