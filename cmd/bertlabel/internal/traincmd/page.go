package traincmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bertlabel/cmd/bertlabel/internal/report"
	"bertlabel/train/fit"
)

// report leaves report.html in the output folder: on the dev rows or those out of fold if there are any, else the curves only. The model
// stands there already, so a report that fails is said and no more.
func (r *trainRun) report(result *fit.Result, start time.Time) {
	t, judges := r.said, r.said.options.Dev
	if t.options.Folds > 0 {
		judges = r.rows
	}
	folder := t.options.Folder.Path
	path := filepath.Join(folder, "report.html")
	if _, err := os.Stat(path); err == nil && judges != nil && result.Dev == nil {
		return // --resume found a run at its end, whose report knows more
	}
	t.settled["calibrate"] = result.Record.Calibrate
	page := report.New(r.a, report.CallOf(r.cmd, t.settled), r.m, start)
	page.Title = "Training of " + report.Base(folder)
	page.Facts = []report.Pair{{Name: "from", Value: t.model.Path}, {Name: "trained on", Value: t.train}}
	history, err := report.HistoryOf(folder, t.options.Config.BestMetric)
	page.History = history
	if result.Dev != nil {
		page.Scored = report.NewScored(judges, result.Scores, result.Dev)
		evaluatedOn := fmt.Sprintf("%s, %d rows", judges.File, judges.Rows())
		if t.options.Folds > 0 {
			evaluatedOn += fmt.Sprintf(", each by a head of the other folds, of %d", t.options.Folds)
		}
		page.Facts = append(page.Facts, report.Pair{Name: "evaluated on", Value: evaluatedOn})
		page.Baseline = report.ReadBaseline(filepath.Join(folder, baselineFile))
	}
	if err = errors.Join(err, page.Write(r.a, path, t.plots)); err != nil {
		r.a.Log.Warnf("the report could not be written: %v", err)
	}
}
