package layers

import (
	"fmt"
	"math"
	"math/bits"

	"bertlabel/tensor"
)

// Dropout sets each element to zero with probability p and multiplies the others by 1/(1 − p), so that expectations stay
// (Srivastava et al. 2014, §10, in the scaling of tf.nn.dropout).
//
// It has no state. Whether an element is kept is a pure function of (seed, site, place of its row, column), so the backward
// pass computes the mask again instead of storing it, and the mask depends on no other row, no thread, and not on how a batch
// is cut. The zero Dropout has p = 0: the identity.
type Dropout struct {
	drop  uint32    // an element whose random word lies below is dropped: p·2³²
	scale float32   // 1/(1 − p)
	key   [2]uint32 // of Philox
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
	word := philox([4]uint32{site}, [2]uint32{uint32(seed), uint32(seed >> 32)})
	return Dropout{
		drop:  uint32(min(math.Round(p*(1<<32)), math.MaxUint32)),
		scale: float32(1 / (1 - p)),
		key:   [2]uint32{word[0], word[1]},
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
	counter := [4]uint32{uint32(at.Example), uint32(at.Example >> 32), at.Token, 0}
	for len(x) > 0 {
		word := philox(counter, d.key)
		counter[3]++
		n := min(len(word), len(x))
		for i, v := range x[:n] {
			y[i] = 0
			if word[i] >= d.drop {
				y[i] = v * d.scale
			}
		}
		x, y = x[n:], y[n:]
	}
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

// philox is the counter-based generator Philox-4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3",
// §3.3): ten rounds of multiplication and exchange turn a counter into four random words. TensorFlow and cuRAND use it too.
func philox(c [4]uint32, k [2]uint32) [4]uint32 {
	const (
		m0, m1 = 0xD2511F53, 0xCD9E8D57 // multipliers, from table 2 of the paper
		w0, w1 = 0x9E3779B9, 0xBB67AE85 // Weyl increments of the key: the golden ratio and √3 − 1
	)
	c0, c1, c2, c3 := c[0], c[1], c[2], c[3] // in registers
	k0, k1 := k[0], k[1]
	for range 10 {
		hi0, lo0 := bits.Mul32(m0, c0)
		hi1, lo1 := bits.Mul32(m1, c2)
		c0, c1, c2, c3 = hi1^c1^k0, lo1, hi0^c3^k1, lo0
		k0, k1 = k0+w0, k1+w1
	}
	return [4]uint32{c0, c1, c2, c3}
}
