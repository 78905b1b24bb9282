package asm

import (
	"encoding/binary"
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// every makes TestElementAccuracy try all 2³² inputs instead of 2²⁰; a quarter of an hour of one core per function:
//
//	go test ./asm -run TestElementAccuracy -every -timeout 0
var every = flag.Bool("every", false, "try all float32 inputs of the element-wise kernels")

// An element describes one element-wise kernel: the kernel of a set, its formula in float64 and the error it may have.
type element struct {
	name   string
	kernel func(set Kernels) func(y, x []float32)
	exact  func(x float64) float64
	bound  func(x, y float64) float64 // largest |error| of f(x) = y
}

var elements = []element{
	{"Exp", func(s Kernels) func(y, x []float32) { return s.Exp }, func(x float64) float64 {
		if x < expMin {
			return 0
		}
		return math.Exp(x)
	}, func(x, y float64) float64 { return 2 * ulp(y) }},
	{"Tanh", func(s Kernels) func(y, x []float32) { return s.Tanh }, math.Tanh,
		func(x, y float64) float64 { return 4 * ulp(y) }},
	{"Sigmoid", func(s Kernels) func(y, x []float32) { return s.Sigmoid },
		func(x float64) float64 { return 1 / (1 + math.Exp(-x)) },
		func(x, y float64) float64 { return 4 * ulp(y) }},
	{"GELUTanh", func(s Kernels) func(y, x []float32) { return s.GELUTanh }, geluTanh64,
		func(x, y float64) float64 { return max(4*ulp(y), 0x1p-24*math.Abs(x)) }},
	{"GELUErf", func(s Kernels) func(y, x []float32) { return s.GELUErf }, geluErf64,
		func(x, y float64) float64 { return 1e-7 * max(1, math.Abs(x)) }},
	{"GELUTanhBackward", slope(func(s Kernels) func(dx, dy, x []float32) { return s.GELUTanhBackward }), geluTanhSlope64,
		func(x, y float64) float64 { return 1e-6 * max(0.1, math.Abs(y)) }},
	{"GELUErfBackward", slope(func(s Kernels) func(dx, dy, x []float32) { return s.GELUErfBackward }), geluErfSlope64,
		func(x, y float64) float64 { return 1e-6 * max(0.1, math.Abs(y)) }},
}

// slope turns a backward kernel into the derivative: its dx for dy = 1.
func slope(backward func(s Kernels) func(dx, dy, x []float32)) func(s Kernels) func(y, x []float32) {
	ones := slices.Repeat([]float32{1}, 1<<16)
	return func(s Kernels) func(y, x []float32) {
		return func(y, x []float32) { backward(s)(y, ones[:len(x)], x) }
	}
}

func geluTanh64(x float64) float64 {
	u := math.Sqrt(2/math.Pi) * (x + 0.044715*x*x*x)
	return x / (1 + math.Exp(-2*u))
}

// geluTanhSlope64 differentiates x·σ(2u): σ + x·σ·(1 − σ)·2u′. Far out the float64 terms are Inf·0; there it is 0 or 1.
func geluTanhSlope64(x float64) float64 {
	if math.Abs(x) > 20 {
		return (1 + math.Copysign(1, x)) / 2
	}
	s := math.Exp(-2 * math.Sqrt(2/math.Pi) * (x + 0.044715*x*x*x))
	return 1/(1+s) + x*s/((1+s)*(1+s))*2*math.Sqrt(2/math.Pi)*(1+3*0.044715*x*x)
}

// geluErfSlope64 is Φ(x) + x·φ(x).
func geluErfSlope64(x float64) float64 {
	if math.IsInf(x, 0) {
		return (1 + math.Copysign(1, x)) / 2
	}
	return math.Erfc(-x/math.Sqrt2)/2 + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
}

func geluErf64(x float64) float64 { return x / 2 * math.Erfc(-x/math.Sqrt2) }

// ulp returns the distance of float32 numbers at y.
func ulp(y float64) float64 {
	_, e := math.Frexp(y)
	return math.Ldexp(1, max(e, -125)-24)
}

var inf = float32(math.Inf(1))

// specials are inputs at which something happens: zeros, denormals, limits of the formulas, infinities, NaN with any payload.
func specials() []float32 {
	x := []float32{0, 1, 0.5, 2, 0x1p-149, 0x1p-127, 0x1p-126, 1e-20, 0x1p-13, 1e10, 1e19, 1e30, math.MaxFloat32, expMax, expMin,
		tanhPoly, tanhOne / 2, sigmoidMin, sigmoidMax, millsMax, ln2, ln2 / 2, 10, 88, 128 * ln2, 103.97, inf, nan,
		math.Float32frombits(0x7F800001), math.Float32frombits(0x7FC001FF), math.Float32frombits(0x7FFFFFFF)}
	for _, v := range x[:len(x)-4] {
		x = append(x, math.Nextafter32(v, -1), math.Nextafter32(v, inf))
	}
	for _, v := range x {
		x = append(x, -v)
	}
	return x
}

// TestElementAccuracy holds each kernel to its bound on 2²⁰ inputs, one random number from each group of 2¹² neighbours, so
// that every exponent and sign is met alike.
func TestElementAccuracy(t *testing.T) {
	for _, e := range elements {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(1, 2))
			sets, worst, at := Sets(), make([]float64, len(Sets())), make([]float32, len(Sets()))
			x, y, want := make([]float32, 4096), make([]float32, 4096), make([]float64, 4096)
			for base := uint64(0); base < 1<<32; {
				for i := range x {
					x[i] = math.Float32frombits(uint32(base))
					base++
					if !*every {
						x[i] = math.Float32frombits(uint32(base) + rng.Uint32N(1<<12))
						base += 1<<12 - 1
					}
				}
				if base == 1<<12 {
					copy(x, specials())
				}
				for i, v := range x {
					want[i] = e.exact(float64(v))
				}
				for s, set := range sets {
					e.kernel(set)(y, x)
					for i, v := range x {
						share, ok := e.check(v, y[i], want[i])
						if !ok {
							t.Fatalf("%s: %s(%g = %x) = %g, want %g ± %g", set.Name, e.name, v, v, y[i], want[i],
								e.bound(float64(v), want[i]))
						}
						if share > worst[s] {
							worst[s], at[s] = share, v
						}
					}
				}
			}
			for s, set := range sets {
				t.Logf("%s: error at most %.3f of the bound, at %g", set.Name, worst[s], at[s])
			}
		})
	}
}

