package scorecmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	htmlreport "bertlabel/cmd/bertlabel/internal/report"
	"bertlabel/train/data"
	"bertlabel/train/metrics"

	"github.com/spf13/cobra"
)

func NewEvalCmd(a *cli.App) *cobra.Command {
	e := &evaluation{a: a}
	cmd := &cobra.Command{
		Use:     "eval",
		Short:   "Evaluate a model on labelled texts: JSON on stdout, a table on stderr",
		Example: "  bertlabel eval --model model --data test.csv\n  bertlabel eval --model model --data test.csv --report report.html > metrics.json",
	}
	e.models, e.rows = flags.AddModel(cmd), flags.AddData(cmd, data.StopAtBadRow)
	f := cmd.Flags()
	f.StringVar(&e.data, "data", "", "`FILE` of labelled texts")
	f.Float32Var(&e.threshold, "threshold", 0, "probability above which a label is predicted (default: the model's)")
	f.StringVar(&e.page, "report", "", "`FILE` for a page with all figures, the rows most wrong and those likely mislabelled")
	f.IntVar(&e.explained, "explain-rows", 10, "rows most wrong that the report explains word by word")
	flags.AddPlots(cmd, &e.plots)
	flags.AddPretty(cmd, &e.pretty)
	cli.Required(cmd, "data")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return e.run(cmd) }
	return cmd
}

// evaluation is one run of the verb.
type evaluation struct {
	a          *cli.App
	models     *flags.Model
	rows       *flags.Data
	data, page string
	threshold  float32
	pretty     bool
	explained  int // rows of the page
	plots      string
}

// checkPage refuses a place for the report before the long work.
func (e *evaluation) checkPage() error {
	if e.page == "-" {
		return cli.Usagef("--report -: stdout has the metrics; want a file")
	}
	if _, err := os.Stat(filepath.Dir(e.page)); e.page != "" && err != nil {
		return cli.WithCode(cli.ExitUsage, fmt.Errorf("--report: %w", err))
	}
	if info, err := os.Stat(e.page); err == nil && info.IsDir() {
		return cli.Usagef("--report %s is a folder, want a file", e.page)
	}
	if info, err := os.Stat(e.plots); err == nil && !info.IsDir() {
		return cli.Usagef("--plots %s is a file, want a folder", e.plots)
	}
	if e.explained < 0 {
		return cli.Usagef("--explain-rows %d: want 0 or more", e.explained)
	}
	return nil
}

func (e *evaluation) run(cmd *cobra.Command) error {
	start := time.Now()
	if cmd.Flags().Changed("threshold") && !(e.threshold >= 0 && e.threshold <= 1) {
		return cli.Usagef("--threshold %v: want 0 to 1", e.threshold)
	}
	if err := e.checkPage(); err != nil {
		return err
	}
	files, err := e.rows.Read(e.a)
	if err != nil {
		return err
	}
	source, err := e.models.Source()
	if err != nil {
		return err
	}
	m, err := source.OpenWithHead(e.a)
	if err != nil {
		return err
	}
	flags.Found(e.a, flags.DiagnoseModel(m)...)
	thresholds := m.Thresholds
	if cmd.Flags().Changed("threshold") {
		thresholds = []float32{e.threshold}
	} else {
		flags.SayTuning(e.a, m)
	}
	if files.Options.Labels, err = data.NewLabelList(m.Labels, "the model's labels"); err != nil {
		return cli.WithCode(cli.ExitModel, err)
	}
	set, err := files.Load(e.data)
	if err != nil {
		return err
	}
	scores, err := score(cmd.Context(), e.a, m, set, files.Options.OnLong)
	if err != nil {
		return err
	}
	report, err := metrics.Evaluate(metrics.Data{Labels: m.Labels, Truth: set.Y, Scores: scores}, thresholds)
	if err != nil {
		return err
	}
	flags.DiagnoseScores(e.a, set, report, scores)
	if e.page != "" || e.plots != "" {
		r := htmlreport.New(e.a, cmd, m, start)
		r.Title = htmlreport.Base(e.models.Path) + " on " + filepath.Base(e.data)
		r.Facts = []htmlreport.Pair{{Name: "model", Value: e.models.Path}, {Name: "data", Value: e.data},
			{Name: "rows", Value: strconv.Itoa(set.Rows())}, {Name: "labels", Value: strconv.Itoa(len(m.Labels))}}
		r.Scored = htmlreport.NewScored(set, scores, report)
		var training struct {
			BestMetric string `json:"best_metric"`
		}
		if json.Unmarshal(m.Training(), &training) == nil { // the model's own course of training, where its folder still has it
			r.History, _ = htmlreport.HistoryOf(e.models.Path, training.BestMetric)
		}
		if e.page != "" {
			if r.Scored.Explanations, err = explainWrong(cmd.Context(), e.a, m, set, r.Scored, e.explained); err != nil {
				return err
			}
		}
		if err := r.Write(e.a, e.page, e.plots); err != nil {
			return err
		}
	}
	if e.pretty || !cmd.Flags().Changed("pretty") && e.a.OnTerminal() {
		return writeReport(e.a.Canvas(e.a.Stdout), report)
	}
	return printReport(e.a, report)
}

// score returns the probabilities of all rows of a data set, [rows, labels].
func score(ctx context.Context, a *cli.App, m *model.Model, set *data.Dataset, onLong data.LongTexts) ([]float32, error) {
	const work = "predict"
	encoded, err := flags.Encode(a, m, set, onLong)
	if err != nil {
		return nil, err
	}
	a.Log.Progress(work, cli.Progress{Steps: len(encoded)})
	defer a.Log.Done()
	features, err := m.Features(ctx, encoded, m.Pooling, func(done int) {
		a.Log.Progress(work, cli.Progress{Step: done, Steps: len(encoded), Examples: done})
	})
	if err != nil {
		return nil, err
	}
	logits, probabilities := m.Score(features)
	var broken *model.LogitError
	if errors.As(m.CheckLogits(logits), &broken) {
		return nil, fmt.Errorf("%s:%d: the logit of label %q is %v: the weights are broken", set.File, set.Lines[broken.Text], broken.Label, broken.Logit)
	}
	return probabilities.Data, nil
}
