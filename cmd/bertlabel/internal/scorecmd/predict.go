// Package scorecmd has the verbs that run a trained model, and judge what it says: predict, eval, embed, explain, metrics.
package scorecmd

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/train/data"
	"bertlabel/train/diagnosis"
	"bertlabel/train/score"
	"bertlabel/train/shard"

	"github.com/spf13/cobra"
)

// predictOptions say which texts get labels, and how they are shown.
type predictOptions struct {
	Model         flags.Source
	Rows          *flags.Data
	Input, Output string
	Format        string // jsonl, csv or tsv
	Threshold     flags.Thresholds
	ExactlyOne    bool // the most probable label only, whatever the thresholds are
	TopK          int  // labels that are shown; 0: all
	Logits        bool // are shown, too
	WindowsDetail bool // what each window of a text has of the logits is shown, too
	Pretty        bool // bars for people instead of Format
	Shard         shards
	MetricsFile   string // figures of shards; "": nowhere
}

// NewPredict returns the verb predict.
func NewPredict(a *cli.App) *cobra.Command { return newPredictCmd(a, runPredict) }

func newPredictCmd(a *cli.App, run cli.Runner[predictOptions]) *cobra.Command {
	var o predictOptions
	cmd := &cobra.Command{
		Use:   "predict",
		Short: "Predict the labels of texts: one line out for each row in, in order, as soon as it is known",
		Example: "  bertlabel predict --model model --input texts.csv --output predictions.jsonl\n" +
			"  bertlabel predict --model model \"My parcel never came.\"\n" +
			"  bertlabel predict --model model --input texts.jsonl --output parts --shard 3/128",
	}
	models := flags.AddRunModel(cmd)
	flags.AddWindows(cmd, &models.Windows)
	o.Rows = flags.AddData(cmd, data.ReportBadRows)
	f := cmd.Flags()
	f.StringVar(&o.Input, "input", "-", "`FILE` of texts; - is stdin")
	f.StringArrayVar(&o.Rows.Texts, "text", nil, "a `TEXT` instead of a file, as an argument without a flag is; may come again")
	f.StringVar(&o.Output, "output", "-", "`FILE` to write; - is stdout")
	f.StringVar(&o.Format, "output-format", "",
		"jsonl; csv or tsv with a probability a label (default: by --output's suffix)")
	flags.AddThreshold(cmd, &o.Threshold)
	flags.AddExactlyOne(cmd, &o.ExactlyOne)
	f.IntVar(&o.TopK, "top-k", 0, "show the K most probable labels only, most probable first")
	f.BoolVar(&o.Logits, "logits", false, "add the logits")
	f.BoolVar(&o.WindowsDetail, "windows-detail", false, "add what each window of a text has of the logits")
	cli.Minor(cmd, "Model flags", "windows-detail")
	flags.AddPretty(cmd, &o.Pretty)
	addShard(cmd, &o.Shard, &o.MetricsFile)
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if err := o.takeTexts(args); err != nil {
			return err
		}
		if err := o.Threshold.Check(); err != nil {
			return err
		}
		if err := o.Shard.check(o.Input, o.Output, o.MetricsFile, len(o.Rows.Texts)); err != nil {
			return err
		}
		if err := o.setFormat(a); err != nil {
			return err
		}
		if err := o.check(f.Changed("output-format")); err != nil {
			return err
		}
		given := func(flag string) bool { return cli.OnCommandLine(cmd, flag) }
		if err := cli.RefuseUnused(given, cli.Unused{If: o.Format != "jsonl", Flags: []string{"threshold", "exactly-one"},
			Why: o.Format + " has the probabilities, and --output-format jsonl the labels too"}); err != nil {
			return err
		}
		if !f.Changed("pretty") {
			o.Pretty = o.Output == "-" && a.OnTerminal() && !f.Changed("output-format") && !o.Logits && !o.WindowsDetail
		}
		if o.Model, err = models.Source(); err != nil {
			return err
		}
		return run(cmd.Context(), a, o)
	}
	return cmd
}

// takeTexts takes the arguments as texts. One that is the name of a file, or the value of a flag that needs =, is none.
func (o *predictOptions) takeTexts(args []string) error {
	for _, arg := range args {
		if _, err := strconv.ParseBool(strings.ToLower(arg)); err == nil {
			return cli.Usagef("unexpected argument %q: the value of a flag that may stand alone follows =; a text is given by --text", arg)
		}
		if _, err := os.Stat(arg); err == nil {
			return cli.Usagef("%s is a file: give it by --input; if it is the text, by --text", arg)
		}
	}
	o.Rows.Texts = append(o.Rows.Texts, args...)
	if len(o.Rows.Texts) > 0 {
		if o.Input != "-" {
			return cli.Usagef("texts are given on the command line and by --input: want one of the two")
		}
		o.Input = "--text"
	}
	return nil
}

// setFormat fills in the format that the suffix of the output stands for, and says when another was asked for.
func (o *predictOptions) setFormat(a *cli.App) error {
	suffix, err := data.FormatOf(o.Output)
	if o.Shard.Of > 0 {
		suffix = "" // the output is a folder
	}
	if err != nil || suffix == data.FastText {
		suffix = ""
	}
	if o.Format == "" {
		o.Format = cmp.Or(string(suffix), "jsonl")
	}
	if err := cli.OneOf("output-format", o.Format, "jsonl", "csv", "tsv"); err != nil {
		return err
	}
	if suffix != "" && o.Output != "-" && o.Format != string(suffix) {
		a.Log.Warnf("%s is written as --output-format %s, which its name does not say", o.Output, o.Format)
	}
	return nil
}

