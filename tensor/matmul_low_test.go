package tensor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bertlabel/asm"
	"bertlabel/tensor/parallel"
)

// rounded returns x by the rule of bf16.
func rounded(x float32) float32 { return asm.RoundBF16(x) }

// bf16Chain returns sum with the products of rounded numbers added, the odd one of each pair first.
func bf16Chain(sum float32, from, to int, a, b func(p int) float32) float32 {
	for p := from; p < to; p += 2 {
		if p+1 < to {
			sum += float32(rounded(a(p+1)) * rounded(b(p+1)))
		}
		sum += float32(rounded(a(p)) * rounded(b(p)))
	}
	return sum
}

// referenceBF16 is the product that PackedBF16 must give, bit for bit, without epilogue functions.
func referenceBF16(c, a, b *Tensor, e Epilogue) *Tensor {
	y := New(c.Rows, c.Cols)
	kc := blockDepth(roundUp(b.Rows, 4))
	for i := range c.Rows {
		for j := range c.Cols {
			v := startOf(c, e, i, j)
			for pc := 0; pc < b.Rows; pc += kc {
				x, w := func(p int) float32 { return a.Row(i)[p] }, func(p int) float32 { return b.Row(p)[j] }
				v += bf16Chain(0, pc, min(pc+kc, b.Rows), x, w)
			}
			y.Row(i)[j] = v
		}
	}
	return y
}

// startOf is what the sum is added to.
func startOf(c *Tensor, e Epilogue, i, j int) (v float32) {
	switch {
	case e.Accumulate:
		v = c.Row(i)[j]
	case e.Residual != nil:
		v = e.Residual.Row(i)[j]
	}
	if e.Bias != nil {
		v += e.Bias[j]
	}
	return v
}

// referenceInt8 is the product that PackedInt8 must give, bit for bit, by the formulas of docs/precision.md.
func referenceInt8(c, a, b *Tensor, outliers []int, e Epilogue) *Tensor {
	y := New(c.Rows, c.Cols)
	isOutlier := func(p int) bool { return slices.Contains(outliers, p) }
	for j := range c.Cols {
		scale := float32(0)
		for p := range b.Rows {
			if !isOutlier(p) {
				scale = max(scale, float32(math.Abs(float64(b.Row(p)[j]))))
			}
		}
		if scale < 0x1p-40 {
			scale = 0
		}
		scale /= 127
		for i := range c.Rows {
			v, _ := referenceInt8Sum(a.Row(i), b, j, scale, isOutlier)
			x, w := func(p int) float32 { return a.Row(i)[outliers[p]] }, func(p int) float32 { return b.Row(outliers[p])[j] }
			v = bf16Chain(v, 0, len(outliers), x, w)
			y.Row(i)[j] = startOf(c, e, i, j) + v
		}
	}
	return y
}

