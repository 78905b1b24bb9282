package tensor

import (
	"fmt"

	"bertlabel/asm"
)

// Epilogue says what a product starts from and what follows on each finished strip of C, while the strip is in the cache.
// The zero Epilogue gives C = A·B. In order:
//
//	C = A·B + Bias + Residual        (+ C, with Accumulate)
//	C = Act(C)
//	Rows.FinishRows(C, …)
type Epilogue struct {
	Bias       []float32            // [n], added to every row; nil for none
	Residual   *Tensor              // [m, n]; nil for none; may be C itself
	Accumulate bool                 // add to what C holds; excludes Bias and Residual
	Act        func(y, x []float32) // an element-wise kernel of asm, called with y = x; nil for none
	Rows       RowFinisher          // what needs whole rows, such as layer normalisation; nil for none
}

// RowFinisher changes rows [from, to) of c in place. It must treat each row alone and be safe for concurrent use on disjoint
// rows.
type RowFinisher interface {
	FinishRows(c *Tensor, from, to int)
}

const (
	maxRowBlock   = 264     // rows of C in one job, a multiple of every MR: how often each element of B is used once it is in L2
	aPadding      = 16      // floats between two rows of the copy of A: rows 4 KiB apart would fall into one L1 set
	blockBytes    = 1 << 17 // bytes of B that stay in the L2 cache, beside the copy of A and the next such block, while the rows pass by
	jobsPerWorker = 4       // a disturbed worker leaves its other jobs to others; half as many where each has to copy A anew
	minParallel   = 1 << 20 // multiply-adds below which a product is not worth a second worker
)

// Workspace is the memory that passes through a model need besides their activations: each worker's copy of a block of A and
// its scratch tile. Workers, nil for a serial workspace, runs the parallel loops. A Workspace serves one pass at a time.
type Workspace struct {
	Workers *Workers

	// Fused makes float32 products fuse every multiply and add on all kernel sets, so that all give the same bits. It changes nothing but on
	// the set generic, which else multiplies, rounds and adds, in a quarter of the time.
	Fused bool

	scratch []scratch  // one per worker
	product product    // the product in flight
	low     lowProduct // likewise, in low precision
	rows    rowLoop    // rows.go: its row-wise epilogue, when that is a loop of its own

	mapping     rowMap     // rows.go
	operand     Packed     // B of the products of training (forms.go)
	operandBF16 PackedBF16 // likewise, in bf16
	packing     packJob    // what fills it
	sums        sumJob     // reduce.go
	columns     columnSums // reduce.go
}

// scratch is one worker's.
type scratch struct {
	a    []float32 // a block of A, [maxRowBlock][kc + aPadding]
	held heldBlock // what block that is
	tile []float32 // a tile over the right border of C

	low lowScratch // matmul_low.go
}

// NewWorkspace returns a workspace for products that run on w; nil for one goroutine.
func NewWorkspace(w *Workers) *Workspace {
	ws := &Workspace{Workers: w, scratch: make([]scratch, w.Count())}
	size := 0
	for _, t := range asm.Best.Tiles {
		size = max(size, t.Rows*t.Panels*asm.Best.NR)
	}
	for i := range ws.scratch {
		ws.scratch[i].tile = make([]float32, size)
	}
	return ws
}

// MatMul sets c = a·b with the given epilogue; a is [m, k], b [k, n], c [m, n]. c must not share memory with a. An element of
// c has the same bits whatever m and the number of workers are.
func (ws *Workspace) MatMul(c, a *Tensor, b Operand, e Epilogue) {
	k, n := b.Shape()
	if a.Cols != k || c.Rows != a.Rows || c.Cols != n {
		panic(fmt.Sprintf("tensor.MatMul: C[%d×%d] = A[%d×%d]·B[%d×%d]", c.Rows, c.Cols, a.Rows, a.Cols, k, n))
	}
	ws.MatMulPanels(c, a, b, 0, (n+b.PanelWidth()-1)/b.PanelWidth(), e)
}

