package score

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/tensor"
	"bertlabel/train/data"
)

// outputs makes some of logits [3, 2] and features [3, 2].
func outputs(p bert.Precision, logits, features []float32) *Outputs {
	o := &Outputs{p, bert.FP32, tensor.From(features, 3, 2), tensor.From(logits, 3, 2), tensor.New(3, 2)}
	for i, z := range logits {
		o.Probabilities.Data[i] = float32(1 / (1 + math.Exp(-float64(z))))
	}
	return o
}

func comparedRows(t *testing.T) *data.Dataset {
	t.Helper()
	rows, err := data.LoadFrom(strings.NewReader("text,a,b\nx,1,0\ny,0,1\nz,1,\n"), "rows.csv", data.Options{Format: data.CSV})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// Figures of three rows that can be worked out by hand.
func TestCompare(t *testing.T) {
	t.Parallel()
	rows := comparedRows(t)
	want := outputs(bert.FP32, []float32{1, -1, -1, 1, 1, -1}, []float32{1, 0, 0, 2, 3, 4})
	got := outputs(bert.Int8, []float32{1, -1, -1, 1, -1, 1}, []float32{1, 0, 0, 1, 4, 3})
	c, err := Compare(rows, []float32{0.5}, got, want)
	if err != nil {
		t.Fatal(err)
	}
	// Of label a the third row is lost: precision 1, recall 1/2. Of b the third row is not known: no change, but a flip.
	near := func(what string, got, want float64) {
		if !(math.Abs(got-want) < 1e-12) {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	near("F1", float64(c.F1Macro.Value), (2.0/3+1)/2)
	near("F1 of fp32", float64(c.F1Macro.Against), 1)
	near("change of F1", float64(c.F1Macro.Change), (2.0/3+1)/2-1)
	near("ROC AUC of a, 0.75, and of b, 1", float64(c.ROCAUCMacro.Value), 0.875)
	near("rms", c.LogitRMS, math.Sqrt(8.0/6))
	near("greatest change", c.LogitMax, 2)
	near("flips per 1,000", c.FlipsPer1000, 1000*2.0/6)
	near("mean cosine", c.CosineMean, (1+1+24.0/25)/3)
	near("least cosine", c.CosineLeast, 24.0/25)
	if c.Precision != "int8" || c.Against != "fp32" || c.Flips != 2 || c.FlippedRows != 1 || c.Rows != 3 || c.Labels != 2 {
		t.Errorf("%+v", c)
	}
	if c.Name() != "int8" || c.Embeddings != "" {
		t.Errorf("name %q, embeddings %q", c.Name(), c.Embeddings)
	}
	low := *want
	low.Embeddings = bert.Int8
	if c, err := Compare(rows, []float32{0.5}, &low, want); err != nil || c.Name() != "fp32+embeddings" || c.Embeddings != "int8" || c.Flips != 0 {
		t.Errorf("embeddings in int8: %+v, %v", c, err)
	}
	if _, err := Compare(rows, []float32{0.5}, got, &low); err == nil {
		t.Error("compared with embeddings in int8")
	}
	if same, err := Compare(rows, []float32{0.2, 0.9}, want, want); err != nil || same.LogitMax != 0 || same.Flips != 0 ||
		same.CosineLeast != 1 || same.F1Macro.Change != 0 {
		t.Errorf("with itself: %+v, %v", same, err)
	}
	if high, err := Compare(rows, []float32{0.9}, got, want); err != nil || high.Flips != 0 {
		t.Errorf("above all: %+v, %v", high, err)
	}
	for _, c := range []struct {
		rows      *data.Dataset
		got, want *Outputs
	}{{nil, got, want}, {rows, nil, want}, {rows, got, nil}, {rows, got, &Outputs{Logits: tensor.New(2, 2), Features: tensor.New(3, 2)}}} {
		if _, err := Compare(c.rows, []float32{0.5}, c.got, c.want); err == nil {
			t.Error("no error for what does not go together")
		}
	}
}

// A figure that does not exist is null, and read back as one that does not exist.
func TestComparisonJSON(t *testing.T) {
	t.Parallel()
	rows := comparedRows(t)
	for i := range rows.Y {
		rows.Y[i] = 0
	}
	o := outputs(bert.BF16, make([]float32, 6), make([]float32, 6))
	c, err := Compare(rows, []float32{0.5}, o, o)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(c)
	var read Comparison
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	if err != nil || !strings.Contains(string(text), `"roc_auc_macro":{"value":null,"against":null,"change":null}`) ||
		read.ROCAUCMacro.Change.Defined() || read.CosineLeast != 1 {
		t.Errorf("%s, %+v, %v", text, read, err)
	}
}

func TestCosine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		x, y []float32
		want float64
	}{{[]float32{0, 0}, []float32{0, 0}, 1}, {[]float32{0, 0}, []float32{1, 0}, 0}, {[]float32{3, 4}, []float32{-3, -4}, -1}} {
		if got := cosine(c.x, c.y); got != c.want {
			t.Errorf("%v, %v: %v, want %v", c.x, c.y, got, c.want)
		}
	}
	x := []float32{1e-3, 7, 0.3}
	if got := cosine(x, slices.Clone(x)); got != 1 {
		t.Errorf("with itself: %v", got)
	}
}
