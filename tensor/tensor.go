package tensor

import "fmt"

// Tensor is a row-major matrix of float32. Activations are [rows, width]: the rows of all texts of a batch one after the
// other, without padding. Element (i, j) is Data[i·Stride + j]; a view of some columns of a wider matrix has Stride > Cols.
type Tensor struct {
	Rows, Cols int
	Stride     int       // distance of two rows in Data, ≥ Cols
	Data       []float32 // len ≥ (Rows−1)·Stride + Cols
}

// New returns a zero [rows, cols] tensor.
func New(rows, cols int) *Tensor {
	return &Tensor{Rows: rows, Cols: cols, Stride: cols, Data: make([]float32, rows*cols)}
}

// From returns a [rows, cols] tensor over data, which it shares. It panics unless len(data) = rows·cols.
func From(data []float32, rows, cols int) *Tensor {
	if len(data) != rows*cols {
		panic(fmt.Sprintf("tensor.From: %d elements for shape [%d, %d]", len(data), rows, cols))
	}
	return &Tensor{Rows: rows, Cols: cols, Stride: cols, Data: data}
}

// Row returns row i, a slice of length Cols that shares t's memory and cannot grow into the next row.
func (t *Tensor) Row(i int) []float32 {
	start := i * t.Stride
	return t.Data[start : start+t.Cols : start+t.Cols]
}

// NotFinite returns the index of the first element of x that is NaN or infinite, or −1.
func NotFinite(x []float32) int {
	for i, v := range x {
		if v-v != 0 { // NaN for both
			return i
		}
	}
	return -1
}

// Resize makes t a [rows, cols] matrix without gaps, reusing its memory where that suffices. The values are undefined.
func (t *Tensor) Resize(rows, cols int) {
	n := rows * cols
	if cap(t.Data) < n {
		t.Data = make([]float32, n)
	}
	t.Rows, t.Cols, t.Stride, t.Data = rows, cols, cols, t.Data[:n]
}

// SliceRows returns rows [from, to) as a view that shares t's memory.
func (t *Tensor) SliceRows(from, to int) Tensor {
	v := *t
	v.Rows = to - from
	v.Data = nil
	if v.Rows > 0 {
		v.Data = t.Data[from*t.Stride : (to-1)*t.Stride+t.Cols]
	}
	return v
}

// SliceCols returns columns [from, to) as a view that shares t's memory.
func (t *Tensor) SliceCols(from, to int) Tensor {
	v := *t
	v.Cols = to - from
	v.Data = nil
	if t.Rows > 0 {
		v.Data = t.Data[from : (t.Rows-1)*t.Stride+to]
	}
	return v
}
