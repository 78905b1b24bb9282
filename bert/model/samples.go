package model

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"bertlabel/bert"
)

// Sample is a text with what the model says of it: whoever puts a model into service can see that it still says that. It is a member of
// the list "samples" of bertlabel.json, made by MakeSamples or written there by hand. Another head, other outputs and another training
// drop the samples.
type Sample struct {
	Text          string             `json:"text"`
	Pair          string             `json:"text_pair,omitempty"`
	Probabilities map[string]float32 `json:"probabilities"` // of some labels, or all
}

// sampleTexts are what MakeSamples asks: nobody's texts: capitals, accents, marks, a pair, more than short texts.
var sampleTexts = []Text{{A: "My parcel never came, and nobody answers!"}, {A: "What does it cost?", B: "Nothing at all."},
	{A: "Café Zoë: 3 m² for 7 €, really? #wow"}, {A: strings.Repeat("A very long letter of thanks to all of you. ", 6)}}

// maxSampleLabels bounds the labels of a sample.
const maxSampleLabels = 64

// MakeSamples replaces m.Samples by what m says of four fixed texts: each label is in one of them, as far as they have room for all. A
// model without a head, or whose weights are rounded (bert.Model.Rounds), has none. The error is that of Predict.
func (m *Model) MakeSamples(ctx context.Context) error {
	m.Samples = nil
	if m.Head == nil || m.Encoder.Rounds() {
		return nil
	}
	predictions, err := m.Predict(ctx, sampleTexts)
	if err != nil {
		return err
	}
	var samples []Sample
	for i, t := range sampleTexts {
		s := Sample{Text: t.A, Pair: t.B, Probabilities: map[string]float32{}}
		for l := i % len(m.Labels); l < len(m.Labels) && len(s.Probabilities) < maxSampleLabels; l += len(sampleTexts) {
			s.Probabilities[m.Labels[l]] = predictions[i].Probabilities[l]
		}
		samples = append(samples, s)
	}
	m.Samples = samples
	return nil
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

// SampleTolerance is how far a probability may be from that of a sample. Over 307 texts and two heads of MiniLM with 28 labels another
// CPU's kernels, which sum in another order, move probabilities by up to 1.1e-6, bf16 by 0.0066, int8 by 0.045. All are given room, as
// other models differ more, a good model must not be refused, and a wrong one differs by much more on one of its samples at least.
func (m *Model) SampleTolerance() float64 {
	switch {
	case m.Precision() == bert.FP32 && m.Encoder.EmbeddingsPrecision() == bert.FP32:
		return 1e-4
	case m.Precision() == bert.BF16 && m.Encoder.EmbeddingsPrecision() == bert.FP32:
		return 0.05
	}
	return 0.2
}

// CheckSample reports the first label, by its name, whose probability, [labels], is not that of s. The error names it, both values and the
// text.
func (m *Model) CheckSample(s *Sample, probabilities []float32) error {
	for _, label := range slices.Sorted(maps.Keys(s.Probabilities)) {
		got, want := probabilities[slices.Index(m.Labels, label)], s.Probabilities[label]
		if diff := math.Abs(float64(got) - float64(want)); !(diff <= m.SampleTolerance()) {
			return fmt.Errorf("the sample %.60q has a probability of %v for %q, expected %v ± %v: the model is damaged, or was changed after "+
				"its samples were made (bertlabel.json)", s.Text, got, label, want, m.SampleTolerance())
		}
	}
	return nil
}
