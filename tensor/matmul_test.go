package tensor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"bertlabel/asm"
	"bertlabel/tensor/tensortest"
)

func random(rng *rand.Rand, rows, cols int) *Tensor {
	t := New(rows, cols)
	for i := range t.Data {
		t.Data[i] = float32(rng.NormFloat64())
	}
	return t
}

// packed returns b as an operand, by SetRows in two pieces or, of its transpose, by SetCols.
func packed(rng *rand.Rand, b *Tensor, transposed bool) *Packed {
	p := NewPacked(b.Rows, b.Cols)
	if transposed {
		bt := New(b.Cols, b.Rows)
		for i := range b.Rows {
			for j := range b.Cols {
				bt.Row(j)[i] = b.Row(i)[j]
			}
		}
		p.SetCols(bt)
		return p
	}
	cut := rng.IntN(b.Cols + 1)
	left, right := b.SliceCols(0, cut), b.SliceCols(cut, b.Cols)
	p.SetRows(0, &left)
	p.SetRows(cut, &right)
	return p
}

// shapes covers borders of tiles, panels, row blocks and k blocks.
func shapes(rng *rand.Rand, n int) (out [][3]int) {
	out = [][3]int{{1, 1, 1}, {97, 33, 513}, {12, 32, 512}, {13, 31, 1025}, {200, 64, 7}, {5, 300, 64}}
	for range n {
		out = append(out, [3]int{1 + rng.IntN(200), 1 + rng.IntN(200), 1 + rng.IntN(200)})
	}
	return out
}

// TestMatMul compares products with float64 sums, with every epilogue that changes the result, in place and through views.
func TestMatMul(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range shapes(rng, 60) {
		m, n, k := s[0], s[1], s[2]
		a, b, c := random(rng, m, k+3), random(rng, k, n), random(rng, m, n+2)
		av, cv := a.SliceCols(2, k+2), c.SliceCols(1, n+1)
		bias, residual := random(rng, 1, n), random(rng, m, n)
		start := New(m, n)
		e := Epilogue{}
		switch rng.IntN(4) {
		case 1:
			e.Bias = bias.Data
			for i := range m {
				copy(start.Row(i), bias.Data)
			}
		case 2:
			e.Bias, e.Residual = bias.Data, residual
			for i := range m {
				for j := range n {
					start.Row(i)[j] = bias.Data[j] + residual.Row(i)[j]
				}
			}
		case 3:
			e.Accumulate = true
			for i := range m {
				copy(start.Row(i), cv.Row(i))
			}
		}
		before := append([]float32(nil), c.Data...)
		ws := NewWorkspace(NewWorkers(1 + rng.IntN(3)))
		ws.Workers.Start()
		ws.MatMul(&cv, &av, packed(rng, b, rng.IntN(2) == 1), e)
		ws.Workers.Stop()
		for i := range m {
			for j := range n {
				want, abs := float64(start.Row(i)[j]), math.Abs(float64(start.Row(i)[j]))
				for p := range k {
					v := float64(av.Row(i)[p]) * float64(b.Row(p)[j])
					want, abs = want+v, abs+math.Abs(v)
				}
				// k+2 float32 sums in any order: Higham, Accuracy and Stability of Numerical Algorithms, §3.1.
				bound := float64(k+2) * 0x1p-24 * abs
				if got := float64(cv.Row(i)[j]); !(math.Abs(got-want) <= bound) {
					t.Fatalf("m=%d n=%d k=%d: C[%d,%d] = %g, want %g ± %g", m, n, k, i, j, got, want, bound)
				}
			}
			if c.Row(i)[0] != before[i*(n+2)] || c.Row(i)[n+1] != before[i*(n+2)+n+1] {
				t.Fatalf("m=%d n=%d k=%d: row %d was written outside of the view", m, n, k, i)
			}
		}
	}
}

type doubling struct{}

func (doubling) FinishRows(c *Tensor, from, to int) {
	for i := from; i < to; i++ {
		for j, v := range c.Row(i) {
			c.Row(i)[j] = 2 * v
		}
	}
}

func negate(y, x []float32) {
	for i, v := range x {
		y[i] = -v
	}
}

