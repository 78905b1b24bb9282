package bert

import (
	"bertlabel/asm"
	"bertlabel/layers"
	"bertlabel/tensor"
)

// Embeddings turns tokens into vectors: LayerNorm(word[id] + token_type[segment] + position[place in the text])
// (modeling.py, embedding_lookup and embedding_postprocessor; Devlin et al. 2019, figure 2).
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
	for t := range b.Texts() {
		first, end := b.Offsets[t], b.Offsets[t+1]
		for i := first; i < end; i++ {
			row := x.Row(i)
			copy(row, e.Word.Row(int(b.IDs[i])))
			asm.Best.Add(row, e.TokenType.Row(int(b.Segments[i])))
			asm.Best.Add(row, e.Position.Row(i-first))
		}
	}
	e.Norm.FinishRows(x, 0, x.Rows)
}
