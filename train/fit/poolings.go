package fit

import (
	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/train/refit"
)

// AutoPoolings returns poolings worth trying on a model, for Options.Poolings: see refit.Auto. It returns nil for a nil model.
func AutoPoolings(m *model.Model) []bert.Pooling {
	if m == nil || m.Encoder == nil {
		return nil
	}
	return refit.Auto(m.Encoder)
}
