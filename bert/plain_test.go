package bert_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/plain"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/tensor/tensortest"
)

// plainCase is a random model in float32 and the same in float64, with a batch of texts and labels.
type plainCase struct {
	*bert.Model
	rng    *rand.Rand
	head   *layers.Classifier // on one vector
	plain  plain.Model
	batch  *bert.Batch
	labels []int8 // some unknown, [texts, 3]
}

// eachPlainCase runs f on models of up to 4 layers and 64 hidden, several of each activation.
func eachPlainCase(t *testing.T, f func(t *testing.T, c *plainCase)) {
	seeds := uint64(10)
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		act := []string{"gelu", "gelu_erf", "relu", "tanh", "linear"}[seed%5]
		t.Run(fmt.Sprintf("%d %s", seed, act), func(t *testing.T) { f(t, newPlainCase(t, seed, act)) })
	}
}

func newPlainCase(t *testing.T, seed uint64, act string) *plainCase {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 14))
	config := bert.DefaultConfig()
	config.NumHiddenLayers, config.NumAttentionHeads, config.HiddenAct = 1+rng.IntN(4), 1+rng.IntN(4), act
	config.HiddenSize = config.NumAttentionHeads * (4 + rng.IntN(64/config.NumAttentionHeads-3))
	config.IntermediateSize, config.VocabSize, config.TypeVocabSize, config.MaxPositionEmbeddings = 1+rng.IntN(100), 40, 3, 150
	config.InitializerRange, config.LayerNormEps = 0.25, []float64{0, 1e-12, 1e-3}[seed%3]
	m, err := bert.New(config)
	if err != nil {
		t.Fatal(err)
	}
	c := &plainCase{Model: m, rng: rng, head: layers.NewClassifier(3, config.HiddenSize), batch: &bert.Batch{}}
	c.plain = plain.Model{Layers: config.NumHiddenLayers, Heads: config.NumAttentionHeads, Act: act, Eps: config.LayerNormEps}
	if c.plain.Eps == 0 {
		c.plain.Eps = 1e-12
	}
	c.draw(t)
	for text := range 4 {
		ids, segments := make([]int32, 1+rng.IntN(24)), make([]int32, 150)
		if text == 2 && seed == 3 {
			ids = make([]int32, 150) // more than attention does in one go
		}
		for i := range ids {
			ids[i] = rng.Int32N(40)
			segments[i] = min(2, int32(3*i/len(ids))) // three segments, as far as the text goes
		}
		c.batch.Append(ids, segments[:len(ids)])
		c.labels = append(c.labels, int8(rng.IntN(3)-1), int8(rng.IntN(3)-1), int8(rng.IntN(2)))
	}
	return c
}

