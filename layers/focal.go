package layers

import "math"

// Focal is the focal loss (Lin et al. 2017, arXiv:1708.02002, eq. 5): cross-entropy that fades where the answer is already
// right. With p_t the probability given to the truth (p for y = 1, 1−p for y = 0) and z_t its logit (z or −z):
//
//	−α_t·(1−p_t)^γ·ln p_t
//	dz_t = −α_t·(1−p_t)^γ·(1−p_t − γ·p_t·ln p_t)
type Focal struct {
	Gamma float64 // γ ≥ 0, 2 in the paper; 0 is cross-entropy times α_t
	Alpha float64 // α of positives, 0.25 in the paper; negatives have 1−α
}

// DefaultFocal returns the focal loss of the paper's best results: γ = 2 and α = 0.25 (§4.1).
func DefaultFocal() Focal { return Focal{Gamma: 2, Alpha: 0.25} }

// Cell implements Loss.
func (l Focal) Cell(z float64, positive bool, label int) (loss, dz float64) {
	sign, alpha := 1.0, l.Alpha
	if !positive {
		sign, alpha = -1, 1-l.Alpha
	}
	z *= sign
	pt, rest, minusLog := logistic(z), logistic(-z), softplus(-z) // p_t, 1 − p_t, −ln p_t
	weight := alpha * math.Pow(rest, l.Gamma)
	return weight * minusLog, -sign * weight * (rest + l.Gamma*pt*minusLog)
}
