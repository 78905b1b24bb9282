package trace

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
)

// Code says what a block of the summary shows: the formula, the shape of its result, and the FILE:SYMBOL that computes it.
type Code struct {
	Formula string `json:"formula"`
	Shape   string `json:"shape"`
	Source  string `json:"source"`
}

// Summary is what Summarize found. Norms are √Σx² of the row of a token.
type Summary struct {
	Tokens     []Token    `json:"tokens"`
	Chosen     int        `json:"token"` // the place of the token that the layers are about
	Embeddings Embeddings `json:"embeddings"`
	Layers     []Layer    `json:"layers"`
	Pooled     *Pooled    `json:"pooled,omitempty"` // nil: the model has no pooler
	Output     *Output    `json:"output,omitempty"` // nil: the model has no head
}

// Token is one token of the text.
type Token struct {
	Token   string `json:"token"`
	ID      int    `json:"id"`
	Segment int    `json:"segment"`
}

// Embeddings is what the embeddings make of the tokens.
type Embeddings struct {
	Code
	Rows []EmbeddingRow `json:"rows"` // a token each
}

// EmbeddingRow has the norms of the three vectors of a token and of their sum, mean and standard deviation of the sum, and the norm after
// LayerNorm.
type EmbeddingRow struct {
	Word     float64 `json:"word"`
	Type     float64 `json:"token_type"`
	Position float64 `json:"position"`
	Sum      float64 `json:"sum"`
	Mean     float64 `json:"mean"`
	SD       float64 `json:"sd"`
	Output   float64 `json:"output"`
}

// Layer is what a layer does to the chosen token.
type Layer struct {
	Layer     int       `json:"layer"`
	Attention Attention `json:"attention"`
	Residual1 Residual  `json:"residual_1"`
	FFN       FFN       `json:"ffn"`
	Residual2 Residual  `json:"residual_2"`
	Cosine    float64   `json:"cosine"` // of the layer's output and its input
}

// Attention is the heads of a layer.
type Attention struct {
	Code
	Heads []Head `json:"heads"`
}

// Head is one head, of the chosen token: the norms of its query, key and value, the entropy of its probs in bits, and the largest of them.
type Head struct {
	Query   float64    `json:"query"`
	Key     float64    `json:"key"`
	Value   float64    `json:"value"`
	Entropy float64    `json:"entropy"` // Σ −p·log₂ p: 0 for one token, log₂ S for all alike
	Top     []Attended `json:"top"`     // at most 5, the largest first
}

// Attended is a token that is looked at.
type Attended struct {
	Place       int     `json:"place"`
	Token       string  `json:"token"`
	Probability float64 `json:"probability"`
}

// Residual is LayerNorm(h + x): norms of h, the branch, and of x, which goes past it; mean and standard deviation of the sum.
type Residual struct {
	Code
	Branch float64 `json:"branch"`
	Past   float64 `json:"past"`
	Mean   float64 `json:"mean"`
	SD     float64 `json:"sd"`
	Output float64 `json:"output"`
}

// FFN is the inner layer: how many of its values are below 0 before the activation, as a share.
type FFN struct {
	Code
	Negative float64 `json:"negative"`
	Inner    float64 `json:"inner"` // norm before the activation
	Act      float64 `json:"act"`   // and after it
}

// Pooled is the pooler.
type Pooled struct {
	Code
	Norm float64 `json:"norm"`
}

// Output is what the head says.
type Output struct {
	Code
	Labels []Label `json:"labels"`
}

// Label is one label's logit, its sigmoid, and the verdict.
type Label struct {
	Label       string  `json:"label"`
	Logit       float64 `json:"logit"`
	Probability float64 `json:"probability"`
	Threshold   float64 `json:"threshold"`
	Predicted   bool    `json:"predicted"`
}

// summarizer collects while a walk goes on. It keeps rows of the chosen token.
type summarizer struct {
	*Summary
	m    *model.Model
	past []float64 // the chosen token's row of what goes past the branch: the input of the layer, then the output of its first half
	rows map[string][]float64
}

