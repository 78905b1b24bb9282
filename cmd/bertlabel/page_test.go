package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// train always leaves a page: with dev rows all figures, else its curves; eval makes one where it is asked to.
func TestReportPage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	base := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 3, "", nil))
	data, dev := write("train.csv", cmdtest.LabelledCSV(40, 1)), write("dev.csv", cmdtest.LabelledCSV(30, 2))
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, c := range []struct {
		name    string
		args    []string
		has, no []string
	}{
		{"plain", nil, []string{"Loss", "Learning rate", "--num-train-epochs"}, []string{"F1 of each label", "Rows that are most wrong"}},
		{"head", []string{"--dev", dev},
			[]string{"Loss", "F1 of each label", "Reliability", "Rows that are most wrong", "features of train.csv",
				"bertlabel train --model="},
			nil},
		{"baseline", []string{"--dev", dev, "--baseline"}, []string{"Against TF-IDF", "average_precision_macro"}, nil},
		{"exact", []string{"--dev", dev, "--solver", "lbfgs", "--calibrate", "--tune-thresholds"}, []string{"F1 of each label"},
			[]string{"Learning rate"}},
		{"all", []string{"--dev", dev, "--tune", "all"}, []string{"F1 on dev", "F1 of each label"}, nil},
	} {
		output := filepath.Join(dir, c.name)
		args := []string{"train", "--model", base, "--train", data, "--output", output, "--pooling", "mean"}
		if !slices.Contains(c.args, "--solver") {
			args = append(args, "--log-steps", "1")
		}
		if _, stderr, code := bertlabel(t, "", append(args, c.args...)...); code != cli.ExitOK ||
			strings.Contains(stderr, "could not be written") {
			t.Fatalf("%s: exit %d, %s", c.name, code, stderr)
		}
		page := read(filepath.Join(output, "report.html"))
		for _, want := range c.has {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the page has no %q", c.name, want)
			}
		}
		for _, bad := range append(c.no, "<script", "NaN") {
			if strings.Contains(page, bad) {
				t.Errorf("%s: the page has %q", c.name, bad)
			}
		}
	}
	page, plots := filepath.Join(dir, "r.html"), filepath.Join(dir, "plots")
	if _, stderr, code := bertlabel(t, "", "eval", "--model", filepath.Join(dir, "head"), "--data", dev, "--report", page, "--plots",
		plots); code != cli.ExitOK {
		t.Fatalf("exit %d, %s", code, stderr)
	}
	if text := read(page); !strings.Contains(text, "bertlabel eval --model=") || !strings.Contains(text, "F1 of each label") ||
		!strings.Contains(text, "trained with: optimizer") {
		t.Errorf("eval's page of %d bytes", len(text))
	}
	cmdtest.OnlyFile(t, plots, "co-occurrence.png", "co-occurrence.svg", "confusion.png", "confusion.svg", "dev-f1.png", "dev-f1.svg",
		"f1.png", "f1.svg",
		"learning-rate.png", "learning-rate.svg", "loss.png", "loss.svg", "precision-recall.png", "precision-recall.svg", "reliability.png",
		"reliability.svg", "roc.png", "roc.svg", "scores.png", "scores.svg", "threshold-sweep.png", "threshold-sweep.svg")
	for _, bad := range []string{filepath.Join(dir, "no", "such", "folder.html"), "-"} {
		if _, stderr, code := bertlabel(t, "", "eval", "--model", filepath.Join(dir, "head"), "--data", dev, "--report",
			bad); code != cli.ExitUsage {
			t.Errorf("--report %s: exit %d, %s", bad, code, stderr)
		}
	}
}
