package bert

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"bertlabel/asm"
	"bertlabel/tensor"
	"bertlabel/tensor/tensortest"
)

// small returns a model with random weights, of sizes that are no multiple of any tile.
func small(t testing.TB, layers, hidden, heads int) *Model {
	t.Helper()
	c := DefaultConfig()
	c.VocabSize, c.TypeVocabSize, c.MaxPositionEmbeddings = 500, 2, 64
	c.NumHiddenLayers, c.HiddenSize, c.NumAttentionHeads, c.IntermediateSize = layers, hidden, heads, 4*hidden
	c.InitializerRange = 0.2 // large enough that the layers are far from linear
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	m.Init(rand.New(rand.NewPCG(1, 2)))
	return m
}

func randomText(rng *rand.Rand, c *Config, tokens int) (ids, segments []int32) {
	for i := range tokens {
		ids = append(ids, rng.Int32N(int32(c.VocabSize)))
		segments = append(segments, int32(2*i/tokens))
	}
	return ids, segments
}

// TestSameBitsInEveryBatch runs texts alone, in batches with random mates in random order, and with 1, 2 and 4 workers: the
// hidden states, the [CLS] rows of the shortened last layer, and all features have the same bits.
func TestSameBitsInEveryBatch(t *testing.T) {
	for _, size := range [][3]int{{2, 32, 4}, {3, 48, 3}, {1, 40, 1}, {2, 128, 2}} {
		m := small(t, size[0], size[1], size[2])
		h := m.Config.HiddenSize
		rng := rand.New(rand.NewPCG(3, 4))
		texts := 40
		if testing.Short() {
			texts = 8
		}
		ids, segments := make([][]int32, texts), make([][]int32, texts)
		hidden, features := make([][]float32, texts), make([]map[Pooling][]float32, texts)
		for i := range texts {
			ids[i], segments[i] = randomText(rng, &m.Config, 1+rng.IntN(m.Config.MaxPositionEmbeddings))
			b := &Batch{}
			b.Append(ids[i], segments[i])
			x, err := m.Forward(NewWorkspace(nil), b, true, nil)
			if err != nil {
				t.Fatal(err)
			}
			hidden[i] = slices.Clone(x.Data)
			features[i] = map[Pooling][]float32{}
			for _, pooling := range testPoolings(t, m) {
				width, err := m.PoolingWidth(pooling)
				if err != nil {
					t.Fatal(err)
				}
				y := tensor.New(1, width)
				if err := m.Features(NewWorkspace(nil), y, b, pooling); err != nil {
					t.Fatal(err)
				}
				features[i][pooling] = y.Data
			}
			if !slices.Equal(features[i][CLS], hidden[i][:h]) {
				t.Fatalf("%v: the shortened last layer gives other [CLS] rows than the whole one", size)
			}
		}
		for _, workers := range []int{1, 2, 4} {
			ws := NewWorkspace(tensor.NewWorkers(workers))
			for range 5 {
				mates := rng.Perm(texts)[:1+rng.IntN(texts)]
				b := &Batch{}
				for _, i := range mates {
					b.Append(ids[i], segments[i])
				}
				x, err := m.Forward(ws, b, true, nil)
				if err != nil {
					t.Fatal(err)
				}
				for r, i := range mates {
					if !slices.Equal(x.Data[b.Offsets[r]*h:b.Offsets[r+1]*h], hidden[i]) {
						t.Fatalf("%v, %d workers: text %d has other bits among %d texts", size, workers, i, len(mates))
					}
				}
				for pooling, alone := range features[mates[0]] {
					y := tensor.New(len(mates), len(alone))
					if err := m.Features(ws, y, b, pooling); err != nil {
						t.Fatal(err)
					}
					for r, i := range mates {
						if !slices.Equal(y.Row(r), features[i][pooling]) {
							t.Fatalf("%v, %d workers: text %d has other %v features among %d texts", size, workers, i, pooling, len(mates))
						}
					}
				}
			}
		}
	}
}

