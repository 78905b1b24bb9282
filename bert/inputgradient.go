package bert

import (
	"fmt"

	"bertlabel/asm"
	"bertlabel/layers"
	"bertlabel/tensor"
)

// InputGradient differentiates features of sequences by the word embeddings of the tokens: the rows that, with those of segment and
// position, make the first sum of the encoder. They are given instead of looked up, so that they may lie between two words. There is no
// dropout, and weights have no gradients here.
//
// It holds a row-major copy of the kernels that it runs through. An InputGradient serves one pass at a time; the model is only read.
type InputGradient struct {
	config     *Config
	plan       *poolingPlan
	ws         *Workspace
	embeddings *Embeddings
	layers     []*layerTraining // as many as the pooling reads
	poolers    []poolerTraining // one for each part of the pooling

	batch     *Batch
	rows      rowSet
	norm      layers.LayerNormCache
	hidden    []tensor.Tensor // hidden[i] is the input of layers[i], [tokens, hidden]; the last one is the output of the last
	vector    tensor.Tensor   // of one pooled part, [sequences, hidden]
	gradients layerGradients
}

// NewInputGradient prepares the gradient of the features of pooling, by loops that run on w, nil for the calling goroutine; w must
// have been started when Forward and Backward are called. The error says what the model lacks for pooling.
func (m *Model) NewInputGradient(pooling Pooling, w *tensor.Workers) (*InputGradient, error) {
	plan, err := m.planPooling(pooling)
	if err != nil {
		return nil, err
	}
	e := *m.Embeddings
	e.Norm = e.Norm.Frozen()
	g := &InputGradient{config: &m.Config, plan: plan, ws: NewWorkspace(w), embeddings: &e, hidden: make([]tensor.Tensor, plan.depth+1)}
	for i, l := range m.Layers[:plan.depth] {
		g.layers = append(g.layers, newLayerTraining(l.frozen(), i, &TrainerOptions{}))
	}
	g.poolers = make([]poolerTraining, len(plan.parts))
	for i, part := range plan.parts {
		if part.kind == Pooled {
			g.poolers[i].Pooler = &Pooler{m.Pooler.Dense.Frozen()}
		}
	}
	return g, nil
}

// frozen returns the layer without gradients of its parameters, for training passes that are about dx alone.
func (l *Layer) frozen() *Layer {
	return &Layer{
		Query: l.Query.Frozen(), Key: l.Key.Frozen(), Value: l.Value.Frozen(),
		Attention:       l.Attention,
		AttentionOutput: l.AttentionOutput.Frozen(),
		AttentionNorm:   l.AttentionNorm.Frozen(),
		Intermediate:    l.Intermediate.Frozen(),
		Activation:      l.Activation,
		Output:          l.Output.Frozen(),
		OutputNorm:      l.OutputNorm.Frozen(),
	}
}

// Forward sets features [sequences, width] to those of sequences whose tokens have the rows of words [tokens, hidden] for word embeddings;
// segments and positions are those of b, which must stay as it is until the last Backward. The error says that b does not fit the
// model. With the rows of b's own ids the features are those of Features, up to rounding.
func (g *InputGradient) Forward(features, words *tensor.Tensor, b *Batch) error {
	if err := b.Check(g.config); err != nil {
		return err
	}
	h := g.config.HiddenSize
	if features.Rows != b.Sequences() || features.Cols != len(g.plan.parts)*h || words.Rows != b.Tokens() || words.Cols != h {
		panic(fmt.Sprintf("bert.InputGradient.Forward: features [%d, %d] from words [%d, %d], of %d sequences and %d tokens",
			features.Rows, features.Cols, words.Rows, words.Cols, b.Sequences(), b.Tokens()))
	}
	g.batch = b
	g.rows.queries, g.rows.keys, g.rows.at = b.Offsets, b.Offsets, g.rows.at[:0]
	for t := range b.Sequences() {
		for token := range b.Offsets[t+1] - b.Offsets[t] {
			g.rows.at = append(g.rows.at, layers.Place{Example: uint64(t), Token: uint32(token)})
		}
	}
	g.embed(words)
	g.read(features, -1)
	for i, l := range g.layers {
		g.hidden[i+1].Resize(b.Tokens(), h)
		l.forward(g.ws, &g.hidden[i+1], &g.hidden[i], &g.rows)
		g.read(features, i)
	}
	return nil
}