func referenceInt8Sum(x []float32, b *Tensor, j int, scale float32, isOutlier func(int) bool) (float32, int) {
	var lo, hi float32
	for p, v := range x {
		if !isOutlier(p) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	s := (hi - lo) / 255
	if hi-lo < 0x1p-40 {
		return 0, 0
	}
	zero := int(math.RoundToEven(float64(-lo / s)))
	sum := 0
	for p, v := range x {
		if !isOutlier(p) && scale > 0 {
			q := min(max(int(math.RoundToEven(float64(float32(v*(1/s)))))+zero, 0), 255)
			sum += (q - zero) * int(math.RoundToEven(float64(b.Row(p)[j]/scale)))
		}
	}
	return float32(float32(float32(sum)*s) * scale), sum
}

// equal reports the first element of c that has not the bits of want.
func equal(t *testing.T, what string, c, want *Tensor) {
	t.Helper()
	for i := range c.Rows {
		for j := range c.Cols {
			if got, want := c.Row(i)[j], want.Row(i)[j]; math.Float32bits(got) != math.Float32bits(want) {
				t.Fatalf("%s: C[%d,%d] = %g (%#x), want %g (%#x)", what, i, j, got, math.Float32bits(got), want, math.Float32bits(want))
			}
		}
	}
}

// lowCase is a product and what it must give.
type lowCase struct {
	name     string
	operand  Operand
	outliers []int
}

// lowOperands packs b in both low precisions, in two pieces, int8 with some outlier rows and without.
func lowOperands(rng *rand.Rand, b *Tensor) (cases []lowCase) {
	var some []int
	for range rng.IntN(6) {
		if p := rng.IntN(b.Rows); !slices.Contains(some, p) {
			some = append(some, p)
		}
	}
	slices.Sort(some)
	cut := rng.IntN(b.Cols + 1)
	left, right := b.SliceCols(0, cut), b.SliceCols(cut, b.Cols)
	for _, c := range []lowCase{{name: "bf16"}, {name: "int8"}, {name: fmt.Sprintf("int8 with outliers %v", some), outliers: some}} {
		p := Int8
		if c.name == "bf16" {
			p = BF16
		}
		arena := NewOperandArena(p, []int{OperandBytes(p, b.Rows, b.Cols, len(c.outliers))})
		c.operand = NewOperandIn(arena, p, b.Rows, b.Cols, c.outliers)
		c.operand.SetRows(0, &left)
		c.operand.SetRows(cut, &right)
		cases = append(cases, c)
	}
	return cases
}

func (c *lowCase) reference(y, a, b *Tensor, e Epilogue) *Tensor {
	if c.name == "bf16" {
		return referenceBF16(y, a, b, e)
	}
	return referenceInt8(y, a, b, c.outliers, e)
}

// TestMatMulLow compares products of all shapes and epilogues with the rules in plain Go, bit for bit, by 1, 2 and 3 workers, and as
// small products.
func TestMatMulLow(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 0))
	var workspaces []*Workspace
	for n := range 3 {
		w := NewWorkers(n + 1)
		w.Start()
		defer w.Stop()
		workspaces = append(workspaces, NewWorkspace(w))
	}
	cases := [][3]int{{130, 64, 96}, {1, 33, 5}, {40, 100, 50}}
	if !testing.Short() {
		cases = append(append(cases, shapes(rng, 6)...), [3]int{13, 40, 2056}, [3]int{300, 64, 17}, [3]int{40, 600, 50})
	}
	for _, d := range cases {
		a, b := view(rng, random(rng, d[0], d[2])), random(rng, d[2], d[1])
		residual := view(rng, random(rng, d[0], d[1]))
		for _, c := range lowOperands(rng, b) {
			bias := random(rng, 1, d[1]).Data
			for i, e := range []Epilogue{{}, {Bias: bias}, {Residual: residual}, {Bias: bias, Residual: residual}, {Accumulate: true}} {
				before := view(rng, random(rng, d[0], d[1]))
				want := c.reference(before, a, b, e)
				for n, ws := range workspaces {
					y := view(rng, before)
					ws.MatMul(y, a, c.operand, e)
					equal(t, fmt.Sprintf("%s %v, epilogue %d, %d workers", c.name, d, i, n+1), y, want)
				}
				if i == 0 {
					workspaces[0].MatMulSmall(0, before, a, c.operand)
					equal(t, fmt.Sprintf("%s %v, small", c.name, d), before, want)
				}
			}
		}
	}
}

// TestMatMulLowEpilogue: activation and row functions come behind the sum, as in float32.
func TestMatMulLowEpilogue(t *testing.T) {
	rng := rand.New(rand.NewPCG(22, 0))
	w := NewWorkers(2)
	w.Start()
	defer w.Stop()
	for _, d := range [][3]int{{5, 40, 16}, {200, 300, 64}} {
		a, b := random(rng, d[0], d[2]), random(rng, d[2], d[1])
		for _, c := range lowOperands(rng, b) {
			y, plain := New(d[0], d[1]), New(d[0], d[1])
			NewWorkspace(w).MatMul(plain, a, c.operand, Epilogue{})
			NewWorkspace(w).MatMul(y, a, c.operand, Epilogue{Act: negate, Rows: doubling{}})
			for i := range plain.Data {
				plain.Data[i] *= -2
			}
			equal(t, c.name, y, plain)
		}
	}
}