// TestMatMulSameBits wants equal bits for any number of workers, any rows around a row, and any range of panels, with Act and
// Rows applied exactly once.
func TestMatMulSameBits(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, s := range append(shapes(rng, 20), [3]int{300, 400, 300}, [3]int{1, 2000, 700}) {
		m, n, k := s[0], s[1], s[2]
		a, b := random(rng, m, k), random(rng, k, n)
		p := packed(rng, b, false)
		want := New(m, n)
		NewWorkspace(nil).MatMul(want, a, p, Epilogue{})
		for _, workers := range []int{1, 2, 4} {
			ws := NewWorkspace(NewWorkers(workers))
			ws.Workers.Start()
			got := New(m, n)
			ws.MatMul(got, a, p, Epilogue{Act: negate, Rows: doubling{}})
			ws.Workers.Stop()
			for i, v := range want.Data {
				if got.Data[i] != -2*v {
					t.Fatalf("m=%d n=%d k=%d, %d workers: element %d = %g, want %g", m, n, k, workers, i, got.Data[i], -2*v)
				}
			}
		}
		from := rng.IntN(m)
		to := from + 1 + rng.IntN(m-from)
		part := a.SliceRows(from, to)
		got := New(to-from, n)
		NewWorkspace(nil).MatMul(got, &part, p, Epilogue{})
		small := New(to-from, n)
		NewWorkspace(nil).MatMulSmall(0, small, &part, p)
		panels := New(to-from, n)
		cut := rng.IntN(p.panels + 1)
		NewWorkspace(nil).MatMulPanels(panels, &part, p, 0, cut, Epilogue{})
		for i, v := range want.Data[from*n : to*n] {
			inside := i%n < cut*asm.Best.NR
			if got.Data[i] != v || small.Data[i] != v || inside && panels.Data[i] != v || !inside && panels.Data[i] != 0 {
				t.Fatalf("m=%d n=%d k=%d rows %d to %d: element %d = %g, %g, %g, want %g",
					m, n, k, from, to, i, got.Data[i], small.Data[i], panels.Data[i], v)
			}
		}
	}
}

func TestPackedRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, s := range shapes(rng, 20) {
		b := random(rng, s[2], s[1])
		p := packed(rng, b, false)
		from := rng.IntN(b.Cols)
		to := from + 1 + rng.IntN(b.Cols-from)
		got := New(b.Rows, to-from)
		p.Rows(from, got)
		for i := range b.Rows {
			for j, v := range got.Row(i) {
				if v != b.Row(i)[from+j] {
					t.Fatalf("%v: B[%d, %d] = %g, want %g", s, i, from+j, v, b.Row(i)[from+j])
				}
			}
		}
	}
}

// TestMatMulNaN wants a NaN to reach its own row alone, and 0·NaN to be NaN.
func TestMatMulNaN(t *testing.T) {
	a, b := New(30, 40), New(40, 50)
	a.Row(7)[3] = float32(math.NaN())
	c := New(30, 50)
	NewWorkspace(nil).MatMul(c, a, packed(rand.New(rand.NewPCG(1, 1)), b, false), Epilogue{})
	for i := range c.Rows {
		for j, v := range c.Row(i) {
			if math.IsNaN(float64(v)) != (i == 7) {
				t.Fatalf("C[%d, %d] = %g", i, j, v)
			}
		}
	}
}

func TestMatMulAllocatesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	a, b, c := random(rng, 150, 200), random(rng, 200, 300), New(150, 300)
	p := packed(rng, b, false)
	for _, workers := range []int{1, 2} {
		ws := NewWorkspace(NewWorkers(workers))
		pass := func() {
			ws.Workers.Start()
			ws.MatMul(c, a, p, Epilogue{Act: asm.Best.Tanh, Rows: doubling{}})
			ws.Workers.Stop()
		}
		tensortest.NoAllocs(t, fmt.Sprintf("%d workers", workers), pass)
	}
}

// BenchmarkMatMul reports GFLOP/s and the share of the peak of one core, measured before in the same process, at the shapes of
// BERT-base, of MiniLM and of a tiny BERT, on one goroutine.
func BenchmarkMatMul(b *testing.B) {
	rng, peak := rand.New(rand.NewPCG(9, 10)), asm.Best.Peak()
	for _, nk := range [][2]int{{768, 768}, {2304, 768}, {3072, 768}, {768, 3072}, {384, 384}, {1536, 384}, {128, 128}} {
		for _, m := range []int{1, 12, 128, 1024} {
			n, k := nk[0], nk[1]
			a, w, c := random(rng, m, k), random(rng, k, n), New(m, n)
			p := packed(rng, w, false)
			b.Run(fmt.Sprintf("%s/m=%d,n=%d,k=%d", asm.Best.Name, m, n, k), func(b *testing.B) {
				ws := NewWorkspace(nil)
				for b.Loop() {
					ws.MatMul(c, a, p, Epilogue{})
				}
				flops := 2 * float64(m) * float64(n) * float64(k) * float64(b.N) / b.Elapsed().Seconds()
				b.ReportMetric(flops/1e9, "GFLOP/s")
				b.ReportMetric(100*flops/peak, "%peak")
			})
		}
	}
}
