package model

import (
	"fmt"
	"slices"

	"bertlabel/layers"
)

// Output is one label of a head with all that is its own. Labels do not see each other, so what happens to one leaves the logits
// of the others as they are, bit for bit.
type Output struct {
	Label     string
	Weights   []float32 // its row of output_weights, [width of the features]
	Bias      float32
	Threshold float32 // probability above which the label is predicted

	Calibration Calibration // of the text's logit, with NoisyOr
}

// Outputs returns copies of the head's outputs in their order; none without a head.
func (m *Model) Outputs() (outputs []Output) {
	if m.Head == nil {
		return nil
	}
	width := m.Head.Weights.Shape[1]
	for i, label := range m.Labels {
		outputs = append(outputs, Output{label, slices.Clone(m.Head.Weights.Value[i*width : (i+1)*width]), m.Head.Bias.Value[i],
			m.Thresholds[i], m.calibration(i)})
	}
	return outputs
}

// SetOutputs makes these the outputs of the head, which goes on reading the same features. It panics without a head, without
// outputs, when one has weights of another width, and when one has a calibration that a model without NoisyOr has no place for.
func (m *Model) SetOutputs(outputs []Output) {
	width := m.Head.Weights.Shape[1]
	head := layers.NewClassifier(len(outputs), width)
	m.Labels, m.Thresholds, m.Calibration = nil, nil, nil
	for _, o := range outputs {
		if len(o.Weights) != width {
			panic(fmt.Sprintf("model.SetOutputs: %d weights for label %q, want %d", len(o.Weights), o.Label, width))
		}
		if !m.noisyOr() && o.Calibration != (Calibration{}) {
			panic(fmt.Sprintf("model.SetOutputs: a calibration of label %q, and window pooling %s", o.Label, m.WindowPooling))
		}
		head.Weights.Value = append(head.Weights.Value, o.Weights...)
		head.Bias.Value = append(head.Bias.Value, o.Bias)
		m.Labels = append(m.Labels, o.Label)
		m.Thresholds = append(m.Thresholds, o.Threshold)
		m.Calibration = append(m.Calibration, o.Calibration)
	}
	if !slices.ContainsFunc(m.Calibration, func(c Calibration) bool { return c != Calibration{} }) {
		m.Calibration = nil
	}
	m.Head, m.Unnamed, m.Samples = head, false, nil
}
