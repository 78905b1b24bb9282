package bert

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"bertlabel/layers"
	"bertlabel/tensor"
)

// smallIn is small in a precision: the same float32 weights.
func smallIn(t testing.TB, p Precision, layers, hidden, heads int) *Model {
	t.Helper()
	c := small(t, layers, hidden, heads).Config
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	m.SetPrecision(p)
	m.Init(rand.New(rand.NewPCG(1, 2)))
	return m
}

func featuresOf(t *testing.T, m *Model, ws *Workspace, b *Batch, p Pooling) *tensor.Tensor {
	t.Helper()
	width, err := m.PoolingWidth(p)
	if err != nil {
		t.Fatal(err)
	}
	y := tensor.New(b.Texts(), width)
	if err := m.Features(ws, y, b, p); err != nil {
		t.Fatal(err)
	}
	return y
}

// TestPrecisionSameBits: in every low precision a text has the same features alone, among any others, and with 1, 2 and 3 workers,
// for all poolings; hidden sizes that no tile divides, texts of one token and of as many as there are positions among them.
func TestPrecisionSameBits(t *testing.T) {
	for _, p := range []Precision{BF16, Int8} {
		for _, size := range [][3]int{{2, 32, 4}, {2, 36, 3}, {1, 40, 1}, {2, 102, 2}, {2, 128, 2}} {
			m := smallIn(t, p, size[0], size[1], size[2])
			rng := rand.New(rand.NewPCG(31, 0))
			texts := 20
			if testing.Short() {
				texts = 6
			}
			ids, segments, alone := make([][]int32, texts), make([][]int32, texts), make([][]float32, texts)
			for i := range texts {
				ids[i], segments[i] = randomText(rng, &m.Config, []int{1, m.Config.MaxPositionEmbeddings, 1 + rng.IntN(64)}[min(i, 2)])
			}
			for _, pooling := range testPoolings(t, m) {
				for i := range texts {
					b := &Batch{}
					b.Append(ids[i], segments[i])
					alone[i] = featuresOf(t, m, NewWorkspace(nil), b, pooling).Data
				}
				for workers := 1; workers <= 3; workers++ {
					ws, mates := NewWorkspace(tensor.NewWorkers(workers)), rng.Perm(texts)[:1+rng.IntN(texts)]
					b := &Batch{}
					for _, i := range mates {
						b.Append(ids[i], segments[i])
					}
					y := featuresOf(t, m, ws, b, pooling)
					for row, i := range mates {
						if !slices.Equal(y.Row(row), alone[i]) {
							t.Fatalf("%v %v, %v, %d workers: text %d of %d tokens has other features among %d than alone",
								p, size, pooling, workers, i, len(ids[i]), len(mates))
						}
					}
				}
			}
		}
	}
}

