package layers

import "bertlabel/tensor"

// Dense is the affine map y = x·W + b of tf.layers.dense. Where its weights lie is told in dense_weights.go: inference reads W packed,
// training reads Kernel.Value.
type Dense struct {
	Kernel *tensor.Param // W, [in, out]
	Bias   *tensor.Param // b, [out]

	// Training is the precision of the products of ForwardTraining and Backward, FP32 or BF16. In BF16 x, W and dy are rounded on their way
	// into a product; W itself, y, dx and all gradients are float32.
	Training tensor.Precision

	packed tensor.Operand // [in, columns of all that share it]
	col    int            // the first of this layer's columns there
}

// NewDense returns a layer of the given widths whose parameters are called name/kernel and name/bias, as TensorFlow does.
func NewDense(name string, in, out int) *Dense {
	return &Dense{Kernel: tensor.NewParam(name+"/kernel", in, out), Bias: tensor.NewParam(name+"/bias", out)}
}

// Forward sets y [rows, out] to act(x·W + b), x [rows, in]. It needs Pack, and a layer that shares its operand with others
// cannot run alone. y and x must not share memory.
func (d *Dense) Forward(ws *tensor.Workspace, y, x *tensor.Tensor, act Activation) {
	ws.MatMul(y, x, d.packed, tensor.Epilogue{Bias: d.Bias.Value, Act: act.Kernel()})
}

// ForwardNorm sets y [rows, out] to norm(x·W + b + residual), x [rows, in]: the end of both halves of a transformer layer
// (Vaswani et al. 2017, arXiv:1706.03762, §3.1). y and residual may be the same tensor; y and x must not share memory.
func (d *Dense) ForwardNorm(ws *tensor.Workspace, y, x, residual *tensor.Tensor, norm *LayerNorm) {
	ws.MatMul(y, x, d.packed, tensor.Epilogue{Bias: d.Bias.Value, Residual: residual, Rows: norm})
}

// ForwardSum sets y [rows, out] to x·W + b + residual: what ForwardNorm normalises, with its bits.
func (d *Dense) ForwardSum(ws *tensor.Workspace, y, x, residual *tensor.Tensor) {
	ws.MatMul(y, x, d.packed, tensor.Epilogue{Bias: d.Bias.Value, Residual: residual})
}

// ForwardTraining sets y [rows, out] to x·W + b, x [rows, in], like Forward in that precision, bit for bit, and then calls finish,
// unless nil, on its rows. It reads W from Kernel.Value, which changes with every step, and needs no Pack. y and x must not share memory.
func (d *Dense) ForwardTraining(ws *tensor.Workspace, y, x *tensor.Tensor, finish tensor.RowFinisher) {
	w := d.matrix(d.Kernel.Value)
	ws.MatMulNN(d.Training, y, x, &w, tensor.Epilogue{Bias: d.Bias.Value, Rows: finish})
}

// Backward overwrites dx and adds to Kernel.Grad and Bias.Grad, unless they are nil, given dy and the x of the forward pass:
//
//	dx = dy·Wᵀ + plus    dW += xᵀ·dy    db += Σ over rows of dy
//
// plus [rows, in] is the gradient that reaches x by other ways: nil for none; it may be dx itself. dx may be nil when nothing
// below is trained; it must not share memory with dy.
func (d *Dense) Backward(ws *tensor.Workspace, dx, dy, x, plus *tensor.Tensor) {
	w := d.matrix(d.Kernel.Value)
	if d.Kernel.Grad != nil {
		dw := d.matrix(d.Kernel.Grad)
		ws.MatMulTN(d.Training, &dw, x, dy, tensor.Epilogue{Accumulate: true})
		ws.AddColumnSums(d.Bias.Grad, dy)
	}
	if dx != nil {
		ws.MatMulNT(d.Training, dx, dy, &w, tensor.Epilogue{Residual: plus})
	}
}

// matrix returns the kernel's value or gradient as [in, out]: a value, which needs no memory of its own.
func (d *Dense) matrix(x []float32) tensor.Tensor {
	in, out := d.Kernel.Shape[0], d.Kernel.Shape[1]
	return tensor.Tensor{Rows: in, Cols: out, Stride: out, Data: x}
}
