package train

import (
	"sort"

	"bertlabel/tensor"
)

// Parts are features of a frozen encoder, with their labels, that need not be in memory: parts of rows, one after the other, that are read
// whenever a pass needs them. What reads them keeps to one goroutine.
type Parts interface {
	Len() int          // parts
	Width() int        // numbers of a row
	Rows(part int) int // of a part; 0 is allowed

	// Read sets x [n, Width] to the features of the rows [first, first+n) of a part. They are finite numbers.
	Read(part, first int, x *tensor.Tensor) error

	// Cells returns the labels of all rows of a part, row-major as Features.Y, and the shares that they count, nil for none.
	Cells(part int) (y []int8, shares []float32, err error)
}

// RowsOf returns the number of rows of all parts.
func RowsOf(parts Parts) (n int) {
	for i := range parts.Len() {
		n += parts.Rows(i)
	}
	return n
}

// LabelsOf returns the label cells, and the shares, of all rows.
func LabelsOf(parts Parts) (y []int8, shares []float32, err error) {
	for i := range parts.Len() {
		cells, of, err := parts.Cells(i)
		if err != nil {
			return nil, nil, err
		}
		y, shares = append(y, cells...), append(shares, of...)
	}
	return y, shares, nil
}

// Load reads all rows into memory.
func Load(parts Parts) (f Features, err error) {
	if f.Y, f.Shares, err = LabelsOf(parts); err != nil {
		return f, err
	}
	f.X = tensor.New(RowsOf(parts), parts.Width())
	first := 0
	for i := range parts.Len() {
		x := f.X.SliceRows(first, first+parts.Rows(i))
		if err := parts.Read(i, 0, &x); err != nil {
			return f, err
		}
		first += x.Rows
	}
	return f, nil
}

// partRows gives single rows of parts, and keeps the part that the last one was of.
type partRows struct {
	parts Parts
	ends  []int // [parts], the number of the row after each part
	now   int   // the part in x; −1 for none
	x     tensor.Tensor
}

func newPartRows(parts Parts) *partRows {
	p := &partRows{parts: parts, now: -1}
	end := 0
	for i := range parts.Len() {
		end += parts.Rows(i)
		p.ends = append(p.ends, end)
	}
	return p
}

// row returns the features of a row; they are valid until the next call.
func (p *partRows) row(i int) ([]float32, error) {
	part := sort.SearchInts(p.ends, i+1)
	rows := p.parts.Rows(part)
	if part != p.now {
		p.now = -1
		p.x.Resize(rows, p.parts.Width())
		if err := p.parts.Read(part, 0, &p.x); err != nil {
			return nil, err
		}
		p.now = part
	}
	return p.x.Row(i - (p.ends[part] - rows)), nil
}
