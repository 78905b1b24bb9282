package model

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/tensor/tensortest"
)

// goldenRow is a line of texts.jsonl.
type goldenRow struct {
	Text   string `json:"text"`
	TextB  string `json:"text_b"`
	Labels []int8 `json:"labels"`
}

func goldenRows(t *testing.T, dir string) (texts []Text, labels []int8) {
	t.Helper()
	for line := range strings.Lines(readText(t, filepath.Join(dir, "texts.jsonl"))) {
		var row goldenRow
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		texts, labels = append(texts, Text{A: row.Text, B: row.TextB}), append(labels, row.Labels...)
	}
	return texts, labels
}

// The committed tiny model, and its outputs in float64.
const (
	tinyModel   = "../testdata/tiny"
	tinyGoldens = "../testdata/golden"
)

// TestGoldens goes the whole way that Google's scripts go, from the texts and the folder to probabilities and loss. Our error against
// float64 is at most 2e-6 of the largest magnitude; on the shared models that, or twice the error of TensorFlow's own float32 run.
func TestGoldens(t *testing.T) {
	for _, library := range []string{"pytorch", "tensorflow"} {
		t.Run("tiny/"+library, func(t *testing.T) {
			golden := tensortest.ReadGolden(t, filepath.Join(tinyGoldens, library+".safetensors"))
			checkGoldens(t, open(t, tinyModel, nil), tinyGoldens, golden, golden)
		})
	}
	t.Run("shared", func(t *testing.T) {
		tensortest.Shared(t, "fixtures/numerics")
		for _, dir := range numerics(t)[1:] {
			t.Run(filepath.Base(dir), func(t *testing.T) {
				tf := tensortest.ReadGolden(t, filepath.Join(dir, "forward.safetensors"))
				truth := tensortest.ReadGolden(t, filepath.Join(dir, "forward64.safetensors"))
				m := open(t, filepath.Join(dir, "model_with_head"), nil)
				m.MaxSeqLength = tf["input_ids"].Shape[1]
				checkGoldens(t, m, dir, tf, truth)
			})
		}
	})
}

// checkGoldens compares what m says of the texts in dir with truth; tf, which may be truth, allows twice its own error.
func checkGoldens(t *testing.T, m *Model, dir string, tf, truth map[string]tensortest.Golden) {
	t.Helper()
	texts, labels := goldenRows(t, dir)
	var ids, mask, segments []float64
	for _, e := range m.encode(texts) {
		for _, v := range e.Pad(m.MaxSeqLength) {
			mask = append(mask, float64(v))
		}
		for i := range e.IDs {
			ids, segments = append(ids, float64(e.IDs[i])), append(segments, float64(e.Segments[i]))
		}
	}
	for name, got := range map[string][]float64{"input_ids": ids, "input_mask": mask, "segment_ids": segments} {
		if diff := tensortest.MaxDiff(t, got, tf[name].Data); diff != 0 {
			t.Errorf("%s differ", name)
		}
	}
	predictions, err := m.Predict(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	var logits, probabilities []float32
	for _, p := range predictions {
		logits, probabilities = append(logits, p.Logits...), append(probabilities, p.Probabilities...)
	}
	x := tensor.From(logits, len(texts), len(m.Labels))
	loss := layers.MeanLoss(layers.SigmoidCrossEntropy{}, tensor.New(x.Rows, x.Cols), x, labels, 0)
	for name, got := range map[string][]float64{
		"logits": tensortest.Widen(logits), "probabilities": tensortest.Widen(probabilities), "loss": {loss},
	} {
		theirs := tensortest.MaxDiff(t, tf[name].Data, truth[name].Data)
		ours := tensortest.MaxDiff(t, got, truth[name].Data)
		bound := max(2*theirs, 2e-6*tensortest.MaxAbs(truth[name].Data))
		t.Logf("%-13s error %.1e, bound %.1e", name, ours, bound)
		if !(ours <= bound) {
			t.Errorf("%s: error %g, bound %g", name, ours, bound)
		}
	}
	checkPredicted(t, m, predictions)
}

// checkPredicted compares Predicted with its definition at several thresholds, one of them a probability itself.
func checkPredicted(t *testing.T, m *Model, predictions []Prediction) {
	for _, threshold := range []float32{0.5, 0, 1, predictions[0].Probabilities[1]} {
		for i := range m.Thresholds {
			m.Thresholds[i] = threshold
		}
		for _, p := range predictions {
			var want []string
			for i, v := range p.Probabilities {
				if v > threshold {
					want = append(want, m.Labels[i])
				}
			}
			if got := m.Predicted(p); strings.Join(got, "|") != strings.Join(want, "|") || got == nil {
				t.Errorf("threshold %v, probabilities %v: %v", threshold, p.Probabilities, got)
			}
		}
	}
}

// The exact GELU is another function: it moves the logits by more than rounding does, and by no more than it should.
func TestHiddenActMatters(t *testing.T) {
	check := func(t *testing.T, model, texts string, golden map[string]tensortest.Golden) {
		m := open(t, model, &Options{HiddenAct: "gelu_erf"})
		m.MaxSeqLength = golden["input_ids"].Shape[1]
		rows, _ := goldenRows(t, texts)
		predictions, err := m.Predict(t.Context(), rows)
		if err != nil {
			t.Fatal(err)
		}
		var logits []float64
		for _, p := range predictions {
			logits = append(logits, tensortest.Widen(p.Logits)...)
		}
		diff := tensortest.MaxDiff(t, logits, golden["logits"].Data)
		t.Logf("the logits move by %g", diff)
		if !(diff > 1e-5 && diff < 1e-2) {
			t.Errorf("%s: the logits move by %g", model, diff) // the fixtures' README: 3e-4
		}
	}
	check(t, tinyModel, tinyGoldens, tensortest.ReadGolden(t, filepath.Join(tinyGoldens, "pytorch.safetensors")))
	t.Run("shared", func(t *testing.T) {
		tensortest.Shared(t, "fixtures/numerics")
		for _, dir := range numerics(t)[1:] {
			check(t, filepath.Join(dir, "model_with_head"), dir, tensortest.ReadGolden(t, filepath.Join(dir, "forward64.safetensors")))
		}
	})
}
