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

// readTiny runs a text through the tiny model.
func readTiny(text string) (m *model.Model, tokens []string, p *plain.Pass) {
	m, err := model.Open("../testdata/tiny", nil)
	if err != nil {
		panic(err)
	}
	encoded := m.Encode([]string{text}, nil)[0]
	var ids, segments []int
	for i := range encoded.IDs {
		ids, segments = append(ids, int(encoded.IDs[i])), append(segments, int(encoded.Segments[i]))
	}
	return m, m.Tokenizer.Tokens(encoded.IDs), plainOf(m).Forward(ids, segments, plain.Vector{Kind: "pooled", Layer: -1})
}

// One score by hand: what [CLS] thinks of the full stop in head 0 of layer 0. D is 4, so √D is 2.
func ExamplePass() {
	_, tokens, p := readTiny("the food was not good .")
	const scope = "bert/encoder/layer_0/attention/self/"
	q, k := p.Stages[scope+"query"][0][:4], p.Stages[scope+"key"][6][:4]
	sum := 0.0
	for i := range q {
		fmt.Printf("%7.4f · %7.4f = %7.4f\n", q[i], k[i], q[i]*k[i])
		sum += q[i] * k[i]
	}
	fmt.Printf("sum %.4f, by √4 %.4f: the pass has %.4f\n", sum, sum/2, p.Stages[scope+"scores"][0][6])
	for j, token := range tokens {
		fmt.Printf("%-5s %7.4f %7.4f\n", token, p.Stages[scope+"scores"][0][j], p.Stages[scope+"probs"][0][j])
	}
	// Output:
	//  0.7686 ·  0.3054 =  0.2347
	// -1.5615 · -2.2303 =  3.4826
	// -0.9370 · -0.9889 =  0.9266
	//  1.1428 · -0.4039 = -0.4616
	// sum 4.1824, by √4 2.0912: the pass has 2.0912
	// [CLS] -1.1891  0.0198
	// the    0.0411  0.0676
	// food   0.7507  0.1375
	// was    0.1061  0.0722
	// not    0.4152  0.0983
	// good  -1.4859  0.0147
	// .      2.0912  0.5254
	// [SEP] -0.0057  0.0645
}

// The tiny model reads one sentence: what [CLS] looks at in the two heads of the last layer, and what comes of it.
func ExampleModel_Forward() {
	m, tokens, p := readTiny("the food was not very good .")
	fmt.Println(strings.Join(tokens, " "))
	probs := p.Stages["bert/encoder/layer_1/attention/self/probs"] // of the heads, one below the other: [2·9, 9]
	for head := range 2 {
		fmt.Printf("head %d: %.2f\n", head, probs[head*len(tokens)])
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
