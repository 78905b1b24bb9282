package layers

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestEmbeddingInt8: a row is scale·q by the formulas, so at most half a step from what it was; rows of zeros and of nearly nothing are 0;
// pieces of any length make the same table; and errors of a reader come back.
func TestEmbeddingInt8(t *testing.T) {
	const entries, hidden = 40, 33
	rng := rand.New(rand.NewPCG(31, 1))
	values := make([]float32, entries*hidden)
	for i := range entries {
		row := values[i*hidden : (i+1)*hidden]
		for j := range row {
			row[j] = float32(rng.NormFloat64() * math.Exp2(float64(i-20)))
		}
		switch i {
		case 3:
			clear(row)
		case 4:
			for j := range row {
				row[j] *= 0x1p-60
			}
		}
	}
	var first []float32
	for _, length := range []int{1, 7, hidden, 100, len(values)} {
		e := NewEmbedding("table", entries, hidden)
		e.AllocateInt8()
		if err := e.SetPieces(func(visit func(piece []float32) error) error {
			for piece := range slices.Chunk(values, length) {
				if err := visit(piece); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		got := e.Values()
		if first == nil {
			first = got
		}
		if !slices.Equal(got, first) {
			t.Errorf("pieces of %d make another table", length)
		}
		row := make([]float32, hidden)
		for i := range entries {
			e.Read(row, i)
			x := values[i*hidden : (i+1)*hidden]
			largest := float32(0)
			for _, v := range x {
				largest = max(largest, v, -v)
			}
			for j, v := range row {
				want := float32(0)
				if largest >= 0x1p-40 {
					scale := largest / 127
					want = float32(math.RoundToEven(float64(x[j]/scale))) * scale
				}
				if v != want || v != got[i*hidden+j] {
					t.Fatalf("element %d of row %d is %g, want %g of %g", j, i, v, want, x[j])
				}
			}
		}
	}
	e := NewEmbedding("table", entries, hidden)
	e.AllocateInt8()
	broken := errors.New("broken")
	if err := e.SetPieces(func(func([]float32) error) error { return broken }); err != broken {
		t.Errorf("error %v", err)
	}
	if n := e.Int8Bytes(); n != entries*hidden+4*entries {
		t.Errorf("%d bytes", n)
	}
	float := NewEmbedding("table", entries, hidden)
	float.Table.Value = values
	row := make([]float32, hidden)
	if float.Read(row, 7); !slices.Equal(row, float.Row(7)) || &float.Values()[0] != &values[0] {
		t.Error("a table in float32 is not read as it is")
	}
	defer func() {
		if recover() == nil {
			t.Error("a row of a table in float32 can be set")
		}
	}()
	float.SetRow(0, row)
}
