package asm

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// lowForms returns the products in low precision of all sets, and those that this CPU runs though its sets have better ones.
func lowForms() (bf map[string]BF16, i8 map[string]Int8) {
	bf, i8 = map[string]BF16{}, map[string]Int8{}
	for _, s := range Sets() {
		bf[s.Name], i8[s.Name] = s.BF16, s.Int8
	}
	moreLowForms(bf, i8)
	return bf, i8
}

// asBytes returns the memory of x.
func asBytes(x []float32) []uint8 {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*uint8)(unsafe.Pointer(&x[0])), 4*len(x))
}

// lowProduct is C = A·B + Bias + Base for tiles in low precision: m rows, nr columns, which are some panels.
type lowProduct struct {
	m, nr, k, outliers int
	a, b               []float32 // [m, k], [k, nr]
	q                  []uint8   // int8: [m, k]
	w                  []int8    // [k, nr]
	xo, wo             []float32 // outlier channels: [m, outliers], [outliers, nr]
	rows               []RowFactor
	scales             []float32
	base, bias         []float32 // [m, nr], [nr]
	want               []float32
}

// roundReference is the rounding of BF16 by arithmetic: to a multiple of 2^(e−7).
func roundReference(x float32) float32 {
	v := math.Abs(float64(x))
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return x
	}
	if v < 0x1p-56 {
		return 0
	}
	_, e := math.Frexp(v)
	step := math.Ldexp(1, e-8)
	return float32(math.Copysign(math.RoundToEven(v/step)*step, float64(x)))
}

// chain adds the products of two rounded vectors to sum, in the order of BF16.
func chain(sum float32, x, y func(p int) float32, k int) float32 {
	for p := 0; p < k; p += 2 {
		if p+1 < k {
			sum += float32(roundReference(x(p+1)) * roundReference(y(p+1)))
		}
		sum += float32(roundReference(x(p)) * roundReference(y(p)))
	}
	return sum
}

func drawn(n int, random func() float32) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = random()
	}
	return s
}

func newBF16Product(m, nr, k int, random func() float32) *lowProduct {
	r := &lowProduct{m: m, nr: nr, k: k, a: drawn(m*k, random), b: drawn(k*nr, random)}
	r.base, r.bias = drawn(m*nr, random), drawn(nr, random)
	for i := range m {
		for j := range nr {
			sum := chain(0, func(p int) float32 { return r.a[i*k+p] }, func(p int) float32 { return r.b[p*nr+j] }, k)
			r.want = append(r.want, (r.base[i*nr+j]+r.bias[j])+sum)
		}
	}
	return r
}

func newInt8Product(rng *rand.Rand, m, nr, k, outliers int) *lowProduct {
	normal := func() float32 { return float32(rng.NormFloat64()) }
	r := &lowProduct{m: m, nr: nr, k: k, outliers: outliers, q: make([]uint8, m*k), w: make([]int8, k*nr),
		xo: drawn(m*outliers, normal), wo: drawn(outliers*nr, normal), scales: drawn(nr, normal)}
	r.base, r.bias = drawn(m*nr, normal), drawn(nr, normal)
	for i := range r.q {
		r.q[i] = uint8(rng.IntN(256)) | uint8(255*rng.IntN(2)) // 255 often
	}
	for i := range r.w {
		r.w[i] = int8(rng.IntN(256)-128) | int8(127*rng.IntN(2))
	}
	for range m {
		r.rows = append(r.rows, RowFactor{-int32(rng.IntN(256)), normal()})
	}
	for i := range m {
		for j := range nr {
			sum, columns := 0, 0
			for p := range k {
				sum += int(r.q[i*k+p]) * int(r.w[p*nr+j])
				columns += int(r.w[p*nr+j])
			}
			y := float32(float32(float32(sum+int(r.rows[i].Offset)*columns)*r.rows[i].Scale) * r.scales[j])
			y = chain(y, func(p int) float32 { return r.xo[i*outliers+p] }, func(p int) float32 { return r.wo[p*nr+j] }, outliers)
			r.want = append(r.want, (r.base[i*nr+j]+r.bias[j])+y)
		}
	}
	return r
}

// args lays C, Base and Bias of a tile out, with gaps of NaN between the rows.
func (r *lowProduct) args(rows int, alloc func(n int) []float32) *TileArgs {
	t := &TileArgs{LDC: r.nr + 3, LDBase: r.nr + 5, Next: []uint8{0}}
	t.C, t.Base, t.Bias = alloc((rows-1)*t.LDC+r.nr), alloc((rows-1)*t.LDBase+r.nr), alloc(r.nr)
	for i := range rows {
		copy(t.Base[i*t.LDBase:][:r.nr], r.base[i*r.nr:])
	}
	copy(t.Bias, r.bias)
	return t
}

