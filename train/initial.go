package train

import (
	"math"
	"math/rand/v2"

	"bertlabel/bert"
	"bertlabel/layers"
)

// initializerRange is the standard deviation of a new head (create_model of run_classifier.py).
const initializerRange = 0.02

// InitClassifier gives a head its first values: weights from a truncated normal of standard deviation 0.02 that depends on seed,
// and a bias of zero.
func InitClassifier(c *layers.Classifier, seed uint64) {
	c.Weights.Value = make([]float32, c.Weights.Size())
	c.Bias.Value = make([]float32, c.Bias.Size())
	bert.TruncatedNormal(rand.New(rand.NewPCG(seed, headStream)), c.Weights.Value, initializerRange)
}

// headStream keeps the numbers of a new head apart from those of the permutations, whose streams are the epochs.
const headStream = math.MaxUint64

// LogOddsBias sets the bias of a head to the log-odds of each label's frequency among its known cells, with half a cell added to
// either class. Training then starts from the prior: with small weights every probability is about its label's frequency. y is
// row-major [rows, labels], shares as CountClasses has them.
func LogOddsBias(c *layers.Classifier, y []int8, shares []float32) {
	for l, n := range CountClasses(y, shares, c.Labels()) {
		c.Bias.Value[l] = float32(math.Log((n.Positives + 0.5) / (n.Negatives + 0.5)))
	}
}

// BalancedWeights returns for each label how often a positive has to count for both classes to weigh the same: its negatives over
// its positives, at most most and at least 1/most. A label with one class only has 1. y is row-major [rows, labels], with
// unknown cells counted nowhere, shares as CountClasses has them; most is at least 1.
func BalancedWeights(y []int8, shares []float32, labels int, most float64) []float64 {
	weights := make([]float64, labels)
	for l, n := range CountClasses(y, shares, labels) {
		weights[l] = 1
		if n.Positives > 0 && n.Negatives > 0 {
			weights[l] = max(1/most, min(most, n.Negatives/n.Positives))
		}
	}
	return weights
}

// ClassCount is how many known cells of a label are of each class, as float64 since all that is made of it is.
type ClassCount struct{ Negatives, Positives float64 }

// CountClasses counts the cells of each label. y is row-major [rows, labels]; unknown cells are counted nowhere. shares are as y, or nil:
// a share of 0.7 is 0.7 of a positive and 0.3 of a negative.
func CountClasses(y []int8, shares []float32, labels int) []ClassCount {
	count := make([]ClassCount, labels)
	for i, v := range y {
		if v == layers.Unknown {
			continue
		}
		positive := float64(v)
		if shares != nil {
			positive = float64(shares[i])
		}
		count[i%labels].Positives += positive
		count[i%labels].Negatives += 1 - positive
	}
	return count
}