// largeIn returns a model of one base-sized layer with outlier channels planted in the weights of all its products, and room for
// 512 tokens.
func largeIn(t testing.TB, p Precision) *Model {
	t.Helper()
	c := DefaultConfig()
	c.VocabSize, c.NumHiddenLayers, c.HiddenSize, c.NumAttentionHeads, c.IntermediateSize = 500, 1, 768, 12, 3072
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	m.SetPrecision(p)
	rng := rand.New(rand.NewPCG(5, 6))
	if err := m.Load(1, func(p *tensor.Param, dst []float32) error {
		TruncatedNormal(rng, dst, 0.04)
		isNorm := slices.ContainsFunc(m.norms(), func(n *layers.LayerNorm) bool { return n.Gamma == p })
		for i := range dst {
			if isNorm {
				dst[i] = 1
			}
			if len(p.Shape) == 2 && p.Shape[0] > 500 && i/p.Shape[1]%97 == 5 { // every 97th channel of a kernel
				dst[i] *= 40
			}
			if isNorm && i%192 == 7 { // and of what goes into it
				dst[i] = 12
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestPrecisionOutliers: planted outlier channels, in weights and in activations, are found, and the features of texts of 512 tokens
// stay close to float32; bits do not depend on batch and workers there either.
func TestPrecisionOutliers(t *testing.T) {
	float := largeIn(t, FP32)
	rng, b := rand.New(rand.NewPCG(32, 0)), &Batch{}
	long := 512
	if testing.Short() {
		long = 100
	}
	for _, n := range []int{long, 1, 77} {
		ids, segments := randomText(rng, &float.Config, n)
		b.Append(ids, segments)
	}
	want := featuresOf(t, float, NewWorkspace(nil), b, Mean)
	for _, c := range []struct {
		precision Precision
		bound     float64
	}{{BF16, 0.9999}, {Int8, 0.999}} {
		m := largeIn(t, c.precision)
		got := featuresOf(t, m, NewWorkspace(tensor.NewWorkers(2)), b, Mean)
		for i := range got.Rows {
			if cos := cosine(got.Row(i), want.Row(i)); !(cos >= c.bound) {
				t.Errorf("%v: text %d has cosine %.6f with float32, want %g", c.precision, i, cos, c.bound)
			}
			alone := &Batch{}
			alone.Append(b.IDs[b.Offsets[i]:b.Offsets[i+1]], b.Segments[b.Offsets[i]:b.Offsets[i+1]])
			if y := featuresOf(t, m, NewWorkspace(nil), alone, Mean); !slices.Equal(y.Row(0), got.Row(i)) {
				t.Errorf("%v: text %d has other features alone", c.precision, i)
			}
		}
		if c.precision == Int8 {
			checkOutliers(t, m.Layers[0])
		}
	}
}

// checkOutliers wants the planted channels among those of each product.
func checkOutliers(t *testing.T, l *Layer) {
	t.Helper()
	qkv := l.qkv.(*tensor.PackedInt8).Outliers()
	if len(qkv) != 16 || !slices.IsSorted(qkv) {
		t.Errorf("outlier channels %v, want 16 in ascending order", qkv)
	}
	for channel := 5; channel < 768; channel += 97 {
		if !slices.Contains(qkv, channel) {
			t.Errorf("channel %d, whose weights are 40 times as large as others, is not among the outliers %v", channel, qkv)
		}
	}
	for channel := 7; channel < 768; channel += 192 {
		if !slices.Contains(qkv, channel) {
			t.Errorf("channel %d, whose inputs are 12 times as large as others, is not among the outliers %v", channel, qkv)
		}
	}
}

func cosine(x, y []float32) float64 {
	var xy, xx, yy float64
	for i := range x {
		xy += float64(x[i]) * float64(y[i])
		xx += float64(x[i]) * float64(x[i])
		yy += float64(y[i]) * float64(y[i])
	}
	return xy / math.Sqrt(xx*yy)
}

// TestPrecisionNotFinite: a NaN that one text meets reaches its features and no other text's.
func TestPrecisionNotFinite(t *testing.T) {
	for _, p := range []Precision{BF16, Int8} {
		m := smallIn(t, p, 2, 64, 4)
		m.Embeddings.Word.Row(3)[5] = float32(math.NaN())
		b := &Batch{}
		for _, ids := range [][]int32{{1, 2}, {1, 3, 2}, {4}} {
			b.Append(ids, make([]int32, len(ids)))
		}
		for _, pooling := range []Pooling{CLS, Mean, Pooled} {
			y := featuresOf(t, m, NewWorkspace(nil), b, pooling)
			for i := range y.Rows {
				for j, v := range y.Row(i) {
					if finite := v-v == 0; finite != (i != 1) {
						t.Fatalf("%v, %v: feature %d of text %d is %v, and text 1 is the one with NaN", p, pooling, j, i, v)
					}
				}
			}
		}
	}
}

// TestPrecisionZeros: rows of zeros give what float32 gives, not NaN: a model whose embeddings are zero.
func TestPrecisionZeros(t *testing.T) {
	for _, p := range []Precision{BF16, Int8} {
		m := smallIn(t, p, 2, 64, 4)
		m.Embeddings.Norm.Gamma.Value = make([]float32, 64)
		b := &Batch{}
		b.Append([]int32{1, 2, 3}, []int32{0, 0, 0})
		for j, v := range featuresOf(t, m, NewWorkspace(nil), b, Mean).Data {
			if v-v != 0 {
				t.Fatalf("%v: feature %d is %v", p, j, v)
			}
		}
	}
}

// TestPrecisionLoad: any number of threads loads the same int8 model; auto is a precision; what the model holds comes back.
func TestPrecisionLoad(t *testing.T) {
	source := small(t, 3, 96, 4)
	values := map[string][]float32{}
	for _, p := range source.Params() {
		values[p.Name] = source.Value(p)
	}
	var features []float32
	for threads := 1; threads <= 3; threads++ {
		m, err := New(source.Config)
		if err != nil {
			t.Fatal(err)
		}
		m.SetPrecision(Int8)
		if err := m.Load(threads, func(p *tensor.Param, dst []float32) error { copy(dst, values[p.Name]); return nil }); err != nil {
			t.Fatal(err)
		}
		b := &Batch{}
		b.Append([]int32{1, 2, 3, 4}, []int32{0, 0, 1, 1})
		y := featuresOf(t, m, NewWorkspace(nil), b, Pooled)
		if threads > 1 && !slices.Equal(y.Data, features) {
			t.Errorf("%d threads load another model than 1", threads)
		}
		features = y.Data
		for _, p := range m.Params() {
			if cos := cosine(m.Value(p), values[p.Name]); !(cos > 0.9999) && largest(values[p.Name]) > 0 {
				t.Errorf("%s: the model holds weights with cosine %g to its source", p.Name, cos)
			}
		}
		if _, err := m.NewTrainer(TrainerOptions{Layers: 1}, nil); err == nil {
			t.Error("a model in int8 can be trained")
		}
	}
	m := smallIn(t, Auto, 1, 32, 2)
	if p := m.Precision(); p != Auto.Resolve() || p == Int8 {
		t.Errorf("auto is %v", p)
	}
}

// TestPrecisionLoadError: what read says comes back, from every part of the model.
func TestPrecisionLoadError(t *testing.T) {
	source := small(t, 2, 32, 2)
	for _, bad := range source.Params() {
		m, err := New(source.Config)
		if err != nil {
			t.Fatal(err)
		}
		m.SetPrecision(Int8)
		want := fmt.Errorf("broken")
		if err := m.Load(2, func(p *tensor.Param, dst []float32) error {
			if p.Name == bad.Name {
				return want
			}
			return nil
		}); err != want {
			t.Errorf("%s: Load gives %v", bad.Name, err)
		}
	}
}

// TestPrecisionMemory: the estimates of weights and of a pass are those of the precision.
func TestPrecisionMemory(t *testing.T) {
	for _, p := range []Precision{BF16, Int8} {
		for _, lengths := range [][]int{{64, 64, 64, 64, 64, 64, 64, 64}, {30, 50, 33, 12}} {
			m := smallIn(t, p, 3, 96, 4)
			memory, err := m.Memory(TrainerOptions{Layers: 1}, BatchSize{}, 1)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := weightsOf(m), memory.Weights; 100*max(got-want, want-got) > 2*want {
				t.Errorf("%v: weights of %d bytes, estimated %d", p, got, want)
			}
			rng, b, size := rand.New(rand.NewPCG(33, 0)), &Batch{}, BatchSize{Longest: slices.Max(lengths), Texts: len(lengths)}
			for _, n := range lengths {
				ids, segments := randomText(rng, &m.Config, n)
				b.Append(ids, segments)
				size.Tokens += n
			}
			ws := NewWorkspace(nil)
			featuresOf(t, m, ws, b, Pooled)
			got := reachable(ws, &Model{}, &Layer{}, &layers.Dense{}, &layers.LayerNorm{}, &tensor.Param{}, &tensor.Workers{}, &Batch{})
			if want := m.FeaturesMemory(size, 1); !(got <= want+1024 && want <= got+got/4) {
				t.Errorf("%v, lengths %v: %d bytes, estimated %d (%+.1f %%)", p, lengths, got, want, 100*float64(want-got)/float64(got))
			}
		}
	}
}

// TestPrecisionAllocatesNothing in the steady state.
func TestPrecisionAllocatesNothing(t *testing.T) {
	for _, p := range []Precision{BF16, Int8} {
		m, ws, b := smallIn(t, p, 2, 64, 4), NewWorkspace(nil), &Batch{}
		b.Append([]int32{1, 2, 3}, []int32{0, 0, 0})
		y := tensor.New(1, 64)
		if n := testing.AllocsPerRun(10, func() { m.Features(ws, y, b, Mean) }); n != 0 {
			t.Errorf("%v: %v allocations a pass", p, n)
		}
	}
}

// BenchmarkPrecision times whole passes in each precision, in turn with float32 in the same minutes: ×fp32 is the ratio of medians.
func BenchmarkPrecision(b *testing.B) {
	for _, c := range []struct {
		name                  string
		layers, hidden, heads int
		texts, tokens         int
	}{
		{"minilm", 6, 384, 12, 1, 16}, {"minilm", 6, 384, 12, 1, 128}, {"minilm", 6, 384, 12, 8, 128}, {"minilm", 6, 384, 12, 32, 32},
		{"base", 12, 768, 12, 1, 16}, {"base", 12, 768, 12, 1, 128}, {"base", 12, 768, 12, 8, 128}, {"base", 12, 768, 12, 32, 32},
	} {
		config := DefaultConfig()
		config.VocabSize, config.TypeVocabSize = 1000, 2
		config.NumHiddenLayers, config.HiddenSize, config.NumAttentionHeads, config.IntermediateSize = c.layers, c.hidden, c.heads,
			4*c.hidden
		rng, batch := rand.New(rand.NewPCG(3, 4)), &Batch{}
		for range c.texts {
			ids, segments := randomText(rng, &config, c.tokens)
			batch.Append(ids, segments)
		}
		models := sync.OnceValue(func() (models []*Model) {
			for _, p := range []Precision{FP32, BF16, Int8} {
				m, err := New(config)
				if err != nil {
					b.Fatal(err)
				}
				m.SetPrecision(p)
				m.Init(rand.New(rand.NewPCG(1, 2)))
				models = append(models, m)
			}
			return models
		})
		for _, workers := range slices.Compact([]int{1, runtime.GOMAXPROCS(0)}) {
			b.Run(fmt.Sprintf("%s/%dx%d/workers=%d", c.name, c.texts, c.tokens, workers), func(b *testing.B) {
				benchmarkPrecision(b, models(), workers, batch, tensor.New(c.texts, c.hidden))
			})
		}
	}
}

func benchmarkPrecision(b *testing.B, models []*Model, workers int, batch *Batch, y *tensor.Tensor) {
	ws := NewWorkspace(tensor.NewWorkers(workers))
	times := make([][]float64, len(models))
	for b.Loop() {
		for i, m := range models {
			start := time.Now()
			if err := m.Features(ws, y, batch, Mean); err != nil {
				b.Fatal(err)
			}
			times[i] = append(times[i], time.Since(start).Seconds())
		}
	}
	median := func(i int) float64 { slices.Sort(times[i]); return times[i][len(times[i])/2] }
	float := median(0)
	b.ReportMetric(1000*float, "ms-fp32")
	for i, m := range models[1:] {
		b.ReportMetric(1000*median(i+1), "ms-"+m.Precision().String())
		b.ReportMetric(float/median(i+1), m.Precision().String()+"×")
	}
	b.ReportMetric(0, "ns/op")
}
