package bert

import (
	"bertlabel/asm"
	"bertlabel/layers"
	"bertlabel/tensor"
)

// Embeddings turns tokens into vectors: LayerNorm(word[id] + token_type[segment] + position[place in the text])
// (modeling.py, embedding_lookup and embedding_postprocessor; Devlin et al. 2019, figure 2). All three tables are learned. In particular
// BERT has none of the sinusoids of Vaswani et al. 2017, §3.5: it learns one vector for each position, up to max_position_embeddings.
type Embeddings struct {
	Word      *layers.Embedding // [vocab_size, hidden]
	Position  *layers.Embedding // [max_position_embeddings, hidden]
	TokenType *layers.Embedding // [type_vocab_size, hidden]
	Norm      *layers.LayerNorm
}

func newEmbeddings(c *Config) *Embeddings {
	const scope = "bert/embeddings/"
	return &Embeddings{
		Word:      layers.NewEmbedding(scope+"word_embeddings", c.VocabSize, c.HiddenSize),
		Position:  layers.NewEmbedding(scope+"position_embeddings", c.MaxPositionEmbeddings, c.HiddenSize),
		TokenType: layers.NewEmbedding(scope+"token_type_embeddings", c.TypeVocabSize, c.HiddenSize),
		Norm:      layers.NewLayerNorm(scope+"LayerNorm", c.HiddenSize, c.normEps()),
	}
}

// Forward sets x [tokens, hidden] to the embeddings of the tokens of b.
func (e *Embeddings) Forward(x *tensor.Tensor, b *Batch) {
	for t := range b.Sequences() {
		first, end := b.Offsets[t], b.Offsets[t+1]
		for i := first; i < end; i++ {
			e.lookUp(x.Row(i), b.IDs[i], b.Segments[i], i-first)
		}
	}
	e.Norm.FinishRows(x, 0, x.Rows)
}

// lookUp sets row to word[id] + token_type[segment] + position[place].
func (e *Embeddings) lookUp(row []float32, id, segment int32, place int) {
	e.Word.Read(row, int(id))
	asm.Best.Add(row, e.TokenType.Row(int(segment)))
	asm.Best.Add(row, e.Position.Row(place))
}

// embeddingsTraining is a pass of training through the embeddings: what the backward pass needs of the forward pass.
type embeddingsTraining struct {
	*Embeddings
	dropout layers.DropoutRows

	batch     *Batch
	positions []int32 // place of each token in its sequence, [tokens]
	norm      layers.LayerNormCache
	gradient  layers.EmbeddingWorkspace

	// squares is Σ over tokens of |gradient of the token's row of Word|², before rows of the same word are added up.
	squares float64
}

// forward sets x [tokens, hidden] to dropout(LayerNorm(word[id] + token_type[segment] + position)).
func (e *embeddingsTraining) forward(ws *tensor.Workspace, x *tensor.Tensor, b *Batch, at []layers.Place) {
	e.batch, e.dropout.At, e.positions = b, at, e.positions[:0]
	for s := range b.Sequences() {
		for i := range b.Offsets[s+1] - b.Offsets[s] {
			e.positions = append(e.positions, int32(i))
		}
	}
	ws.EachRow(x, e)
	e.Norm.Forward(ws, x, x, &e.norm)
	ws.EachRow(x, &e.dropout)
}

// FinishRows implements tensor.RowFinisher: it sums the rows of the three tables.
func (e *embeddingsTraining) FinishRows(sum *tensor.Tensor, from, to int) {
	for i := from; i < to; i++ {
		e.lookUp(sum.Row(i), e.batch.IDs[i], e.batch.Segments[i], int(e.positions[i]))
	}
}

// backward adds to the gradients of the tables and of Norm. It overwrites dx, the gradient by what forward gave.
func (e *embeddingsTraining) backward(ws *tensor.Workspace, dx *tensor.Tensor) {
	ws.EachRow(dx, &e.dropout)           // x = dropout(norm)
	e.Norm.Backward(ws, dx, dx, &e.norm) // norm = LayerNorm(sum)
	for i := range dx.Rows {
		e.squares += asm.Best.SumSquares(dx.Row(i))
	}
	e.Word.Backward(ws, &e.gradient, dx, e.batch.IDs) // sum = word[id] + token_type[segment] + position
	e.TokenType.Backward(ws, &e.gradient, dx, e.batch.Segments)
	e.Position.Backward(ws, &e.gradient, dx, e.positions)
}
