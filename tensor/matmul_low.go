package tensor

import (
	"sync/atomic"

	"bertlabel/asm"
)

// Products in low precision. They differ from those of float32 (matmul.go) in three things: rows of A are rounded or quantised, once
// for each product, before they are multiplied; what the sum is added to, bias and residual, is an operand of the tile instead of
// being copied into C first; and the tiles are those of the operand's precision.

// lowOperand is an Operand in low precision.
type lowOperand interface {
	Operand
	low() *lowPacked

	// rowBytes returns the bytes of a prepared row of A; prepare prepares the row x, with the help of scratch, twice as long as x.
	rowBytes() int
	prepare(dst []uint8, f *asm.RowFactor, x, scratch []float32)

	// block returns the block of rows of B that begins at pc; tiles the tiles, most rows first; columns completes the arguments of a
	// tile by what belongs to the columns of panel j.
	block(pc int) lowBlock
	tiles() []asm.LowTile
	columns(t *asm.TileArgs, j int)
}

// lowBlock is a block of rows of B.
type lowBlock struct {
	depth  int     // rows
	steps  int     // of a tile
	pairs  int     // of outlier channels
	a      int     // where the block begins in a prepared row of A
	b      []uint8 // panel j is b[j·stride:]
	stride int
}

const (
	lowRowBytes  = 1 << 18 // of the prepared rows of a job: they stay in the L2 cache beside a block of B
	lowAPadding  = 64      // bytes between two prepared rows: rows 4 KiB apart would fall into one L1 set
	lowJobs      = 4       // jobs for a worker; they cost less than those of float32, as none copies A
	preparedRows = 4       // of A in one turn
	preparedCols = 16      // likewise where A is a transpose: a cache line of each row of it
)

// lowScratch is one worker's.
type lowScratch struct {
	args asm.TileArgs
	row  []float32 // of A, without its outlier channels, and after it these

	// Of a tile over the right border of C, [MR][NR]; bias [NR].
	tile, base, bias []float32

	small lowProduct // of smallLow
}

// lowTask is one product, cut into jobs.
type lowTask struct {
	c, a     Tensor
	aT       bool // a is the transpose of A, [k, m]; b is then a *PackedBF16
	b        lowOperand
	e        Epilogue
	from, to int // panels of b

	scratch  []scratch
	team     *team // that runs the jobs; nil for the caller alone
	nr, mr   int
	rows     []uint8         // the prepared rows of A, [m][stride]
	factors  []asm.RowFactor // [m]
	stride   int
	turnRows int // of A that one turn prepares
	rowTurns int // the first turns prepare rows; the others are jobs

	mc, rowBlocks    int // rows of a block; number of blocks
	pcols, colRanges int // panels of a column range; number of ranges
	workers          int
}

// lowProduct is the product in flight and the memory that products share. Turn i prepares rows if i < rowTurns; turn rowTurns + i is
// row block i / colRanges and column range i % colRanges.
type lowProduct struct {
	lowTask
	prepared uint32 // turns that have prepared their rows; atomic

	rowsMemory    []uint8
	factorsMemory []asm.RowFactor
}

// multiplyLow runs a product, given all but its plan.
func (ws *Workspace) multiplyLow(given lowTask) {
	p := &ws.low
	p.lowTask = given
	p.scratch = ws.scratch
	if ws.Workers != nil {
		p.team = ws.Workers.team
	}
	p.plan(ws.Workers.Count())
	p.prepared = 0
	turns := p.rowTurns + p.rowBlocks*p.colRanges
	if p.rowBlocks*p.colRanges == 1 {
		for turn := range turns {
			p.Run(0, turn)
		}
	} else {
		ws.Workers.Do(turns, p)
	}
	if p.e.Rows != nil && p.colRanges > 1 {
		ws.EachRow(&p.c, p.e.Rows)
	}
	p.lowTask = lowTask{} // keep nothing alive
}

// plan cuts C into row blocks and, when these are too few to keep the workers busy, into column ranges.
func (p *lowProduct) plan(workers int) {
	p.reserve()
	p.workers = workers
	m, panels := p.c.Rows, p.to-p.from
	if p.turnRows = preparedRows; p.aT {
		p.turnRows = preparedCols
	}
	p.rowTurns = (m + p.turnRows - 1) / p.turnRows
	p.mc = roundUp(evenPart(m, lowRowBlock(p.b.rowBytes(), p.mr)), p.mr)
	p.rowBlocks = (m + p.mc - 1) / p.mc
	p.colRanges, p.pcols = 1, panels
	if workers > 1 && m*panels*p.nr*p.b.low().K >= minParallel {
		ranges := min((lowJobs*workers+p.rowBlocks-1)/p.rowBlocks, panels)
		p.pcols = (panels + ranges - 1) / ranges
		p.colRanges = (panels + p.pcols - 1) / p.pcols
	}
}

