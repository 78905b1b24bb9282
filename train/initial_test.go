package train

import (
	"math"
	"slices"
	"testing"

	"bertlabel/layers"
)

// TestLabelFrequencies: three labels with 1, 2 and 0 positives among 4, 3 and 4 known cells.
func TestLabelFrequencies(t *testing.T) {
	y := []int8{
		1, 1, 0,
		0, -1, 0,
		0, 1, 0,
		0, 0, 0,
	}
	for most, want := range map[float64][]float64{100: {3, 0.5, 1}, 2: {2, 0.5, 1}, 1.5: {1.5, 1 / 1.5, 1}} {
		if got := BalancedWeights(y, nil, 3, most); !slices.Equal(got, want) {
			t.Errorf("weights up to %v: %v, want %v", most, got, want)
		}
	}
	c := layers.NewClassifier(3, 1)
	c.Bias.Value = make([]float32, 3)
	LogOddsBias(c, y, nil)
	for l, want := range []float64{1.5 / 3.5, 2.5 / 1.5, 0.5 / 4.5} {
		if got := math.Exp(float64(c.Bias.Value[l])); !(math.Abs(got-want) <= 1e-6) {
			t.Errorf("label %d: odds %v, want %v", l, got, want)
		}
	}
}
