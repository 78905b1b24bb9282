package model

import (
	"context"
	"fmt"
	"slices"

	"bertlabel/asm"
	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
	"bertlabel/layers"
	"bertlabel/tensor"
)

// WindowPooling says how a model comes from the windows of a text to the logits of it. A text of one window has the same bits either way.
type WindowPooling string

const (
	// PoolFeatures joins what the encoder gives for the windows (bert.Model.JoinWindows), and the head reads that: for labels that a text
	// has as a whole. The empty WindowPooling of a model stands for it.
	PoolFeatures WindowPooling = "features"

	// NoisyOr runs the head on each window, whose tokens that count are a text of their own, and joins the probabilities: p = 1 − Π(1 − p_w)
	// (layers.NoisyOr). It is for labels that hang on one passage. A calibration is of the text's logit (Model.Calibration).
	NoisyOr WindowPooling = "noisy-or"
)

// ParseWindowPooling reads features or noisy-or.
func ParseWindowPooling(s string) (WindowPooling, error) {
	if w := WindowPooling(s); w == PoolFeatures || w == NoisyOr {
		return w, nil
	}
	return "", fmt.Errorf("found %q, want %s or %s", s, PoolFeatures, NoisyOr)
}

// String returns what ParseWindowPooling reads.
func (w WindowPooling) String() string {
	if w == "" {
		return string(PoolFeatures)
	}
	return string(w)
}

// Calibration is the line that makes the logit of a text from what noisy-or gives for it: slope·z + intercept. It cannot be a part of the
// head, as noisy-or is not linear in the windows' logits. The zero Calibration changes nothing.
type Calibration struct {
	Slope     float64 `json:"slope"` // above 0; 0 with an intercept of 0: no calibration
	Intercept float64 `json:"intercept"`
}

// of returns the calibrated logit.
func (c Calibration) of(z float64) float64 {
	if c.Slope == 0 {
		return z
	}
	return c.Slope*z + c.Intercept
}

// slope returns the derivative of of.
func (c Calibration) slope() float64 {
	if c.Slope == 0 {
		return 1
	}
	return c.Slope
}

// noisyOr reports whether the head reads windows one by one.
func (m *Model) noisyOr() bool { return m.WindowPooling == NoisyOr }

// calibration returns that of a label.
func (m *Model) calibration(label int) Calibration {
	if m.Calibration == nil {
		return Calibration{}
	}
	return m.Calibration[label]
}

// Calibrate makes label l, whose logit was z, have slope[l]·z + intercept[l]; both are [labels]. The line becomes a part of the head, or
// with NoisyOr joins m.Calibration.
func (m *Model) Calibrate(slope, intercept []float64) {
	if !m.noisyOr() {
		m.Head.Rescale(slope, intercept)
		return
	}
	lines := make([]Calibration, len(slope))
	for l := range lines { // slope·(a·z + b) + intercept
		before := m.calibration(l)
		lines[l] = Calibration{slope[l] * before.slope(), slope[l]*before.Intercept + intercept[l]}
	}
	m.Calibration = lines
}

// calibrate gives logits [labels] their calibration.
func (m *Model) calibrate(logits []float32) {
	for l, c := range m.Calibration {
		logits[l] = float32(c.of(float64(logits[l])))
	}
}

// ScoreWindows is Score for texts of several windows by noisy-or, given the features of the windows, [windows, width]: text t has the
// windows [first[t], first[t+1]). The tensors are [texts, labels]; a nil first says that each row is a text.
func (m *Model) ScoreWindows(features *tensor.Tensor, first []int) (logits, probabilities *tensor.Tensor) {
	logits, probabilities = m.Head.ScoreWindows(features, first)
	if m.Calibration != nil {
		for t := range logits.Rows {
			m.calibrate(logits.Row(t))
		}
		asm.Best.Sigmoid(probabilities.Data, logits.Data)
	}
	return logits, probabilities
}

// scoreRow is ScoreWindows for one text, given the features of its windows one after the other.
func (m *Model) scoreRow(features, logits, probabilities []float32) {
	width := m.Head.Weights.Shape[1]
	if len(features) == width {
		m.Head.ScoreRow(logits, probabilities, features)
	} else {
		windows := tensor.From(features, len(features)/width, width)
		z, _ := m.Head.ScoreWindows(windows, []int{0, windows.Rows})
		copy(logits, z.Data)
	}
	m.calibrate(logits)
	asm.Best.Sigmoid(probabilities, logits)
}

// WindowFeatures is Features for the windows of the texts as texts of their own, [windows, width]: text t has the rows
// [first[t], first[t+1]). progress is told of texts, as far as windows say it.
func (m *Model) WindowFeatures(ctx context.Context, texts []tokenizer.Encoding, pooling bert.Pooling, progress func(done int)) (
	features *tensor.Tensor, first []int, err error) {
	windows, first := Separate(texts)
	of := progress
	if progress != nil && len(windows) > len(texts) {
		of = func(done int) { progress(done * len(texts) / len(windows)) }
	}
	if features, err = m.Features(ctx, windows, pooling, of); err != nil {
		return nil, nil, ofText(err, first)
	}
	return features, first, nil
}

// ofText makes an error about a window one about its text, given where the windows of each text begin.
func ofText(err error, first []int) error {
	if broken, ok := err.(*FeatureError); ok {
		at, _ := slices.BinarySearch(first, broken.Text+1)
		broken.Text = at - 1
	}
	return err
}

// ScoreEncoded runs encoder and head, which m must have, on texts that Encode has tokenised: their features [texts, width], by noisy-or
// those of all windows joined as Embed joins them, and logits and probabilities, both [texts, labels], with the bits of Predict. progress,
// unless nil, is told how many texts are done, by several goroutines at once. Errors are those of Features; CheckLogits looks at logits.
func (m *Model) ScoreEncoded(ctx context.Context, texts []tokenizer.Encoding, progress func(done int)) (
	features, logits, probabilities *tensor.Tensor, err error) {
	if !m.noisyOr() {
		if features, err = m.Features(ctx, texts, m.Pooling, progress); err == nil {
			logits, probabilities = m.Score(features)
		}
		return features, logits, probabilities, err
	}
	windows, first, err := m.WindowFeatures(ctx, texts, m.Pooling, progress)
	if err != nil {
		return nil, nil, nil, err
	}
	logits, probabilities = m.ScoreWindows(windows, first)
	features, err = m.joinSeparate(texts, windows, first)
	return features, logits, probabilities, err
}

// joinSeparate returns the features of texts from those of their windows, [texts, width].
func (m *Model) joinSeparate(texts []tokenizer.Encoding, windows *tensor.Tensor, first []int) (*tensor.Tensor, error) {
	joined := tensor.New(len(texts), windows.Cols)
	for i := range texts {
		parts := windows.SliceRows(first[i], first[i+1])
		if err := m.JoinSeparate(joined.Row(i), &texts[i], &parts, m.Pooling); err != nil {
			return nil, err
		}
	}
	return joined, nil
}

// shareProbability sets the shares of a text's windows in −ln(1 − p), given their features [windows, width] and its logits.
func (m *Model) shareProbability(shares []WindowShare, features *tensor.Tensor, logits []float32) {
	z, _ := m.Head.Score(features)
	of, width := make([]float64, len(shares)), z.Cols
	for l := range width {
		for w := range of {
			of[w] = float64(z.Row(w)[l])
		}
		layers.NoisyOrShares(of, of, float64(logits[l]))
		for w, share := range of {
			shares[w].Shares = append(shares[w].Shares, share)
		}
	}
}
