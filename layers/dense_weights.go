package layers

import "bertlabel/tensor"

// The weights of a Dense layer in memory. W is packed once, after loading; the row-major form may then be dropped. Several Dense layers
// that read the same x can share one packed operand side by side (Share), so that one product serves them all: BERT's query, key and
// value.

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

// Values returns W as Unpack does, or Kernel.Value itself where that is there.
func (d *Dense) Values() []float32 {
	if d.Kernel.Value != nil {
		return d.Kernel.Value
	}
	return d.Unpack()
}

// Frozen returns the same map with its own row-major kernel and without gradients: Backward of it is about dx alone. d must have
// been packed, and is only read.
func (d *Dense) Frozen() *Dense {
	kernel, bias := *d.Kernel, *d.Bias
	kernel.Value, kernel.Grad, bias.Grad = d.Unpack(), nil, nil
	return &Dense{Kernel: &kernel, Bias: &bias}
}
