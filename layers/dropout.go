package layers

import (
	"fmt"
	"math"

	"bertlabel/asm"
	"bertlabel/tensor"
)

// Dropout sets each element to zero with probability p and multiplies the others by 1/(1 − p), so that expectations stay
// (Srivastava et al. 2014, §10, in the scaling of tf.nn.dropout).
//
// It has no state. Whether an element is kept is a pure function of (seed, site, place of its row, column), so the backward
// pass computes the mask again instead of storing it, and the mask depends on no other row, no thread, and not on how a batch
// is cut. The zero Dropout has p = 0: the identity.
type Dropout struct {
	drop  uint32  // an element whose random word lies below is dropped: p·2³²
	scale float32 // 1/(1 − p)
	key   uint64  // of Philox
}

// Place says where a row of activations stands, whatever batch it is in.
type Place struct {
	Example uint64 // position of its text in the endless stream of training texts
	Token   uint32 // position of its token in the text
}

// NewDropout returns dropout with probability p, 0 ≤ p < 1, for one site: one place of the model where dropout happens. Every
// layer has its own sites, and so has every attention head. The same seed gives unrelated masks at different sites.
func NewDropout(p float64, seed uint64, site uint32) Dropout {
	if !(p >= 0 && p < 1) {
		panic(fmt.Sprintf("layers.NewDropout: p = %v, want 0 ≤ p < 1", p))
	}
	word := asm.Philox([4]uint32{site}, [2]uint32{uint32(seed), uint32(seed >> 32)})
	return Dropout{
		drop:  uint32(min(math.Round(p*(1<<32)), math.MaxUint32)),
		scale: float32(1 / (1 - p)),
		key:   uint64(word[1])<<32 | uint64(word[0]),
	}
}

// Forward sets y = mask∘x/(1 − p), both [rows, width]; row i stands at at[i]. y and x may be the same tensor.
func (d *Dropout) Forward(y, x *tensor.Tensor, at []Place) {
	if y.Rows != x.Rows || y.Cols != x.Cols || len(at) != x.Rows {
		panic(fmt.Sprintf("layers.Dropout: y [%d, %d] from x [%d, %d] at %d places", y.Rows, y.Cols, x.Rows, x.Cols, len(at)))
	}
	for i := range at {
		d.Row(y.Row(i), x.Row(i), at[i])
	}
}

// Backward overwrites dx with mask∘dy/(1 − p), by the mask of Forward at the same places. dx and dy may be the same tensor.
func (d *Dropout) Backward(dx, dy *tensor.Tensor, at []Place) {
	d.Forward(dx, dy, at) // y = mask∘x/(1 − p) is linear in x, with a diagonal matrix
}

// Row does one row: y = mask∘x/(1 − p), or dx from dy. y and x have the same length and may be the same slice.
func (d *Dropout) Row(y, x []float32, at Place) {
	if d.drop == 0 {
		copy(y, x)
		return
	}
	asm.Best.Dropout(y, x, d.key, at.Example, at.Token, d.drop, d.scale)
}

// DropoutRows is Dropout in place on the rows of a tensor, row i at At[i], as a tensor.RowFinisher: forward and backward.
type DropoutRows struct {
	Dropout Dropout
	At      []Place
}

// FinishRows implements tensor.RowFinisher.
func (d *DropoutRows) FinishRows(c *tensor.Tensor, from, to int) {
	for i := from; i < to; i++ {
		d.Dropout.Row(c.Row(i), c.Row(i), d.At[i])
	}
}
