package layers

// SigmoidCrossEntropy is BERT's loss for multi-label heads, with p = σ(z):
//
//	−y·ln p − (1−y)·ln(1−p) = max(z, 0) − z·y + ln(1 + e^−|z|)
//	dz = σ(z) − y
//
// The right-hand side is tf.nn.sigmoid_cross_entropy_with_logits: no exponential overflows and no logarithm sees 0.
type SigmoidCrossEntropy struct{}

// Cell implements Loss. Written by the sign of y, so that nothing cancels: softplus(−z) and −σ(−z) for y = 1.
func (SigmoidCrossEntropy) Cell(z float64, positive bool, label int) (loss, dz float64) {
	if positive {
		return softplus(-z), -logistic(-z)
	}
	return softplus(z), logistic(z)
}

// Weights implements CrossEntropy: y and 1−y.
func (SigmoidCrossEntropy) Weights(positive bool, label int) (a, b float64) {
	if positive {
		return 1, 0
	}
	return 0, 1
}
