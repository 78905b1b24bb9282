package bert

import (
	"bertlabel/asm"
	"bertlabel/layers"
	"bertlabel/tensor"
)

// Model is the encoder with its pooler. It is read-only in Forward and serves any number of goroutines.
type Model struct {
	Config     Config
	Embeddings *Embeddings
	Layers     []*Layer
	Pooler     *Pooler // nil after DropPooler

	precision  Precision
	embeddings Precision // of the table of word embeddings: FP32 or Int8
}

// Forward runs the encoder over b, the embeddings and then layer upon layer, and returns the hidden states of the last layer: [tokens,
// hidden] if all, else [sequences, hidden], only the [CLS] rows, which saves most of that layer. The result belongs to ws and lasts until
// its next pass. The rows of a text have the same bits in every batch and for any number of workers. observe, unless nil, sees the
// embeddings as layer −1 and then the output of each layer but, without all, the last; it must not keep them.
func (m *Model) Forward(ws *Workspace, b *Batch, all bool, observe func(layer int, x *tensor.Tensor)) (*tensor.Tensor, error) {
	return m.forward(ws, b, 0, len(m.Layers), all, observe)
}

// forward is Forward through the first depth layers only; with a depth of 0 it needs all. With from above 0 ws.x is the output of the layer
// below that one, and the embeddings and the layers below are left out.
func (m *Model) forward(ws *Workspace, b *Batch, from, depth int, all bool, observe func(layer int, x *tensor.Tensor)) (*tensor.Tensor,
	error) {
	if err := b.Check(&m.Config); err != nil {
		return nil, err
	}
	if b.Texts() == 0 {
		ws.last.Resize(0, m.Config.HiddenSize)
		return &ws.last, nil
	}
	ws.Workers.Start()
	defer ws.Workers.Stop()
	x := &ws.x
	if from == 0 {
		x.Resize(b.Tokens(), m.Config.HiddenSize)
		m.Embeddings.Forward(x, b)
		if observe != nil {
			observe(-1, x)
		}
	}
	for i := from; i < depth; i++ {
		l := m.Layers[i]
		if i == depth-1 && !all {
			ws.last.Resize(b.Sequences(), x.Cols)
			l.ForwardCLS(ws, &ws.last, x, b.Offsets)
			return &ws.last, nil
		}
		l.Forward(ws, x, x, b.Offsets)
		if observe != nil {
			observe(i, x)
		}
	}
	return x, nil
}

// New returns a model without weights, to be filled by Load or Init. The error is that of Config.Check, or says that the
// forced kernel set does not run on this CPU.
func New(c Config) (*Model, error) {
	if asm.BestErr != nil {
		return nil, asm.BestErr
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	m := &Model{Config: c, Embeddings: newEmbeddings(&c), Pooler: newPooler(&c)}
	for i := range c.NumHiddenLayers {
		m.Layers = append(m.Layers, newLayer(&c, i))
	}
	return m, nil
}

// DropPooler removes the pooler: some checkpoints have none, and cls and mean pooling need none.
func (m *Model) DropPooler() { m.Pooler = nil }

// Workspace holds the activations of one pass at a time, and is reused from pass to pass: in the steady state a pass allocates
// nothing. Each goroutine has its own.
type Workspace struct {
	tensor.Workspace
	attention layers.AttentionWorkspace

	x, qkv, context, attended, intermediate tensor.Tensor // [tokens, …]
	cls, clsQuery, last                     tensor.Tensor // [sequences, …]
	parts                                   tensor.Tensor // features of windows, [sequences, width]
	clsOffsets                              []int
	plan                                    *poolingPlan // of the last Features
}

// NewWorkspace returns a workspace whose products run on w; nil for the calling goroutine alone.
func NewWorkspace(w *tensor.Workers) *Workspace {
	return &Workspace{Workspace: *tensor.NewWorkspace(w)}
}
