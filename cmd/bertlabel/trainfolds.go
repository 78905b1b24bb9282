package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"time"

	"bertlabel/bert/model"
	"bertlabel/checkpoint/atomic"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/metrics"
	"bertlabel/train/solver"
)

// foldsFile is what the folder of a run says of its folds.
const foldsFile = "folds.json"

// foldsReport is the content of folds.json. Every row was scored once, by a head that was trained on the other folds; the report
// is that of all rows together, under the names of every report.
type foldsReport struct {
	Folds int    `json:"folds"`
	Seed  uint64 `json:"seed"`
	*metrics.Report
	Tuned *metrics.Report           `json:"tuned"` // at thresholds for each label that were chosen on these scores
	Mean  map[string]metrics.Number `json:"mean"`  // over the folds, each evaluated alone
	Std   map[string]metrics.Number `json:"std"`   // sample standard deviation over the folds (of n, the divisor is n − 1)
	Each  []foldReport              `json:"each"`

	tuned *metrics.Tuned
}

type foldReport struct {
	Rows int `json:"rows"`
	metrics.Summary
}

// checkFolds refuses flags that have no meaning with --folds.
func (t *training) checkFolds() error {
	switch {
	case t.folds == 0:
		return nil
	case t.folds < 2:
		return cli.Usagef("--folds %d: want 2 or more, or 0 for none", t.folds)
	case t.tune != "head":
		return cli.Usagef("--folds trains a head for every fold on features that are computed once: give --tune head")
	case t.dev != "":
		return cli.Usagef("--folds takes the place of --dev: give one of them")
	case t.Calibrate != "":
		return cli.Usagef("--calibrate needs --dev")
	}
	return nil
}

// crossValidate does what --folds asks for: it deals the rows into stratified folds, rows of one text together, trains a head on
// all but one of them in turn, scores the rows of that one, and writes folds.json.
func (r *headRun) crossValidate(ctx context.Context) error {
	if r.folds == 0 {
		return nil
	}
	start := time.Now()
	fold, err := data.Folds(r.trainSet, r.folds, r.config.Seed)
	if err != nil {
		return err
	}
	scores, rows := make([]float32, len(r.train.Y)), r.train.X.Rows
	for k := range r.folds {
		rest, held := data.SplitFold(fold, k)
		head, err := r.fitFold(ctx, k, r.subset(rest))
		if err != nil {
			return fmt.Errorf("fold %d of %d: %w", k+1, r.folds, err)
		}
		_, probabilities := head.Score(r.subset(held).X)
		c := len(r.labels)
		for i, row := range held {
			copy(scores[row*c:(row+1)*c], probabilities.Row(i))
		}
	}
	if r.folded, err = r.judgeFolds(fold, scores); err != nil {
		return err
	}
	r.devScores, r.devThresholds = scores, r.folded.thresholds(r.devTuning, len(r.labels))
	r.a.Log.Infof("%d folds of %d rows in %.1f s", r.folds, rows, time.Since(start).Seconds())
	r.folded.say(r.a)
	return atomic.WriteFile(atomic.OS{}, filepath.Join(r.output, foldsFile), r.folded.write)
}

// subset copies rows of the training features.
func (r *headRun) subset(rows []int) train.Features {
	c := len(r.labels)
	f := train.Features{X: tensor.New(len(rows), r.train.X.Cols), Y: make([]int8, 0, len(rows)*c)}
	for i, row := range rows {
		copy(f.X.Row(i), r.train.X.Row(row))
		f.Y = append(f.Y, r.train.Y[row*c:(row+1)*c]...)
	}
	return f
}

// fitFold trains a head on some rows as the run trains its own on all of them. It starts from a new head: one that the model
// brings may know the rows that are left out.
func (r *headRun) fitFold(ctx context.Context, k int, rest train.Features) (*layers.Classifier, error) {
	loss, err := r.lossFlags.make(r.a, r.labels, rest.Y)
	if err != nil {
		return nil, err
	}
	work := fmt.Sprintf("fold %d/%d", k+1, r.folds)
	r.a.Log.Progress(work, cli.Progress{})
	defer r.a.Log.Done()
	head := layers.NewClassifier(len(r.labels), rest.X.Cols)
	if r.Solver != "gradient" {
		crossEntropy, _ := loss.(layers.CrossEntropy) // check has refused the others
		task := solver.Task{Labels: r.labels, Train: rest, Classifier: head, Loss: crossEntropy, Seed: r.config.Seed, Workers: r.workers,
			Observe: func(p solver.Progress) error {
				r.a.Log.Progress(work, cli.Progress{Step: p.Solved, Steps: p.Labels})
				return nil
			}}
		if r.L2 > 0 {
			task.L2 = []float64{r.L2}
		}
		_, err = r.solver()(ctx, task)
		return head, err
	}
	train.InitClassifier(head, r.config.Seed)
	if r.BiasInit == "log-odds" {
		train.LogOddsBias(head, rest.Y)
	}
	_, err = train.TrainHead(ctx, train.HeadTask{Config: r.config, Labels: r.labels, Train: rest, Classifier: head, Loss: loss, Workers: r.workers,
		Observe: func(p train.Progress) error {
			r.a.Log.Progress(work, cli.Progress{Step: int(p.Step), Steps: p.Steps, Epoch: p.Epoch, Loss: p.Loss})
			return nil
		}})
	return head, err
}

