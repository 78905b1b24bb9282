package layers

import (
	"math"
	"testing"
)

func TestParseActivation(t *testing.T) {
	for _, name := range []string{"linear", "relu", "tanh", "gelu", "gelu_erf"} {
		a, err := ParseActivation(name)
		if err != nil || a.String() != name {
			t.Errorf("%s: %v, %v", name, a, err)
		}
	}
	for _, name := range []string{"", "GELU", "swish", "gelu_new"} {
		if _, err := ParseActivation(name); err == nil {
			t.Errorf("%q: no error", name)
		}
	}
}

// TestActivationKernels holds each kernel to its formula: the two forms of GELU differ by up to 4.7e-4, far above the bound,
// which is the kernels' own (docs/kernels.md).
func TestActivationKernels(t *testing.T) {
	formulas := map[Activation]func(float64) float64{
		ReLU: func(x float64) float64 { return math.Max(x, 0) },
		Tanh: math.Tanh,
		GELUTanh: func(x float64) float64 {
			return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
		},
		GELUErf: func(x float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) },
	}
	if Linear.Kernel() != nil {
		t.Error("Linear has a kernel")
	}
	for a, f := range formulas {
		var x []float32
		for v := float32(-6); v <= 6; v += 1.0 / 64 {
			x = append(x, v)
		}
		y := make([]float32, len(x))
		a.Kernel()(y, x)
		for i := range x {
			want := f(float64(x[i]))
			if bound := 1e-6 * math.Max(1, math.Abs(want)); !(math.Abs(float64(y[i])-want) <= bound) {
				t.Fatalf("%v(%g) = %g, want %g", a, x[i], y[i], want)
			}
		}
	}
	y := []float32{0}
	if ReLU.Kernel()(y, []float32{float32(math.NaN())}); !math.IsNaN(float64(y[0])) {
		t.Errorf("relu(NaN) = %g", y[0])
	}
}
