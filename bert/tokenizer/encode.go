package tokenizer

import (
	"runtime"
	"slices"
	"sync/atomic"

	"bertlabel/tensor/parallel"
)

// Encoding is a text as BERT reads it, without padding: one row, or several windows, one after the other.
type Encoding struct {
	IDs      []int32 // [CLS] a [SEP], or [CLS] a [SEP] b [SEP]; of each window
	Segments []int32 // token_type_ids: 0 up to and including the first [SEP], 1 after it
	Cut      int     // how many tokens of the texts were left out to keep to the length
	Unknown  int     // how many of the tokens that count are [UNK]

	Windows []Window // nil: one row, all of whose tokens count
}

// Encode makes a row of a text and, unless it is empty or without any token, its pair: convert_single_example of
// run_classifier.py. maxLen counts [CLS] and [SEP] too; 0 leaves the texts whole, a number below 2 panics. A text is cut to
// maxLen − 2 tokens; of two, the longer one loses its last token, the second if they are equally long, until both have
// maxLen − 3. With Options.TruncateLeft it is the first token that goes. If nothing is left of the second there is no [SEP] for it either.
func (t *Tokenizer) Encode(text, pair string, maxLen int) Encoding {
	s := t.pool.Get().(*scratch)
	defer t.pool.Put(s)
	var cut int
	s.ids, s.segments, cut = t.AppendEncode(s.ids[:0], s.segments[:0], text, pair, maxLen)
	e := Encoding{IDs: slices.Clone(s.ids), Segments: slices.Clone(s.segments), Cut: cut}
	t.countUnknown(&e)
	return e
}

// countUnknown sets e.Unknown.
func (t *Tokenizer) countUnknown(e *Encoding) {
	for i := range e.Sequences() {
		w := e.Sequence(i)
		for _, id := range e.IDs[w.KeptStart:w.KeptEnd] {
			if id == t.unk {
				e.Unknown++
			}
		}
	}
}

// AppendEncode is Encode into buffers of the caller: it appends the row to ids and segments and returns them with the number of
// tokens left out. It allocates nothing but room in the two.
func (t *Tokenizer) AppendEncode(ids, segments []int32, text, pair string, maxLen int) ([]int32, []int32, int) {
	if maxLen < 2 && maxLen != 0 {
		panic("tokenizer: a row of fewer than 2 tokens has no room for [CLS] and [SEP]")
	}
	start := len(ids)
	ids = t.AppendIDs(append(ids, t.cls), text)
	ids = append(ids, t.sep)
	second := len(ids)
	ids = t.AppendIDs(ids, pair)

	a, b := second-start-2, len(ids)-second
	keepA, keepB := truncate(a, b, maxLen)
	row := ids[start+1:]
	if t.options.TruncateLeft {
		copy(row, row[a-keepA:a])
		copy(row[a+1:], row[a+1+b-keepB:]) // after [SEP]
	}
	copy(row[keepA:], row[a:a+1+keepB]) // [SEP] and the second text
	ids = ids[:start+1+keepA+1+keepB]
	for range keepA + 2 {
		segments = append(segments, 0)
	}
	if keepB > 0 {
		ids = append(ids, t.sep)
		for range keepB + 1 {
			segments = append(segments, 1)
		}
	}
	return ids, segments, a + b - keepA - keepB
}

// truncate returns how many tokens stay of a text of a tokens and its pair of b (_truncate_seq_pair).
func truncate(a, b, maxLen int) (keepA, keepB int) {
	switch {
	case maxLen == 0:
		return a, b
	case b == 0:
		return min(a, maxLen-2), 0
	}
	for a+b > max(0, maxLen-3) {
		if a > b {
			a--
		} else {
			b--
		}
	}
	return a, b
}

// Pad appends zeros to IDs and Segments up to the length n and returns the mask: 1 for each token, 0 for padding. A row that is
// longer than n stays as it is.
func (e *Encoding) Pad(n int) (mask []int32) {
	n = max(n, len(e.IDs))
	mask = make([]int32, n)
	for i := range e.IDs {
		mask[i] = 1
	}
	zeros := make([]int32, n-len(e.IDs))
	e.IDs, e.Segments = append(e.IDs, zeros...), append(e.Segments, zeros...)
	return mask
}

// EncodeBatch encodes texts[i] with pairs[i], or without when pairs is nil, into element i of the result, on all processors
// (GOMAXPROCS). Each row is as Encode makes it.
func (t *Tokenizer) EncodeBatch(texts, pairs []string, maxLen int) []Encoding {
	return t.EncodeBatchWindows(texts, pairs, maxLen, Windows{})
}

// EncodeBatchWindows is EncodeBatch for texts of several windows: each is as EncodeWindows makes it.
func (t *Tokenizer) EncodeBatchWindows(texts, pairs []string, maxLen int, w Windows) []Encoding {
	if pairs != nil && len(pairs) != len(texts) {
		panic("tokenizer: EncodeBatch with texts and pairs of different lengths")
	}
	const block = 32 // rows that a worker takes at a time
	rows := make([]Encoding, len(texts))
	var next atomic.Int64
	var workers parallel.Group
	for range min(runtime.GOMAXPROCS(0), (len(texts)+block-1)/block) {
		workers.Go(func() {
			for {
				hi := int(next.Add(block))
				lo := hi - block
				if lo >= len(texts) {
					return
				}
				for i := lo; i < min(hi, len(texts)); i++ {
					pair := ""
					if pairs != nil {
						pair = pairs[i]
					}
					rows[i] = t.EncodeWindows(texts[i], pair, maxLen, w)
				}
			}
		})
	}
	workers.Wait()
	return rows
}
