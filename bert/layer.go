package bert

import (
	"fmt"

	"bertlabel/asm"
	"bertlabel/layers"
	"bertlabel/tensor"
)

// Layer is one transformer layer (modeling.py, transformer_model; Vaswani et al. 2017, §3.1).
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

// layerProducts is the number of dense products of a layer: query, key and value together, and its other three.
const layerProducts = 4

// allocate takes the memory of the packed kernels, in precision p, from the arena: query, key and value side by side, the others
// alone. newLayer does not: a config alone must not cost memory. outliers are the channels of each product's input that int8 holds
// in bf16.
func (l *Layer) allocate(a *tensor.Arena, p Precision, outliers [layerProducts][]int) {
	h := l.Query.Kernel.Shape[0]
	l.qkv = tensor.NewOperandIn(a, p, h, 3*h, outliers[0])
	if l.qkvBias == nil {
		l.qkvBias = make([]float32, 3*h)
	}
	for i, d := range l.dense() {
		if i >= 3 {
			d.Allocate(a, p, outliers[i-2])
			continue
		}
		d.Share(l.qkv, i*h)
		d.Bias.Value = l.qkvBias[i*h : (i+1)*h : (i+1)*h]
	}
}

// packedBytes returns the bytes of each operand that allocate makes.
func (l *Layer) packedBytes(p Precision) []int {
	h := l.Query.Kernel.Shape[0]
	sizes := []int{tensor.OperandBytes(p, h, 3*h, OutlierCount(h))}
	for _, d := range l.dense()[3:] {
		sizes = append(sizes, d.PackedBytes(p, OutlierCount(d.Kernel.Shape[0])))
	}
	return sizes
}

func (l *Layer) dense() []*layers.Dense {
	return []*layers.Dense{l.Query, l.Key, l.Value, l.AttentionOutput, l.Intermediate, l.Output}
}

func (l *Layer) norms() []*layers.LayerNorm {
	return []*layers.LayerNorm{l.AttentionNorm, l.OutputNorm}
}

// Forward sets y from x, both [tokens, hidden]; they may be the same tensor. The texts of the batch have the given offsets.
func (l *Layer) Forward(ws *Workspace, y, x *tensor.Tensor, offsets []int) {
	h := x.Cols
	ws.qkv.Resize(x.Rows, 3*h)
	ws.MatMul(&ws.qkv, x, l.qkv, tensor.Epilogue{Bias: l.qkvBias})
	query, key, value := ws.qkv.SliceCols(0, h), ws.qkv.SliceCols(h, 2*h), ws.qkv.SliceCols(2*h, 3*h)
	l.afterQKV(ws, y, x, &query, &key, &value, offsets, offsets)
}

// ForwardCLS sets y [texts, hidden] to the first row of each text of what Forward gives, bit for bit. Keys and values are
// needed for every token of x [tokens, hidden], all else for the first ones only: the last layer under a head that reads
// nothing but [CLS]. y must not share memory with x.
func (l *Layer) ForwardCLS(ws *Workspace, y, x *tensor.Tensor, offsets []int) {
	h, texts := x.Cols, len(offsets)-1
	first := &ws.cls
	first.Resize(texts, h)
	ws.clsOffsets = ws.clsOffsets[:0]
	for t := range texts {
		copy(first.Row(t), x.Row(offsets[t]))
		ws.clsOffsets = append(ws.clsOffsets, t)
	}
	ws.clsOffsets = append(ws.clsOffsets, texts)

	// Columns are computed by whole panels: queries up to the panel that ends at or after h, keys from the one that holds h.
	nr := l.qkv.PanelWidth()
	ws.qkv.Resize(x.Rows, 3*h)
	ws.MatMulPanels(&ws.qkv, x, l.qkv, h/nr, (3*h+nr-1)/nr, tensor.Epilogue{Bias: l.qkvBias})
	ws.clsQuery.Resize(texts, 3*h)
	ws.MatMulPanels(&ws.clsQuery, first, l.qkv, 0, (h+nr-1)/nr, tensor.Epilogue{Bias: l.qkvBias})
	query, key, value := ws.clsQuery.SliceCols(0, h), ws.qkv.SliceCols(h, 2*h), ws.qkv.SliceCols(2*h, 3*h)
	l.afterQKV(ws, y, first, &query, &key, &value, ws.clsOffsets, offsets)
}

