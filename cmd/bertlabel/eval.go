package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"bertlabel/bert/model"
	htmlreport "bertlabel/cmd/bertlabel/internal/report"
	"bertlabel/train/data"
	"bertlabel/train/metrics"

	"github.com/spf13/cobra"
)

func newEvalCmd(a *app) *cobra.Command {
	e := &evaluation{a: a}
	cmd := &cobra.Command{
		Use:     "eval",
		Short:   "Evaluate a model on labelled texts: JSON on stdout, a table on stderr",
		Example: "  bertlabel eval --model model --data test.csv\n  bertlabel eval --model model --data test.csv --report report.html > metrics.json",
	}
	e.models, e.rows = addModelFlags(cmd), addDataFlags(cmd, data.StopAtBadRow)
	f := cmd.Flags()
	f.StringVar(&e.data, "data", "", "`FILE` of labelled texts")
	f.Float32Var(&e.threshold, "threshold", 0, "probability above which a label is predicted (default: the model's)")
	f.StringVar(&e.page, "report", "", "`FILE` for a page with all figures, the rows most wrong and those likely mislabelled")
	f.IntVar(&e.explained, "explain-rows", 10, "rows most wrong that the report explains word by word")
	addReportFlags(cmd, &e.reportFlags)
	addPrettyFlag(cmd, &e.pretty)
	required(cmd, "data")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return e.run(cmd) }
	return cmd
}

// evaluation is one run of the verb.
type evaluation struct {
	a          *app
	models     *modelFlags
	rows       *dataFlags
	data, page string
	threshold  float32
	pretty     bool
	explained  int // rows of the page
	reportFlags
}

// checkPage refuses a place for the report before the long work.
func (e *evaluation) checkPage() error {
	if e.page == "-" {
		return usagef("--report -: stdout has the metrics; want a file")
	}
	if _, err := os.Stat(filepath.Dir(e.page)); e.page != "" && err != nil {
		return withCode(exitUsage, fmt.Errorf("--report: %w", err))
	}
	if info, err := os.Stat(e.page); err == nil && info.IsDir() {
		return usagef("--report %s is a folder, want a file", e.page)
	}
	if info, err := os.Stat(e.plots); err == nil && !info.IsDir() {
		return usagef("--plots %s is a file, want a folder", e.plots)
	}
	if e.explained < 0 {
		return usagef("--explain-rows %d: want 0 or more", e.explained)
	}
	return nil
}

func (e *evaluation) run(cmd *cobra.Command) error {
	start := time.Now()
	if cmd.Flags().Changed("threshold") && !(e.threshold >= 0 && e.threshold <= 1) {
		return usagef("--threshold %v: want 0 to 1", e.threshold)
	}
	if err := e.checkPage(); err != nil {
		return err
	}
	options, err := e.rows.options(e.a)
	if err != nil {
		return err
	}
	m, err := e.models.openWithHead(e.a)
	if err != nil {
		return err
	}
	e.a.found(diagnoseModel(m)...)
	thresholds := m.Thresholds
	if cmd.Flags().Changed("threshold") {
		thresholds = []float32{e.threshold}
	} else {
		sayTuning(e.a, m)
	}
	if options.Labels, err = data.NewLabelList(m.Labels, "the model's labels"); err != nil {
		return withCode(exitModel, err)
	}
	set, err := e.rows.load(e.a, e.data, options)
	if err != nil {
		return err
	}
	scores, err := score(cmd.Context(), e.a, m, set, options.OnLong)
	if err != nil {
		return err
	}
	report, err := metrics.Evaluate(metrics.Data{Labels: m.Labels, Truth: set.Y, Scores: scores}, thresholds)
	if err != nil {
		return err
	}
	e.a.diagnoseScores(set, report, scores)
	if e.page != "" || e.plots != "" {
		r := newReport(e.a, cmd, m, start)
		r.Title = base(e.models.path) + " on " + filepath.Base(e.data)
		r.Facts = []htmlreport.Pair{{Name: "model", Value: e.models.path}, {Name: "data", Value: e.data},
			{Name: "rows", Value: strconv.Itoa(set.Rows())}, {Name: "labels", Value: strconv.Itoa(len(m.Labels))}}
		r.Scored = scoredReport(set, scores, report)
		var training struct {
			BestMetric string `json:"best_metric"`
		}
		if json.Unmarshal(m.Training(), &training) == nil { // the model's own course of training, where its folder still has it
			r.History, _ = historyOf(e.models.path, training.BestMetric)
		}
		if e.page != "" {
			if r.Scored.Explanations, err = explainWrong(cmd.Context(), e.a, m, set, r.Scored, e.explained); err != nil {
				return err
			}
		}
		if err := e.write(e.a, r, e.page); err != nil {
			return err
		}
	}
	if e.pretty || !cmd.Flags().Changed("pretty") && e.a.onTerminal() {
		return e.a.newCanvas(e.a.stdout).writeReport(report)
	}
	return e.a.printReport(report)
}

// score returns the probabilities of all rows of a data set, [rows, labels].
func score(ctx context.Context, a *app, m *model.Model, set *data.Dataset, onLong data.LongTexts) ([]float32, error) {
	const work = "predict"
	encoded, err := encode(a, m, set, onLong)
	if err != nil {
		return nil, err
	}
	a.log.Progress(work, progress{Steps: len(encoded)})
	defer a.log.Done()
	features, err := m.Features(ctx, encoded, m.Pooling, func(done int) {
		a.log.Progress(work, progress{Step: done, Steps: len(encoded), Examples: done})
	})
	if err != nil {
		return nil, err
	}
	logits, probabilities := m.Score(features)
	var broken *model.LogitError
	if errors.As(m.CheckLogits(logits), &broken) {
		return nil, fmt.Errorf("%s:%d: the logit of label %q is %v: the weights are broken", set.File, set.Lines[broken.Text], broken.Label, broken.Logit)
	}
	return probabilities.Data, nil
}
