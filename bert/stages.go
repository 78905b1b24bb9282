package bert

import (
	"fmt"

	"bertlabel/layers"
	"bertlabel/tensor"
)

// Stages runs a pass over b, which has one text of S tokens, and shows visit each of its stages in the order of the computation, by the
// name of its scope in modeling.py; package plain has the same names. visit must not keep x. Its error ends the walk and is returned.
//
// What the pass leaves in the workspace is shown as it is. What it fuses, the sums before a norm and the values before an activation, is
// computed again by the same products, so that norm and activation of what is shown have the bits of the pass. Scores and probs are
// [heads·S, S], the heads one below the other; scores are divided by √D. It costs about two passes. Beside ws it
// takes 4·S·(H + max(H, I) + 2·heads·S) bytes for any number of layers.
func (m *Model) Stages(ws *Workspace, b *Batch, visit func(name string, x *tensor.Tensor) error) error {
	if err := b.Check(&m.Config); err != nil {
		return err
	}
	if b.Texts() != 1 {
		return fmt.Errorf("the stages of %d texts, want one text", b.Texts())
	}
	ws.Workers.Start()
	defer ws.Workers.Stop()
	s := &stages{ws: ws, b: b, visit: visit}
	x := &ws.x
	x.Resize(b.Tokens(), m.Config.HiddenSize)
	s.embeddings(m.Embeddings, x)
	for i, l := range m.Layers {
		s.layer(l, i, x)
	}
	if m.Pooler != nil {
		s.pooler(m.Pooler, x)
	}
	return s.err
}

// stages is one walk. After the first error it shows nothing more.
type stages struct {
	ws    *Workspace
	b     *Batch
	visit func(name string, x *tensor.Tensor) error
	err   error

	again         tensor.Tensor // what is computed again
	input         tensor.Tensor // of the layer, which its output overwrites, [S, H]
	scores, probs tensor.Tensor // [heads·S, S]
}

func (s *stages) show(name string, x *tensor.Tensor) {
	if s.err == nil {
		s.err = s.visit(name, x)
	}
}

// resized returns the memory for what is computed again.
func (s *stages) resized(rows, cols int) *tensor.Tensor {
	s.again.Resize(rows, cols)
	return &s.again
}

// embeddings sets x to the output of e and shows its parts: a row of each table, and their sum.
func (s *stages) embeddings(e *Embeddings, x *tensor.Tensor) {
	const scope = "bert/embeddings/"
	part := s.resized(x.Rows, x.Cols)
	each := func(name string, set func(row []float32, token int)) {
		for i := range part.Rows {
			set(part.Row(i), i)
		}
		s.show(scope+name, part)
	}
	each("word", func(row []float32, i int) { copy(row, e.Word.Row(int(s.b.IDs[i]))) })
	each("token_type", func(row []float32, i int) { copy(row, e.TokenType.Row(int(s.b.Segments[i]))) })
	each("position", func(row []float32, i int) { copy(row, e.Position.Row(i)) })
	each("sum", func(row []float32, i int) { e.lookUp(row, s.b.IDs[i], s.b.Segments[i], i) })
	e.Forward(x, s.b)
	s.show(scope+"LayerNorm", x)
	s.show("embedding_output", x)
}

// layer sets x to the output of layer number n and shows what lies between.
func (s *stages) layer(l *Layer, n int, x *tensor.Tensor) {
	if s.err != nil {
		return
	}
	ws, h := s.ws, x.Cols
	s.input.Resize(x.Rows, h)
	copy(s.input.Data, x.Data)
	l.Forward(ws, x, x, s.b.Offsets)

	scope := fmt.Sprintf("bert/encoder/layer_%d/", n)
	query, key, value := ws.qkv.SliceCols(0, h), ws.qkv.SliceCols(h, 2*h), ws.qkv.SliceCols(2*h, 3*h)
	s.show(scope+"attention/self/query", &query)
	s.show(scope+"attention/self/key", &key)
	s.show(scope+"attention/self/value", &value)
	s.scores.Resize(l.Attention.Heads*x.Rows, x.Rows)
	s.probs.Resize(l.Attention.Heads*x.Rows, x.Rows)
	l.Attention.Probs(&ws.Workspace, &ws.attention, &s.scores, &s.probs, &query, &key, &value)
	s.show(scope+"attention/self/scores", &s.scores)
	s.show(scope+"attention/self/probs", &s.probs)
	s.show(scope+"attention/self/context", &ws.context)
	s.addNorm(scope+"attention/output/", l.AttentionOutput, &ws.context, &s.input, &ws.attended)
	inner := s.resized(x.Rows, ws.intermediate.Cols)
	l.Intermediate.Forward(&ws.Workspace, inner, &ws.attended, layers.Linear)
	s.show(scope+"intermediate/dense", inner)
	s.show(scope+"intermediate/act", &ws.intermediate)
	s.addNorm(scope+"output/", l.Output, &ws.intermediate, &ws.attended, x)
	s.show(fmt.Sprintf("layer_%d", n), x)
}

// addNorm shows the stages of y = LayerNorm(d(x) + residual), of which the pass left y only.
func (s *stages) addNorm(scope string, d *layers.Dense, x, residual, y *tensor.Tensor) {
	again := s.resized(y.Rows, y.Cols)
	d.Forward(&s.ws.Workspace, again, x, layers.Linear)
	s.show(scope+"dense", again)
	d.ForwardSum(&s.ws.Workspace, again, x, residual)
	s.show(scope+"sum", again)
	s.show(scope+"LayerNorm", y)
}

// pooler shows the stages of p over the [CLS] row of x.
func (s *stages) pooler(p *Pooler, x *tensor.Tensor) {
	cls, again := x.SliceRows(0, 1), s.resized(1, x.Cols)
	p.Dense.Forward(&s.ws.Workspace, again, &cls, layers.Linear)
	s.show("bert/pooler/dense", again)
	p.Forward(s.ws, again, &cls)
	s.show("pooled_output", again)
}
