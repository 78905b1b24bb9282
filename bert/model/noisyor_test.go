package model

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
)

// noisy returns windowed that reads windows by noisy-or, with logits on both sides of where the windows make the text sure.
func noisy(t *testing.T, pooling bert.Pooling) *Model {
	t.Helper()
	m := windowed(t, pooling)
	m.WindowPooling = NoisyOr
	for l := range m.Head.Bias.Value {
		m.Head.Bias.Value[l] -= float32(2 * l)
	}
	return m
}

// calibrated is noisy with a calibration of two of the three labels.
func calibrated(t *testing.T, pooling bert.Pooling) *Model {
	t.Helper()
	m := noisy(t, pooling)
	m.Calibrate([]float64{1, 0.7, 1.5}, []float64{0, 0.4, -0.2})
	m.Calibration[0] = Calibration{}
	return m
}

// TestNoisyOr: what a model says of a text is the definition, over what it says of each window as a text of its own; texts of one window
// have the bits that they have by features; and the bits of a text depend on nothing but it, in every way there is to ask.
func TestNoisyOr(t *testing.T) {
	texts := append(longTexts(12, 60), Text{}, Text{A: "the cat"}, Text{A: "the cat", B: strings.Repeat("sat on the mat ", 9)})
	rng := rand.New(rand.NewPCG(3, 3))
	for _, pooling := range []bert.Pooling{bert.Pooled, bert.Mean, poolingsOfAll} {
		for _, m := range []*Model{noisy(t, pooling), calibrated(t, pooling)} {
			encoded := m.encode(texts)
			got, err := m.PredictEncoded(t.Context(), encoded)
			if err != nil {
				t.Fatal(err)
			}
			joined := windowed(t, pooling)
			copy(joined.Head.Bias.Value, m.Head.Bias.Value)
			byFeatures, err := joined.PredictEncoded(t.Context(), encoded)
			if err != nil {
				t.Fatal(err)
			}
			for i := range texts {
				windows, _ := Separate(encoded[i : i+1])
				alone, err := joined.PredictEncoded(t.Context(), windows)
				if err != nil {
					t.Fatal(err)
				}
				for l, z := range got[i].Logits {
					odds := 1.0 // Π(1 + e^z_w) − 1
					for _, w := range alone {
						odds *= 1 + math.Exp(float64(w.Logits[l]))
					}
					want := m.calibration(l).of(math.Log(odds - 1))
					if !(math.Abs(float64(z)-want) <= 1e-6*max(1, math.Abs(want))) { // one float32 for the logit
						t.Errorf("%v: text %d, %s: logit %v, want %v", pooling, i, m.Labels[l], z, want)
					}
					if p, q := float64(got[i].Probabilities[l]), 1/(1+math.Exp(-want)); !(math.Abs(p-q) <= 1e-6) { // a logit rounded to float32
						t.Errorf("%v: text %d, %s: probability %v, want %v", pooling, i, m.Labels[l], p, q)
					}
				}
				if len(windows) == 1 && m.Calibration == nil && !slices.EqualFunc(got[i].Logits, byFeatures[i].Logits, sameBits) {
					t.Errorf("%v: text %d of one window has other bits than by features", pooling, i)
				}
			}
			m.sameEverywhere(t, rng, texts, got)
		}
	}
}

// sameEverywhere asks a model for the texts in other ways.
func (m *Model) sameEverywhere(t *testing.T, rng *rand.Rand, texts []Text, want []Prediction) {
	t.Helper()
	same := func(what string, i int, logits, probabilities []float32) {
		t.Helper()
		if !slices.EqualFunc(logits, want[i].Logits, sameBits) || !slices.EqualFunc(probabilities, want[i].Probabilities, sameBits) {
			t.Errorf("%v, %s: text %d has other bits", m.Pooling, what, i)
		}
	}
	for _, threads := range []int{1, 3} {
		with, order := withThreads(m, threads), rng.Perm(len(texts))[:5]
		mates := make([]Text, len(order))
		for r, i := range order {
			mates[r] = texts[i]
		}
		p, err := with.Predict(t.Context(), mates)
		if err != nil {
			t.Fatal(err)
		}
		for r, i := range order {
			same("among others", i, p[r].Logits, p[r].Probabilities)
		}
	}
	encoded := m.encode(texts)
	features, logits, probabilities, err := m.ScoreEncoded(t.Context(), encoded, nil)
	if err != nil {
		t.Fatal(err)
	}
	embedded, err := m.Embed(t.Context(), texts, m.Pooling)
	if err != nil || !slices.Equal(features.Data, embedded.Data) {
		t.Errorf("%v: features are not those of Embed, %v", m.Pooling, err)
	}
	shared, shares, err := m.PredictWindows(t.Context(), encoded, texts)
	if err != nil {
		t.Fatal(err)
	}
	windows, first, err := m.WindowFeatures(t.Context(), encoded, m.Pooling, nil)
	if err != nil {
		t.Fatal(err)
	}
	z, p := make([]float32, len(m.Labels)), make([]float32, len(m.Labels))
	for i := range texts {
		same("ScoreEncoded", i, logits.Row(i), probabilities.Row(i))
		same("PredictWindows", i, shared[i].Logits, shared[i].Probabilities)
		parts := windows.SliceRows(first[i], first[i+1])
		if err := m.ScoreRow(parts.Data, z, p); err != nil {
			t.Fatal(err)
		}
		same("ScoreRow", i, z, p)
		checkPassages(t, texts[i], &encoded[i], shares[i])
		for l, logit := range want[i].Logits {
			sum := 0.0
			for _, s := range shares[i] {
				sum += s.Shares[l]
			}
			whole := math.Log1p(math.Exp(float64(logit))) // −ln(1 − p)
			if !(math.Abs(sum-whole) <= 1e-13*whole) {    // both of the same logit, in float64
				t.Errorf("%v: the shares of text %d add up to %v, −ln(1 − p) is %v", m.Pooling, i, sum, whole)
			}
		}
	}
}

