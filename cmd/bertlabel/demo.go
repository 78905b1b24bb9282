package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/demo"

	"github.com/spf13/cobra"
)

// The size of the demo: enough rows for every label, few enough for a minute.
const (
	demoSeed      = 7
	demoTrainRows = 4000
	demoDevRows   = 500
	demoTestRows  = 1000
	demoShown     = 5 // texts whose prediction is printed
)

func newDemoCmd(a *cli.App) *cobra.Command {
	var (
		output    string
		overwrite bool
	)
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "See it work, with nothing but this binary: make data and a small BERT, train, evaluate, predict",
		Example: "  bertlabel demo\n  bertlabel demo --output /tmp/demo",
		Long: `Writes short consumer complaints with 8 overlapping labels and a small BERT with random weights, as a TensorFlow checkpoint, into
the output folder; then runs train, eval and predict on them, and prints each command, so that you can run it again by hand.`,
	}
	cmd.Flags().StringVar(&output, "output", "./bertlabel-demo", "`FOLDER` for data, model and results")
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "write into an --output folder that is not empty")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := cli.CheckOutputDir(output, false, overwrite); err != nil {
			return err
		}
		d := &demonstration{a: a, dir: output, data: demo.Generate(demoSeed, demoTrainRows, demoDevRows, demoTestRows)}
		return d.run(cmd.Context())
	}
	return cmd
}

// demonstration is one run of the verb.
type demonstration struct {
	a    *cli.App
	dir  string
	data demo.Data
}

func (d *demonstration) path(name ...string) string {
	return filepath.Join(append([]string{d.dir}, name...)...)
}

func (d *demonstration) run(ctx context.Context) error {
	if err := errors.Join(d.writeData(), d.writeModel()); err != nil {
		return err
	}
	if err := d.verb(ctx, io.Discard, "train", "--model", d.path("random-bert"), "--train", d.path("train.csv"), "--dev", d.path("dev.csv"),
		"--tune", "all", "--pooling", "mean", "--learning-rate", "0.001", "--num-train-epochs", "6", "--train-batch-size", "16", "--dropout", "0",
		"--output", d.path("model"), "--overwrite"); err != nil {
		return err
	}
	var report bytes.Buffer
	if err := d.verb(ctx, &report, "eval", "--model", d.path("model"), "--data", d.path("test.csv"), "--report", d.path("report.html")); err != nil {
		return err
	}
	if err := os.WriteFile(d.path("metrics.json"), report.Bytes(), 0o666); err != nil {
		return err
	}
	d.a.Log.Infof("for comparison: guessing each label as often as it occurs has a macro F1 of %.4f", d.guessing())
	var predictions bytes.Buffer
	if err := d.verb(ctx, &predictions, "predict", "--model", d.path("model"), "--input", d.path("test.csv"), "--top-k", "3"); err != nil {
		return err
	}
	if err := os.WriteFile(d.path("predictions.jsonl"), predictions.Bytes(), 0o666); err != nil {
		return err
	}
	for i, line := range strings.SplitN(predictions.String(), "\n", demoShown+1)[:demoShown] {
		if _, err := fmt.Fprintf(d.a.Stdout, "%s\n  is labelled %s\n  %s\n", d.data.Test[i].Text, strings.Join(labelsOf(d.data.Test[i]), ", "), line); err != nil {
			return err
		}
	}
	d.a.Log.Infof("all of it is in %s: open report.html and model/report.html in a browser; look at metrics.json, predictions.jsonl", d.dir)
	return nil
}

// verb runs one command line as a person would have typed it, after showing it.
func (d *demonstration) verb(ctx context.Context, stdout io.Writer, args ...string) error {
	shown := make([]string, len(args))
	for i, arg := range args {
		if shown[i] = arg; strings.ContainsAny(arg, " \"'\\$") {
			shown[i] = strconv.Quote(arg)
		}
	}
	d.a.Log.Infof("\n$ bertlabel %s", strings.Join(shown, " "))
	return d.a.Run(ctx, stdout, args...)
}

// writeData writes the three splits and the label list.
func (d *demonstration) writeData() error {
	if err := os.MkdirAll(d.dir, 0o777); err != nil {
		return err
	}
	d.a.Log.Infof("writing %d + %d + %d complaints with %d overlapping labels to %s", len(d.data.Train), len(d.data.Dev), len(d.data.Test), len(demo.Labels()), d.dir)
	var errs []error
	for name, rows := range map[string][]demo.Row{"train.csv": d.data.Train, "dev.csv": d.data.Dev, "test.csv": d.data.Test} {
		var b bytes.Buffer
		errs = append(errs, demo.WriteCSV(&b, rows), os.WriteFile(d.path(name), b.Bytes(), 0o666))
	}
	return errors.Join(errs...)
}

// writeModel writes a small BERT with random weights in the layout of Google's releases.
func (d *demonstration) writeModel() error {
	vocab := demo.Vocab(d.data.Train)
	lower := true
	m, err := model.New(demo.Config(len(vocab)), []byte(strings.Join(vocab, "\n")+"\n"), demoSeed, &model.Options{LowerCase: &lower, Threads: d.a.Threads})
	if err != nil {
		return err
	}
	c := m.Encoder.Config
	d.a.Log.Infof("writing a BERT with random weights (%d layers, hidden size %d, %d word pieces) to %s", c.NumHiddenLayers, c.HiddenSize, c.VocabSize, d.path("random-bert"))
	return m.Save(d.path("random-bert"), nil)
}

// guessing returns the macro F1 of a classifier that predicts label l with the probability p that it has: precision and recall
// are both p, and so is F1.
func (d *demonstration) guessing() (f1 float64) {
	for _, row := range d.data.Test {
		for _, has := range row.Labels {
			if has {
				f1 += 1 / float64(len(d.data.Test)*len(row.Labels))
			}
		}
	}
	return f1
}

func labelsOf(row demo.Row) (names []string) {
	for i, name := range demo.Labels() {
		if row.Labels[i] {
			names = append(names, name)
		}
	}
	return names
}
