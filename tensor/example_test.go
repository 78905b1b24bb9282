package tensor_test

import (
	"fmt"

	"bertlabel/tensor"
)

// relu is an element-wise epilogue.
func relu(y, x []float32) {
	for i, v := range x {
		y[i] = max(v, 0)
	}
}

// B is packed once; then C = relu(A·B + bias + residual) is one call.
func ExampleWorkspace_MatMul() {
	b := tensor.NewPacked(2, 3) // [k, n]
	b.SetRows(0, tensor.From([]float32{
		1, 0, 1,
		0, 1, 1,
	}, 2, 3))
	a := tensor.From([]float32{ // [m, k]
		1, 2,
		3, -4,
	}, 2, 2)
	residual := tensor.From([]float32{
		0.5, 0.5, 0.5,
		0, 0, 0,
	}, 2, 3)
	c := tensor.New(2, 3)
	tensor.NewWorkspace(nil).MatMul(c, a, b, tensor.Epilogue{Bias: []float32{10, 0, 0}, Residual: residual, Act: relu})
	for i := range c.Rows {
		fmt.Printf("%.4f\n", c.Row(i))
	}
	// Output:
	// [11.5000 2.5000 3.5000]
	// [13.0000 0.0000 0.0000]
}
