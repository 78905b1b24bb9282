package model

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
)

func newExplainer(t *testing.T, m *Model) *Explainer {
	t.Helper()
	e, err := m.NewExplainer()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func explain(t *testing.T, e *Explainer, text Text, o ExplainOptions, labels ...string) []Explanation {
	t.Helper()
	x, err := e.Explain(t.Context(), text, labels, o)
	if err != nil || len(x) != len(labels) {
		t.Fatalf("%d explanations of %d, %v", len(x), len(labels), err)
	}
	return x
}

var explained = []Text{
	{A: "My parcel never came!"}, {A: "the cat, it's broken", B: "it sat on the mat"}, {A: "qqq"}, {},
	{A: strings.Repeat("never came ", 30)},
}

// checkComplete: the contributions add up to the difference of the logits to 1 % of it, or of a fifth where that is less.
func checkComplete(t *testing.T, what string, x *Explanation) {
	t.Helper()
	change := x.Logit - x.Baseline
	if !(math.Abs(x.Sum()-change) <= 0.01*max(0.2, math.Abs(change))) {
		t.Errorf("%s, %q: contributions add up to %g, the logit changes by %g", what, x.Label, x.Sum(), change)
	}
	for _, c := range x.Special {
		if c.Value != 0 {
			t.Errorf("%s: %s contributes %g, though it is part of the baseline", what, c.Word, c.Value)
		}
	}
}

// With 64 steps integrated gradients are complete to 1 %, for every pooling without a maximum. Where tokens take turns at a maximum
// the gradient jumps, and an interval with a jump is as good as its width: of 16 features each matters, so there the bound is 1 %
// with 512 steps. The logit is that of Predict, bit for bit.
func TestExplainComplete(t *testing.T) {
	for _, s := range []string{"pooled", "cls", "mean", "max", "concat:cls,mean,max:-2", "mean:-1..-3", "cls:-2", "concat:pooled,mean:-3"} {
		pooling, err := bert.ParsePooling(s)
		if err != nil {
			t.Fatal(err)
		}
		m := tinyWithHead(t, 3, pooling)
		e, o := newExplainer(t, m), ExplainOptions{}
		if strings.Contains(s, "max") {
			o.Steps = 512
		}
		for _, text := range explained {
			predictions, err := m.Predict(t.Context(), []Text{text})
			if err != nil {
				t.Fatal(err)
			}
			for i, x := range explain(t, e, text, o, m.Labels...) {
				checkComplete(t, fmt.Sprintf("%s, %.30q", s, text), &x)
				if x.Logit != float64(predictions[0].Logits[i]) {
					t.Errorf("%s: logit %v, predicted %v", s, x.Logit, predictions[0].Logits[i])
				}
			}
		}
	}
}

func TestExplainGoldens(t *testing.T) {
	for _, dir := range numerics(t) {
		m := open(t, filepath.Join(dir, "model_with_head"), nil)
		texts, _ := goldenRows(t, dir)
		if testing.Short() {
			texts = texts[:min(len(texts), 3)]
		}
		e := newExplainer(t, m)
		for _, text := range texts {
			for _, x := range explain(t, e, text, ExplainOptions{}, m.Labels...) {
				checkComplete(t, filepath.Base(dir), &x)
			}
		}
	}
}

// Each word's integral is that of the midpoint rule with 2000 steps, which converges by itself, to 1 % of the largest.
func TestExplainIntegral(t *testing.T) {
	const n = 2000
	var places, weights []float64
	for i := range n {
		places, weights = append(places, (float64(i)+0.5)/n), append(weights, 1.0/n)
	}
	m := tinyWithHead(t, 3, bert.Mean)
	e := newExplainer(t, m)
	encoded := m.encode(explained[:1])[0]
	got, err := e.contributions(t.Context(), encoded, 1, ExplainOptions{Method: IntegratedGradients, Steps: 64})
	if err != nil {
		t.Fatal(err)
	}
	want, err := e.integrate(t.Context(), e.lines(encoded, e.baseline(encoded).IDs), 1, places, weights, &ExplainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	largest := max(slices.Max(want), -slices.Min(want))
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= 0.01*largest) {
			t.Errorf("token %d: %g, want %g", i, got[i], want[i])
		}
	}
}

