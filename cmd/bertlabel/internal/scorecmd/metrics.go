package scorecmd

import (
	"context"
	"fmt"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/train/metrics"

	"github.com/spf13/cobra"
)

// metricsOptions say which scores are compared with which truth.
type metricsOptions struct {
	Truth, Scores string // files
	Threshold     flags.Thresholds
	ExactlyOne    bool
	Binarize      float64 // the share from which on a cell of the truth is 1; 0: shares are refused
}

// NewMetrics returns the verb metrics.
func NewMetrics(a *cli.App) *cobra.Command { return newMetricsCmd(a, runMetrics) }

func newMetricsCmd(a *cli.App, run cli.Runner[metricsOptions]) *cobra.Command {
	o := metricsOptions{Threshold: "0.5"}
	cmd := &cobra.Command{
		Use:   "metrics",
		Short: "Score the probabilities of any classifier against the truth, as scikit-learn does",
		Example: "  bertlabel metrics --truth truth.csv --scores scores.csv\n" +
			"  bertlabel metrics --truth truth.csv --scores scores.csv --threshold 0.3 > metrics.json",
		Long: "Both files are CSV with a header of label names and a row for each text, in the same order; scores may also be the JSON\n" +
			"lines that predict writes. The truth is 0, 1, or nothing where it is unknown; such cells count nowhere. Columns called id,\n" +
			"row, text and text_pair are no labels, but where both files have an id, it must be the same. JSON goes to stdout,\n" +
			"a table to stderr. A prediction is positive when its score is above the threshold.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Threshold.Check(); err != nil {
				return err
			}
			if cmd.Flags().Changed("binarize") && !(o.Binarize > 0 && o.Binarize <= 1) {
				return cli.Usagef("--binarize %v: want a number above 0, at most 1", o.Binarize)
			}
			return run(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Truth, "truth", "", "CSV `FILE` with a 0/1 column per label")
	f.StringVar(&o.Scores, "scores", "", "`FILE` of probabilities: what predict writes, or CSV with a column per label")
	flags.AddThreshold(cmd, &o.Threshold)
	f.Float64Var(&o.Binarize, "binarize", 0, "a number between 0 and 1 in the truth is 1 from `T` on (default: it is refused)")
	f.BoolVar(&o.ExactlyOne, "exactly-one", false, "the labels exclude each other: add the accuracy of the most probable one")
	cli.Required(cmd, "truth", "scores")
	return cmd
}

func runMetrics(_ context.Context, a *cli.App, o metricsOptions) error {
	scored, err := readScored(a, o)
	if err != nil {
		return err
	}
	thresholds, err := o.Threshold.Read(a, scored.Labels)
	if err != nil {
		return err
	}
	result, err := metrics.Evaluate(scored, thresholds)
	if err != nil {
		return cli.WithCode(cli.ExitData, fmt.Errorf("%s, %s: %w", o.Truth, o.Scores, err))
	}
	if o.ExactlyOne {
		addAccuracy(a, result, scored)
	}
	return printReport(a, result)
}

// addAccuracy gives a report the accuracy of labels that exclude each other, and says it.
func addAccuracy(a *cli.App, r *metrics.Report, d metrics.Data) {
	r.Accuracy = metrics.Accuracy(d)
	a.Log.Infof("accuracy %.4f: the share of rows whose most probable label is theirs; the other figures are at the thresholds", *r.Accuracy)
}

// printReport writes a report as JSON to stdout, and as a table to stderr for people.
func printReport(a *cli.App, r *metrics.Report) error { return cli.WriteJSON(a, r, r.WriteTable) }
