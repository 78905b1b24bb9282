package layers

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"bertlabel/tensor"
)

// TestContracts: what a caller must not do panics, naming the operation.
func TestContracts(t *testing.T) {
	ws := tensor.NewWorkspace(nil)
	e, c := NewEmbedding("table", 5, 4), NewClassifier(2, 4)
	d := NewDropout(0.5, 1, 1)
	for name, call := range map[string]func(){
		"NewDropout: p = 1":                      func() { NewDropout(1, 1, 1) },
		"NewDropout: p = -0.1":                   func() { NewDropout(-0.1, 1, 1) },
		"NewDropout: p = NaN":                    func() { NewDropout(math.NaN(), 1, 1) },
		"Dropout: y [2, 4] from x [3, 4]":        func() { d.Forward(tensor.New(2, 4), tensor.New(3, 4), make([]Place, 3)) },
		"Dropout: y [3, 5] from x [3, 4]":        func() { d.Forward(tensor.New(3, 5), tensor.New(3, 4), make([]Place, 3)) },
		"at 2 places":                            func() { d.Forward(tensor.New(3, 4), tensor.New(3, 4), make([]Place, 2)) },
		"Embedding.Backward: dy [3, 5]":          func() { e.Backward(ws, &EmbeddingWorkspace{}, tensor.New(3, 5), make([]int32, 3)) },
		"Embedding.Backward: dy [2, 4]":          func() { e.Backward(ws, &EmbeddingWorkspace{}, tensor.New(2, 4), make([]int32, 3)) },
		"Classifier.Forward: logits [3, 2]":      func() { c.Forward(tensor.New(3, 2), tensor.New(2, 4)) },
		"Classifier.Forward: logits [3, 3]":      func() { c.Forward(tensor.New(3, 3), tensor.New(3, 4)) },
		"Classifier.Backward: logits [3, 2] and": func() { c.Backward(nil, tensor.New(3, 2), tensor.New(3, 5)) },
	} {
		func() {
			defer func() {
				if said := fmt.Sprint(recover()); !strings.Contains(said, name) {
					t.Errorf("%s: %s", name, said)
				}
			}()
			call()
		}()
	}
}

// TestWeights: a loss that says of itself that it is a·softplus(−z) + b·softplus(z) is that, and so is its derivative.
func TestWeights(t *testing.T) {
	for name, loss := range map[string]CrossEntropy{
		"plain": SigmoidCrossEntropy{}, "smoothed": LabelSmoothing{0.25},
		"weighted alike": WeightedSigmoidCrossEntropy{[]float64{3}}, "weighted": WeightedSigmoidCrossEntropy{[]float64{3, 0.25, 5}},
	} {
		for label := range 3 {
			for _, positive := range []bool{false, true} {
				for _, z := range []float64{-30, -1, 0, 0.5, 2, 30} {
					a, b := loss.Weights(positive, label)
					cell, dz := loss.Cell(z, positive, label)
					at := fmt.Sprintf("%s, label %d, positive %t, z = %g", name, label, positive, z)
					near(t, at, cell, a*math.Log1p(math.Exp(-z))+b*math.Log1p(math.Exp(z)), 1e-12, 1e-12)
					near(t, at+": dz", dz, b/(1+math.Exp(-z))-a/(1+math.Exp(z)), 1e-12, 0)
				}
			}
		}
	}
}
