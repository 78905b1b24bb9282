package layers

// WeightedSigmoidCrossEntropy is the sigmoid cross-entropy with positives counting q times, q being PosWeight:
//
//	−q·y·ln p − (1−y)·ln(1−p)
//	dz = (1−y)·σ(z) − q·y·σ(−z)
//
// It is tf.nn.weighted_cross_entropy_with_logits. A q above 1 buys recall with precision; for a label with n positives among
// N rows, (N−n)/n gives both classes the same weight.
type WeightedSigmoidCrossEntropy struct {
	PosWeight []float64 // q > 0: one for all labels, or [C]
}

// Cell implements Loss.
func (l WeightedSigmoidCrossEntropy) Cell(z float64, positive bool, label int) (loss, dz float64) {
	if !positive {
		return softplus(z), logistic(z)
	}
	q, _ := l.Weights(true, label)
	return q * softplus(-z), -q * logistic(-z)
}

// Weights implements CrossEntropy: q·y and 1−y.
func (l WeightedSigmoidCrossEntropy) Weights(positive bool, label int) (a, b float64) {
	switch {
	case !positive:
		return 0, 1
	case len(l.PosWeight) > 1:
		return l.PosWeight[label], 0
	}
	return l.PosWeight[0], 0
}
