package layers

import (
	"fmt"
	"math"

	"bertlabel/asm"
)

// Activation is the element-wise function after a dense layer.
type Activation uint8

// The activations of modeling.py's get_activation, and the exact GELU.
const (
	Linear   Activation = iota // x
	ReLU                       // max(x, 0)
	Tanh                       // tanh(x)
	GELUTanh                   // x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))): `gelu` of modeling.py (Hendrycks and Gimpel 2016, §2)
	GELUErf                    // x·Φ(x) = x/2·(1 + erf(x/√2)): `gelu` of Hugging Face, and of Google's first release
)

// activationNames are Google's names, which are also those of `hidden_act` in bert_config.json.
var activationNames = [...]string{Linear: "linear", ReLU: "relu", Tanh: "tanh", GELUTanh: "gelu", GELUErf: "gelu_erf"}

// ParseActivation returns the activation that bert_config.json calls name, in Google's meaning: "gelu" is the tanh form.
func ParseActivation(name string) (Activation, error) {
	for a, n := range activationNames {
		if n == name {
			return Activation(a), nil
		}
	}
	return 0, fmt.Errorf("unknown activation %q, expected one of %q", name, activationNames)
}

// String returns Google's name.
func (a Activation) String() string { return activationNames[a] }

// Kernel returns the function y[i] = a(x[i]), for slices of equal length that may be the same; nil for Linear.
func (a Activation) Kernel() func(y, x []float32) {
	switch a {
	case ReLU:
		return relu
	case Tanh:
		return asm.Best.Tanh
	case GELUTanh:
		return asm.Best.GELUTanh
	case GELUErf:
		return asm.Best.GELUErf
	}
	return nil
}

// relu sets y[i] = max(x[i], 0); NaN stays NaN.
func relu(y, x []float32) {
	for i, v := range x {
		y[i] = max(v, 0)
	}
}

// Gradient returns the function dx[i] = dy[i]·a'(x[i]), for slices of equal length, of which dx and dy may be the same; nil for
// Linear, where it would copy dy.
func (a Activation) Gradient() func(dx, dy, x []float32) {
	switch a {
	case ReLU:
		return reluGradient
	case Tanh:
		return tanhGradient
	case GELUTanh:
		return asm.Best.GELUTanhBackward
	case GELUErf:
		return asm.Best.GELUErfBackward
	}
	return nil
}

// reluGradient: max(x, 0)' is 1 for x > 0 and 0 for x ≤ 0, as in TensorFlow.
func reluGradient(dx, dy, x []float32) {
	for i, v := range x {
		switch {
		case v > 0:
			dx[i] = dy[i]
		case v <= 0:
			dx[i] = 0
		default: // NaN
			dx[i] = v
		}
	}
}

// tanhGradient: tanh'(x) = 1 − tanh²(x).
func tanhGradient(dx, dy, x []float32) {
	for i, v := range x {
		t := math.Tanh(float64(v))
		dx[i] = float32(float64(dy[i]) * (1 - t*t))
	}
}
