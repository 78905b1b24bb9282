package bert

import (
	"fmt"

	"bertlabel/layers"
	"bertlabel/tensor"
)

// Layer is one transformer layer (modeling.py, transformer_model; Vaswani et al. 2017, §3.1): multi-head attention, then the feed-forward
// network (FFN), each with a residual connection around it and a LayerNorm behind.
type Layer struct {
	Query, Key, Value *layers.Dense // [hidden, hidden], packed side by side: one product of width 3·hidden
	Attention         layers.Attention
	AttentionOutput   *layers.Dense // [hidden, hidden]
	AttentionNorm     *layers.LayerNorm
	Intermediate      *layers.Dense // [hidden, intermediate]
	Activation        layers.Activation
	Output            *layers.Dense // [intermediate, hidden]
	OutputNorm        *layers.LayerNorm

	qkv     tensor.Operand // kernels of Query, Key, Value, [hidden, 3·hidden]
	qkvBias []float32      // their biases, which are views of it, [3·hidden]
}

func newLayer(c *Config, index int) *Layer {
	scope := fmt.Sprintf("bert/encoder/layer_%d/", index)
	h := c.HiddenSize
	act, err := layers.ParseActivation(c.HiddenAct)
	if err != nil {
		panic("bert: a config that Check has not seen: " + err.Error())
	}
	l := &Layer{
		Query:           layers.NewDense(scope+"attention/self/query", h, h),
		Key:             layers.NewDense(scope+"attention/self/key", h, h),
		Value:           layers.NewDense(scope+"attention/self/value", h, h),
		Attention:       layers.Attention{Heads: c.NumAttentionHeads},
		AttentionOutput: layers.NewDense(scope+"attention/output/dense", h, h),
		AttentionNorm:   layers.NewLayerNorm(scope+"attention/output/LayerNorm", h, c.normEps()),
		Intermediate:    layers.NewDense(scope+"intermediate/dense", h, c.IntermediateSize),
		Activation:      act,
		Output:          layers.NewDense(scope+"output/dense", c.IntermediateSize, h),
		OutputNorm:      layers.NewLayerNorm(scope+"output/LayerNorm", h, c.normEps()),
	}
	return l
}

func (l *Layer) dense() []*layers.Dense {
	return []*layers.Dense{l.Query, l.Key, l.Value, l.AttentionOutput, l.Intermediate, l.Output}
}

func (l *Layer) norms() []*layers.LayerNorm {
	return []*layers.LayerNorm{l.AttentionNorm, l.OutputNorm}
}

// Forward sets y from x, both [tokens, hidden]; they may be the same tensor. The texts of the batch have the given offsets.
//
//	q, k, v = x·Wq + bq, x·Wk + bk, x·Wv + bv      one product: the three kernels lie side by side
//
// and then what afterQKV says.
func (l *Layer) Forward(ws *Workspace, y, x *tensor.Tensor, offsets []int) {
	h := x.Cols
	ws.qkv.Resize(x.Rows, 3*h)
	ws.MatMul(&ws.qkv, x, l.qkv, tensor.Epilogue{Bias: l.qkvBias})
	query, key, value := ws.qkv.SliceCols(0, h), ws.qkv.SliceCols(h, 2*h), ws.qkv.SliceCols(2*h, 3*h)
	l.afterQKV(ws, y, x, &query, &key, &value, offsets, offsets)
}

