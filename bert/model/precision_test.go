package model

import (
	"bytes"
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
	"bertlabel/tensor/tensortest"
)

func cosine(x, y []float32) float64 {
	var xy, xx, yy float64
	for i := range x {
		xy += float64(x[i]) * float64(y[i])
		xx += float64(x[i]) * float64(x[i])
		yy += float64(y[i]) * float64(y[i])
	}
	return xy / math.Sqrt(xx*yy)
}

// englishTexts are sentences of this repository's README, of all lengths.
func englishTexts(t *testing.T) (texts []Text) {
	t.Helper()
	data, err := readFile(filepath.Join("..", "..", "README.md"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range strings.Split(strings.ReplaceAll(string(data), "\n", " "), ". ") {
		if i < 200 && len(s) > 10 {
			texts = append(texts, Text{A: s})
		}
	}
	return texts
}

// TestPrecisionQuality holds embeddings of MiniLM in low precision beside those in float32. The bounds are those that
// docs/precision.md states.
func TestPrecisionQuality(t *testing.T) {
	if testing.Short() {
		t.Skip("not in -short: three passes of a real model")
	}
	dir := tensortest.Shared(t, "models/minilm-l6-uncased")
	features := func(p bert.Precision) *tensor.Tensor {
		m, err := Open(dir, &Options{Precision: p})
		if err != nil {
			t.Fatal(err)
		}
		y, err := m.Embed(context.Background(), englishTexts(t), bert.Mean)
		if err != nil {
			t.Fatal(err)
		}
		return y
	}
	want := features(bert.FP32)
	for _, c := range []struct {
		precision   bert.Precision
		mean, least float64
	}{{bert.BF16, 0.9999, 0.9999}, {bert.Int8, 0.9995, 0.999}} {
		got := features(c.precision)
		mean, least := 0.0, 1.0
		for i := range got.Rows {
			cos := cosine(got.Row(i), want.Row(i))
			mean, least = mean+cos/float64(got.Rows), min(least, cos)
		}
		t.Logf("%v: cosine with float32, mean %.6f, least %.6f of %d texts", c.precision, mean, least, got.Rows)
		if !(mean >= c.mean && least >= c.least) {
			t.Errorf("%v: cosine with float32 is %.6f in the mean and %.6f at least, want %g and %g", c.precision, mean, least, c.mean,
				c.least)
		}
	}
}

// TestPrecisionOption: the option decides what Open and New give, Auto is resolved, and a precision that is no faster is reported in
// one line.
func TestPrecisionOption(t *testing.T) {
	dir := saved(t, tinyWithHead(t, 1, bert.Mean))
	for _, p := range []bert.Precision{bert.FP32, bert.BF16, bert.Int8, bert.Auto} {
		var messages []string
		o := logged(&messages)
		o.Precision = p
		if m := open(t, dir, o); m.Precision() != p.Resolve() {
			t.Errorf("%v: the model is in %v", p, m.Precision())
		}
		if slow := slices.ContainsFunc(messages, func(s string) bool { return strings.Contains(s, "no faster") }); slow == p.Fast() {
			t.Errorf("%v: fast is %v, and the log says %q", p, p.Fast(), messages)
		}
		m, err := New(tinyConfig(), []byte(strings.Join(tinyVocab(), "\n")+"\n"), 1, o)
		if err != nil || m.Precision() != p.Resolve() {
			t.Errorf("%v: New gives a model in %v (%v)", p, m.Precision(), err)
		}
	}
}

// TestPrecisionPredict: predictions in low precision are near those in float32, the same for any batch and threads, and explained.
func TestPrecisionPredict(t *testing.T) {
	source := tinyWithHead(t, 2, bert.Mean)
	dir := saved(t, source)
	texts := []Text{{A: "the cat sat on the mat"}, {A: "broken"}, {A: "my parcel never came", B: "it is broken"}, {}}
	want, err := source.Predict(context.Background(), texts)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []bert.Precision{bert.BF16, bert.Int8} {
		var first []Prediction
		for threads := 1; threads <= 3; threads++ {
			m := open(t, dir, &Options{Precision: p, Threads: threads})
			got, err := m.Predict(context.Background(), texts)
			if err != nil {
				t.Fatal(err)
			}
			for i := range texts {
				alone, err := m.Predict(context.Background(), texts[i:i+1])
				if err != nil || !slices.Equal(alone[0].Logits, got[i].Logits) {
					t.Errorf("%v, %d threads: text %d has other logits alone (%v)", p, threads, i, err)
				}
				if threads > 1 && !slices.Equal(got[i].Logits, first[i].Logits) {
					t.Errorf("%v: text %d has other logits with %d threads than with 1", p, i, threads)
				}
				for j, z := range got[i].Logits {
					if diff := math.Abs(float64(z - want[i].Logits[j])); !(diff < 0.1) {
						t.Errorf("%v: logit %d of text %d is %g, in float32 %g", p, j, i, z, want[i].Logits[j])
					}
				}
			}
			first = got
		}
	}
}

// TestPrecisionExplain: explanations of a low-precision model have its logits, and contributions that add up to nearly their difference.
func TestPrecisionExplain(t *testing.T) {
	dir := saved(t, tinyWithHead(t, 3, bert.Mean))
	for _, p := range []bert.Precision{bert.BF16, bert.Int8} {
		m := open(t, dir, &Options{Precision: p})
		e, err := m.NewExplainer()
		if err != nil {
			t.Fatal(err)
		}
		text := Text{A: "the cat sat on the mat"}
		x, err := e.Explain(context.Background(), text, m.Labels[:1], ExplainOptions{})
		if err != nil {
			t.Fatal(err)
		}
		predictions, err := m.Predict(context.Background(), []Text{text})
		if err != nil || x[0].Logit != float64(predictions[0].Logits[0]) {
			t.Errorf("%v: explained logit %g, predicted %v (%v)", p, x[0].Logit, predictions, err)
		}
		if diff := math.Abs(x[0].Sum() - (x[0].Logit - x[0].Baseline)); !(diff < 0.1) {
			t.Errorf("%v: contributions add up to %g, the logits differ by %g", p, x[0].Sum(), x[0].Logit-x[0].Baseline)
		}
	}
}

// TestPrecisionIdentity: a model in another precision has another fingerprint, always the same, and cannot be saved.
func TestPrecisionIdentity(t *testing.T) {
	source := tinyWithHead(t, 4, bert.CLS)
	dir, seen := saved(t, source), map[string]bert.Precision{string(source.Fingerprint()): bert.FP32}
	if m := open(t, dir, nil); !bytes.Equal(m.Fingerprint(), source.Fingerprint()) {
		t.Error("a saved model has another fingerprint")
	}
	for _, p := range []bert.Precision{bert.BF16, bert.Int8} {
		m := open(t, dir, &Options{Precision: p})
		if other, ok := seen[string(m.Fingerprint())]; ok {
			t.Errorf("%v has the fingerprint of %v", p, other)
		}
		seen[string(m.Fingerprint())] = p
		if again := open(t, dir, &Options{Precision: p, Threads: 2}); !bytes.Equal(again.Fingerprint(), m.Fingerprint()) {
			t.Errorf("%v: opened again it has another fingerprint", p)
		}
		if err := m.Save(filepath.Join(t.TempDir(), "model"), nil); err == nil || !strings.Contains(err.Error(), p.String()) {
			t.Errorf("%v: Save gives %v", p, err)
		}
	}
}

// TestPredictionFingerprint: a model has one in all precisions, and another one once a kernel, a threshold or the head has changed.
func TestPredictionFingerprint(t *testing.T) {
	source := tinyWithHead(t, 6, bert.Mean)
	dir, want := saved(t, source), string(source.PredictionFingerprint())
	for _, p := range []bert.Precision{bert.FP32, bert.BF16, bert.Int8} {
		for threads := 1; threads <= 2; threads++ {
			if got := open(t, dir, &Options{Precision: p, Threads: threads}).PredictionFingerprint(); string(got) != want {
				t.Errorf("%v, %d threads: %x, want %x", p, threads, got, want)
			}
		}
	}
	seen := map[string]string{want: "the model"}
	for what, change := range map[string]func(m *Model){
		"a kernel":    func(m *Model) { m.Encoder.Layers[0].Query.Kernel.Value[1] += 1e-3; m.Encoder.Pack() },
		"the head":    func(m *Model) { m.Head.Params()[0].Value[0] += 1e-3 },
		"a threshold": func(m *Model) { m.Thresholds[0] = 0.3 },
		"the length":  func(m *Model) { m.MaxSeqLength-- },
		"exactly one": func(m *Model) { m.ExactlyOne = true },
	} {
		m := tinyWithHead(t, 6, bert.Mean)
		change(m)
		got := string(open(t, saved(t, m), &Options{Precision: bert.Int8}).PredictionFingerprint())
		if other, found := seen[got]; found {
			t.Errorf("%s changed: the fingerprint is that of %s", what, other)
		}
		seen[got] = what
	}
}

// TestPrecisionNotFinite: a text whose rows are NaN is refused with an error that names it; the others alone are not.
func TestPrecisionNotFinite(t *testing.T) {
	dir := saved(t, tinyWithHead(t, 5, bert.Mean))
	for _, p := range []bert.Precision{bert.BF16, bert.Int8} {
		m := open(t, dir, &Options{Precision: p})
		m.Encoder.Embeddings.Word.Row(8)[3] = float32(math.NaN())
		encoded := []tokenizer.Encoding{{IDs: []int32{2, 7, 3}, Segments: []int32{0, 0, 0}},
			{IDs: []int32{2, 8, 3}, Segments: []int32{0, 0, 0}}}
		_, err := m.Features(context.Background(), encoded, bert.CLS, nil)
		if !errors.Is(err, ErrNotFinite) || !strings.Contains(err.Error(), "text 1") {
			t.Errorf("%v: features of a text with NaN: %v", p, err)
		}
		if _, err := m.Features(context.Background(), encoded[:1], bert.CLS, nil); err != nil {
			t.Errorf("%v: features of a text without NaN: %v", p, err)
		}
	}
}
