package bert

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"bertlabel/tensor"
)

// TestEmbeddingsInt8: with word embeddings in int8 a model loads the same by pieces as in one, computes what the float32 model with the
// rounded table computes, in every precision, takes the estimated memory, and can be neither trained nor followed by a trainer.
func TestEmbeddingsInt8(t *testing.T) {
	source := small(t, 2, 32, 2)
	values := map[string][]float32{}
	for _, p := range source.Params() {
		values[p.Name] = slices.Clone(source.Value(p))
	}
	read := func(p *tensor.Param, dst []float32) error { copy(dst, values[p.Name]); return nil }
	pieces := func(p *tensor.Param, visit func(piece []float32) error) error {
		for piece := range slices.Chunk(values[p.Name], 37) {
			if err := visit(piece); err != nil {
				return err
			}
		}
		return nil
	}
	b, rng := &Batch{}, rand.New(rand.NewPCG(61, 0))
	for _, n := range []int{9, 1, 33} {
		b.Append(randomText(rng, &source.Config, n))
	}
	for _, p := range []Precision{FP32, BF16, Int8} {
		var first []float32
		load := map[string]func(m *Model) error{
			"read":   func(m *Model) error { return m.Load(2, read) },
			"pieces": func(m *Model) error { return m.LoadPieces(2, read, pieces) },
			"rounded": func(m *Model) error { // float32, from a table that is rounded already
				m.SetEmbeddings(FP32)
				rounded, err := New(source.Config)
				if err != nil {
					return err
				}
				rounded.SetEmbeddings(Int8)
				if err := rounded.Load(1, read); err != nil {
					return err
				}
				return m.Load(1, func(p *tensor.Param, dst []float32) error {
					for _, q := range rounded.Params() {
						if q.Name == p.Name {
							copy(dst, rounded.Value(q))
						}
					}
					return nil
				})
			},
		}
		for name, load := range load {
			m, err := New(source.Config)
			if err != nil {
				t.Fatal(err)
			}
			m.SetPrecision(p)
			m.SetEmbeddings(Int8)
			if err := load(m); err != nil {
				t.Fatal(err)
			}
			y := featuresOf(t, m, NewWorkspace(nil), b, Mean)
			if first == nil {
				first = y.Data
			}
			if !slices.Equal(y.Data, first) {
				t.Errorf("%s, %s: other features", p, name)
			}
			if name == "rounded" {
				continue
			}
			if got, want := weightsOf(m), m.WeightsMemory(); 100*max(got-want, want-got) > 2*want {
				t.Errorf("%s: weights of %d bytes, estimated %d", p, got, want)
			}
			if _, err := m.NewTrainer(TrainerOptions{Layers: 1}, nil); err == nil || !m.Rounds() || m.EmbeddingsPrecision() != Int8 {
				t.Errorf("%s: it can be trained (%v)", p, err)
			}
		}
		float := featuresOf(t, smallIn(t, p, 2, 32, 2), NewWorkspace(nil), b, Mean)
		if cos := cosine(first, float.Data); !(cos > 0.999 && cos < 1) {
			t.Errorf("%s: cosine %g with float32 embeddings", p, cos)
		}
	}
	m, _ := New(source.Config)
	m.SetEmbeddings(Int8)
	broken := errors.New("broken")
	if err := m.LoadPieces(1, read, func(*tensor.Param, func([]float32) error) error { return broken }); err != broken {
		t.Errorf("error %v", err)
	}
}