// afterQKV is the layer after the three products, for as many rows as there are queries; y and x have these rows. In the words of
// Vaswani et al. 2017 it is multi-head attention and the feed-forward network (FFN), each with its residual connection and its norm:
//
//	context = Concat(head₁, …, head_A), head_i = softmax(q_i·k_iᵀ/√D)·v_i      §3.2
//	a       = LayerNorm(context·W^O + b^O + x)                                 §3.1, LayerNorm(x + MultiHead(x))
//	inner   = act(a·W₁ + b₁)                                                   §3.3, with GELU for ReLU
//	y       = LayerNorm(inner·W₂ + b₂ + a)                                     §3.1, LayerNorm(a + FFN(a))
func (l *Layer) afterQKV(ws *Workspace, y, x, query, key, value *tensor.Tensor, queries, keys []int) {
	ws.context.Resize(x.Rows, x.Cols) // [rows, hidden]
	l.Attention.Forward(&ws.Workspace, &ws.attention, &ws.context, query, key, value, queries, keys)
	ws.attended.Resize(x.Rows, x.Cols) // a, [rows, hidden]
	l.AttentionOutput.ForwardNorm(&ws.Workspace, &ws.attended, &ws.context, x, l.AttentionNorm)
	ws.intermediate.Resize(x.Rows, l.Intermediate.Bias.Shape[0]) // [rows, intermediate]
	l.Intermediate.Forward(&ws.Workspace, &ws.intermediate, &ws.attended, l.Activation)
	l.Output.ForwardNorm(&ws.Workspace, y, &ws.intermediate, &ws.attended, l.OutputNorm)
}

// layerTraining is a pass of training through one layer: its dropout, and what the backward pass needs of the forward pass.
type layerTraining struct {
	*Layer
	attention               layers.Attention // in the precision of training
	probs                   layers.AttentionDropout
	attentionOutput, output layers.AddNorm
	*layerActivations
}

// layerActivations is what one layer's forward pass leaves for its backward pass. The layers share it when they are computed again.
type layerActivations struct {
	x             *tensor.Tensor // the layer's input, [tokens, hidden]
	first         tensor.Tensor  // its [CLS] rows, [texts, hidden], when only these go on
	projected     layers.QKV     // x·Wq + bq and so on, [rows, hidden], [tokens, hidden], [tokens, hidden]; rows are tokens, or texts
	context       tensor.Tensor  // [rows, hidden]
	attended      tensor.Tensor  // a, [rows, hidden]
	inner         tensor.Tensor  // a·W + b, [rows, intermediate]
	intermediate  tensor.Tensor  // act(a·W + b), [rows, intermediate]
	attentionNorm layers.AddNormCache
	outputNorm    layers.AddNormCache
}

// newLayerTraining gives layer index its dropout, whose sites are its own: the heads, then the two dense outputs.
func newLayerTraining(l *Layer, index int, o *TrainerOptions) *layerTraining {
	heads := l.Attention.Heads
	site := firstLayerSite + uint32(index*(heads+2))
	attention := layers.Attention{Heads: heads, BF16: o.Precision == BF16}
	t := &layerTraining{Layer: l, attention: attention, layerActivations: &layerActivations{}}
	for i := range heads {
		t.probs.Heads = append(t.probs.Heads, layers.NewDropout(o.AttentionDropout, o.Seed, site+uint32(i)))
	}
	hidden := func(site uint32) layers.Dropout { return layers.NewDropout(o.HiddenDropout, o.Seed, site) }
	t.attentionOutput = layers.AddNorm{Dense: l.AttentionOutput, Dropout: hidden(site + uint32(heads)), Norm: l.AttentionNorm}
	t.output = layers.AddNorm{Dense: l.Output, Dropout: hidden(site + uint32(heads) + 1), Norm: l.OutputNorm}
	return t
}

// forward sets y from x [tokens, hidden], which must stay as it is until backward. rows says what goes on: all tokens, or the
// first of each text; y has these rows.
//
//	context = attention(x·Wq + bq, x·Wk + bk, x·Wv + bv)
//	a       = LayerNorm(dropout(context·W + b) + x)
//	y       = LayerNorm(dropout(act(a·W + b)·W + b) + a)
func (t *layerTraining) forward(ws *Workspace, y, x *tensor.Tensor, rows *rowSet) {
	w, h := &ws.Workspace, x.Cols
	t.x = x
	residual := x // what goes past the attention, and asks: all rows of x, or the first of each text
	if rows.first {
		residual = t.firstRows(x, rows)
	}
	t.projected.Query.Resize(y.Rows, h)
	t.Query.ForwardTraining(w, &t.projected.Query, residual, nil) // q = x·Wq + bq
	t.projected.Key.Resize(x.Rows, h)
	t.Key.ForwardTraining(w, &t.projected.Key, x, nil) // k = x·Wk + bk
	t.projected.Value.Resize(x.Rows, h)
	t.Value.ForwardTraining(w, &t.projected.Value, x, nil) // v = x·Wv + bv

	t.context.Resize(y.Rows, h)
	t.probs.At = rows.at
	t.attention.ForwardDropout(w, &ws.attention, &t.context, &t.projected.Query, &t.projected.Key, &t.projected.Value, rows.queries,
		rows.keys, &t.probs)
	t.attended.Resize(y.Rows, h)
	t.attentionOutput.Forward(w, &t.attended, &t.context, residual, rows.at, &t.attentionNorm)

	t.inner.Resize(y.Rows, t.Intermediate.Bias.Shape[0])
	t.Intermediate.ForwardTraining(w, &t.inner, &t.attended, nil)
	t.intermediate.Resize(y.Rows, t.inner.Cols)
	w.Map(&t.intermediate, &t.inner, t.Activation.Kernel())
	t.output.Forward(w, y, &t.intermediate, &t.attended, rows.at, &t.outputNorm)
}

