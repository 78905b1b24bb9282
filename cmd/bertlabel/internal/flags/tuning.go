package flags

import (
	"encoding/json"
	"fmt"
	"slices"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/train/metrics"

	"github.com/spf13/cobra"
)

// Tuning holds the flags that say what is done to a trained head on the dev rows. bertlabel.json keeps them.
type Tuning struct {
	Calibrate  string `json:"calibrate,omitempty"`           // "", temperature or platt
	Thresholds string `json:"tune_thresholds,omitempty"`     // "", per-label or global
	Objective  string `json:"threshold_objective,omitempty"` // see metrics.ParseAim
}

// AddTuning declares them for a verb.
func AddTuning(cmd *cobra.Command, t *Tuning) {
	f := cmd.Flags()
	f.StringVar(&t.Thresholds, "tune-thresholds", "", "choose thresholds on --dev: per-label, or global (one for all)")
	f.Lookup("tune-thresholds").NoOptDefVal = "per-label"
	f.StringVar(&t.Objective, "threshold-objective", "f1",
		"what thresholds are chosen for: f1, f2, f0.5, precision@0.9 (then the best recall) or recall@0.9")
	f.StringVar(&t.Calibrate, "calibrate", "", "make probabilities mean what they say, on --dev: temperature or platt, for each label")
	f.Lookup("calibrate").NoOptDefVal = "platt"
	cli.Minor(cmd, "Head flags", "tune-thresholds", "threshold-objective", "calibrate")
}

// Check refuses values that mean nothing. dev names the rows that judge, "" for none.
func (t *Tuning) Check(dev string) error {
	if err := cli.OneOf("tune-thresholds", t.Thresholds, "", "per-label", "global"); err != nil {
		return err
	}
	if err := cli.OneOf("calibrate", t.Calibrate, "", "temperature", "platt"); err != nil {
		return err
	}
	if _, err := metrics.ParseAim(t.Objective); err != nil {
		return cli.Usagef("--threshold-objective: %v", err)
	}
	if dev == "" && t.Changes() {
		return cli.Usagef("--tune-thresholds needs --dev or --folds, --calibrate needs --dev")
	}
	return nil
}

// Changes reports whether the flags change a model.
func (t *Tuning) Changes() bool { return t.Calibrate != "" || t.Thresholds != "" }

// TuningOf returns what was done to a model on dev.
func TuningOf(m *model.Model) (t Tuning, err error) {
	if m.Training() != nil {
		err = json.Unmarshal(m.Training(), &t)
	}
	return t, err
}

// SayTuning tells what the thresholds of a model are, and whether it was calibrated.
func SayTuning(a *cli.App, m *model.Model) {
	t, err := TuningOf(m)
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

// AddPlots declares --plots.
func AddPlots(cmd *cobra.Command, value *string) {
	cmd.Flags().StringVar(value, "plots", "", "`FOLDER` for the figures of the report as SVG and PNG")
}

// AddPretty declares --pretty.
func AddPretty(cmd *cobra.Command, value *bool) {
	cmd.Flags().BoolVar(value, "pretty", false, "bars for people instead of JSON (default: on a terminal)")
}
