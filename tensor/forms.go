package tensor

import "fmt"

// The three products of a layer Y = X·W in training. Their right-hand operand is new in every step, so it is packed on the way,
// by all workers, into memory of the workspace, from whose cache the product then reads it: packed copies that each layer kept
// would have to be filled in every step too, and read back from memory. BenchmarkForms shows what packing costs. An element has
// the same bits for any number of workers, and in MatMulNN the bits that MatMul gives it.
//
// In BF16 both operands are rounded on their way, which leaves the tensors as they are; sums, what C starts from and C itself are
// float32. In MatMulTN the summed axis is that of the tokens: pairs are of two that follow each other.

// MatMulNN sets c = a·b in precision p, FP32 or BF16, with the given epilogue; a is [m, k], b [k, n], c [m, n]: Y = X·W. c must not share
// memory with a.
func (ws *Workspace) MatMulNN(p Precision, c, a, b *Tensor, e Epilogue) {
	if a.Cols != b.Rows || c.Rows != a.Rows || c.Cols != b.Cols {
		panic(fmt.Sprintf("tensor.MatMulNN: C[%d×%d] = A[%d×%d]·B[%d×%d]", c.Rows, c.Cols, a.Rows, a.Cols, b.Rows, b.Cols))
	}
	ws.multiplyBy(p, b, false, product{c: *c, a: *a, e: e})
}

// MatMulNT sets c = a·bᵀ likewise; a is [m, k], b [n, k], c [m, n]: dX = dY·Wᵀ. c must not share memory with a.
func (ws *Workspace) MatMulNT(p Precision, c, a, b *Tensor, e Epilogue) {
	if a.Cols != b.Cols || c.Rows != a.Rows || c.Cols != b.Rows {
		panic(fmt.Sprintf("tensor.MatMulNT: C[%d×%d] = A[%d×%d]·B[%d×%d]ᵀ", c.Rows, c.Cols, a.Rows, a.Cols, b.Rows, b.Cols))
	}
	ws.multiplyBy(p, b, true, product{c: *c, a: *a, e: e})
}

// MatMulTN sets c = aᵀ·b likewise; a is [k, m], b [k, n], c [m, n]: dW = Xᵀ·dY. c must not share memory with a.
func (ws *Workspace) MatMulTN(p Precision, c, a, b *Tensor, e Epilogue) {
	if a.Rows != b.Rows || c.Rows != a.Cols || c.Cols != b.Cols {
		panic(fmt.Sprintf("tensor.MatMulTN: C[%d×%d] = A[%d×%d]ᵀ·B[%d×%d]", c.Rows, c.Cols, a.Rows, a.Cols, b.Rows, b.Cols))
	}
	ws.multiplyBy(p, b, false, product{c: *c, a: *a, aT: true, e: e})
}

// multiplyBy packs b, or its transpose, and runs the product with it.
func (ws *Workspace) multiplyBy(precision Precision, b *Tensor, transposed bool, p product) {
	if p.c.Rows == 0 || p.c.Cols == 0 {
		return
	}
	var to trainingOperand = &ws.operand
	if precision != FP32 {
		to = ws.bf16Operand(precision)
	}
	ws.packing = packJob{to: to, b: *b, transposed: transposed, scratch: ws.scratch}
	if transposed {
		to.Resize(b.Cols, b.Rows)
		ws.Workers.Do((b.Rows+to.PanelWidth()-1)/to.PanelWidth(), &ws.packing)
	} else {
		to.Resize(b.Rows, b.Cols)
		ws.Workers.Do((b.Rows+packedRows-1)/packedRows, &ws.packing)
	}
	ws.packing = packJob{} // keep nothing alive
	if precision == FP32 {
		p.b, p.to = &ws.operand, ws.operand.panels
		ws.multiply(p)
		return
	}
	ws.multiplyLow(lowTask{c: p.c, a: p.a, aT: p.aT, b: &ws.operandBF16, e: p.e, to: ws.operandBF16.panels})
}

// bf16Operand returns the operand of a product of training in p, which has to be BF16: integers are not trained by.
func (ws *Workspace) bf16Operand(p Precision) *PackedBF16 {
	if p != BF16 {
		panic("tensor: a product of training in " + p.String() + ", want " + FP32.String() + " or " + BF16.String())
	}
	return &ws.operandBF16
}

// trainingOperand is a *Packed or *PackedBF16.
type trainingOperand interface {
	Operand
	Resize(k, n int)
	setRows(col int, b *Tensor, from, to int)
	setPanel(j int, b *Tensor, scratch *[]float32)
}

// packJob packs one operand: turn i is packedRows rows of b or, of its transpose, one panel.
type packJob struct {
	to         trainingOperand
	b          Tensor
	transposed bool
	scratch    []scratch
}

// packedRows is the number of rows that one turn packs, an even one: enough that every panel gets a piece of some cache lines.
const packedRows = 16

func (j *packJob) Run(worker, turn int) {
	if j.transposed {
		j.to.setPanel(turn, &j.b, &j.scratch[worker].low.row)
	} else {
		j.to.setRows(0, &j.b, turn*packedRows, min((turn+1)*packedRows, j.b.Rows))
	}
}