// TestMatMulLowPanels: some panels alone have the bits they have among all.
func TestMatMulLowPanels(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 0))
	ws := NewWorkspace(nil)
	a, b := random(rng, 30, 50), random(rng, 50, 150)
	for _, c := range lowOperands(rng, b) {
		all, some := New(30, 150), New(30, 150)
		ws.MatMul(all, a, c.operand, Epilogue{})
		ws.MatMulPanels(some, a, c.operand, 1, 3, Epilogue{})
		nr := c.operand.PanelWidth()
		for i := range 30 {
			for j := range 150 {
				want := all.Row(i)[j]
				if j < nr || j >= 3*nr {
					want = 0
				}
				if some.Row(i)[j] != want {
					t.Fatalf("%s: C[%d,%d] = %g, want %g", c.name, i, j, some.Row(i)[j], want)
				}
			}
		}
	}
}

// TestLowRows: an operand gives back what it holds: bf16 by rounding, int8 within half a step of the column's scale.
func TestLowRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(24, 0))
	for _, d := range [][2]int{{1, 1}, {5, 3}, {64, 96}, {1030, 33}} {
		b := random(rng, d[0], d[1])
		for _, c := range lowOperands(rng, b) {
			back := New(d[0], d[1])
			c.operand.Rows(0, back)
			for p := range d[0] {
				for j := range d[1] {
					got, want := back.Row(p)[j], b.Row(p)[j]
					bound := 0.0
					if c.name == "bf16" || slices.Contains(c.outliers, p) {
						want = rounded(want)
					} else {
						for r := range d[0] {
							bound = max(bound, math.Abs(float64(b.Row(r)[j]))/127/2*1.00001)
						}
					}
					if diff := math.Abs(float64(got - want)); !(diff <= bound) {
						t.Fatalf("%s %v: B[%d,%d] = %g, want %g ± %g", c.name, d, p, j, got, want, bound)
					}
				}
			}
		}
	}
}

// TestMatMulLowNotFinite: NaN or an infinity in a row of A makes that row of C not finite, all of it, and no other; so do they in an
// outlier channel. A row of zeros gives bias and residual.
func TestMatMulLowNotFinite(t *testing.T) {
	rng := rand.New(rand.NewPCG(25, 0))
	b := random(rng, 24, 40)
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		for _, c := range lowOperands(rng, b) {
			for _, channel := range append([]int{3, 20}, c.outliers...) {
				a, y := random(rng, 14, 24), New(14, 40)
				a.Row(7)[channel] = bad
				clear(a.Row(9))
				NewWorkspace(nil).MatMul(y, a, c.operand, Epilogue{Residual: New(14, 40)})
				for i := range y.Rows {
					for j, v := range y.Row(i) {
						if finite := v-v == 0; finite != (i != 7) || i == 9 && v != 0 {
							t.Fatalf("%s: C[%d,%d] = %g with %g in row 7, channel %d", c.name, i, j, v, bad, channel)
						}
					}
				}
			}
		}
	}
}

// brokenRows is an operand that cannot prepare rows that begin with a number.
type brokenRows struct {
	lowOperand
	first float32
}

func (b brokenRows) prepare(dst []uint8, f *asm.RowFactor, x, scratch []float32) {
	if x[0] == b.first {
		panic("broken row")
	}
	b.lowOperand.prepare(dst, f, x, scratch)
}

// A row that cannot be prepared ends the product, whoever it is that waits for it, and not the workers.
func TestMatMulLowPanic(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 0))
	x, w := random(rng, 96, 128), random(rng, 128, 512)
	for _, c := range lowOperands(rng, w) {
		ws := NewWorkspace(NewWorkers(2))
		ws.Workers.Start()
		y := New(x.Rows, w.Cols)
		for try := range 50 {
			b := brokenRows{c.operand.(lowOperand), x.Row(try % x.Rows)[0]}
			if p := parallel.Catch(func() { ws.MatMul(y, x, b, Epilogue{}) }); p == nil || p.Value != "broken row" {
				t.Fatalf("%s: caught %v", c.name, p)
			}
		}
		ws.MatMul(y, x, c.operand, Epilogue{})
		equal(t, c.name+" after it", y, c.reference(New(x.Rows, w.Cols), x, w, Epilogue{}))
		ws.Workers.Stop()
	}
}

