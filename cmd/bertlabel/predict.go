package main

import (
	"errors"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/diagnosis"
	"bertlabel/train/data"

	"github.com/spf13/cobra"
)

func newPredictCmd(a *app) *cobra.Command {
	var (
		input, outputPath, format string
		threshold                 float32
		topK                      int
		logits                    bool
	)
	cmd := &cobra.Command{
		Use:   "predict",
		Short: "Predict the labels of texts: one line out for each row in, in order, as soon as it is known",
		Example: "  bertlabel predict --model model --input texts.csv --output predictions.jsonl\n" +
			"  echo '{\"text\": \"My parcel never came.\"}' | bertlabel predict --model model\n" +
			"  bertlabel predict --model model --input texts.tsv --output-format csv --threshold 0.3",
	}
	models := addModelFlags(cmd)
	rows := addDataFlags(cmd, data.ReportBadRows)
	f := cmd.Flags()
	f.StringVar(&input, "input", "-", "`FILE` of texts; - is stdin")
	f.StringVar(&outputPath, "output", "-", "`FILE` to write; - is stdout")
	f.StringVar(&format, "output-format", "jsonl", "jsonl, csv or tsv (id, then one probability a label)")
	f.Float32Var(&threshold, "threshold", 0, "probability above which a label is predicted (default: the model's)")
	f.IntVar(&topK, "top-k", 0, "show the K most probable labels only, most probable first")
	f.BoolVar(&logits, "logits", false, "add the logits")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := oneOf("output-format", format, "jsonl", "csv", "tsv"); err != nil {
			return err
		}
		if changed := cmd.Flags().Changed("threshold"); changed && !(threshold >= 0 && threshold <= 1) {
			return usagef("--threshold %v: want 0 to 1", threshold)
		}
		if topK < 0 || format != "jsonl" && (topK > 0 || logits) {
			return usagef("--top-k wants 1 or more, and like --logits the output format jsonl")
		}
		m, err := models.openWithHead(a)
		if err != nil {
			return err
		}
		if cmd.Flags().Changed("threshold") {
			for i := range m.Thresholds {
				m.Thresholds[i] = threshold
			}
		} else {
			sayTuning(a, m)
		}
		a.found(diagnoseModel(m)...)
		scores := diagnosis.NewScores(m.Labels, m.Thresholds)
		in, err := newRowStream(a, m, rows, input, "predict")
		if err != nil {
			return err
		}
		out, err := a.createOutput(outputPath)
		if err != nil {
			return err
		}
		defer out.Discard()
		writer := newPredictionWriter(out, format, m, topK, logits)
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
		a.found(scores.Findings()...)
		a.found(scores.Unlabelled()...)
		return errors.Join(writer.Flush(), out.Commit(), in.verdict())
	}
	return cmd
}

// writePredictions writes a chunk of rows, those that could not be read with their error.
func writePredictions(w *predictionWriter, chunk []readRow, predictions []model.Prediction) error {
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
