package model

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/layers"
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

// MakeSamples has each label in one of four samples, which another precision holds, too; what is changed afterwards does not hold any more.
func TestMakeSamples(t *testing.T) {
	m := tinyWithHead(t, 1, bert.Mean)
	if err := m.MakeSamples(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range m.Samples {
		for label := range s.Probabilities {
			seen[label] = true
		}
	}
	if len(m.Samples) != 4 || len(seen) != len(m.Labels) {
		t.Errorf("%d samples with %d of %d labels", len(m.Samples), len(seen), len(m.Labels))
	}
	// check returns what the first sample says that does not hold.
	check := func(m *Model) (err error) {
		for i := range m.Samples {
			s := &m.Samples[i]
			p, e := m.Predict(t.Context(), []Text{{A: s.Text, B: s.Pair}})
			if e != nil {
				t.Fatal(e)
			}
			err = errors.Join(err, m.CheckSample(s, p[0].Probabilities))
		}
		return err
	}
	dir := saved(t, m)
	for _, o := range []*Options{nil, {Precision: bert.BF16}, {Precision: bert.Int8}, {Embeddings: bert.Int8}} {
		opened := open(t, dir, o)
		if !slices.EqualFunc(opened.Samples, m.Samples, func(a, b Sample) bool { return reflect.DeepEqual(a, b) }) {
			t.Errorf("%+v: other samples: %+v", o, opened.Samples)
		}
		if err := check(opened); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
		if rounds, err := opened.Encoder.Rounds(), opened.MakeSamples(t.Context()); err != nil || rounds != (opened.Samples == nil) {
			t.Errorf("%+v: rounded %t, %d samples made, %v", o, rounds, len(opened.Samples), err)
		}
	}
	for name, change := range map[string]func(m *Model){"weight": func(m *Model) { m.Encoder.Layers[0].OutputNorm.Beta.Value[3]++ },
		"bias": func(m *Model) { m.Head.Bias.Value[1] += 0.01 }, "pooling": func(m *Model) { m.Pooling = bert.CLS }} {
		opened := open(t, dir, nil)
		if change(opened); check(opened) == nil {
			t.Errorf("another %s is not seen", name)
		}
	}
	many := make([]string, 1000)
	for i := range many {
		many[i] = fmt.Sprint("label ", i)
	}
	m.SetHead(layers.NewClassifier(len(many), m.Head.Weights.Shape[1]), many, bert.Mean)
	for _, p := range m.Head.Params() {
		p.Value = make([]float32, p.Size())
	}
	if err := m.MakeSamples(t.Context()); err != nil || len(m.Samples) != 4 || len(m.Samples[3].Probabilities) != maxSampleLabels {
		t.Errorf("of 1,000 labels: %d samples, %v", len(m.Samples), err)
	}
	m.Head = nil
	if err := m.MakeSamples(t.Context()); err != nil || m.Samples != nil {
		t.Errorf("without a head: %v, %v", m.Samples, err)
	}
}