// draw sets all weights, also those with which training begins as 0 or 1, and hands them to the plain model by name.
func (c *plainCase) draw(t *testing.T) {
	t.Helper()
	weights := map[string]plain.Matrix{}
	draw := func(p *tensor.Param, x []float32) {
		for i := range x {
			x[i] = float32(c.rng.NormFloat64() * 0.25)
			if strings.HasSuffix(p.Name, "gamma") {
				x[i]++
			}
		}
		weights[p.Name] = rowsOf(tensortest.Widen(x), p.Shape[len(p.Shape)-1])
	}
	err := c.Load(1, func(p *tensor.Param, dst []float32) error {
		draw(p, dst)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.head.Params() {
		p.Value, p.Grad = make([]float32, p.Size()), make([]float32, p.Size())
		draw(p, p.Value)
	}
	c.plain.Weights = weights
}

func rowsOf(x []float64, cols int) (m plain.Matrix) {
	for row := range slices.Chunk(x, cols) {
		m = append(m, row)
	}
	return m
}

// pass runs text t of the batch.
func (c *plainCase) pass(t int, vectors ...plain.Vector) *plain.Pass {
	var ids, segments []int
	for i := c.batch.Offsets[t]; i < c.batch.Offsets[t+1]; i++ {
		ids, segments = append(ids, int(c.batch.IDs[i])), append(segments, int(c.batch.Segments[i]))
	}
	return c.plain.Forward(ids, segments, vectors...)
}

// passes runs all texts.
func (c *plainCase) passes(vectors ...plain.Vector) (ps []*plain.Pass) {
	for t := range c.batch.Texts() {
		ps = append(ps, c.pass(t, vectors...))
	}
	return ps
}

// plainPooling is one pooling in the engine's words and in plain's.
type plainPooling struct {
	bert.Pooling
	vectors []plain.Vector
}

// poolings returns the four of the last layer, and random choices of vectors of all layers side by side.
func (c *plainCase) poolings(t *testing.T) (poolings []plainPooling) {
	t.Helper()
	add := func(vectors ...plain.Vector) {
		var parts []string
		for _, v := range vectors {
			part := fmt.Sprintf("%s:%d", v.Kind, v.Layer)
			parts = append(parts, strings.Replace(part, "pooled:-1", "pooled", 1))
		}
		p, err := bert.ParsePooling("concat:" + strings.Join(parts, ","))
		if err != nil {
			t.Fatal(err)
		}
		poolings = append(poolings, plainPooling{p, vectors})
	}
	all := []plain.Vector{{Kind: "pooled", Layer: -1}}
	for _, kind := range []string{"cls", "mean", "max"} {
		for n := range len(c.Layers) + 1 {
			all = append(all, plain.Vector{Kind: kind, Layer: -n - 1})
		}
	}
	for _, v := range all {
		if v.Layer == -1 {
			add(v)
		}
	}
	for range 3 {
		c.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		add(slices.Clone(all[:1+c.rng.IntN(len(all))])...)
	}
	return poolings
}

// join puts the rows of a stage of all passes one below the other.
func join(ps []*plain.Pass, stage string) (x []float64) {
	for _, p := range ps {
		for _, row := range p.Stages[stage] {
			x = append(x, row...)
		}
	}
	return x
}

// worst reports a difference over bound, of the largest magnitude in the tensor, and keeps the largest.
func worst(t *testing.T, largest *float64, bound float64, name string, got, want []float64) {
	t.Helper()
	diff, scale := tensortest.MaxDiff(t, got, want), max(tensortest.MaxAbs(want), 1e-2)
	if !(diff <= bound*scale) {
		t.Errorf("%s is off by %.1e, largest %.1e", name, diff, scale)
	}
	*largest = max(*largest, diff/scale)
}

// What float32 may be off, of the largest magnitude in a tensor: about twice what it was off here, by some fifty roundings of 6e-8 on the
// way up, and as many on the way down.
const (
	forwardBound  = 1e-5
	gradientBound = 4e-5
)

// TestForwardPlain holds the engine to bert/plain: every layer, every pooling, logits, probabilities and loss of random models and texts.
func TestForwardPlain(t *testing.T) {
	largest := 0.0
	eachPlainCase(t, func(t *testing.T, c *plainCase) {
		ws := bert.NewWorkspace(nil)
		ps := c.passes()
		_, err := c.Model.Forward(ws, c.batch, true, func(layer int, x *tensor.Tensor) {
			name := "embedding_output"
			if layer >= 0 {
				name = fmt.Sprintf("layer_%d", layer)
			}
			worst(t, &largest, forwardBound, name, tensortest.Widen(x.Data), join(ps, name))
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, pooling := range c.poolings(t) {
			features := tensor.New(c.batch.Texts(), len(pooling.vectors)*c.Config.HiddenSize)
			if err := c.Features(ws, features, c.batch, pooling.Pooling); err != nil {
				t.Fatal(err)
			}
			worst(t, &largest, forwardBound, pooling.String(), tensortest.Widen(features.Data),
				join(c.passes(pooling.vectors...), "features"))
			if len(pooling.vectors) == 1 {
				c.checkHead(t, &largest, features, pooling.vectors[0])
			}
		}
	})
	t.Logf("largest error of the engine, of the largest magnitude in its tensor: %.1e", largest)
}

// checkHead compares logits and loss of features of one vector.
func (c *plainCase) checkHead(t *testing.T, largest *float64, features *tensor.Tensor, v plain.Vector) {
	t.Helper()
	logits := tensor.New(features.Rows, 3)
	c.head.Forward(logits, features)
	ps := c.passes(v)
	worst(t, largest, forwardBound, fmt.Sprint("logits of ", v), tensortest.Widen(logits.Data), join(ps, "logits"))
	loss, each, cells := 0.0, make([]float64, features.Rows), layers.KnownCells(c.labels)
	layers.PerExampleLoss(layers.SigmoidCrossEntropy{}, each, logits, c.labels)
	for i, p := range ps {
		y := c.labels[3*i : 3*i+3]
		loss += p.Loss(y, cells)
		worst(t, largest, forwardBound, "loss of a text", each[i:i+1], []float64{p.Loss(y, layers.KnownCells(y))})
	}
	got := layers.MeanLoss(layers.SigmoidCrossEntropy{}, nil, logits, c.labels, 0)
	worst(t, largest, forwardBound, "mean loss", []float64{got}, []float64{loss})
}

// TestGradientPlain holds the trainer to bert/plain: the gradient of the loss by every weight of encoder and head, for each pooling that
// can be trained and for any number of layers.
func TestGradientPlain(t *testing.T) {
	largest := 0.0
	eachPlainCase(t, func(t *testing.T, c *plainCase) {
		for _, pooling := range []bert.Pooling{bert.Pooled, bert.CLS, bert.Mean} {
			want := c.gradients(pooling)
			for trained := 1; trained <= len(c.Layers); trained++ {
				o := bert.TrainerOptions{Pooling: pooling, Layers: trained, Embeddings: trained == len(c.Layers), Recompute: trained%2 == 0}
				c.checkGradients(t, &largest, o, want)
			}
		}
	})
	t.Logf("largest error of a gradient, of the largest magnitude in its tensor: %.1e", largest)
}

// gradients returns those of the mean loss of the batch by every weight.
func (c *plainCase) gradients(pooling bert.Pooling) map[string][]float64 {
	sum := map[string][]float64{}
	for i, p := range c.passes(plain.Vector{Kind: pooling.String(), Layer: -1}) {
		p.Backward(c.labels[3*i:3*i+3], layers.KnownCells(c.labels))
		for name := range c.plain.Weights {
			g := slices.Concat(p.Gradients[name]...)
			for j := range sum[name] {
				g[j] += sum[name][j]
			}
			sum[name] = g
		}
	}
	return sum
}

// checkGradients compares the gradients of a trainer, and those of the head.
func (c *plainCase) checkGradients(t *testing.T, largest *float64, o bert.TrainerOptions, want map[string][]float64) {
	t.Helper()
	trainer, err := c.NewTrainer(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer trainer.Release()
	features, logits := tensor.New(c.batch.Texts(), c.Config.HiddenSize), tensor.New(c.batch.Texts(), 3)
	if err := trainer.Forward(features, c.batch, 0); err != nil {
		t.Fatal(err)
	}
	c.head.Forward(logits, features)
	layers.MeanLoss(layers.SigmoidCrossEntropy{}, logits, logits, c.labels, 0)
	for _, p := range c.head.Params() {
		clear(p.Grad)
	}
	dfeatures := tensor.New(features.Rows, features.Cols)
	c.head.Backward(dfeatures, logits, features)
	trainer.Backward(dfeatures)
	for _, p := range append(trainer.Params(), c.head.Params()...) {
		got := tensortest.Widen(p.Grad)
		if strings.HasSuffix(p.Name, "key/bias") { // zero: a softmax does not see a shift of its row
			if rounding := tensortest.MaxAbs(got); !(rounding <= 1e-7 && tensortest.MaxAbs(want[p.Name]) <= 1e-15) {
				t.Errorf("%s: %.1e, want 0", p.Name, rounding)
			}
			continue
		}
		if diff := tensortest.MaxDiff(t, got, want[p.Name]); !(diff <= 1e-5) {
			t.Errorf("%v, %d layers: %s is off by %.1e", o.Pooling, o.Layers, p.Name, diff)
		}
		worst(t, largest, gradientBound, fmt.Sprintf("%v, %d layers: %s", o.Pooling, o.Layers, p.Name), got, want[p.Name])
	}
}

// TestInputGradientPlain: the gradient of any pooling by the words of a text.
func TestInputGradientPlain(t *testing.T) {
	largest := 0.0
	eachPlainCase(t, func(t *testing.T, c *plainCase) {
		h := c.Config.HiddenSize
		words := tensor.New(c.batch.Tokens(), h)
		for i, id := range c.batch.IDs {
			copy(words.Row(i), c.Embeddings.Word.Row(int(id)))
		}
		for _, pooling := range c.poolings(t) {
			g, err := c.NewInputGradient(pooling.Pooling, nil)
			if err != nil {
				t.Fatal(err)
			}
			features := tensor.New(c.batch.Texts(), len(pooling.vectors)*h)
			if err := g.Forward(features, words, c.batch); err != nil {
				t.Fatal(err)
			}
			for i := range features.Data {
				features.Data[i] = float32(c.rng.NormFloat64())
			}
			got := tensor.New(words.Rows, h)
			g.Backward(got, features)
			var want []float64
			for i, p := range c.passes(pooling.vectors...) {
				p.BackwardFeatures(plain.Matrix{tensortest.Widen(features.Row(i))})
				want = append(want, slices.Concat(p.Gradients["bert/embeddings/sum"]...)...)
			}
			worst(t, &largest, gradientBound, pooling.String(), tensortest.Widen(got.Data), want)
		}
	})
	t.Logf("largest error of a gradient, of the largest magnitude in its tensor: %.1e", largest)
}
