package model

import (
	"slices"
	"testing"

	"bertlabel/bert"
)

// Outputs can be taken away, renamed and put in another order: the logits of the others keep their bits.
func TestOutputs(t *testing.T) {
	m := tinyWithHead(t, 1, bert.Mean)
	texts := []Text{{A: "the cat"}, {A: "a dog sat"}}
	before, err := m.Predict(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	old := m.Outputs()
	labels, thresholds := slices.Clone(m.Labels), slices.Clone(m.Thresholds)
	renamed := old[2]
	renamed.Label = "new"
	m.SetOutputs([]Output{renamed, old[0]})
	if !slices.Equal(m.Labels, []string{"new", labels[0]}) || !slices.Equal(m.Thresholds, []float32{thresholds[2], thresholds[0]}) {
		t.Errorf("labels %q, thresholds %v", m.Labels, m.Thresholds)
	}
	again := open(t, saved(t, m), nil)
	after, err := again.Predict(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	for i := range before {
		if !sameBits(after[i].Logits[0], before[i].Logits[2]) || !sameBits(after[i].Logits[1], before[i].Logits[0]) {
			t.Errorf("text %d: logits %v, were %v", i, after[i].Logits, before[i].Logits)
		}
	}
	old[0].Weights[0]++
	if again.Outputs()[1].Weights[0] == old[0].Weights[0] {
		t.Error("Outputs shares memory with the model")
	}
	if tiny(t, 1).Outputs() != nil {
		t.Error("outputs without a head")
	}
}
