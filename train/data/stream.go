package data

import "math/rand/v2"

// Stream is the endless sequence of training rows: the rows of one epoch after the other. Batches are cut from it without
// regard to the border of epochs, so none is short (as run_classifier.py does with repeat, shuffle, batch in this order).
// Every position can be computed directly, so a run goes on from any step. A Stream is not for several goroutines at once.
type Stream struct {
	Rows    int    // rows of one epoch, at least 1
	Seed    uint64 // of the permutations
	Shuffle bool   // each epoch in an order of its own; else all in file order

	// Parts are the rows of parts that are read one after the other, whose sum is Rows: each epoch shuffles the order of the parts, and
	// the rows of each. One part is as none.
	Parts []int

	epoch int64 // whose permutation order holds, when order is not empty
	order []int
}

// Row returns the row, from 0, at a position of the stream, from 0.
func (s *Stream) Row(position int64) int {
	epoch, i := position/int64(s.Rows), int(position%int64(s.Rows))
	if !s.Shuffle {
		return i
	}
	if len(s.order) != s.Rows || s.epoch != epoch {
		s.permute(epoch)
	}
	return s.order[i]
}

// Batch sets dst to the rows at positions start, start+1, …
func (s *Stream) Batch(dst []int, start int64) {
	for i := range dst {
		dst[i] = s.Row(start + int64(i))
	}
}

// permute sets order to the permutation of an epoch, drawn by the PCG of seed and epoch.
func (s *Stream) permute(epoch int64) {
	if len(s.order) != s.Rows {
		s.order = make([]int, s.Rows)
	}
	s.epoch = epoch
	random := rand.NewPCG(s.Seed, uint64(epoch))
	if len(s.Parts) <= 1 {
		shuffle(s.order, random)
		return
	}
	s.permuteParts(random)
}

// permuteParts draws the order of the parts, and then, in this order, that of the rows of each.
func (s *Stream) permuteParts(random *rand.PCG) {
	first, parts := make([]int, len(s.Parts)), make([]int, len(s.Parts))
	for i := range s.Parts[1:] {
		first[i+1] = first[i] + s.Parts[i]
	}
	shuffle(parts, random)
	rest := s.order
	for _, part := range parts {
		rows := rest[:s.Parts[part]]
		rest = rest[len(rows):]
		shuffle(rows, random)
		for i := range rows {
			rows[i] += first[part]
		}
	}
}