// TestNoisyOrBroken names the text of a window, and a logit that is no number.
func TestNoisyOrBroken(t *testing.T) {
	m := noisy(t, bert.Mean)
	texts := longTexts(6, 60)
	m.Head.Bias.Value[1] = float32(math.Inf(1))
	broken, is := m.logitError(texts)
	if !is || broken.Text != 0 || broken.Label != m.Labels[1] {
		t.Errorf("an infinite bias: %+v", broken)
	}
	m = noisy(t, bert.Mean)
	var rare int32
	for i := range m.Tokenizer.Vocab().Size() {
		if m.Tokenizer.Token(int32(i)) == "mat" {
			rare = int32(i)
		}
	}
	m.Encoder.Embeddings.Word.Row(int(rare))[0] = float32(math.NaN())
	texts = []Text{{A: strings.Repeat("the cat ", 30)}, {A: strings.Repeat("the cat ", 30) + "mat"}}
	_, err := m.Predict(t.Context(), texts)
	if feature, is := err.(*FeatureError); !is || feature.Text != 1 {
		t.Errorf("a broken word in the last window of text 1: %v", err)
	}
}

func (m *Model) logitError(texts []Text) (*LogitError, bool) {
	_, err := m.Predict(context.Background(), texts)
	broken, is := err.(*LogitError)
	return broken, is
}

