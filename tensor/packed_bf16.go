package tensor

import (
	"encoding/binary"
	"fmt"
	"math"

	"bertlabel/asm"
)

// PackedBF16 is an Operand held in bfloat16. Like Packed, and at the same rows, it is cut into blocks of kc rows; a block is a row of
// panels, each [rows of the block/2][NR][2]: two rows that follow each other lie side by side. K is filled up with zeros to a multiple
// of 4.
type PackedBF16 struct {
	lowPacked
	kc    int
	panel []float32 // scratch of SetCols
}

// lowPacked is what the operands in low precision have in common.
type lowPacked struct {
	K, N   int
	depth  int // K filled up
	nr     int // columns of a panel
	panels int // ⌈N/nr⌉
	data   []uint8
}

func (p *lowPacked) shape(k, n, nr int) {
	p.K, p.N, p.depth, p.nr, p.panels = k, n, roundUp(k, lowDepth), nr, (n+nr-1)/nr
}

// Shape returns K and N.
func (p *lowPacked) Shape() (k, n int) { return p.K, p.N }

// PanelWidth returns the columns of a panel.
func (p *lowPacked) PanelWidth() int { return p.nr }

func (p *lowPacked) low() *lowPacked { return p }

// check panics unless b is a [K, b.Cols] matrix that fits after column col.
func (p *lowPacked) check(what string, col int, b *Tensor) {
	if b.Rows != p.K || col < 0 || col+b.Cols > p.N {
		panic(fmt.Sprintf("tensor.%s: [%d, %d] at column %d of [%d, %d]", what, b.Rows, b.Cols, col, p.K, p.N))
	}
}

// lowDepth divides the filled-up K: a quad of int8.
const lowDepth = 4

// noRow stands in for rows that do not exist: of B, and of bias and residual, as long as the panels of a block.
var noRow [1024]float32

// newPackedBF16In returns an operand B of shape [k, n], zero until SetRows fills it, in memory of the arena.
func newPackedBF16In(a *Arena, k, n int) *PackedBF16 {
	p := &PackedBF16{lowPacked: lowPacked{data: a.TakeBytes(sizeBF16(k, n))}}
	p.Resize(k, n)
	return p
}

func sizeBF16(k, n int) int { return 2 * roundUp(k, lowDepth) * roundUp(n, asm.Best.BF16.NR) }

// Resize makes p a [k, n] operand, reusing its memory where that suffices. Its values are undefined until SetRows or SetCols have
// set all columns; columns beyond n are zero.
func (p *PackedBF16) Resize(k, n int) {
	if p.K == k && p.N == n {
		return
	}
	p.shape(k, n, asm.Best.BF16.NR)
	p.kc = blockDepth(p.depth)
	size := sizeBF16(k, n)
	switch {
	case cap(p.data) < size:
		p.data = make([]uint8, size)
	default:
		p.data = p.data[:size]
		if n%p.nr != 0 {
			clear(p.data)
		}
	}
}

// Bytes returns the memory that p holds.
func (p *PackedBF16) Bytes() int { return cap(p.data) + 4*cap(p.panel) }

// pair returns the place of rows r and r+1, r even, in panel j: NR pairs.
func (p *PackedBF16) pair(r, j int) []uint8 {
	pc := r / p.kc * p.kc
	start := 2*p.nr*(pc*p.panels+j*min(p.kc, p.depth-pc)) + 2*p.nr*(r-pc)
	return p.data[start : start+4*p.nr]
}

// SetRows implements Operand.
func (p *PackedBF16) SetRows(col int, b *Tensor) {
	p.check("PackedBF16.SetRows", col, b)
	p.setRows(col, b, 0, p.K)
}

// setRows is SetRows for the rows [from, to), from an even one, and for what K is filled up with where to is K.
func (p *PackedBF16) setRows(col int, b *Tensor, from, to int) {
	if to == p.K {
		to = p.depth
	}
	for r := from; r < to; r += 2 {
		for j := 0; j < b.Cols; {
			at := (col + j) % p.nr
			n := min(p.nr-at, b.Cols-j)
			even, odd := noRow[:n], noRow[:n]
			if r < p.K {
				even = b.Row(r)[j : j+n]
			}
			if r+1 < p.K {
				odd = b.Row(r + 1)[j : j+n]
			}
			asm.Best.BF16.Pairs(p.pair(r, (col+j)/p.nr)[4*at:4*(at+n)], even, odd)
			j += n
		}
	}
}

// Rows implements Operand.
func (p *PackedBF16) Rows(col int, b *Tensor) {
	p.check("PackedBF16.Rows", col, b)
	for r := range p.K {
		for j := range b.Cols {
			word := binary.LittleEndian.Uint16(p.pair(r&^1, (col+j)/p.nr)[4*((col+j)%p.nr)+2*(r&1):])
			b.Row(r)[j] = math.Float32frombits(uint32(word) << 16)
		}
	}
}

// SetCols packs the transpose of b, a [≤ N, K] matrix, as the first columns of B: B[p, j] = b[j, p].
func (p *PackedBF16) SetCols(b *Tensor) {
	if b.Rows > p.N || b.Cols != p.K {
		panic(fmt.Sprintf("tensor.PackedBF16.SetCols: [%d, %d]ᵀ into [%d, %d]", b.Rows, b.Cols, p.K, p.N))
	}
	for j := 0; j*p.nr < b.Rows; j++ {
		p.setPanel(j, b, &p.panel)
	}
}

// transposedRows is the number of rows of B, an even one, that setPanel transposes at a time.
const transposedRows = 64

// setPanel is SetCols for panel j. It keeps some rows in float32 in scratch, which it makes longer if need be.
func (p *PackedBF16) setPanel(j int, b *Tensor, scratch *[]float32) {
	nr, n := p.nr, min(p.nr, b.Rows-j*p.nr)
	if size := min(p.K, transposedRows) * nr; len(*scratch) < size {
		*scratch = make([]float32, size)
	}
	for from := 0; from < p.depth; from += transposedRows {
		rows := min(transposedRows, p.K-from)
		panel := (*scratch)[:rows*nr]
		asm.Best.PackCols(panel, b.Data[j*nr*b.Stride+from:], b.Stride, rows, n)
		row := func(r int) []float32 {
			if r < rows {
				return panel[r*nr : (r+1)*nr]
			}
			return noRow[:nr]
		}
		for r := 0; r < min(transposedRows, p.depth-from); r += 2 {
			asm.Best.BF16.Pairs(p.pair(from+r, j), row(r), row(r+1))
		}
	}
}

// rowBytes implements lowOperand.
func (p *PackedBF16) rowBytes() int { return p.depth / 2 * asm.Best.BF16.PairBytes }

// prepare implements lowOperand.
func (p *PackedBF16) prepare(dst []uint8, _ *asm.RowFactor, x, _ []float32) {
	asm.Best.BF16.Round(dst, x)
	clear(dst[(p.K+1)/2*asm.Best.BF16.PairBytes : p.rowBytes()])
}

// block implements lowOperand.
func (p *PackedBF16) block(pc int) lowBlock {
	depth := min(p.kc, p.depth-pc)
	a := pc / 2 * asm.Best.BF16.PairBytes
	return lowBlock{depth: depth, steps: depth / 2, a: a, b: p.data[2*p.nr*pc*p.panels:], stride: 2 * p.nr * depth}
}

func (p *PackedBF16) tiles() []asm.LowTile { return asm.Best.BF16.Tiles }

// columns implements lowOperand.
func (p *PackedBF16) columns(*asm.TileArgs, int) {}
