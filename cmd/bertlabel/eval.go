package main

import (
	"bertlabel/train/data"
	"bertlabel/train/metrics"

	"github.com/spf13/cobra"
)

func newEvalCmd(a *app) *cobra.Command {
	var (
		path      string
		threshold float32
	)
	cmd := &cobra.Command{
		Use:     "eval",
		Short:   "Evaluate a model on labelled texts: JSON on stdout, a table on stderr",
		Example: "  bertlabel eval --model model --data test.csv\n  bertlabel eval --model model --data test.csv --threshold 0.3 > metrics.json",
	}
	models, rows := addModelFlags(cmd), addDataFlags(cmd, data.StopAtBadRow)
	f := cmd.Flags()
	f.StringVar(&path, "data", "", "`FILE` of labelled texts")
	f.Float32Var(&threshold, "threshold", 0, "probability above which a label is predicted (default: the model's)")
	required(cmd, "data")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("threshold") && !(threshold >= 0 && threshold <= 1) {
			return usagef("--threshold %v: want 0 to 1", threshold)
		}
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
		encoded, err := encode(a, m, set, options.OnLong)
		if err != nil {
			return err
		}
		predictions, err := m.PredictEncoded(cmd.Context(), encoded)
		if err != nil {
			return err
		}
		var scores []float32
		for _, p := range predictions {
			scores = append(scores, p.Probabilities...)
		}
		report, err := metrics.Evaluate(metrics.Data{Labels: m.Labels, Truth: set.Y, Scores: scores}, thresholds)
		if err != nil {
			return err
		}
		a.diagnoseScores(set, report, scores)
		return a.printReport(report)
	}
	return cmd
}
