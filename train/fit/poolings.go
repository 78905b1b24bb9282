package fit

import (
	"fmt"
	"slices"
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/train"
)

// autoWidth is the most columns that AutoPoolings proposes: the time to solve grows with their square.
const autoWidth = 6144

// AutoPoolings returns poolings worth trying on a model, for Options.Poolings: the pooler's output if there is one, [CLS], the mean,
// both, means of the last layers, and means with or without maxima of all layers, or of evenly spread ones where they would be
// too wide. It returns nil for a nil model.
func AutoPoolings(m *model.Model) (candidates []bert.Pooling) {
	if m == nil || m.Encoder == nil {
		return nil
	}
	n, hidden := len(m.Encoder.Layers), m.Encoder.Config.HiddenSize
	specs := []string{"cls", "mean", "concat:cls,mean", fmt.Sprintf("mean:-1..%d", -min(3, n)),
		spread(n, autoWidth/hidden, "mean"), spread(n, autoWidth/hidden, "mean", "max")}
	if m.Encoder.Pooler != nil {
		specs = append([]string{"pooled"}, specs...)
	}
	for _, s := range specs {
		pooling, err := bert.ParsePooling(s)
		if err != nil {
			panic(err) // they are written here
		}
		if width, err := m.Encoder.PoolingWidth(pooling); err == nil && width <= autoWidth && !slices.Contains(candidates, pooling) {
			candidates = append(candidates, pooling)
		}
	}
	if len(candidates) == 0 {
		candidates = []bert.Pooling{bert.Mean}
	}
	return candidates
}

// spread writes the pooling of the given kinds of n layers and the embeddings: all, or so many evenly spread ones that there are at
// most that many vectors.
func spread(n, most int, kinds ...string) string {
	every := max(1, (len(kinds)*(n+1)+most-1)/max(1, most))
	var items []string
	for _, kind := range kinds {
		for layer := 1; layer <= n+1; layer += every {
			items = append(items, fmt.Sprintf("%s:-%d", kind, layer))
		}
	}
	return "concat:" + strings.Join(items, ",")
}

// narrow returns the features of a narrower pooling from those of wide, which has all its vectors.
func narrow(f train.Features, wide, pooling bert.Pooling) (train.Features, error) {
	if f.X == nil || wide == pooling {
		return f, nil
	}
	x, err := bert.SelectFeatures(f.X, wide, pooling)
	return train.Features{X: x, Y: f.Y}, err
}