// TestNoisyOrFolder: a folder keeps how windows are read and the calibration, outputs carry it, and digests tell models apart.
func TestNoisyOrFolder(t *testing.T) {
	texts := longTexts(5, 60)
	m := calibrated(t, bert.Mean)
	want, err := m.Predict(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	dir := saved(t, m)
	again := open(t, dir, nil)
	got, err := again.Predict(t.Context(), texts)
	if err != nil || again.WindowPooling != NoisyOr || !slices.Equal(again.Calibration, m.Calibration) {
		t.Fatalf("%v, %q, %v", err, again.WindowPooling, again.Calibration)
	}
	for i := range texts {
		if !slices.EqualFunc(got[i].Logits, want[i].Logits, sameBits) {
			t.Errorf("text %d has other bits from the folder", i)
		}
	}
	var settings struct {
		FormatVersion int `json:"format_version"`
		Calibration   map[string]Calibration
	}
	text, err := os.ReadFile(filepath.Join(dir, "bertlabel.json"))
	if err == nil {
		err = json.Unmarshal(text, &settings)
	}
	if err != nil || settings.FormatVersion != 2 || len(settings.Calibration) != 2 {
		t.Errorf("%v: bertlabel.json has %+v", err, settings)
	}
	for i, other := range []func(*Model){func(m *Model) { m.WindowPooling, m.Calibration = PoolFeatures, nil },
		func(m *Model) { m.Calibration = nil }, func(m *Model) { m.Calibration[1].Intercept += 0.1 }} {
		changed := open(t, dir, nil)
		other(changed)
		if slices.Equal(changed.Digest(), again.Digest()) || slices.Equal(changed.PredictionFingerprint(), again.PredictionFingerprint()) {
			t.Errorf("change %d has the digest or the fingerprint of the model", i)
		}
	}
	outputs := again.Outputs()
	again.SetOutputs([]Output{outputs[2], outputs[0]})
	if want := []Calibration{m.Calibration[2], {}}; !slices.Equal(again.Calibration, want) {
		t.Errorf("outputs carry %v, want %v", again.Calibration, want)
	}
	if again.SetOutputs(outputs[:1]); again.Calibration != nil {
		t.Errorf("an output without calibration has %v", again.Calibration)
	}
	again = open(t, dir, nil)
	again.Calibrate([]float64{2, 2, 2}, []float64{1, 1, 1})
	if want := (Calibration{2 * 0.7, 2*0.4 + 1}); again.Calibration[1] != want || again.Calibration[0] != (Calibration{2, 1}) {
		t.Errorf("calibrated twice: %v", again.Calibration)
	}
	for _, c := range [][2]string{{`"slope": 0.7`, `"slope": -0.7`}, {`"window_pooling": "noisy-or"`, `"window_pooling": "features"`},
		{`"calibration": {`, `"calibration": {"sorrow": {"slope": 1}, `}} {
		broken := strings.Replace(string(text), c[0], c[1], 1)
		if err := os.WriteFile(filepath.Join(dir, "bertlabel.json"), []byte(broken), 0o666); err != nil || broken == string(text) {
			t.Fatal(err, c)
		}
		_, err := Open(dir, nil)
		failsWith(t, c[1], err, "bertlabel.json", "calibration")
	}
}

// TestNoisyOrExplain: contributions are complete, shares add up to −ln(1 − p), and gradient × input is the derivative of the text's
// calibrated logit by a word's embedding in all windows that have it.
func TestNoisyOrExplain(t *testing.T) {
	text := Text{A: "my parcel never came and the cat sat on the mat it is broken and it never came 1 2 3 4 5 6 7 8 9 0"}
	for _, pooling := range []bert.Pooling{bert.Mean, "concat:pooled,cls"} {
		m := calibrated(t, pooling)
		p, err := m.Predict(t.Context(), []Text{text})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range explain(t, newExplainer(t, m), text, ExplainOptions{Steps: 64}, m.Labels...) {
			checkComplete(t, string(pooling), &x)
			sum, whole := 0.0, math.Log1p(math.Exp(x.Logit))
			for _, w := range x.Windows {
				sum += w.Share
			}
			if len(x.Windows) < 3 || x.WindowPooling != NoisyOr || !(math.Abs(sum-whole) <= 1e-13*whole) {
				t.Errorf("%s: %d windows whose shares add up to %v, −ln(1 − p) is %v", pooling, len(x.Windows), sum, whole)
			}
			if got := float64(p[0].Logits[slices.Index(m.Labels, x.Label)]); got != x.Logit {
				t.Errorf("%s: explained logit %v, predicted %v", x.Label, x.Logit, got)
			}
		}
	}
	m := calibrated(t, bert.Mean)
	for _, text := range []Text{text, {A: "the parcel is on the mat"}} { // several windows, one
		x := explain(t, newExplainer(t, m), text, ExplainOptions{Method: GradientTimesInput}, m.Labels[2])[0]
		checkDerivatives(t, m, text, &x, 2)
	}
}

// checkDerivatives holds gradient × input to differences, for words that stand once in the text.
func checkDerivatives(t *testing.T, m *Model, text Text, x *Explanation, label int) {
	t.Helper()
	for _, c := range x.Words {
		if len(c.Pieces) > 1 || !strings.Contains("parcel mat 1 5 9", c.Word) {
			continue
		}
		id, _ := m.Tokenizer.Vocab().ID(c.Pieces[0])
		row := m.Encoder.Embeddings.Word.Row(int(id))
		own := slices.Clone(row)
		at := func(h float32) float64 {
			for j := range row {
				row[j] = own[j] * (1 + h)
			}
			defer copy(row, own)
			p, err := m.Predict(t.Context(), []Text{text})
			if err != nil {
				t.Fatal(err)
			}
			return float64(p[0].Logits[label])
		}
		d := func(h float32) float64 { return (at(h) - at(-h)) / (2 * float64(h)) }
		want := (4*d(0x1p-6) - d(0x1p-5)) / 3
		if !(math.Abs(c.Value-want) <= 1e-3*max(0.1, math.Abs(want))) { // as in TestExplainGradient
			t.Errorf("%s: %g, by differences %g", c.Word, c.Value, want)
		}
	}
}

// TestNoisyOrProgress: what is told of texts ends with their number.
func TestNoisyOrProgress(t *testing.T) {
	m := withThreads(noisy(t, bert.Mean), 1)
	texts, done := m.encode(longTexts(9, 80)), 0
	var features *tensor.Tensor
	features, first, err := m.WindowFeatures(t.Context(), texts, m.Pooling, func(n int) { done = n })
	if err != nil || done != len(texts) || features.Rows != first[len(texts)] || !(features.Rows > len(texts)) {
		t.Errorf("%d of %d texts, %d windows, %v, %v", done, len(texts), features.Rows, first, err)
	}
	one := tokenizer.Encoding{IDs: texts[0].IDs[:3], Segments: texts[0].Segments[:3]}
	if windows, first := Separate([]tokenizer.Encoding{one}); len(windows) != 1 || !slices.Equal(first, []int{0, 1}) {
		t.Errorf("a text of one window: %v", first)
	}
}
