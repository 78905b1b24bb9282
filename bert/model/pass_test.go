package model

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/tensor/parallel"
	"bertlabel/tensor/tensortest"
)

// EncodeOne, Pass and ScoreRow have the bits of Predict for the text alone, in every batch, on any number of threads, in every precision.
func TestPassBits(t *testing.T) {
	dir := saved(t, tinyWithHead(t, 1, bert.Mean))
	for _, precision := range []bert.Precision{bert.FP32, bert.BF16, bert.Int8} {
		m := open(t, dir, &Options{Threads: 2, Precision: precision})
		texts, rng := someTexts(40), rand.New(rand.NewPCG(7, 8))
		want := make([]Prediction, len(texts))
		for i, text := range texts {
			alone, err := m.Predict(t.Context(), []Text{text})
			if err != nil {
				t.Fatal(err)
			}
			want[i] = alone[0]
		}
		for _, threads := range []int{1, 2, 4} {
			pass := m.NewPass(threads)
			for range 6 {
				order := rng.Perm(len(texts))[:rng.IntN(len(texts)+1)]
				mates := make([]tokenizer.Encoding, len(order))
				for r, i := range order {
					mates[r] = m.EncodeOne(texts[i])
				}
				wide := tensor.New(len(order), 20) // the feature may be a view
				features := wide.SliceCols(2, 18)
				if err := pass.Features(&features, mates, m.Pooling); err != nil {
					t.Fatal(err)
				}
				for r, i := range order {
					logits, probabilities := make([]float32, 3), make([]float32, 3)
					if err := m.ScoreRow(features.Row(r), logits, probabilities); err != nil {
						t.Fatal(err)
					}
					if !slices.EqualFunc(logits, want[i].Logits, sameBits) || !slices.EqualFunc(probabilities, want[i].Probabilities, sameBits) {
						t.Errorf("%v, %d threads: text %d has other bits among %d texts", precision, threads, i, len(order))
					}
				}
			}
		}
	}
}

// A pass on one thread or on several allocates nothing once it has seen the largest batch, and holds what Memory says at most.
func TestPassAllocations(t *testing.T) {
	m := tinyWithHead(t, 1, bert.Mean)
	var texts []tokenizer.Encoding
	tokens, longest := 0, 0
	for _, text := range someTexts(12) {
		e := m.EncodeOne(text)
		texts, tokens, longest = append(texts, e), tokens+len(e.IDs), max(longest, len(e.IDs))
	}
	for _, threads := range []int{1, 3} {
		pass, dst := m.NewPass(threads), tensor.New(len(texts), 16)
		logits, probabilities := make([]float32, 3), make([]float32, 3)
		n := 0
		tensortest.NoAllocs(t, fmt.Sprint(threads, " threads"), func() {
			part := dst.SliceRows(0, len(texts)-n%5)
			n++
			if err := pass.Features(&part, texts[:part.Rows], m.Pooling); err != nil {
				t.Fatal(err)
			}
			if err := m.ScoreRow(part.Row(0), logits, probabilities); err != nil {
				t.Fatal(err)
			}
		})
		small, large := pass.Memory(1, 1, 1), pass.Memory(tokens, len(texts), longest)
		if batch := 4*cap(pass.batch.IDs) + 4*cap(pass.batch.Segments) + 8*cap(pass.batch.Offsets); !(small < large && batch < 3*large) {
			t.Errorf("%d threads: memory of %d bytes for a token, %d for %d texts, whose batch holds %d", threads, small, large, len(texts), batch)
		}
	}
	if one := m.NewPass(0); one.threads != m.Threads() {
		t.Errorf("a pass on %d threads, the model has %d", one.threads, m.Threads())
	}
}

// Passes of one model run at once. The race detector watches.
func TestPassesAtOnce(t *testing.T) {
	m := tiny(t, 1)
	texts := m.encode(someTexts(20))
	want := features(t, withThreads(m, 1), texts, bert.CLS)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			pass := m.NewPass(1 + g%2)
			for n := 1; n <= len(texts); n++ {
				y := tensor.New(n, 16)
				if err := pass.Features(y, texts[:n], bert.CLS); err != nil || !slices.EqualFunc(y.Data, want.Data[:16*n], sameBits) {
					t.Errorf("goroutine %d: %d texts have other bits, %v", g, n, err)
				}
			}
		})
	}
	wg.Wait()
}

