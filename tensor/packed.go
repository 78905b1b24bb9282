package tensor

import (
	"fmt"

	"bertlabel/asm"
)

// Packed is the right-hand operand B [K, N] of a product in the order in which the tiles read it. The summed axis is cut
// into blocks of kc rows; a block is a row of panels, each [rows of the block][NR], the last one filled up with zeros:
//
//	data[pc·panels·NR + j·kb·NR + p·NR + lane] = B[pc+p, j·NR+lane]      kb = rows of block pc
//
// Weights are packed once, at load, and read by any number of goroutines.
type Packed struct {
	K, N   int
	kc     int
	panels int // ⌈N/NR⌉
	data   []float32
}

// maxKC bounds the block of the summed axis: 12 rows of A and one panel of B then fit the L1 cache.
const maxKC = 512

// blockDepth returns kc: all of k up to maxKC, else the smallest even split into parts of at most maxKC, in eights.
func blockDepth(k int) int {
	if k <= maxKC {
		return k
	}
	parts := (k + maxKC - 1) / maxKC
	return roundUp((k+parts-1)/parts, 8)
}

// roundUp returns the smallest multiple of m that is at least n.
func roundUp(n, m int) int { return (n + m - 1) / m * m }

// NewPacked returns an operand B of shape [k, n], zero until SetRows or SetCols fill it.
func NewPacked(k, n int) *Packed {
	p := &Packed{}
	p.Resize(k, n)
	return p
}

// NewPackedIn is NewPacked in memory of the arena: PackedSize(k, n) floats.
func NewPackedIn(a *Arena, k, n int) *Packed {
	p := &Packed{data: a.Take(PackedSize(k, n))}
	p.Resize(k, n)
	return p
}

// PackedSize returns the floats of a [k, n] operand, padding included.
func PackedSize(k, n int) int { return k * roundUp(n, asm.Best.NR) }

// Resize makes p a [k, n] operand, reusing its memory where that suffices. Its values are undefined until SetRows or SetCols
// have set all columns; the padding of the last panel is zero.
func (p *Packed) Resize(k, n int) {
	if p.K == k && p.N == n {
		return
	}
	nr := asm.Best.NR
	p.K, p.N, p.kc, p.panels = k, n, blockDepth(k), (n+nr-1)/nr
	size := PackedSize(k, n)
	switch {
	case cap(p.data) < size:
		p.data = make([]float32, size)
	default:
		p.data = p.data[:size]
		if n%nr != 0 {
			clear(p.data)
		}
	}
}

// Shape implements Operand.
func (p *Packed) Shape() (k, n int) { return p.K, p.N }

// PanelWidth implements Operand.
func (p *Packed) PanelWidth() int { return asm.Best.NR }

// Bytes returns the memory that p holds.
func (p *Packed) Bytes() int { return 4 * cap(p.data) }

// block returns the panels [from, to) of the block of rows that starts at pc, its depth, and the distance of two panels.
func (p *Packed) block(pc, from, to int) (panels []float32, depth, stride int) {
	nr := asm.Best.NR
	depth = min(p.kc, p.K-pc)
	stride = depth * nr
	start := pc * p.panels * nr
	return p.data[start+from*stride : start+to*stride], depth, stride
}

// SetRows packs b, a [K, b.Cols] matrix, into columns [col, col+b.Cols) of B.
func (p *Packed) SetRows(col int, b *Tensor) {
	if b.Rows != p.K || col < 0 || col+b.Cols > p.N {
		panic(fmt.Sprintf("tensor.Packed.SetRows: [%d, %d] at column %d of [%d, %d]", b.Rows, b.Cols, col, p.K, p.N))
	}
	p.setRows(col, b, 0, p.K)
}

// setRows is SetRows for the rows [from, to).
func (p *Packed) setRows(col int, b *Tensor, from, to int) {
	nr := asm.Best.NR
	for r := from; r < to; r++ {
		pc := r / p.kc * p.kc
		block, _, stride := p.block(pc, 0, p.panels)
		block = block[(r-pc)*nr:]
		row := b.Row(r)
		for j := col; len(row) > 0; {
			n := copy(block[j/nr*stride+j%nr:][:min(nr-j%nr, len(row))], row)
			row, j = row[n:], j+n
		}
	}
}

// Rows undoes SetRows: it copies columns [col, col+b.Cols) of B into b, a [K, b.Cols] matrix. Packing only moves numbers, so
// they come back bit for bit.
func (p *Packed) Rows(col int, b *Tensor) {
	if b.Rows != p.K || col < 0 || col+b.Cols > p.N {
		panic(fmt.Sprintf("tensor.Packed.Rows: [%d, %d] at column %d of [%d, %d]", b.Rows, b.Cols, col, p.K, p.N))
	}
	nr := asm.Best.NR
	for pc := 0; pc < p.K; pc += p.kc {
		block, depth, stride := p.block(pc, 0, p.panels)
		for r := range depth {
			row := b.Row(pc + r)
			for j := col; len(row) > 0; {
				n := copy(row[:min(nr-j%nr, len(row))], block[j/nr*stride+r*nr+j%nr:])
				row, j = row[n:], j+n
			}
		}
	}
}

// SetCols packs the transpose of b, a [≤ N, K] matrix, as the first columns of B: B[p, j] = b[j, p].
func (p *Packed) SetCols(b *Tensor) {
	if b.Rows > p.N || b.Cols != p.K {
		panic(fmt.Sprintf("tensor.Packed.SetCols: [%d, %d]ᵀ into [%d, %d]", b.Rows, b.Cols, p.K, p.N))
	}
	for j := 0; j*asm.Best.NR < b.Rows; j++ {
		p.setPanel(j, b, nil)
	}
}

// setPanel is SetCols for panel j. It needs no scratch.
func (p *Packed) setPanel(j int, b *Tensor, _ *[]float32) {
	nr := asm.Best.NR
	n := min(nr, b.Rows-j*nr)
	for pc := 0; pc < p.K; pc += p.kc {
		panel, depth, _ := p.block(pc, j, j+1)
		asm.Best.PackCols(panel, b.Data[j*nr*b.Stride+pc:], b.Stride, depth, n)
	}
}