// MatMulPanels is MatMul for the columns of the panels [from, to) of b only: columns [from·width, min(to·width, n)) of c, which is
// [m, n] all the same. The rest of c is not touched. Act sees these columns only; Rows needs all panels.
func (ws *Workspace) MatMulPanels(c, a *Tensor, b Operand, from, to int, e Epilogue) {
	if c.Rows == 0 || from >= to {
		return
	}
	if packed, ok := b.(*Packed); ok {
		ws.multiply(product{c: *c, a: *a, b: packed, e: e, from: from, to: to})
		return
	}
	ws.multiplyLow(lowTask{c: *c, a: *a, b: b.(lowOperand), e: e, from: from, to: to})
}

// multiply runs a product, given all but its plan.
func (ws *Workspace) multiply(given product) {
	p := &ws.product
	*p = given
	p.scratch, p.tiles = ws.scratch, ws.tiles()
	for i := range p.scratch {
		p.scratch[i].held = heldBlock{}
	}
	p.plan(ws.Workers.Count())
	if p.rowBlocks*p.colRanges == 1 {
		p.Run(0, 0)
	} else {
		ws.Workers.Do(p.rowBlocks*p.colRanges, p)
	}
	if p.e.Rows != nil && p.colRanges > 1 {
		ws.EachRow(&p.c, p.e.Rows)
	}
	*p = product{} // keep nothing alive
}

// tiles returns those of this set that products of ws are made of.
func (ws *Workspace) tiles() []asm.Tile {
	if ws.Fused {
		return asm.Best.Fused
	}
	return asm.Best.Tiles
}

// product is one matrix product, cut into jobs: turn i is row block i / colRanges and column range i % colRanges.
type product struct {
	c, a     Tensor
	aT       bool // a is the transpose of A, [k, m]
	b        *Packed
	e        Epilogue
	scratch  []scratch
	tiles    []asm.Tile
	from, to int // panels of b

	mc, rowBlocks    int // rows of a block; number of blocks
	pcols, colRanges int // panels of a column range; number of ranges
	step             int // panels of a block of B that is to stay in the L2 cache
	workers          int
}

// plan cuts C into even row blocks and, when these are too few to keep the workers busy, into column ranges.
func (p *product) plan(workers int) {
	p.workers = workers
	p.step = max(1, blockBytes/(4*p.b.kc*asm.Best.NR))
	m, panels := p.c.Rows, p.to-p.from
	p.mc = roundUp(evenPart(m, maxRowBlock), asm.Best.MR)
	p.rowBlocks = (m + p.mc - 1) / p.mc
	p.colRanges, p.pcols = 1, panels
	if workers == 1 || m*panels*asm.Best.NR*p.b.K < minParallel {
		return
	}
	jobs := jobsPerWorker * workers
	if p.b.K > p.b.kc {
		jobs /= 2
	}
	ranges := min((jobs+p.rowBlocks-1)/p.rowBlocks, panels)
	p.pcols = (panels + ranges - 1) / ranges
	p.colRanges = (panels + p.pcols - 1) / p.pcols
}

// Run computes one job: all k blocks of one strip of C, then its epilogue. The comments are the lines of doc.go.
func (p *product) Run(worker, turn int) { // for each job (row block × column range)
	nr, s := asm.Best.NR, &p.scratch[worker]
	i0 := turn / p.colRanges * p.mc
	i1 := min(i0+p.mc, p.c.Rows)
	p0 := p.from + turn%p.colRanges*p.pcols
	p1 := min(p0+p.pcols, p.to)
	j0, j1 := p0*nr, min(p1*nr, p.c.Cols)

	for pc := 0; pc < p.b.K; pc += p.b.kc { // for pc in k step kc
		depth := min(p.b.kc, p.b.K-pc)
		ars, acs := s.copyA(p, i0, i1, pc, depth) // copy the row block of A
		for q := p0; q < p1; q += p.step {        // for jc in column range step nc: q and step count panels
			p.block(s, ars, acs, i0, i1, pc, q, min(q+p.step, p1), p.after(turn, pc, q))
		}
	}
	p.epilogue(i0, i1, j0, j1) // epilogue on the finished strip of C
}

// epilogue is what follows on the strip of C while it is in the cache.
func (p *product) epilogue(i0, i1, j0, j1 int) {
	if p.e.Act != nil {
		for i := i0; i < i1; i++ {
			row := p.c.Row(i)[j0:j1]
			p.e.Act(row, row)
		}
	}
	if p.e.Rows != nil && p.colRanges == 1 {
		p.e.Rows.FinishRows(&p.c, i0, i1)
	}
}

