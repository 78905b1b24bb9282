package queue

import (
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/layers"
)

// fit finds the cost that made the samples, and leaves out what would be negative.
func TestFit(t *testing.T) {
	want := cost{a: 1e-4, b: 3e-4, c: 2e-8, r: 1}
	var samples []sample
	for _, x := range [][2]float64{{16, 256}, {64, 1024}, {256, 4096}, {512, 512 * 512}} {
		samples = append(samples, sample{x[0], x[1], want.estimate(x[0], x[1])})
	}
	near := func(x, y float64) bool { return math.Abs(x-y) <= 1e-6*y } // of a system with a condition of about 1e5
	if k := fit(samples); !near(k.a, want.a) || !near(k.b, want.b) || !near(k.c, want.c) || k.r != 1 {
		t.Errorf("fit %+v, want %+v", k, want)
	}
	for i := range samples {
		samples[i].took = 1e-4*samples[i].n - 1e-5 // b < 0
	}
	if k := fit(samples); !(k.a > 0) || k.b != 0 || k.c != 0 {
		t.Errorf("fit %+v of times that shrink", k)
	}
	if k := fit(nil); !(k.a > 0) || !(k.estimate(1, 1) > 0) {
		t.Errorf("fit of nothing %+v", k)
	}
}

// The correction goes a twentieth of the way, and stays in its bounds.
func TestCorrect(t *testing.T) {
	k := cost{a: 1e-4, b: 3e-4, r: 1}
	k.correct(100, 0, 2*k.estimate(100, 0))
	if math.Abs(k.r-1.05) > 1e-12 {
		t.Errorf("r %v after one pass that took twice its time", k.r)
	}
	for range 1000 {
		k.correct(100, 0, 3*0.0103)
	}
	if math.Abs(k.r-3) > 1e-9 {
		t.Errorf("r %v, want 3", k.r)
	}
	for _, c := range []struct{ took, want float64 }{{100, 4}, {0, 0.25}} {
		for range 1000 {
			k.correct(100, 0, c.took)
		}
		if k.r != c.want {
			t.Errorf("r %v, want the bound %v", k.r, c.want)
		}
	}
}

// A slow machine shows in the estimates while the queue serves, so it admits less.
func TestCorrectionWhileServing(t *testing.T) {
	engine := newSleeper()
	bubble(t, Options{Threads: 1}, engine, func(t *testing.T, q *Queue, target *Target) {
		alone, _, _ := q.Costs(target)
		if math.Abs(alone.PerToken-101e-6) > 1e-9 || math.Abs(alone.PerPass-350e-6) > 1e-8 || alone.Correction != 1 {
			t.Errorf("measured %+v", alone)
		}
		engine.factor.Store(2)
		for i := range 200 {
			do(t, q, Request{Target: target, Texts: texts(1, i, 20)})
		}
		if alone, _, _ = q.Costs(target); math.Abs(alone.Correction-2) > 0.01 {
			t.Errorf("correction %v on a machine that has become twice as slow", alone.Correction)
		}
	})
}

// The first guess, of two passes, is near enough to serve with.
func TestGuess(t *testing.T) {
	k := newSleeper().alone
	alone, team := guess(k.estimate(64, 0), k.estimate(16, 0), 2)
	if math.Abs(alone.a-k.a) > 1e-9 || math.Abs(alone.b-k.b) > 1e-9 || team.a >= alone.a || team.b <= alone.b {
		t.Errorf("guess %+v, %+v", alone, team)
	}
	for _, c := range [][2]float64{{1e-3, 5e-3}, {0, 0}, {1, 1e-9}} { // a cold first pass, a clock that stands still, a slow second
		if alone, team := guess(c[0], c[1], 2); !(alone.a > 0) || alone.b < 0 || !(team.a > 0) {
			t.Errorf("guess of %v: %+v, %+v", c, alone, team)
		}
	}
}