// afterQKV is the layer after the three products, for as many rows as there are queries; y and x have these rows.
//
//	context = attention(query, key, value)
//	a       = LayerNorm(context·W + b + x)
//	y       = LayerNorm(act(a·W + b)·W + b + a)
func (l *Layer) afterQKV(ws *Workspace, y, x, query, key, value *tensor.Tensor, queries, keys []int) {
	ws.context.Resize(x.Rows, x.Cols)
	l.Attention.Forward(&ws.Workspace, &ws.attention, &ws.context, query, key, value, queries, keys)
	ws.attended.Resize(x.Rows, x.Cols)
	l.AttentionOutput.ForwardNorm(&ws.Workspace, &ws.attended, &ws.context, x, l.AttentionNorm)
	ws.intermediate.Resize(x.Rows, l.Intermediate.Bias.Shape[0])
	l.Intermediate.Forward(&ws.Workspace, &ws.intermediate, &ws.attended, l.Activation)
	l.Output.ForwardNorm(&ws.Workspace, y, &ws.intermediate, &ws.attended, l.OutputNorm)
}

// layerTraining is a pass of training through one layer: its dropout, and what the backward pass needs of the forward pass.
type layerTraining struct {
	*Layer
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
	t := &layerTraining{Layer: l, layerActivations: &layerActivations{}}
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
	residual := x
	if rows.first {
		t.first.Resize(y.Rows, h)
		for text, row := range rows.keys[:y.Rows] {
			copy(t.first.Row(text), x.Row(row))
		}
		residual = &t.first
	}
	t.projected.Query.Resize(y.Rows, h)
	t.Query.ForwardTraining(w, &t.projected.Query, residual, nil)
	t.projected.Key.Resize(x.Rows, h)
	t.Key.ForwardTraining(w, &t.projected.Key, x, nil)
	t.projected.Value.Resize(x.Rows, h)
	t.Value.ForwardTraining(w, &t.projected.Value, x, nil)

	t.context.Resize(y.Rows, h)
	t.probs.At = rows.at
	t.Attention.ForwardDropout(w, &ws.attention, &t.context, &t.projected.Query, &t.projected.Key, &t.projected.Value, rows.queries,
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

// backward overwrites dx [tokens, hidden] and adds to the gradients of the parameters. It overwrites dy too. dx may be nil when
// nothing below is trained; when all rows go on, dx must be dy or nil.
func (t *layerTraining) backward(ws *Workspace, g *layerGradients, dx, dy *tensor.Tensor, rows *rowSet) {
	w, h := &ws.Workspace, dy.Cols
	g.dh.Resize(dy.Rows, h)
	g.dintermediate.Resize(dy.Rows, t.inner.Cols)
	g.dcontext.Resize(dy.Rows, h)
	g.dqkv.Query.Resize(dy.Rows, h)
	g.dqkv.Key.Resize(t.x.Rows, h)
	g.dqkv.Value.Resize(t.x.Rows, h)

	// dy is the gradient of one thing after another: y, sum, a, sum, x.
	t.output.Backward(w, &g.dintermediate, &g.dh, dy, dy, &t.intermediate, rows.at, &t.outputNorm) // y = LayerNorm(dropout(i·W + b) + a)
	w.MapGradient(&g.dintermediate, &g.dintermediate, &t.inner, t.Activation.Gradient())           // i = act(inner)
	t.Intermediate.Backward(w, dy, &g.dintermediate, &t.attended, dy)                              // inner = a·W + b
	// a = LayerNorm(dropout(context·W + b) + x)
	t.attentionOutput.Backward(w, &g.dcontext, &g.dh, dy, dy, &t.context, rows.at, &t.attentionNorm)
	t.Attention.Backward(w, &ws.attention, g.dqkv, &g.dcontext, t.projected, rows.queries, rows.keys, &t.probs)
	if rows.first {
		t.firstRowsBackward(w, g, dx, dy, rows)
		return
	}
	t.Query.Backward(w, dx, &g.dqkv.Query, t.x, dy) // q = x·W + b
	t.Key.Backward(w, dx, &g.dqkv.Key, t.x, dx)     // k
	t.Value.Backward(w, dx, &g.dqkv.Value, t.x, dx) // v
}

// firstRowsBackward is the end of backward when only the first row of each text went on: dy [texts, hidden] is the gradient that
// reaches these rows past the attention.
func (t *layerTraining) firstRowsBackward(w *tensor.Workspace, g *layerGradients, dx, dy *tensor.Tensor, rows *rowSet) {
	if dx == nil {
		dy = nil
	}
	t.Query.Backward(w, dy, &g.dqkv.Query, &t.first, dy) // q = first·W + b
	t.Key.Backward(w, dx, &g.dqkv.Key, t.x, nil)         // k = x·W + b
	t.Value.Backward(w, dx, &g.dqkv.Value, t.x, dx)      // v
	if dx == nil {
		return
	}
	for text, row := range rows.keys[:dy.Rows] { // first[text] = x[row]
		asm.Best.Add(dx.Row(row), dy.Row(text))
	}
}
