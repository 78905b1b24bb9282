// Package traintest has features in memory that are read in parts, as train.Parts; tests alone import it.
package traintest

import (
	"errors"

	"bertlabel/tensor"
)

// Cut implements train.Parts on features in memory.
type Cut struct {
	X      *tensor.Tensor // [rows, width]
	Y      []int8         // [rows, Labels]
	Shares []float32      // likewise; nil for none
	Labels int
	Ends   []int                     // the row after each part
	Reads  []int                     // the parts that were read, in order
	Fail   func(read, part int) bool // says that a read, counted from 1, ends with ErrRead; nil for none
}

// ErrRead is the error of a read that fails.
var ErrRead = errors.New("the disk is gone")

// Len implements train.Parts, as the other methods do.
func (c *Cut) Len() int { return len(c.Ends) }

// Width is that of X.
func (c *Cut) Width() int { return c.X.Cols }

// Rows of a part may be 0.
func (c *Cut) Rows(part int) int { return c.Ends[part] - c.first(part) }

func (c *Cut) first(part int) int {
	if part == 0 {
		return 0
	}
	return c.Ends[part-1]
}

// Read copies rows of X, unless Fail says that it fails.
func (c *Cut) Read(part, first int, x *tensor.Tensor) error {
	c.Reads = append(c.Reads, part)
	if c.Fail != nil && c.Fail(len(c.Reads), part) {
		return ErrRead
	}
	for i := range x.Rows {
		copy(x.Row(i), c.X.Row(c.first(part)+first+i))
	}
	return nil
}

// Cells returns parts of Y and Shares themselves.
func (c *Cut) Cells(part int) (y []int8, shares []float32, err error) {
	from, to := c.first(part)*c.Labels, c.Ends[part]*c.Labels
	if c.Shares != nil {
		shares = c.Shares[from:to]
	}
	return c.Y[from:to], shares, nil
}
