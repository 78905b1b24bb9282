package asm

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// product is C = Base + Bias + A·B for one set, dense and row-major, with the result that every tile of the set must give bit for bit.
type product struct {
	m, n, k    int
	a, b       []float32 // [m, k], [k, n]
	base, bias []float32 // [m, n], [n]
	chain      []float32 // [m, n] the sums
	want       []float32 // [m, n] by the rule of Tile: one chain over p from zero, then one addition to Base + Bias
	exact, abs []float64 // [m, n] Base + Bias + A·B and |Base| + |Bias| + |A|·|B| in float64
}

func newProduct(set Kernels, m, n, k int, random func() float32) *product {
	draw := func(n int) []float32 {
		s := make([]float32, n)
		for i := range s {
			s[i] = random()
		}
		return s
	}
	r := &product{m: m, n: n, k: k, a: draw(m * k), b: draw(k * n), base: draw(m * n), bias: draw(n),
		chain: make([]float32, m*n), want: make([]float32, m*n), exact: make([]float64, m*n), abs: make([]float64, m*n)}
	multiplyAdd := fma32
	if set.Name == "generic" {
		multiplyAdd = func(x, y, z float32) float32 { return float32(x*y) + z }
	}
	for i := range m {
		for j := range n {
			ij := i*n + j
			var chain float32
			exact, abs := float64(r.base[ij])+float64(r.bias[j]), math.Abs(float64(r.base[ij]))+math.Abs(float64(r.bias[j]))
			for p := range k {
				x, y := r.a[i*k+p], r.b[p*n+j]
				chain = multiplyAdd(x, y, chain)
				exact += float64(x) * float64(y)
				abs += math.Abs(float64(x) * float64(y))
			}
			r.chain[ij] = chain
			r.want[ij], r.exact[ij], r.abs[ij] = (r.base[ij]+r.bias[j])+chain, exact, abs
		}
	}
	return r
}

// TestFMA32 compares fma32 with exact arithmetic, where results cancel, underflow and are halfway cases.
func TestFMA32(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	number := func() float32 {
		return float32(math.Ldexp(float64(1+rng.IntN(1<<rng.IntN(24))), -rng.IntN(90))) * float32(1-2*rng.IntN(2))
	}
	for range 200_000 {
		x, y, z := number(), number(), number()
		if rng.IntN(4) == 0 {
			z = -x * y
		}
		sum := new(big.Float).SetPrec(1000).Mul(big.NewFloat(float64(x)), big.NewFloat(float64(y)))
		want, _ := sum.Add(sum, big.NewFloat(float64(z))).Float32()
		if got := fma32(x, y, z); got != want {
			t.Fatalf("fma32(%g, %g, %g) = %g, want %g", x, y, z, got, want)
		}
	}
}

// layout says how the operands of one tile lie in memory. Every pad is a gap of NaN that no tile may read or write.
type layout struct {
	name       string
	ars, acs   func(rows, k int) int
	gapB, gapC int
	base       baseKind
}

// baseKind is where Base lies.
type baseKind int

const (
	apart   baseKind = iota // in memory of its own, with another stride than C
	inPlace                 // in C
	oneRow                  // one row for all
)

var layouts = []layout{
	{"A", func(_, k int) int { return k }, func(_, _ int) int { return 1 }, 0, 0, inPlace},
	{"A padded", func(_, k int) int { return k + 7 }, func(_, _ int) int { return 1 }, 5, 3, apart},
	{"Aᵀ", func(_, _ int) int { return 1 }, func(m, _ int) int { return m + 3 }, 32, 16, oneRow},
	{"A scattered", func(_, k int) int { return 3*k + 1 }, func(_, _ int) int { return 3 }, 1, 1, apart},
}

// operands are the arguments of one call of a tile, cut from memory that alloc provides.
type operands struct {
	ars, acs, bps, ldc, ldbase int
	a, b, c, base, bias        []float32
}

