package layers

import "bertlabel/tensor"

// Dense is the affine map y = x·W + b of tf.layers.dense.
//
// W is packed once, after loading; the row-major form may then be dropped. Several Dense layers that read the same x can share
// one packed operand side by side (Share), so that one product serves them all: BERT's query, key and value.
type Dense struct {
	Kernel *tensor.Param // W, [in, out]
	Bias   *tensor.Param // b, [out]

	packed tensor.Operand // [in, columns of all that share it]
	col    int            // the first of this layer's columns there
}

// NewDense returns a layer of the given widths whose parameters are called name/kernel and name/bias, as TensorFlow does.
func NewDense(name string, in, out int) *Dense {
	return &Dense{Kernel: tensor.NewParam(name+"/kernel", in, out), Bias: tensor.NewParam(name+"/bias", out)}
}

// Params returns the kernel and the bias.
func (d *Dense) Params() []*tensor.Param { return []*tensor.Param{d.Kernel, d.Bias} }

// Share makes d pack its kernel into columns [col, col+out) of p, which is [in, ≥ col+out]. It must come before Pack.
func (d *Dense) Share(p tensor.Operand, col int) { d.packed, d.col = p, col }

// Allocate takes the memory of the packed kernel, in a precision, from the arena: PackedBytes. outliers are the inputs whose
// rows int8 holds in bf16, in ascending order. Without Allocate, Pack makes a kernel in float32.
func (d *Dense) Allocate(a *tensor.Arena, p tensor.Precision, outliers []int) {
	d.packed = tensor.NewOperandIn(a, p, d.Kernel.Shape[0], d.Kernel.Shape[1], outliers)
	d.col = 0
}

// PackedBytes returns the bytes of the packed kernel in a precision, with so many outliers.
func (d *Dense) PackedBytes(p tensor.Precision, outliers int) int {
	return tensor.OperandBytes(p, d.Kernel.Shape[0], d.Kernel.Shape[1], outliers)
}

// Pack copies Kernel.Value into the order in which products read it, rounded to the precision that they have. Kernel.Value may then
// be set to nil, or changed and packed again.
func (d *Dense) Pack() {
	in, out := d.Kernel.Shape[0], d.Kernel.Shape[1]
	if d.packed == nil {
		d.packed = tensor.NewPacked(in, out)
	}
	d.packed.SetRows(d.col, tensor.From(d.Kernel.Value, in, out))
}

// Unpack returns W, [in, out] row-major, as it is held, in new memory: in float32 bit for bit as it was packed.
func (d *Dense) Unpack() []float32 {
	w := tensor.New(d.Kernel.Shape[0], d.Kernel.Shape[1])
	d.packed.Rows(d.col, w)
	return w.Data
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

// ForwardTraining sets y [rows, out] to x·W + b, x [rows, in], like Forward, bit for bit, and then calls finish, unless nil, on
// its rows. It reads W from Kernel.Value, which changes with every step, and needs no Pack. y and x must not share memory.
func (d *Dense) ForwardTraining(ws *tensor.Workspace, y, x *tensor.Tensor, finish tensor.RowFinisher) {
	w := d.matrix(d.Kernel.Value)
	ws.MatMulNN(y, x, &w, tensor.Epilogue{Bias: d.Bias.Value, Rows: finish})
}

// Frozen returns the same map with its own row-major kernel and without gradients: Backward of it is about dx alone. d must have
// been packed, and is only read.
func (d *Dense) Frozen() *Dense {
	kernel, bias := *d.Kernel, *d.Bias
	kernel.Value, kernel.Grad, bias.Grad = d.Unpack(), nil, nil
	return &Dense{Kernel: &kernel, Bias: &bias}
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
		ws.MatMulTN(&dw, x, dy, tensor.Epilogue{Accumulate: true})
		ws.AddColumnSums(d.Bias.Grad, dy)
	}
	if dx != nil {
		ws.MatMulNT(dx, dy, &w, tensor.Epilogue{Residual: plus})
	}
}

// matrix returns the kernel's value or gradient as [in, out]: a value, which needs no memory of its own.
func (d *Dense) matrix(x []float32) tensor.Tensor {
	in, out := d.Kernel.Shape[0], d.Kernel.Shape[1]
	return tensor.Tensor{Rows: in, Cols: out, Stride: out, Data: x}
}
