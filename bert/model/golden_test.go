package model

import (
	"encoding/json"
	"math"
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

// TestGoldens goes the whole way that Google's scripts go, from the texts and the folder to probabilities and loss. Our error
// against float64 is at most twice that of TensorFlow's own float32 run, or 2e-6 of the largest magnitude where that is tiny.
func TestGoldens(t *testing.T) {
	for _, dir := range numerics(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			tf := tensortest.ReadGolden(t, filepath.Join(dir, "forward.safetensors"))
			truth := tensortest.ReadGolden(t, filepath.Join(dir, "forward64.safetensors"))
			m := open(t, filepath.Join(dir, "model_with_head"), nil)
			m.MaxSeqLength = tf["input_ids"].Shape[1]
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
			loss := layers.MeanLoss(layers.SigmoidCrossEntropy{}, tensor.New(x.Rows, x.Cols), x, labels, len(labels))
			for name, got := range map[string][]float64{
				"logits": tensortest.Widen(logits), "probabilities": tensortest.Widen(probabilities), "loss": {loss},
			} {
				theirs := tensortest.MaxDiff(t, tf[name].Data, truth[name].Data)
				ours := tensortest.MaxDiff(t, got, truth[name].Data)
				bound := max(2*theirs, 2e-6*tensortest.MaxAbs(truth[name].Data))
				t.Logf("%-13s error %.1e, TensorFlow's %.1e, bound %.1e", name, ours, theirs, bound)
				if !(ours <= bound) {
					t.Errorf("%s: error %g, TensorFlow's %g, bound %g", name, ours, theirs, bound)
				}
			}
			checkPredicted(t, m, predictions)
		})
	}
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
	for _, dir := range numerics(t) {
		truth := tensortest.ReadGolden(t, filepath.Join(dir, "forward64.safetensors"))["logits"].Data
		m := open(t, filepath.Join(dir, "model_with_head"), &Options{HiddenAct: "gelu_erf"})
		texts, _ := goldenRows(t, dir)
		m.MaxSeqLength = tensortest.ReadGolden(t, filepath.Join(dir, "forward64.safetensors"))["input_ids"].Shape[1]
		predictions, err := m.Predict(t.Context(), texts)
		if err != nil {
			t.Fatal(err)
		}
		var logits []float64
		for _, p := range predictions {
			logits = append(logits, tensortest.Widen(p.Logits)...)
		}
		if diff := tensortest.MaxDiff(t, logits, truth); !(diff > 1e-5 && diff < 1e-2) || math.IsNaN(diff) {
			t.Errorf("%s: the logits move by %g", dir, diff) // the fixtures' README: 3e-4
		}
	}
}
