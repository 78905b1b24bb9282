package bert

import "fmt"

// Batch is the tokens of some sequences, one after the other, without padding. Sequence s is tokens [Offsets[s], Offsets[s+1]): a text, or
// a window of a long one. Tokens of one sequence see each other, and their positions begin at 0. The zero Batch is empty.
type Batch struct {
	IDs      []int32 // word piece ids, [tokens]
	Segments []int32 // 0 for the first text of a pair, 1 for the second, [tokens]
	Offsets  []int   // [sequences+1], begins with 0

	// Where texts have windows, Kept are the tokens that pooling reads of each sequence, [sequences], and text t is the sequences
	// [First[t], First[t+1]), [texts+1]. Both nil or empty: every sequence is a text, and all of its tokens are read.
	Kept  []Range
	First []int
}

// Range is the tokens [Start, End) of a batch.
type Range struct{ Start, End int }

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	b.IDs, b.Segments, b.Offsets, b.Kept, b.First = b.IDs[:0], b.Segments[:0], b.Offsets[:0], b.Kept[:0], b.First[:0]
}

// Append adds one text of one sequence. ids and segments have the same length, at least 1, and are copied.
func (b *Batch) Append(ids, segments []int32) {
	b.appendSequence(ids, segments)
	if len(b.First) > 0 {
		n := len(b.IDs)
		b.Kept = append(b.Kept, Range{n - len(ids), n})
		b.First = append(b.First, len(b.Kept))
	}
}

func (b *Batch) appendSequence(ids, segments []int32) {
	if len(b.Offsets) == 0 {
		b.Offsets = append(b.Offsets, 0)
	}
	b.IDs = append(b.IDs, ids...)
	b.Segments = append(b.Segments, segments...)
	b.Offsets = append(b.Offsets, len(b.IDs))
}

// AppendWindow adds a sequence of whose tokens pooling reads [keptStart, keptEnd) only. It is a text of its own, or, if more is set,
// another window of the text before it.
func (b *Batch) AppendWindow(ids, segments []int32, keptStart, keptEnd int, more bool) {
	if len(b.First) == 0 { // all so far are whole
		b.First = append(b.First, 0)
		for s := range b.Sequences() {
			b.Kept = append(b.Kept, Range{b.Offsets[s], b.Offsets[s+1]})
			b.First = append(b.First, s+1)
		}
	}
	start := len(b.IDs)
	b.appendSequence(ids, segments)
	b.Kept = append(b.Kept, Range{start + keptStart, start + keptEnd})
	if more {
		b.First = b.First[:len(b.First)-1]
	}
	b.First = append(b.First, len(b.Kept))
}

// AppendText adds text t of another batch, with its windows.
func (b *Batch) AppendText(from *Batch, t int) {
	first, end := from.sequencesOf(t)
	for s := first; s < end; s++ {
		start, stop := from.Offsets[s], from.Offsets[s+1]
		ids, segments := from.IDs[start:stop], from.Segments[start:stop]
		if kept := from.keptOf(s); end-first > 1 || kept != (Range{start, stop}) {
			b.AppendWindow(ids, segments, kept.Start-start, kept.End-start, s > first)
		} else {
			b.Append(ids, segments)
		}
	}
}

// Sequences returns the number of sequences.
func (b *Batch) Sequences() int { return max(0, len(b.Offsets)-1) }

// Texts returns the number of texts.
func (b *Batch) Texts() int {
	if len(b.First) > 0 {
		return len(b.First) - 1
	}
	return b.Sequences()
}

// sequencesOf returns the sequences [first, end) of a text.
func (b *Batch) sequencesOf(text int) (first, end int) {
	if len(b.First) == 0 {
		return text, text + 1
	}
	return b.First[text], b.First[text+1]
}

// Text returns the tokens [start, end) of a text, those of all its windows.
func (b *Batch) Text(text int) (start, end int) {
	first, last := b.sequencesOf(text)
	return b.Offsets[first], b.Offsets[last]
}

// Windows returns of how many sequences a text is made.
func (b *Batch) Windows(text int) int {
	first, end := b.sequencesOf(text)
	return end - first
}

// keptOf returns the tokens that pooling reads of a sequence.
func (b *Batch) keptOf(sequence int) Range {
	return keptRows(sequence, b.Offsets, b.Kept)
}

// windowed reports whether a text has several sequences.
func (b *Batch) windowed() bool { return b.Texts() != b.Sequences() }

// Tokens returns the number of tokens of all texts.
func (b *Batch) Tokens() int { return len(b.IDs) }

// Check returns nil if a model of configuration c can read the batch, else what is out of range in which text.
func (b *Batch) Check(c *Config) error {
	if len(b.Kept) > 0 && len(b.Kept) != b.Sequences() {
		return fmt.Errorf("batch keeps tokens of %d of its %d sequences", len(b.Kept), b.Sequences())
	}
	if len(b.Segments) != len(b.IDs) {
		return fmt.Errorf("batch has %d ids and %d segments", len(b.IDs), len(b.Segments))
	}
	for s := range b.Sequences() {
		n, kept := b.Offsets[s+1]-b.Offsets[s], b.keptOf(s)
		switch {
		case n < 1 || n > c.MaxPositionEmbeddings:
			return fmt.Errorf("text %d of the batch has %d tokens, expected 1 to %d (max_position_embeddings)", s, n,
				c.MaxPositionEmbeddings)
		case kept.Start < b.Offsets[s] || kept.End > b.Offsets[s+1] || kept.Start >= kept.End:
			return fmt.Errorf("window %d of the batch keeps tokens %d to %d of %d to %d", s, kept.Start, kept.End, b.Offsets[s], b.Offsets[s+1])
		}
	}
	for i, id := range b.IDs {
		if id < 0 || int(id) >= c.VocabSize {
			return fmt.Errorf("token %d of the batch has id %d, expected 0 to %d (vocab_size)", i, id, c.VocabSize-1)
		}
		if s := b.Segments[i]; s < 0 || int(s) >= c.TypeVocabSize {
			return fmt.Errorf("token %d of the batch has segment %d, expected 0 to %d (type_vocab_size)", i, s, c.TypeVocabSize-1)
		}
	}
	return nil
}
