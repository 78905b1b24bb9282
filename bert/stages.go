package bert

import (
	"errors"
	"fmt"

	"bertlabel/layers"
	"bertlabel/tensor"
)

// Stages runs one text through the encoder as Forward does and shows visit every intermediate result, in the order of the computation,
// under the name of its scope in modeling.py (those of package plain):
//
//	bert/embeddings/{word, token_type, position, sum}, embedding_output                                  [tokens, hidden]
//	bert/encoder/layer_N/attention/self/{query, key, value}                                               [tokens, hidden]
//	bert/encoder/layer_N/attention/self/{scores, probs}, the heads one below the other                    [heads·tokens, tokens]
//	bert/encoder/layer_N/attention/self/context, attention/output/{dense, sum, LayerNorm}                 [tokens, hidden]
//	bert/encoder/layer_N/intermediate/{dense, act}                                                        [tokens, intermediate]
//	bert/encoder/layer_N/output/{dense, sum, LayerNorm}, layer_N                                          [tokens, hidden]
//	bert/pooler/{dense, tanh}, pooled_output, if the model has a pooler                                   [1, hidden]
//
// The pass itself is Layer.Forward. What it fuses is computed again by the same products, and has its bits: a pass costs about two. x belongs
// to the workspace, may have rows that lie apart, and lasts until visit returns. The error is that of Forward or of visit, or says that b is
// not one text.
func (m *Model) Stages(ws *Workspace, b *Batch, visit func(name string, x *tensor.Tensor) error) error {
	if b.Sequences() != 1 {
		return errors.New("stages are shown of one text at a time")
	}
	if err := b.Check(&m.Config); err != nil {
		return err
	}
	ws.Workers.Start()
	defer ws.Workers.Stop()
	s := &stages{ws: ws, visit: visit}
	s.x.Resize(b.Tokens(), m.Config.HiddenSize)
	s.embeddings(m.Embeddings, b)
	for i, l := range m.Layers {
		s.layer(l, i, b.Offsets)
	}
	if m.Pooler != nil {
		cls := s.x.SliceRows(0, 1)
		s.recompute("bert/pooler/dense", 1, m.Config.HiddenSize, func(y *tensor.Tensor) {
			before := fuse(&ws.Workspace)
			m.Pooler.Dense.Forward(&ws.Workspace, y, &cls, layers.Linear)
			ws.Fused = before
		})
		s.recompute("bert/pooler/tanh", 1, m.Config.HiddenSize, func(y *tensor.Tensor) { m.Pooler.Forward(ws, y, &cls) })
		s.show("pooled_output", &s.scratch)
	}
	return s.err
}

// stages is one call of Stages.
type stages struct {
	ws    *Workspace
	visit func(name string, x *tensor.Tensor) error
	err   error // of the first visit that failed: the rest is not shown

	x, before, scratch, probs tensor.Tensor // before is x as it went into the layer
}

func (s *stages) show(name string, x *tensor.Tensor) {
	if s.err == nil {
		s.err = s.visit(name, x)
	}
}

// recompute shows what set makes of a tensor of that size.
func (s *stages) recompute(name string, rows, cols int, set func(y *tensor.Tensor)) {
	if s.err != nil {
		return
	}
	s.scratch.Resize(rows, cols)
	set(&s.scratch)
	s.show(name, &s.scratch)
}

func (s *stages) embeddings(e *Embeddings, b *Batch) {
	const scope = "bert/embeddings/"
	tables := func(name string, table *layers.Embedding, index func(i int) int) {
		s.recompute(scope+name, s.x.Rows, s.x.Cols, func(y *tensor.Tensor) {
			for i := range y.Rows {
				table.Read(y.Row(i), index(i))
			}
		})
	}
	tables("word", e.Word, func(i int) int { return int(b.IDs[i]) })
	tables("token_type", e.TokenType, func(i int) int { return int(b.Segments[i]) })
	tables("position", e.Position, func(i int) int { return i })
	s.recompute(scope+"sum", s.x.Rows, s.x.Cols, func(y *tensor.Tensor) {
		for i := range y.Rows {
			e.lookUp(y.Row(i), b.IDs[i], b.Segments[i], i)
		}
	})
	e.Forward(&s.x, b)
	s.show("embedding_output", &s.x)
}

func (s *stages) layer(l *Layer, n int, offsets []int) {
	rows, h := s.x.Rows, s.x.Cols
	scope := fmt.Sprintf("bert/encoder/layer_%d/", n)
	s.before.Resize(rows, h)
	copy(s.before.Data, s.x.Data)
	l.Forward(s.ws, &s.x, &s.before, offsets)

	ws, self := &s.ws.Workspace, scope+"attention/self/"
	query, key, value := s.ws.qkv.SliceCols(0, h), s.ws.qkv.SliceCols(h, 2*h), s.ws.qkv.SliceCols(2*h, 3*h)
	s.show(self+"query", &query)
	s.show(self+"key", &key)
	s.show(self+"value", &value)
	s.scratch.Resize(l.Attention.Heads*rows, rows)
	s.probs.Resize(l.Attention.Heads*rows, rows)
	l.Attention.Stages(ws, &s.ws.attention, &s.scratch, &s.probs, &query, &key)
	s.show(self+"scores", &s.scratch)
	s.show(self+"probs", &s.probs)
	s.show(self+"context", &s.ws.context)
	s.addNorm(scope+"attention/output/", l.AttentionOutput, &s.ws.context, &s.before, &s.ws.attended)
	s.recompute(scope+"intermediate/dense", rows, s.ws.intermediate.Cols, func(y *tensor.Tensor) {
		l.Intermediate.Forward(ws, y, &s.ws.attended, layers.Linear)
	})
	s.show(scope+"intermediate/act", &s.ws.intermediate)
	s.addNorm(scope+"output/", l.Output, &s.ws.intermediate, &s.ws.attended, &s.x)
	s.show(fmt.Sprintf("layer_%d", n), &s.x)
}

// addNorm shows y = LayerNorm(x·W + b + residual) and what it is made of.
func (s *stages) addNorm(scope string, d *layers.Dense, x, residual, y *tensor.Tensor) {
	ws := &s.ws.Workspace
	s.recompute(scope+"dense", y.Rows, y.Cols, func(y *tensor.Tensor) { d.Forward(ws, y, x, layers.Linear) })
	s.recompute(scope+"sum", y.Rows, y.Cols, func(y *tensor.Tensor) { d.ForwardSum(ws, y, x, residual) })
	s.show(scope+"LayerNorm", y)
}
