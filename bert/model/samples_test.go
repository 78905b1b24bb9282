package model

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert"
)

// A sample holds on every precision of the model that it was written for, and not of another one.
func TestSamples(t *testing.T) {
	m := tinyWithHead(t, 1, bert.Mean)
	sample := Sample{Text: "the cat sat", Probabilities: map[string]float32{}}
	of := func(m *Model) []float32 {
		p, err := m.Predict(t.Context(), []Text{{A: sample.Text}})
		if err != nil {
			t.Fatal(err)
		}
		return p[0].Probabilities
	}
	for i, p := range of(m) {
		sample.Probabilities[m.Labels[i]] = p
	}
	m.Samples = []Sample{sample}
	dir := saved(t, m)
	for _, p := range []bert.Precision{bert.FP32, bert.BF16, bert.Int8} {
		opened := open(t, dir, &Options{Precision: p})
		if err := opened.CheckSample(&opened.Samples[0], of(opened)); err != nil {
			t.Errorf("%v: %v", p, err)
		}
	}
	broken := of(m)
	for _, v := range []float32{broken[1] + 0.001, float32(math.NaN())} {
		broken[1] = v
		if err := m.CheckSample(&sample, broken); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", m.Labels[1])) {
			t.Errorf("a probability of %v: %v", v, err)
		}
	}
	for name, change := range map[string]func(m *Model){"head": func(m *Model) { m.SetHead(m.Head, m.Labels, m.Pooling) },
		"outputs": func(m *Model) { m.SetOutputs(m.Outputs()) }, "training": func(m *Model) { m.SetTraining(nil) }} {
		opened := open(t, dir, nil)
		if change(opened); opened.Samples != nil {
			t.Errorf("a new %s keeps the samples", name)
		}
	}
	path := filepath.Join(dir, "bertlabel.json")
	said := jsonFile(t, path)
	for want, sample := range map[string]any{
		`samples[0]: "x" is no label`: map[string]any{"text": "a", "probabilities": map[string]any{"x": 0.5}},
		"samples[0]: no probabil":     map[string]any{"text": "a"},
		`samples[0]: probabilities: `: map[string]any{"text": "a", "probabilities": map[string]any{m.Labels[0]: 1.5}},
	} {
		said["samples"] = []any{sample}
		writeJSON(t, path, said)
		_, err := Open(dir, nil)
		failsWith(t, want, err, path, want)
	}
}