// start is what the sums of some rows of C are added to: Base and Bias of asm.Tile.
type start struct {
	base []float32
	ld   int
	bias []float32
}

// start returns what the rows of C from row i and column j on start from in the k block at pc: what the epilogue says, and then what C
// holds.
func (p *product) start(pc, i, j int) start {
	s := start{base: noRow[:], bias: noRow[:]}
	switch {
	case pc > 0 || p.e.Accumulate:
		return start{p.c.Data[i*p.c.Stride+j:], p.c.Stride, noRow[:]}
	case p.e.Residual != nil:
		s.base, s.ld = p.e.Residual.Data[i*p.e.Residual.Stride+j:], p.e.Residual.Stride
	}
	if p.e.Bias != nil {
		s.bias = p.e.Bias[j:]
	}
	return s
}

// at returns the start of a tile that is so many columns further right. Rows that do not exist have no columns.
func (s *start) at(columns int) (base, bias []float32) {
	base, bias = s.base, s.bias
	if s.ld > 0 {
		base = base[columns:]
	}
	if &bias[0] != &noRow[0] {
		bias = bias[columns:]
	}
	return base, bias
}

// copyA copies columns [pc, pc+depth) of rows [i0, i1) of A into the worker's buffer, unless its last job has left them there: element
// (i, p) of A then lies at (i−i0)·ars + (p−pc)·acs. Aᵀ stays as it is, [depth, rows]: the tiles read either.
func (s *scratch) copyA(p *product, i0, i1, pc, depth int) (ars, acs int) {
	if s.held.i1 == i1 && s.held.i0 == i0 && s.held.pc == pc {
		return s.held.ars, s.held.acs
	}
	rows, cols, r0, c0 := i1-i0, depth, i0, pc
	if p.aT {
		rows, cols, r0, c0 = depth, i1-i0, pc, i0
	}
	ld := roundUp(cols, aPadding) + aPadding
	if size := max(rows, maxRowBlock) * ld; cap(s.a) < size {
		s.a = make([]float32, size)
	}
	s.a = s.a[:cap(s.a)]
	for i := range rows {
		copy(s.a[i*ld:], p.a.Row(r0 + i)[c0:c0+cols])
	}
	ars, acs = ld, 1
	if p.aT {
		ars, acs = 1, ld
	}
	s.held = heldBlock{i0, i1, pc, ars, acs}
	return ars, acs
}

// heldBlock is the block of A that a worker has a copy of: rows [i0, i1) from column pc on, with these strides. The zero heldBlock is none.
type heldBlock struct{ i0, i1, pc, ars, acs int }

// block adds one k block to the tiles of rows [i0, i1) and panels [p0, p1), while it fetches next.
func (p *product) block(s *scratch, ars, acs, i0, i1, pc, p0, p1 int, next []float32) {
	b, depth, bps := p.b.block(pc, p0, p1)
	j0 := p0 * asm.Best.NR
	f := fetchBeside(next, i0, i1, p1-p0, depth)
	for i, rows := i0, 0; i < i1; i += rows { // for each MR rows i
		from := p.start(pc, i, j0)
		rows = tiles(p.tiles, s.tile, depth, s.a[(i-i0)*ars:], ars, acs, b, bps, p1-p0, p.c.Data[i*p.c.Stride+j0:], p.c.Stride, i1-i, p.c.Cols-j0,
			&from, &f)
	}
}

