package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/cmd/bertlabel/internal/cli"
)

// train --baseline says what a linear model makes of the same rows, in the folder too, at thresholds by the rules of the model's;
// another run into the folder without it leaves nothing of it.
func TestTrainBaseline(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	path := filepath.Join(task.dir, "model", "baseline.json")
	for _, c := range []struct {
		args []string
		said string
	}{
		{[]string{"--solver", "lbfgs", "--pooling", "mean"}, "baseline on dev at 0.5: f1_macro "}, // as good as the baseline
		{nil, "baseline on dev at 0.5: f1_macro "},
		{[]string{"--tune-thresholds=per-label"}, "tuned per label: f1_macro "},
		{[]string{"--folds", "3"}, "baseline on rows out of fold at 0.5: f1_macro "},
		{[]string{"--tune", "last:1", "--max-steps", "2"}, "baseline on dev at 0.5: f1_macro "},
	} {
		rows := 120
		if len(c.args) == 0 || c.args[0] != "--folds" {
			c.args, rows = append(c.args, "--dev", task.dev), 60
		}
		_, stderr := task.run(t, "model", append(c.args, "--baseline")...)
		if !strings.Contains(stderr, "baseline (TF-IDF of words and word pairs, logistic regression") ||
			!strings.Contains(stderr, c.said) ||
			!strings.Contains(stderr, "average_precision_macro on") ||
			strings.Contains(stderr, "linear model of the words is ahead") == slices.Contains(c.args, "lbfgs") {
			t.Errorf("%v: stderr %s", c.args, stderr)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var report struct {
			Name      string             `json:"name"`
			Terms     int                `json:"terms"`
			C         map[string]float64 `json:"c"`
			F1Macro   float64            `json:"f1_macro"`
			Rows      int                `json:"rows"`
			Threshold any                `json:"threshold"`
			PerLabel  map[string]any     `json:"per_label"`
			Tuned     struct {
				F1Macro float64 `json:"f1_macro"`
			} `json:"tuned"`
		}
		if err := json.Unmarshal(text, &report); err != nil {
			t.Fatal(err)
		}
		perLabel, _ := report.Threshold.([]any)
		if !(report.F1Macro > 0.9 && report.Tuned.F1Macro > 0.9) || report.Rows != rows || report.Terms == 0 || len(report.C) != 2 ||
			len(report.PerLabel) != 2 ||
			(len(perLabel) == 2) != strings.Contains(strings.Join(c.args, " "), "thresholds") {
			t.Errorf("%v: %s", c.args, text)
		}
	}
	task.run(t, "model", "--dev", task.dev, "--max-steps", "2")
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the baseline of an earlier run is left: %v", err)
	}
	if _, stderr, code := bertlabel(t, "", "train", "--model", task.base, "--train", task.train, "--output", path+"x",
		"--baseline"); code != cli.ExitUsage || !strings.Contains(stderr, "give --dev or --folds") {
		t.Errorf("without dev: exit %d, %s", code, stderr)
	}
}