// place lays rows i … i+tile.Rows of A and panels q … q+tile.Panels of B out for one call.
func (r *product) place(set Kernels, tile Tile, l layout, i, q int, alloc func(n int) []float32) operands {
	m, n, k, nr := tile.Rows, tile.Panels*set.NR, r.k, set.NR
	o := operands{ars: l.ars(m, k), acs: l.acs(m, k), bps: k*nr + l.gapB, ldc: n + l.gapC}
	o.c, o.bias = alloc((m-1)*o.ldc+n), alloc(n)
	copy(o.bias, r.bias[q*nr:])
	switch l.base {
	case inPlace:
		o.base, o.ldbase = o.c, o.ldc
	case apart:
		o.ldbase = o.ldc + 9
		o.base = alloc((m-1)*o.ldbase + n)
	case oneRow:
		o.base = alloc(n)
		copy(o.base, r.base[i*r.n+q*nr:])
	}
	if k > 0 {
		o.a = alloc((m-1)*o.ars + (k-1)*o.acs + 1)
		o.b = alloc((tile.Panels-1)*o.bps + k*nr)
	}
	for row := range m {
		for p := range k {
			o.a[row*o.ars+p*o.acs] = r.a[(i+row)*k+p]
		}
		if l.base != oneRow {
			copy(o.base[row*o.ldbase:][:n], r.base[(i+row)*r.n+q*nr:])
		}
	}
	for panel := range tile.Panels {
		for p := range k {
			copy(o.b[panel*o.bps+p*nr:][:nr], r.b[p*r.n+(q+panel)*nr:])
		}
	}
	return o
}

// run calls the tile and reports the first element of C that has not the bits of want, and any change beside the tile.
func (r *product) run(set Kernels, tile Tile, l layout, i, q int, alloc func(n int) []float32) error {
	o := r.place(set, tile, l, i, q, alloc)
	a, b, c, base, bias := slices.Clone(o.a), slices.Clone(o.b), slices.Clone(o.c), slices.Clone(o.base), slices.Clone(o.bias)
	tile.GEMM(r.k, o.a, o.ars, o.acs, o.b, o.bps, o.c, o.ldc, o.base, o.ldbase, o.bias, o.b, set.NR)
	if l.base == inPlace {
		base = o.base
	}

	n := tile.Panels * set.NR
	for row := range tile.Rows {
		for j := range n {
			from := i + row
			got, want := o.c[row*o.ldc+j], r.want[from*r.n+q*set.NR+j]
			if l.base == oneRow { // that of row i, for all
				ij := from*r.n + q*set.NR + j
				want = (r.base[i*r.n+q*set.NR+j] + r.bias[q*set.NR+j]) + r.chain[ij]
			}
			if !sameBits(got, want) {
				return fmt.Errorf("C[%d,%d] = %g (%#08x), want %g (%#08x)", row, j, got, math.Float32bits(got), want,
					math.Float32bits(want))
			}
		}
		copy(c[row*o.ldc:][:n], o.c[row*o.ldc:][:n])
	}
	if !slices.EqualFunc(a, o.a, identical) || !slices.EqualFunc(b, o.b, identical) || !slices.EqualFunc(base, o.base, identical) ||
		!slices.EqualFunc(bias, o.bias, identical) {
		return fmt.Errorf("an input has changed")
	}
	if !slices.EqualFunc(c, o.c, identical) {
		return fmt.Errorf("a gap between the rows of C has changed")
	}
	return nil
}

func identical(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) }

// sameBits takes all NaN as one: the bits of a NaN are outside the rule of Tile.
func sameBits(x, y float32) bool { return identical(x, y) || x != x && y != y }

var nan = float32(math.NaN())

// guarded allocates slices between guards and fills them with NaN.
type guarded struct{ blocks [][]float32 }

const guardLen = 64

func (g *guarded) alloc(n int) []float32 {
	block := slices.Repeat([]float32{nan}, n+2*guardLen)
	g.blocks = append(g.blocks, block)
	return block[guardLen : guardLen+n : guardLen+n]
}

// check reports whether the guards are untouched, and forgets them.
func (g *guarded) check() error {
	for _, block := range g.blocks {
		for i := range guardLen {
			if !identical(block[i], nan) || !identical(block[len(block)-1-i], nan) {
				return fmt.Errorf("a guard beside an operand has changed")
			}
		}
	}
	g.blocks = g.blocks[:0]
	return nil
}