// embed sets hidden[0] to LayerNorm(words + token_type[segment] + position).
func (g *InputGradient) embed(words *tensor.Tensor) {
	x := &g.hidden[0]
	x.Resize(words.Rows, words.Cols)
	for i := range x.Rows {
		row := x.Row(i)
		copy(row, words.Row(i))
		asm.Best.Add(row, g.embeddings.TokenType.Row(int(g.batch.Segments[i])))
		asm.Best.Add(row, g.embeddings.Position.Row(int(g.rows.at[i].Token)))
	}
	g.embeddings.Norm.Forward(&g.ws.Workspace, x, x, &g.norm)
}

// part returns the columns of features, or of their gradient, that are part i of the pooling.
func (g *InputGradient) part(features *tensor.Tensor, i int) tensor.Tensor {
	h := g.config.HiddenSize
	return features.SliceCols(i*h, (i+1)*h)
}

// read sets what the pooling has of a layer, −1 for the embeddings.
func (g *InputGradient) read(features *tensor.Tensor, layer int) {
	x := &g.hidden[layer+1]
	for i, p := range g.plan.parts {
		if p.layer != layer {
			continue
		}
		y := g.part(features, i)
		switch p.kind {
		case Pooled:
			g.vector.Resize(y.Rows, y.Cols)
			firstRows(&g.vector, x, g.batch.Offsets)
			g.poolers[i].forward(&g.ws.Workspace, &y, &g.vector)
		case CLS:
			firstRows(&y, x, g.batch.Offsets)
		case Mean:
			meanRows(&y, x, g.batch.Offsets, g.batch.Kept)
		case Max:
			maxRows(&y, x, g.batch.Offsets, g.batch.Kept)
		}
	}
}

// Backward overwrites dwords [tokens, hidden], the gradient by the words of the last Forward, given dfeatures [sequences, width]. It
// may be called several times for one Forward.
func (g *InputGradient) Backward(dwords, dfeatures *tensor.Tensor) {
	for i := range dwords.Rows {
		clear(dwords.Row(i))
	}
	for i := len(g.layers) - 1; i >= 0; i-- {
		g.readBackward(dwords, dfeatures, i)
		g.layers[i].backward(g.ws, &g.gradients, dwords, dwords, &g.rows)
	}
	g.readBackward(dwords, dfeatures, -1)
	g.embeddings.Norm.Backward(&g.ws.Workspace, dwords, dwords, &g.norm) // x = LayerNorm(words + token_type[segment] + position)
}

// readBackward adds to dx [tokens, hidden], the gradient by the output of a layer, what reaches it by the pooling.
func (g *InputGradient) readBackward(dx, dfeatures *tensor.Tensor, layer int) {
	x, offsets, kept := &g.hidden[layer+1], g.batch.Offsets, g.batch.Kept
	for i, p := range g.plan.parts {
		if p.layer != layer {
			continue
		}
		dy := g.part(dfeatures, i)
		switch p.kind {
		case Pooled:
			g.vector.Resize(dy.Rows, dy.Cols)
			g.poolers[i].backward(&g.ws.Workspace, &g.vector, &dy, &dy)
			addFirstRows(dx, &g.vector, offsets)
		case CLS:
			addFirstRows(dx, &dy, offsets)
		case Mean:
			addMeanRowsBackward(dx, &dy, offsets, kept)
		case Max:
			addMaxRowsBackward(dx, &dy, x, offsets, kept)
		}
	}
}

// addFirstRows adds row s of dy to row offsets[s] of dx: y[s] = x[offsets[s]].
func addFirstRows(dx, dy *tensor.Tensor, offsets []int) {
	for t := range dy.Rows {
		asm.Best.Add(dx.Row(offsets[t]), dy.Row(t))
	}
}

// addMeanRowsBackward adds to each row of dx that the mean has read its share of it: y[s] = Σ x[i]/n.
func addMeanRowsBackward(dx, dy *tensor.Tensor, offsets []int, kept []Range) {
	for s := range dy.Rows {
		read := keptRows(s, offsets, kept)
		scale := 1 / float32(read.End-read.Start)
		for i := read.Start; i < read.End; i++ {
			asm.Best.Axpy(dx.Row(i), scale, dy.Row(s))
		}
	}
}

// addMaxRowsBackward adds to dx, column by column, where x has its maximum, the first of equal ones: y[s] = max x[i].
func addMaxRowsBackward(dx, dy, x *tensor.Tensor, offsets []int, kept []Range) {
	for s := range dy.Rows {
		read := keptRows(s, offsets, kept)
		for j, d := range dy.Row(s) {
			largest := read.Start
			for i := read.Start + 1; i < read.End; i++ {
				if x.Row(i)[j] > x.Row(largest)[j] {
					largest = i
				}
			}
			dx.Row(largest)[j] += d
		}
	}
}
