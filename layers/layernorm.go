package layers

import (
	"bertlabel/asm"
	"bertlabel/tensor"
)

// LayerNorm computes y = gamma·x̂ + beta with x̂ = (x − mean)·rstd over the last axis, rstd = 1/√(variance + Eps) with the
// biased variance (Ba et al. 2016, arXiv:1607.06450, §3). BERT uses Eps = 1e-12, the default of tf.contrib's layer_norm.
type LayerNorm struct {
	Gamma, Beta *tensor.Param // [hidden]
	Eps         float32       // added to the variance
}

// NewLayerNorm returns a layer of the given width whose parameters are called name/gamma and name/beta.
func NewLayerNorm(name string, hidden int, eps float32) *LayerNorm {
	return &LayerNorm{Gamma: tensor.NewParam(name+"/gamma", hidden), Beta: tensor.NewParam(name+"/beta", hidden), Eps: eps}
}

// Params returns gamma and beta.
func (l *LayerNorm) Params() []*tensor.Param { return []*tensor.Param{l.Gamma, l.Beta} }

// Frozen returns the same layer without gradients of its parameters, whose values the two share.
func (l *LayerNorm) Frozen() *LayerNorm {
	gamma, beta := *l.Gamma, *l.Beta
	gamma.Grad, beta.Grad = nil, nil
	return &LayerNorm{Gamma: &gamma, Beta: &beta, Eps: l.Eps}
}

// FinishRows normalises rows [from, to) of c in place: the epilogue of the product in front of the layer.
func (l *LayerNorm) FinishRows(c *tensor.Tensor, from, to int) {
	for i := from; i < to; i++ {
		row := c.Row(i)
		asm.Best.LayerNorm(row, row, l.Gamma.Value, l.Beta.Value, l.Eps)
	}
}

// LayerNormCache carries what Backward needs. The caller owns it and may reuse it.
type LayerNormCache struct {
	Norm tensor.Tensor // x̂, [rows, hidden]
	RStd []float32     // 1/√(variance + Eps), [rows]

	ones, zeros []float32 // [hidden]; the kernel gives 1·x̂ + 0 with these as gamma and beta
	forward     layerNormForward
	backward    layerNormBackward
}

func (c *LayerNormCache) resize(rows, hidden int) {
	c.Norm.Resize(rows, hidden)
	if cap(c.RStd) < rows {
		c.RStd = make([]float32, rows)
	}
	c.RStd = c.RStd[:rows]
	if len(c.ones) != hidden {
		c.ones, c.zeros = make([]float32, hidden), make([]float32, hidden)
		for i := range c.ones {
			c.ones[i] = 1
		}
	}
}

// Forward sets y from x, both [rows, hidden], and fills c. y and x may be the same tensor, and x may be c.Norm, but not y.
func (l *LayerNorm) Forward(ws *tensor.Workspace, y, x *tensor.Tensor, c *LayerNormCache) {
	c.resize(x.Rows, x.Cols)
	c.forward = layerNormForward{l, *y, c}
	ws.EachRow(x, &c.forward)
	c.forward = layerNormForward{} // keep nothing alive
}

type layerNormForward struct {
	*LayerNorm
	y tensor.Tensor
	c *LayerNormCache
}

func (f *layerNormForward) FinishRows(x *tensor.Tensor, from, to int) {
	for i := from; i < to; i++ {
		f.row(f.y.Row(i), x.Row(i), i, f.c)
	}
}

// row sets row i of y from that of x, in two steps, since Backward needs x̂ and y alone would not give it back:
//
//	x̂ = (x − mean)·rstd      the kernel with gamma = 1 and beta = 0, into the cache
//	y = beta + gamma·x̂
func (l *LayerNorm) row(y, x []float32, i int, c *LayerNormCache) {
	norm := c.Norm.Row(i)
	_, c.RStd[i] = asm.Best.LayerNorm(norm, x, c.ones, c.zeros, l.Eps)
	copy(y, l.Beta.Value)
	asm.Best.MulAdd(y, l.Gamma.Value, norm)
}

// Backward overwrites dx and adds to Gamma.Grad and Beta.Grad, unless they are nil. dx may be dy. With g = gamma·dy and means over a row,
//
//	dx = rstd · (g − mean(g) − x̂·mean(g·x̂))    dgamma += Σ over rows of dy·x̂    dbeta += Σ over rows of dy
func (l *LayerNorm) Backward(ws *tensor.Workspace, dx, dy *tensor.Tensor, c *LayerNormCache) {
	c.backward = layerNormBackward{l, *dx, *dy, c}
	l.addGradients(ws.SumRows(dy.Rows, 2*dy.Cols, &c.backward))
	c.backward = layerNormBackward{} // keep nothing alive
}

// addGradients adds to the gradients of gamma and beta, which sum holds side by side.
func (l *LayerNorm) addGradients(sum []float32) {
	if l.Gamma.Grad == nil {
		return
	}
	hidden := len(sum) / 2
	asm.Best.Add(l.Gamma.Grad, sum[:hidden])
	asm.Best.Add(l.Beta.Grad, sum[hidden:])
}

type layerNormBackward struct {
	*LayerNorm
	dx, dy tensor.Tensor
	c      *LayerNormCache
}

func (b *layerNormBackward) SumRows(sum []float32, from, to int) {
	dgamma, dbeta := sum[:b.dy.Cols], sum[b.dy.Cols:]
	for i := from; i < to; i++ { // y = gamma·x̂ + beta
		dy, norm := b.dy.Row(i), b.c.Norm.Row(i)
		asm.Best.MulAdd(dgamma, dy, norm)
		asm.Best.Add(dbeta, dy)
		asm.Best.LayerNormBackward(b.dx.Row(i), dy, norm, b.Gamma.Value, b.c.RStd[i])
	}
}
