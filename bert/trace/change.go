package trace

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/plain"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
)

// Part is a part of BERT that is left out: scale (no 1/√D), position (no position embeddings), gelu (no activation), residual1,
// residual2 (nothing is added to attention's or to the feed-forward's output), norm (no LayerNorm, neither of the embeddings), or head,
// whose context is 0.
type Part struct {
	Name        string
	Layer, Head int // of head, from 0
}

// Weight is a new value of an element of a parameter.
type Weight struct {
	Name  string
	Index []int // one number for a vector, row and column for a matrix
	Value float64
}

// Change is how far a stage has moved.
type Change struct {
	Stage
	Norm     float64 // |x| of the model as it is, over all elements
	Relative float64 // |Δx|/|x|
	Largest  float64 // of |Δx|
}

// LabelChange is what has become of a label; Then is after the change.
type LabelChange struct {
	Label                        string
	Logit, LogitThen             float64
	Probability, ProbabilityThen float64
	Threshold                    float32
	Changed                      bool // the verdict
}

// Comparison is two passes of a text through bert/plain.
type Comparison struct {
	Stages []Change // in the order of the computation
	Labels []LabelChange
}

// Compare runs a text through bert/plain twice: as the model is, and without some parts and with other weights. It holds the weights as
// float64, 8 bytes each. The error says which part or weight the model does not have, or that the head's pooling is not known to plain.
func Compare(m *model.Model, text tokenizer.Encoding, parts []Part, weights []Weight) (*Comparison, error) {
	vectors, err := vectorsOf(m.Pooling)
	if m.Head != nil && err != nil {
		return nil, err
	}
	if m.Head == nil {
		vectors = []plain.Vector{{Kind: "cls", Layer: -1}}
		if m.Encoder.Pooler != nil {
			vectors[0].Kind = "pooled"
		}
	}
	for _, p := range parts {
		c := m.Encoder.Config
		if p.Name == "head" && (p.Layer < 0 || p.Layer >= c.NumHiddenLayers || p.Head < 0 || p.Head >= c.NumAttentionHeads) {
			return nil, fmt.Errorf("head %d.%d: the model has the layers 0 to %d with the heads 0 to %d", p.Layer, p.Head,
				c.NumHiddenLayers-1, c.NumAttentionHeads-1)
		}
	}
	var ids, segments []int
	for i, id := range text.IDs {
		ids, segments = append(ids, int(id)), append(segments, int(text.Segments[i]))
	}
	p := Plain(m)
	before := p.Forward(ids, segments, vectors...)
	for _, w := range weights {
		if err := set(p, w); err != nil {
			return nil, err
		}
	}
	p.Change = without(parts)
	return compared(m, len(text.IDs), before, p.Forward(ids, segments, vectors...)), nil
}

// Plain returns a copy of a model for bert/plain.
func Plain(m *model.Model) *plain.Model {
	c := m.Encoder.Config
	p := &plain.Model{Layers: c.NumHiddenLayers, Heads: c.NumAttentionHeads, Act: c.HiddenAct, Eps: c.LayerNormEps,
		Weights: map[string]plain.Matrix{}}
	if p.Eps == 0 {
		p.Eps = 1e-12
	}
	add := func(param *tensor.Param, values []float32) {
		for row := range slices.Chunk(values, param.Shape[len(param.Shape)-1]) {
			wide := make([]float64, len(row))
			for i, v := range row {
				wide[i] = float64(v)
			}
			p.Weights[param.Name] = append(p.Weights[param.Name], wide)
		}
	}
	for _, param := range m.Encoder.Params() {
		add(param, m.Encoder.Value(param))
	}
	if m.Head != nil {
		for _, param := range m.Head.Params() {
			add(param, param.Value)
		}
	}
	return p
}

// vectorsOf returns a pooling of one vector of the last layer, or several side by side, in plain's words.
func vectorsOf(p bert.Pooling) (vectors []plain.Vector, err error) {
	for _, kind := range strings.Split(strings.TrimPrefix(p.String(), "concat:"), ",") {
		if !slices.Contains([]string{"pooled", "cls", "mean", "max"}, kind) {
			return nil, fmt.Errorf("pooling %s: changes can be followed to pooled, cls, mean and max of the last layer", p)
		}
		vectors = append(vectors, plain.Vector{Kind: kind, Layer: -1})
	}
	return vectors, nil
}

