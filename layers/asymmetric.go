package layers

import "math"

// Asymmetric is the asymmetric loss for multi-label heads (Ben-Baruch et al. 2020, arXiv:2009.14119, eq. 7): focal loss with
// one exponent for positives and another for the many negatives, of which the easiest are dropped.
//
//	y = 1:  −(1−p)^γ₊·ln p            dz = −(1−p)^γ₊·(1−p − γ₊·p·ln p)
//	y = 0:  −u^γ₋·ln(1−u)             dz = p·(1−p)·(u^γ₋/(1−u) − γ₋·u^(γ₋−1)·ln(1−u))
//
// with u = max(p − Clip, 0), and 0 where u is. The gradient is the whole derivative: it goes through the focusing weight too.
// (The authors' code can stop it there, adds 1e-8 inside the logarithm, and sums where MeanLoss takes the mean.)
type Asymmetric struct {
	GammaNeg float64 // γ₋ ≥ 0, 4 in the paper
	GammaPos float64 // γ₊ ≥ 0, 1 in the authors' code
	Clip     float64 // probability from 0 up to 1 at which a negative is dropped, 0.05 in the paper
}

// DefaultAsymmetric returns the asymmetric loss with γ₋ = 4 and clip 0.05 of the paper, and γ₊ = 1 of the authors' code.
func DefaultAsymmetric() Asymmetric { return Asymmetric{GammaNeg: 4, GammaPos: 1, Clip: 0.05} }

// Cell implements Loss.
func (l Asymmetric) Cell(z float64, positive bool, label int) (loss, dz float64) {
	if positive {
		return Focal{Gamma: l.GammaPos, Alpha: 1}.Cell(z, true, label)
	}
	if l.Clip == 0 { // u = p: the same without cancelling 1−u against 1−p
		return Focal{Gamma: l.GammaNeg, Alpha: 0}.Cell(z, false, label)
	}
	p, rest := logistic(z), logistic(-z)
	u := p - l.Clip
	if u <= 0 {
		return 0, 0
	}
	focus, minusLog := math.Pow(u, l.GammaNeg), -math.Log1p(-u)
	return focus * minusLog, p * rest * focus * (1/(1-u) + l.GammaNeg*minusLog/u)
}
