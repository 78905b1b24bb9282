package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"bertlabel/asm"
	"bertlabel/layers"
	"bertlabel/tensor"
)

// Ladder is one product, C[M×N] = A[M×K]·B[K×N], for all the ways to compute it that Rungs lists, from the formula as it stands to the
// product that BERT runs on. All give the same numbers up to rounding.
type Ladder struct {
	Product
	Enough time.Duration // how long a way is run at least, or 200 times: other programs disturb a short one

	a, b   []float32 // row-major, [M, K] and [K, N]
	c      []float32 // [M, ldc]
	ldc    int       // N in whole panels of every width
	zeros  []float32 // a bias of tiles
	panels []float32 // B in panels, of which each holds K rows of the width of the rung at hand

	rowMajor        *tensor.Tensor // A
	packed          *tensor.Packed // B, as package tensor has it
	result          *tensor.Tensor // C, likewise
	bias, residual  *tensor.Tensor // [1, N], [M, N]: for the epilogues
	norm            *layers.LayerNorm
	single, workers *tensor.Workspace
}

// Rung is one way to compute the product.
type Rung struct {
	Name   string
	Change string  // against the rung below it
	Loads  float64 // loads from memory for each multiply-add, of vectors where the rung has them
	Sums   int     // sums under way at once, each a register; 0: they are in memory
	Lanes  int     // of a register that are used

	Threads int
	width   int // of the panels that it wants B in; 0: none
	result  *tensor.Tensor
	run     func()
}

// NewLadder draws the operands. The last rung runs on so many threads.
func NewLadder(p Product, threads int) *Ladder {
	rng := rand.New(rand.NewPCG(1, 2))
	a, b := uniform(rng, p.M, p.K), uniform(rng, p.K, p.N)
	width := max(4, asm.Best.NR)
	l := &Ladder{Product: p, Enough: time.Second / 4, a: a.Data, b: b.Data,
		rowMajor: a, packed: tensor.NewPacked(p.K, p.N), result: tensor.New(p.M, p.N),
		bias: uniform(rng, 1, p.N), residual: uniform(rng, p.M, p.N), norm: layers.NewLayerNorm("norm", p.N, 1e-12),
		single: tensor.NewWorkspace(nil), workers: tensor.NewWorkspace(tensor.NewWorkers(threads))}
	l.ldc = (p.N + width - 1) / width * width
	l.c, l.panels, l.zeros = make([]float32, p.M*l.ldc), make([]float32, p.K*l.ldc), make([]float32, asm.Best.NR)
	l.packed.SetRows(0, b)
	l.norm.Gamma.Value, l.norm.Beta.Value = uniform(rng, 1, p.N).Data, uniform(rng, 1, p.N).Data
	return l
}

