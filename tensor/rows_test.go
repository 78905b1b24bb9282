package tensor

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// numbered writes into each row how often it was finished, and which rows came in one call.
type numbered struct{}

func (numbered) FinishRows(c *Tensor, from, to int) {
	for i := from; i < to; i++ {
		for j := range c.Row(i) {
			c.Row(i)[j] += float32(100*i + j + 1)
		}
	}
}

// TestRows: every row is seen once, whatever their number and that of the workers, also through views and in place.
func TestRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for rows := range 40 {
		for _, workers := range []int{1, 3} {
			ws := NewWorkspace(NewWorkers(workers))
			ws.Workers.Start()
			c := view(rng, New(rows, 5))
			ws.EachRow(c, numbered{})
			x, dy, y := view(rng, random(rng, rows, 5)), view(rng, random(rng, rows, 5)), view(rng, New(rows, 5))
			ws.Map(y, x, func(y, x []float32) {
				for j, v := range x {
					y[j] = 2 * v
				}
			})
			copied := New(rows, 5)
			ws.Map(copied, x, nil)
			dx := view(rng, New(rows, 5))
			ws.MapGradient(dx, dy, x, func(dx, dy, x []float32) {
				for j := range dx {
					dx[j] = dy[j] - x[j]
				}
			})
			handed := New(rows, 5)
			ws.MapGradient(handed, dy, x, nil)
			inPlace := From(slices.Concat(rowsOf(x)...), rows, 5)
			ws.Map(inPlace, inPlace, func(y, x []float32) {
				for j, v := range x {
					y[j] = v + 1
				}
			})
			ws.Workers.Stop()
			for i := range rows {
				for j := range 5 {
					v, d := x.Row(i)[j], dy.Row(i)[j]
					if c.Row(i)[j] != float32(100*i+j+1) || y.Row(i)[j] != 2*v || copied.Row(i)[j] != v || dx.Row(i)[j] != d-v ||
						handed.Row(i)[j] != d || inPlace.Row(i)[j] != v+1 {
						t.Fatalf("%d rows, %d workers: element [%d, %d] is wrong", rows, workers, i, j)
					}
				}
			}
		}
	}
}

func rowsOf(x *Tensor) (rows [][]float32) {
	for i := range x.Rows {
		rows = append(rows, x.Row(i))
	}
	return rows
}

// TestContracts: shapes that do not belong together panic, naming the operation and both.
func TestContracts(t *testing.T) {
	ws, b := NewWorkspace(nil), NewPacked(3, 4)
	of := func(rows, cols int) *Tensor { return New(rows, cols) }
	e := Epilogue{}
	for name, calls := range map[string][]func(){
		"tensor.MatMul: C[": {
			func() { ws.MatMul(of(2, 4), of(2, 2), b, e) }, func() { ws.MatMul(of(3, 4), of(2, 3), b, e) },
			func() { ws.MatMul(of(2, 3), of(2, 3), b, e) },
		},
		"tensor.MatMulSmall: C[": {
			func() { ws.MatMulSmall(0, of(2, 4), of(2, 2), b) }, func() { ws.MatMulSmall(0, of(3, 4), of(2, 3), b) },
			func() { ws.MatMulSmall(0, of(2, 3), of(2, 3), b) },
		},
		"tensor.MatMulSmallTN: C[": {
			func() { ws.MatMulSmallTN(0, of(2, 4), of(2, 2), b) }, func() { ws.MatMulSmallTN(0, of(3, 4), of(3, 2), b) },
			func() { ws.MatMulSmallTN(0, of(2, 3), of(3, 2), b) },
		},
		"tensor.MatMulNN: C[": {
			func() { ws.MatMulNN(FP32, of(2, 4), of(2, 2), of(3, 4), e) }, func() { ws.MatMulNN(FP32, of(3, 4), of(2, 3), of(3, 4), e) },
			func() { ws.MatMulNN(FP32, of(2, 3), of(2, 3), of(3, 4), e) },
		},
		"tensor.MatMulNT: C[": {
			func() { ws.MatMulNT(FP32, of(2, 4), of(2, 2), of(4, 3), e) }, func() { ws.MatMulNT(FP32, of(3, 4), of(2, 3), of(4, 3), e) },
			func() { ws.MatMulNT(FP32, of(2, 3), of(2, 3), of(4, 3), e) },
		},
		"tensor.MatMulTN: C[": {
			func() { ws.MatMulTN(FP32, of(2, 4), of(2, 2), of(3, 4), e) }, func() { ws.MatMulTN(FP32, of(3, 4), of(3, 2), of(3, 4), e) },
			func() { ws.MatMulTN(FP32, of(2, 3), of(3, 2), of(3, 4), e) },
		},
		"tensor: a product of training in int8, want fp32 or bf16": {
			func() { ws.MatMulNN(Int8, of(2, 4), of(2, 3), of(3, 4), e) },
		},
		"tensor.Map: shapes": {
			func() { ws.Map(of(2, 3), of(3, 3), nil) }, func() { ws.Map(of(2, 3), of(2, 4), nil) },
			func() { ws.MapGradient(of(2, 3), of(2, 3), of(3, 3), nil) }, func() { ws.MapGradient(of(2, 3), of(2, 3), of(2, 4), nil) },
		},
	} {
		for i, call := range calls {
			func() {
				defer func() {
					if said := fmt.Sprint(recover()); !strings.HasPrefix(said, name) {
						t.Errorf("%s, %d: %s", name, i, said)
					}
				}()
				call()
			}()
		}
	}
}

// TestBlockDepth: the summed axis is cut into the fewest blocks of at most 512, of nearly equal depth, in eights.
func TestBlockDepth(t *testing.T) {
	for k, want := range map[int]int{
		1: 1, 7: 7, 511: 511, 512: 512, 513: 264, 768: 384, 1000: 504, 1024: 512, 1025: 344, 3072: 512, 4096: 512, 4097: 456,
	} {
		if got := blockDepth(k); got != want {
			t.Errorf("%d is cut into blocks of %d, want %d", k, got, want)
		}
	}
	for k := range 5000 {
		if kc := blockDepth(k + 1); kc > maxKC || (k+kc)/kc != (k+maxKC)/maxKC {
			t.Fatalf("%d is cut into %d blocks of %d, want %d", k+1, (k+kc)/kc, kc, (k+maxKC)/maxKC)
		}
	}
}
