package tensortest

import (
	"math"
	"testing"
)

// CheckGradient compares dx, what a Backward says is the gradient of loss by x, with differences of loss, which must compute it
// from the present values of x, summed in float64 over float32 activations. With D(h) = (f(x+h) − f(x−h))/2h and h = 2⁻⁶ the
// five-point formula
//
//	f'(x) ≈ (4·D(h) − D(2h))/3
//
// is wrong by h⁴·f⁽⁵⁾/30, under 1e-4 for functions that change over distances of about 1, and by rounding, some 1e-7 of the
// activations over h. So the bound is 1e-3 of the largest magnitude in dx. Of long x some sixty elements are checked.
func CheckGradient(t testing.TB, name string, dx, x []float32, loss func() float64) {
	t.Helper()
	if len(dx) != len(x) {
		t.Fatalf("%s: gradient of %d elements for %d", name, len(dx), len(x))
	}
	largest := MaxAbs(Widen(dx))
	if !(largest > 0) {
		t.Fatalf("%s: the gradient is zero everywhere, or NaN", name)
	}
	for i := 0; i < len(x); i += 1 + len(x)/60 {
		kept := x[i]
		d := func(h float32) float64 {
			x[i] = kept + h
			above, right := loss(), float64(x[i])
			x[i] = kept - h
			below, left := loss(), float64(x[i])
			x[i] = kept
			return (above - below) / (right - left) // by the step as it was rounded
		}
		want := (4*d(0x1p-6) - d(0x1p-5)) / 3
		if !(math.Abs(float64(dx[i])-want) <= 1e-3*largest) {
			t.Errorf("%s: gradient[%d] = %g, by differences %g ± %g", name, i, dx[i], want, 1e-3*largest)
		}
	}
}
