package refit

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/metrics"
)

// Spread names every vector of each kind while there are few enough, else evenly spread ones from the last layer down.
func TestSpread(t *testing.T) {
	for _, c := range []struct {
		n, most int
		kinds   []string
		want    string
	}{
		{2, 10, []string{"mean"}, "concat:mean:-1,mean:-2,mean:-3"},
		{2, 3, []string{"mean"}, "concat:mean:-1,mean:-2,mean:-3"},
		{2, 2, []string{"mean"}, "concat:mean:-1,mean:-3"},
		{3, 4, []string{"mean", "max"}, "concat:mean:-1,mean:-3,max:-1,max:-3"},
		{12, 8, []string{"mean"}, "concat:mean:-1,mean:-3,mean:-5,mean:-7,mean:-9,mean:-11,mean:-13"},
		{2, 1, []string{"mean"}, "concat:mean:-1"},
	} {
		got := Spread(c.n, c.most, c.kinds...)
		if got != c.want {
			t.Errorf("Spread(%d, %d, %v) = %s, want %s", c.n, c.most, c.kinds, got, c.want)
		}
		if _, err := bert.ParsePooling(got); err != nil || strings.Count(got, ":-") > max(c.most, len(c.kinds)) {
			t.Errorf("Spread(%d, %d, %v) = %s, %v", c.n, c.most, c.kinds, got, err)
		}
	}
}

// Pooling is means and maxima of all layers, or what is asked for, and what the tuned head reads beyond it.
func TestPooling(t *testing.T) {
	for _, c := range []struct {
		layers, hidden int
		asked, tuned   bert.Pooling
		want           string
		width          int
	}{
		{2, 8, "", bert.Mean, "concat:mean:-1..-3,max:-1..-3", 48},
		{2, 8, "", "concat:cls,mean", "concat:mean:-1..-3,max:-1..-3,cls", 56},
		{2, 8, "", bert.Pooled, "concat:mean:-1..-3,max:-1..-3,pooled", 56},
		{2, 8, "mean:-2", bert.Mean, "mean:-2..-1", 16},
		{2, 8, "cls", bert.CLS, "cls", 8},
		{4, 2048, "", bert.Mean, "concat:mean,mean:-5,max,max:-5", 8192}, // most 3 vectors: every fourth
		{2, 8, "mean:-4", bert.Mean, "", 0},
		{2, 8, "sum", bert.Mean, "", 0},
	} {
		config := bert.DefaultConfig()
		config.VocabSize, config.HiddenSize, config.NumHiddenLayers, config.NumAttentionHeads, config.IntermediateSize = 9, c.hidden,
			c.layers, 1, 8
		m, err := bert.New(config)
		if err != nil {
			t.Fatal(err)
		}
		got, width, err := Pooling(m, c.asked, c.tuned)
		if (err != nil) != (c.want == "") || err == nil && (string(got) != c.want || width != c.width) {
			t.Errorf("%d × %d, %q, %q: %s of width %d, %v; want %s, %d", c.layers, c.hidden, c.asked, c.tuned, got, width, err, c.want, c.width)
		}
	}
}

// randomHead returns a head with normally distributed weights.
func randomHead(rng *rand.Rand, labels, width int) *layers.Classifier {
	head := layers.NewClassifier(labels, width)
	for _, p := range head.Params() {
		p.Value = make([]float32, p.Size())
		for i := range p.Value {
			p.Value[i] = float32(rng.NormFloat64())
		}
	}
	return head
}

// randomTask returns two heads of 3 labels, on 4 columns of 12, and 50 rows whose labels are what the heads say, each to a share.
func randomTask(seed uint64, likeTuned float64) Task {
	rng := rand.New(rand.NewPCG(seed, 1))
	t := Task{Labels: []string{"a", "b", "c"}, TunedPooling: bert.Mean, Pooling: "concat:cls,mean,max", Tuned: randomHead(rng, 3, 4),
		Exact: randomHead(rng, 3, 12)}
	t.Dev = train.Features{X: tensor.New(50, 12), Y: make([]int8, 150)}
	for i := range t.Dev.X.Data {
		t.Dev.X.Data[i] = float32(rng.NormFloat64())
	}
	narrow, _ := bert.SelectFeatures(t.Dev.X, t.Pooling, t.TunedPooling)
	tuned, _ := t.Tuned.Score(narrow)
	exact, _ := t.Exact.Score(t.Dev.X)
	for i := range t.Dev.Y {
		row, l := i/3, i%3
		if likeTuned*float64(tuned.Row(row)[l])+(1-likeTuned)*float64(exact.Row(row)[l]) > 1.5 {
			t.Dev.Y[i] = 1
		}
	}
	return t
}

// precision is the macro-averaged average precision of a head on features.
func precision(t *testing.T, labels []string, head *layers.Classifier, f train.Features) float64 {
	t.Helper()
	_, p := head.Score(f.X)
	r, err := metrics.Evaluate(metrics.Data{Labels: labels, Truth: f.Y, Scores: p.Data}, []float32{0.5})
	if err != nil {
		t.Fatal(err)
	}
	return float64(r.AveragePrecisionMacro)
}