// Rungs lists the ways, the slowest first. What this CPU's kernels do not have is left out.
func (l *Ladder) Rungs() []Rung {
	c := &tensor.Tensor{Rows: l.M, Cols: l.N, Stride: l.ldc, Data: l.c}
	rungs := []Rung{
		{"i, j, p", "the formula: B is read down its columns", 2, 1, 1, 1, 0, c, l.ijp},
		{"i, p, j", "loops exchanged: B and C are read along their rows", 2, 0, 1, 1, 0, c, l.ipj},
		{"1×4 panel", "B in panels of 4 columns; 4 sums stay in registers", 5.0 / 4, 4, 1, 1, 4, c, l.panel1x4},
		{"2×4 tile", "2 rows of A share what is loaded of B", 6.0 / 8, 8, 1, 1, 4, c, l.panel2x4},
	}
	lanes := map[string]int{"avx512": 16, "avx2": 8, "neon": 4}[asm.Best.Name]
	if lanes > 0 {
		vectors := asm.Best.NR / lanes
		for _, of := range []struct {
			rows   int
			change string
		}{
			{1, "vectors and fused multiply-adds; it waits for its sums, and for B"},
			{4, "4 rows"},
			{asm.Best.MR, "as many rows as fit the registers"},
		} {
			loads := float64(vectors + of.rows) // of a step: a row of B, and a number of each row of A
			if asm.Best.Name == "neon" {
				loads = float64(vectors) + float64(of.rows)/4 // which come four at a time
			}
			rungs = append(rungs, Rung{fmt.Sprintf("%d×%d tile", of.rows, asm.Best.NR), of.change, loads / float64(vectors*of.rows),
				vectors * of.rows, lanes, 1, asm.Best.NR, c, func() { l.tiles(of.rows) }})
		}
	}
	tile := rungs[2] // of generic, else the largest one
	if lanes > 0 {
		tile = rungs[len(rungs)-1]
	}
	threads := l.workers.Workers.Count()
	rungs = append(rungs, Rung{"product", "blocks that fit the caches, A copied, B fetched ahead",
		tile.Loads, tile.Sums, tile.Lanes, 1, 0, l.result, func() { l.product(l.single) }})
	if threads > 1 {
		rungs = append(rungs, Rung{"all threads", "each a part of the rows and columns of C", tile.Loads, tile.Sums, tile.Lanes, threads, 0,
			l.result, func() { l.product(l.workers) }})
	}
	return rungs
}

// ijp is the formula: C[i,j] = Σₚ A[i,p]·B[p,j].
func (l *Ladder) ijp() {
	for i := range l.M {
		for j := range l.N {
			sum := float32(0)
			for p := range l.K {
				sum += l.a[i*l.K+p] * l.b[p*l.N+j]
			}
			l.c[i*l.ldc+j] = sum
		}
	}
}

// ipj adds A[i,p] times row p of B to row i of C.
func (l *Ladder) ipj() {
	clear(l.c)
	for i := range l.M {
		c := l.c[i*l.ldc:][:l.N]
		for p := range l.K {
			ap, b := l.a[i*l.K+p], l.b[p*l.N:][:l.N]
			for j := range c {
				c[j] += ap * b[j]
			}
		}
	}
}

// panel1x4 keeps four sums in registers, and reads B strictly forwards.
func (l *Ladder) panel1x4() {
	for i := range l.M {
		a := l.a[i*l.K:][:l.K]
		for j := 0; j < l.N; j += 4 {
			b := l.panels[j*l.K:][:4*l.K]
			var s0, s1, s2, s3 float32
			for p, ap := range a {
				row := b[4*p : 4*p+4 : 4*p+4]
				s0 += ap * row[0]
				s1 += ap * row[1]
				s2 += ap * row[2]
				s3 += ap * row[3]
			}
			copy(l.c[i*l.ldc+j:], []float32{s0, s1, s2, s3})
		}
	}
}

// panel2x4 is panel1x4 for two rows at once. The last row of an odd number is computed twice.
func (l *Ladder) panel2x4() {
	for i := 0; i < l.M; i += 2 {
		below := min(i+1, l.M-1)
		a, a2 := l.a[i*l.K:][:l.K], l.a[below*l.K:][:l.K]
		for j := 0; j < l.N; j += 4 {
			b := l.panels[j*l.K:][:4*l.K]
			var s0, s1, s2, s3, t0, t1, t2, t3 float32
			for p, ap := range a {
				row, aq := b[4*p:4*p+4:4*p+4], a2[p]
				b0, b1, b2, b3 := row[0], row[1], row[2], row[3]
				s0, t0 = s0+ap*b0, t0+aq*b0
				s1, t1 = s1+ap*b1, t1+aq*b1
				s2, t2 = s2+ap*b2, t2+aq*b2
				s3, t3 = s3+ap*b3, t3+aq*b3
			}
			copy(l.c[i*l.ldc+j:], []float32{s0, s1, s2, s3})
			copy(l.c[below*l.ldc+j:], []float32{t0, t1, t2, t3})
		}
	}
}

