package bert

import "bertlabel/tensor"

// A text of several windows has the features of all its tokens that count, each of them once. With n_w of them in window w and n = Σ n_w,
//
//	mean         Σ_w n_w/n · mean_w     the mean over all of them
//	max          max_w max_w
//	cls, pooled  Σ_w 1/W · cls_w        the mean over the W windows, whose [CLS] each stands for what it sees

// JoinWindows sets y [width] to the features of a text, given those of its windows by pooling, [windows, width], and which tokens
// of each count. The error says what the model lacks for pooling.
func (m *Model) JoinWindows(y []float32, windows *tensor.Tensor, pooling Pooling, kept []Range) error {
	plan, err := m.planPooling(pooling)
	if err != nil {
		return err
	}
	plan.join(y, windows, kept)
	return nil
}

// join is JoinWindows. The sums are in float64.
func (p *poolingPlan) join(y []float32, windows *tensor.Tensor, kept []Range) {
	hidden := p.model.Config.HiddenSize
	for i, part := range p.parts {
		for j := i * hidden; j < (i+1)*hidden; j++ {
			if part.kind == Max {
				y[j] = windows.Row(0)[j]
				for w := 1; w < windows.Rows; w++ {
					y[j] = max(y[j], windows.Row(w)[j])
				}
				continue
			}
			sum, weights := 0.0, 0.0
			for w := range windows.Rows {
				weight := windowWeight(part.kind, kept[w])
				sum, weights = sum+weight*float64(windows.Row(w)[j]), weights+weight
			}
			y[j] = float32(sum / weights)
		}
	}
}

// JoinWindowsBackward overwrites dwindows [windows, width], the gradient by the features of the windows of a text, given that by the
// text's, dy [width]. windows are what JoinWindows was given; without max in pooling they may be nil. As JoinWindows scales with its
// windows, Σ_w dwindows_w·windows_w = dy·y (Euler): the shares of the windows in dy·y. The error says what the model lacks for pooling.
func (m *Model) JoinWindowsBackward(dwindows, windows *tensor.Tensor, dy []float32, pooling Pooling, kept []Range) error {
	plan, err := m.planPooling(pooling)
	if err != nil {
		return err
	}
	plan.joinBackward(dwindows, windows, dy, kept)
	return nil
}

// joinBackward is JoinWindowsBackward.
func (p *poolingPlan) joinBackward(dwindows, windows *tensor.Tensor, dy []float32, kept []Range) {
	hidden := p.model.Config.HiddenSize
	for i, part := range p.parts {
		if part.kind == Max {
			for j := i * hidden; j < (i+1)*hidden; j++ {
				largest := 0
				for w := range windows.Rows {
					dwindows.Row(w)[j] = 0
					if windows.Row(w)[j] > windows.Row(largest)[j] {
						largest = w
					}
				}
				dwindows.Row(largest)[j] = dy[j] // y = max_w x_w: the first of equal ones
			}
			continue
		}
		weights := 0.0
		for w := range dwindows.Rows {
			weights += windowWeight(part.kind, kept[w])
		}
		for w := range dwindows.Rows { // y = Σ_w weight_w/weights · x_w
			share, row := windowWeight(part.kind, kept[w])/weights, dwindows.Row(w)
			for j := i * hidden; j < (i+1)*hidden; j++ {
				row[j] = float32(share * float64(dy[j]))
			}
		}
	}
}

// windowWeight is what a window weighs in the mean over the windows of its text.
func windowWeight(kind Pooling, kept Range) float64 {
	if kind == Mean {
		return float64(kept.End - kept.Start)
	}
	return 1
}