// fair is a heap with removals; tokens and flows are counted right through any sequence.
func TestFairCounts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var f fair
	waiting := map[*entry]bool{}
	for range 20000 {
		switch {
		case rng.IntN(2) == 0:
			e := &entry{text: text(1, 1+rng.IntN(50))}
			f.push(e, string(rune('a'+rng.IntN(200))), rng.Float64())
			waiting[e] = true
		case len(f.heap) > 0 && rng.IntN(2) == 0:
			e := f.pop()
			for other := range waiting {
				if other.start < e.start {
					t.Fatal("a text with a smaller tag waits")
				}
			}
			delete(waiting, e)
			f.served(e)
		case len(f.heap) > 0:
			e := f.heap[rng.IntN(len(f.heap))]
			f.remove(e)
			delete(waiting, e)
		}
		tokens := 0
		for e := range waiting {
			tokens += e.tokens()
		}
		if tokens != f.tokens || len(waiting) != len(f.heap) || len(waiting) == 0 && len(f.flows) != 0 {
			t.Fatalf("%d tokens of %d texts, counted %d of %d, %d flows", tokens, len(waiting), f.tokens, len(f.heap), len(f.flows))
		}
		if len(waiting) > 300 {
			for e := range waiting {
				f.remove(e)
				delete(waiting, e)
			}
		}
	}
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(100)
		if err := b.Claim(t.Context(), 101, time.Hour); !errors.Is(err, ErrBytes) {
			t.Errorf("more than there is: %v", err)
		}
		if err := b.Claim(t.Context(), 80, 0); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := b.Claim(t.Context(), 30, time.Second); !errors.Is(err, ErrBytes) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := b.Claim(ctx, 30, time.Hour); err != io.EOF {
				t.Errorf("cancelled: %v", err)
			}
		})
		time.Sleep(time.Millisecond)
		wg.Go(func() { // behind the one that leaves
			if err := b.Claim(t.Context(), 20, time.Hour); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(time.Millisecond)
		cancel(io.EOF)
		wg.Wait()
		if b.Used() != 100 {
			t.Errorf("%d bytes used", b.Used())
		}
		wg.Go(func() {
			if err := b.Claim(t.Context(), 70, time.Hour); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(time.Millisecond)
		b.Release(80)
		wg.Wait()
		b.Release(90)
		if b.Used() != 0 {
			t.Errorf("%d bytes used at the end", b.Used())
		}
		defer func() {
			if recover() == nil {
				t.Error("releasing what nobody claimed is taken")
			}
		}()
		b.Release(1)
	})
}

// The cache keeps what was asked for last, within its bytes, and nothing that another scope, engine, token or segment would find.
func TestCache(t *testing.T) {
	base := tokenizer.Encoding{IDs: []int32{1, 2, 3}, Segments: []int32{0, 0, 1}}
	keys := map[Key]bool{}
	for _, engine := range []string{"a", "b", "ab"} {
		for _, scope := range []string{"", "b", "k"} {
			for _, ids := range [][]int32{{1, 2, 3}, {1, 2}, {3, 2, 1}, {257, 2, 3}} {
				for _, segment := range []int32{0, 1} {
					keys[NewKey([]byte(engine), scope, &tokenizer.Encoding{IDs: ids, Segments: []int32{0, segment, 1}})] = true
				}
			}
		}
	}
	if len(keys) != 3*3*4*2 {
		t.Errorf("%d keys of 72 texts", len(keys))
	}
	const width = 64
	c := NewCache(cacheShards * 10 * (4*width + entryOverhead)) // ten each
	key := func(i int) Key { k := NewKey(nil, "", &base); k[0], k[1], k[2] = 0, byte(i), byte(i>>8); return k }
	feature := func(i int) []float32 { return slices.Repeat([]float32{float32(i)}, width) }
	for i := range 1000 {
		c.Put(key(i), feature(i))
		if got := c.Get(key(0)); got == nil || got[width-1] != 0 {
			t.Fatalf("what is always asked for is gone after %d", i)
		}
	}
	for i := range 1000 {
		if got := c.Get(key(i)); (got != nil) != (i == 0 || i > 990) || got != nil && got[3] != float32(i) {
			t.Errorf("feature %d: %v", i, got)
		}
	}
	if c.Bytes() != 10*(4*width+entryOverhead) {
		t.Errorf("%d bytes", c.Bytes())
	}
	c.Put(key(5000), make([]float32, 1<<20))
	none := NewCache(0)
	none.Put(key(0), feature(1))
	if c.Get(key(5000)) != nil || c.Get(key(0)) == nil || none.Get(key(0)) != nil {
		t.Error("a feature over the limit is kept, or drives out others")
	}
}

// A real model: many requests at once, each text with the bits of Predict, whatever stands beside it. The race detector watches.
func TestModelBits(t *testing.T) {
	m := tinyModel(t)
	vocab := strings.Fields("the cat sat on a mat dog ran home")
	rng := rand.New(rand.NewPCG(3, 4))
	var all []model.Text
	for range 60 {
		var b strings.Builder
		for range rng.IntN(12) {
			b.WriteString(vocab[rng.IntN(len(vocab))] + " ")
		}
		all = append(all, model.Text{A: b.String()})
	}
	want, err := m.Predict(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	q := New(Options{Threads: 2, MaxWait: time.Hour})
	defer q.Close(t.Context())
	target, err := q.NewTarget(Encoder(m, m.Pooling))
	if err != nil {
		t.Fatal(err)
	}
	if q.Memory(target) <= 0 {
		t.Error("passes take no memory")
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 9))
			for range 20 {
				places := rng.Perm(len(all))[:1+rng.IntN(9)]
				r := Request{Target: target, Class: Class(g % 2), Flow: string(rune('a' + g))}
				for _, i := range places {
					r.Texts = append(r.Texts, m.EncodeOne(all[i]))
				}
				result, err := q.Do(t.Context(), r)
				if err != nil {
					t.Error(err)
					return
				}
				for row, i := range places {
					logits, probabilities := make([]float32, 2), make([]float32, 2)
					if err := m.ScoreRow(result.Features.Row(row), logits, probabilities); err != nil || !slices.Equal(logits, want[i].Logits) {
						t.Errorf("text %d: %v, want %v, %v", i, logits, want[i].Logits, err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func tinyModel(t *testing.T) *model.Model {
	c := bert.DefaultConfig()
	vocab := strings.Fields("[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on a mat dog ran home")
	c.VocabSize, c.HiddenSize, c.NumHiddenLayers, c.NumAttentionHeads, c.IntermediateSize = len(vocab), 16, 2, 2, 32
	c.MaxPositionEmbeddings, c.TypeVocabSize = 24, 2
	m, err := model.New(c, []byte(strings.Join(vocab, "\n")), 1, &model.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	head := layers.NewClassifier(2, 16)
	head.Weights.Value, head.Bias.Value = make([]float32, 32), []float32{0.5, -0.5}
	for i := range head.Weights.Value {
		head.Weights.Value[i] = float32(rng.NormFloat64())
	}
	m.SetHead(head, []string{"animal", "place"}, bert.Mean)
	return m
}