// check compares got with the exact value of f(x) and returns its error as a share of the bound. An exact value beyond
// float32 must give ±Inf, NaN must give NaN.
func (e element) check(x, got float32, exact float64) (share float64, ok bool) {
	want := float32(exact)
	if math.IsInf(float64(want), 0) || exact != exact {
		return 0, sameBits(got, want)
	}
	share = math.Abs(float64(got)-exact) / e.bound(float64(x), exact)
	return share, share <= 1
}

// TestPolynomials: the polynomials are as close to their functions as elem_generic.go says, without any rounding.
func TestPolynomials(t *testing.T) {
	horner := func(x float64, c ...float64) (y float64) {
		for i := len(c) - 1; i >= 0; i-- {
			y = y*x + c[i]
		}
		return y
	}
	check := func(name string, lo, hi, log2Error float64, f func(x float64) float64) {
		var worst float64
		for i := range 20001 {
			worst = max(worst, math.Abs(f(lo+(hi-lo)*float64(i)/20000)))
		}
		if !(math.Log2(worst) <= log2Error) {
			t.Errorf("%s: error 2^%.2f, want at most 2^%g", name, math.Log2(worst), log2Error)
		}
	}
	check("exp", -ln2/2, ln2/2, -28.2, func(r float64) float64 {
		return horner(r, 1, 1, exp2, exp3, exp4, exp5, exp6)/math.Exp(r) - 1
	})
	check("tanh", 1e-3, tanhPoly, -27.4, func(x float64) float64 {
		return x*horner(x*x, 1, tanh3, tanh5, tanh7, tanh9, tanh11)/math.Tanh(x) - 1
	})
	tail := func(a float64) float64 { // Φ(−a) by the polynomial
		s := a / (a + mills)
		return math.Exp(-a*a/2) * horner(s, 0.5, mills1, mills2, mills3, mills4, mills5, mills6, mills7, mills8)
	}
	exact := func(a float64) float64 { return math.Erfc(a/math.Sqrt2) / 2 }
	check("a·Φ(−a)", 0, millsMax, -27.2, func(a float64) float64 { return a * (tail(a) - exact(a)) })
	check("Φ(−a)", 0, millsMax, math.Log2(6.5e-7), func(a float64) float64 { return tail(a)/exact(a) - 1 })
}

