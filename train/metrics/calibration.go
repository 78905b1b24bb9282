package metrics

import "math"

// calibrationBins is the number of bins of the expected calibration error.
const calibrationBins = 15

// calibration gathers what measures probabilities as probabilities, over any set of known cells.
type calibration struct {
	cells    int
	log      float64 // Σ −ln of the probability given to the truth
	squares  float64 // Σ (p − y)²
	positive [calibrationBins]int
	score    [calibrationBins]float64 // Σ p of each bin
}

// add takes one cell in. The logarithm's argument is clipped to [1e-15, 1 − 1e-15], as fixtures and older scikit-learn have it.
func (c *calibration) add(score float32, positive bool) {
	p := float64(score)
	clipped := min(max(p, 1e-15), 1-1e-15)
	bin := binOf(p)
	c.cells++
	c.score[bin] += p
	if positive {
		c.positive[bin]++
		c.log -= math.Log(clipped)
		c.squares += (p - 1) * (p - 1)
	} else {
		c.log -= math.Log(1 - clipped)
		c.squares += p * p
	}
}

// binOf returns the bin (i/15, (i+1)/15] of a probability that was a float32; the first bin also holds 0. A float32 times 15
// has at most 28 significant bits and is exact, so no probability falls on the wrong side of a border.
func binOf(p float64) int {
	return max(0, int(math.Ceil(p*calibrationBins))-1)
}

// merge takes in the cells of d.
func (c *calibration) merge(d *calibration) {
	c.cells += d.cells
	c.log += d.log
	c.squares += d.squares
	for i := range c.score {
		c.positive[i] += d.positive[i]
		c.score[i] += d.score[i]
	}
}

// logLoss is the mean −y·ln p − (1−y)·ln(1−p), brier the mean (p − y)² (Brier 1950). NaN without cells.
func (c *calibration) logLoss() float64 { return c.log / float64(c.cells) }
func (c *calibration) brier() float64   { return c.squares / float64(c.cells) }

// expectedError is the expected calibration error, Σ n/N · |share of positives − mean score| over the bins with n of the N
// cells (Naeini et al. 2015); n cancels. NaN without cells.
func (c *calibration) expectedError() float64 {
	sum := 0.0
	for i, score := range c.score {
		sum += math.Abs(float64(c.positive[i]) - score)
	}
	return sum / float64(c.cells)
}