// Summarize walks a text through m and returns what a reader wants to know: of the embeddings for all tokens, of the layers for the token at
// place chosen, which must be one of the text's. visit, unless nil, sees the stages too. Beside the walk it keeps nothing that grows with
// the model but a few rows. The errors are those of Walk.
func Summarize(m *model.Model, text tokenizer.Encoding, chosen int, visit func(name string, x *tensor.Tensor) error) (*Summary, error) {
	if chosen < 0 || chosen >= len(text.IDs) {
		return nil, fmt.Errorf("token %d: the text has the tokens 0 to %d", chosen, len(text.IDs)-1)
	}
	s := &summarizer{Summary: &Summary{Chosen: chosen}, m: m, rows: map[string][]float64{}}
	for i, token := range m.Tokenizer.Tokens(text.IDs) {
		s.Tokens = append(s.Tokens, Token{token, int(text.IDs[i]), int(text.Segments[i])})
	}
	s.Embeddings = Embeddings{s.code("LayerNorm(word + type + position)", "S, H", "bert/embeddings.go:Embeddings.Forward"),
		make([]EmbeddingRow, len(text.IDs))}
	err := Walk(m, text, func(name string, x *tensor.Tensor) error {
		s.see(name, x)
		if visit != nil {
			return visit(name, x)
		}
		return nil
	})
	return s.Summary, err
}

// code fills a shape such as "S, H" with numbers: [9, 8].
func (s *summarizer) code(formula, shape, source string) Code {
	c := s.m.Encoder.Config
	h, a := c.HiddenSize, c.NumAttentionHeads
	number := strings.NewReplacer("S", fmt.Sprint(len(s.Tokens)), "H", fmt.Sprint(h), "A", fmt.Sprint(a), "I",
		fmt.Sprint(c.IntermediateSize), "C", fmt.Sprint(len(s.m.Labels)))
	return Code{formula, "[" + number.Replace(shape) + "]", source}
}

// see takes from a stage what the summary has of it.
func (s *summarizer) see(name string, x *tensor.Tensor) {
	switch {
	case name == "embedding_output":
		s.past = wide(x.Row(s.Chosen))
	case strings.HasPrefix(name, "bert/embeddings/"):
		s.seeEmbeddings(strings.TrimPrefix(name, "bert/embeddings/"), x)
	case strings.HasPrefix(name, "bert/encoder/"):
		_, stage, _ := strings.Cut(strings.TrimPrefix(name, "bert/encoder/"), "/")
		s.seeLayer(stage, x)
	case name == "pooled_output":
		s.Pooled = &Pooled{s.code("tanh(x₀·W + b)", "1, H", "bert/pooler.go:Pooler.Forward"), norm(wide(x.Row(0)))}
	case name == Logits:
		s.Output = &Output{Code: s.code("z = f·Wᵀ + b, σ(z)", "1, C", "layers/classifier.go:Classifier.Score")}
		for i, label := range s.m.Labels {
			s.Output.Labels = append(s.Output.Labels, Label{Label: label, Logit: float64(x.Row(0)[i]), Threshold: float64(s.m.Thresholds[i])})
		}
	case name == Probabilities:
		for i := range s.Output.Labels {
			p := x.Row(0)[i]
			s.Output.Labels[i].Probability, s.Output.Labels[i].Predicted = float64(p), p > s.m.Thresholds[i]
		}
	}
}

func (s *summarizer) seeEmbeddings(stage string, x *tensor.Tensor) {
	for i := range s.Embeddings.Rows {
		row, r := wide(x.Row(i)), &s.Embeddings.Rows[i]
		switch stage {
		case "word":
			r.Word = norm(row)
		case "token_type":
			r.Type = norm(row)
		case "position":
			r.Position = norm(row)
		case "sum":
			r.Sum = norm(row)
			r.Mean, r.SD = moments(row)
		case "LayerNorm":
			r.Output = norm(row)
		}
	}
}

