package trace_test

import (
	"context"
	"errors"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/bert/trace"
	"bertlabel/tensor"
)

const text = "the food was not very good ."

func openTiny(t *testing.T) (*model.Model, tokenizer.Encoding) {
	t.Helper()
	m, err := model.Open("../testdata/tiny", nil)
	if err != nil {
		t.Fatal(err)
	}
	return m, m.Encode([]string{text}, nil)[0]
}

// TestWalkPredicts: logits and probabilities have the bits of Predict.
func TestWalkPredicts(t *testing.T) {
	m, e := openTiny(t)
	want, err := m.Predict(context.Background(), []model.Text{{A: text}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]float32{}
	err = trace.Walk(m, e, func(name string, x *tensor.Tensor) error {
		got[name] = append([]float32(nil), x.Data...)
		return nil
	})
	if err != nil || !slices.Equal(got[trace.Logits], want[0].Logits) || !slices.Equal(got[trace.Probabilities], want[0].Probabilities) {
		t.Errorf("logits %v, predicted %v, error %v", got[trace.Logits], want[0].Logits, err)
	}
	if len(got[trace.InputIDs]) != len(e.IDs) || got[trace.InputIDs][0] != float32(e.IDs[0]) {
		t.Errorf("%s is %v of %v", trace.InputIDs, got[trace.InputIDs], e.IDs)
	}
	stop := errors.New("stop")
	if err := trace.Walk(m, e, func(string, *tensor.Tensor) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("visit's error came as %v", err)
	}
}

// TestSummarize checks the summary against the stages it is made of, and against what must hold of any.
func TestSummarize(t *testing.T) {
	m, e := openTiny(t)
	const chosen = 4
	probs := map[int][]float32{}
	layer := 0
	s, err := trace.Summarize(m, e, chosen, func(name string, x *tensor.Tensor) error {
		if strings.HasSuffix(name, "/probs") {
			probs[layer] = append([]float32(nil), x.Row(len(e.IDs)+chosen)...) // head 1
			layer++
		}
		return nil
	})
	if err != nil || len(s.Layers) != 2 || len(s.Tokens) != len(e.IDs) || s.Tokens[4].Token != "not" {
		t.Fatalf("%d layers, tokens %v, error %v", len(s.Layers), s.Tokens, err)
	}
	for n, l := range s.Layers {
		top, bits, sum := l.Attention.Heads[1].Top, 0.0, 0.0
		for i, a := range top {
			if float32(a.Probability) != probs[n][a.Place] || i > 0 && a.Probability > top[i-1].Probability {
				t.Errorf("layer %d: top %v of %v", n, top, probs[n])
			}
		}
		if float32(top[0].Probability) != slices.Max(probs[n]) || top[0].Token != s.Tokens[top[0].Place].Token {
			t.Errorf("layer %d: the first is %v of %v", n, top[0], probs[n])
		}
		for _, p := range probs[n] {
			bits, sum = bits-float64(p)*math.Log2(float64(p)), sum+float64(p)
		}
		if math.Abs(bits-l.Attention.Heads[1].Entropy) > 1e-9 || math.Abs(sum-1) > 1e-6 {
			t.Errorf("layer %d: entropy %v, want %v; sum %v", n, l.Attention.Heads[1].Entropy, bits, sum)
		}
		if n > 0 && l.Residual1.Past != s.Layers[n-1].Residual2.Output || l.Residual2.Past != l.Residual1.Output {
			t.Errorf("layer %d: past the branches go %v and %v", n, l.Residual1.Past, l.Residual2.Past)
		}
		if l.FFN.Negative < 0 || l.FFN.Negative > 1 || math.Abs(l.Cosine) > 1+1e-9 {
			t.Errorf("layer %d: share %v, cosine %v", n, l.FFN.Negative, l.Cosine)
		}
	}
	if s.Layers[0].Residual1.Past != s.Embeddings.Rows[chosen].Output {
		t.Errorf("the embeddings give %v, the first layer gets %v", s.Embeddings.Rows[chosen].Output, s.Layers[0].Residual1.Past)
	}
	for _, l := range s.Output.Labels {
		if math.Abs(1/(1+math.Exp(-l.Logit))-l.Probability) > 1e-6 || l.Predicted != (l.Probability > l.Threshold) {
			t.Errorf("label %+v", l)
		}
	}
	if _, err := trace.Summarize(m, e, len(e.IDs), nil); err == nil {
		t.Error("a token after the last was taken")
	}
}

// TestSummarySources: every FILE:SYMBOL of a summary exists.
func TestSummarySources(t *testing.T) {
	m, e := openTiny(t)
	s, err := trace.Summarize(m, e, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	codes := []trace.Code{s.Embeddings.Code, s.Layers[0].Attention.Code, s.Layers[0].Residual1.Code, s.Layers[0].FFN.Code,
		s.Layers[0].Residual2.Code, s.Pooled.Code, s.Output.Code}
	for _, c := range codes {
		file, symbol, _ := strings.Cut(c.Source, ":")
		source, err := os.ReadFile("../../" + file)
		receiver, method, _ := strings.Cut(symbol, ".")
		pattern := regexp.MustCompile(`func \(\w+ \*?` + receiver + `\) ` + method + `\(`)
		if err != nil || !pattern.Match(source) {
			t.Errorf("%s: not found, error %v", c.Source, err)
		}
	}
}

// TestAlter leaves out each part: nothing before it changes, and what it is about does.
func TestAlter(t *testing.T) {
	m, e := openTiny(t)
	const scope = "bert/encoder/layer_0/"
	for part, first := range map[string]string{"scale": scope + "attention/self/scores", "position": "bert/embeddings/position",
		"gelu": scope + "intermediate/act", "residual1": scope + "attention/output/sum", "residual2": scope + "output/sum",
		"norm": "bert/embeddings/LayerNorm", "head:1.1": "bert/encoder/layer_1/attention/self/context"} {
		a, err := trace.ParseWithout(part)
		if err != nil {
			t.Fatal(err)
		}
		changed, labels, err := trace.Alter(m, e, a)
		if err != nil || len(changed) == 0 || changed[0].Stage != first {
			t.Errorf("without %s: the first of %d changes is %v, want %s; error %v", part, len(changed), changed[:min(1, len(changed))], first, err)
		}
		if len(labels) != 4 || labels[0].Before == labels[0].After {
			t.Errorf("without %s: labels %v", part, labels)
		}
	}
}

// TestAlterSetting sets one element, which is all that changes in its stage.
func TestAlterSetting(t *testing.T) {
	m, e := openTiny(t)
	a, err := trace.ParseSetting("layer_0[3,5]=0.25")
	if err != nil {
		t.Fatal(err)
	}
	var before float64
	if err := trace.Walk(m, e, func(name string, x *tensor.Tensor) error {
		if name == "layer_0" {
			before = float64(x.Row(3)[5])
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	changed, _, err := trace.Alter(m, e, a)
	want := math.Abs(0.25 - before)
	if err != nil || changed[0].Stage != "layer_0" || math.Abs(changed[0].Largest-want) > 1e-5 ||
		math.Abs(changed[0].RMS-want/math.Sqrt(float64(8*len(e.IDs)))) > 1e-5 {
		t.Errorf("changed %+v, want layer_0 by %v; error %v", changed[:1], want, err)
	}
}

// TestAlterErrors: what the model does not have is named, and what cannot be read is refused.
func TestAlterErrors(t *testing.T) {
	m, e := openTiny(t)
	for _, a := range []trace.Alteration{{Without: "head:2.0"}, {Without: "head:0.2"}, {Stage: "layer_7"}, {Stage: "layer_0", Row: 99}} {
		if _, _, err := trace.Alter(m, e, a); err == nil {
			t.Errorf("%+v was taken", a)
		}
	}
	for _, s := range []string{"", "x", "layer_0[1]=2", "layer_0[1,2]=NaN", "layer_0[-1,2]=3", "layer_0[1,2]=x"} {
		if _, err := trace.ParseSetting(s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
	for _, s := range []string{"", "head", "head:1", "heads:1.2"} {
		if _, err := trace.ParseWithout(s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}