// set changes a weight.
func set(p *plain.Model, w Weight) error {
	rows := p.Weights[w.Name]
	if rows == nil {
		return fmt.Errorf("the model has no parameter %q; bertlabel inspect lists them", w.Name)
	}
	row, col := 0, w.Index[len(w.Index)-1]
	if len(w.Index) == 2 {
		row = w.Index[0]
	}
	if len(w.Index) > 2 || (len(w.Index) == 1) != (len(rows) == 1) && len(w.Index) == 1 || row < 0 || row >= len(rows) || col < 0 ||
		col >= len(rows[0]) {
		return fmt.Errorf("%s%v: the parameter is [%d, %d], and rows and columns begin with 0", w.Name, w.Index, len(rows), len(rows[0]))
	}
	rows[row][col] = w.Value
	return nil
}

// without returns the change of stages that leaves parts out.
func without(parts []Part) func(p *plain.Pass, name string, x plain.Matrix) plain.Matrix {
	return func(p *plain.Pass, name string, x plain.Matrix) plain.Matrix {
		for _, part := range parts {
			x = part.apply(p, name, x)
		}
		return x
	}
}

// apply returns stage x as it is without the part. Parts that are not about it leave it.
func (part Part) apply(p *plain.Pass, name string, x plain.Matrix) plain.Matrix {
	head := fmt.Sprintf("bert/encoder/layer_%d/attention/self/context", part.Layer)
	switch {
	case part.Name == "scale" && strings.HasSuffix(name, "/self/scores"):
		d := len(p.Weights["bert/embeddings/LayerNorm/gamma"][0]) / p.Heads
		return times(x, func(int) float64 { return math.Sqrt(float64(d)) })
	case part.Name == "position" && name == "bert/embeddings/position":
		return times(x, func(int) float64 { return 0 })
	case part.Name == "gelu" && strings.HasSuffix(name, "/intermediate/act"):
		return p.Stages[strings.TrimSuffix(name, "act")+"dense"]
	case part.Name == "residual1" && strings.HasSuffix(name, "/attention/output/sum"),
		part.Name == "residual2" && strings.HasSuffix(name, "/output/sum") && !strings.HasSuffix(name, "/attention/output/sum"):
		return p.Stages[strings.TrimSuffix(name, "sum")+"dense"]
	case part.Name == "norm" && strings.HasSuffix(name, "/LayerNorm"):
		return p.Stages[strings.TrimSuffix(name, "LayerNorm")+"sum"]
	case part.Name == "head" && name == head:
		d := len(x[0]) / p.Heads
		return times(x, func(j int) float64 {
			if j/d == part.Head {
				return 0
			}
			return 1
		})
	}
	return x
}

// times returns x with each column multiplied by its factor.
func times(x plain.Matrix, factor func(column int) float64) plain.Matrix {
	y := make(plain.Matrix, len(x))
	for i := range x {
		for j, v := range x[i] {
			y[i] = append(y[i], v*factor(j))
		}
	}
	return y
}

// compared measures what has changed between two passes.
func compared(m *model.Model, tokens int, before, after *plain.Pass) *Comparison {
	c := &Comparison{}
	for _, s := range Stages(m, tokens) {
		x, y := before.Stages[s.Name], after.Stages[s.Name]
		if x == nil {
			continue // pooler/tanh is pooled_output
		}
		change, squares := Change{Stage: s}, 0.0
		for i := range x {
			for j, v := range x[i] {
				d := y[i][j] - v
				change.Norm += v * v
				squares += d * d
				change.Largest = max(change.Largest, math.Abs(d))
			}
		}
		change.Norm = math.Sqrt(change.Norm)
		if squares > 0 {
			change.Relative = math.Sqrt(squares) / change.Norm
		}
		c.Stages = append(c.Stages, change)
	}
	for l, label := range m.Labels {
		p, q := before.Stages["probabilities"][0][l], after.Stages["probabilities"][0][l]
		c.Labels = append(c.Labels, LabelChange{label, before.Stages["logits"][0][l], after.Stages["logits"][0][l], p, q, m.Thresholds[l],
			m.Predicts(l, float32(p)) != m.Predicts(l, float32(q))})
	}
	return c
}
