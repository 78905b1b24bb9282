package tensor

import (
	"encoding/binary"
	"math"
	"slices"

	"bertlabel/asm"
)

// PackedInt8 is an Operand held in integers of 8 bits with a scale for each column,
//
//	B[p, j] = scale[j]·w[p, j],    scale[j] = max over p of |B[p, j]| / 127,    w = round(B/scale), ties to even,
//
// but for its outlier rows, a few rows whose numbers, or those that they are multiplied by, are so large that they would spoil the
// scales: these are held in bf16. A panel is [K/Depth][NR][Depth] bytes, where outlier rows are zero, and after them the outlier
// rows in pairs, [outliers/2][NR][2] bf16. It is one block: the sum over K is an exact integer.
type PackedInt8 struct {
	lowPacked
	outliers []int     // in ascending order
	sums     []int32   // Σ over p of w[p, j], [panels·NR]
	scales   []float32 // [panels·NR]
}

// tiny is the range of a row, and the maximum of a column, below which they count as zero: so scales are normal numbers.
const tiny = 0x1p-40

// newPackedInt8In returns an operand B of shape [k, n] with these outlier rows, zero until SetRows fills it, in memory of the arena.
func newPackedInt8In(a *Arena, k, n int, outliers []int) *PackedInt8 {
	p := &PackedInt8{outliers: slices.Clone(outliers), lowPacked: lowPacked{data: a.TakeBytes(sizeInt8(k, n, len(outliers)))}}
	p.shape(k, n, asm.Best.Int8.NR)
	p.depth = int8Depth(k)
	p.sums, p.scales = make([]int32, p.panels*p.nr), make([]float32, p.panels*p.nr)
	return p
}

// sizeInt8 is that of the panels.
func sizeInt8(k, n, outliers int) int {
	return (int8Depth(k) + 4*((outliers+1)/2)) * roundUp(n, asm.Best.Int8.NR)
}

// int8Depth returns k filled up with zeros, as the tiles need it.
func int8Depth(k int) int { return roundUp(k, max(lowDepth, asm.Best.Int8.Depth)) }

// Bytes returns the memory that p holds.
func (p *PackedInt8) Bytes() int { return len(p.data) + 4*(len(p.sums)+len(p.scales)) }

// Outliers returns the rows that are held in bf16, in ascending order.
func (p *PackedInt8) Outliers() []int { return p.outliers }

func (p *PackedInt8) pairs() int { return (len(p.outliers) + 1) / 2 }

// stride is the distance of two panels.
func (p *PackedInt8) stride() int { return (p.depth + 4*p.pairs()) * p.nr }

// at returns the place of w[r, j].
func (p *PackedInt8) at(r, j int) int {
	d := asm.Best.Int8.Depth
	return j/p.nr*p.stride() + r/d*d*p.nr + j%p.nr*d + r%d
}

// outlierAt returns the place of outlier i of column j: two bytes.
func (p *PackedInt8) outlierAt(i, j int) int {
	return j/p.nr*p.stride() + (p.depth+i/2*4)*p.nr + j%p.nr*4 + i%2*2
}

// SetRows implements Operand.
func (p *PackedInt8) SetRows(col int, b *Tensor) {
	p.check("PackedInt8.SetRows", col, b)
	largest := make([]float32, b.Cols)
	for r := range p.K {
		if _, outlier := slices.BinarySearch(p.outliers, r); outlier {
			continue
		}
		for j, v := range b.Row(r) {
			largest[j] = max(largest[j], v, -v)
		}
	}
	scales, sums := p.scales[col:col+b.Cols], p.sums[col:col+b.Cols]
	clear(sums)
	for j, v := range largest {
		scales[j] = 0
		if v >= tiny {
			scales[j] = v / 127
		}
	}
	places := make([]int, b.Cols) // of row 0
	for j := range places {
		places[j] = p.at(0, col+j)
	}
	for r := range p.K {
		offset := p.at(r, 0)
		if i, outlier := slices.BinarySearch(p.outliers, r); outlier {
			for j, v := range b.Row(r) {
				p.data[places[j]+offset] = 0
				binary.LittleEndian.PutUint16(p.data[p.outlierAt(i, col+j):], uint16(math.Float32bits(asm.RoundBF16(v))>>16))
			}
			continue
		}
		for j, v := range b.Row(r) {
			q := int32(0)
			if s := scales[j]; s > 0 {
				q = int32(math.RoundToEven(float64(v / s)))
			}
			sums[j] += q
			p.data[places[j]+offset] = uint8(q)
		}
	}
}

// Rows implements Operand.
func (p *PackedInt8) Rows(col int, b *Tensor) {
	p.check("PackedInt8.Rows", col, b)
	for r := range p.K {
		i, outlier := slices.BinarySearch(p.outliers, r)
		for j := range b.Cols {
			if outlier {
				word := binary.LittleEndian.Uint16(p.data[p.outlierAt(i, col+j):])
				b.Row(r)[j] = math.Float32frombits(uint32(word) << 16)
			} else {
				b.Row(r)[j] = float32(int8(p.data[p.at(r, col+j)])) * p.scales[col+j]
			}
		}
	}
}

// rowBytes implements lowOperand.
func (p *PackedInt8) rowBytes() int {
	return p.depth/4*asm.Best.Int8.QuadBytes + p.pairs()*asm.Best.Int8.OutlierBytes
}

// prepare implements lowOperand: it quantises a row of A,
//
//	lo = min(0, x…)   hi = max(0, x…)   s = (hi − lo)/255   zero = round(−lo/s)   q = min(max(round(x/s) + zero, 0), 255)
//
// with ties to even, over all but the outlier channels. x/s is x·(1/s). Where a number is NaN or infinite the scale is NaN, and
// with it every element of that row of C.
func (p *PackedInt8) prepare(dst []uint8, f *asm.RowFactor, x, scratch []float32) {
	set := &asm.Best.Int8
	if len(p.outliers) > 0 {
		rest, outliers := scratch[:len(x)], scratch[len(x):len(x)+len(p.outliers)]
		copy(rest, x)
		for i, channel := range p.outliers {
			outliers[i] = x[channel]
			rest[channel] = 0
		}
		set.Outliers(dst[p.depth/4*set.QuadBytes:p.rowBytes()], outliers)
		x = rest
	}
	lo, hi := set.Range(x)
	scale := (hi - lo) / 255
	var inverse float32
	var zero int32
	switch {
	case hi-lo < tiny:
		scale = 0
	case scale-scale != 0:
		scale = float32(math.NaN())
	default:
		inverse = 1 / scale
		zero = int32(math.RoundToEven(float64(-lo / scale)))
	}
	set.Quantize(dst, x, inverse, zero)
	*f = asm.RowFactor{Offset: set.Shift - zero, Scale: scale}
}

// block implements lowOperand.
func (p *PackedInt8) block(int) lowBlock {
	return lowBlock{depth: p.depth, steps: p.depth / 4, pairs: p.pairs(), b: p.data, stride: p.stride()}
}

func (p *PackedInt8) tiles() []asm.LowTile { return asm.Best.Int8.Tiles }

// columns implements lowOperand.
func (p *PackedInt8) columns(t *asm.TileArgs, j int) {
	t.ColSums, t.ColScales = p.sums[j*p.nr:], p.scales[j*p.nr:]
}
