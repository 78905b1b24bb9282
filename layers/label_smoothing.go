package layers

// LabelSmoothing is the sigmoid cross-entropy against labels that are not quite sure (Szegedy et al. 2016, arXiv:1512.00567,
// §7), in the binary form: y' = y·(1−ε) + ε/2.
//
//	−y'·ln p − (1−y')·ln(1−p)
//	dz = σ(z) − y' = (1−y')·σ(z) − y'·σ(−z)
type LabelSmoothing struct {
	Epsilon float64 // ε, from 0 (none) to 1
}

// Cell implements Loss.
func (l LabelSmoothing) Cell(z float64, positive bool, label int) (loss, dz float64) {
	y := l.Epsilon / 2
	if positive {
		y += 1 - l.Epsilon
	}
	return y*softplus(-z) + (1-y)*softplus(z), (1-y)*logistic(z) - y*logistic(-z)
}
