package layers

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bertlabel/tensor"
)

// ones returns dropout's output on a matrix of ones: 0 where dropped, 1/(1 − p) where kept.
func onesThrough(d Dropout, at []Place, cols int) *tensor.Tensor {
	x := tensor.New(len(at), cols)
	for i := range x.Data {
		x.Data[i] = 1
	}
	d.Forward(x, x, at)
	return x
}

func TestDropoutRateAndScale(t *testing.T) {
	at := make([]Place, 512)
	for i := range at {
		at[i] = Place{Example: uint64(i / 16), Token: uint32(i % 16)}
	}
	for _, p := range []float64{0, 0.1, 0.5, 0.9} {
		const cols = 1001
		y := onesThrough(NewDropout(p, 42, 3), at, cols)
		dropped := 0
		for _, v := range y.Data {
			switch v {
			case 0:
				dropped++
			case float32(1 / (1 - p)):
			default:
				t.Fatalf("p = %g: an element is %g, want 0 or %g", p, v, 1/(1-p))
			}
		}
		n := float64(len(y.Data))
		bound := 5 * math.Sqrt(p*(1-p)*n) // five standard deviations of a binomial; the seed is fixed
		if diff := math.Abs(float64(dropped) - p*n); !(diff <= bound) {
			t.Errorf("p = %g: %d of %g dropped, want %g ± %g", p, dropped, n, p*n, bound)
		}
	}
}

// TestDropoutIgnoresTheBatch: a row's mask is the same alone, among other rows, in another order, and a shorter row's mask is
// the beginning of a longer one's.
func TestDropoutIgnoresTheBatch(t *testing.T) {
	d := NewDropout(0.3, 7, 1)
	at := []Place{{0, 0}, {5, 2}, {1 << 40, 1}, {5, 3}, {0, 1}}
	batch := onesThrough(d, at, 67)
	for i, p := range at {
		alone := onesThrough(d, []Place{p}, 64)
		if !slices.Equal(alone.Row(0), batch.Row(i)[:64]) {
			t.Errorf("row at %v differs alone and in a batch", p)
		}
	}
}

// TestDropoutMasksAreUnrelated: two masks of p = 1/2 with another seed, site, example or token agree in half of the columns.
func TestDropoutMasksAreUnrelated(t *testing.T) {
	const cols = 4096
	base := onesThrough(NewDropout(0.5, 1, 1), []Place{{1, 1}}, cols).Data
	for name, other := range map[string]*tensor.Tensor{
		"seed":         onesThrough(NewDropout(0.5, 2, 1), []Place{{1, 1}}, cols),
		"seed, high":   onesThrough(NewDropout(0.5, 1|1<<32, 1), []Place{{1, 1}}, cols),
		"site":         onesThrough(NewDropout(0.5, 1, 2), []Place{{1, 1}}, cols),
		"example":      onesThrough(NewDropout(0.5, 1, 1), []Place{{2, 1}}, cols),
		"example high": onesThrough(NewDropout(0.5, 1, 1), []Place{{1 | 1<<32, 1}}, cols),
		"token":        onesThrough(NewDropout(0.5, 1, 1), []Place{{1, 2}}, cols),
	} {
		equal := 0
		for i, v := range other.Data {
			if v == base[i] {
				equal++
			}
		}
		if bound := 5 * math.Sqrt(cols/4); !(math.Abs(float64(equal)-cols/2) <= bound) {
			t.Errorf("another %s: %d of %d columns agree, want %d ± %g", name, equal, cols, cols/2, bound)
		}
	}
}

// TestDropoutBackward: the map is linear, so backward must be forward's own diagonal: dx = dy∘(y/x).
func TestDropoutBackward(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	d := NewDropout(0.25, 9, 4)
	at := []Place{{3, 0}, {4, 7}}
	y, dy, dx := onesThrough(d, at, 33), tensor.New(2, 33), tensor.New(2, 33)
	for i := range dy.Data {
		dy.Data[i], dx.Data[i] = float32(rng.NormFloat64()), float32(math.NaN())
	}
	d.Backward(dx, dy, at)
	for i, mask := range y.Data {
		if want := mask * dy.Data[i]; dx.Data[i] != want {
			t.Fatalf("element %d: dx = %g, want %g", i, dx.Data[i], want)
		}
	}
}

func TestDropoutZeroIsIdentity(t *testing.T) {
	x := []float32{1, -2, float32(math.Inf(1)), 0.5, 3}
	y := make([]float32, len(x))
	for _, d := range []Dropout{{}, NewDropout(0, 1, 1)} {
		if d.Row(y, x, Place{1, 1}); !slices.Equal(x, y) {
			t.Errorf("p = 0: %v became %v", x, y)
		}
	}
}

func TestDropoutAllocatesNothing(t *testing.T) {
	d, x := NewDropout(0.1, 1, 1), tensor.New(4, 768)
	at := make([]Place, 4)
	if n := testing.AllocsPerRun(10, func() { d.Forward(x, x, at) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkDropout(b *testing.B) {
	d, x := NewDropout(0.1, 1, 1), tensor.New(1, 768)
	b.SetBytes(4 * 768)
	for i := uint64(0); b.Loop(); i++ {
		d.Row(x.Data, x.Data, Place{Example: i})
	}
}
