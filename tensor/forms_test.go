package tensor

import (
	"bertlabel/tensor/tensortest"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bertlabel/asm"
)

func transpose(t *Tensor) *Tensor {
	u := New(t.Cols, t.Rows)
	for i := range t.Rows {
		for j, v := range t.Row(i) {
			u.Row(j)[i] = v
		}
	}
	return u
}

// view returns a copy of t as some columns of a wider matrix.
func view(rng *rand.Rand, t *Tensor) *Tensor {
	left := rng.IntN(5)
	wide := random(rng, t.Rows, left+t.Cols+rng.IntN(5))
	v := wide.SliceCols(left, left+t.Cols)
	for i := range t.Rows {
		copy(v.Row(i), t.Row(i))
	}
	return &v
}

// TestForms: C = A·B, A·Bᵀᵀ and Aᵀᵀ·B all have the bits of MatMul with a packed operand, whose values TestMatMul and TestMatMulLow check,
// in float32 and bf16, for any number of workers, through views, and when C is added to.
func TestForms(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	ws := map[int]*Workspace{}
	for _, workers := range []int{1, 2, 4} {
		ws[workers] = NewWorkspace(NewWorkers(workers)) // for all shapes: what one leaves in its memory must not show in the next
	}
	cases := append(shapes(rng, 30), [3]int{300, 400, 300}, [3]int{700, 90, 1100})
	if testing.Short() {
		cases = append(cases[:10], [3]int{70, 90, 1100})
	}
	for _, s := range cases {
		m, n, k := s[0], s[1], s[2]
		a, b, start := random(rng, m, k), random(rng, k, n), random(rng, m, n)
		for _, e := range []Epilogue{{}, {Accumulate: true},
			{Bias: random(rng, 1, n).Data, Residual: random(rng, m, n), Rows: doubling{}}} {
			for _, p := range []Precision{FP32, BF16} {
				want := From(slices.Clone(start.Data), m, n)
				operand := NewOperandIn(nil, p, k, n, nil)
				operand.SetRows(0, b)
				NewWorkspace(nil).MatMul(want, a, operand, e)
				for workers, w := range ws {
					for name, product := range map[string]func(c *Tensor){
						"NN": func(c *Tensor) { w.MatMulNN(p, c, view(rng, a), view(rng, b), e) },
						"NT": func(c *Tensor) { w.MatMulNT(p, c, view(rng, a), view(rng, transpose(b)), e) },
						"TN": func(c *Tensor) { w.MatMulTN(p, c, view(rng, transpose(a)), view(rng, b), e) },
					} {
						c := view(rng, start)
						w.Workers.Start()
						product(c)
						w.Workers.Stop()
						equal(t, fmt.Sprintf("%s, %s, m=%d n=%d k=%d, %d workers, %+v", name, p, m, n, k, workers, e), c, want)
					}
				}
			}
		}
	}
}

// TestMatMulSmallTN adds to what C holds, and has the bits of the large product.
func TestMatMulSmallTN(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	ws := NewWorkspace(nil)
	for _, s := range shapes(rng, 30) {
		m, n, k := s[0], s[1], s[2]
		a, b, start := random(rng, k, m), random(rng, k, n), random(rng, m, n)
		for _, p := range []Precision{FP32, BF16} {
			got, want, operand := view(rng, start), view(rng, start), NewOperandIn(nil, p, k, n, nil)
			operand.SetRows(0, b)
			ws.MatMulSmallTN(0, got, view(rng, a), operand)
			ws.MatMulTN(p, want, a, b, Epilogue{Accumulate: true})
			equal(t, fmt.Sprintf("%s, m=%d n=%d k=%d", p, m, n, k), got, want)
		}
	}
}

