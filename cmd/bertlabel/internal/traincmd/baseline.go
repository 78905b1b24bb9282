package traincmd

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
	"bertlabel/train/diagnosis"
	"bertlabel/train/fit"
	"bertlabel/train/metrics"
)

// baselineFile is what the folder of a run says of the baseline.
const baselineFile = "baseline.json"

// trainBaseline does what --baseline asks for: it trains TF-IDF with logistic regression on the same rows, judges it on dev or out of
// fold, and writes baseline.json. Without the flag it takes away what an earlier run has left.
func (r *trainRun) trainBaseline(ctx context.Context) error {
	path := filepath.Join(r.said.options.Folder.Path, baselineFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !r.said.baseline {
		return nil
	}
	start, o := time.Now(), &r.said.options
	task := baseline.Task{Train: r.rows, Dev: o.Dev, Folds: o.Folds, Seed: o.Config.Seed, Aim: o.Tuning.Aim, Observe: r.sayBaseline}
	if o.Tuning.Thresholds != fit.Half {
		task.Pick = func(tuned *metrics.Tuned) []float32 {
			switch o.Tuning.Thresholds {
			case fit.Global:
				return []float32{tuned.Global}
			case fit.Guarded:
				return tuned.Guarded
			}
			return tuned.Thresholds
		}
	}
	linear, err := baseline.Judge(ctx, task)
	r.a.Log.Done()
	if err != nil {
		return err
	}
	r.a.Log.Infof("baseline (%s, %d terms) in %.1f s", linear.Name, linear.Terms, time.Since(start).Seconds())
	r.linear = linear
	return atomic.WriteFile(atomic.OS{}, path, func(w io.Writer) error { return cli.WriteIndented(w, linear) })
}

// sayBaseline shows how far the baseline has come.
func (r *trainRun) sayBaseline(p baseline.Progress) {
	work := "baseline"
	if p.Folds > 0 {
		work += fmt.Sprintf(" %d/%d", p.Fold, p.Folds)
	}
	r.a.Log.Progress(work, cli.Progress{Step: p.Done, Steps: p.Labels})
}

// compareBaseline tells the figures in the words that tell those of the model, and warns when the model is behind. judged is what the
// same rows say of the model; nil where --resume found a run at its end.
func (r *trainRun) compareBaseline(judged *metrics.Report) {
	l := r.linear
	if l == nil {
		return
	}
	on := "dev"
	if r.said.options.Folds > 0 {
		on = "rows out of fold"
	}
	line := func(at string, m *metrics.Report) {
		r.a.Log.Infof("baseline on %s at %s: f1_macro %.4f, f1_micro %.4f, precision_macro %.4f, recall_macro %.4f",
			on, at, m.F1Macro, m.F1Micro, m.PrecisionMacro, m.RecallMacro)
	}
	if r.said.options.Tuning.Thresholds != fit.PerLabel {
		line(flags.Span(l.Report.Threshold), l.Report)
	}
	line(flags.Span(l.Tuned.Threshold)+", tuned per label", l.Tuned)
	if judged == nil {
		return
	}
	r.a.Log.Infof("average_precision_macro on %s: model %.4f, baseline %.4f", on, judged.AveragePrecisionMacro, l.AveragePrecisionMacro)
	flags.Found(r.a, diagnosis.Baseline(judged, l.Report, r.said.options.Tune != fit.Head)...)
}
