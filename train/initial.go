package train

import (
	"math"
	"math/rand/v2"

	"bertlabel/layers"
)

// initializerRange is the standard deviation of a new head (create_model of run_classifier.py).
const initializerRange = 0.02

// TruncatedNormal fills dst with draws from a normal distribution of mean 0; those beyond two standard deviations are drawn
// again (tf.truncated_normal).
func TruncatedNormal(dst []float32, deviation float64, rng *rand.Rand) {
	for i := range dst {
		x := rng.NormFloat64()
		for math.Abs(x) > 2 {
			x = rng.NormFloat64()
		}
		dst[i] = float32(x * deviation)
	}
}

// InitClassifier gives a head its first values: weights from a truncated normal of standard deviation 0.02 that hangs on seed,
// and a bias of zero.
func InitClassifier(c *layers.Classifier, seed uint64) {
	c.Weights.Value = make([]float32, c.Weights.Size())
	c.Bias.Value = make([]float32, c.Bias.Size())
	TruncatedNormal(c.Weights.Value, initializerRange, rand.New(rand.NewPCG(seed, headStream)))
}

// headStream keeps the numbers of a new head apart from those of the permutations, whose streams are the epochs.
const headStream = math.MaxUint64