// tileSets returns all sets, and generic with its Fused tiles, as a set of its own.
func tileSets() []Kernels {
	fused := generic
	fused.Name, fused.Tiles = "generic fused", generic.Fused
	return append(Sets(), fused)
}

// eachTile runs f as a subtest for every tile of every set.
func eachTile(t *testing.T, f func(t *testing.T, set Kernels, tile Tile)) {
	for _, set := range tileSets() {
		for _, tile := range set.Tiles {
			t.Run(fmt.Sprintf("%s/%dx%d", set.Name, tile.Rows, tile.Panels*set.NR), func(t *testing.T) { f(t, set, tile) })
		}
	}
}

func maxPanels(set Kernels) int {
	return slices.MaxFunc(set.Tiles, func(x, y Tile) int { return x.Panels - y.Panels }).Panels
}

// depths are the k of the tests: all small ones, and some beyond the blocks that package tensor uses.
func depths() []int {
	var ks []int
	for k := range 131 {
		ks = append(ks, k)
	}
	return append(ks, 384, 511, 4099)
}

// TestGEMMTile: for every set, every tile gives the bits of the one chain, wherever in C it lies and however A, B and C are
// stored; and the chain lies within the bound of Higham, Accuracy and Stability, §3.1, around float64: k products, k sums and
// the two additions to C round at most k+3 times each term (every rounding 2⁻²⁴; 2⁻¹⁴⁹ for a product that underflows).
func TestGEMMTile(t *testing.T) {
	for _, set := range tileSets() {
		t.Run(set.Name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(2, 0))
			for _, k := range depths() {
				m, panels := set.MR, maxPanels(set)
				r := newProduct(set, m, panels*set.NR, k, func() float32 { return float32(rng.NormFloat64()) })
				for ij, want := range r.want {
					bound := 1.01*float64(k+3)*0x1p-24*r.abs[ij] + float64(k)*0x1p-149
					if diff := math.Abs(float64(want) - r.exact[ij]); !(diff <= bound) {
						t.Fatalf("k=%d: the chain is off by %g, the bound is %g", k, diff, bound)
					}
				}
				checkTiles(t, set, r, rng)
			}
		})
	}
}

// checkTiles runs every tile of the set, in every layout, at a random place of the product.
func checkTiles(t *testing.T, set Kernels, r *product, rng *rand.Rand) {
	t.Helper()
	var g guarded
	for _, tile := range set.Tiles {
		for _, l := range layouts {
			i, q := rng.IntN(r.m-tile.Rows+1), rng.IntN(r.n/set.NR-tile.Panels+1)
			if err := r.run(set, tile, l, i, q, g.alloc); err != nil {
				t.Fatalf("tile %d×%d, k=%d, %s: %v", tile.Rows, tile.Panels*set.NR, r.k, l.name, err)
			}
			if err := g.check(); err != nil {
				t.Fatalf("tile %d×%d, k=%d, %s: %v", tile.Rows, tile.Panels*set.NR, r.k, l.name, err)
			}
		}
	}
}

// TestGEMMTileSpecial: the same with zeros of both signs, denormals, values near overflow, infinities and NaN.
func TestGEMMTileSpecial(t *testing.T) {
	inf := float32(math.Inf(1))
	finite := []float32{0, float32(math.Copysign(0, -1)), 1, -1, 0x1p-149, -0x1p-149, 0x1p-126, 0x1.8p-75, -0x1.8p-75, 3.4e38, -3.4e38,
		1e-3}
	all := append(slices.Clone(finite), inf, -inf, nan)
	for _, set := range tileSets() {
		t.Run(set.Name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(3, 0))
			for _, values := range [][]float32{finite[:7], finite, all} {
				for k := range 12 {
					r := newProduct(set, set.MR, maxPanels(set)*set.NR, k, func() float32 { return values[rng.IntN(len(values))] })
					checkTiles(t, set, r, rng)
				}
			}
		})
	}
}

