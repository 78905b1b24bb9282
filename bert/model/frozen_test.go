package model

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
)

// frozenOf returns what a trainer of the last layer keeps of some of the texts, which it sees in batches of seven.
func frozenOf(t *testing.T, m *Model, rounded *bert.Rounded, texts []tokenizer.Encoding, seen []int) *bert.FrozenStates {
	t.Helper()
	all := &bert.Batch{}
	for i := range texts {
		AppendTo(all, &texts[i])
	}
	kept := bert.NewFrozenStates(all, m.Encoder.Config.HiddenSize)
	if err := kept.Pool(m.Encoder, 1, poolingsOfAll); err != nil {
		t.Fatal(err)
	}
	o := bert.TrainerOptions{Pooling: bert.Mean, Layers: 1, HiddenDropout: 0.1}
	if rounded != nil {
		o.Precision, o.Rounded = bert.BF16, rounded
	}
	workers := tensor.NewWorkers(2)
	trainer, err := m.Encoder.NewTrainer(o, workers)
	if err != nil {
		t.Fatal(err)
	}
	defer trainer.Release()
	workers.Start()
	defer workers.Stop()
	for rows := range slices.Chunk(seen, 7) {
		b := &bert.Batch{}
		for _, row := range rows {
			b.AppendText(all, row)
		}
		if err := trainer.ForwardKept(tensor.New(len(rows), m.Encoder.Config.HiddenSize), b, 0, kept, rows); err != nil {
			t.Fatal(err)
		}
	}
	if kept.Known() != len(seen) {
		t.Fatalf("%d texts are known, want %d", kept.Known(), len(seen))
	}
	return kept
}

// FeaturesKept has the bits of Features for texts of one and of several windows, on any number of threads, in float32 and bf16, whether a
// trainer has seen none, some or all of them, and after the trained layer has changed; then it does not run what is frozen.
func TestFeaturesKept(t *testing.T) {
	for _, precision := range []bert.Precision{bert.FP32, bert.BF16} {
		m := tiny(t, 1)
		m.MaxSeqLength, m.Windows = 20, tokenizer.Windows{Most: tokenizer.AllWindows}
		var rounded *bert.Rounded
		reader := m
		if precision == bert.BF16 {
			rounded = m.Encoder.Rounded(bert.BF16)
			rounded.Follow(1)
			reader = m.Beside(rounded.Model)
		}
		texts := m.encode(append(longTexts(24, 200), someTexts(20)...))
		order := []int{40, 3, 17, 2, 29, 31, 0, 5, 22, 11, 43, 1, 8} // some of the texts, in three batches
		all := make([]int, len(texts))
		for i := range all {
			all[i] = i
		}
		last, words := m.Encoder.Layers[len(m.Encoder.Layers)-1], m.Encoder.Embeddings.Word.Table.Value
		for _, threads := range []int{1, 3} {
			with := withThreads(reader, threads)
			for _, seen := range [][]int{nil, order, all} {
				kept := frozenOf(t, m, rounded, texts, seen)
				check := func(what string, want []float32) []float32 {
					t.Helper()
					got, err := with.FeaturesKept(t.Context(), texts, kept, nil)
					if err != nil {
						t.Fatal(err)
					}
					if !slices.EqualFunc(got.Data, want, sameBits) || got != kept.Features() || kept.Known() != len(texts) {
						t.Errorf("%v, %d threads, %d texts seen: %s", precision, threads, len(seen), what)
					}
					return slices.Clone(got.Data)
				}
				check("other bits", features(t, with, texts, poolingsOfAll).Data)
				last.Output.Bias.Value[0] += 0.5
				after := check("other bits with another layer", features(t, with, texts, poolingsOfAll).Data)
				old := slices.Clone(words)
				for i := range words {
					words[i]++
				}
				check("the embeddings are looked up again", after)
				copy(words, old)
				last.Output.Bias.Value[0] -= 0.5
			}
		}
	}
}

// What cannot be kept, or is not that of these texts, is refused, and broken weights are found.
func TestFeaturesKeptErrors(t *testing.T) {
	m := tiny(t, 1)
	texts := m.encode(someTexts(9))
	kept := frozenOf(t, m, nil, texts, []int{1, 2})
	if _, err := m.FeaturesKept(t.Context(), texts[:8], kept, nil); err == nil || !strings.Contains(err.Error(), "kept for 9") {
		t.Errorf("fewer texts: %v", err)
	}
	layers := len(m.Encoder.Layers)
	for _, c := range []struct {
		pooling bert.Pooling
		trained int
		want    string
	}{
		{"mean:-2", 1, "want one that reads a trained layer"},
		{bert.Mean, layers, "want one that reads a trained layer, above a frozen one"},
		{"mean:-9", 1, "the model has the layers"},
	} {
		if err := kept.Pool(m.Encoder, c.trained, c.pooling); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %d layers trained: %v", c.pooling, c.trained, err)
		}
	}
	m.Encoder.Layers[layers-1].Output.Bias.Value[0] = float32(math.NaN())
	if _, err := m.FeaturesKept(t.Context(), texts, kept, nil); !errors.Is(err, ErrNotFinite) {
		t.Errorf("a weight is NaN: %v", err)
	}
}
