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
	a, b := l.Weights(positive, label)
	return a*softplus(-z) + b*softplus(z), b*logistic(z) - a*logistic(-z)
}

// Weights implements CrossEntropy: y' and 1−y'.
func (l LabelSmoothing) Weights(positive bool, label int) (a, b float64) {
	if positive {
		return 1 - l.Epsilon/2, l.Epsilon / 2
	}
	return l.Epsilon / 2, 1 - l.Epsilon/2
}
