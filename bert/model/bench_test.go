package model

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
)

// BenchmarkFeatures is the engine as a whole on a small random model: what planning, passes and copies take beside the encoder.
func BenchmarkFeatures(b *testing.B) {
	m := tiny(b, 1)
	texts := m.encode(someTexts(256))
	for _, n := range []int{1, 16, 256} {
		b.Run(fmt.Sprint("texts=", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := m.Features(b.Context(), texts[:n], bert.Mean, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWindows runs a text of 2,000 tokens in windows of 128, and the same rows as texts of their own: joining costs next to nothing.
func BenchmarkWindows(b *testing.B) {
	config := bert.DefaultConfig()
	config.VocabSize, config.NumHiddenLayers, config.HiddenSize, config.IntermediateSize, config.TypeVocabSize = len(tinyVocab()), 2, 384, 1536, 2
	m, err := New(config, []byte(strings.Join(tinyVocab(), "\n")), 1, &Options{Threads: 2})
	if err != nil {
		b.Fatal(err)
	}
	m.MaxSeqLength, m.Windows = 128, tokenizer.Windows{Most: tokenizer.AllWindows}
	whole := m.encode(slices.Repeat([]Text{{A: strings.Repeat("the cat ", 1000)}}, 4))
	rows, _ := Separate(whole)
	for _, c := range []struct {
		name  string
		texts []tokenizer.Encoding
	}{{"windows", whole}, {"texts", rows}} {
		b.Run(c.name, func(b *testing.B) {
			tokens := 0
			for i := range c.texts {
				tokens += len(c.texts[i].IDs)
			}
			for b.Loop() {
				if _, err := m.Features(b.Context(), c.texts, "concat:mean:-1..-3,max:-1..-3", nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*float64(tokens)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
