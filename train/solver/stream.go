package solver

import (
	"bertlabel/tensor"
	"bertlabel/train"
)

// streamRows is how many rows of a stream are in memory: a multiple of blockRows.
const streamRows = 8 * blockRows

// stream is a matrix of features [rows, cols] that is read anew in each pass, block by block.
type stream struct {
	parts      train.Parts
	from, to   int // parts
	rows, cols int
	block      tensor.Tensor
}

// newStream returns the features of parts [from, to), one after the other.
func newStream(parts train.Parts, from, to int) *stream {
	s := &stream{parts: parts, from: from, to: to, cols: parts.Width()}
	for part := from; part < to; part++ {
		s.rows += parts.Rows(part)
	}
	return s
}

// read hands out all features in blocks of streamRows rows, the last of which may have fewer, with the number of the first row of each. A
// block goes on from part to part. It is valid during the call.
func (s *stream) read(visit func(first int, features *tensor.Tensor)) error {
	filled, done := 0, 0
	s.block.Resize(min(streamRows, s.rows), s.cols)
	for part := s.from; part < s.to; part++ {
		for row, rows := 0, s.parts.Rows(part); row < rows; {
			n := min(s.block.Rows-filled, rows-row)
			window := s.block.SliceRows(filled, filled+n)
			if err := s.parts.Read(part, row, &window); err != nil {
				return err
			}
			row += n
			if filled += n; filled < s.block.Rows {
				continue
			}
			visit(done, &s.block)
			done, filled = done+filled, 0
			s.block.Resize(min(streamRows, s.rows-done), s.cols)
		}
	}
	return nil
}