// check refuses flags that do not go together. chosen says that the format was given.
func (o *predictOptions) check(chosen bool) error {
	switch {
	case o.ExactlyOne && o.Threshold != "":
		return cli.Usagef("--exactly-one takes the most probable label whatever the thresholds are: leave out --threshold")
	case o.TopK < 0 || o.Format != "jsonl" && (o.TopK > 0 || o.Logits || o.WindowsDetail):
		return cli.Usagef("--top-k wants 1 or more, and like --logits and --windows-detail the output format jsonl")
	case o.Pretty && (chosen || o.Logits || o.WindowsDetail || o.Shard.Of > 0):
		return cli.Usagef("--pretty is for people: it has no --output-format, no --logits, no --windows-detail and no --shard")
	}
	return nil
}

// open opens the model, and gives it what the flags say of its predictions.
func (o *predictOptions) open(a *cli.App) (*model.Model, error) {
	m, err := o.Model.OpenWithHead(a)
	if err != nil {
		return nil, err
	}
	if _, err := o.Rows.NameOutputs(m); err != nil {
		return nil, err
	}
	sayUnproved(a, &o.Model, m) // before another threshold makes it another model
	if thresholds, err := o.Threshold.ReadFor(a, m.Labels); err != nil {
		return nil, err
	} else if thresholds != nil {
		m.Thresholds = thresholds
	} else {
		flags.SayTuning(a, m)
	}
	m.ExactlyOne = m.ExactlyOne || o.ExactlyOne
	flags.Found(a, flags.DiagnoseModel(m)...)
	return m, nil
}

func runPredict(ctx context.Context, a *cli.App, o predictOptions) error {
	if o.Shard.Of > 0 {
		return o.makeParts(ctx, a)
	}
	m, err := o.open(a)
	if err != nil {
		return err
	}
	scores := diagnosis.NewScores(m.Labels, m.Predicts)
	in, err := newRowStream(a, m, o.Rows, o.Input, "predict", score.Options{Windows: o.WindowsDetail}, false)
	if err != nil {
		return err
	}
	out, err := a.CreateOutput(o.Output)
	if err != nil {
		return err
	}
	defer out.Discard()
	writer := o.writer(a, out, m, in.in)
	err = in.run(ctx, func(chunk []score.Row) error {
		for i := range chunk {
			row := &chunk[i]
			if row.Bad == nil {
				scores.Add(row.Text+row.Pair, row.Prediction.Probabilities)
			}
			if err := writer.row(row); err != nil {
				return err
			}
		}
		return writer.Flush()
	})
	if err != nil {
		return err
	}
	scores.Reading = in.reading
	if flags.Found(a, scores.Findings()...); !m.ExactlyOne {
		flags.Found(a, scores.Unlabelled()...)
	}
	return errors.Join(writer.Flush(), out.Commit(), in.verdict())
}

// makeParts makes shards instead of one output.
func (o *predictOptions) makeParts(ctx context.Context, a *cli.App) error {
	settings, err := o.settings()
	if err != nil {
		return err
	}
	s := &sharding{app: a, work: "predict", shards: o.Shard, source: &o.Model, rows: *o.Rows,
		open: func() (*model.Model, error) { return o.open(a) }, metrics: metricsFile{path: o.MetricsFile},
		Options: shard.Options{Input: o.Input, Output: o.Output, Settings: settings, Suffix: o.Format, NeedIDs: o.Format != "jsonl",
			Score: score.Options{Windows: o.WindowsDetail},
			NewWriter: func(w io.Writer, m *model.Model, first bool) shard.Writer {
				p := newPredictionWriter(w, o.Format, m, nil, o.TopK, o.Logits)
				p.begun = !first
				return partWriter{p}
			}}}
	return s.run(ctx)
}

// settings returns what the flags say that changes the output, beside those of model and data, by the keys of config files.
func (o *predictOptions) settings() (map[string]string, error) {
	settings := map[string]string{}
	labels, err := contents(o.Rows.LabelsFile)
	if err != nil {
		return nil, err
	}
	threshold := string(o.Threshold)
	if _, isFile, err := o.Threshold.Numbers(); err == nil && isFile && threshold != "" {
		if threshold, err = contents(threshold); err != nil {
			return nil, err
		}
	}
	for key, value := range map[string]string{"labels": labels, "threshold": threshold} {
		if value != "" {
			settings[key] = value
		}
	}
	if o.ExactlyOne {
		settings["exactly_one"] = "true"
	}
	if o.TopK > 0 {
		settings["top_k"] = strconv.Itoa(o.TopK)
	}
	if o.Logits {
		settings["logits"] = "true"
	}
	if o.WindowsDetail {
		settings["windows_detail"] = "true"
	}
	return settings, nil
}

// rowWriter writes the rows of predict in order.
type rowWriter interface {
	row(*score.Row) error // a prediction or, in its place, a row that could not be read
	Flush() error         // hands everything on to the writer below
}

// writer returns what writes rows in the form that was asked for.
func (o *predictOptions) writer(a *cli.App, out *cli.Output, m *model.Model, in *data.Reader) rowWriter {
	if !o.Pretty {
		return newPredictionWriter(out, o.Format, m, in, o.TopK, o.Logits)
	}
	if o.Output == "-" {
		a.Log.NoBar() // a progress bar would stand between the rows
	}
	return newPrettyPredictions(a.Canvas(out.Writer), m, o.TopK)
}
