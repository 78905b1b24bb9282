package model

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
)

// someTexts returns n texts of 0 to 60 words, every fourth a pair.
func someTexts(n int) []Text {
	rng, vocab := rand.New(rand.NewPCG(1, 2)), tinyVocab()
	words := func() string {
		var b strings.Builder
		for range rng.IntN(61) {
			b.WriteString(strings.TrimPrefix(vocab[7+rng.IntN(len(vocab)-7)], "##") + " ")
		}
		return b.String()
	}
	texts := make([]Text, n)
	for i := range texts {
		if texts[i].A = words(); i%4 == 0 {
			texts[i].B = words()
		}
	}
	return texts
}

// withThreads returns a model like m that runs on so many threads.
func withThreads(m *Model, threads int) *Model {
	return &Model{Encoder: m.Encoder, Tokenizer: m.Tokenizer, Head: m.Head, Labels: m.Labels, Thresholds: m.Thresholds, Pooling: m.Pooling,
		MaxSeqLength: m.MaxSeqLength, Windows: m.Windows, WindowPooling: m.WindowPooling, Calibration: m.Calibration, threads: threads}
}

// A row of features has the same bits alone, among others in any order, on any number of threads, in both ways through the engine.
func TestFeaturesBits(t *testing.T) {
	m := tiny(t, 1)
	texts := m.encode(someTexts(60))
	rng := rand.New(rand.NewPCG(3, 4))
	for _, pooling := range []bert.Pooling{bert.Pooled, bert.CLS, bert.Mean} {
		alone := make([][]float32, len(texts))
		single := withThreads(m, 1)
		for i := range texts {
			alone[i] = features(t, single, texts[i:i+1], pooling).Data
		}
		for _, threads := range []int{1, 2, 4} {
			with := withThreads(m, threads)
			for i := range texts[:4] { // one text: all threads work on each product
				if !slices.EqualFunc(features(t, with, texts[i:i+1], pooling).Data, alone[i], sameBits) {
					t.Errorf("%v, %d threads: text %d alone has other bits", pooling, threads, i)
				}
			}
			for range 4 {
				order := rng.Perm(len(texts))[:1+rng.IntN(len(texts))]
				mates := make([]tokenizer.Encoding, len(order))
				for r, i := range order {
					mates[r] = texts[i]
				}
				y := features(t, with, mates, pooling)
				for r, i := range order {
					if !slices.EqualFunc(y.Row(r), alone[i], sameBits) {
						t.Errorf("%v, %d threads: text %d has other bits among %d texts", pooling, threads, i, len(order))
					}
				}
			}
		}
		if slices.Equal(alone[0], alone[1]) {
			t.Errorf("%v: different texts have the same features", pooling)
		}
	}
}

func features(t testing.TB, m *Model, texts []tokenizer.Encoding, pooling bert.Pooling) *tensor.Tensor {
	t.Helper()
	y, err := m.Features(t.Context(), texts, pooling, nil)
	if err != nil {
		t.Fatal(err)
	}
	return y
}

func TestFeaturesProgress(t *testing.T) {
	texts := someTexts(50)
	for _, threads := range []int{1, 3} {
		m := withThreads(tiny(t, 1), threads)
		var most, calls atomic.Int64
		_, err := m.Features(t.Context(), m.encode(texts), bert.CLS, func(done int) {
			calls.Add(1)
			for old := most.Load(); int64(done) > old && !most.CompareAndSwap(old, int64(done)); old = most.Load() {
			}
		})
		if err != nil || most.Load() != int64(len(texts)) || calls.Load() < 2 {
			t.Errorf("%d threads: %d texts done in %d reports, %v", threads, most.Load(), calls.Load(), err)
		}
	}
}

// An end that is asked for comes at the next batch, with the cause that was given, and leaves the model usable.
func TestFeaturesCancelled(t *testing.T) {
	cause := errors.New("enough")
	texts := someTexts(200)
	for _, threads := range []int{1, 2, 4} {
		m := withThreads(tinyWithHead(t, 1, bert.CLS), threads)
		encoded := m.encode(texts)
		ctx, cancel := context.WithCancelCause(t.Context())
		var done atomic.Int64
		_, err := m.Features(ctx, encoded, bert.CLS, func(n int) {
			done.Store(int64(n))
			cancel(cause)
		})
		if !errors.Is(err, cause) || done.Load() == int64(len(texts)) {
			t.Errorf("%d threads: %v after %d of %d texts", threads, err, done.Load(), len(texts))
		}
		if _, err := m.Predict(ctx, texts); !errors.Is(err, cause) {
			t.Errorf("%d threads: %v for a context that had ended", threads, err)
		}
		if _, err := m.Predict(t.Context(), texts); err != nil {
			t.Errorf("%d threads: %v afterwards", threads, err)
		}
	}
}

