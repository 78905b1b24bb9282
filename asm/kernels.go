package asm

import (
	"fmt"
	"os"
	"strings"
)

// Kernels is one complete set of kernels for one CPU feature level. All kernels take plain slices, check nothing and keep
// no state; the callers in package tensor compare lengths before the jump. Every field is set in every set: what a level
// does not speed up stays the portable form of generic.
//
// A result depends on the operands alone, never on where an element lies in a slice: the tail of a kernel computes the same operations
// in the same order as its body. All sets give the same bits, NaN's apart, with one exception: the float32 tiles of generic, which
// multiply, round and then add. Its Fused are the tiles of the others.
type Kernels struct {
	Name string // "generic", "avx2", "avx512", "neon"

	// MR and NR are the rows and columns of the main GEMM tile; NR is also the width of a packed panel of B.
	MR, NR int

	// Tiles are the register tiles of the matrix product, most rows first. Tiles[0] has Rows = MR and Panels = 1; the last
	// has Rows = 1, so any number of rows is a sum of tiles. Tiles with few rows span several panels to hide the latency of
	// FMA; for each number of rows there is also a tile with Panels = 1, which stands after the wider one.
	Tiles []Tile

	// Fused are tiles that fuse every multiply and add, so that they give the same bits in all sets: Tiles itself, except in generic,
	// where plain Go takes four times as long for it.
	Fused []Tile

	// PackCols sets dst[p·NR + j] = src[j·ld + p] for p < k and j < n ≤ NR, and zero for n ≤ j < NR: one panel of B = srcᵀ.
	// dst has k·NR elements. PackRows, its twin for B = src, is a plain copy and lives in package tensor.
	PackCols func(dst, src []float32, ld, k, n int)

	// The element-wise kernels: y[i] = f(x[i]) for i < len(y). y and x have the same length and may be the same slice.
	Exp      func(y, x []float32) // eˣ; 0 below −87.33, +Inf above 88.72
	Tanh     func(y, x []float32)
	Sigmoid  func(y, x []float32) // 1/(1 + e⁻ˣ)
	GELUTanh func(y, x []float32) // x/(1 + e^(−2u)), u = √(2/π)·(x + 0.044715·x³): `gelu` of modeling.py
	GELUErf  func(y, x []float32) // x·Φ(x) = x/2·(1 + erf(x/√2)): `gelu` of Hugging Face

	// Softmax replaces one row of attention scores by probabilities: x[i] ← e^(scale·x[i] − max)/Σ, max over scale·x.
	Softmax func(x []float32, scale float32)

	// LayerNorm normalises one row: y = gamma·(x − mean)·rstd + beta, rstd = 1/√(variance + eps), in two passes over x.
	// All slices have the same length; y and x may be the same slice. It returns mean and rstd.
	LayerNorm func(y, x, gamma, beta []float32, eps float32) (mean, rstd float32)

	// Dot returns Σ x[i]·y[i]. Axpy adds a·x to y. Add adds x to y. SumSquares returns Σ x[i]² in float64.
	Dot        func(x, y []float32) float32
	Axpy       func(y []float32, a float32, x []float32)
	Add        func(y, x []float32)
	SumSquares func(x []float32) float64

	// Scale multiplies y by a. MulAdd adds a[i]·x[i] to y[i].
	Scale  func(y []float32, a float32)
	MulAdd func(y, a, x []float32)

	// The backward pass; dy is the gradient with respect to the result, dx that with respect to x, and may be dy. All slices
	// of a call have the same length. GELU…Backward: dx[i] = dy[i]·f′(x[i]).
	GELUTanhBackward func(dx, dy, x []float32)
	GELUErfBackward  func(dx, dy, x []float32)

	// SoftmaxBackward undoes one row of Softmax, which made the probabilities p: dx = scale·p·(dy − Σ dy·p).
	SoftmaxBackward func(dx, p, dy []float32, scale float32)

	// LayerNormBackward undoes one row of LayerNorm, with norm = x̂ = (x − mean)·rstd and g = gamma·dy:
	// dx = rstd·(g − mean(g) − x̂·mean(g·x̂)). The gradients of gamma and beta are MulAdd(dgamma, dy, norm), Add(dbeta, dy).
	LayerNormBackward func(dx, dy, norm, gamma []float32, rstd float32)

	// AdamW steps the weights w with their gradients g, which it sets to zero, and Adam's moments m and v:
	//
	//	g ← Clip·g
	//	m ← Beta1·m + Gain1·g
	//	v ← Beta2·v + Gain2·g²
	//	w ← w − LR·(MHat·m/(√(VHat·v) + Eps) + Decay·w)
	AdamW func(w, g, m, v []float32, s *AdamStep)

	// Dropout does one row of dropout: y[i] = x[i]·scale if word i is at least drop, else 0. y and x have the same length and may
	// be the same slice. Word i is word i mod 4 of Philox, keyed by key (its low half first), of the counter (low half of
	// example, high half, token, i/4): exact integers, so all sets give the same bits.
	Dropout func(y, x []float32, key, example uint64, token, drop uint32, scale float32)

	// Subtract64 subtracts a product of float64 from a block of 4 rows and Cols64 columns: c[i·ldc + j] −= Σ a[p·lda + i]·b[p·Cols64 + j]
	// over p < k. Each product and each difference is rounded by itself, in the order of p: all sets give the same bits.
	Subtract64 func(k int, a []float64, lda int, b []float64, c []float64, ldc int)

	// The products in low precision: low.go. Their tiles may be of another size than those of float32.
	BF16 BF16
	Int8 Int8

	// peak runs rounds rounds of independent multiply-adds in registers, peakFLOP operations a round: see Peak.
	peak     func(rounds int)
	peakFLOP int
}

