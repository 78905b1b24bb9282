package bert_test

import (
	"fmt"
	"math"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/plain"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/tensor/tensortest"
)

// masks is dropout as doc comments promise it: site 1 is behind the embeddings; layer n has from 2 + n·(A + 2) on a site for each of its A
// heads, one behind the attention's dense output and one behind the feed-forward's. A row stands at its text's place in the stream of
// training texts, and its token's in the text.
type masks struct {
	bert.TrainerOptions
	heads   int
	example uint64
}

// drop multiplies the rows of x, which are tokens 0, 1, …, by the mask of a site.
func (m *masks) drop(x plain.Matrix, p float64, site int) plain.Matrix {
	dropout := layers.NewDropout(p, m.Seed, uint32(site))
	y := make(plain.Matrix, len(x))
	for token, row := range x {
		ones := make([]float32, len(row))
		for j := range ones {
			ones[j] = 1
		}
		dropout.Row(ones, ones, layers.Place{Example: m.example, Token: uint32(token)})
		for j, v := range row {
			y[token] = append(y[token], v*float64(ones[j]))
		}
	}
	return y
}

func (m *masks) hidden(x plain.Matrix, layer, output int) plain.Matrix {
	return m.drop(x, m.HiddenDropout, 2+layer*(m.heads+2)+m.heads+output)
}

// dense is x·W + b, norm LayerNorm(x + y), both with the weights of that name.
func dense(w map[string]plain.Matrix, name string, x plain.Matrix) plain.Matrix {
	y := make(plain.Matrix, len(x))
	for i, row := range x {
		y[i] = append([]float64{}, w[name+"/bias"][0]...)
		for k, v := range row {
			for j, kernel := range w[name+"/kernel"][k] {
				y[i][j] += v * kernel
			}
		}
	}
	return y
}

func norm(w map[string]plain.Matrix, name string, eps float64, x, y plain.Matrix) plain.Matrix {
	z := make(plain.Matrix, len(x))
	for i := range x {
		mean, square, h := 0.0, 0.0, float64(len(x[i]))
		for j := range x[i] {
			v := x[i][j] + y[i][j]
			mean, square = mean+v/h, square+v*v/h
		}
		for j := range x[i] {
			norm := (x[i][j] + y[i][j] - mean) / math.Sqrt(square-mean*mean+eps)
			z[i] = append(z[i], w[name+"/gamma"][0][j]*norm+w[name+"/beta"][0][j])
		}
	}
	return z
}

// forward is the encoder in training with an activation that does nothing, from frozen layers on.
func (m *masks) forward(model *plain.Model, p *plain.Pass) plain.Matrix {
	w, frozen := model.Weights, model.Layers-m.Layers
	x := p.Stages["embedding_output"]
	if frozen > 0 {
		x = p.Stages[fmt.Sprintf("layer_%d", frozen-1)]
	}
	if m.Embeddings {
		x = m.drop(x, m.HiddenDropout, 1)
	}
	for n := frozen; n < model.Layers; n++ {
		scope := fmt.Sprintf("bert/encoder/layer_%d/", n)
		q, k, v := dense(w, scope+"attention/self/query", x), dense(w, scope+"attention/self/key", x),
			dense(w, scope+"attention/self/value", x)
		context := make(plain.Matrix, len(x))
		for head := range m.heads {
			d := len(x[0]) / m.heads
			probs := m.drop(attention(q, k, head*d, d), m.AttentionDropout, 2+n*(m.heads+2)+head)
			for i := range x {
				for j := range d {
					sum := 0.0
					for key := range x {
						sum += probs[i][key] * v[key][head*d+j]
					}
					context[i] = append(context[i], sum)
				}
			}
		}
		a := norm(w, scope+"attention/output/LayerNorm", model.Eps, x, m.hidden(dense(w, scope+"attention/output/dense", context), n, 0))
		f := m.hidden(dense(w, scope+"output/dense", dense(w, scope+"intermediate/dense", a)), n, 1)
		x = norm(w, scope+"output/LayerNorm", model.Eps, a, f)
	}
	return x
}

// attention is softmax(q·kᵀ/√D) for the head whose D columns begin with first.
func attention(q, k plain.Matrix, first, d int) plain.Matrix {
	probs := make(plain.Matrix, len(q))
	for i := range q {
		sum := 0.0
		for key := range k {
			score := 0.0
			for j := first; j < first+d; j++ {
				score += q[i][j] * k[key][j] / math.Sqrt(float64(d))
			}
			probs[i] = append(probs[i], math.Exp(score))
			sum += probs[i][key]
		}
		for key := range k {
			probs[i][key] /= sum
		}
	}
	return probs
}

// TestDropoutSites: which mask the encoder hands to which place, by a forward pass with masks of their own. That the backward pass has the
// same masks TestTrainerGradient says.
func TestDropoutSites(t *testing.T) {
	for seed := range uint64(4) {
		c := newPlainCase(t, seed, "linear")
		for trained := 1; trained <= len(c.Layers); trained++ {
			for _, pooling := range []bert.Pooling{bert.CLS, bert.Mean} {
				o := bert.TrainerOptions{Pooling: pooling, Layers: trained, Embeddings: trained == len(c.Layers),
					HiddenDropout: 0.2, AttentionDropout: 0.3, Seed: 1<<40 + seed, Recompute: true}
				trainer, err := c.NewTrainer(o, nil)
				if err != nil {
					t.Fatal(err)
				}
				features := tensor.New(c.batch.Texts(), c.Config.HiddenSize)
				const first = 1<<33 + 5
				if err := trainer.Forward(features, c.batch, first); err != nil {
					t.Fatal(err)
				}
				trainer.Release()
				for text, p := range c.passes() {
					m := masks{o, c.Config.NumAttentionHeads, first + uint64(text)}
					x := m.forward(&c.plain, p)
					want := x[0]
					if pooling == bert.Mean {
						want = make([]float64, len(x[0]))
						for _, row := range x {
							for j, v := range row {
								want[j] += v / float64(len(x))
							}
						}
					}
					diff := tensortest.MaxDiff(t, tensortest.Widen(features.Row(text)), want)
					if !(diff <= forwardBound*tensortest.MaxAbs(want)) {
						t.Errorf("model %d, %v, %d layers, text %d: other features than with the masks of its sites, by %g",
							seed, pooling, trained, text, diff)
					}
				}
			}
		}
	}
}
