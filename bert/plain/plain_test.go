package plain

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// random returns a model of 2 layers of width 6 with 2 heads, a head of three labels on features of the given width, and a text.
func random(seed uint64, act string, features int) (m *Model, ids, segments []int) {
	rng := rand.New(rand.NewPCG(seed, 1))
	m = &Model{Layers: 2, Heads: 2, Act: act, Eps: 1e-12, Weights: map[string]Matrix{}}
	draw := func(name string, rows, cols int, mean float64) {
		m.Weights[name] = each(zeros(rows, cols), func(float64) float64 { return mean + rng.NormFloat64()/2 })
	}
	dense := func(name string, in, out int) {
		draw(name+"/kernel", in, out, 0)
		draw(name+"/bias", 1, out, 0)
	}
	norm := func(name string) {
		draw(name+"/gamma", 1, 6, 1)
		draw(name+"/beta", 1, 6, 0)
	}
	draw("bert/embeddings/word_embeddings", 9, 6, 0)
	draw("bert/embeddings/token_type_embeddings", 2, 6, 0)
	draw("bert/embeddings/position_embeddings", 7, 6, 0)
	norm("bert/embeddings/LayerNorm")
	for n := range m.Layers {
		scope := fmt.Sprintf("bert/encoder/layer_%d/", n)
		for _, name := range []string{"attention/self/query", "attention/self/key", "attention/self/value", "attention/output/dense"} {
			dense(scope+name, 6, 6)
		}
		norm(scope + "attention/output/LayerNorm")
		dense(scope+"intermediate/dense", 6, 10)
		dense(scope+"output/dense", 10, 6)
		norm(scope + "output/LayerNorm")
	}
	dense("bert/pooler/dense", 6, 6)
	draw("output_weights", 3, features, 0)
	draw("output_bias", 1, 3, 0)
	return m, []int{2, 8, 3, 3, 5}, []int{0, 0, 0, 1, 1}
}

// TestGradient compares the derivative by every single weight with differences of the loss, in float64, for each activation and each
// pooling. The step of 1e-4 is wrong by its square, and by rounding over itself: 1e-7 holds both.
func TestGradient(t *testing.T) {
	poolings := [][]Vector{
		{{"pooled", -1}}, {{"cls", -1}}, {{"mean", -1}}, {{"max", -1}}, {{"mean", -2}}, {{"max", -3}, {"cls", -2}},
		{{"mean", -1}, {"pooled", -1}, {"cls", -1}, {"max", -2}, {"mean", -3}},
	}
	labels := []int8{1, -1, 0}
	for seed, vectors := range poolings {
		for i, act := range []string{"gelu", "gelu_erf", "relu", "tanh", "linear"} {
			if seed > 0 && seed%5 != i || testing.Short() && seed > 0 && seed < len(poolings)-2 {
				continue // all of them with the first pooling only
			}
			m, ids, segments := random(uint64(seed), act, 6*len(vectors))
			p := m.Forward(ids, segments, vectors...)
			p.Backward(labels, 2)
			for name, w := range m.Weights {
				g := p.Gradients[name]
				if g == nil {
					g = zeros(len(w), len(w[0])) // of a layer above all that is read
				}
				for i := range w {
					for j, kept := range w[i] {
						at := func(v float64) float64 {
							w[i][j] = v
							return m.Forward(ids, segments, vectors...).Loss(labels, 2)
						}
						want := (at(kept+1e-4) - at(kept-1e-4)) / 2e-4
						if w[i][j] = kept; !(math.Abs(g[i][j]-want) <= 1e-7) {
							t.Errorf("%s, %v: gradient by %s[%d,%d] is %g, by differences %g", act, vectors, name, i, j, g[i][j], want)
						}
					}
				}
			}
		}
	}
}

// TestStages: every stage has its name, in the order of the computation, and a gradient of its shape.
func TestStages(t *testing.T) {
	m, ids, segments := random(1, "gelu", 6)
	p := m.Forward(ids, segments, Vector{"pooled", -1})
	p.Backward([]int8{1, 0, 1}, 3)
	want := []string{"bert/embeddings/word", "bert/embeddings/token_type", "bert/embeddings/position", "bert/embeddings/sum",
		"bert/embeddings/LayerNorm", "embedding_output"}
	for n := range 2 {
		for _, name := range []string{
			"attention/self/query", "attention/self/key", "attention/self/value", "attention/self/scores", "attention/self/probs",
			"attention/self/context", "attention/output/dense", "attention/output/sum", "attention/output/LayerNorm",
			"intermediate/dense", "intermediate/act", "output/dense", "output/sum", "output/LayerNorm",
		} {
			want = append(want, fmt.Sprintf("bert/encoder/layer_%d/%s", n, name))
		}
		want = append(want, fmt.Sprintf("layer_%d", n))
	}
	want = append(want, "bert/pooler/dense", "pooled_output", "features", "logits", "probabilities")
	if !slices.Equal(p.Names, want) {
		t.Errorf("stages %q\nwant %q", p.Names, want)
	}
	for _, name := range p.Names {
		x, dx := p.Stages[name], p.Gradients[name]
		if name == "probabilities" { // the loss is made of the logits
			continue
		}
		if len(dx) != len(x) || len(dx[0]) != len(x[0]) {
			t.Errorf("%s: gradient %d×%d of a stage %d×%d", name, len(dx), len(dx[0]), len(x), len(x[0]))
		}
	}
}