// Tile is one register tile of the matrix product: C[Rows × Panels·NR] = Base + Bias + A[Rows × k]·B[k × Panels·NR].
//
// Element (i, p) of A is a[i·ars + p·acs], so one tile serves A and Aᵀ. Panel q of B starts at b[q·bps] and holds k rows of
// NR elements. Element (i, j) of C is c[i·ldc + j], that of Base base[i·ldbase + j], that of Bias bias[j]; C is written, and all
// Panels·NR columns of the three must be there: over the right edge, a tile works on copies. Base may be C: then the tile adds to it.
// With ldbase = 0 all rows have the same base. The sum over k starts from zero and runs in order of p by fused multiply-add (generic's
// Tiles: multiply, then add); at the end C = (Base + Bias) + sum. So an element of C has the same bits from every tile of the set, and from
// every Fused tile of all sets.
//
// next is what the caller will read soon: in step p the tile asks the memory for next[p·nps], so that it is in the L2 cache by
// then, and reads nothing of it. With nps = 0 that is the same element again and again, and costs nothing; a nil next would.
type Tile struct {
	Rows, Panels int
	GEMM         func(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int, base []float32, ldbase int,
		bias, next []float32, nps int)
}

// generic is the specification: plain Go, every field set.
var generic = Kernels{
	Name: "generic",
	MR:   4,
	NR:   4,
	Tiles: []Tile{
		{4, 1, gemm4x4Generic},
		{1, 1, gemm1x4Generic},
	},
	Fused: []Tile{
		{4, 1, fused4x4Generic},
		{1, 1, fused1x4Generic},
	},
	PackCols: packColsGeneric,

	Exp:        expGeneric,
	Tanh:       tanhGeneric,
	Sigmoid:    sigmoidGeneric,
	GELUTanh:   geluTanhGeneric,
	GELUErf:    geluErfGeneric,
	Softmax:    softmaxGeneric,
	LayerNorm:  layerNormGeneric,
	Dot:        dotGeneric,
	Axpy:       axpyGeneric,
	Add:        addGeneric,
	SumSquares: sumSquaresGeneric,
	Scale:      scaleGeneric,
	MulAdd:     mulAddGeneric,

	GELUTanhBackward:  geluTanhBackwardGeneric,
	GELUErfBackward:   geluErfBackwardGeneric,
	SoftmaxBackward:   softmaxBackwardGeneric,
	LayerNormBackward: layerNormBackwardGeneric,
	AdamW:             adamWGeneric,
	Dropout:           dropoutGeneric,
	Subtract64:        subtract64Generic,

	BF16: BF16{
		MR: 1, NR: 4, Tiles: []LowTile{{1, bf16Generic}},
		Round: roundGeneric, PairBytes: 4, Pairs: pairsGeneric,
		peak: peakGeneric, peakFLOP: 12,
	},
	Int8: Int8{
		MR: 1, NR: 4, Tiles: []LowTile{{1, int8Generic}},
		Quantize: quantizeGeneric, QuadBytes: 4, Depth: 4,
		Outliers: roundGeneric, OutlierBytes: 4, Range: rangeGeneric,
		peak: peakGeneric, peakOps: 12,
	},

	peak:     peakGeneric,
	peakFLOP: 12,
}

// Best is the set that this process uses: the first of Sets, or the one that the environment variable BERTLABEL_KERNELS
// names. It is chosen once, at start (see Select), and never changes. If the name is unknown, or this CPU or build cannot
// run it, BestErr says so and Best is generic: whoever multiplies must report BestErr first, so that nobody measures or
// trusts the wrong set.
var Best, BestErr = choose(Sets(), os.Getenv("BERTLABEL_KERNELS"))

// Sets returns the sets that this CPU and build can run, best first. The last one is always generic.
func Sets() []Kernels { return append(archSets(), generic) }

// choose returns the set called name, or the first one if name is empty; on error the last one, generic.
func choose(sets []Kernels, name string) (Kernels, error) {
	names := make([]string, len(sets))
	for i, s := range sets {
		if name == "" || name == s.Name {
			return s, nil
		}
		names[i] = s.Name
	}
	return sets[len(sets)-1], &SetError{name, names}
}

// SetError says that a kernel set is unknown, or that this CPU or build cannot run it.
type SetError struct {
	Name string
	Runs []string // the names of those that it can run, best first
}

func (e *SetError) Error() string {
	return fmt.Sprintf("kernel set %q (BERTLABEL_KERNELS): this CPU and build run %s", e.Name, strings.Join(e.Runs, ", "))
}