// The logits of a folded head are the mixture of the two heads' logits, wherever the narrow columns stand; with nothing of the tuned head
// it has the bits of the exact one.
func TestFold(t *testing.T) {
	task := randomTask(5, 0.5)
	at, err := columns(task.Pooling, task.TunedPooling, 12)
	if err != nil || !slices.Equal(at, []int{4, 5, 6, 7}) {
		t.Fatalf("columns %v, %v", at, err)
	}
	if at, err := columns("concat:max,cls,mean", "concat:mean,max", 6); err != nil || !slices.Equal(at, []int{4, 5, 0, 1}) {
		t.Errorf("columns %v, %v", at, err)
	}
	if _, err := columns(bert.CLS, bert.Mean, 4); err == nil {
		t.Error("columns of a vector that is not there")
	}
	narrow, err := bert.SelectFeatures(task.Dev.X, task.Pooling, task.TunedPooling)
	if err != nil {
		t.Fatal(err)
	}
	tuned, _ := task.Tuned.Score(narrow)
	exact, _ := task.Exact.Score(task.Dev.X)
	for _, share := range Shares() {
		head := Fold(task.Tuned, task.Exact, at, share)
		logits, _ := head.Score(task.Dev.X)
		for i, got := range logits.Data {
			want := share*float64(tuned.Data[i]) + (1-share)*float64(exact.Data[i])
			if !(math.Abs(float64(got)-want) <= 1e-5) { // weights and sums of 12 float32 products of size 10
				t.Fatalf("share %g, logit %d: %g, want %g", share, i, got, want)
			}
		}
		if share == 0 && (!slices.Equal(head.Weights.Value, task.Exact.Weights.Value) || !slices.Equal(head.Bias.Value, task.Exact.Bias.Value)) {
			t.Error("a share of 0 is not the exact head")
		}
	}
}

// Choose keeps the best share, the tuned head as it is where nothing is better, and never less than that; every share is chosen by some
// rows.
func TestChoose(t *testing.T) {
	seen := map[float64]bool{}
	for seed := range uint64(60) {
		task := randomTask(seed, float64(seed%6)/5)
		own := task.Tuned
		c, err := Choose(task)
		if err != nil {
			t.Fatal(err)
		}
		seen[c.Share] = true
		best := slices.Max(c.AveragePrecision)
		if at := slices.Index(c.AveragePrecision, best); c.Share != Shares()[at] || len(c.AveragePrecision) != len(Shares()) {
			t.Errorf("seed %d: share %g of %v", seed, c.Share, c.AveragePrecision)
		}
		if got := precision(t, task.Labels, c.Head, c.Dev); got != best || got < c.AveragePrecision[0] {
			t.Errorf("seed %d: the result has %v, best %v, tuned %v", seed, got, best, c.AveragePrecision[0])
		}
		if (c.Share == 1) != (c.Head == own) || (c.Share == 1) != (c.Pooling == task.TunedPooling) || c.Dev.X.Cols != c.Head.Weights.Shape[1] {
			t.Errorf("seed %d: share %g, pooling %s, %d columns", seed, c.Share, c.Pooling, c.Dev.X.Cols)
		}
		if float64(c.Tuned.AveragePrecisionMacro) != c.AveragePrecision[0] || float64(c.Exact.AveragePrecisionMacro) != c.AveragePrecision[4] {
			t.Errorf("seed %d: tuned %v, exact %v, of %v", seed, c.Tuned.AveragePrecisionMacro, c.Exact.AveragePrecisionMacro, c.AveragePrecision)
		}
	}
	if len(seen) < 4 {
		t.Errorf("shares %v only", seen)
	}
}

// An exact head that shouts is calibrated where that is asked for, so that the mixture hears the tuned one; equal heads, and rows without
// positives, leave the tuned one.
func TestChooseEdges(t *testing.T) {
	task := randomTask(3, 0.5)
	for _, p := range task.Exact.Params() {
		for i := range p.Value {
			p.Value[i] *= 1000
		}
	}
	task.Calibrate = rand.New(rand.NewPCG(1, 2))
	if _, err := Choose(task); err != nil {
		t.Fatal(err)
	}
	if w := slices.Max(task.Exact.Weights.Value); !(w > 0 && w < 100) {
		t.Errorf("the largest weight is %v after calibration", w)
	}

	task = randomTask(3, 0.5)
	task.Pooling, task.Exact = bert.Mean, task.Tuned
	task.Dev.X, _ = bert.SelectFeatures(task.Dev.X, "concat:cls,mean,max", bert.Mean)
	if c, err := Choose(task); err != nil || c.Share != 1 {
		t.Errorf("equal heads: %+v, %v", c, err)
	}
	task = randomTask(3, 0.5)
	clear(task.Dev.Y)
	if c, err := Choose(task); err != nil || c.Share != 1 || !strings.Contains(fmt.Sprint(c.AveragePrecision), "NaN") {
		t.Errorf("no positives: %+v, %v", c, err)
	}
	task.TunedPooling = "mean:-2"
	if _, err := Choose(task); err == nil {
		t.Error("a vector that is not there")
	}
}