// TestSetColsBF16: a transpose packed is the matrix packed.
func TestSetColsBF16(t *testing.T) {
	rng := rand.New(rand.NewPCG(26, 0))
	var rows, cols PackedBF16
	for _, d := range [][2]int{{64, 128}, {32, 7}, {5, 40}, {1, 1}, {63, 33}, {8, 200}} {
		b := random(rng, d[0], d[1])
		rows.Resize(d[0], d[1])
		cols.Resize(d[0], d[1])
		rows.SetRows(0, b)
		cols.SetCols(transpose(b))
		if !slices.Equal(rows.data, cols.data) {
			t.Errorf("%v: SetCols of the transpose differs from SetRows", d)
		}
	}
}

// TestMatMulLowAllocatesNothing in the steady state.
func TestMatMulLowAllocatesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(27, 0))
	ws := NewWorkspace(nil)
	a, b, y := random(rng, 50, 64), random(rng, 64, 100), New(50, 100)
	for _, c := range lowOperands(rng, b) {
		if n := testing.AllocsPerRun(5, func() {
			ws.MatMul(y, a, c.operand, Epilogue{Residual: y})
			ws.MatMulSmall(0, y, a, c.operand)
		}); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

// TestParsePrecision: names come back; auto is one that is fast, and never int8.
func TestParsePrecision(t *testing.T) {
	for _, p := range []Precision{FP32, BF16, Int8, Auto} {
		if got, err := ParsePrecision(p.String()); got != p || err != nil {
			t.Errorf("ParsePrecision(%q) = %v, %v", p, got, err)
		}
	}
	for _, s := range []string{"", "FP32", "fp16", "int8 "} {
		if p, err := ParsePrecision(s); err == nil {
			t.Errorf("ParsePrecision(%q) = %v", s, p)
		}
	}
	if p := Auto.Resolve(); p != FP32 && p != BF16 || !p.Fast() {
		t.Errorf("auto is %v", p)
	}
}

// BenchmarkMatMulLow is whole products at BERT's shapes by one worker, rounding of A, bias and C included, int8 with the outlier
// channels that such a matrix has. %peak compares the best with the best of the set's own multiply-adds of the kind, measured just
// before and after, because other programs disturb both; ×fp32 with the float32 product of the same shape, in turn.
func BenchmarkMatMulLow(b *testing.B) {
	rng := rand.New(rand.NewPCG(28, 0))
	for _, s := range [][2]int{{384, 384}, {1152, 384}, {1536, 384}, {384, 1536}, {768, 768}, {2304, 768}, {3072, 768}, {768, 3072}} {
		n, k := s[0], s[1]
		weights, float := random(rng, k, n), NewPacked(k, n)
		float.SetRows(0, weights)
		for _, p := range []Precision{BF16, Int8} {
			outliers, peak := []int(nil), asm.Best.PeakBF16
			if p == Int8 {
				outliers, peak = rng.Perm(k)[:min(16, k/48)], asm.Best.PeakInt8
				slices.Sort(outliers)
			}
			operand := NewOperandIn(nil, p, k, n, outliers)
			operand.SetRows(0, weights)
			for _, m := range []int{1, 16, 128, 1024} {
				b.Run(fmt.Sprintf("%v/m=%d,n=%d,k=%d", p, m, n, k), func(b *testing.B) {
					benchmarkLow(b, random(rng, m, k), operand, float, peak)
				})
			}
		}
	}
}

func benchmarkLow(b *testing.B, x *Tensor, operand, float Operand, peak func() float64) {
	k, n := operand.Shape()
	y, ws, e := New(x.Rows, n), NewWorkspace(nil), Epilogue{Bias: make([]float32, n)}
	repeat := max(1, 64/x.Rows)
	best, bestFloat, most := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64), peak()
	run := func(o Operand) time.Duration {
		begin := time.Now()
		for range repeat {
			ws.MatMul(y, x, o, e)
		}
		return time.Since(begin)
	}
	for b.Loop() {
		best, bestFloat = min(best, run(operand)), min(bestFloat, run(float))
	}
	most = max(most, peak())
	rate := 2 * float64(repeat*x.Rows*n*k) / best.Seconds()
	b.ReportMetric(rate/1e9, "GOP/s")
	b.ReportMetric(100*rate/most, "%peak")
	b.ReportMetric(bestFloat.Seconds()/best.Seconds(), "×fp32")
	b.ReportMetric(0, "ns/op")
}
