package layers

import (
	"fmt"

	"bertlabel/asm"
	"bertlabel/tensor"
)

// Embedding is a table of vectors: row i is the vector of index i.
type Embedding struct {
	Table *tensor.Param // [entries, hidden]

	int8 *int8Table // in the place of Table.Value: embedding_int8.go
}

// NewEmbedding returns a table whose parameter is called name.
func NewEmbedding(name string, entries, hidden int) *Embedding {
	return &Embedding{Table: tensor.NewParam(name, entries, hidden)}
}

// Row returns the vector of index i, which shares the table's memory. It panics for an index outside of the table, and for a table in int8:
// Read reads either.
func (e *Embedding) Row(i int) []float32 {
	hidden := e.Table.Shape[1]
	return e.Table.Value[i*hidden : (i+1)*hidden]
}

// EmbeddingWorkspace is the memory of Backward, reused from pass to pass.
type EmbeddingWorkspace struct{ job embeddingBackward }

// Backward adds row i of dy [rows, hidden] to row ids[i] of Table.Grad, for all rows in their order: where y[i] = Table[ids[i]] was
// the forward pass. Workers split the columns, so the sums have the same bits for any number of them.
func (e *Embedding) Backward(ws *tensor.Workspace, ews *EmbeddingWorkspace, dy *tensor.Tensor, ids []int32) {
	if hidden := e.Table.Shape[1]; dy.Cols != hidden || dy.Rows != len(ids) {
		panic(fmt.Sprintf("layers.Embedding.Backward: dy [%d, %d] for %d rows of width %d", dy.Rows, dy.Cols, len(ids), hidden))
	}
	ews.job = embeddingBackward{e.Table, *dy, ids}
	ws.Workers.Do((dy.Cols+embeddingCols-1)/embeddingCols, &ews.job)
	ews.job = embeddingBackward{} // keep nothing alive
}

// embeddingCols is the number of columns of one turn: four lines of the cache.
const embeddingCols = 64

// embeddingBackward is one call of Backward: turn i does embeddingCols columns.
type embeddingBackward struct {
	table *tensor.Param
	dy    tensor.Tensor
	ids   []int32
}

func (b *embeddingBackward) Run(_, turn int) {
	hidden := b.dy.Cols
	from := turn * embeddingCols
	to := min(from+embeddingCols, hidden)
	for i, id := range b.ids { // y[i] = Table[ids[i]]
		row := int(id) * hidden
		asm.Best.Add(b.table.Grad[row+from:row+to], b.dy.Row(i)[from:to])
	}
}