// tiles is the same with a register tile of this CPU, of so many rows and one panel: package asm's, without what package tensor does.
func (l *Ladder) tiles(rows int) {
	clear(l.c)
	for i := 0; i < l.M; {
		t := 0
		for asm.Best.Tiles[t].Rows > min(rows, l.M-i) || asm.Best.Tiles[t].Panels > 1 {
			t++
		}
		tile := &asm.Best.Tiles[t]
		for j := 0; j < l.N; j += asm.Best.NR {
			c := l.c[i*l.ldc+j:]
			tile.GEMM(l.K, l.a[i*l.K:], l.K, 1, l.panels[j*l.K:], 0, c, l.ldc, c, l.ldc, l.zeros, l.panels, 0)
		}
		i += tile.Rows
	}
}

// product is what BERT runs on.
func (l *Ladder) product(ws *tensor.Workspace) {
	ws.MatMul(l.result, l.rowMajor, l.packed, tensor.Epilogue{})
}

// pack puts B into panels of that width, the last one filled up with zeros.
func (l *Ladder) pack(width int) {
	clear(l.panels)
	for j := range l.N {
		for p := range l.K {
			l.panels[j/width*width*l.K+p*width+j%width] = l.b[p*l.N+j]
		}
	}
}

// Run computes the product by r, and returns the times and C, [M, N], which lasts until the next call.
func (l *Ladder) Run(ctx context.Context, r Rung, runs int) (Times, *tensor.Tensor, error) {
	if r.width > 0 {
		l.pack(r.width)
	}
	times, err := l.time(ctx, runs, r.run)
	return times, r.result, err
}

// time measures f: once if that takes longer than a second, else after a run to warm up.
func (l *Ladder) time(ctx context.Context, runs int, f func()) (Times, error) {
	l.workers.Workers.Start()
	defer l.workers.Workers.Stop()
	start := time.Now()
	f()
	once := time.Since(start)
	if once > time.Second {
		return Times{once}, context.Cause(ctx)
	}
	return measure(ctx, max(runs, min(200, int(l.Enough/(once+1)))), func() error { f(); return nil })
}

// Epilogue is one way to end a product.
type Epilogue struct {
	Name string
	run  func()
}

// Epilogues lists what follows a product in a layer of BERT, as passes over C of their own and as the product's epilogue.
func (l *Ladder) Epilogues() []Epilogue {
	ws, c := l.single, l.result
	fused := func(e tensor.Epilogue) func() { return func() { ws.MatMul(c, l.rowMajor, l.packed, e) } }
	passes := func(rows ...func(i int)) func() {
		return func() {
			l.product(ws)
			for _, f := range rows {
				for i := range c.Rows {
					f(i)
				}
			}
		}
	}
	bias := func(i int) { asm.Best.Add(c.Row(i), l.bias.Data) }
	residual := func(i int) { asm.Best.Add(c.Row(i), l.residual.Row(i)) }
	gelu := func(i int) { asm.Best.GELUTanh(c.Row(i), c.Row(i)) }
	norm := func(i int) { l.norm.FinishRows(c, i, i+1) }
	return []Epilogue{
		{"product", passes()},
		{"product; bias; GELU", passes(bias, gelu)},
		{"product with bias, GELU", fused(tensor.Epilogue{Bias: l.bias.Data, Act: asm.Best.GELUTanh})},
		{"product; bias; residual; LayerNorm", passes(bias, residual, norm)},
		{"product with bias, residual, LayerNorm", fused(tensor.Epilogue{Bias: l.bias.Data, Residual: l.residual, Rows: l.norm})},
	}
}

// RunEpilogue computes the product with what follows it, on one thread, and returns the times and C, which lasts until the next call.
func (l *Ladder) RunEpilogue(ctx context.Context, e Epilogue, runs int) (Times, *tensor.Tensor, error) {
	times, err := l.time(ctx, runs, e.run)
	return times, l.result, err
}