// seeLayer keeps the chosen token's row of a stage; at the layer's last it makes the layer of them.
func (s *summarizer) seeLayer(stage string, x *tensor.Tensor) {
	heads, n := s.m.Encoder.Config.NumAttentionHeads, len(s.Tokens)
	switch stage {
	case "attention/self/scores":
	case "attention/self/probs":
		s.rows[stage] = nil
		for head := range heads {
			s.rows[stage] = append(s.rows[stage], wide(x.Row(head*n+s.Chosen))...)
		}
	default:
		s.rows[stage] = wide(x.Row(s.Chosen))
	}
	if stage == "output/LayerNorm" {
		s.Layers = append(s.Layers, s.layer())
	}
}

// layer makes a layer of the rows that were kept.
func (s *summarizer) layer() Layer {
	heads, n := s.m.Encoder.Config.NumAttentionHeads, len(s.Tokens)
	l := Layer{Layer: len(s.Layers)}
	l.Attention.Code = s.code("softmax(q·kᵀ/√D)·v in each head", "S, H", "layers/attention.go:attentionJob.Run")
	part := func(stage string, head int) []float64 {
		row := s.rows["attention/self/"+stage]
		d := len(row) / heads
		return row[head*d : (head+1)*d]
	}
	for head := range heads {
		probs := s.rows["attention/self/probs"][head*n : (head+1)*n]
		l.Attention.Heads = append(l.Attention.Heads, Head{norm(part("query", head)), norm(part("key", head)), norm(part("value", head)),
			entropy(probs), s.top(probs)})
	}
	l.Residual1 = s.residual("LayerNorm(x + MultiHead(x))", "attention/output/", s.past)
	inner := s.rows["intermediate/dense"]
	below := 0
	for _, v := range inner {
		if v < 0 {
			below++
		}
	}
	l.FFN = FFN{s.code(s.m.Encoder.Config.HiddenAct+"(a·W₁ + b₁)", "S, I", "bert/layer.go:Layer.afterQKV"),
		float64(below) / float64(len(inner)), norm(inner), norm(s.rows["intermediate/act"])}
	l.Residual2 = s.residual("LayerNorm(a + FFN(a))", "output/", s.rows["attention/output/LayerNorm"])
	y := s.rows["output/LayerNorm"]
	l.Cosine = cosine(y, s.past)
	s.past = y
	return l
}

func (s *summarizer) residual(formula, scope string, past []float64) Residual {
	r := Residual{Code: s.code(formula, "S, H", "layers/dense.go:Dense.ForwardNorm")}
	r.Branch, r.Past, r.Output = norm(s.rows[scope+"dense"]), norm(past), norm(s.rows[scope+"LayerNorm"])
	r.Mean, r.SD = moments(s.rows[scope+"sum"])
	return r
}

// top returns the 5 tokens with the largest probs.
func (s *summarizer) top(probs []float64) (top []Attended) {
	for i, p := range probs {
		top = append(top, Attended{i, s.Tokens[i].Token, p})
	}
	slices.SortStableFunc(top, func(a, b Attended) int { return cmp.Compare(b.Probability, a.Probability) })
	return top[:min(5, len(top))]
}

func wide(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

func dot(x, y []float64) (sum float64) {
	for i := range x {
		sum += x[i] * y[i]
	}
	return sum
}

func norm(x []float64) float64 { return math.Sqrt(dot(x, x)) }

// cosine is 0 where a vector is 0.
func cosine(x, y []float64) float64 {
	if n := norm(x) * norm(y); n > 0 {
		return dot(x, y) / n
	}
	return 0
}

// moments returns mean and standard deviation, that of LayerNorm without ε.
func moments(x []float64) (mean, sd float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		sd += (v - mean) * (v - mean) / float64(len(x))
	}
	return mean, math.Sqrt(sd)
}

// entropy is Σ −p·log₂ p.
func entropy(probs []float64) (bits float64) {
	for _, p := range probs {
		if p > 0 {
			bits -= p * math.Log2(p)
		}
	}
	return bits
}
