package bert_test

import (
	"fmt"
	"math"
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

// newWindowCase is newPlainCase with texts of one to four windows, each of which keeps some of its tokens.
func newWindowCase(t *testing.T, seed uint64, act string) *plainCase {
	c := newPlainCase(t, seed, act)
	c.batch.Reset()
	c.labels = nil
	for text := range 4 {
		windows := 1 + c.rng.IntN(4)
		if text == 1 {
			windows = 2
		}
		for w := range windows {
			ids, segments := make([]int32, 1+c.rng.IntN(20)), make([]int32, 20)
			for i := range ids {
				ids[i] = c.rng.Int32N(40)
			}
			from := c.rng.IntN(len(ids))
			to := from + 1 + c.rng.IntN(len(ids)-from)
			c.batch.AppendWindow(ids, segments[:len(ids)], from, to, w > 0)
		}
		c.labels = append(c.labels, int8(c.rng.IntN(3)-1), int8(c.rng.IntN(3)-1), int8(c.rng.IntN(2)))
	}
	return c
}

// windowPasses runs all windows of a text.
func (c *plainCase) windowPasses(text int, vectors ...plain.Vector) (ps []*plain.Pass) {
	for s := c.batch.First[text]; s < c.batch.First[text+1]; s++ {
		var ids, segments []int
		start := c.batch.Offsets[s]
		for i := start; i < c.batch.Offsets[s+1]; i++ {
			ids, segments = append(ids, int(c.batch.IDs[i])), append(segments, int(c.batch.Segments[i]))
		}
		kept := c.batch.Kept[s]
		ps = append(ps, c.plain.ForwardWindow(ids, segments, [2]int{kept.Start - start, kept.End - start}, vectors...))
	}
	return ps
}

// windowFeatures are the features of a text in float64, by the rule itself: over all tokens that count, for [CLS] over the windows.
func (c *plainCase) windowFeatures(text int, vectors ...plain.Vector) (features []float64) {
	for _, v := range vectors {
		rows := [][]float64{}
		for _, p := range c.windowPasses(text, v) {
			switch stage := "layer_" + fmt.Sprint(p.Layers+v.Layer); {
			case v.Kind == "cls" || v.Kind == "pooled":
				rows = append(rows, p.Stages["features"][0])
			case v.Layer == -p.Layers-1:
				rows = append(rows, p.Stages["embedding_output"][p.Kept[0]:p.Kept[1]]...)
			default:
				rows = append(rows, p.Stages[stage][p.Kept[0]:p.Kept[1]]...)
			}
		}
		for j := range rows[0] {
			sum, largest := 0.0, math.Inf(-1)
			for _, row := range rows {
				sum, largest = sum+row[j], max(largest, row[j])
			}
			if v.Kind == "max" {
				features = append(features, largest)
			} else {
				features = append(features, sum/float64(len(rows)))
			}
		}
	}
	return features
}

// TestWindowFeatures holds the features of texts of several windows to float64, in every pooling.
func TestWindowFeatures(t *testing.T) {
	largest := 0.0
	for seed := range uint64(5) {
		c := newWindowCase(t, seed, []string{"gelu", "gelu_erf", "relu", "tanh", "linear"}[seed])
		ws := bert.NewWorkspace(nil)
		for _, pooling := range c.poolings(t) {
			features := tensor.New(c.batch.Texts(), len(pooling.vectors)*c.Config.HiddenSize)
			if err := c.Features(ws, features, c.batch, pooling.Pooling); err != nil {
				t.Fatal(err)
			}
			for text := range features.Rows {
				worst(t, &largest, forwardBound, fmt.Sprintf("%v of text %d", pooling, text), tensortest.Widen(features.Row(text)),
					c.windowFeatures(text, pooling.vectors...))
			}
			c.checkJoin(t, ws, pooling.Pooling, features)
		}
	}
	t.Logf("largest error, of the largest magnitude in its tensor: %.1e", largest)
}

// checkJoin runs each window as a text of its own and joins them: the same bits. So does each text alone.
func (c *plainCase) checkJoin(t *testing.T, ws *bert.Workspace, pooling bert.Pooling, want *tensor.Tensor) {
	t.Helper()
	parts := tensor.New(c.batch.Sequences(), want.Cols)
	alone := &bert.Batch{}
	for s := range c.batch.Sequences() {
		from, to := c.batch.Offsets[s], c.batch.Offsets[s+1]
		kept := c.batch.Kept[s]
		alone.AppendWindow(c.batch.IDs[from:to], c.batch.Segments[from:to], kept.Start-from, kept.End-from, false)
	}
	if err := c.Features(ws, parts, alone, pooling); err != nil {
		t.Fatal(err)
	}
	for text := range want.Rows {
		first, end := c.batch.First[text], c.batch.First[text+1]
		windows, y := parts.SliceRows(first, end), make([]float32, want.Cols)
		if err := c.JoinWindows(y, &windows, pooling, c.batch.Kept[first:end]); err != nil {
			t.Fatal(err)
		}
		single, x := &bert.Batch{}, tensor.New(1, want.Cols)
		single.AppendText(c.batch, text)
		if err := c.Features(ws, x, single, pooling); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(y, want.Row(text)) || !slices.Equal(x.Data, want.Row(text)) {
			t.Errorf("%v of text %d: other bits window by window, or alone", pooling, text)
		}
	}
}

// windowLoss is the mean loss of the batch in float64, with the logits of the joined features, or by noisy-or of those of the windows.
func (c *plainCase) windowLoss(v plain.Vector, noisyOr bool) (loss float64) {
	for text := range c.batch.Texts() {
		var rows [][]float64
		if noisyOr {
			for _, p := range c.windowPasses(text, v) {
				rows = append(rows, p.Stages["features"][0])
			}
		} else {
			rows = append(rows, c.windowFeatures(text, v))
		}
		for l, w := range c.plain.Weights["output_weights"] {
			odds := 1.0 // of the text, p/(1 − p) = 1/Π(1 − p_w) − 1 = Π(1 + e^z_w) − 1
			for _, f := range rows {
				z := c.plain.Weights["output_bias"][0][l]
				for j := range f {
					z += w[j] * f[j]
				}
				odds *= 1 + math.Exp(z)
			}
			z := math.Log(odds - 1)
			if y := float64(c.labels[3*text+l]); y >= 0 {
				loss += (max(z, 0) - z*y + math.Log1p(math.Exp(-math.Abs(z)))) / float64(layers.KnownCells(c.labels))
			}
		}
	}
	return loss
}

// TestWindowGradient holds the gradient of texts of several windows to differences of the loss in float64, for some elements of every
// weight: each window has its part in it, whether the head reads all of them or each.
func TestWindowGradient(t *testing.T) {
	for seed, pooling := range []bert.Pooling{bert.Pooled, bert.CLS, bert.Mean, bert.Pooled, bert.CLS, bert.Mean} {
		c := newWindowCase(t, 20+uint64(seed), []string{"gelu", "gelu_erf", "tanh"}[seed%3]) // relu has no derivative at 0
		v := plain.Vector{Kind: pooling.String(), Layer: -1}
		o := bert.TrainerOptions{Pooling: pooling, Layers: len(c.Layers), Embeddings: true, Recompute: seed == 1, OfWindows: seed >= 3}
		c.eachGradient(t, o, func(p *tensor.Param) {
			if c.rng.IntN(5) > 0 && !strings.HasSuffix(p.Name, "_embeddings") {
				return
			}
			w, scale := c.plain.Weights[p.Name], tensortest.MaxAbs(tensortest.Widen(p.Grad))
			largest := slices.IndexFunc(p.Grad, func(g float32) bool { return math.Abs(float64(g)) == scale })
			for _, i := range []int{largest, c.rng.IntN(len(p.Grad))} {
				x := &w[i/len(w[0])][i%len(w[0])]
				before := *x
				const h = 1e-5 // of a loss near 1 in float64: the difference is right to 1e-10
				*x = before + h
				up := c.windowLoss(v, o.OfWindows)
				*x = before - h
				down := c.windowLoss(v, o.OfWindows)
				*x = before
				if got, want := float64(p.Grad[i]), (up-down)/(2*h); !(math.Abs(got-want) <= gradientBound*max(scale, 1e-2)) {
					t.Errorf("%v: gradient %d of %s is %v, want %v", pooling, i, p.Name, got, want)
				}
			}
		})
	}
}

// eachGradient runs a trainer forward and backward, and calls f for each parameter.
func (c *plainCase) eachGradient(t *testing.T, o bert.TrainerOptions, f func(p *tensor.Param)) {
	t.Helper()
	trainer, err := c.NewTrainer(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer trainer.Release()
	rows, read := c.batch.Texts(), c.batch
	if o.OfWindows {
		rows, read = c.batch.Sequences(), &bert.Batch{IDs: c.batch.IDs, Segments: c.batch.Segments, Offsets: c.batch.Offsets, Kept: c.batch.Kept}
	}
	features, logits := tensor.New(rows, c.Config.HiddenSize), tensor.New(rows, 3)
	if err := trainer.Forward(features, c.batch, 0); err != nil {
		t.Fatal(err)
	}
	inference := tensor.New(features.Rows, features.Cols)
	if err := c.Features(bert.NewWorkspace(nil), inference, read, o.Pooling); err != nil {
		t.Fatal(err)
	}
	if diff := tensortest.MaxDiff(t, tensortest.Widen(features.Data), tensortest.Widen(inference.Data)); !(diff <= 1e-4) {
		t.Errorf("%v: features of training are off those of inference by %.1e", o.Pooling, diff)
	}
	c.head.Forward(logits, features)
	if o.OfWindows {
		texts := tensor.New(c.batch.Texts(), 3)
		layers.NoisyOrRows(texts, logits, c.batch.First)
		layers.MeanLoss(layers.SigmoidCrossEntropy{}, texts, texts, c.labels, 0)
		layers.NoisyOrRowsBackward(logits, tensor.From(slices.Clone(logits.Data), rows, 3), texts, c.batch.First)
	} else {
		layers.MeanLoss(layers.SigmoidCrossEntropy{}, logits, logits, c.labels, 0)
	}
	dfeatures := tensor.New(features.Rows, features.Cols)
	c.head.Backward(dfeatures, logits, features)
	trainer.Backward(dfeatures)
	for _, p := range trainer.Params() {
		f(p)
	}
}

// TestWindowTraining: with dropout, the features and gradients of texts of several windows have the same bits on any number of workers,
// whatever the batch mates are, and with frozen states kept; and no two windows of a text drop the same.
func TestWindowTraining(t *testing.T) {
	c := newWindowCase(t, 31, "gelu")
	same := &bert.Batch{} // a text of two equal windows
	for w := range 2 {
		same.AppendWindow([]int32{1, 2, 3}, []int32{0, 0, 0}, 0, 3, w > 0)
	}
	for _, pooling := range []bert.Pooling{bert.Mean, bert.CLS} {
		o := bert.TrainerOptions{Pooling: pooling, Layers: 1, HiddenDropout: 0.2, AttentionDropout: 0.2, Seed: 5}
		run := func(b *bert.Batch, first uint64, workers int, kept *bert.FrozenStates, texts []int) []float32 {
			w := tensor.NewWorkers(workers)
			trainer, err := c.NewTrainer(o, w)
			if err != nil {
				t.Fatal(err)
			}
			defer trainer.Release()
			w.Start()
			defer w.Stop()
			features := tensor.New(b.Texts(), c.Config.HiddenSize)
			if err := trainer.ForwardKept(features, b, first, kept, texts); err != nil {
				t.Fatal(err)
			}
			rng, d := rand.New(rand.NewPCG(1, 2)), tensor.New(features.Rows, features.Cols)
			for i := range d.Data {
				d.Data[i] = rng.Float32()
			}
			trainer.Backward(d)
			all := slices.Clone(features.Data)
			for _, p := range trainer.Params() {
				all = append(all, p.Grad...)
			}
			return all
		}
		want := run(c.batch, 7, 1, nil, nil)
		states, texts := bert.NewFrozenStates(c.batch, c.Config.HiddenSize), []int{0, 1, 2, 3}
		for _, got := range [][]float32{run(c.batch, 7, 3, nil, nil), run(c.batch, 7, 1, states, texts), run(c.batch, 7, 1, states, texts)} {
			if !slices.Equal(got, want) {
				t.Errorf("%v: other bits with workers or kept states", pooling)
			}
		}
		for text := range c.batch.Texts() {
			single, h := &bert.Batch{}, c.Config.HiddenSize
			single.AppendText(c.batch, text)
			if got := run(single, 7+uint64(text), 1, nil, nil); !slices.Equal(got[:h], want[text*h:(text+1)*h]) {
				t.Errorf("%v: text %d has other bits alone", pooling, text)
			}
		}
		one := &bert.Batch{}
		one.AppendText(same, 0)
		joined := run(one, 0, 1, nil, nil)
		whole := &bert.Batch{}
		whole.Append([]int32{1, 2, 3}, []int32{0, 0, 0})
		if single := run(whole, 0, 1, nil, nil); slices.Equal(joined[:c.Config.HiddenSize], single[:c.Config.HiddenSize]) {
			t.Errorf("%v: both windows of a text drop the same", pooling)
		}
	}
}

// TestWindowBatch looks at batches of texts with and without windows, and at broken ones.
func TestWindowBatch(t *testing.T) {
	b := &bert.Batch{}
	ids, segments := []int32{1, 2, 3, 4}, []int32{0, 0, 0, 0}
	b.Append(ids, segments)
	b.AppendWindow(ids[:3], segments[:3], 0, 2, false)
	b.AppendWindow(ids, segments, 1, 4, true)
	b.Append(ids[:2], segments[:2])
	if b.Texts() != 3 || b.Sequences() != 4 || !slices.Equal(b.First, []int{0, 1, 3, 4}) ||
		!slices.Equal(b.Kept, []bert.Range{{0, 4}, {4, 6}, {8, 11}, {11, 13}}) {
		t.Errorf("%d texts, %d sequences, first %v, kept %v", b.Texts(), b.Sequences(), b.First, b.Kept)
	}
	config := bert.DefaultConfig()
	config.VocabSize, config.TypeVocabSize, config.MaxPositionEmbeddings = 10, 2, 8
	if err := b.Check(&config); err != nil {
		t.Error(err)
	}
	if start, end := b.Text(1); start != 4 || end != 11 {
		t.Errorf("text 1 is tokens %d to %d", start, end)
	}
	for want, spoil := range map[string]func(b *bert.Batch){
		"keeps tokens 4 to 12": func(b *bert.Batch) { b.Kept[1].End = 12 },
		"keeps tokens 6 to 6":  func(b *bert.Batch) { b.Kept[1].Start = 6 },
		"keeps tokens of 3":    func(b *bert.Batch) { b.Kept = b.Kept[:3] },
	} {
		broken := *b
		broken.Kept = slices.Clone(b.Kept)
		spoil(&broken)
		if err := broken.Check(&config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if b.Reset(); b.Texts() != 0 || len(b.Kept) != 0 {
		t.Errorf("%d texts after a reset", b.Texts())
	}
}
