package scorecmd

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/cmd/bertlabel/internal/report"
	"bertlabel/train/data"
	"bertlabel/train/diagnosis"
	"bertlabel/train/metrics"
	"bertlabel/train/score"

	"github.com/spf13/cobra"
)

// evalOptions say which model is evaluated on what, and how that is shown.
type evalOptions struct {
	Model      flags.Source
	Rows       *flags.Data
	Data       string
	Threshold  flags.Thresholds
	ExactlyOne bool            // the labels exclude each other
	Against    *bert.Precision // the model is compared with itself in this precision; nil: with nothing
	Page       string          // file for a page with all figures; "" for none
	Plots      string          // folder for its figures; "" for none
	Explained  int             // rows that the page explains
	Pretty     bool            // bars for people instead of JSON
	Call       report.Call
}

// NewEval returns the verb eval.
func NewEval(a *cli.App) *cobra.Command { return newEvalCmd(a, runEval) }

func newEvalCmd(a *cli.App, run cli.Runner[evalOptions]) *cobra.Command {
	var o evalOptions
	var against string
	cmd := &cobra.Command{
		Use:   "eval",
		Short: "Evaluate a model on labelled texts: JSON on stdout, a table on stderr",
		Example: "  bertlabel eval --model model --data test.csv\n" +
			"  bertlabel eval --model model --data test.csv --report report.html > metrics.json\n" +
			"  bertlabel eval --model model --data test.csv --precision int8 --against fp32",
	}
	models := flags.AddRunModel(cmd)
	flags.AddWindows(cmd, &models.Windows)
	o.Rows = flags.AddData(cmd, data.StopAtBadRow)
	f := cmd.Flags()
	f.StringVar(&o.Data, "data", "", "`FILE` of labelled texts")
	flags.AddThreshold(cmd, &o.Threshold)
	flags.AddExactlyOne(cmd, &o.ExactlyOne)
	f.StringVar(&against, "against", "",
		"`PRECISION` to compare with: what --precision changes, kept in the model's folder where it is fp32")
	f.StringVar(&o.Page, "report", "", "`FILE` for a page with all figures, the rows most wrong and those likely mislabelled")
	f.IntVar(&o.Explained, "explain-rows", 10, "rows most wrong that the report explains word by word")
	flags.AddPlots(cmd, &o.Plots)
	flags.AddPretty(cmd, &o.Pretty)
	cli.Required(cmd, "data")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if err := o.check(); err != nil {
			return err
		}
		if o.Page == "" && cli.OnCommandLine(cmd, "explain-rows") {
			return cli.Usagef("--explain-rows would change nothing: the rows are explained in the page of --report")
		}
		if !f.Changed("pretty") {
			o.Pretty = a.OnTerminal()
		}
		if o.Model, err = models.Source(); err != nil {
			return err
		}
		if err := o.setAgainst(against); err != nil {
			return err
		}
		o.Model.Gradients = o.Page != "" && o.Explained > 0
		o.Call = report.CallOf(cmd, nil)
		return run(cmd.Context(), a, o)
	}
	return cmd
}

// check refuses values that mean nothing, and a place for the report before the long work.
func (o *evalOptions) check() error {
	if err := o.Threshold.Check(); err != nil {
		return err
	}
	if o.Page == "-" {
		return cli.Usagef("--report -: stdout has the metrics; want a file")
	}
	if _, err := os.Stat(filepath.Dir(o.Page)); o.Page != "" && err != nil {
		return cli.WithCode(cli.ExitUsage, fmt.Errorf("--report: %w", err))
	}
	if info, err := os.Stat(o.Page); err == nil && info.IsDir() {
		return cli.Usagef("--report %s is a folder, want a file", o.Page)
	}
	if info, err := os.Stat(o.Plots); err == nil && !info.IsDir() {
		return cli.Usagef("--plots %s is a file, want a folder", o.Plots)
	}
	if o.Explained < 0 {
		return cli.Usagef("--explain-rows %d: want 0 or more", o.Explained)
	}
	return nil
}

// evaluation is one run of the verb.
type evaluation struct {
	evalOptions
	app        *cli.App
	start      time.Time
	files      *flags.Reading
	m          *model.Model
	set        *data.Dataset
	texts      []tokenizer.Encoding
	reading    diagnosis.Reading
	thresholds []float32 // of --threshold, one or one for each label; nil: the model's
	scores     []float32 // probabilities, [rows, labels]
	result     *metrics.Report

	reference  *score.Outputs // in the precision Against
	comparison *score.Comparison
}

