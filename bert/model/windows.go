package model

import (
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
	if len(e.Windows) < 2 {
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