func TestForwardAllocatesNothing(t *testing.T) {
	m := small(t, 2, 48, 3)
	rng := rand.New(rand.NewPCG(5, 6))
	b := &Batch{}
	for range 7 {
		ids, segments := randomText(rng, &m.Config, 1+rng.IntN(64))
		b.Append(ids, segments)
	}
	for _, workers := range []int{1, 2} {
		ws := NewWorkspace(tensor.NewWorkers(workers))
		for _, pooling := range testPoolings(t, m) {
			width, err := m.PoolingWidth(pooling)
			if err != nil {
				t.Fatal(err)
			}
			y := tensor.New(b.Texts(), width)
			pass := func() {
				if err := m.Features(ws, y, b, pooling); err != nil {
					t.Fatal(err)
				}
			}
			tensortest.NoAllocs(t, fmt.Sprintf("%d workers, %v", workers, pooling), pass)
		}
	}
}

func TestForwardRefusesBadBatches(t *testing.T) {
	m := small(t, 1, 32, 2)
	long := make([]int32, m.Config.MaxPositionEmbeddings+1)
	for name, b := range map[string]*Batch{
		"id too large":      {IDs: []int32{1, 500}, Segments: []int32{0, 0}, Offsets: []int{0, 2}},
		"id negative":       {IDs: []int32{-1}, Segments: []int32{0}, Offsets: []int{0, 1}},
		"segment too large": {IDs: []int32{1}, Segments: []int32{2}, Offsets: []int{0, 1}},
		"segments missing":  {IDs: []int32{1}, Offsets: []int{0, 1}},
		"empty text":        {IDs: []int32{1}, Segments: []int32{0}, Offsets: []int{0, 0, 1}},
		"too long":          {IDs: long, Segments: long, Offsets: []int{0, len(long)}},
	} {
		if _, err := m.Forward(NewWorkspace(nil), b, true, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if x, err := m.Forward(NewWorkspace(nil), &Batch{}, true, nil); err != nil || x.Rows != 0 {
		t.Errorf("empty batch: %v, %v", x, err)
	}
	m.DropPooler()
	b := &Batch{IDs: []int32{1}, Segments: []int32{0}, Offsets: []int{0, 1}}
	if err := m.Features(NewWorkspace(nil), tensor.New(1, 32), b, Pooled); err == nil {
		t.Error("pooled features without a pooler: no error")
	}
}

// BenchmarkForward times whole passes of random models, with the pooled [CLS] rows as result, on one worker and on all. GFLOP/s
// counts the matrix products of whole layers, 24·tokens·L·H² + 4·Σ S²·H·L, as if the last layer were not shortened; %peak
// compares it with the peak of one core, measured before in the same process, times the workers.
func BenchmarkForward(b *testing.B) {
	peak := asm.Best.Peak()
	for _, c := range []struct {
		name                  string
		layers, hidden, heads int
		texts, tokens         int
	}{
		{"minilm", 6, 384, 12, 1, 16}, {"minilm", 6, 384, 12, 1, 128}, {"minilm", 6, 384, 12, 8, 128}, {"minilm", 6, 384, 12, 32, 32},
		{"base", 12, 768, 12, 1, 128}, {"base", 12, 768, 12, 8, 128},
	} {
		config := DefaultConfig()
		config.VocabSize, config.TypeVocabSize = 1000, 2
		config.NumHiddenLayers, config.HiddenSize, config.NumAttentionHeads, config.IntermediateSize = c.layers, c.hidden, c.heads,
			4*c.hidden
		m, err := New(config)
		if err != nil {
			b.Fatal(err)
		}
		m.Init(rand.New(rand.NewPCG(1, 2)))
		rng, batch := rand.New(rand.NewPCG(3, 4)), &Batch{}
		for range c.texts {
			ids, segments := randomText(rng, &config, c.tokens)
			batch.Append(ids, segments)
		}
		y := tensor.New(c.texts, c.hidden)
		tokens, l, h := float64(c.texts*c.tokens), float64(c.layers), float64(c.hidden)
		flop := 24*tokens*l*h*h + 4*tokens*float64(c.tokens)*h*l
		for _, workers := range slices.Compact([]int{1, runtime.GOMAXPROCS(0)}) {
			b.Run(fmt.Sprintf("%s/%s/%dx%d/workers=%d", asm.Best.Name, c.name, c.texts, c.tokens, workers), func(b *testing.B) {
				ws := NewWorkspace(tensor.NewWorkers(workers))
				for b.Loop() {
					if err := m.Features(ws, y, batch, Pooled); err != nil {
						b.Fatal(err)
					}
				}
				flops := flop * float64(b.N) / b.Elapsed().Seconds()
				b.ReportMetric(flops/1e9, "GFLOP/s")
				b.ReportMetric(100*flops/peak/float64(workers), "%peak")
			})
		}
	}
}