func runEval(ctx context.Context, a *cli.App, o evalOptions) (err error) {
	e := &evaluation{evalOptions: o, app: a, start: time.Now()}
	if e.files, err = o.Rows.Read(a); err != nil {
		return err
	}
	if o.Against != nil {
		if err := e.runReference(ctx); err != nil {
			return err
		}
	}
	if e.m, err = e.open(o.Model); err != nil {
		return err
	}
	if e.thresholds, err = o.Threshold.Read(a, e.m.Labels); err != nil {
		return err
	}
	flags.Found(a, flags.DiagnoseModel(e.m)...)
	if o.Threshold == "" {
		flags.SayTuning(a, e.m)
	}
	if err := e.load(); err != nil {
		return err
	}
	if err := e.evaluate(ctx); err != nil {
		return err
	}
	if o.Page != "" || o.Plots != "" {
		if err := e.report(ctx); err != nil {
			return err
		}
	}
	return e.print()
}

// open opens a model and settles the names of its labels, by which rows are read.
func (e *evaluation) open(source flags.Source) (m *model.Model, err error) {
	if m, err = source.OpenWithHead(e.app); err == nil {
		e.files.Options.Labels, err = e.Rows.NameOutputs(m)
	}
	return m, err
}

// load reads the rows, unless that is done.
func (e *evaluation) load() (err error) {
	if e.set != nil {
		return nil
	}
	e.set, err = e.files.Load(e.Data)
	return err
}

// evaluate compares what the model says with what the rows say, and with what it says in another precision.
func (e *evaluation) evaluate(ctx context.Context) error {
	outputs, err := e.run(ctx, "predict")
	if err != nil {
		return err
	}
	e.scores = outputs.Probabilities.Data
	thresholds := e.thresholds
	if thresholds == nil {
		thresholds = e.m.Thresholds
	}
	e.result, err = metrics.Evaluate(metrics.Data{Labels: e.m.Labels, Truth: e.set.Y, Scores: e.scores}, thresholds)
	if err != nil {
		return err
	}
	if e.m.ExactlyOne = e.m.ExactlyOne || e.ExactlyOne; e.m.ExactlyOne {
		addAccuracy(e.app, e.result, metrics.Data{Labels: e.m.Labels, Truth: e.set.Y, Scores: e.scores})
	}
	flags.DiagnoseScores(e.app, e.set, e.result, e.scores, e.reading)
	if e.reference == nil {
		return nil
	}
	if e.comparison, err = score.Compare(e.set, thresholds, outputs, e.reference); err == nil {
		e.keep()
	}
	return err
}

// run takes all rows through the model, whose progress is shown as work.
func (e *evaluation) run(ctx context.Context, work string) (outputs *score.Outputs, err error) {
	if e.texts == nil {
		if e.texts, e.reading, err = flags.Encode(e.app, e.m, e.set, e.Rows.OnLong); err != nil {
			return nil, err
		}
	}
	steps := len(e.texts)
	e.app.Log.Progress(work, cli.Progress{Steps: steps})
	defer e.app.Log.Done()
	return score.Run(ctx, e.m, e.set, e.texts, func(done int) {
		e.app.Log.Progress(work, cli.Progress{Step: done, Steps: steps, Examples: done})
	})
}

// print writes what was found: bars, or JSON with a table for people on stderr.
func (e *evaluation) print() error {
	if e.Pretty {
		err := writeReport(e.app.Canvas(e.app.Stdout), e.result)
		if err == nil && e.comparison != nil {
			err = writeComparison(e.app.Stdout, e.comparison)
		}
		return err
	}
	if e.comparison == nil {
		return printReport(e.app, e.result)
	}
	return e.printCompared()
}

// report writes the page and its figures.
func (e *evaluation) report(ctx context.Context) (err error) {
	r := report.New(e.app, e.Call, e.m, e.start)
	r.Title = report.Base(e.Model.Path) + " on " + filepath.Base(e.Data)
	r.Facts = []report.Pair{{Name: "model", Value: e.Model.Path}, {Name: "data", Value: e.Data},
		{Name: "rows", Value: strconv.Itoa(e.set.Rows())}, {Name: "labels", Value: strconv.Itoa(len(e.m.Labels))}}
	if p := e.m.Precision(); p != bert.FP32 {
		r.Facts = append(r.Facts, report.Pair{Name: "precision", Value: p.String()})
	}
	r.Scored = report.NewScored(e.set, e.scores, e.result)
	var training struct {
		BestMetric string `json:"best_metric"`
	}
	if json.Unmarshal(e.m.Training(), &training) == nil { // the model's own course of training, where its folder still has it
		r.History, _ = report.HistoryOf(e.Model.Path, training.BestMetric)
	}
	if e.Page != "" {
		if r.Scored.Explanations, err = explainWrong(ctx, e.app, e.m, e.set, r.Scored, e.Explained); err != nil {
			return err
		}
	}
	return r.Write(e.app, e.Page, e.Plots)
}
