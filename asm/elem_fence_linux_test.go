package asm

import (
	"fmt"
	"testing"
)

// TestElementFences runs every element-wise and row kernel with each operand ending or beginning at a forbidden page.
func TestElementFences(t *testing.T) {
	for _, set := range Sets() {
		for _, atEnd := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/atEnd=%v", set.Name, atEnd), func(t *testing.T) {
				f := &fences{t: t, atEnd: atEnd}
				for _, n := range rowLengths() {
					f.reset()
					callAll(set, [4][]float32{f.alloc(n), f.alloc(n), f.alloc(n), f.alloc(n)})
				}
			})
		}
	}
}

// callAll calls every element-wise and row kernel of the set, on slices of one length.
func callAll(set Kernels, v [4][]float32) {
	for _, e := range elements {
		e.kernel(set)(v[0], v[1])
	}
	set.Softmax(v[0], 1)
	set.LayerNorm(v[0], v[1], v[2], v[3], 1e-12)
	set.Dot(v[0], v[1])
	set.Axpy(v[0], 1, v[1])
	set.Add(v[0], v[1])
	set.SumSquares(v[0])
	set.Scale(v[0], 1)
	set.MulAdd(v[0], v[1], v[2])
	set.SoftmaxBackward(v[0], v[1], v[2], 1)
	set.LayerNormBackward(v[0], v[1], v[2], v[3], 1)
	set.AdamW(v[0], v[1], v[2], v[3], &AdamStep{})
	set.Dropout(v[0], v[1], 1, 2, 3, 4, 5)
}