// layerGradients is the memory that the backward passes of all layers share.
type layerGradients struct {
	dh, dcontext  tensor.Tensor // [rows, hidden]
	dintermediate tensor.Tensor // [rows, intermediate]
	dqkv          layers.QKV    // [rows, hidden], [tokens, hidden], [tokens, hidden]
}

// backward overwrites dx [tokens, hidden] and adds to the gradients of the parameters. It overwrites dy [rows, hidden] too. dx may be nil
// when nothing below is trained; when all rows go on, dx must be dy or nil.
//
// The variable dy is where the gradient is on its way down: one matrix, which is in turn dy, dsum₂, da, dsum₁ and dx, as each residual
// connection hands it on unchanged and the other branch adds its own to it.
func (t *layerTraining) backward(ws *Workspace, g *layerGradients, dx, dy *tensor.Tensor, rows *rowSet) {
	w, h := &ws.Workspace, dy.Cols
	g.dh.Resize(dy.Rows, h)
	g.dintermediate.Resize(dy.Rows, t.inner.Cols)
	g.dcontext.Resize(dy.Rows, h)
	g.dqkv.Query.Resize(dy.Rows, h)
	g.dqkv.Key.Resize(t.x.Rows, h)
	g.dqkv.Value.Resize(t.x.Rows, h)

	// y = LayerNorm(sum₂), sum₂ = dropout(intermediate·W₂ + b₂) + a: dy becomes dsum₂, which is the part of da that goes past the FFN
	t.output.Backward(w, &g.dintermediate, &g.dh, dy, dy, &t.intermediate, rows.at, &t.outputNorm)
	// intermediate = act(inner): from here on dintermediate is dinner, [rows, intermediate]
	w.MapGradient(&g.dintermediate, &g.dintermediate, &t.inner, t.Activation.Gradient())
	// inner = a·W₁ + b₁: dy becomes da = dinner·W₁ᵀ + dsum₂
	t.Intermediate.Backward(w, dy, &g.dintermediate, &t.attended, dy)
	// a = LayerNorm(sum₁), sum₁ = dropout(context·W^O + b^O) + x: dy becomes dsum₁, which is the part of dx that goes past the attention
	t.attentionOutput.Backward(w, &g.dcontext, &g.dh, dy, dy, &t.context, rows.at, &t.attentionNorm)
	// context = attention(q, k, v)
	t.attention.Backward(w, &ws.attention, g.dqkv, &g.dcontext, t.projected, rows.queries, rows.keys, &t.probs)
	if rows.first {
		t.firstRowsBackward(w, g, dx, dy, rows)
		return
	}
	t.Query.Backward(w, dx, &g.dqkv.Query, t.x, dy) // q = x·Wq + bq: dx = dq·Wqᵀ + dsum₁
	t.Key.Backward(w, dx, &g.dqkv.Key, t.x, dx)     // k = x·Wk + bk: dx = dk·Wkᵀ + dx
	t.Value.Backward(w, dx, &g.dqkv.Value, t.x, dx) // v = x·Wv + bv: dx = dv·Wvᵀ + dx
}