// Gradient × input is the derivative of the logit by a factor of a word's embedding: here by differences through Predict.
func TestExplainGradient(t *testing.T) {
	for _, pooling := range []bert.Pooling{bert.Pooled, bert.Mean} {
		m := tinyWithHead(t, 5, pooling)
		text, label := Text{A: "my cat never came"}, m.Labels[2]
		x := explain(t, newExplainer(t, m), text, ExplainOptions{Method: GradientTimesInput}, label)[0]
		all := append(slices.Clone(x.Words), x.Special...)
		if len(x.Words) != 4 || len(x.Special) != 2 {
			t.Fatalf("%+v", x)
		}
		for _, c := range all {
			id, _ := m.Tokenizer.Vocab().ID(c.Pieces[0])
			row := m.Encoder.Embeddings.Word.Row(int(id))
			kept := slices.Clone(row)
			at := func(h float32) float64 {
				for j := range row {
					row[j] = kept[j] * (1 + h)
				}
				defer copy(row, kept)
				p, err := m.Predict(t.Context(), []Text{text})
				if err != nil {
					t.Fatal(err)
				}
				return float64(p[0].Logits[2])
			}
			d := func(h float32) float64 { return (at(h) - at(-h)) / (2 * float64(h)) }
			want := (4*d(0x1p-6) - d(0x1p-5)) / 3
			if !(math.Abs(c.Value-want) <= 1e-3*max(0.1, math.Abs(want))) { // tensortest.CheckGradient has the bound
				t.Errorf("%s, %s: %g, by differences %g", pooling, c.Word, c.Value, want)
			}
		}
	}
}

// Pieces are joined to words, at their places in the text as it was given; what was cut is not there.
func TestExplainWords(t *testing.T) {
	m := tinyWithHead(t, 3, bert.CLS)
	e := newExplainer(t, m)
	show := func(x *Explanation) string {
		var b strings.Builder
		for _, c := range x.Words {
			fmt.Fprintf(&b, "%s[%s]@%d-%d,%t ", c.Word, strings.Join(c.Pieces, " "), c.Start, c.End, c.Second)
		}
		for _, c := range x.Special {
			b.WriteString(c.Word)
		}
		return b.String()
	}
	x := explain(t, e, Text{A: "My Caté,", B: " it Sat"}, ExplainOptions{Steps: 4}, "joy")[0]
	if got, want := show(&x), "My[my]@0-2,false Caté[cat ##e]@3-8,false ,[,]@8-9,false it[it]@1-3,true Sat[sat]@4-7,true [CLS][SEP][SEP]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	m.MaxSeqLength = 5
	x = explain(t, e, Text{A: "cat xyz on the mat"}, ExplainOptions{Steps: 4}, "joy")[0]
	if got, want := show(&x), "cat[cat]@0-3,false xyz[x ##y]@4-7,false [CLS][SEP]"; got != want || x.Cut != 4 {
		t.Errorf("got  %s, cut %d\nwant %s", got, x.Cut, want)
	}
}

