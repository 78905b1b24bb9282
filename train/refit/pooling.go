package refit

import (
	"fmt"
	"slices"
	"strings"

	"bertlabel/bert"
	"bertlabel/tensor"
)

// MaxWidth is the most columns that the exact solvers are given unless more are asked for by name: their time grows with the cube of them.
const MaxWidth = 6144

// Spread writes the pooling of the given kinds, such as "mean", of n layers and the embeddings, from the last layer down: all, or so many
// evenly spread ones that there are at most that many vectors.
func Spread(n, most int, kinds ...string) string {
	every := max(1, (len(kinds)*(n+1)+most-1)/max(1, most))
	var items []string
	for _, kind := range kinds {
		for layer := 1; layer <= n+1; layer += every {
			items = append(items, fmt.Sprintf("%s:-%d", kind, layer))
		}
	}
	return "concat:" + strings.Join(items, ",")
}

// Auto returns poolings worth trying on an encoder: the pooler's output if there is one, [CLS], the mean, both, means of the last layers,
// and means with or without maxima of all layers, or of evenly spread ones where they would be wider than MaxWidth.
func Auto(m *bert.Model) (candidates []bert.Pooling) {
	n, hidden := len(m.Layers), m.Config.HiddenSize
	specs := []string{"cls", "mean", "concat:cls,mean", fmt.Sprintf("mean:-1..%d", -min(3, n)),
		Spread(n, MaxWidth/hidden, "mean"), Spread(n, MaxWidth/hidden, "mean", "max")}
	if m.Pooler != nil {
		specs = append([]string{"pooled"}, specs...)
	}
	for _, s := range specs {
		pooling, err := bert.ParsePooling(s)
		if err != nil {
			panic(err) // they are written here
		}
		if width, err := m.PoolingWidth(pooling); err == nil && width <= MaxWidth && !slices.Contains(candidates, pooling) {
			candidates = append(candidates, pooling)
		}
	}
	if len(candidates) == 0 {
		candidates = []bert.Pooling{bert.Mean}
	}
	return candidates
}

// Pooling returns what the exact head reads, and its width: asked, or for "" means and maxima of the embeddings and all layers of m, evenly
// spread ones where that would be more than MaxWidth columns; vectors of tuned that are not among them are appended. The error says what m
// lacks for it.
func Pooling(m *bert.Model, asked, tuned bert.Pooling) (pooling bert.Pooling, width int, err error) {
	if asked == "" {
		if asked, err = bert.ParsePooling(Spread(len(m.Layers), MaxWidth/m.Config.HiddenSize, "mean", "max")); err != nil {
			return "", 0, err
		}
	}
	if pooling, err = bert.JoinPoolings(asked, tuned); err == nil {
		width, err = m.PoolingWidth(pooling)
	}
	return pooling, width, err
}

// columns returns for each column of the features of narrow where it stands in those of wide, which has all its vectors.
func columns(wide, narrow bert.Pooling, width int) ([]int, error) {
	numbers := tensor.New(1, width) // exact in float32
	for j := range numbers.Data {
		numbers.Data[j] = float32(j)
	}
	selected, err := bert.SelectFeatures(numbers, wide, narrow)
	if err != nil {
		return nil, err
	}
	at := make([]int, selected.Cols)
	for i, j := range selected.Data {
		at[i] = int(j)
	}
	return at, nil
}
