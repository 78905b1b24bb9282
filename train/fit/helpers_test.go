package fit_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/train/data"
)

// newModel returns a small random uncased BERT without a head, always the same.
func newModel(t testing.TB) *model.Model {
	t.Helper()
	vocab := strings.Fields("[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat mat dog big red home blue ran")
	config := bert.DefaultConfig()
	config.VocabSize, config.TypeVocabSize, config.MaxPositionEmbeddings = len(vocab), 2, 16
	config.HiddenSize, config.NumHiddenLayers, config.NumAttentionHeads, config.IntermediateSize = 16, 2, 2, 32
	lower := true
	m, err := model.New(config, []byte(strings.Join(vocab, "\n")), 1, &model.Options{LowerCase: &lower, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 1))
	for _, p := range m.Encoder.Params() {
		for i := range p.Value {
			p.Value[i] += float32(rng.NormFloat64() * 0.2)
		}
	}
	m.Encoder.Pack()
	return m
}

// newRows returns n texts with two labels that can be learnt: whether a word is there.
func newRows(t testing.TB, n int, seed uint64) *data.Dataset {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 7))
	var b strings.Builder
	b.WriteString("text,animal,colour\n")
	for range n {
		animal, colour := rng.IntN(2), rng.IntN(2)
		words := []string{"the", []string{"mat", "cat"}[animal], "sat", []string{"big", "red"}[colour], "home"}
		rng.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
		fmt.Fprintf(&b, "%s,%d,%d\n", strings.Join(words[:3+rng.IntN(3)], " ")+" "+words[1], animal, colour)
	}
	set, err := data.LoadFrom(strings.NewReader(b.String()), fmt.Sprintf("rows%d.csv", seed), data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// values returns all weights of a model, and its thresholds.
func values(m *model.Model) (all []float32) {
	for _, v := range m.Tensors() {
		for _, b := range v.Bytes {
			all = append(all, float32(b))
		}
	}
	return append(all, m.Thresholds...)
}

// same fails unless two models have the same bits.
func same(t *testing.T, what string, a, b *model.Model) {
	t.Helper()
	if !slices.Equal(values(a), values(b)) || a.Pooling != b.Pooling || !slices.Equal(a.Labels, b.Labels) {
		t.Errorf("%s: the models differ", what)
	}
}
