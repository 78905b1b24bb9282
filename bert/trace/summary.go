package trace

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
)

// Summary is a text's way through a model in some hundred numbers. Tokens are named by their places, from 0.
type Summary struct {
	Tokens     []Token     `json:"tokens"`
	Token      int         `json:"token"` // the place of the token that layers are seen from
	Embeddings []Embedding `json:"embeddings"`
	Layers     []Layer     `json:"layers"`
	Pooling    string      `json:"pooling,omitempty"`  // what the head reads; empty without a head
	Features   *Vector     `json:"features,omitempty"` // nil without a head
	Labels     []Label     `json:"labels,omitempty"`
}

// Token is a piece of the text.
type Token struct {
	Place   int    `json:"place"`
	Token   string `json:"token"`
	ID      int32  `json:"id"`
	Segment int32  `json:"segment"`
}

// Vector is the length |x| of a vector, and the mean μ and the standard deviation σ of its numbers.
type Vector struct {
	Length float64 `json:"length"`
	Mean   float64 `json:"mean"`
	Sigma  float64 `json:"sigma"`
}

// Embedding is what a token begins as: the lengths of the three vectors that are added, and their sum before and after the norm.
type Embedding struct {
	Word      float64 `json:"word"`
	TokenType float64 `json:"token_type"`
	Position  float64 `json:"position"`
	Sum       Vector  `json:"sum"`
	Norm      float64 `json:"norm"` // length after LayerNorm
}

// Layer is what a layer does to the chosen token.
type Layer struct {
	Layer    int     `json:"layer"`
	Heads    []Head  `json:"heads"`
	Attended AddNorm `json:"attention"`    // of MultiHead(x)
	Negative float64 `json:"negative"`     // share of the inner numbers of the feed-forward network that are below 0
	Output   AddNorm `json:"feed_forward"` // of FFN(a)
	Cosine   float64 `json:"cosine"`       // between what goes out and what came in
}

// Head is one head of a layer, seen from the chosen token.
type Head struct {
	Query   float64 `json:"query"` // |q| of the token, |k| and |v| of the same
	Key     float64 `json:"key"`
	Value   float64 `json:"value"`
	Entropy float64 `json:"entropy"` // of its probabilities, in bits: 0 for one token, log₂(tokens) for all alike
	Top     []Seen  `json:"top"`     // what it looks at most, falling
}

// Seen is a token that is looked at.
type Seen struct {
	Place       int     `json:"place"`
	Probability float64 `json:"probability"`
}

// AddNorm is a residual connection with its norm: the lengths of the branch f(x) and of x, and their sum before the norm.
type AddNorm struct {
	Branch   float64 `json:"branch"`
	Residual float64 `json:"residual"`
	Sum      Vector  `json:"sum"`
}

// Label is what the head says.
type Label struct {
	Label       string  `json:"label"`
	Logit       float32 `json:"logit"`
	Probability float32 `json:"probability"`
	Threshold   float32 `json:"threshold"`
	Predicted   bool    `json:"predicted"`
}

const topSeen = 5

// Summarize walks a text through the model, and sees the layers from the token at a place. The error is that of Walk, or says that there is no
// such token.
func Summarize(ctx context.Context, m *model.Model, text tokenizer.Encoding, token int) (*Summary, error) {
	if token < 0 || token >= len(text.IDs) {
		return nil, fmt.Errorf("token %d: the text has the tokens 0 to %d", token, len(text.IDs)-1)
	}
	s := &Summary{Token: token, Embeddings: make([]Embedding, len(text.IDs))}
	for i, id := range text.IDs {
		s.Tokens = append(s.Tokens, Token{i, m.Tokenizer.Token(id), id, text.Segments[i]})
	}
	reader := &reader{s: s, m: m, heads: m.Encoder.Config.NumAttentionHeads}
	if err := Walk(ctx, m, text, reader.read); err != nil {
		return nil, err
	}
	if m.Head != nil {
		s.Pooling = m.Pooling.String()
	}
	return s, nil
}

// reader takes from each stage what the summary has of it.
type reader struct {
	s       *Summary
	m       *model.Model
	heads   int
	x, a    []float32 // of the chosen token: what came into the layer, and what attention has made of it
	logits  []float32
	dense   float64 // |f(x)| of the chosen token
	current *Layer
}