// pairsOf packs columns [col, col+nr) of rows of B, [k, n], as pairs.
func pairsOf(pairs func(dst []uint8, even, odd []float32), b []uint8, x []float32, k, n, col, nr int) {
	for p := 0; p < k; p += 2 {
		odd := make([]float32, nr)
		if p+1 < k {
			odd = x[(p+1)*n+col:][:nr]
		}
		pairs(b[2*p*nr:][:4*nr], x[p*n+col:][:nr], odd)
	}
}

func (r *lowProduct) bf16Args(set BF16, rows int, alloc func(n int) []float32) *TileArgs {
	t := r.args(rows, alloc)
	t.K = (r.k + 1) / 2
	bytes := set.PairBytes * t.K
	t.ARS = bytes + 8
	t.A, t.B = asBytes(alloc(((rows-1)*t.ARS+bytes)/4)), asBytes(alloc(t.K*r.nr))
	for i := range rows {
		set.Round(t.A[i*t.ARS:][:bytes], r.a[i*r.k:(i+1)*r.k])
	}
	for t.Panels = 0; t.Panels*set.NR < r.nr; t.Panels++ {
		pairsOf(set.Pairs, t.B[4*t.K*set.NR*t.Panels:], r.b, r.k, r.nr, t.Panels*set.NR, set.NR)
	}
	return t
}

func (r *lowProduct) int8Args(set Int8, pairs func(dst []uint8, even, odd []float32), rows int, alloc func(n int) []float32) *TileArgs {
	t := r.args(rows, alloc)
	fill := max(4, set.Depth)
	t.K, t.Pairs = (r.k+fill-1)/fill*fill/4, (r.outliers+1)/2
	quads := set.QuadBytes * t.K
	bytes := quads + set.OutlierBytes*t.Pairs
	t.ARS = bytes + 4
	t.A, t.B = asBytes(alloc(((rows-1)*t.ARS+bytes)/4)), asBytes(alloc((t.K+t.Pairs)*r.nr))
	x := make([]float32, r.k)
	for i := range rows {
		for p, q := range r.q[i*r.k : (i+1)*r.k] {
			x[p] = float32(q)
		}
		set.Quantize(t.A[i*t.ARS:][:quads], x, 1, 0)
		set.Outliers(t.A[i*t.ARS+quads:][:bytes-quads], r.xo[i*r.outliers:(i+1)*r.outliers])
		t.Rows = append(t.Rows, RowFactor{r.rows[i].Offset + set.Shift, r.rows[i].Scale})
	}
	clear(t.B)
	t.Panels = r.nr / set.NR
	stride := 4 * (t.K + t.Pairs) * set.NR
	t.ColSums, t.ColScales = make([]int32, r.nr), alloc(r.nr)
	copy(t.ColScales, r.scales)
	for p := range r.k {
		for j := range r.nr {
			t.B[j/set.NR*stride+p/set.Depth*set.Depth*set.NR+j%set.NR*set.Depth+p%set.Depth] = uint8(r.w[p*r.nr+j])
			t.ColSums[j] += int32(r.w[p*r.nr+j])
		}
	}
	for panel := range t.Panels {
		pairsOf(pairs, t.B[panel*stride+4*t.K*set.NR:], r.wo, r.outliers, r.nr, panel*set.NR, set.NR)
	}
	return t
}

// run calls a tile and reports the first element of C that has not the bits of want, and any change beside it.
func (r *lowProduct) run(tile LowTile, t *TileArgs) error {
	a, b, base, bias, c := slices.Clone(t.A), slices.Clone(t.B), slices.Clone(t.Base), slices.Clone(t.Bias), slices.Clone(t.C)
	tile.GEMM(t)
	for i := range tile.Rows {
		for j := range r.nr {
			if got, want := t.C[i*t.LDC+j], r.want[i*r.nr+j]; !sameBits(got, want) {
				return fmt.Errorf("%d rows, k=%d, %d outliers: C[%d,%d] = %g (%#08x), want %g (%#08x)", tile.Rows, r.k, r.outliers, i, j,
					got, math.Float32bits(got), want, math.Float32bits(want))
			}
		}
		copy(c[i*t.LDC:][:r.nr], t.C[i*t.LDC:])
	}
	same := slices.EqualFunc(base, t.Base, identical) && slices.EqualFunc(bias, t.Bias, identical)
	if !same || !slices.Equal(a, t.A) || !slices.Equal(b, t.B) {
		return fmt.Errorf("%d rows, k=%d: an input has changed", tile.Rows, r.k)
	}
	if !slices.EqualFunc(c, t.C, identical) {
		return fmt.Errorf("%d rows, k=%d: a gap between the rows of C has changed", tile.Rows, r.k)
	}
	return nil
}

