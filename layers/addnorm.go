package layers

import (
	"bertlabel/asm"
	"bertlabel/tensor"
)

// AddNorm is the end of both halves of a transformer layer in training, "Add & Norm" in figure 1 of Vaswani et al. 2017 (§3.1, and §5.4
// for the dropout):
//
//	y = LayerNorm(dropout(x·W + b) + residual)
//
// The norm stands behind the sum with the residual connection, as in that paper ("post-norm"); most later models put it in front of x·W.
// Without dropout it computes what Dense.ForwardNorm does, up to the order in which b and residual are added.
type AddNorm struct {
	Dense   *Dense
	Dropout Dropout
	Norm    *LayerNorm
}

// AddNormCache carries what Backward needs. The caller owns it and may reuse it.
type AddNormCache struct {
	Norm LayerNormCache

	forward  addNormForward
	backward addNormBackward
}

// Forward sets y [rows, out] from x [rows, in] and residual [rows, out], and fills c; row i stands at at[i]. y must not share
// memory with x or residual.
func (n *AddNorm) Forward(ws *tensor.Workspace, y, x, residual *tensor.Tensor, at []Place, c *AddNormCache) {
	c.Norm.resize(y.Rows, y.Cols)
	c.forward = addNormForward{n, *y, *residual, at, &c.Norm}
	n.Dense.ForwardTraining(ws, &c.Norm.Norm, x, &c.forward) // x̂ takes the place of the sum
	c.forward = addNormForward{}                             // keep nothing alive
}

// addNormForward is what follows on the finished rows of x·W + b.
type addNormForward struct {
	*AddNorm
	y, residual tensor.Tensor
	at          []Place
	norm        *LayerNormCache
}

func (f *addNormForward) FinishRows(sum *tensor.Tensor, from, to int) {
	for i := from; i < to; i++ {
		row := sum.Row(i)
		f.Dropout.Row(row, row, f.at[i])
		asm.Best.Add(row, f.residual.Row(i))
		f.Norm.row(f.y.Row(i), row, i, f.norm)
	}
}

// Backward overwrites dx [rows, in], dresidual [rows, out] and, on the way, dh [rows, out], the gradient by x·W + b; and adds to
// the gradients of the parameters. dresidual may be dy; none of the others may share memory.
func (n *AddNorm) Backward(ws *tensor.Workspace, dx, dh, dresidual, dy, x *tensor.Tensor, at []Place, c *AddNormCache) {
	c.backward = addNormBackward{layerNormBackward{n.Norm, *dresidual, *dy, &c.Norm}, n.Dropout, *dh, at}
	n.Norm.addGradients(ws.SumRows(dy.Rows, 2*dy.Cols, &c.backward)) // y = LayerNorm(sum), h = dropout(x·W + b)
	c.backward = addNormBackward{}                                   // keep nothing alive
	n.Dense.Backward(ws, dx, dh, x, nil)                             // x·W + b
}

// addNormBackward is the part of Backward that goes row by row.
type addNormBackward struct {
	layerNormBackward
	dropout Dropout
	dh      tensor.Tensor
	at      []Place
}

func (b *addNormBackward) SumRows(sum []float32, from, to int) {
	b.layerNormBackward.SumRows(sum, from, to) // y = LayerNorm(sum)
	for i := from; i < to; i++ {
		b.dropout.Row(b.dh.Row(i), b.dx.Row(i), b.at[i]) // sum = dropout(h) + residual
	}
}
