package layers

import "bertlabel/tensor"

// Embedding is a table of vectors: row i is the vector of index i.
type Embedding struct {
	Table *tensor.Param // [entries, hidden]
}

// NewEmbedding returns a table whose parameter is called name.
func NewEmbedding(name string, entries, hidden int) *Embedding {
	return &Embedding{Table: tensor.NewParam(name, entries, hidden)}
}

// Row returns the vector of index i, which shares the table's memory. It panics for an index outside of the table.
func (e *Embedding) Row(i int) []float32 {
	hidden := e.Table.Shape[1]
	return e.Table.Value[i*hidden : (i+1)*hidden]
}
