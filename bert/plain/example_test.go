package plain_test

import (
	"fmt"
	"slices"
	"strings"

	"bertlabel/bert/model"
	"bertlabel/bert/plain"
	"bertlabel/tensor/tensortest"
)

// plainOf returns an opened model as a plain one.
func plainOf(m *model.Model) *plain.Model {
	c := m.Encoder.Config
	p := &plain.Model{Layers: c.NumHiddenLayers, Heads: c.NumAttentionHeads, Act: c.HiddenAct, Eps: 1e-12,
		Weights: map[string]plain.Matrix{}}
	for _, param := range m.Params() {
		cols := param.Shape[len(param.Shape)-1]
		for row := range slices.Chunk(tensortest.Widen(m.Encoder.Value(param)), cols) {
			p.Weights[param.Name] = append(p.Weights[param.Name], row)
		}
	}
	return p
}

// The tiny model reads one sentence: what [CLS] looks at in the two heads of the last layer, and what comes of it.
func ExampleModel_Forward() {
	m, err := model.Open("../testdata/tiny", nil)
	if err != nil {
		panic(err)
	}
	encoded := m.Encode([]string{"the food was not very good ."}, nil)[0]
	var ids, segments []int
	for i := range encoded.IDs {
		ids, segments = append(ids, int(encoded.IDs[i])), append(segments, int(encoded.Segments[i]))
	}
	p := plainOf(m).Forward(ids, segments, plain.Vector{Kind: "pooled", Layer: -1})

	fmt.Println(strings.Join(m.Tokenizer.Tokens(encoded.IDs), " "))
	probs := p.Stages["bert/encoder/layer_1/attention/self/probs"] // of the heads, one below the other: [2·9, 9]
	for head := range 2 {
		fmt.Printf("head %d: %.2f\n", head, probs[head*len(ids)])
	}
	for i, label := range m.Labels {
		fmt.Printf("%s: %.3f\n", label, p.Stages["probabilities"][0][i])
	}
	// Output:
	// [CLS] the food was not very good . [SEP]
	// head 0: [0.05 0.05 0.37 0.04 0.12 0.05 0.07 0.17 0.08]
	// head 1: [0.00 0.01 0.59 0.01 0.04 0.01 0.10 0.23 0.01]
	// food: 0.999
	// staff: 0.001
	// praise: 0.043
	// complaint: 0.993
}