// TestElementSpecial: NaN gives NaN, and odd functions and GELU keep the sign of zero.
func TestElementSpecial(t *testing.T) {
	for _, set := range Sets() {
		for _, e := range elements {
			x := specials()
			y := make([]float32, len(x))
			e.kernel(set)(y, x)
			for i, v := range x {
				if want := e.exact(float64(v)); (v != v) != (y[i] != y[i]) && want == want {
					t.Errorf("%s: %s(%x) = %g", set.Name, e.name, math.Float32bits(v), y[i])
				}
				if v == 0 && math.Signbit(float64(y[i])) != math.Signbit(e.exact(float64(v))) {
					t.Errorf("%s: %s(%g) = %g", set.Name, e.name, v, y[i])
				}
			}
		}
	}
}

// TestElementPlace: bits depend on the input alone, not on length, place and alignment; y may be x; nothing is written beside
// y. The expected bits are those of one call per element.
func TestElementPlace(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	x := specials()
	for len(x) < 300 {
		x = append(x, float32(rng.NormFloat64()*4))
	}
	rng.Shuffle(len(x), func(i, j int) { x[i], x[j] = x[j], x[i] })
	for _, set := range Sets() {
		for _, e := range elements {
			t.Run(set.Name+"/"+e.name, func(t *testing.T) {
				f, want := e.kernel(set), make([]float32, len(x))
				for i := range x {
					f(want[i:i+1], x[i:i+1])
				}
				var g guarded
				for n := range 131 {
					at := rng.IntN(len(x) - n)
					src, dst := g.allocAt(n%17, n), g.allocAt(n%13, n)
					copy(src, x[at:])
					f(dst, src)
					if err := compare(dst, want[at:at+n]); err != nil {
						t.Fatalf("n=%d: %v", n, err)
					}
					if err := compare(src, x[at:at+n]); err != nil {
						t.Fatalf("n=%d: x has changed: %v", n, err)
					}
					f(src, src)
					if err := compare(src, want[at:at+n]); err != nil {
						t.Fatalf("n=%d, y = x: %v", n, err)
					}
					if err := g.check(); err != nil {
						t.Fatalf("n=%d: %v", n, err)
					}
				}
			})
		}
	}
}

// allocAt is alloc with the slice moved up by skip elements: the lower guard ends where the slice begins.
func (g *guarded) allocAt(skip, n int) []float32 {
	block := slices.Repeat([]float32{nan}, skip+n+2*guardLen)
	g.blocks = append(g.blocks, block[skip:])
	return block[skip+guardLen : skip+guardLen+n : skip+guardLen+n]
}

// TestElementBits: all sets, generic too, do the same operations and give the same bits on all machines. A changed formula or constant
// changes these hashes of f at 2¹⁶ numbers.
func TestElementBits(t *testing.T) {
	hashes := map[string]uint32{
		"Exp":      0x30b82c74,
		"Tanh":     0x0d72ec71,
		"Sigmoid":  0xe9b737b8,
		"GELUTanh": 0xa70d9f54,
		"GELUErf":  0x875739e3,

		"GELUTanhBackward": 0x5dd52cfd,
		"GELUErfBackward":  0x81d0644b,
	}
	x, y := make([]float32, 1<<16), make([]float32, 1<<16)
	for i := range x {
		x[i] = math.Float32frombits(uint32(i) * (1<<16 + 1))
	}
	for _, set := range Sets() {
		for _, e := range elements {
			e.kernel(set)(y, x)
			if got := hashBits(y); got != hashes[e.name] {
				t.Errorf("%s: %s: hash %#x, want %#x", set.Name, e.name, got, hashes[e.name])
			}
		}
	}
}

// hashBits returns a hash of the bits of numbers; the bits of a NaN are free.
func hashBits(x []float32) uint32 {
	hash := fnv.New32a()
	for _, v := range x {
		if v == v {
			hash.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
		}
	}
	return hash.Sum32()
}

func compare(got, want []float32) error {
	for i := range want {
		if !sameBits(got[i], want[i]) {
			return fmt.Errorf("element %d is %x, want %x", i, got[i], want[i])
		}
	}
	return nil
}
