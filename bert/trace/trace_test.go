package trace_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"bertlabel/bert/model"
	"bertlabel/bert/plain"
	"bertlabel/bert/trace"
	"bertlabel/tensor"
	"bertlabel/tensor/tensortest"
)

func tiny(t *testing.T) *model.Model {
	t.Helper()
	m, err := model.Open("../testdata/tiny", nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Each stage is that of bert/plain, in its order and with a formula and a place in the source; logits and probabilities have the bits of
// Predict. The tiny model's trained weights are larger than random ones, and errors are of the largest magnitude in the stage: 1e-5.
func TestRun(t *testing.T) {
	m := tiny(t)
	text := m.Encode([]string{"the soup was great but the waiter was slow ."}, nil)[0]
	var ids, segments []int
	for i, id := range text.IDs {
		ids, segments = append(ids, int(id)), append(segments, int(text.Segments[i]))
	}
	p := trace.Plain(m).Forward(ids, segments, plain.Vector{Kind: "pooled", Layer: -1})
	predictions, err := m.PredictEncoded(context.Background(), m.Encode([]string{"the soup was great but the waiter was slow ."}, nil))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	err = trace.Run(m, text, func(s trace.Stage, x *tensor.Tensor) error {
		seen++
		if s.Formula == "" || s.Symbol == "" {
			t.Errorf("%s has no formula or no symbol", s.Name)
		}
		name := s.Name
		if name == "bert/pooler/tanh" {
			name = "pooled_output"
		}
		var got []float64
		for i := range x.Rows {
			got = append(got, tensortest.Widen(x.Row(i))...)
		}
		want := slices.Concat(p.Stages[name]...)
		if diff := tensortest.MaxDiff(t, got, want); !(diff <= 1e-5*tensortest.MaxAbs(want)) {
			t.Errorf("%s is off by %g", s.Name, diff)
		}
		exact := map[string][]float32{"logits": predictions[0].Logits, "probabilities": predictions[0].Probabilities}[s.Name]
		if exact != nil && !slices.Equal(exact, x.Row(0)) {
			t.Errorf("%s: %v, Predict has %v", s.Name, x.Row(0), exact)
		}
		return nil
	})
	if want := len(trace.Stages(m, len(ids))); err != nil || seen != want || seen != len(p.Names) { // plain has embeddings/LayerNorm for pooler/tanh
		t.Errorf("%d stages, want %d; %v", seen, want, err)
	}
	stop := errors.New("stop")
	if err := trace.Run(m, text, func(trace.Stage, *tensor.Tensor) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the error of visit became %v", err)
	}
}

// The report's figures are those of plain's float64, for each token that may be chosen.
func TestReport(t *testing.T) {
	m := tiny(t)
	text := m.Encode([]string{"the staff was not slow ."}, nil)[0]
	var ids []int
	for _, id := range text.IDs {
		ids = append(ids, int(id))
	}
	p := trace.Plain(m).Forward(ids, make([]int, len(ids)), plain.Vector{Kind: "pooled", Layer: -1})
	norm := func(x []float64) float64 {
		sum := 0.0
		for _, v := range x {
			sum += v * v
		}
		return math.Sqrt(sum)
	}
	near := func(name string, got trace.Number, want float64) {
		t.Helper()
		if !(math.Abs(float64(got)-want) <= 1e-5*max(1, want)) {
			t.Errorf("%s: %g, want %g", name, got, want)
		}
	}
	for token := range ids {
		r := trace.NewReport(m, text, token)
		if err := trace.Run(m, text, r.Add); err != nil {
			t.Fatal(err)
		}
		near("|word|", r.Embeddings[token].Word, norm(p.Stages["bert/embeddings/word"][token]))
		near("|x|", r.Embeddings[token].Output, norm(p.Stages["embedding_output"][token]))
		l, scope := r.Layers[1], "bert/encoder/layer_1/"
		near("|q|", l.Heads[1].Query, norm(p.Stages[scope+"attention/self/query"][token][4:]))
		near("|v|", l.Heads[0].Value, norm(p.Stages[scope+"attention/self/value"][token][:4]))
		for k, w := range p.Stages[scope+"attention/self/probs"][len(ids)+token] {
			near("probs of head 1", trace.Number(l.Heads[1].Probs[k]), w)
		}
		near("|h|", l.Attention.Branch, norm(p.Stages[scope+"attention/output/dense"][token]))
		near("|x|", l.Attention.Residual, norm(p.Stages["layer_0"][token]))
		near("|f|", l.FeedForward.Branch, norm(p.Stages[scope+"output/dense"][token]))
		near("|a|", l.FeedForward.Residual, norm(p.Stages[scope+"attention/output/LayerNorm"][token]))
		near("|y|", l.FeedForward.Output, norm(p.Stages["layer_1"][token]))
		near("|pooled|", r.Pooled, norm(p.Stages["pooled_output"][0]))
	}
}

// What is left out is left out: each part changes the first stage that it stands for and none before it, and says by how much.
func TestCompare(t *testing.T) {
	m := tiny(t)
	text := m.Encode([]string{"the food was not good ."}, nil)[0]
	for part, first := range map[trace.Part]string{
		{Name: "scale"}:                   "bert/encoder/layer_0/attention/self/scores",
		{Name: "position"}:                "bert/embeddings/position",
		{Name: "gelu"}:                    "bert/encoder/layer_0/intermediate/act",
		{Name: "residual1"}:               "bert/encoder/layer_0/attention/output/sum",
		{Name: "residual2"}:               "bert/encoder/layer_0/output/sum",
		{Name: "norm"}:                    "embedding_output",
		{Name: "head", Layer: 1, Head: 1}: "bert/encoder/layer_1/attention/self/context",
	} {
		c, err := trace.Compare(m, text, []trace.Part{part}, nil)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(c.Stages, func(s trace.Change) bool { return s.Largest > 0 })
		if i < 0 || c.Stages[i].Name != first || !(c.Stages[i].Relative > 0) {
			t.Errorf("without %v: the first change is %+v, want %s", part, c.Stages[max(i, 0)], first)
		}
		if len(c.Labels) != 4 || c.Labels[0].Logit == c.Labels[0].LogitThen {
			t.Errorf("without %v: labels %+v", part, c.Labels)
		}
	}
	w := trace.Weight{Name: "output_bias", Index: []int{1}, Value: 3}
	c, err := trace.Compare(m, text, nil, []trace.Weight{w})
	if err != nil {
		t.Fatal(err)
	}
	before := float64(m.Head.Bias.Value[1])
	if got := c.Labels[1].LogitThen - c.Labels[1].Logit; !(math.Abs(got-(3-before)) <= 1e-12) || c.Labels[0].LogitThen != c.Labels[0].Logit {
		t.Errorf("output_bias[1] = 3 instead of %g: %+v", before, c.Labels)
	}
	for _, w := range []trace.Weight{{"nothing", []int{0}, 1}, {"output_bias", []int{4}, 1}, {"output_bias", []int{1, 0}, 1},
		{"output_weights", []int{1}, 1}, {"output_weights", []int{0, -1}, 1}, {"output_weights", []int{0, 0, 0}, 1}} {
		if _, err := trace.Compare(m, text, nil, []trace.Weight{w}); err == nil {
			t.Errorf("%+v is taken", w)
		}
	}
	if _, err := trace.Compare(m, text, []trace.Part{{Name: "head", Layer: 2}}, nil); err == nil {
		t.Error("a head of layer 2 is taken")
	}
}
