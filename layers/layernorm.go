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
