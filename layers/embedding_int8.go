package layers

import (
	"fmt"
	"math"

	"bertlabel/asm"
)

// A table of vectors held in integers of 8 bits, with a scale for each row x: scale = max |x|/127, and x stands for scale·round(x/scale),
// ties to even. Rows whose maximum is below 2⁻⁴⁰ are 0.

// int8Table is the memory of such a table.
type int8Table struct {
	codes  []uint8   // int8, [entries, hidden]
	scales []float32 // [entries]
}

// tinyRow is the maximum of a row below which it counts as zero: so its scale is a normal number.
const tinyRow = 0x1p-40

// AllocateInt8 makes the table one in int8, of zeros until SetRow fills it: Int8Bytes. Table.Value is nil from then on, and no gradient
// can be had.
func (e *Embedding) AllocateInt8() {
	e.Table.Value = nil
	e.int8 = &int8Table{make([]uint8, e.Table.Size()), make([]float32, e.Table.Shape[0])}
}

// Int8Bytes returns the bytes of the table in int8.
func (e *Embedding) Int8Bytes() int { return e.Table.Size() + 4*e.Table.Shape[0] }

// SetRow sets the vector of index i, [hidden], of a table in int8. Rows may be set by several goroutines at once.
func (e *Embedding) SetRow(i int, x []float32) {
	hidden := e.Table.Shape[1]
	if e.int8 == nil || len(x) != hidden {
		panic(fmt.Sprintf("layers.Embedding.SetRow: %d numbers for a table %v, in int8: %t", len(x), e.Table.Shape, e.int8 != nil))
	}
	lo, hi := asm.Best.Int8.Range(x)
	codes, scale := e.int8.codes[i*hidden:(i+1)*hidden], max(hi, -lo)/127
	if max(hi, -lo) < tinyRow {
		clear(codes)
		e.int8.scales[i] = 0
		return
	}
	for j, v := range x {
		codes[j] = uint8(int8(math.RoundToEven(float64(v / scale))))
	}
	e.int8.scales[i] = scale
}

// SetPieces sets the rows of a table in int8, from the first on, from the elements of a float32 table, which pieces hands to visit in their
// order, in pieces of any length. It returns what pieces does.
func (e *Embedding) SetPieces(pieces func(visit func(piece []float32) error) error) error {
	hidden, next := e.Table.Shape[1], 0
	row := make([]float32, 0, hidden) // that is not complete yet
	return pieces(func(piece []float32) error {
		for len(piece) > 0 {
			n := min(hidden-len(row), len(piece))
			row, piece = append(row, piece[:n]...), piece[n:]
			if len(row) == hidden {
				e.SetRow(next, row)
				next, row = next+1, row[:0]
			}
		}
		return nil
	})
}

// read sets row to the vector of index i.
func (t *int8Table) read(row []float32, i int) {
	codes, scale := t.codes[i*len(row):(i+1)*len(row)], t.scales[i]
	for j, q := range codes {
		row[j] = float32(int8(q)) * scale
	}
}

// Read sets row, [hidden], to the vector of index i, as the table holds it. It panics for an index outside of the table.
func (e *Embedding) Read(row []float32, i int) {
	if e.int8 == nil {
		copy(row, e.Row(i))
		return
	}
	e.int8.read(row, i)
}

// Values returns the table, [entries, hidden] row-major, as it is held: Table.Value itself, or of a table in int8 a copy.
func (e *Embedding) Values() []float32 {
	if e.int8 == nil {
		return e.Table.Value
	}
	values, hidden := make([]float32, e.Table.Size()), e.Table.Shape[1]
	for i := range e.Table.Shape[0] {
		e.int8.read(values[i*hidden:(i+1)*hidden], i)
	}
	return values
}
