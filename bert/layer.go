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

	qkv     *tensor.Packed // kernels of Query, Key, Value, [hidden, 3·hidden]
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

// allocate takes the memory of the packed kernels from the arena: query, key and value side by side, the others alone. newLayer
// does not: a config alone must not cost memory.
func (l *Layer) allocate(a *tensor.Arena) {
	h := l.Query.Kernel.Shape[0]
	l.qkv, l.qkvBias = tensor.NewPackedIn(a, h, 3*h), make([]float32, 3*h)
	for i, d := range l.dense() {
		if i >= 3 {
			d.Allocate(a)
			continue
		}
		d.Share(l.qkv, i*h)
		d.Bias.Value = l.qkvBias[i*h : (i+1)*h : (i+1)*h]
	}
}

// packedSizes returns the floats of each operand that allocate makes.
func (l *Layer) packedSizes() []int {
	h := l.Query.Kernel.Shape[0]
	sizes := []int{tensor.PackedSize(h, 3*h)}
	for _, d := range l.dense()[3:] {
		sizes = append(sizes, d.PackedSize())
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

	// Columns are computed by whole panels: queries up to the panel that ends at or behind h, keys from the one that holds h.
	nr := asm.Best.NR
	ws.qkv.Resize(x.Rows, 3*h)
	ws.MatMulPanels(&ws.qkv, x, l.qkv, h/nr, (3*h+nr-1)/nr, tensor.Epilogue{Bias: l.qkvBias})
	ws.clsQuery.Resize(texts, 3*h)
	ws.MatMulPanels(&ws.clsQuery, first, l.qkv, 0, (h+nr-1)/nr, tensor.Epilogue{Bias: l.qkvBias})
	query, key, value := ws.clsQuery.SliceCols(0, h), ws.qkv.SliceCols(h, 2*h), ws.qkv.SliceCols(2*h, 3*h)
	l.afterQKV(ws, y, first, &query, &key, &value, ws.clsOffsets, offsets)
}

// afterQKV is the layer behind the three products, for as many rows as there are queries; y and x have these rows.
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
