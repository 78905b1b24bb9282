package train

// Schedule gives every step its learning rate: linear warm-up from 0, then linear decay to 0 (create_optimizer in
// optimization.py of google-research/bert). With lr₀ the peak, W warm-up steps of N, and g steps done before,
//
//	lr(g) = lr₀·g/W          while g < W, so the very first step has rate 0
//	lr(g) = lr₀·(1 − g/N)    from then on: the decay counts from step 0, not from the end of the warm-up
type Schedule struct {
	LearningRate float64 // lr₀
	Steps        int     // N, at least 1
	WarmupSteps  int     // W; 0 for no warm-up
}

// Rate returns the rate of the step that follows g others; 0 from g = N on. It has the bits of TensorFlow 2.21, which computes
// in float32, turns each division by a constant into a product with its reciprocal, and joins lr₀ and 1/W to one constant.
func (s Schedule) Rate(g int64) float32 {
	peak := float32(s.LearningRate)
	if g < int64(s.WarmupSteps) {
		return float32(g) * (peak * (1 / float32(s.WarmupSteps)))
	}
	done := float32(float32(min(g, int64(s.Steps))) * (1 / float32(s.Steps))) // rounded, never fused with the subtraction
	return peak * (1 - done)
}

// TotalSteps returns the number of steps of a training run, as run_classifier.py counts them: int(rows/batch·epochs). batch is
// the number of rows of one step.
func TotalSteps(rows, batch int, epochs float64) int {
	return int(float64(rows) / float64(batch) * epochs)
}

// WarmupSteps returns int(steps·proportion).
func WarmupSteps(steps int, proportion float64) int { return int(float64(steps) * proportion) }
