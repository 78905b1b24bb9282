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

// Report is what people look at first of a text's way through a model. |x| is the Euclidean length of a row; means, deviations and
// lengths are summed in float64.
type Report struct {
	Tokens     []Token     `json:"tokens"`
	Token      int         `json:"token"` // whose rows the layers show, from 0
	Embeddings []Embedding `json:"embeddings"`
	Layers     []Layer     `json:"layers"`
	Pooled     Number      `json:"pooled_norm,omitempty"` // |pooled_output|; 0 without a pooler
	Labels     []Label     `json:"labels,omitempty"`
	Stages     []Stage     `json:"stages"`

	m *model.Model
	x []float32 // the chosen token's row of the layer's input, [hidden]
	a []float32 // its row of attention/output/LayerNorm
}

// Token is one word piece; its place in the list is its position.
type Token struct {
	Token   string `json:"token"`
	ID      int32  `json:"id"`
	Segment int32  `json:"segment"`
}

// Embedding is one token's row on its way through the embeddings.
type Embedding struct {
	Word      Number `json:"word_norm"`
	TokenType Number `json:"token_type_norm"`
	Position  Number `json:"position_norm"`
	Sum       Number `json:"sum_norm"`
	Mean      Number `json:"mean"` // of the sum
	Sigma     Number `json:"sigma"`
	Output    Number `json:"output_norm"` // after the LayerNorm
}

// Layer is the chosen token's row on its way through a layer.
type Layer struct {
	Heads       []Head  `json:"heads"`
	Attention   AddNorm `json:"attention"`
	Negative    Number  `json:"inner_negative"` // share of the token's intermediate/dense that is below 0
	Act         Number  `json:"act_norm"`
	FeedForward AddNorm `json:"feed_forward"`
}

// Head is what one head does for the token.
type Head struct {
	Query   Number     `json:"query_norm"`
	Key     Number     `json:"key_norm"`
	Value   Number     `json:"value_norm"`
	Entropy Number     `json:"entropy"` // of probs in nats: 0 looks at one token, ln S at all alike
	Probs   []Number32 `json:"probs"`   // how much it looks at each token, [tokens]
}

// AddNorm is y = LayerNorm(f + x) of the token.
type AddNorm struct {
	Branch   Number `json:"branch_norm"`   // |f|
	Residual Number `json:"residual_norm"` // |x|
	Mean     Number `json:"mean"`          // of f + x
	Sigma    Number `json:"sigma"`
	Output   Number `json:"output_norm"` // |y|
	Cos      Number `json:"cos"`         // of y and x: 1 where the branch has turned nothing
}

// Label is what comes of it.
type Label struct {
	Label       string   `json:"label"`
	Logit       Number32 `json:"logit"`
	Probability Number32 `json:"probability"`
	Threshold   Number32 `json:"threshold"`
	Predicted   bool     `json:"predicted"`
}

// NewReport returns an empty report of a text, to be filled by Add. token is a place in the text, from 0.
func NewReport(m *model.Model, text tokenizer.Encoding, token int) *Report {
	r := &Report{Token: token, Stages: Stages(m, len(text.IDs)), Embeddings: make([]Embedding, len(text.IDs)), Layers: []Layer{}, m: m}
	for i, piece := range m.Tokenizer.Tokens(text.IDs) {
		r.Tokens = append(r.Tokens, Token{piece, text.IDs[i], text.Segments[i]})
	}
	return r
}

// Looks returns the places of the n tokens that a head looks at most, the most first.
func (h *Head) Looks(n int) []int {
	order := make([]int, len(h.Probs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(h.Probs[j], h.Probs[i]) })
	return order[:min(n, len(order))]
}

// Add reads a stage of Run. It keeps nothing of x.
func (r *Report) Add(s Stage, x *tensor.Tensor) error {
	name := s.Name
	switch {
	case strings.HasPrefix(name, "bert/embeddings/"), name == "embedding_output":
		r.embedding(name, x)
	case strings.HasPrefix(name, "bert/encoder/"):
		r.layer(name[strings.Index(name, "/layer_")+1:], x)
	case name == "pooled_output":
		r.Pooled = norm(x.Row(0))
	case name == "logits":
		for l, z := range x.Row(0) {
			r.Labels = append(r.Labels, Label{Label: r.m.Labels[l], Logit: Number32(z), Threshold: Number32(r.m.Thresholds[l])})
		}
	case name == "probabilities":
		for l, p := range x.Row(0) {
			r.Labels[l].Probability, r.Labels[l].Predicted = Number32(p), r.m.Predicts(l, p)
		}
	}
	if strings.HasPrefix(name, "layer_") || name == "embedding_output" {
		r.x = slices.Clone(x.Row(r.Token))
	}
	return nil
}

