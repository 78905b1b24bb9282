package tensor

import "fmt"

// The three products of a layer Y = X·W in training. Their right-hand operand is new in every step, so it is packed on the way,
// by all workers, into memory of the workspace, from whose cache the product then reads it: packed copies that each layer kept
// would have to be filled in every step too, and read back from memory. BenchmarkForms shows what packing costs. An element has
// the same bits for any number of workers, and in MatMulNN the bits that MatMul gives it.

// MatMulNN sets c = a·b with the given epilogue; a is [m, k], b [k, n], c [m, n]: Y = X·W. c must not share memory with a.
func (ws *Workspace) MatMulNN(c, a, b *Tensor, e Epilogue) {
	if a.Cols != b.Rows || c.Rows != a.Rows || c.Cols != b.Cols {
		panic(fmt.Sprintf("tensor.MatMulNN: C[%d×%d] = A[%d×%d]·B[%d×%d]", c.Rows, c.Cols, a.Rows, a.Cols, b.Rows, b.Cols))
	}
	ws.multiplyBy(b, false, product{c: *c, a: *a, e: e})
}

// MatMulNT sets c = a·bᵀ with the given epilogue; a is [m, k], b [n, k], c [m, n]: dX = dY·Wᵀ. c must not share memory with a.
func (ws *Workspace) MatMulNT(c, a, b *Tensor, e Epilogue) {
	if a.Cols != b.Cols || c.Rows != a.Rows || c.Cols != b.Rows {
		panic(fmt.Sprintf("tensor.MatMulNT: C[%d×%d] = A[%d×%d]·B[%d×%d]ᵀ", c.Rows, c.Cols, a.Rows, a.Cols, b.Rows, b.Cols))
	}
	ws.multiplyBy(b, true, product{c: *c, a: *a, e: e})
}

// MatMulTN sets c = aᵀ·b with the given epilogue; a is [k, m], b [k, n], c [m, n]: dW = Xᵀ·dY. c must not share memory with a.
func (ws *Workspace) MatMulTN(c, a, b *Tensor, e Epilogue) {
	if a.Rows != b.Rows || c.Rows != a.Cols || c.Cols != b.Cols {
		panic(fmt.Sprintf("tensor.MatMulTN: C[%d×%d] = A[%d×%d]ᵀ·B[%d×%d]", c.Rows, c.Cols, a.Rows, a.Cols, b.Rows, b.Cols))
	}
	ws.multiplyBy(b, false, product{c: *c, a: *a, aT: true, e: e})
}

// multiplyBy packs b, or its transpose, and runs the product with it.
func (ws *Workspace) multiplyBy(b *Tensor, transposed bool, p product) {
	if p.c.Rows == 0 || p.c.Cols == 0 {
		return
	}
	ws.packing = packJob{to: &ws.operand, b: *b, transposed: transposed}
	if transposed {
		ws.operand.Resize(b.Cols, b.Rows)
		ws.Workers.Do(ws.operand.panels, &ws.packing)
	} else {
		ws.operand.Resize(b.Rows, b.Cols)
		ws.Workers.Do((b.Rows+packedRows-1)/packedRows, &ws.packing)
	}
	ws.packing = packJob{} // keep nothing alive
	p.b, p.to = &ws.operand, ws.operand.panels
	ws.multiply(p)
}

// packJob packs one operand: turn i is packedRows rows of b or, of its transpose, one panel.
type packJob struct {
	to         *Packed
	b          Tensor
	transposed bool
}

// packedRows is the number of rows that one turn packs: enough that every panel gets a piece of some cache lines.
const packedRows = 16

func (j *packJob) Run(_, turn int) {
	if j.transposed {
		j.to.setPanel(turn, &j.b)
	} else {
		j.to.setRows(0, &j.b, turn*packedRows, min((turn+1)*packedRows, j.b.Rows))
	}
}
