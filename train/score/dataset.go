package score

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
	"bertlabel/train/data"
	"bertlabel/train/metrics"
)

// Encode tokenises the texts of a data set, [rows], on all processors. cut counts the texts of more tokens than m reads, which were
// cut to that; with data.LongError the first of them is refused, with a *data.RowError. Other errors say what is missing.
func Encode(m *model.Model, rows *data.Dataset, onLong data.LongTexts) (texts []tokenizer.Encoding, cut int, err error) {
	if err := checkModel(m, false); err != nil {
		return nil, 0, err
	}
	if err := checkRows(rows); err != nil {
		return nil, 0, err
	}
	texts = m.Encode(rows.Texts, rows.Pairs)
	for i := range texts {
		if texts[i].Cut == 0 {
			continue
		}
		if cut++; onLong == data.LongError {
			return nil, 0, TooLong(&texts[i], rows.File, rows.Line(i), m.Lengths())
		}
	}
	return texts, cut, nil
}

// checkRows refuses no data set, and one that is not whole.
func checkRows(rows *data.Dataset) error {
	if rows == nil {
		return errors.New("score: no rows")
	}
	if err := rows.Check(); err != nil {
		return fmt.Errorf("score: %s %w", rows.File, err)
	}
	return nil
}

// Run takes every row of a data set through a model with a head. texts are the rows as Encode made them; nil: they are made here, and cut
// where they are too long. progress, unless nil, is told how many rows are done, by several goroutines at once. The error is a
// *NumberError for a logit or feature that is no number, the cause of ctx's end, or says what is missing.
func Run(ctx context.Context, m *model.Model, rows *data.Dataset, texts []tokenizer.Encoding, progress func(done int)) (*Outputs, error) {
	if err := checkModel(m, true); err != nil {
		return nil, err
	}
	if ctx == nil {
		return nil, errNoContext
	}
	if err := checkRows(rows); err != nil {
		return nil, err
	}
	if texts == nil {
		texts = m.Encode(rows.Texts, rows.Pairs)
	}
	if len(texts) != rows.Rows() {
		return nil, fmt.Errorf("score: %d rows of tokens for %d rows of %s", len(texts), rows.Rows(), rows.File)
	}
	place := func(text int) *data.Example { return &data.Example{File: rows.File, Line: rows.Line(text)} }
	features, logits, probabilities, err := m.ScoreEncoded(ctx, texts, progress)
	if err != nil {
		return nil, placed(err, place)
	}
	if err := m.CheckLogits(logits); err != nil {
		return nil, placed(err, place)
	}
	return &Outputs{m.Precision(), m.Encoder.EmbeddingsPrecision(), features, logits, probabilities}, nil
}

// Probabilities returns those of Run alone, [rows, labels] by the model's head.
func Probabilities(ctx context.Context, m *model.Model, rows *data.Dataset, texts []tokenizer.Encoding,
	progress func(done int)) (*tensor.Tensor, error) {
	o, err := Run(ctx, m, rows, texts, progress)
	if err != nil {
		return nil, err
	}
	return o.Probabilities, nil
}

// Evaluate says what labelled rows tell of a model: its figures at thresholds, one for all labels or one for each, [labels]; nil: the
// model's own. The labels of the rows have to be those of the model, in its order (load them with Options.Labels). Texts that are too
// long are cut. Errors are those of Probabilities, of metrics.Evaluate, or say what is missing.
func Evaluate(ctx context.Context, m *model.Model, rows *data.Dataset, thresholds []float32) (*metrics.Report, error) {
	if err := checkModel(m, true); err != nil {
		return nil, err
	}
	switch {
	case rows == nil:
		return nil, errors.New("score: no rows")
	case rows.Labels == nil:
		return nil, fmt.Errorf("score: %s was read without its labels", rows.File)
	case !slices.Equal(rows.Labels.Names(), m.Labels):
		return nil, fmt.Errorf("score: the labels of %s are not those of the model in its order: %.200q, want %.200q", rows.File,
			rows.Labels.Names(), m.Labels)
	}
	probabilities, err := Probabilities(ctx, m, rows, nil, nil)
	if err != nil {
		return nil, err
	}
	if thresholds == nil {
		thresholds = m.Thresholds
	}
	return metrics.Evaluate(metrics.Data{Labels: m.Labels, Truth: rows.Y, Scores: probabilities.Data}, thresholds)
}
