package bert

import "fmt"

// Batch is the tokens of some texts, one after the other, without padding. Text t is tokens [Offsets[t], Offsets[t+1]).
// The zero Batch is empty.
type Batch struct {
	IDs      []int32 // word piece ids, [tokens]
	Segments []int32 // 0 for the first text of a pair, 1 for the second, [tokens]
	Offsets  []int   // [texts+1], begins with 0
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	b.IDs, b.Segments, b.Offsets = b.IDs[:0], b.Segments[:0], b.Offsets[:0]
}

// Append adds one text. ids and segments have the same length, at least 1, and are copied.
func (b *Batch) Append(ids, segments []int32) {
	if len(b.Offsets) == 0 {
		b.Offsets = append(b.Offsets, 0)
	}
	b.IDs = append(b.IDs, ids...)
	b.Segments = append(b.Segments, segments...)
	b.Offsets = append(b.Offsets, len(b.IDs))
}

// Texts returns the number of texts.
func (b *Batch) Texts() int { return max(0, len(b.Offsets)-1) }

// Tokens returns the number of tokens of all texts.
func (b *Batch) Tokens() int { return len(b.IDs) }

// Check returns nil if a model of configuration c can read the batch, else what is out of range in which text.
func (b *Batch) Check(c *Config) error {
	if len(b.Segments) != len(b.IDs) {
		return fmt.Errorf("batch has %d ids and %d segments", len(b.IDs), len(b.Segments))
	}
	for t := range b.Texts() {
		n := b.Offsets[t+1] - b.Offsets[t]
		if n < 1 || n > c.MaxPositionEmbeddings {
			return fmt.Errorf("text %d of the batch has %d tokens, expected 1 to %d (max_position_embeddings)", t, n,
				c.MaxPositionEmbeddings)
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