// TestColumnSums compares with float64, and wants the same bits for any number of workers.
func TestColumnSums(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 16))
	for _, s := range [][2]int{{0, 3}, {1, 1}, {31, 5}, {32, 5}, {33, 70}, {1000, 33}} {
		rows, n := s[0], s[1]
		x, start := random(rng, rows, n), random(rng, 1, n).Data
		var first []float32
		for _, workers := range []int{1, 2, 4} {
			ws := NewWorkspace(NewWorkers(workers))
			dst := slices.Clone(start)
			ws.Workers.Start()
			ws.AddColumnSums(dst, view(rng, x))
			ws.Workers.Stop()
			if first == nil {
				first = dst
			}
			if !slices.Equal(dst, first) {
				t.Fatalf("%v: %d workers give other bits", s, workers)
			}
		}
		for j := range n {
			want, abs := float64(start[j]), math.Abs(float64(start[j]))
			for i := range rows {
				v := float64(x.Row(i)[j])
				want, abs = want+v, abs+math.Abs(v)
			}
			// A term takes part in at most chunkRows additions in its chunk, one for each chunk, and one to dst.
			bound := float64(chunkRows+rows/chunkRows+2) * 0x1p-24 * abs
			if got := float64(first[j]); !(math.Abs(got-want) <= bound) {
				t.Fatalf("%v: column %d sums to %g, want %g ± %g", s, j, got, want, bound)
			}
		}
	}
}

func TestFormsAllocateNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 18))
	x, w, y := random(rng, 150, 200), random(rng, 200, 300), random(rng, 150, 300)
	dx, dw, db := New(150, 200), New(200, 300), make([]float32, 300)
	for _, workers := range []int{1, 2} {
		ws := NewWorkspace(NewWorkers(workers))
		pass := func() {
			ws.Workers.Start()
			for _, p := range []Precision{FP32, BF16} {
				ws.MatMulNN(p, y, x, w, Epilogue{})
				ws.MatMulNT(p, dx, y, w, Epilogue{})
				ws.MatMulTN(p, dw, x, y, Epilogue{Accumulate: true})
			}
			ws.AddColumnSums(db, y)
			ws.EachRow(y, doubling{})
			ws.Workers.Stop()
		}
		tensortest.NoAllocs(t, fmt.Sprintf("%d workers", workers), pass)
	}
}

// BenchmarkForms reports GFLOP/s of the three products of a training step, packing and rounding included, beside those of MatMul with a
// packed operand, at the shapes of BERT-base and MiniLM, on one goroutine. Sub-benchmarks of one shape are to be compared.
func BenchmarkForms(b *testing.B) {
	rng := rand.New(rand.NewPCG(19, 20))
	for _, s := range [][2]int{{768, 3072}, {768, 768}, {384, 1536}, {384, 384}} {
		for _, m := range []int{300, 512, 2048} {
			in, out := s[0], s[1]
			x, w, y := random(rng, m, in), random(rng, in, out), random(rng, m, out)
			p := packed(rng, w, false)
			ws := NewWorkspace(nil)
			for _, form := range []struct {
				name    string
				product func()
			}{
				{"packed", func() { ws.MatMul(y, x, p, Epilogue{}) }},
				{"NN", func() { ws.MatMulNN(FP32, y, x, w, Epilogue{}) }},
				{"NT", func() { ws.MatMulNT(FP32, x, y, w, Epilogue{}) }},
				{"TN", func() { ws.MatMulTN(FP32, w, x, y, Epilogue{Accumulate: true}) }},
				{"NN bf16", func() { ws.MatMulNN(BF16, y, x, w, Epilogue{}) }},
				{"NT bf16", func() { ws.MatMulNT(BF16, x, y, w, Epilogue{}) }},
				{"TN bf16", func() { ws.MatMulTN(BF16, w, x, y, Epilogue{Accumulate: true}) }},
			} {
				b.Run(asm.Best.Name+"/"+form.name+fmt.Sprintf("/m=%d,in=%d,out=%d", m, in, out), func(b *testing.B) {
					for b.Loop() {
						form.product()
					}
					b.ReportMetric(2*float64(m)*float64(in)*float64(out)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
		}
	}
}
