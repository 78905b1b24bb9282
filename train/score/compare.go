package score

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/tensor"
	"bertlabel/train/data"
	"bertlabel/train/metrics"
)

// Outputs is what a model makes of the rows of a data set, in their order.
type Outputs struct {
	Precision     bert.Precision // of the model
	Embeddings    bert.Precision // of its word embeddings
	Features      *tensor.Tensor // [rows, width of the model's pooling]
	Logits        *tensor.Tensor // [rows, labels]
	Probabilities *tensor.Tensor // [rows, labels]
}

// Comparison says how far the results of a model in one precision are from those in another, on labelled rows. A change is the figure
// in Precision less that in Against.
type Comparison struct {
	Precision  string `json:"precision"`
	Embeddings string `json:"embeddings,omitempty"` // of the word embeddings beside Precision, "" for fp32; those beside Against are fp32
	Against    string `json:"against"`
	Rows       int    `json:"rows"`
	Labels     int    `json:"labels"`

	F1Macro               Change `json:"f1_macro"` // at the thresholds
	AveragePrecisionMacro Change `json:"average_precision_macro"`
	ROCAUCMacro           Change `json:"roc_auc_macro"`

	LogitRMS float64 `json:"logit_rms"` // root of the mean square of the changes of all logits
	LogitMax float64 `json:"logit_max"` // the greatest magnitude of a change

	Flips        int     `json:"flips"` // cells, their truth known or not, that one predicts and the other does not
	FlipsPer1000 float64 `json:"flips_per_1000"`
	FlippedRows  int     `json:"flipped_rows"` // rows with at least one of them

	// Of the features of a row in both precisions. The cosine with a row of zeros is 0, that of two of them 1.
	CosineMean  float64 `json:"cosine_mean"`
	CosineLeast float64 `json:"cosine_least"`
}

// Change is a figure in both precisions, and its change.
type Change struct {
	Value   metrics.Number `json:"value"`
	Against metrics.Number `json:"against"`
	Change  metrics.Number `json:"change"`
}

// Name returns Precision, and after a plus sign embeddings where these are in int8: int8, fp32+embeddings.
func (c *Comparison) Name() string {
	if c.Embeddings == "" {
		return c.Precision
	}
	return c.Precision + "+embeddings"
}

// PrecisionName returns the Name of comparisons of a model in the precisions that m has.
func PrecisionName(m *model.Model) string {
	c := comparisonOf(m.Precision(), m.Encoder.EmbeddingsPrecision())
	return c.Name()
}

func comparisonOf(precision, embeddings bert.Precision) *Comparison {
	c := &Comparison{Precision: precision.String()}
	if embeddings != bert.FP32 {
		c.Embeddings = embeddings.String()
	}
	return c
}

// Compare holds got beside want, two runs of one model over the same labelled rows, at thresholds, one for all labels or one for each. The
// error is one of metrics.Evaluate, or says what does not go together.
func Compare(rows *data.Dataset, thresholds []float32, got, want *Outputs) (*Comparison, error) {
	if rows == nil || rows.Labels == nil || got == nil || want == nil {
		return nil, errors.New("score: a comparison needs labelled rows and two runs over them")
	}
	c := comparisonOf(got.Precision, got.Embeddings)
	c.Against, c.Rows, c.Labels = want.Precision.String(), rows.Rows(), rows.Labels.Len()
	if want.Embeddings != bert.FP32 {
		return nil, fmt.Errorf("score: compared with a run whose word embeddings are in %s, want %s", want.Embeddings, bert.FP32)
	}
	for _, o := range []*Outputs{got, want} {
		if o.Logits.Rows != c.Rows || o.Logits.Cols != c.Labels || o.Features.Rows != c.Rows || o.Features.Cols != want.Features.Cols {
			return nil, fmt.Errorf("score: logits [%d, %d] and features [%d, %d] for %d rows with %d labels and features [%d, %d]", o.Logits.Rows,
				o.Logits.Cols, o.Features.Rows, o.Features.Cols, c.Rows, c.Labels, want.Features.Rows, want.Features.Cols)
		}
	}
	if err := c.judge(rows, thresholds, got, want); err != nil {
		return nil, err
	}
	c.compareLogits(got.Logits.Data, want.Logits.Data)
	c.countFlips(thresholds, got.Probabilities, want.Probabilities)
	c.compareFeatures(got.Features, want.Features)
	return c, nil
}

// judge evaluates both.
func (c *Comparison) judge(rows *data.Dataset, thresholds []float32, got, want *Outputs) error {
	var reports [2]*metrics.Report
	for i, o := range []*Outputs{got, want} {
		var err error
		d := metrics.Data{Labels: rows.Labels.Names(), Truth: rows.Y, Scores: o.Probabilities.Data}
		if reports[i], err = metrics.Evaluate(d, thresholds); err != nil {
			return err
		}
	}
	change := func(of func(*metrics.Report) metrics.Number) Change {
		value, against := of(reports[0]), of(reports[1])
		return Change{value, against, value - against}
	}
	c.F1Macro = change(func(r *metrics.Report) metrics.Number { return r.F1Macro })
	c.AveragePrecisionMacro = change(func(r *metrics.Report) metrics.Number { return r.AveragePrecisionMacro })
	c.ROCAUCMacro = change(func(r *metrics.Report) metrics.Number { return r.ROCAUCMacro })
	return nil
}

func (c *Comparison) compareLogits(got, want []float32) {
	squares := 0.0
	for i, z := range got {
		change := math.Abs(float64(z) - float64(want[i]))
		squares += change * change
		c.LogitMax = max(c.LogitMax, change)
	}
	c.LogitRMS = math.Sqrt(squares / float64(len(got)))
}

func (c *Comparison) countFlips(thresholds metrics.Thresholds, got, want *tensor.Tensor) {
	for i := range c.Rows {
		flips := 0
		for j, p := range got.Row(i) {
			if at := thresholds.Of(j); (p > at) != (want.Row(i)[j] > at) {
				flips++
			}
		}
		if c.Flips += flips; flips > 0 {
			c.FlippedRows++
		}
	}
	c.FlipsPer1000 = 1000 * float64(c.Flips) / float64(c.Rows*c.Labels)
}

func (c *Comparison) compareFeatures(got, want *tensor.Tensor) {
	c.CosineLeast = 1
	for i := range c.Rows {
		cos := cosine(got.Row(i), want.Row(i))
		c.CosineMean += cos / float64(c.Rows)
		c.CosineLeast = min(c.CosineLeast, cos)
	}
}

// cosine returns the cosine of the angle between x and y, in float64; 1 exactly where they are equal.
func cosine(x, y []float32) float64 {
	var xy, xx, yy float64
	for i, v := range x {
		xy += float64(v) * float64(y[i])
		xx += float64(v) * float64(v)
		yy += float64(y[i]) * float64(y[i])
	}
	switch {
	case slices.Equal(x, y):
		return 1
	case xx == 0 || yy == 0:
		return 0
	}
	return xy / (math.Sqrt(xx) * math.Sqrt(yy))
}