// Calls at the same time do not see each other. The race detector watches.
func TestConcurrentCalls(t *testing.T) {
	m := tinyWithHead(t, 1, bert.Mean)
	texts := someTexts(24)
	want, err := m.Predict(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			from, to := g, len(texts)-g
			if g == 5 {
				to = g + 1 // one text: the other way through the engine
			}
			for range 3 {
				got, err := m.Predict(t.Context(), texts[from:to])
				for i := range got {
					if !slices.EqualFunc(got[i].Logits, want[from+i].Logits, sameBits) {
						t.Errorf("goroutine %d: text %d has other bits", g, from+i)
					}
				}
				if err != nil || len(got) != to-from {
					t.Errorf("goroutine %d: %d predictions, %v", g, len(got), err)
				}
			}
		})
	}
	wg.Wait()
}

func TestOddTexts(t *testing.T) {
	m := tinyWithHead(t, 1, bert.Pooled)
	for _, none := range [][]Text{nil, {}} {
		if got, err := m.Predict(t.Context(), none); err != nil || len(got) != 0 {
			t.Errorf("no texts: %v, %v", got, err)
		}
		if x, err := m.Embed(t.Context(), none, bert.Mean); err != nil || x.Rows != 0 || x.Cols != 16 {
			t.Errorf("no texts: %v, %v", x, err)
		}
	}
	long := strings.Repeat("the cat sat on a mat. ", 1000)
	texts := []Text{{}, {A: " \t\n"}, {A: "\x00\xff"}, {B: "a cat"}, {A: "a"}, {A: "?"}, {A: "日本"}, {A: strings.Repeat("x", 300)},
		{A: long}, {A: long, B: long}, {A: "a", B: long}}
	encoded := m.encode(texts)
	for i, n := range []int{2, 2, 2, 5, 3, 3, 4, 3, 40, 40, 40} {
		if len(encoded[i].IDs) != n || (encoded[i].Cut > 0) != (n == 40) {
			t.Errorf("text %d: %d tokens, %d cut", i, len(encoded[i].IDs), encoded[i].Cut)
		}
	}
	got, err := m.Predict(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range got {
		for l, z := range p.Logits {
			// float32 exponential and division: a few units in the last place
			if want := 1 / (1 + math.Exp(-float64(z))); !(math.Abs(float64(p.Probabilities[l])-want) <= 4*0x1p-24*want) {
				t.Errorf("text %d: probability %v for logit %v, want %v", i, p.Probabilities[l], z, want)
			}
		}
	}
	for i := 1; i < 3; i++ {
		if !slices.Equal(got[i].Logits, got[0].Logits) {
			t.Errorf("text %d has no token, but other logits than the empty text", i)
		}
	}
}

// Rows that the model cannot read are an error that names them.
func TestBadEncodings(t *testing.T) {
	m := tinyWithHead(t, 1, bert.Pooled)
	good := m.encode([]Text{{A: "the cat"}})[0]
	for name, c := range map[string]struct {
		text tokenizer.Encoding
		want string
	}{
		"too long":  {tokenizer.Encoding{IDs: make([]int32, 41), Segments: make([]int32, 41)}, "41 tokens, expected 1 to 40"},
		"no tokens": {tokenizer.Encoding{}, "0 tokens, expected 1 to 40"},
		"unknown id": {tokenizer.Encoding{IDs: []int32{int32(len(tinyVocab()))}, Segments: []int32{0}},
			"id " + number(len(tinyVocab())) + ", expected 0 to "},
		"other segment": {tokenizer.Encoding{IDs: []int32{1}, Segments: []int32{2}}, "segment 2, expected 0 to 1"},
	} {
		for _, texts := range [][]tokenizer.Encoding{{c.text}, {good, c.text, good, good}} {
			_, err := m.PredictEncoded(t.Context(), texts)
			failsWith(t, fmt.Sprint(name, " among ", len(texts)), err, c.want)
		}
	}
	_, err := tiny(t, 1).Predict(t.Context(), []Text{{A: "a"}})
	failsWith(t, "no head", err, "no head")
}

// A logit that is no number is an error that names its text and label, whether it came from weights or bias.
func TestBrokenLogits(t *testing.T) {
	for _, value := range []float32{float32(math.NaN()), float32(math.Inf(-1))} {
		m := tinyWithHead(t, 1, bert.Pooled)
		m.Head.Bias.Value[1] = value
		_, err := m.Predict(t.Context(), []Text{{A: "the cat"}, {A: "a mat"}})
		var broken *LogitError
		if !errors.As(err, &broken) || broken.Text != 0 || broken.Label != m.Labels[1] || tensor.NotFinite([]float32{broken.Logit}) != 0 {
			t.Errorf("bias %v: %v", value, err)
		}
		failsWith(t, fmt.Sprint(value), err, "the logit of label")
	}
	m := tinyWithHead(t, 1, bert.Pooled)
	if err := m.CheckLogits(tensor.From([]float32{0, 1, 2, 3, 4, float32(math.Inf(1))}, 2, 3)); err == nil || err.(*LogitError).Text != 1 {
		t.Errorf("the last of six logits: %v", err)
	}
}

// A label is predicted above its threshold, not at it.
func TestPredicts(t *testing.T) {
	m := tinyWithHead(t, 1, bert.Pooled) // thresholds 0.5, 0.25 and 0.75
	for _, c := range []struct {
		label int
		p     float32
		want  bool
	}{{0, 0.5, false}, {0, math.Nextafter32(0.5, 1), true}, {1, 0.3, true}, {2, 0.7, false}} {
		if m.Predicts(c.label, c.p) != c.want {
			t.Errorf("label %d at %v: predicted %t", c.label, c.p, !c.want)
		}
	}
	if got := m.Predicted(Prediction{Probabilities: []float32{0.5, 0.26, 0.76}}); !slices.Equal(got, m.Labels[1:]) {
		t.Errorf("predicted %q", got)
	}
}

// A fingerprint stands for what decides the features, whatever folder or format it came from.
func TestFingerprint(t *testing.T) {
	print := func(m *Model) string { return string(m.Fingerprint()) }
	m := tiny(t, 1)
	if print(m) != print(tiny(t, 1)) || print(m) != print(open(t, saved(t, m), nil)) || print(m) != print(tinyWithHead(t, 1, bert.CLS)) {
		t.Error("the same encoder has two fingerprints")
	}
	seen := map[string]string{print(m): "itself"}
	for name, change := range map[string]func(m *Model){
		"weights":   func(m *Model) { m.Encoder.Embeddings.Norm.Beta.Value[3]++ },
		"LowerCase": func(m *Model) { m.Tokenizer = tokenizerWith(t, m, tokenizer.Options{}) },
		"KeepTokens": func(m *Model) {
			m.Tokenizer = tokenizerWith(t, m, tokenizer.Options{LowerCase: true, KeepTokens: []string{"[X]"}})
		},
		"config": func(m *Model) { m.Encoder.Config.HiddenAct = "gelu_erf" },
		"vocabulary": func(m *Model) {
			m.vocab = []byte(strings.Replace(string(m.vocab), "broken", "whole", 1))
			m.Tokenizer = tokenizerWith(t, m, m.Tokenizer.Options())
		},
		"seed": func(changed *Model) { changed.Encoder = tiny(t, 2).Encoder },
	} {
		changed := tiny(t, 1)
		change(changed)
		if other, ok := seen[print(changed)]; ok {
			t.Errorf("%s: the fingerprint is that of %s", name, other)
		}
		seen[print(changed)] = name
	}
}

// The batches hold every text once, longest first, none of them much more than its share of the tokens; and threads run them
// side by side only as far as that ends nearly evenly.
func TestSharesOfTexts(t *testing.T) {
	cutting := func(n int, lengths ...int) *featuresRun {
		r := &featuresRun{}
		for _, tokens := range lengths {
			r.texts = append(r.texts, tokenizer.Encoding{IDs: make([]int32, tokens)})
		}
		r.sort()
		r.cut(n)
		return r
	}
	rng := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		n, lengths := 1+rng.IntN(20), make([]int, 1+rng.IntN(60))
		for i := range lengths {
			lengths[i] = 1 + rng.IntN(128)
		}
		r := cutting(n, lengths...)
		next := 0
		for _, b := range r.batches {
			tokens := 0
			for _, s := range r.order[b[0]:b[1]] {
				tokens += r.length(s)
			}
			if b[0] != next || b[1] <= b[0] || tokens > r.tokens/n+128 { // one text may go over the share
				t.Fatalf("%d texts, %d batches: %v, %d tokens of %d in batch %v", len(lengths), n, r.batches, tokens, r.tokens, b)
			}
			next = b[1]
		}
		if next != len(lengths) || len(r.batches) > n {
			t.Fatalf("%d texts, at most %d batches: %v", len(lengths), n, r.batches)
		}
	}
	for _, c := range []struct {
		threads, texts, want int // texts that run side by side
	}{{2, 1, 0}, {2, 2, 2}, {2, 3, 2}, {2, 5, 4}, {2, 10, 10}, {2, 101, 101}, {4, 3, 0}, {4, 4, 4}, {4, 5, 4}, {4, 41, 41}} {
		r := cutting(2*c.threads, slices.Repeat([]int{100}, c.texts)...)
		got := 0
		if r.share(c.threads); r.alone > 0 {
			got = r.batches[r.alone-1][1]
		}
		if got != c.want {
			t.Errorf("%d texts for %d threads: %d side by side, want %d", c.texts, c.threads, got, c.want)
		}
	}
	if r := cutting(4); len(r.batches) != 0 {
		t.Errorf("no texts: batches %v", r.batches)
	}
}

// A pass that is kept for the next call computes with the encoder that the model has then.
func TestEncoderReplaced(t *testing.T) {
	for _, threads := range []int{1, 2} {
		m, other := withThreads(tiny(t, 1), threads), tiny(t, 2)
		texts := m.encode(someTexts(40))
		before := features(t, m, texts, bert.CLS)
		m.Encoder = other.Encoder
		got, want := features(t, m, texts, bert.CLS), features(t, other, texts, bert.CLS)
		if !slices.EqualFunc(got.Data, want.Data, sameBits) || slices.EqualFunc(got.Data, before.Data, sameBits) {
			t.Errorf("%d threads: features are those of the encoder that was there before", threads)
		}
	}
}