// judgeFolds evaluates the scores of all rows, and those of each fold.
func (r *headRun) judgeFolds(fold []int, scores []float32) (*foldsReport, error) {
	all := metrics.Data{Labels: r.labels, Truth: r.train.Y, Scores: scores}
	aim, err := metrics.ParseAim(r.Objective)
	if err != nil {
		return nil, err
	}
	report := &foldsReport{Folds: r.folds, Seed: r.config.Seed}
	if report.tuned, err = metrics.Tune(all, aim); err != nil {
		return nil, err
	}
	if report.Report, err = metrics.Evaluate(all, []float32{model.DefaultThreshold}); err != nil {
		return nil, err
	}
	if report.Tuned, err = metrics.Evaluate(all, report.tuned.Thresholds); err != nil {
		return nil, err
	}
	for k := range r.folds {
		_, held := data.SplitFold(fold, k)
		part, c := metrics.Data{Labels: r.labels}, len(r.labels)
		for _, row := range held {
			part.Truth = append(part.Truth, r.train.Y[row*c:(row+1)*c]...)
			part.Scores = append(part.Scores, scores[row*c:(row+1)*c]...)
		}
		one, err := metrics.Evaluate(part, []float32{model.DefaultThreshold})
		if err != nil {
			return nil, err
		}
		report.Each = append(report.Each, foldReport{len(held), one.Summary})
	}
	report.spread()
	return report, nil
}

// spread sets Mean and Std. A value that a fold lacks makes both undefined.
func (f *foldsReport) spread() {
	f.Mean, f.Std = map[string]metrics.Number{}, map[string]metrics.Number{}
	n := float64(len(f.Each))
	for name := range f.All() {
		sum, squares := 0.0, 0.0
		for _, fold := range f.Each {
			v, _ := fold.Get(name)
			sum += float64(v)
		}
		for _, fold := range f.Each {
			v, _ := fold.Get(name)
			squares += (float64(v) - sum/n) * (float64(v) - sum/n)
		}
		f.Mean[name], f.Std[name] = metrics.Number(sum/n), metrics.Number(math.Sqrt(squares/(n-1)))
	}
}

// say tells the figures in the words of devTuning.apply, which tells those of dev.
func (f *foldsReport) say(a *cli.App) {
	for _, c := range []struct {
		at string
		*metrics.Report
	}{{"at 0.5", f.Report}, {fmt.Sprintf("at %s, tuned per label", flags.Span(f.Tuned.Threshold)), f.Tuned}} {
		a.Log.Infof("out of fold %s: f1_macro %.4f, f1_micro %.4f, precision_macro %.4f, recall_macro %.4f", c.at, c.F1Macro, c.F1Micro, c.PrecisionMacro, c.RecallMacro)
	}
	a.Log.Infof("over the folds at 0.5: f1_macro %.4f ± %.4f, f1_micro %.4f ± %.4f, log_loss %.5f ± %.5f (mean ± standard deviation)",
		f.Mean["f1_macro"], f.Std["f1_macro"], f.Mean["f1_micro"], f.Std["f1_micro"], f.Mean["log_loss"], f.Std["log_loss"])
}

func (f *foldsReport) write(w io.Writer) error { return cli.WriteIndented(w, f) }

// thresholds returns those that --tune-thresholds asks for, else those of a new head.
func (f *foldsReport) thresholds(d devTuning, labels int) []float32 {
	switch d.Thresholds {
	case "per-label":
		return f.tuned.Thresholds
	case "global":
		return slices.Repeat([]float32{f.tuned.Global}, labels)
	}
	return slices.Repeat([]float32{model.DefaultThreshold}, labels)
}
