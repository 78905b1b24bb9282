package tensor

import "fmt"

// Tensor is a dense row-major matrix of float32. Activations are [rows, width]: the rows of all texts of a batch one behind
// the other, without padding.
type Tensor struct {
	Rows, Cols int
	Data       []float32 // [Rows, Cols], len = Rows·Cols
}

// New returns a zero [rows, cols] tensor.
func New(rows, cols int) *Tensor {
	return &Tensor{Rows: rows, Cols: cols, Data: make([]float32, rows*cols)}
}

// From returns a [rows, cols] tensor over data, which it shares. It panics unless len(data) = rows·cols.
func From(data []float32, rows, cols int) *Tensor {
	if len(data) != rows*cols {
		panic(fmt.Sprintf("tensor.From: %d elements for shape [%d, %d]", len(data), rows, cols))
	}
	return &Tensor{Rows: rows, Cols: cols, Data: data}
}

// Row returns row i, a slice of length Cols that shares t's memory and cannot grow into the next row.
func (t *Tensor) Row(i int) []float32 {
	return t.Data[i*t.Cols : (i+1)*t.Cols : (i+1)*t.Cols]
}
