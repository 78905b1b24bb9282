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

// FinishRows normalises rows [from, to) of c in place: the epilogue of the product in front of the layer.
func (l *LayerNorm) FinishRows(c *tensor.Tensor, from, to int) {
	for i := from; i < to; i++ {
		row := c.Row(i)
		asm.Best.LayerNorm(row, row, l.Gamma.Value, l.Beta.Value, l.Eps)
	}
}

// LayerNormCache carries what Backward needs besides x. The caller owns it and may reuse it.
type LayerNormCache struct {
	Mean, RStd []float32 // of each row of x, [rows]

	forward  layerNormForward
	backward layerNormBackward
}

func (c *LayerNormCache) resize(rows int) {
	c.Mean, c.RStd = resize(c.Mean, rows), resize(c.RStd, rows)
}

// resize returns a slice of length n, x itself if it is long enough. Its values are undefined.
func resize(x []float32, n int) []float32 {
	if cap(x) < n {
		return make([]float32, n)
	}
	return x[:n]
}

// Forward sets y from x, both [rows, hidden], and fills c. Backward needs x again, so y is another tensor.
func (l *LayerNorm) Forward(ws *tensor.Workspace, y, x *tensor.Tensor, c *LayerNormCache) {
	c.resize(x.Rows)
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

// row normalises row i.
func (l *LayerNorm) row(y, x []float32, i int, c *LayerNormCache) {
	c.Mean[i], c.RStd[i] = asm.Best.LayerNorm(y, x, l.Gamma.Value, l.Beta.Value, l.Eps)
}

// Backward overwrites dx and adds to Gamma.Grad and Beta.Grad, given dy and the x and c of Forward. dx may be dy. With g =
// gamma·dy and the means taken over a row,
//
//	dx = rstd · (g − mean(g) − x̂·mean(g·x̂))    dgamma += Σ over rows of dy·x̂    dbeta += Σ over rows of dy
func (l *LayerNorm) Backward(ws *tensor.Workspace, dx, dy, x *tensor.Tensor, c *LayerNormCache) {
	c.backward = layerNormBackward{l, *dx, *dy, *x, c}
	l.addGradients(ws.SumRows(x.Rows, 2*x.Cols, &c.backward))
	c.backward = layerNormBackward{} // keep nothing alive
}

// addGradients adds to the gradients of gamma and beta, which sum holds side by side.
func (l *LayerNorm) addGradients(sum []float32) {
	hidden := len(sum) / 2
	asm.Best.Add(l.Gamma.Grad, sum[:hidden])
	asm.Best.Add(l.Beta.Grad, sum[hidden:])
}

type layerNormBackward struct {
	*LayerNorm
	dx, dy, x tensor.Tensor
	c         *LayerNormCache
}

func (b *layerNormBackward) SumRows(sum []float32, from, to int) {
	hidden := b.x.Cols
	for i := from; i < to; i++ {
		layerNormBackwardRow(b.dx.Row(i), sum[:hidden], sum[hidden:], b.dy.Row(i), b.x.Row(i), b.Gamma.Value, b.c.Mean[i], b.c.RStd[i])
	}
}

// layerNormBackwardRow is Backward for one row: it sets dx and adds to dgamma and dbeta. dx may be dy.
func layerNormBackwardRow(dx, dgamma, dbeta, dy, x, gamma []float32, mean, rstd float32) {
	var sumG, sumGX float64
	for j, v := range x {
		norm, g := (v-mean)*rstd, gamma[j]*dy[j]
		sumG += float64(g)
		sumGX += float64(g) * float64(norm)
		dgamma[j] += dy[j] * norm
		dbeta[j] += dy[j]
	}
	meanG, meanGX := float32(sumG/float64(len(x))), float32(sumGX/float64(len(x)))
	for j, v := range x {
		norm, g := (v-mean)*rstd, gamma[j]*dy[j]
		dx[j] = rstd * (g - meanG - norm*meanGX)
	}
}
