package flags

import (
	"fmt"
	"slices"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/train/fit"
	"bertlabel/train/metrics"

	"github.com/spf13/cobra"
)

// Tuning holds the flags that say what is done to a trained head on the dev rows.
type Tuning struct {
	Calibrate  string // "", temperature or platt
	Thresholds string // "", guarded, per-label or global
	Objective  string // see metrics.ParseAim
}

// AddTuning declares them for a verb.
func AddTuning(cmd *cobra.Command, t *Tuning) {
	f := cmd.Flags()
	f.StringVar(&t.Thresholds, "tune-thresholds", "",
		"choose thresholds on --dev: guarded (each label its own, pulled to that for all where its positives are few), per-label, global, none")
	cli.Optional(cmd, "tune-thresholds", "guarded", "guarded", "per-label", "global", "none")
	f.StringVar(&t.Objective, "threshold-objective", "f1",
		"what thresholds are chosen for: f1, f2, f0.5, precision@0.9 (then the best recall) or recall@0.9")
	f.StringVar(&t.Calibrate, "calibrate", "", "make probabilities mean what they say, on --dev: temperature or platt, for each label")
	cli.Optional(cmd, "calibrate", "platt", "platt", "temperature")
	cli.Minor(cmd, "Head flags", "tune-thresholds", "threshold-objective", "calibrate")
}

// Tuning returns what the flags say. The error is wrong usage.
func (t *Tuning) Tuning() (tuning fit.Tuning, err error) {
	if tuning.Thresholds, err = fit.ParseThresholds(t.Thresholds); err != nil {
		return tuning, err
	}
	if tuning.Calibrate, err = fit.ParseCalibration(t.Calibrate); err != nil {
		return tuning, err
	}
	if tuning.Aim, err = metrics.ParseAim(t.Objective); err != nil {
		return tuning, cli.Usagef("--threshold-objective: %v", err)
	}
	return tuning, nil
}

// SayTuning tells what the thresholds of a model are, and whether it was calibrated.
func SayTuning(a *cli.App, m *model.Model) {
	t, err := fit.RecordOf(m)
	if err == nil && t.Calibrate != "" {
		a.Log.Infof("the model's probabilities are calibrated (%s)", t.Calibrate)
	}
	if at := Span(m.Thresholds); at != Span([]float32{model.DefaultThreshold}) {
		how := ""
		if t.Thresholds != "" {
			how = fmt.Sprintf(", tuned %s for %s", t.Thresholds, t.Objective)
		}
		a.Log.Infof("the model's thresholds are %s%s", at, how)
	}
}

// Span says from where to where thresholds go.
func Span(thresholds []float32) string {
	least, most := fmt.Sprintf("%.4g", slices.Min(thresholds)), fmt.Sprintf("%.4g", slices.Max(thresholds))
	if least == most {
		return least
	}
	return least + " to " + most
}

// AddExactlyOne declares --exactly-one.
func AddExactlyOne(cmd *cobra.Command, value *bool) {
	cmd.Flags().BoolVar(value, "exactly-one", false, "the labels exclude each other: the most probable one is predicted, and no other")
}

// AddPlots declares --plots.
func AddPlots(cmd *cobra.Command, value *string) {
	cmd.Flags().StringVar(value, "plots", "", "`FOLDER` for the figures of the report as SVG and PNG")
}

// AddPretty declares --pretty.
func AddPretty(cmd *cobra.Command, value *bool) {
	cmd.Flags().BoolVar(value, "pretty", false, "bars for people instead of JSON (default: on a terminal)")
}