var lowDepths = []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 31, 32, 33, 64, 127, 130, 384, 1024}

// wideNumbers returns numbers of all sizes that are of use, many below the flush and halfway between two bf16.
func wideNumbers(rng *rand.Rand) func() float32 {
	return func() float32 {
		x := float32(math.Ldexp(rng.NormFloat64(), rng.IntN(90)-70))
		if rng.IntN(4) == 0 {
			x = math.Float32frombits(math.Float32bits(x)&^0xFFFF | 0x8000)
		}
		return x
	}
}

// TestBF16Tiles: every tile of every form gives the bits of the rule of BF16, at all depths, with numbers of all sizes.
func TestBF16Tiles(t *testing.T) {
	forms, _ := lowForms()
	for name, set := range forms {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(11, 0))
			var g guarded
			for _, k := range lowDepths {
				normal := func() float32 { return float32(rng.NormFloat64()) }
				for _, random := range []func() float32{normal, wideNumbers(rng)} {
					r := newBF16Product(set.MR, (1+k%3)*set.NR, k, random)
					for _, tile := range set.Tiles {
						if err := r.run(tile, r.bf16Args(set, tile.Rows, g.alloc)); err != nil {
							t.Fatal(err)
						}
						if err := g.check(); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		})
	}
}

// TestInt8Tiles: likewise for Int8, with the largest integers, and with and without outlier channels.
func TestInt8Tiles(t *testing.T) {
	_, forms := lowForms()
	for name, set := range forms {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(12, 0))
			var g guarded
			for _, k := range append(lowDepths, 3072) {
				for _, outliers := range []int{0, 1, 2, 7, 16} {
					r := newInt8Product(rng, set.MR, (1+k%3)*set.NR, k, outliers)
					for _, tile := range set.Tiles {
						if err := r.run(tile, r.int8Args(set, pairsGeneric, tile.Rows, g.alloc)); err != nil {
							t.Fatal(err)
						}
						if err := g.check(); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		})
	}
}

// TestBF16NotFinite: NaN and infinities of A reach every element of their row and no other.
func TestBF16NotFinite(t *testing.T) {
	forms, _ := lowForms()
	for name, set := range forms {
		rng := rand.New(rand.NewPCG(13, 0))
		inf := float32(math.Inf(1))
		for _, bad := range []float32{nan, math.Float32frombits(0xFF800001), math.Float32frombits(0x7FFFFFFF), inf, -inf, math.MaxFloat32} {
			r := newBF16Product(set.MR, set.NR, 6, func() float32 { return 1 + rng.Float32() })
			r.a[3] = bad
			tile := set.Tiles[0]
			args := r.bf16Args(set, tile.Rows, func(n int) []float32 { return make([]float32, n) })
			tile.GEMM(args)
			for i := range tile.Rows {
				for j := range set.NR {
					if got := args.C[i*args.LDC+j]; (got-got == 0) != (i > 0) {
						t.Fatalf("%s: C[%d,%d] = %g with %g (%#x) in row 0", name, i, j, got, bad, math.Float32bits(bad))
					}
				}
			}
		}
	}
}

// roundBits is what Round must write for a pair.
func roundBits(pairBytes int, even, odd float32) uint64 {
	e, o := bf16(even), bf16(odd)
	if pairBytes == 4 {
		return uint64(e) | uint64(o)<<16
	}
	return uint64(o)<<16 | uint64(e)<<48
}

