package trace

import (
	"slices"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/plain"
)

// plainOf returns a model as a plain one: 8 bytes a weight beside the model.
func plainOf(m *model.Model) *plain.Model {
	c := m.Encoder.Config
	p := &plain.Model{Layers: c.NumHiddenLayers, Heads: c.NumAttentionHeads, Act: c.HiddenAct, Eps: c.LayerNormEps,
		Weights: map[string]plain.Matrix{}}
	if p.Eps == 0 {
		p.Eps = 1e-12
	}
	for _, param := range m.Params() {
		value, cols := param.Value, param.Shape[len(param.Shape)-1]
		if value == nil {
			value = m.Encoder.Value(param)
		}
		for row := range slices.Chunk(value, cols) {
			wide := make([]float64, cols)
			for i, v := range row {
				wide[i] = float64(v)
			}
			p.Weights[param.Name] = append(p.Weights[param.Name], wide)
		}
	}
	return p
}

// vectorsOf returns the vectors that the head reads; without a head the pooled output, where the model has a pooler.
func vectorsOf(m *model.Model) (vectors []plain.Vector, err error) {
	pooling := m.Pooling
	if m.Head == nil && m.Encoder.Pooler == nil {
		pooling = bert.CLS
	}
	err = pooling.Vectors(func(kind string, layer int) { vectors = append(vectors, plain.Vector{Kind: kind, Layer: layer}) })
	return vectors, err
}
