package solver

import (
	"math"
	"slices"
)

// Overall returns the least and the largest strength of the labels that were solved, and the mean of HeldLoss over the labels that
// have one; NaN where there are none.
func Overall(solutions []Solution) (strength [2]float64, loss float64) {
	var strengths []float64
	n := 0
	for _, s := range solutions {
		if s.Rounds > 0 {
			strengths = append(strengths, s.L2)
		}
		if !math.IsNaN(s.HeldLoss) {
			loss += s.HeldLoss
			n++
		}
	}
	strength = [2]float64{math.NaN(), math.NaN()}
	if len(strengths) > 0 {
		strength = [2]float64{slices.Min(strengths), slices.Max(strengths)}
	}
	if len(strengths) == 0 || n == 0 {
		return strength, math.NaN()
	}
	return strength, loss / float64(n)
}

// AtEnd returns the labels whose strength is that end of the path, 1 for the strongest or −1 for the weakest, and the strength. labels
// and solutions go together.
func AtEnd(labels []string, solutions []Solution, end int) (at []string, l2 float64) {
	for i, s := range solutions {
		if s.End == end {
			at, l2 = append(at, labels[i]), s.L2
		}
	}
	return at, l2
}