// TestRound: rounding agrees with arithmetic, and every form with it, at every length, special numbers included.
func TestRound(t *testing.T) {
	rng := rand.New(rand.NewPCG(14, 0))
	wide := wideNumbers(rng)
	for range 100_000 {
		x := wide()
		if got, want := RoundBF16(x), roundReference(x); !identical(got, want) && (got != 0 || want != 0) {
			t.Fatalf("RoundBF16(%g) = %g, want %g", x, got, want)
		}
	}
	special := []float32{0, float32(math.Copysign(0, -1)), nan, float32(math.Inf(1)), float32(math.Inf(-1)), math.MaxFloat32,
		-math.MaxFloat32,
		0x1p-56, -0x1p-56, math.Nextafter32(0x1p-56, 0), 0x1p-149, 0x1.01p0, 0x1.03p0, 0x1.010002p0,
		math.Float32frombits(0x7F800001), math.Float32frombits(0xFFFFFFFF)}
	mixed := func() float32 {
		if rng.IntN(3) == 0 {
			return special[rng.IntN(len(special))]
		}
		return wide()
	}
	bf, i8 := lowForms()
	for name, set := range i8 {
		bf[name+" outliers"] = BF16{Round: set.Outliers, PairBytes: set.OutlierBytes, Pairs: pairsGeneric}
	}
	for name, set := range bf {
		var g guarded
		for n := range 131 {
			x, y := g.alloc(n), g.alloc(n)
			copy(x, drawn(n, mixed))
			copy(y, drawn(n, mixed))
			pairs := (n + 1) / 2
			dst := asBytes(g.alloc(pairs * set.PairBytes / 4))
			set.Round(dst, x)
			for p := range pairs {
				odd := float32(0)
				if 2*p+1 < n {
					odd = x[2*p+1]
				}
				got := append(slices.Clone(dst[p*set.PairBytes:][:set.PairBytes]), make([]byte, 8-set.PairBytes)...)
				if bits, want := binary.LittleEndian.Uint64(got), roundBits(set.PairBytes, x[2*p], odd); bits != want {
					t.Fatalf("%s: Round of %d numbers, pair %d (%g, %g): %#x, want %#x", name, n, p, x[2*p], odd, bits, want)
				}
			}
			both := asBytes(g.alloc(n))
			set.Pairs(both, x, y)
			for j := range n {
				if got, want := binary.LittleEndian.Uint32(both[4*j:]), uint32(roundBits(4, x[j], y[j])); got != want {
					t.Fatalf("%s: Pairs of %d numbers, %d: %#x, want %#x", name, n, j, got, want)
				}
			}
			if err := g.check(); err != nil {
				t.Fatalf("%s: n=%d: %v", name, n, err)
			}
		}
	}
}

// TestQuantize: every form of Quantize and Range gives what generic gives, at every length, ties and limits included.
func TestQuantize(t *testing.T) {
	_, forms := lowForms()
	for name, set := range forms {
		rng := rand.New(rand.NewPCG(15, 0))
		var g guarded
		for n := range 200 {
			x := g.alloc(n)
			copy(x, drawn(n, func() float32 { return float32(rng.IntN(1024)-512)/2 + float32(rng.IntN(2))*rng.Float32() }))
			inv, zero := []float32{1, 0.5, 0.7}[rng.IntN(3)], int32(rng.IntN(256))
			each := set.QuadBytes / 4
			dst := g.alloc((n*each + 3) / 4)
			set.Quantize(asBytes(dst), x, inv, zero)
			for i := range x {
				want := quantize1(x[i], inv, zero) - set.Shift
				got := int32(int8(asBytes(dst)[min(i*each, 4*len(dst)-1)]))
				if each == 2 {
					got = int32(binary.LittleEndian.Uint16(asBytes(dst)[2*i:]))
				} else if set.Shift == 0 {
					got = int32(uint8(got))
				}
				if got != want {
					t.Fatalf("%s: n=%d: element %d, %g·%g + %d, is %d, want %d", name, n, i, x[i], inv, zero, got, want)
				}
			}
			lo, hi := set.Range(x)
			if wantLo, wantHi := rangeGeneric(x); lo != wantLo || hi != wantHi {
				t.Fatalf("%s: n=%d: range %g, %g, want %g, %g", name, n, lo, hi, wantLo, wantHi)
			}
			if n > 0 {
				x[rng.IntN(n)] = []float32{nan, float32(math.Inf(1)), float32(math.Inf(-1))}[n%3]
				if _, hi := set.Range(x); hi == hi {
					t.Fatalf("%s: n=%d: the range of a row that is not finite ends at %g", name, n, hi)
				}
			}
			if err := g.check(); err != nil {
				t.Fatalf("%s: n=%d: %v", name, n, err)
			}
		}
	}
}

// TestLowTileOrder: each form has a tile for each number of rows from MR down to 1.
func TestLowTileOrder(t *testing.T) {
	bf, i8 := lowForms()
	check := func(name string, mr int, tiles []LowTile) {
		if len(tiles) != mr || mr < 1 {
			t.Fatalf("%s: %d tiles for MR = %d", name, len(tiles), mr)
		}
		for i, tile := range tiles {
			if tile.Rows != mr-i || tile.GEMM == nil {
				t.Errorf("%s: tile %d has %d rows", name, i, tile.Rows)
			}
		}
	}
	for name, set := range bf {
		check(name+" bf16", set.MR, set.Tiles)
	}
	for name, set := range i8 {
		check(name+" int8", set.MR, set.Tiles)
	}
}