func (r *reader) read(name string, x *tensor.Tensor) error {
	switch {
	case strings.HasPrefix(name, "bert/embeddings/") || name == "embedding_output":
		r.embeddings(name, x)
	case strings.HasPrefix(name, "bert/encoder/"):
		r.layer(name[strings.Index(name, "layer_")+len("layer_"):], x)
	case strings.HasPrefix(name, "layer_"):
		y := x.Row(r.s.Token)
		r.current.Cosine = dot(y, r.x) / (length(y) * length(r.x))
		r.x = slices.Clone(y)
	case name == "features":
		v := vector(x.Row(0))
		r.s.Features = &v
	case name == "logits":
		r.logits = slices.Clone(x.Row(0))
	case name == "probabilities":
		for l, p := range x.Row(0) {
			r.s.Labels = append(r.s.Labels, Label{r.m.Labels[l], r.logits[l], p, r.m.Thresholds[l], r.m.Predicts(l, p)})
		}
	}
	return nil
}

func (r *reader) embeddings(name string, x *tensor.Tensor) {
	for i := range x.Rows {
		e, row := &r.s.Embeddings[i], x.Row(i)
		switch strings.TrimPrefix(name, "bert/embeddings/") {
		case "word":
			e.Word = length(row)
		case "token_type":
			e.TokenType = length(row)
		case "position":
			e.Position = length(row)
		case "sum":
			e.Sum = vector(row)
		case "embedding_output":
			e.Norm = length(row)
		}
	}
	r.x = slices.Clone(x.Row(r.s.Token))
}

// layer reads a stage of the current layer, whose name begins with its number.
func (r *reader) layer(name string, x *tensor.Tensor) {
	_, stage, _ := strings.Cut(name, "/")
	switch stage {
	case "attention/self/query":
		r.s.Layers = append(r.s.Layers, Layer{Layer: len(r.s.Layers), Heads: make([]Head, r.heads)})
		r.current = &r.s.Layers[len(r.s.Layers)-1]
		r.eachHead(x, func(h *Head, part []float32) { h.Query = length(part) })
	case "attention/self/key":
		r.eachHead(x, func(h *Head, part []float32) { h.Key = length(part) })
	case "attention/self/value":
		r.eachHead(x, func(h *Head, part []float32) { h.Value = length(part) })
	case "attention/self/probs":
		tokens := x.Cols
		for i := range r.current.Heads {
			r.current.Heads[i].look(x.Row(i*tokens + r.s.Token))
		}
	case "attention/output/dense", "output/dense":
		r.dense = length(x.Row(r.s.Token))
	case "attention/output/sum":
		r.current.Attended = AddNorm{r.dense, length(r.x), vector(x.Row(r.s.Token))}
	case "attention/output/LayerNorm":
		r.a = slices.Clone(x.Row(r.s.Token))
	case "intermediate/dense":
		below := 0
		for _, v := range x.Row(r.s.Token) {
			if v < 0 {
				below++
			}
		}
		r.current.Negative = float64(below) / float64(x.Cols)
	case "output/sum":
		r.current.Output = AddNorm{r.dense, length(r.a), vector(x.Row(r.s.Token))}
	}
}

func (r *reader) eachHead(x *tensor.Tensor, f func(h *Head, part []float32)) {
	d := x.Cols / r.heads
	for i := range r.current.Heads {
		f(&r.current.Heads[i], x.Row(r.s.Token)[i*d:(i+1)*d])
	}
}

// look sets what a row of probabilities says: Σ −p·log₂ p, and the largest.
func (h *Head) look(probs []float32) {
	for place, p := range probs {
		if p > 0 {
			h.Entropy -= float64(p) * math.Log2(float64(p))
		}
		h.Top = append(h.Top, Seen{place, float64(p)})
	}
	slices.SortStableFunc(h.Top, func(a, b Seen) int { return cmp.Compare(b.Probability, a.Probability) })
	h.Top = h.Top[:min(len(h.Top), topSeen)]
}

func dot(x, y []float32) (sum float64) {
	for i, v := range x {
		sum += float64(v) * float64(y[i])
	}
	return sum
}

func length(x []float32) float64 { return math.Sqrt(dot(x, x)) }

func vector(x []float32) Vector {
	mean, variance := 0.0, 0.0
	for _, v := range x {
		mean += float64(v) / float64(len(x))
	}
	for _, v := range x {
		variance += (float64(v) - mean) * (float64(v) - mean) / float64(len(x))
	}
	return Vector{length(x), mean, math.Sqrt(variance)}
}