// What is wrong with a row of tokens or a pooling is an error that leaves the pass and dst as they are; rows of broken weights are none.
func TestPassErrors(t *testing.T) {
	m := tinyWithHead(t, 1, bert.Mean)
	good := m.EncodeOne(Text{A: "the cat"})
	pass, dst := m.NewPass(2), tensor.New(2, 16)
	for _, bad := range []tokenizer.Encoding{{}, {IDs: []int32{1 << 20}, Segments: []int32{0}}, {IDs: []int32{1}, Segments: []int32{2}}} {
		if err := pass.Features(dst, []tokenizer.Encoding{good, bad}, bert.Mean); err == nil || slices.Max(dst.Data) != 0 {
			t.Errorf("tokens %v: %v, wrote %v", bad, err, dst.Data)
		}
	}
	failsWith(t, "a layer there is not", pass.Features(dst, []tokenizer.Encoding{good, good}, "mean:-9"), "mean:-9")
	m.Encoder.Embeddings.Word.Row(int(good.IDs[1]))[3] = float32(math.NaN())
	other := m.EncodeOne(Text{A: "mat"})
	if err := pass.Features(dst, []tokenizer.Encoding{good, other}, bert.Mean); err != nil {
		t.Fatal(err)
	}
	logits, probabilities := make([]float32, 3), make([]float32, 3)
	var feature *FeatureError
	if err := m.ScoreRow(dst.Row(0), logits, probabilities); !errors.As(err, &feature) || feature.Text != 0 || !errors.Is(err, ErrNotFinite) {
		t.Errorf("a row of NaN: %v", err)
	}
	if err := m.ScoreRow(dst.Row(1), logits, probabilities); err != nil {
		t.Errorf("the row beside it: %v", err)
	}
	m.Head.Bias.Value[2] = float32(math.Inf(1))
	var logit *LogitError
	if err := m.ScoreRow(dst.Row(1), logits, probabilities); !errors.As(err, &logit) || logit.Label != m.Labels[2] {
		t.Errorf("an infinite logit: %v", err)
	}
	if p := parallel.Catch(func() { m.ScoreRow(dst.Row(1), logits[:2], probabilities) }); p == nil {
		t.Error("two logits of three labels, and no panic")
	}
}

// A panic in the encoder, on whichever thread, comes to the caller of the pass, of Features and of Predict; all go on after it.
func TestPassPanic(t *testing.T) {
	m := withThreads(tinyWithHead(t, 1, bert.Mean), 3)
	texts := someTexts(60)
	encoded := m.encode(texts)
	want := features(t, m, encoded, bert.Mean)
	pass, dst := m.NewPass(3), tensor.New(len(texts), 16)
	norm := m.Encoder.Layers[1].OutputNorm
	calls := map[string]func(){
		"Pass":              func() { pass.Features(dst, encoded, bert.Mean) },
		"Features":          func() { m.Features(t.Context(), encoded, bert.Mean, nil) },
		"Features of a few": func() { m.Features(t.Context(), encoded[:1], bert.Mean, nil) },
		"Predict":           func() { m.Predict(t.Context(), texts) },
	}
	for name, call := range calls {
		gamma := norm.Gamma
		norm.Gamma = nil // read by the epilogue of a product, on all threads
		for range 5 {
			if p := parallel.Catch(call); p == nil || !strings.Contains(fmt.Sprint(p.Value), "nil pointer") {
				t.Errorf("%s: caught %v", name, p)
			}
		}
		norm.Gamma = gamma
		if p := parallel.Catch(call); p != nil {
			t.Errorf("%s, mended: %v", name, p)
		}
	}
	if !slices.EqualFunc(dst.Data, want.Data, sameBits) {
		t.Error("a pass has other bits after a panic")
	}
}

// ScoreRow has the bits of Score for any number of rows, labels and widths.
func TestScoreRow(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for _, labels := range []int{1, 3, 8, 28, 33} {
		for rows := 1; rows <= 100; rows += 3 {
			head := layers.NewClassifier(labels, 5+rng.IntN(60))
			for _, p := range head.Params() {
				p.Value = normal(rng, p.Size())
			}
			x := tensor.From(normal(rng, rows*head.Weights.Shape[1]), rows, head.Weights.Shape[1])
			logits, probabilities := head.Score(x)
			z, p := make([]float32, labels), make([]float32, labels)
			m := &Model{Head: head}
			for i := range rows {
				if err := m.ScoreRow(x.Row(i), z, p); err != nil {
					t.Fatal(err)
				}
				if !slices.EqualFunc(z, logits.Row(i), sameBits) || !slices.EqualFunc(p, probabilities.Row(i), sameBits) {
					t.Fatalf("%d labels: row %d of %d has other bits", labels, i, rows)
				}
			}
		}
	}
}

func normal(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(3 * rng.NormFloat64())
	}
	return x
}
