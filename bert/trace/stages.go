// Package trace shows one text on its way through a model: every stage with its name, shape, formula and place in the source, and what
// people look at first of each. The pass is that of bert.Model.Stages, whose results have the bits of a prediction.
//
//	stages.go    which stages there are; Run shows them one after the other
//	report.go    the report: norms, attention of one token, residuals, logits
//	change.go    what changes without a part, or with another weight, on bert/plain
//	backward.go  gradients, one step of training, finite differences
package trace

import (
	"errors"
	"fmt"
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
)

// Stage is one intermediate result.
type Stage struct {
	Name    string `json:"name"`    // of its scope in modeling.py, see bert.Model.Stages; at the end features, logits, probabilities
	Shape   []int  `json:"shape"`   // [rows, columns]
	Formula string `json:"formula"` // in the words of bert/doc.go
	Symbol  string `json:"symbol"`  // file:symbol of the code that computes it
}

// about is the formula of each stage and where it stands, by the end of its name.
var about = map[string][2]string{
	"embeddings/word":            {"word[id]", "bert/embeddings.go:Embeddings.lookUp"},
	"embeddings/token_type":      {"token_type[segment]", "bert/embeddings.go:Embeddings.lookUp"},
	"embeddings/position":        {"position[place]", "bert/embeddings.go:Embeddings.lookUp"},
	"embeddings/sum":             {"word[id] + token_type[segment] + position[place]", "bert/embeddings.go:Embeddings.lookUp"},
	"embedding_output":           {"LayerNorm(sum)", "bert/embeddings.go:Embeddings.Forward"},
	"self/query":                 {"q = x·W + b", "bert/layer.go:Layer.Forward"},
	"self/key":                   {"k = x·W + b", "bert/layer.go:Layer.Forward"},
	"self/value":                 {"v = x·W + b", "bert/layer.go:Layer.Forward"},
	"self/scores":                {"q·kᵀ/√D of each head", "layers/attention.go:attentionJob.scores"},
	"self/probs":                 {"softmax(scores) of each row", "layers/attention.go:attentionJob.probs"},
	"self/context":               {"probs·v, heads side by side", "layers/attention.go:attentionJob.Run"},
	"attention/output/dense":     {"h = context·W + b", "bert/layer.go:Layer.afterQKV"},
	"attention/output/sum":       {"h + x", "layers/dense.go:Dense.ForwardNorm"},
	"attention/output/LayerNorm": {"a = LayerNorm(h + x)", "layers/layernorm.go:LayerNorm.FinishRows"},
	"intermediate/dense":         {"inner = a·W + b", "bert/layer.go:Layer.afterQKV"},
	"intermediate/act":           {"act(inner)", "layers/activation.go:Activation.Kernel"},
	"output/dense":               {"f = act·W + b", "bert/layer.go:Layer.afterQKV"},
	"output/sum":                 {"f + a", "layers/dense.go:Dense.ForwardNorm"},
	"output/LayerNorm":           {"y = LayerNorm(f + a)", "layers/layernorm.go:LayerNorm.FinishRows"},
	"layer":                      {"y, which the next layer reads as x", "bert/layer.go:Layer.Forward"},
	"pooler/dense":               {"x[0]·W + b", "bert/pooler.go:Pooler.Forward"},
	"pooler/tanh":                {"tanh(x[0]·W + b)", "bert/pooler.go:Pooler.Forward"},
	"pooled_output":              {"tanh(x[0]·W + b)", "bert/pooler.go:Pooler.Forward"},
	"features":                   {"the vectors that the head reads", "bert/pooling.go:Model.Features"},
	"logits":                     {"z = features·Wᵀ + b", "layers/classifier.go:Classifier.Forward"},
	"probabilities":              {"σ(z) = 1/(1 + e^−z)", "layers/classifier.go:Classifier.Score"},
}

// newStage describes a stage.
func newStage(name string, rows, cols int) Stage {
	key := name
	if strings.HasPrefix(name, "layer_") {
		key = "layer"
	}
	parts := strings.Split(key, "/")
	for n := 1; n <= 3; n++ { // the longest end that is known
		if found, ok := about[strings.Join(parts[max(0, len(parts)-4+n):], "/")]; ok {
			return Stage{name, []int{rows, cols}, found[0], found[1]}
		}
	}
	return Stage{Name: name, Shape: []int{rows, cols}}
}

// Stages lists the stages of a text of so many tokens in the order in which Run shows them.
func Stages(m *model.Model, tokens int) (stages []Stage) {
	c := m.Encoder.Config
	add := func(rows, cols int, names ...string) {
		for _, name := range names {
			stages = append(stages, newStage(name, rows, cols))
		}
	}
	h, s := c.HiddenSize, tokens
	const e = "bert/embeddings/"
	add(s, h, e+"word", e+"token_type", e+"position", e+"sum", "embedding_output")
	for n := range c.NumHiddenLayers {
		l := fmt.Sprintf("bert/encoder/layer_%d/", n)
		self, out := l+"attention/self/", l+"attention/output/"
		add(s, h, self+"query", self+"key", self+"value")
		add(c.NumAttentionHeads*s, s, self+"scores", self+"probs")
		add(s, h, self+"context", out+"dense", out+"sum", out+"LayerNorm")
		add(s, c.IntermediateSize, l+"intermediate/dense", l+"intermediate/act")
		add(s, h, l+"output/dense", l+"output/sum", l+"output/LayerNorm", fmt.Sprintf("layer_%d", n))
	}
	if m.Encoder.Pooler != nil {
		add(1, h, "bert/pooler/dense", "bert/pooler/tanh", "pooled_output")
	}
	if m.Head != nil {
		add(1, m.Head.Weights.Shape[1], "features")
		add(1, m.Head.Labels(), "logits", "probabilities")
	}
	return stages
}

// Run shows visit the stages of a text, which has at least one token, in their order. x is as Stage.Shape says; its rows may lie apart, and
// it lasts until visit returns. Logits and probabilities have the bits of m.PredictEncoded. The error is the first of visit, or says that
// the text does not fit the model.
func Run(m *model.Model, text tokenizer.Encoding, visit func(s Stage, x *tensor.Tensor) error) error {
	left := Stages(m, len(text.IDs))
	show := func(name string, x *tensor.Tensor) error {
		if len(left) == 0 || left[0].Name != name || left[0].Shape[0] != x.Rows || left[0].Shape[1] != x.Cols {
			return fmt.Errorf("trace: stage %s [%d, %d] is not the next of the list", name, x.Rows, x.Cols) // a bug
		}
		stage := left[0]
		left = left[1:]
		return visit(stage, x)
	}
	workers := tensor.NewWorkers(m.Threads())
	ws, batch := bert.NewWorkspace(workers), &bert.Batch{}
	batch.Append(text.IDs, text.Segments)
	if err := m.Encoder.Stages(ws, batch, show); err != nil || m.Head == nil {
		return err
	}
	features := tensor.New(1, m.Head.Weights.Shape[1])
	if err := m.Encoder.Features(ws, features, batch, m.Pooling); err != nil {
		return err
	}
	logits, probabilities := m.Score(features)
	return errors.Join(show("features", features), show("logits", logits), show("probabilities", probabilities))
}
