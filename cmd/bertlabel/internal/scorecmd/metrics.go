package scorecmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/term"
	"bertlabel/train/metrics"

	"github.com/spf13/cobra"
)

// metricsOptions say which scores are compared with which truth.
type metricsOptions struct {
	Truth, Scores string // CSV files
	Threshold     string // a number, numbers separated by commas, or a JSON file
}

// NewMetrics returns the verb metrics.
func NewMetrics(a *cli.App) *cobra.Command { return newMetricsCmd(a, runMetrics) }

func newMetricsCmd(a *cli.App, run cli.Runner[metricsOptions]) *cobra.Command {
	var o metricsOptions
	cmd := &cobra.Command{
		Use:   "metrics",
		Short: "Score the probabilities of any classifier against the truth, as scikit-learn does",
		Example: "  bertlabel metrics --truth truth.csv --scores scores.csv\n" +
			"  bertlabel metrics --truth truth.csv --scores scores.csv --threshold 0.3 > metrics.json",
		Long: "Both files are CSV with a header of label names and a row for each text, in the same order; scores may also be the JSON\n" +
			"lines that predict writes. The truth is 0, 1, or nothing where it is unknown; such cells count nowhere. Columns called id,\n" +
			"row, text and text_pair are no labels, but where both files have an id, it must be the same. JSON goes to stdout,\n" +
			"a table to stderr. A prediction is positive when its score is above the threshold.",
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.Truth, "truth", "", "CSV `FILE` with a 0/1 column per label")
	f.StringVar(&o.Scores, "scores", "", "`FILE` of probabilities: what predict writes, or CSV with a column per label")
	f.StringVar(&o.Threshold, "threshold", "0.5", "positive above `T`: one number, or one per label by commas or by a JSON file")
	cli.Required(cmd, "truth", "scores")
	return cmd
}

func runMetrics(_ context.Context, a *cli.App, o metricsOptions) error {
	scored, err := readScored(a, o.Truth, o.Scores)
	if err != nil {
		return err
	}
	thresholds, err := readThresholds(a, o.Threshold, scored.Labels)
	if err != nil {
		return err
	}
	result, err := metrics.Evaluate(scored, thresholds)
	if err != nil {
		return cli.WithCode(cli.ExitData, fmt.Errorf("%s, %s: %w", o.Truth, o.Scores, err))
	}
	return printReport(a, result)
}

// printReport writes a report as JSON to stdout, and as a table to stderr for people.
func printReport(a *cli.App, r *metrics.Report) error { return printObject(a, r, r.WriteTable) }

// printObject writes an object as JSON to stdout, and what is in it to stderr for people.
func printObject(a *cli.App, object any, table func(io.Writer) error) error {
	encoder := json.NewEncoder(a.Stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(object); err != nil {
		return err
	}
	if a.Quiet || a.LogFormat == "json" {
		return nil
	}
	return table(a.Stderr)
}

// readThresholds reads the value of --threshold: a number, numbers separated by commas, or the path of a JSON file.
func readThresholds(a *cli.App, value string, labels []string) (thresholds []float32, err error) {
	first, _, _ := strings.Cut(value, ",")
	if _, err := strconv.ParseFloat(first, 32); err != nil {
		return readThresholdFile(a, value, labels)
	}
	for number := range strings.SplitSeq(value, ",") {
		v, err := strconv.ParseFloat(number, 32)
		if err != nil || v-v != 0 {
			return nil, cli.Usagef("--threshold %s: found %q, want a number", value, number)
		}
		thresholds = append(thresholds, float32(v))
	}
	if n := len(thresholds); n != 1 && n != len(labels) {
		return nil, cli.Usagef("--threshold %s: found %d numbers, want one, or one for each of %d labels", value, n, len(labels))
	}
	return thresholds, nil
}

// readThresholdFile reads a JSON object of label name → number, one for each label.
func readThresholdFile(a *cli.App, path string, labels []string) ([]float32, error) {
	in, err := a.OpenInput(path)
	if err != nil {
		return nil, fmt.Errorf("--threshold is no number, so a file: %w", err)
	}
	defer in.Close()
	var byName map[string]*float32
	if err := cli.ReadNumbers(in, path, &byName); err != nil {
		return nil, err
	}
	thresholds := make([]float32, len(labels))
	for i, name := range labels {
		if byName[name] == nil {
			return nil, cli.Refused(path, 0, "", "no threshold for "+term.Quoted(name), "a number for each label")
		}
		thresholds[i] = *byName[name]
		delete(byName, name)
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		return nil, cli.Refused(path, 0, "", "a threshold for "+term.Quoted(name), "labels of the data only")
	}
	return thresholds, nil
}
