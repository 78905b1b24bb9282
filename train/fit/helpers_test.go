package fit_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert/model"
	"bertlabel/train/data"
	"bertlabel/train/fit"
)

// newModel returns a small random uncased BERT without a head, always the same.
func newModel(t testing.TB) *model.Model {
	t.Helper()
	return fit.SmallModel(t, 2, 2)
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
