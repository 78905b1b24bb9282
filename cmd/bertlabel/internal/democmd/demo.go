// Package democmd is the verb demo: it shows the others at work.
package democmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/demo"

	"github.com/spf13/cobra"
)

// Options say what the demo makes.
type Options struct {
	Folder                       string // for data, model and results
	Overwrite                    bool   // what is in the folder
	TrainRows, DevRows, TestRows int
}

const (
	seed  = 7
	shown = 5 // texts whose prediction is printed
)

// NewDemo returns the verb demo.
func NewDemo(a *cli.App) *cobra.Command {
	o := Options{TrainRows: 4000, DevRows: 500, TestRows: 1000} // enough rows for every label, few enough for a minute
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "See it work, with nothing but this binary: make data and a small BERT, train, evaluate, predict",
		Example: "  bertlabel demo\n  bertlabel demo --output /tmp/demo\n  bertlabel demo --tiny --kernels generic",
		Long: `Writes short consumer complaints with 8 overlapping labels and a small BERT with random weights, as a TensorFlow checkpoint, into
the output folder; then runs train, eval and predict on them, and prints each command, so that you can run it again by hand.`,
	}
	inSeconds := cmd.Flags().Bool("tiny", false,
		"train a BERT of 1,628 weights instead, take parts of it away, and see what it can no longer do (docs/guide/10-training.md)")
	cmd.Flags().StringVar(&o.Folder, "output", "./bertlabel-demo", "`FOLDER` for data, model and results")
	cmd.Flags().BoolVar(&o.Overwrite, "overwrite", false, "write into an --output folder that is not empty")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case !*inSeconds:
			return Run(cmd.Context(), a, o)
		case cmd.Flags().Changed("output") || o.Overwrite:
			return cli.Usagef("--tiny writes no files: it has no place beside --output and --overwrite")
		}
		return RunTiny(cmd.Context(), a)
	}
	return cmd
}

// Run makes data and model, and runs the verbs train, eval and predict of the app on them.
func Run(ctx context.Context, a *cli.App, o Options) error {
	if err := cli.CheckOutputDir(o.Folder, false, o.Overwrite); err != nil {
		return err
	}
	d := &demonstration{app: a, folder: o.Folder, data: demo.Generate(seed, o.TrainRows, o.DevRows, o.TestRows)}
	return d.run(ctx)
}

// demonstration is one run of the verb.
type demonstration struct {
	app    *cli.App
	folder string
	data   demo.Data
}

func (d *demonstration) path(name ...string) string {
	return filepath.Join(append([]string{d.folder}, name...)...)
}

func (d *demonstration) run(ctx context.Context) error {
	if err := errors.Join(d.writeData(), d.writeModel()); err != nil {
		return err
	}
	_, err := d.verb(ctx, "", "train", "--model", d.path("random-bert"), "--train", d.path("train.csv"), "--dev", d.path("dev.csv"),
		"--recipe", "google", "--tune", "all", "--pooling", "mean", "--learning-rate", "0.001", "--num-train-epochs", "6", "--train-batch-size", "16",
		"--dropout", "0",
		"--output", d.path("model"), "--overwrite")
	if err != nil {
		return err
	}
	_, err = d.verb(ctx, "metrics.json", "eval", "--model", d.path("model"), "--data", d.path("test.csv"), "--report",
		d.path("report.html"))
	if err != nil {
		return err
	}
	d.app.Log.Infof("for comparison: guessing each label as often as it occurs has a macro F1 of %.4f", d.guessing())
	predictions, err := d.verb(ctx, "predictions.jsonl", "predict", "--model", d.path("model"), "--input", d.path("test.csv"), "--top-k",
		"3")
	if err != nil {
		return err
	}
	for i, line := range strings.SplitN(predictions, "\n", shown+1)[:shown] {
		row := d.data.Test[i]
		if _, err := fmt.Fprintf(d.app.Stdout, "%s\n  is labelled %s\n  %s\n", row.Text, strings.Join(labelsOf(row), ", "),
			line); err != nil {
			return err
		}
	}
	d.app.Log.Infof("all of it is in %s: open report.html and model/report.html in a browser; look at metrics.json, predictions.jsonl",
		d.folder)
	return nil
}

// verb runs one command line as a person would have typed it, after showing it. It returns what goes to stdout, and leaves it in a file
// of the folder, unless result is empty.
func (d *demonstration) verb(ctx context.Context, result string, args ...string) (string, error) {
	words := make([]string, len(args))
	for i, arg := range args {
		if words[i] = arg; strings.ContainsAny(arg, " \"'\\$") {
			words[i] = strconv.Quote(arg)
		}
	}
	d.app.Log.Infof("\n$ bertlabel %s", strings.Join(words, " "))
	var stdout bytes.Buffer
	if err := d.app.Run(ctx, &stdout, args...); err != nil || result == "" {
		return "", err
	}
	return stdout.String(), os.WriteFile(d.path(result), stdout.Bytes(), 0o666)
}

// writeData writes the three splits and the label list.
func (d *demonstration) writeData() error {
	if err := os.MkdirAll(d.folder, 0o777); err != nil {
		return err
	}
	d.app.Log.Infof("writing %d + %d + %d complaints with %d overlapping labels to %s",
		len(d.data.Train), len(d.data.Dev), len(d.data.Test), len(demo.Labels()), d.folder)
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
	o := &model.Options{LowerCase: &lower, Threads: d.app.Threads}
	m, err := model.New(demo.Config(len(vocab)), []byte(strings.Join(vocab, "\n")+"\n"), seed, o)
	if err != nil {
		return err
	}
	c := m.Encoder.Config
	d.app.Log.Infof("writing a BERT with random weights (%d layers, hidden size %d, %d word pieces) to %s", c.NumHiddenLayers, c.HiddenSize,
		c.VocabSize, d.path("random-bert"))
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