// reserve makes room for the rows of A.
func (p *lowProduct) reserve() {
	m := p.c.Rows
	p.mr, p.nr = p.b.tiles()[0].Rows, p.b.PanelWidth()
	p.stride = lowRowStride(p.b.rowBytes())
	if len(p.rowsMemory) < m*p.stride {
		p.rowsMemory = make([]uint8, m*p.stride)
	}
	if len(p.factorsMemory) < m {
		p.factorsMemory = make([]asm.RowFactor, m)
	}
	p.rows, p.factors = p.rowsMemory, p.factorsMemory
}

// lowRowStride returns the distance of two prepared rows of so many bytes.
func lowRowStride(bytes int) int { return roundUp(bytes, lowAPadding) + lowAPadding }

// lowRowBlock returns the most rows of a job whose prepared rows have so many bytes.
func lowRowBlock(bytes, mr int) int {
	return max(4*mr, min(lowRowBytes/max(bytes, 1)/mr*mr, maxRowBlock))
}

// Run is one turn.
func (p *lowProduct) Run(worker, turn int) {
	s := &p.scratch[worker].low
	if turn < p.rowTurns {
		defer p.rowsPrepared() // after a panic, too: the others, which wait for it, have to come to their end
		p.prepareRows(s, turn*p.turnRows, min((turn+1)*p.turnRows, p.c.Rows))
		return
	}
	p.team.wait(worker, func() bool { return atomic.LoadUint32(&p.prepared) == uint32(p.rowTurns) }) // others have begun all of them
	p.job(s, turn-p.rowTurns)
}

// rowsPrepared ends a turn that prepares rows, and calls those who wait for the last of them.
func (p *lowProduct) rowsPrepared() {
	if atomic.AddUint32(&p.prepared, 1) == uint32(p.rowTurns) {
		p.team.callAll()
	}
}

// prepareRows prepares rows [from, to) of A.
func (p *lowProduct) prepareRows(s *lowScratch, from, to int) {
	if p.aT {
		p.prepareCols(s, from, to)
		return
	}
	if len(s.row) < 2*p.a.Cols {
		s.row = make([]float32, 2*p.a.Cols)
	}
	for i := from; i < to; i++ {
		p.b.prepare(p.rows[i*p.stride:(i+1)*p.stride], &p.factors[i], p.a.Row(i), s.row)
	}
}

// prepareCols is prepareRows where these rows are columns of a: some rows of a at a time are transposed, then rounded.
func (p *lowProduct) prepareCols(s *lowScratch, from, to int) {
	nr, set := asm.Best.NR, &asm.Best.BF16
	if size := (to - from) * nr; len(s.row) < size {
		s.row = make([]float32, size)
	}
	for k := 0; k < p.a.Rows; k += nr {
		n := min(nr, p.a.Rows-k)
		asm.Best.PackCols(s.row[:(to-from)*nr], p.a.Data[k*p.a.Stride+from:], p.a.Stride, to-from, n)
		for i := from; i < to; i++ {
			set.Round(p.rows[i*p.stride+k/2*set.PairBytes:], s.row[(i-from)*nr:][:n])
		}
	}
	for i := from; i < to; i++ {
		row := p.rows[i*p.stride : i*p.stride+p.b.rowBytes()]
		clear(row[(p.a.Rows+1)/2*set.PairBytes:])
	}
}

