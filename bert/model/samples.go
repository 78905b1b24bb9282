package model

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"bertlabel/bert"
)

// Sample is a text with what the model says of it: whoever puts a model into service can see that it still says that. It is a member of
// the list "samples" of bertlabel.json, written there by hand. Another head, other outputs and another training drop the samples.
type Sample struct {
	Text          string             `json:"text"`
	Pair          string             `json:"text_pair,omitempty"`
	Probabilities map[string]float32 `json:"probabilities"` // of some labels, or all
}

// check reports what is wrong with a sample, whatever the labels are.
func (s *Sample) check() error {
	if len(s.Probabilities) == 0 {
		return errors.New("no probabilities")
	}
	for _, label := range slices.Sorted(maps.Keys(s.Probabilities)) {
		if p := s.Probabilities[label]; !(p >= 0 && p <= 1) {
			return fmt.Errorf("probabilities: %q is %v, expected 0 to 1", label, p)
		}
	}
	return nil
}

// checkSamples reports a label that the model lacks.
func checkSamples(samples []Sample, labels []string) error {
	for i := range samples {
		for _, label := range slices.Sorted(maps.Keys(samples[i].Probabilities)) {
			if !slices.Contains(labels, label) {
				return fmt.Errorf("samples[%d]: %q is no label of the model", i, label)
			}
		}
	}
	return nil
}

// SampleTolerance is how far a probability may be from that of a sample. Another CPU's kernels sum in another order, which moves features
// of MiniLM by 1.6e-6; int8 moves its logits by up to 0.047, so probabilities by 0.012 (docs/precision.md). Both are given room, as
// other models differ more, and a wrong model differs by much more.
func (m *Model) SampleTolerance() float64 {
	if m.Precision() == bert.FP32 {
		return 1e-4
	}
	return 0.05
}

// CheckSample reports the first label, by its name, whose probability, [labels], is not that of s. The error names it, both values and the
// text.
func (m *Model) CheckSample(s *Sample, probabilities []float32) error {
	for _, label := range slices.Sorted(maps.Keys(s.Probabilities)) {
		got, want := probabilities[slices.Index(m.Labels, label)], s.Probabilities[label]
		if diff := math.Abs(float64(got) - float64(want)); !(diff <= m.SampleTolerance()) {
			return fmt.Errorf("the sample %.60q has a probability of %v for %q, expected %v ± %v", s.Text, got, label, want, m.SampleTolerance())
		}
	}
	return nil
}
