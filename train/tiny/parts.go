package tiny

import (
	"context"
	"fmt"
	"slices"

	"bertlabel/bert/model"
)

// Part is a part of a model that can be taken away by changing weights.
type Part struct {
	Name string
	take func(m *model.Model)
}

// Parts lists what can be taken away from a model: each head, each feed-forward network, the positions, the token types, and 1/√D.
func Parts(m *model.Model) (parts []Part) {
	c := m.Encoder.Config
	d := c.HiddenSize / c.NumAttentionHeads
	for layer := range c.NumHiddenLayers {
		scope := fmt.Sprintf("bert/encoder/layer_%d/", layer)
		for head := range c.NumAttentionHeads {
			parts = append(parts, Part{fmt.Sprintf("head %d.%d", layer, head), func(m *model.Model) {
				rows := values(m, scope+"attention/output/dense/kernel") // W^O: rows head·D … belong to the head
				clear(rows[head*d*c.HiddenSize : (head+1)*d*c.HiddenSize])
			}})
		}
		parts = append(parts, Part{fmt.Sprintf("FFN %d", layer), func(m *model.Model) {
			clear(values(m, scope+"output/dense/kernel"))
			clear(values(m, scope+"output/dense/bias"))
		}})
	}
	return append(parts,
		Part{"positions", func(m *model.Model) { clear(values(m, "bert/embeddings/position_embeddings")) }},
		Part{"token types", func(m *model.Model) { clear(values(m, "bert/embeddings/token_type_embeddings")) }},
		Part{"1/√D", func(m *model.Model) {
			for layer := range c.NumHiddenLayers {
				for _, name := range []string{"kernel", "bias"} { // queries twice as long, and D is 4
					query := values(m, fmt.Sprintf("bert/encoder/layer_%d/attention/self/query/%s", layer, name))
					for i := range query {
						query[i] *= 2
					}
				}
			}
		}})
}

// Without counts the wrong cells of each label when the model lacks a part. Afterwards it has it again.
func Without(ctx context.Context, m *model.Model, p Part, rows []Row) (wrong []int, err error) {
	kept := map[string][]float32{}
	for _, param := range m.Params() {
		kept[param.Name] = slices.Clone(values(m, param.Name))
	}
	p.take(m)
	m.Encoder.Pack()
	wrong, _, err = Wrong(ctx, m, rows)
	for _, param := range m.Params() {
		copy(param.Value, kept[param.Name])
	}
	m.Encoder.Pack()
	return wrong, err
}
