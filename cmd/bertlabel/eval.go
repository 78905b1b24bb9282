package main

import (
	"context"
	"fmt"
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
	var (
		path, page string
		threshold  float32
		figures    reportFlags
	)
	cmd := &cobra.Command{
		Use:     "eval",
		Short:   "Evaluate a model on labelled texts: JSON on stdout, a table on stderr",
		Example: "  bertlabel eval --model model --data test.csv\n  bertlabel eval --model model --data test.csv --report report.html > metrics.json",
	}
	models, rows := addModelFlags(cmd), addDataFlags(cmd, data.StopAtBadRow)
	f := cmd.Flags()
	f.StringVar(&path, "data", "", "`FILE` of labelled texts")
	f.Float32Var(&threshold, "threshold", 0, "probability above which a label is predicted (default: the model's)")
	f.StringVar(&page, "report", "", "`FILE` for a page with all figures, the rows most wrong and those likely mislabelled")
	addReportFlags(cmd, &figures)
	required(cmd, "data")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("threshold") && !(threshold >= 0 && threshold <= 1) {
			return usagef("--threshold %v: want 0 to 1", threshold)
		}
		start := time.Now()
		options, err := rows.options(a)
		if err != nil {
			return err
		}
		m, err := models.openWithHead(a)
		if err != nil {
			return err
		}
		a.found(diagnoseModel(m)...)
		thresholds := m.Thresholds
		if cmd.Flags().Changed("threshold") {
			thresholds = []float32{threshold}
		} else {
			sayTuning(a, m)
		}
		if options.Labels, err = data.NewLabelList(m.Labels, "the model's labels"); err != nil {
			return withCode(exitModel, err)
		}
		set, err := rows.load(a, path, options)
		if err != nil {
			return err
		}
		scores, err := score(cmd.Context(), a, m, set, options.OnLong)
		if err != nil {
			return err
		}
		report, err := metrics.Evaluate(metrics.Data{Labels: m.Labels, Truth: set.Y, Scores: scores}, thresholds)
		if err != nil {
			return err
		}
		a.diagnoseScores(set, report, scores)
		if page != "" || figures.plots != "" {
			r := newReport(a, cmd, m, start)
			r.Title = base(models.path) + " on " + filepath.Base(path)
			r.Facts = []htmlreport.Pair{{Name: "model", Value: models.path}, {Name: "data", Value: path}, {Name: "rows", Value: strconv.Itoa(set.Rows())}, {Name: "labels", Value: strconv.Itoa(len(m.Labels))}}
			r.Scored = scoredReport(set, scores, report)
			if err := figures.write(a, r, page); err != nil {
				return err
			}
		}
		return a.printReport(report)
	}
	return cmd
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
	for i, z := range logits.Data {
		if z-z != 0 {
			return nil, fmt.Errorf("%s:%d: the logit of label %q is %v: the weights are broken", set.File, set.Lines[i/len(m.Labels)], m.Labels[i%len(m.Labels)], z)
		}
	}
	return probabilities.Data, nil
}
