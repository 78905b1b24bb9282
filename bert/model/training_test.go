package model

import (
	"slices"
	"testing"

	"bertlabel/bert"
)

// TestSaveWhileTraining: what Save writes are the values that training stepped, be it in the middle or behind the end.
func TestSaveWhileTraining(t *testing.T) {
	m := tiny(t, 11)
	trainer, err := m.Encoder.NewTrainer(bert.TrainerOptions{Layers: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	trained := trainer.Params()
	for _, p := range trained {
		for i := range p.Value {
			p.Value[i] += 1
		}
	}
	want := map[string][]float32{}
	for _, p := range m.Params() {
		want[p.Name] = slices.Clone(m.value(p))
	}
	for _, when := range []string{"in the middle", "at the end"} {
		dir := t.TempDir()
		if err := m.Save(dir, nil); err != nil {
			t.Fatal(err)
		}
		saved, err := Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range saved.Params() {
			if !slices.Equal(saved.value(p), want[p.Name]) {
				t.Errorf("%s: %s is saved with other values", when, p.Name)
			}
		}
		if when == "in the middle" {
			trainer.Release()
		}
	}
}