func (r *Report) embedding(name string, x *tensor.Tensor) {
	for i := range r.Embeddings {
		e, n := &r.Embeddings[i], norm(x.Row(i))
		switch name[strings.LastIndex(name, "/")+1:] {
		case "word":
			e.Word = n
		case "token_type":
			e.TokenType = n
		case "position":
			e.Position = n
		case "sum":
			e.Sum = n
			e.Mean, e.Sigma = moments(x.Row(i))
		default:
			e.Output = n
		}
	}
}

// layer reads a stage called layer_N/….
func (r *Report) layer(name string, x *tensor.Tensor) {
	_, name, _ = strings.Cut(name, "/")
	if name == "attention/self/query" {
		r.Layers = append(r.Layers, Layer{Heads: make([]Head, r.m.Encoder.Config.NumAttentionHeads)})
	}
	l := &r.Layers[len(r.Layers)-1]
	row := x.Row(min(r.Token, x.Rows-1))
	switch name {
	case "attention/self/query", "attention/self/key", "attention/self/value":
		d := len(row) / len(l.Heads)
		for i := range l.Heads {
			h := &l.Heads[i]
			*map[string]*Number{"query": &h.Query, "key": &h.Key, "value": &h.Value}[name[len("attention/self/"):]] = norm(row[i*d : (i+1)*d])
		}
	case "attention/self/probs":
		for i := range l.Heads {
			l.Heads[i].Probs = Numbers(x.Row(i*x.Cols + r.Token))
			l.Heads[i].Entropy = entropy(l.Heads[i].Probs)
		}
	case "intermediate/dense":
		for _, v := range row {
			if v < 0 {
				l.Negative += 1 / Number(len(row))
			}
		}
	case "intermediate/act":
		l.Act = norm(row)
	}
	if rest, ok := strings.CutPrefix(name, "attention/output/"); ok {
		r.addNorm(&l.Attention, rest, row, r.x)
		r.a = slices.Clone(row)
	} else if rest, ok := strings.CutPrefix(name, "output/"); ok {
		r.addNorm(&l.FeedForward, rest, row, r.a)
	}
}

// addNorm reads a stage of Add & Norm around the residual x.
func (r *Report) addNorm(n *AddNorm, name string, row, x []float32) {
	switch name {
	case "dense":
		n.Branch, n.Residual = norm(row), norm(x)
	case "sum":
		n.Mean, n.Sigma = moments(row)
	case "LayerNorm":
		n.Output, n.Cos = norm(row), cosine(row, x)
	}
}

func norm(x []float32) Number { return Number(math.Sqrt(dot(x, x))) }

func dot(x, y []float32) (sum float64) {
	for i, v := range x {
		sum += float64(v) * float64(y[i])
	}
	return sum
}

// cosine is 0 where one of the two has no direction.
func cosine(x, y []float32) Number {
	n := norm(x) * norm(y)
	if n == 0 {
		return 0
	}
	return Number(dot(x, y)) / n
}

// moments returns the mean and the standard deviation of the population, as LayerNorm takes them.
func moments(x []float32) (mean, sigma Number) {
	for _, v := range x {
		mean += Number(v) / Number(len(x))
	}
	for _, v := range x {
		sigma += (Number(v) - mean) * (Number(v) - mean) / Number(len(x))
	}
	return mean, Number(math.Sqrt(float64(sigma)))
}

// entropy is −Σ p·ln p.
func entropy(p []Number32) (sum Number) {
	for _, v := range p {
		if v != 0 { // p·ln p goes to 0 with p
			sum -= Number(float64(v) * math.Log(float64(v)))
		}
	}
	return sum
}

// String is how a stage is headed: name, shape.
func (s Stage) String() string { return fmt.Sprintf("%s [%d, %d]", s.Name, s.Shape[0], s.Shape[1]) }
