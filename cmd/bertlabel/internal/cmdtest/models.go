package cmdtest

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/layers"
)

// TinyLabels are names that CSV and JSON have to quote.
var TinyLabels = []string{"joy", `"rage", anger`, "Überraschung"}

// TinyModel returns a random uncased BERT, with a head on pooling unless labels is nil.
func TinyModel(t testing.TB, seed uint64, pooling bert.Pooling, labels []string) *model.Model {
	t.Helper()
	return ModelOfWidth(t, 16, seed, pooling, labels)
}

// ModelOfWidth is TinyModel for another hidden size.
func ModelOfWidth(t testing.TB, hidden int, seed uint64, pooling bert.Pooling, labels []string) *model.Model {
	t.Helper()
	vocab := strings.Fields("[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on a mat dog ran home big red sad happy . , ! ##s")
	for c := 'a'; c <= 'z'; c++ {
		vocab = append(vocab, string(c), "##"+string(c))
	}
	config := bert.DefaultConfig()
	config.VocabSize, config.TypeVocabSize, config.MaxPositionEmbeddings = len(vocab), 2, 24
	config.HiddenSize, config.NumHiddenLayers, config.NumAttentionHeads, config.IntermediateSize = hidden, 2, 2, 2*hidden
	lower := true
	m, err := model.New(config, []byte(strings.Join(vocab, "\n")), seed, &model.Options{LowerCase: &lower})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	shake := func(x []float32, sigma float64) {
		for i := range x {
			x[i] += float32(rng.NormFloat64() * sigma)
		}
	}
	for _, p := range m.Encoder.Params() {
		shake(p.Value, 0.2)
	}
	m.Encoder.Pack()
	if labels == nil {
		return m
	}
	head := layers.NewClassifier(len(labels), config.HiddenSize)
	for _, p := range head.Params() {
		p.Value = make([]float32, p.Size())
		shake(p.Value, 1)
	}
	m.SetHead(head, labels, pooling)
	return m
}

// ModelFolder saves a model where its path tells nothing.
func ModelFolder(t testing.TB, m *model.Model) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	if err := m.Save(dir, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TinyTexts returns n texts of one to thirty words.
func TinyTexts(n int) []string {
	rng, words := rand.New(rand.NewPCG(5, 6)), strings.Fields("the cat sat on a mat dog ran home big red sad happy cats . x Zq")
	texts := make([]string, n)
	for i := range texts {
		for range 1 + rng.IntN(30) {
			texts[i] += words[rng.IntN(len(words))] + " "
		}
	}
	return texts
}

// LabelledCSV returns n rows with a 0/1 column for each of two labels that a head can learn: whether a word is there.
func LabelledCSV(n int, seed uint64) string {
	rng := rand.New(rand.NewPCG(seed, 7))
	var b strings.Builder
	b.WriteString("id,text,animal,colour\n")
	for i := range n {
		animal, colour := rng.IntN(2), rng.IntN(2)
		words := []string{"the", []string{"mat", "cat"}[animal], "sat", []string{"big", "red"}[colour], "home"}
		rng.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
		fmt.Fprintf(&b, "%d,%s,%d,%d\n", i, strings.Join(words, " "), animal, colour)
	}
	return b.String()
}

// JSONLines returns texts as JSONL with their numbers as ids.
func JSONLines(texts []string) string {
	var b strings.Builder
	for i, text := range texts {
		fmt.Fprintf(&b, "{\"id\": %d, \"text\": %q}\n", i, text)
	}
	return b.String()
}
