package scorecmd

import (
	"errors"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/train/data"
	"bertlabel/train/diagnosis"

	"github.com/spf13/cobra"
)

func NewPredictCmd(a *cli.App) *cobra.Command {
	p := &predicting{a: a}
	cmd := &cobra.Command{
		Use:   "predict",
		Short: "Predict the labels of texts: one line out for each row in, in order, as soon as it is known",
		Example: "  bertlabel predict --model model --input texts.csv --output predictions.jsonl\n" +
			"  echo '{\"text\": \"My parcel never came.\"}' | bertlabel predict --model model\n" +
			"  bertlabel predict --model model --input texts.tsv --output-format csv --threshold 0.3",
	}
	p.models = flags.AddModel(cmd)
	p.rows = flags.AddData(cmd, data.ReportBadRows)
	f := cmd.Flags()
	f.StringVar(&p.input, "input", "-", "`FILE` of texts; - is stdin")
	f.StringVar(&p.output, "output", "-", "`FILE` to write; - is stdout")
	f.StringVar(&p.format, "output-format", "jsonl", "jsonl, csv or tsv (id, then one probability a label)")
	f.Float32Var(&p.threshold, "threshold", 0, "probability above which a label is predicted (default: the model's)")
	f.IntVar(&p.topK, "top-k", 0, "show the K most probable labels only, most probable first")
	f.BoolVar(&p.logits, "logits", false, "add the logits")
	flags.AddPretty(cmd, &p.pretty)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := p.settle(cmd); err != nil {
			return err
		}
		return p.run(cmd)
	}
	return cmd
}

// predicting is one run of the verb.
type predicting struct {
	a                     *cli.App
	models                *flags.Model
	rows                  *flags.Data
	input, output, format string
	threshold             float32
	topK                  int
	logits, pretty        bool
}

// settle refuses flags that do not go together, and decides how predictions are shown.
func (p *predicting) settle(cmd *cobra.Command) error {
	changed := cmd.Flags().Changed
	if err := cli.OneOf("output-format", p.format, "jsonl", "csv", "tsv"); err != nil {
		return err
	}
	switch {
	case changed("threshold") && !(p.threshold >= 0 && p.threshold <= 1):
		return cli.Usagef("--threshold %v: want 0 to 1", p.threshold)
	case p.topK < 0 || p.format != "jsonl" && (p.topK > 0 || p.logits):
		return cli.Usagef("--top-k wants 1 or more, and like --logits the output format jsonl")
	case p.pretty && (changed("output-format") || p.logits):
		return cli.Usagef("--pretty is for people: it has no --output-format and no --logits")
	}
	if !changed("pretty") {
		p.pretty = p.output == "-" && p.a.OnTerminal() && !changed("output-format") && !p.logits
	}
	return nil
}

func (p *predicting) run(cmd *cobra.Command) error {
	source, err := p.models.Source()
	if err != nil {
		return err
	}
	m, err := source.OpenWithHead(p.a)
	if err != nil {
		return err
	}
	if cmd.Flags().Changed("threshold") {
		for i := range m.Thresholds {
			m.Thresholds[i] = p.threshold
		}
	} else {
		flags.SayTuning(p.a, m)
	}
	flags.Found(p.a, flags.DiagnoseModel(m)...)
	scores := diagnosis.NewScores(m.Labels, m.Predicts)
	in, err := newRowStream(p.a, m, p.rows, p.input, "predict")
	if err != nil {
		return err
	}
	out, err := p.a.CreateOutput(p.output)
	if err != nil {
		return err
	}
	defer out.Discard()
	writer := p.writer(out, m)
	err = in.run(cmd.Context(), func(chunk []readRow) error {
		predictions, err := m.PredictEncoded(cmd.Context(), encodings(chunk))
		if err != nil {
			return err
		}
		addScores(scores, chunk, predictions)
		return writePredictions(writer, chunk, predictions)
	})
	if err != nil {
		return err
	}
	flags.Found(p.a, scores.Findings()...)
	flags.Found(p.a, scores.Unlabelled()...)
	return errors.Join(writer.Flush(), out.Commit(), in.verdict())
}

// rowWriter writes the rows of predict in order.
type rowWriter interface {
	row(*data.Example, model.Prediction) error // a prediction
	refused(*data.Example, error) error        // in its place, a row that could not be read
	Flush() error                              // hands everything on to the writer below
}

func (p *predicting) writer(out *cli.Output, m *model.Model) rowWriter {
	if !p.pretty {
		return newPredictionWriter(out, p.format, m, p.topK, p.logits)
	}
	if p.output == "-" {
		p.a.Log.NoBar() // a progress bar would stand between the rows
	}
	return newPrettyPredictions(p.a.Canvas(out.Writer), m, p.topK)
}

// writePredictions writes a chunk of rows, those that could not be read with their error.
func writePredictions(w rowWriter, chunk []readRow, predictions []model.Prediction) error {
	for i := range chunk {
		var err error
		if chunk[i].err != nil {
			err = w.refused(&chunk[i].Example, chunk[i].err)
		} else {
			err = w.row(&chunk[i].Example, predictions[0])
			predictions = predictions[1:]
		}
		if err != nil {
			return err
		}
	}
	return w.Flush()
}

// addScores takes in a chunk of predicted rows; those that could not be read have no prediction.
func addScores(scores *diagnosis.Scores, chunk []readRow, predictions []model.Prediction) {
	for i := range chunk {
		if chunk[i].err == nil {
			scores.Add(chunk[i].Text+chunk[i].Pair, predictions[0].Probabilities)
			predictions = predictions[1:]
		}
	}
}
