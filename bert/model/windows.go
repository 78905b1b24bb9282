package model

import (
	"context"
	"sync"

	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
)

// Lengths returns how much of a text the model reads.
func (m *Model) Lengths() tokenizer.Lengths {
	return tokenizer.Lengths{MaxSeqLength: m.MaxSeqLength, Windows: m.Windows}
}

// appendSequence adds a window of a text to a batch: as a text of its own, or, if more is set, as one more of the text before it.
func appendSequence(b *bert.Batch, e *tokenizer.Encoding, window int, more bool) {
	w := e.Sequence(window)
	ids, segments := e.IDs[w.Start:w.End], e.Segments[w.Start:w.End]
	if len(e.Windows) == 0 {
		b.Append(ids, segments)
		return
	}
	b.AppendWindow(ids, segments, w.KeptStart-w.Start, w.KeptEnd-w.Start, more)
}

// AppendTo adds the text to a batch, with all its windows.
func AppendTo(b *bert.Batch, e *tokenizer.Encoding) {
	for w := range e.Sequences() {
		appendSequence(b, e, w, w > 0)
	}
}

// WindowShare is what a window has of what is said of its text.
type WindowShare struct {
	Start, End int // bytes [Start, End) of the text whose tokens count in this window
	Tokens     int // that count, with the [CLS] and [SEP] of the text

	// [labels]. Those of all windows add up to the logits of the text; with NoisyOr to −ln(1 − p) of its probabilities: a window of share s
	// would make the label 1 − e^−s probable by itself.
	Shares []float64
}

// PredictWindows is PredictEncoded, bit for bit, that also returns the shares of each text's windows, [len(texts)]; texts[i] is of[i] as m
// encodes it. A mean goes to the windows by what is in them, a maximum to the window that has it, the bias by the tokens that count. With
// NoisyOr each window has its own −ln(1 − p_w), scaled where the text's logit is calibrated.
func (m *Model) PredictWindows(ctx context.Context, texts []tokenizer.Encoding, of []Text) ([]Prediction, [][]WindowShare, error) {
	return m.predictWindows(texts, of, func(windows []tokenizer.Encoding) (*tensor.Tensor, error) {
		return m.Features(ctx, windows, m.Pooling, nil)
	})
}

// predictWindows is PredictWindows, with the features of windows, [windows, width], as they are computed.
func (m *Model) predictWindows(texts []tokenizer.Encoding, of []Text,
	compute func(windows []tokenizer.Encoding) (*tensor.Tensor, error)) ([]Prediction, [][]WindowShare, error) {
	if m.Head == nil {
		return nil, nil, errNoHead
	}
	windows, first := Separate(texts)
	features, err := compute(windows)
	if err != nil {
		return nil, nil, ofText(err, first)
	}
	rows, begins := features, first
	if !m.noisyOr() {
		if rows, err = m.joinSeparate(texts, features, first); err != nil {
			return nil, nil, err
		}
		begins = nil
	}
	predictions, err := m.predictions(m.ScoreWindows(rows, begins))
	if err != nil {
		return nil, nil, err
	}
	shares := make([][]WindowShare, len(texts))
	for i := range texts {
		parts := features.SliceRows(first[i], first[i+1])
		shares[i] = m.passages(&texts[i], of[i])
		if err := m.share(shares[i], &texts[i], &parts, predictions[i].Logits); err != nil {
			return nil, nil, err
		}
	}
	return predictions, shares, nil
}

// Separate returns the windows of all texts as texts of their own, and where those of each text begin, [len(texts)+1]: what a scheduler
// takes. JoinSeparate puts together what was computed of them.
func Separate(texts []tokenizer.Encoding) (windows []tokenizer.Encoding, first []int) {
	first = []int{0}
	for i := range texts {
		for w := range texts[i].Sequences() {
			windows = append(windows, texts[i].Alone(w))
		}
		first = append(first, len(windows))
	}
	return windows, first
}

// JoinSeparate sets y [width] to the features of a text, bit for bit those of Features, given those of its windows by pooling, [windows,
// width]. The error says what the model lacks for pooling.
func (m *Model) JoinSeparate(y []float32, e *tokenizer.Encoding, windows *tensor.Tensor, pooling bert.Pooling) error {
	if windows.Rows == 1 {
		copy(y, windows.Row(0))
		return nil
	}
	return m.Encoder.JoinWindows(y, windows, pooling, kept(e))
}