// job computes one strip of C, then its epilogue.
func (p *lowProduct) job(s *lowScratch, turn int) {
	i0 := turn / p.colRanges * p.mc
	i1 := min(i0+p.mc, p.c.Rows)
	p0 := p.from + turn%p.colRanges*p.pcols
	p1 := min(p0+p.pcols, p.to)
	j0, j1 := p0*p.nr, min(p1*p.nr, p.c.Cols)
	s.reserve(p.mr, p.nr)
	for pc, k := 0, p.b.low().K; pc < k; {
		block := p.b.block(pc)
		step := max(1, min(blockBytes/block.stride, len(noRow)/p.nr))
		for q := p0; q < p1; q += step {
			p.block(s, &block, pc == 0, i0, i1, q, min(q+step, p1), p.after(turn, pc, q, step))
		}
		pc += block.depth
	}
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

func (s *lowScratch) reserve(mr, nr int) {
	if len(s.tile) < mr*nr {
		s.tile, s.base, s.bias = make([]float32, mr*nr), make([]float32, mr*nr), make([]float32, nr)
	}
}

// after returns the block of B that follows panels [q, q+step) of the block at pc, as product.after does.
func (p *lowProduct) after(turn, pc, q, step int) []uint8 {
	block := p.b.block(pc)
	first := p.from + turn%p.colRanges*p.pcols
	switch next := turn + p.workers; {
	case q+step < min(first+p.pcols, p.to):
		q += step
	case pc+block.depth < p.b.low().K:
		block, q = p.b.block(pc+block.depth), first
	case next < p.rowBlocks*p.colRanges:
		block, q = p.b.block(0), p.from+next%p.colRanges*p.pcols
	default:
		return nil
	}
	return block.b[q*block.stride : min(q+step, p.to)*block.stride]
}

// block computes one k block of the tiles of rows [i0, i1) and panels [p0, p1), while it fetches next.
func (p *lowProduct) block(s *lowScratch, block *lowBlock, first bool, i0, i1, p0, p1 int, next []uint8) {
	t := &s.args
	t.K, t.Pairs, t.ARS = block.steps, block.pairs, p.stride
	t.B = block.b[p0*block.stride:]
	t.Next, t.NPS = t.B, 0
	groups := (i1 - i0 + p.mr - 1) / p.mr
	steps := (p1 - p0) * block.steps
	if groups > 1 && len(next) > 0 { // else B comes from memory and goes: there is no time
		t.Next, t.NPS = next, (len(next)+groups*steps-1)/(groups*steps)
	}
	p.b.columns(t, p0)
	tiles := p.b.tiles()
	for i, rows := i0, 0; i < i1; i += rows {
		rows = evenPart(i1-i, p.mr)
		t.A, t.Rows = p.rows[i*p.stride+block.a:], p.factors[i:]
		p.place(t, first, i, p0*p.nr)
		if whole := min(p1, p.c.Cols/p.nr) - p0; whole > 0 {
			t.Panels = whole
			tiles[p.mr-rows].GEMM(t)
		}
		if p1*p.nr > p.c.Cols {
			p.edge(s, tiles[p.mr-rows].GEMM, block, first, i, rows, (p1-1)*p.nr)
			t.B = block.b[p0*block.stride:]
			p.b.columns(t, p0)
		}
		t.Next = t.Next[min(steps*t.NPS, len(t.Next)-1):]
	}
	*t = asm.TileArgs{} // keep nothing alive
}

// place sets C, Base and Bias of the tile at row i and column j: in the first k block what the epilogue says, then C itself.
func (p *lowProduct) place(t *asm.TileArgs, first bool, i, j int) {
	t.C, t.LDC = p.c.Data[i*p.c.Stride+j:], p.c.Stride
	t.Bias = noRow[:]
	switch {
	case !first || p.e.Accumulate:
		t.Base, t.LDBase = t.C, t.LDC
	case p.e.Residual != nil:
		t.Base, t.LDBase = p.e.Residual.Data[i*p.e.Residual.Stride+j:], p.e.Residual.Stride
	default:
		t.Base, t.LDBase = noRow[:], 0
	}
	if first && p.e.Bias != nil {
		t.Bias = p.e.Bias[j:]
	}
}

// edge is the tile of the last panel, over the right border of C, in column j: it works on copies.
func (p *lowProduct) edge(s *lowScratch, tile func(*asm.TileArgs), block *lowBlock, first bool, i, rows, j int) {
	t, n := &s.args, p.c.Cols-j
	p.place(t, first, i, j)
	copyRows(s.base, p.nr, t.Base, t.LDBase, rows, n)
	copy(s.bias, t.Bias[:n])
	t.C, t.LDC, t.Base, t.LDBase, t.Bias = s.tile, p.nr, s.base, p.nr, s.bias
	t.Panels, t.B = 1, block.b[j/p.nr*block.stride:]
	p.b.columns(t, j/p.nr)
	tile(t)
	copyRows(p.c.Data[i*p.c.Stride+j:], p.c.Stride, s.tile, p.nr, rows, n)
}

// smallLow runs a product, given all but its plan, on the calling goroutine: see MatMulSmall.
func (ws *Workspace) smallLow(worker int, given lowTask) {
	if given.c.Rows == 0 {
		return
	}
	s := &ws.scratch[worker].low
	p := &s.small
	p.lowTask = given
	p.to = p.b.low().panels
	p.reserve()
	p.workers, p.mc, p.rowBlocks, p.pcols, p.colRanges = 1, p.c.Rows, 1, p.to, 1
	for from := 0; from < p.c.Rows; from += preparedCols {
		p.prepareRows(s, from, min(from+preparedCols, p.c.Rows))
	}
	p.job(s, 0)
	p.lowTask = lowTask{} // keep nothing alive
}