// The bits depend neither on the number of threads nor on the other labels.
func TestExplainBits(t *testing.T) {
	m := tinyWithHead(t, 3, bert.Mean)
	want := fmt.Sprint(explain(t, newExplainer(t, m), explained[1], ExplainOptions{}, "joy"))
	m.threads = 3
	e := newExplainer(t, m)
	if got := fmt.Sprint(explain(t, e, explained[1], ExplainOptions{}, m.Labels[2], "joy")[1:]); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestExplainRefuses(t *testing.T) {
	m := tinyWithHead(t, 3, bert.Mean)
	e := newExplainer(t, m)
	for _, c := range []struct {
		label string
		o     ExplainOptions
		want  string
	}{
		{"gladness", ExplainOptions{}, `no label "gladness"`},
		{"joy", ExplainOptions{Method: "lime"}, `method "lime"`},
		{"joy", ExplainOptions{Steps: -1}, "-1 steps"},
		{"joy", ExplainOptions{Steps: 1 << 40}, "steps"},
	} {
		if _, err := e.Explain(t.Context(), explained[0], []string{c.label}, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Explain(ctx, explained[0], []string{"joy"}, ExplainOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := tiny(t, 1).NewExplainer(); err == nil || !strings.Contains(err.Error(), "no head") {
		t.Errorf("without a head: %v", err)
	}
}

// The rule is exact for polynomials up to degree seven whatever the panels are, and finds a step that a hundredth of the line holds.
func TestQuadrature(t *testing.T) {
	sigmoid := func(a float64) float64 { return 1 / (1 + math.Exp(-(a-0.237)*400)) }
	var values, constant []float64
	for i := range 65 {
		values, constant = append(values, sigmoid(float64(i)/64)), append(constant, 3)
	}
	for name, v := range map[string][]float64{"step": values, "constant": constant} {
		places, weights := quadrature(v, 16)
		if len(places) != 64 || !slices.IsSorted(places) || !(places[0] > 0 && places[63] < 1) {
			t.Errorf("%s: places %v", name, places)
		}
		for degree := range 8 {
			sum := 0.0
			for i, a := range places {
				sum += weights[i] * float64(degree+1) * math.Pow(a, float64(degree))
			}
			if !(math.Abs(sum-1) <= 1e-12) {
				t.Errorf("%s: degree %d has %v, want 1", name, degree, sum)
			}
		}
	}
	places, weights := quadrature(values, 16)
	sum := 0.0
	for i, a := range places {
		s := sigmoid(a)
		sum += weights[i] * 400 * s * (1 - s)
	}
	if want := sigmoid(1) - sigmoid(0); !(math.Abs(sum-want) <= 0.01) {
		t.Errorf("the step has %v, want %v", sum, want)
	}
}

// Cut into steps that another goroutine runs, an explanation has the same bits, no step costs more than it may, and an error ends it.
func TestExplainSteps(t *testing.T) {
	text := Text{A: strings.Repeat("The cat sat on my mat, and it was happy. ", 4)}
	for _, windows := range []tokenizer.Windows{{}, {Most: tokenizer.AllWindows}} {
		m := tinyWithHead(t, 3, bert.Mean)
		m.SetThreads(2)
		m.MaxSeqLength, m.Windows = 16, windows
		e, longest := newExplainer(t, m), 0
		encoded := m.EncodeOne(text)
		for w := range encoded.Sequences() {
			longest = max(longest, len(encoded.Alone(w).IDs))
		}
		if (encoded.Sequences() > 2) != windows.Several() {
			t.Fatalf("%d windows", encoded.Sequences())
		}
		for _, method := range []Method{IntegratedGradients, GradientTimesInput} {
			o := ExplainOptions{Method: method}
			want := explain(t, e, text, o, m.Labels...)
			steps := 0
			o.MaxCost = 50
			o.Run = func(_ context.Context, cost int, step func() error) error {
				if cost > max(o.MaxCost, gradientCost*longest) {
					t.Errorf("a step of %d", cost)
				}
				steps++
				done := make(chan error)
				go func() { done <- step() }()
				return <-done
			}
			if got := explain(t, e, text, o, m.Labels...); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: in steps %+v, want %+v", method, got, want)
			}
			if least := 1 + len(m.Labels)*encoded.Sequences(); steps < least || method == IntegratedGradients && steps < 10*least {
				t.Errorf("%s: %d steps", method, steps)
			}
			o.Run = func(context.Context, int, func() error) error { return io.ErrClosedPipe }
			if _, err := e.Explain(t.Context(), text, m.Labels, o); err != io.ErrClosedPipe {
				t.Errorf("an error of a step: %v", err)
			}
		}
	}
}

// The baseline says nothing: each token of a text is [PAD], and in a vocabulary without it [UNK]; [CLS] and [SEP] stay.
func TestExplainBaseline(t *testing.T) {
	for pad, want := range map[string]string{"[PAD]": "[CLS] [PAD] [PAD] [SEP] [PAD] [SEP]", "[gone]": "[CLS] [UNK] [UNK] [SEP] [UNK] [SEP]"} {
		m := tinyWithHead(t, 1, bert.Pooled)
		vocab, err := tokenizer.NewVocab(append([]string{pad}, tinyVocab()[1:]...))
		if err == nil {
			m.Tokenizer, err = tokenizer.New(vocab, tokenizer.Options{LowerCase: true})
		}
		if err != nil {
			t.Fatal(err)
		}
		e := newExplainer(t, m)
		row := e.baseline(m.encode([]Text{{A: "the cat", B: "the"}})[0])
		if got := strings.Join(m.Tokenizer.Tokens(row.IDs), " "); got != want || len(row.Segments) != 6 {
			t.Errorf("%s: %s, want %s", pad, got, want)
		}
	}
}

// Of a text that has lost its beginning, words are explained by the pieces that the model has read.
func TestExplainTruncateLeft(t *testing.T) {
	m := tinyWithHead(t, 1, bert.Pooled)
	m.Tokenizer = tokenizerWith(t, m, tokenizer.Options{LowerCase: true, TruncateLeft: true})
	m.MaxSeqLength = 5
	e := newExplainer(t, m)
	for text, want := range map[string]string{
		"my zebra came":      "zebra [##r ##a], came [came]",
		"the cat sat on mat": "sat [sat], on [on], mat [mat]",
		"on mat":             "on [on], mat [mat]",
	} {
		x := explain(t, e, Text{A: text}, ExplainOptions{Steps: 4}, m.Labels[0])[0]
		var words []string
		for _, w := range x.Words {
			words = append(words, fmt.Sprintf("%s %s", w.Word, w.Pieces))
		}
		if got := strings.Join(words, ", "); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