// TestGEMMTilePadding: NaN in a column of B reaches that column of C alone, NaN in a row of A that row alone.
func TestGEMMTilePadding(t *testing.T) {
	eachTile(t, func(t *testing.T, set Kernels, tile Tile) {
		rng := rand.New(rand.NewPCG(4, 0))
		var g guarded
		for range 20 {
			m, n, k := tile.Rows, tile.Panels*set.NR, 1+rng.IntN(20)
			r := newProduct(set, m, n, k, func() float32 { return float32(rng.NormFloat64()) })
			row, col := rng.IntN(m), rng.IntN(n)
			r.a[row*k+rng.IntN(k)], r.b[rng.IntN(k)*n+col] = nan, nan
			for ij := range r.want {
				if ij/n == row || ij%n == col {
					r.want[ij] = nan
				}
			}
			if err := r.run(set, tile, layouts[1], 0, 0, g.alloc); err != nil {
				t.Fatalf("NaN in row %d of A and column %d of B: %v", row, col, err)
			}
		}
	})
}

// multiply is the simplest driver: it returns C[m×n] = Base + Bias + A[m×k]·B[k×n], all row-major and dense, from tiles of the set.
// They work on copies.
func multiply(set Kernels, m, n, k int, a, b, base, bias []float32) []float32 {
	nr, c := set.NR, make([]float32, m*n)
	panel, edge, edgeBias := make([]float32, k*nr), make([]float32, set.MR*nr), make([]float32, nr)
	for j := 0; j < n; j += nr {
		cols := min(nr, n-j)
		for p := range k { // PackRows
			clear(panel[p*nr : (p+1)*nr])
			copy(panel[p*nr:(p+1)*nr], b[p*n+j:p*n+j+cols])
		}
		for i := 0; i < m; {
			tile := set.Tiles[slices.IndexFunc(set.Tiles, func(t Tile) bool { return t.Rows <= m-i && t.Panels == 1 })]
			for row := range tile.Rows {
				copy(edge[row*nr:row*nr+cols], base[(i+row)*n+j:])
			}
			copy(edgeBias, bias[j:j+cols])
			tile.GEMM(k, a[i*k:], k, 1, panel, 0, edge, nr, edge, nr, edgeBias, panel, 0)
			for row := range tile.Rows {
				copy(c[(i+row)*n+j:(i+row)*n+j+cols], edge[row*nr:])
			}
			i += tile.Rows
		}
	}
	return c
}

// FuzzGEMM multiplies matrices of any shape by every set: each set gives the bits of its chain, and all sets agree with
// generic within the sum of their bounds.
func FuzzGEMM(f *testing.F) {
	f.Add(uint8(1), uint8(1), uint8(0), uint64(0))
	f.Add(uint8(12), uint8(32), uint8(64), uint64(1))
	f.Add(uint8(25), uint8(33), uint8(7), uint64(2))
	f.Add(uint8(7), uint8(100), uint8(130), uint64(3))
	f.Fuzz(func(t *testing.T, m8, n8, k8 uint8, seed uint64) {
		m, n, k := int(m8%64), int(n8), int(k8)
		var first []float32
		sets := tileSets()
		slices.Reverse(sets) // generic first
		for _, set := range sets {
			rng := rand.New(rand.NewPCG(seed, 5))
			r := newProduct(set, m, n, k, func() float32 { return float32(rng.NormFloat64()) })
			c := multiply(set, m, n, k, r.a, r.b, r.base, r.bias)
			if first == nil {
				first = c
			}
			for ij, got := range c {
				if !identical(got, r.want[ij]) {
					t.Fatalf("%s m=%d n=%d k=%d: C[%d,%d] = %g, want %g", set.Name, m, n, k, ij/n, ij%n, got, r.want[ij])
				}
				bound := 2.02*float64(k+3)*0x1p-24*r.abs[ij] + float64(k)*0x1p-148
				if diff := math.Abs(float64(got) - float64(first[ij])); !(diff <= bound) {
					t.Fatalf("%s m=%d n=%d k=%d: C[%d,%d] is %g from generic, the bound is %g", set.Name, m, n, k, ij/n, ij%n, diff, bound)
				}
			}
		}
	})
}