// share sets the shares of a text's windows in its logits, given their features [windows, width]. Joined features scale with those of the
// windows, so with g the gradient of Σ_j y_j by them
//
//	share of window w = Σ_j weight_j · g_wj · features_wj + bias · n_w/n
//
// With NoisyOr they are those of shareProbability.
func (m *Model) share(shares []WindowShare, e *tokenizer.Encoding, features *tensor.Tensor, logits []float32) error {
	if m.noisyOr() {
		m.shareProbability(shares, features, logits)
		return nil
	}
	if len(shares) == 1 {
		for _, z := range logits {
			shares[0].Shares = append(shares[0].Shares, float64(z))
		}
		return nil
	}
	gradient, ones := tensor.New(features.Rows, features.Cols), make([]float32, features.Cols)
	for j := range ones {
		ones[j] = 1
	}
	if err := m.Encoder.JoinWindowsBackward(gradient, features, ones, m.Pooling, kept(e)); err != nil {
		return err
	}
	width, tokens := features.Cols, float64(e.Kept())
	for w := range shares {
		for l := range m.Labels {
			share := float64(m.Head.Bias.Value[l]) * float64(shares[w].Tokens) / tokens
			for j, weight := range m.Head.Weights.Value[l*width : (l+1)*width] {
				share += float64(weight) * float64(gradient.Row(w)[j]) * float64(features.Row(w)[j])
			}
			shares[w].Shares = append(shares[w].Shares, share)
		}
	}
	return nil
}

// passages returns where the tokens that count in each window stand in the text, without shares. A word whose pieces count in two windows
// is that of the first; a pair has no places.
func (m *Model) passages(e *tokenizer.Encoding, of Text) []WindowShare {
	shares := make([]WindowShare, e.Sequences())
	words, skip := m.Tokenizer.Words(of.A), 0
	if m.Tokenizer.Options().TruncateLeft {
		skip = e.Cut
	}
	next, pieces := 0, -skip   // the word to come, and the tokens of the text before it
	end, last := 1, e.Kept()-2 // of the tokens of the whole row that count so far, the first is [CLS]; of those of the text
	for i := range shares {
		w := e.Sequence(i)
		shares[i].Tokens = w.KeptEnd - w.KeptStart
		if len(shares) == 1 {
			shares[i].End = len(of.A)
			continue
		}
		end += shares[i].Tokens
		if i == 0 {
			end--
		}
		for first := true; next < len(words) && pieces < min(end-1, last); next++ {
			if pieces += words[next].Pieces; pieces > 0 && first {
				shares[i].Start, first = words[next].Start, false
			}
			shares[i].End = words[next].End
		}
	}
	return shares
}

// joining is a text whose windows are computed one by one, on several goroutines.
type joining struct {
	mu    sync.Mutex
	parts *tensor.Tensor // features of the windows that are there, [windows, width]; nil before the first one and after the last
	left  int            // windows that are not
}

// put keeps the features of a window. With the last one of its text they are joined, and whole is true.
func (r *featuresRun) put(s sequence, row []float32) (whole bool, err error) {
	j, e := r.joins[s.text], &r.texts[s.text]
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.parts == nil {
		j.parts = tensor.New(e.Sequences(), len(row))
	}
	copy(j.parts.Row(s.window), row)
	if j.left--; j.left > 0 {
		return false, nil
	}
	y := r.y.Row(s.text)
	err = r.m.Encoder.JoinWindows(y, j.parts, r.pooling, kept(e))
	j.parts = nil
	if at := tensor.NotFinite(y); err == nil && at >= 0 {
		err = &FeatureError{Text: s.text, Feature: at, Value: y[at]}
	}
	return true, err
}

// kept returns which tokens count in each window.
func kept(e *tokenizer.Encoding) []bert.Range {
	ranges := make([]bert.Range, e.Sequences())
	for i := range ranges {
		w := e.Sequence(i)
		ranges[i] = bert.Range{Start: w.KeptStart, End: w.KeptEnd}
	}
	return ranges
}
