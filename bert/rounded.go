package bert

import (
	"slices"

	"bertlabel/layers"
	"bertlabel/tensor"
)

// Rounded is a model in a low precision beside the one in float32 whose values it has: for training, which steps float32 weights, and
// runs, or judges, what they are rounded to. It shares with that model all but the kernels of the layers; embeddings, norms, biases and
// pooler it sees as they are, kernels as they were at the last Follow.
type Rounded struct {
	*Model
	of    *Model
	arena *tensor.Arena // of the kernels; nil until the first Follow
}

// Rounded returns a model in precision p, BF16 or Int8, that follows m, which has to be in FP32 and loaded. It has no kernels until Follow.
func (m *Model) Rounded(p Precision) *Rounded {
	r := &Rounded{of: m, Model: &Model{Config: m.Config, Embeddings: m.Embeddings, Pooler: m.Pooler, embeddings: m.embeddings}}
	for _, l := range m.Layers {
		r.Layers = append(r.Layers, l.beside())
	}
	r.SetPrecision(p)
	return r
}

// memory returns room for the kernels, the same each time.
func (r *Rounded) memory() tensor.Arena {
	if r.arena == nil {
		var operands []int
		for _, l := range r.Layers {
			operands = append(operands, l.packedBytes(r.precision)...)
		}
		r.arena = tensor.NewOperandArena(r.precision, operands)
	}
	return *r.arena
}

// beside returns a layer that shares all with l but kernels, of which it has none.
func (l *Layer) beside() *Layer {
	dense := func(d *layers.Dense) *layers.Dense {
		kernel := &tensor.Param{Name: d.Kernel.Name, Shape: d.Kernel.Shape}
		return &layers.Dense{Kernel: kernel, Bias: d.Bias}
	}
	return &Layer{
		Query: dense(l.Query), Key: dense(l.Key), Value: dense(l.Value), qkvBias: l.qkvBias,
		Attention:       l.Attention,
		AttentionOutput: dense(l.AttentionOutput), AttentionNorm: l.AttentionNorm,
		Intermediate: dense(l.Intermediate), Activation: l.Activation,
		Output: dense(l.Output), OutputNorm: l.OutputNorm,
	}
}

// Follow takes the present values of the float32 model, on so many threads, and then has the bits of a model that Load has read from them
// in this precision. For Int8, which chooses its outlier channels by passes of the float32 model, that must have been packed (Pack,
// Trainer.Pack). Nobody may use r meanwhile.
func (r *Rounded) Follow(threads int) {
	w := tensor.NewWorkers(max(1, threads))
	w.Start()
	defer w.Stop()
	ws, b, x := NewWorkspace(w), outlierBatch(&r.Config), &tensor.Tensor{}
	if r.precision == Int8 {
		x = tensor.New(b.Tokens(), r.Config.HiddenSize)
		r.Embeddings.Forward(x, b)
	}
	arena := r.memory()
	for i, l := range r.Layers {
		var outliers [layerProducts][]int
		from := r.of.Layers[i]
		if r.precision == Int8 {
			outliers = from.outliers(ws, x, b)
		}
		l.allocate(&arena, r.precision, outliers)
		w.Do(len(l.dense()), eachDense{l.dense(), func(d *layers.Dense) {
			d.Kernel.Value = from.dense()[slices.Index(l.dense(), d)].Values()
			d.Pack()
			d.Kernel.Value = nil
		}})
	}
}

// RoundedMemory returns the bytes of the kernels that a Rounded of m in precision p holds, and of what Follow takes beside them on so many
// threads. It needs the configuration only.
func (m *Model) RoundedMemory(p Precision, threads int) (kernels, follow int) {
	r := *m
	r.precision = p.Resolve()
	for _, l := range m.Layers {
		for _, bytes := range l.packedBytes(r.precision) {
			kernels += bytes
		}
	}
	follow = max(1, threads) * 4 * m.Config.HiddenSize * m.Config.IntermediateSize // row-major kernels on their way
	if r.precision == Int8 {
		follow += r.outlierPassMemory(threads)
	}
	return kernels + r.columnFactors(), follow
}
