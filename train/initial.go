package train

import (
	"math"
	"math/rand/v2"

	"bertlabel/bert"
	"bertlabel/layers"
)

// initializerRange is the standard deviation of a new head (create_model of run_classifier.py).
const initializerRange = 0.02

// InitClassifier gives a head its first values: weights from a truncated normal of standard deviation 0.02 that hangs on seed,
// and a bias of zero.
func InitClassifier(c *layers.Classifier, seed uint64) {
	c.Weights.Value = make([]float32, c.Weights.Size())
	c.Bias.Value = make([]float32, c.Bias.Size())
	bert.TruncatedNormal(rand.New(rand.NewPCG(seed, headStream)), c.Weights.Value, initializerRange)
}

// headStream keeps the numbers of a new head apart from those of the permutations, whose streams are the epochs.
const headStream = math.MaxUint64