// tiles sets the upper rows of C to what they start from and A·B, and returns how many: m rows are cut into ⌈m/MR⌉ tiles of nearly equal
// height, as short ones are slow. A has strides ars and acs; b holds the given number of panels, bps floats apart; C is [m, n] with row
// stride ldc. Tiles over its right border work on copies. Meanwhile they fetch their share of f.
func tiles(set []asm.Tile, scratch []float32, k int, a []float32, ars, acs int, b []float32, bps, panels int, c []float32,
	ldc, m, n int, from *start, f *fetch) (rows int) {
	nr := asm.Best.NR
	rows = evenPart(m, asm.Best.MR)
	t := 0
	for set[t].Rows > rows {
		t++
	}
	rows = set[t].Rows
	for q := 0; q < panels; { // for each panel j of B
		for q+set[t].Panels > panels { // the narrower tiles of the same height stand after
			t++
		}
		tile := &set[t]
		width := tile.Panels * nr
		next, nps := f.share(k, b)
		base, bias := from.at(q * nr)
		if q*nr+width <= n {
			tile.GEMM(k, a, ars, acs, b[q*bps:], bps, c[q*nr:], ldc, base, from.ld, bias, next, nps) // tile(i, j)
		} else {
			for i := range rows {
				row := scratch[i*width:][:n-q*nr]
				copy(row, base[i*from.ld:])
				asm.Best.Add(row, bias[:len(row)])
			}
			tile.GEMM(k, a, ars, acs, b[q*bps:], bps, scratch, width, scratch, width, noRow[:], next, nps)
			copyRows(c[q*nr:], ldc, scratch, width, rows, n-q*nr)
		}
		q += tile.Panels
	}
	return rows
}

// evenPart returns the first part when n is cut into the fewest parts of at most limit, as evenly as can be.
func evenPart(n, limit int) int {
	parts := (n + limit - 1) / limit
	return (n + parts - 1) / parts
}

// copyRows copies a [rows, n] matrix.
func copyRows(dst []float32, dstStride int, src []float32, srcStride, rows, n int) {
	for i := range rows {
		copy(dst[i*dstStride:i*dstStride+n], src[i*srcStride:i*srcStride+n])
	}
}

// MatMulSmall sets c = a·b on the calling goroutine, reading a in place: for operands that fit the cache, such as those of one
// attention head, inside a job of the given worker. c must not share memory with a.
func (ws *Workspace) MatMulSmall(worker int, c, a *Tensor, operand Operand) {
	k, n := operand.Shape()
	if a.Cols != k || c.Rows != a.Rows || c.Cols != n {
		panic(fmt.Sprintf("tensor.MatMulSmall: C[%d×%d] = A[%d×%d]·B[%d×%d]", c.Rows, c.Cols, a.Rows, a.Cols, k, n))
	}
	b, ok := operand.(*Packed)
	if !ok {
		ws.smallLow(worker, lowTask{c: *c, a: *a, b: operand.(lowOperand)})
		return
	}
	ws.small(worker, c, a, a.Stride, 1, b, Epilogue{})
}

// MatMulSmallTN is MatMulSmall for c += aᵀ·b: a is [k, m], and what c holds is added to. operand is a *Packed or *PackedBF16.
func (ws *Workspace) MatMulSmallTN(worker int, c, a *Tensor, operand Operand) {
	k, n := operand.Shape()
	if a.Rows != k || c.Rows != a.Cols || c.Cols != n {
		panic(fmt.Sprintf("tensor.MatMulSmallTN: C[%d×%d] += A[%d×%d]ᵀ·B[%d×%d]", c.Rows, c.Cols, a.Rows, a.Cols, k, n))
	}
	b, ok := operand.(*Packed)
	if !ok {
		ws.smallLow(worker, lowTask{c: *c, a: *a, aT: true, b: operand.(*PackedBF16), e: Epilogue{Accumulate: true}})
		return
	}
	ws.small(worker, c, a, 1, a.Stride, b, Epilogue{Accumulate: true})
}

// small sets c to A·b, or adds that to it, as e says; A has the memory of a and the strides ars and acs.
func (ws *Workspace) small(worker int, c, a *Tensor, ars, acs int, b *Packed, e Epilogue) {
	p := product{c: *c, e: e}
	for pc := 0; pc < b.K; pc += b.kc {
		panels, depth, bps := b.block(pc, 0, b.panels)
		for i, rows := 0, 0; i < c.Rows; i += rows {
			from := p.start(pc, i, 0)
			rows = tiles(ws.tiles(), ws.scratch[worker].tile, depth, a.Data[i*ars+pc*acs:], ars, acs, panels, bps, b.panels,
				c.Data[i*c.Stride:], c.Stride, c.Rows-i, c.Cols, &from, &fetch{})
		}
	}
}
