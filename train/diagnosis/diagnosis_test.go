package diagnosis

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
	"bertlabel/layers"
	"bertlabel/train/data"
	"bertlabel/train/metrics"
)

// kinds returns the kinds of findings, and checks that each says something and has a remedy.
func kinds(t *testing.T, found []Finding) (ks []Kind) {
	t.Helper()
	for _, f := range found {
		ks = append(ks, f.Kind)
		if text := f.String(); f.Found == "" || f.Remedy == "" || strings.Contains(text, "%!") || strings.HasSuffix(f.Found, ".") ||
			strings.HasSuffix(f.Remedy, ".") {
			t.Errorf("finding %q", text)
		}
	}
	return ks
}

func want(t *testing.T, what string, found []Finding, want ...Kind) {
	t.Helper()
	if got := kinds(t, found); !slices.Equal(got, want) {
		t.Errorf("%s: found %v, want %v", what, found, want)
	}
}

// smallBERT returns a model as before training, of a size at which kernels can be judged.
func smallBERT(t *testing.T) *bert.Model { return newBERT(t, 32) }

func newBERT(t *testing.T, hidden int) *bert.Model {
	t.Helper()
	c := bert.DefaultConfig()
	c.VocabSize, c.HiddenSize, c.NumHiddenLayers, c.NumAttentionHeads, c.IntermediateSize, c.MaxPositionEmbeddings = 400, hidden, 3, 2, 64, 16
	m, err := bert.New(c)
	if err != nil {
		t.Fatal(err)
	}
	m.Init(rand.New(rand.NewPCG(1, 2)))
	return m
}

// step moves all weights of the parts by a little, as training does; "" is all of them.
func step(m *bert.Model, parts ...string) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, p := range m.Params() {
		if slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(p.Name, part) }) {
			for i := range p.Value {
				p.Value[i] += float32(rng.NormFloat64() * 1e-2)
			}
		}
	}
	m.Pack()
}

func TestEncoder(t *testing.T) {
	m := smallBERT(t)
	e := InspectEncoder(m, true)
	if e.Parts != 5 || !e.Scratch() {
		t.Fatalf("before training: %+v", e)
	}
	want(t, "used before training", e.Findings(false), UntrainedWeights)
	want(t, "trained throughout from scratch", e.Findings(true))

	step(m, "embeddings/", "layer_0/", "layer_2/", "pooler/")
	e = InspectEncoder(m, true)
	if !slices.Equal(e.Untrained, []string{"layer_1"}) || e.First != "bert/encoder/layer_1/attention/self/query/kernel" {
		t.Errorf("layer_1 left out: %+v", e)
	}
	want(t, "half loaded", e.Findings(true), UntrainedWeights)

	step(m, "layer_1/")
	want(t, "trained", InspectEncoder(m, true).Findings(false))
	m = smallBERT(t)
	step(m, "embeddings/", "layer_")
	want(t, "pooler unused", InspectEncoder(m, false).Findings(false))
	want(t, "pooler random", InspectEncoder(m, true).Findings(false), UntrainedWeights)

	m = newBERT(t, 16)
	want(t, "tiny, before training", InspectEncoder(m, true).Findings(false), UntrainedWeights)
	step(m, "embeddings/") // norms and biases of the layers stay, as in the tiny checkpoints that tests of other programs use
	want(t, "tiny and whole", InspectEncoder(m, true).Findings(false))
}

// Each tensor alone gives a part away: those that files name differently get lost together.
func TestEncoderTensors(t *testing.T) {
	for _, c := range []struct {
		lost string // the tensors that keep their first values
		part string
	}{
		{"layer_1/output/LayerNorm", "layer_1"},
		{"layer_2/attention/self/value", "layer_2"},
		{"word_embeddings", "embeddings"},
		{"embeddings/LayerNorm", "embeddings"},
	} {
		m := smallBERT(t)
		for _, p := range m.Params() {
			if !strings.Contains(p.Name, c.lost) {
				step(m, p.Name)
			}
		}
		if e := InspectEncoder(m, true); !slices.Equal(e.Untrained, []string{c.part}) || !strings.Contains(e.First, c.lost) {
			t.Errorf("%s lost: %+v", c.lost, e)
		}
	}
}

// Both forms of the initializer are known, zeros too, and kernels with another spread or heavier tails are not taken for them.
func TestDrawn(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, n := range []int{1000, 100000} {
		normal, cut, wide, heavy := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
		bert.TruncatedNormal(rng, cut, 0.02)
		for i := range normal {
			normal[i], wide[i] = float32(rng.NormFloat64()*0.02), float32(rng.NormFloat64()*0.03)
			heavy[i] = float32(rng.NormFloat64()*0.02) * []float32{0.5, math.Sqrt2 * 0.935}[i%2] // the same deviation, kurtosis 4.1
		}
		for name, c := range map[string]struct {
			x    []float32
			want bool
		}{"normal": {normal, true}, "truncated": {cut, true}, "zeros": {make([]float32, n), true}, "wide": {wide, false},
			"heavy": {heavy, false}} {
			if got := drawn(c.x, 0.02); got != c.want {
				t.Errorf("%s of %d: drawn %t", name, n, got)
			}
		}
	}
}

func TestLearningRate(t *testing.T) {
	for _, c := range []struct {
		rate  float64
		tuned Tuned
		wrong bool
	}{
		{5e-5, Head, true}, {1e-3, Head, false}, {1e-2, Head, false}, {0.5, Head, false}, {10, Head, true},
		{1e-2, Layers, true}, {3e-4, Layers, false}, {2e-5, Layers, false}, {1e-8, Layers, true},
		{1e-2, Scratch, true}, {1e-3, Scratch, false}, {1e-7, Scratch, true},
	} {
		if found := LearningRate(c.rate, c.tuned); (len(kinds(t, found)) == 1) != c.wrong {
			t.Errorf("rate %g of %d: %v", c.rate, c.tuned, found)
		}
	}
}

// PriorLoss is the entropy of the frequencies over the known cells, and for other losses the least that one logit reaches.
func TestPriorLoss(t *testing.T) {
	y := []int8{1, 0, 0, 0, 0, 1, 0, -1, 1, 0} // [5, 2]: 2 of 5, 1 of 4
	entropy := func(k, n float64) float64 { return -k*math.Log(k/n) - (n-k)*math.Log(1-k/n) }
	want := (entropy(2, 5) + entropy(1, 4)) / 9
	if got := PriorLoss(layers.SigmoidCrossEntropy{}, y, nil, 2); !(math.Abs(got-want) <= 3e-4*want) {
		t.Errorf("PriorLoss = %v, want the entropy %v", got, want)
	}
	// With weight w a positive counts w times: −w·k·ln p − (n−k)·ln(1−p), least at p = wk/(wk + n − k).
	weighted := func(k, n, w float64) float64 {
		p := w * k / (w*k + n - k)
		return -w*k*math.Log(p) - (n-k)*math.Log(1-p)
	}
	want = (weighted(2, 5, 3) + weighted(1, 4, 0.5)) / 9
	if got := PriorLoss(layers.WeightedSigmoidCrossEntropy{PosWeight: []float64{3, 0.5}}, y, nil, 2); !(math.Abs(got-want) <= 3e-4*want) {
		t.Errorf("weighted PriorLoss = %v, want %v", got, want)
	}
	if got := PriorLoss(layers.Focal{Gamma: 2, Alpha: 0.25}, y, nil, 2); !(got > 0 && got < want) {
		t.Errorf("focal PriorLoss = %v", got)
	}
}

func TestLosses(t *testing.T) {
	none := math.NaN()
	for _, c := range []struct {
		what string
		l    Losses
		want []Kind
	}{
		{"at the prior", Losses{Train: 0.149, Prior: 0.15, Dev: none, DevLowest: none}, []Kind{StuckLoss}},
		{"one class only", Losses{Train: 0.3, Prior: 0, Dev: none, DevLowest: none}, nil},
		{"learnt", Losses{Train: 0.1, Prior: 0.15, Dev: 0.11, DevLowest: 0.11, DevPrior: 0.15, Comparable: true}, nil},
		{"small losses", Losses{Train: 0.001, Prior: 0.5, Dev: 0.02, DevLowest: 0.02, DevPrior: 0.5, Comparable: true}, nil},
		{"rising", Losses{Train: 0.05, Prior: 0.15, Dev: 0.12, DevLowest: 0.09, DevPrior: 0.15}, []Kind{Overfitting}},
		{"apart", Losses{Train: 0.02, Prior: 0.15, Dev: 0.1, DevLowest: none, DevPrior: 0.15, Comparable: true}, []Kind{Overfitting}},
		{"apart in other units", Losses{Train: 0.02, Prior: 0.15, Dev: 0.1, DevLowest: none, DevPrior: 0.15}, nil},
		{"nothing known", Losses{Train: none, Prior: 0.15, Dev: none, DevLowest: none}, nil},
	} {
		want(t, c.what, c.l.Findings(), c.want...)
	}
}

// scoresOf returns the statistics of n rows of two labels at threshold 0.5.
func scoresOf(n int, text func(i int) string, probabilities func(i int) []float32) *Scores {
	s := NewScores([]string{"a", "b"}, func(_ int, p float32) bool { return p > 0.5 })
	for i := range n {
		s.Add(text(i), probabilities(i))
	}
	return s
}

func TestScores(t *testing.T) {
	number := func(i int) string { return fmt.Sprint(i) }
	one := func(int) string { return "the same" }
	vary := func(i int) float32 { return 0.1 + 0.8*float32(i%7)/7 }
	for _, c := range []struct {
		what          string
		n             int
		text          func(int) string
		probabilities func(int) []float32
		want          []Kind
	}{
		{"all constant", 20, number, func(int) []float32 { return []float32{0.2, 0.3} }, []Kind{ConstantPredictions}},
		{"saturated", 20, number, func(int) []float32 { return []float32{1, 0} }, []Kind{ConstantPredictions, SoftmaxSums}},
		{"one constant", 20, number, func(i int) []float32 { return []float32{0.3, vary(i)} }, []Kind{ConstantPredictions}},
		{"one text", 20, one, func(int) []float32 { return []float32{0.2, 0.3} }, nil},
		{"few texts", 9, number, func(int) []float32 { return []float32{0.2, 0.3} }, nil},
		{"softmax", 20, number, func(i int) []float32 { return []float32{vary(i), 1 - vary(i)} }, []Kind{SoftmaxSums}},
		{"sound", 100, number, func(i int) []float32 { return []float32{vary(i), vary(i / 7)} }, nil},
	} {
		want(t, c.what, scoresOf(c.n, c.text, c.probabilities).Findings(), c.want...)
	}
	want(t, "never", scoresOf(30, number, func(i int) []float32 { return []float32{0.4, vary(i)} }).Unlabelled(), NeverPredicted)
	want(t, "always", scoresOf(60, number, func(i int) []float32 { return []float32{0.6, vary(i)} }).Unlabelled(), AlwaysPredicted)
	want(t, "rare", scoresOf(60, number, func(i int) []float32 { return []float32{0.1, vary(i)} }).Unlabelled())
}

func TestLabels(t *testing.T) {
	label := func(name string, tn, fp, fn, tp int) metrics.LabelReport {
		return metrics.LabelReport{Name: name, Counts: metrics.Counts{TN: tn, FP: fp, FN: fn, TP: tp}}
	}
	report := func(labels ...metrics.LabelReport) *metrics.Report {
		return &metrics.Report{Rows: 20, PerLabel: labels}
	}
	sound := label("sound", 8, 2, 3, 7)
	want(t, "sound", Labels(report(sound)))
	want(t, "never", Labels(report(sound, label("never", 15, 0, 5, 0))), NeverPredicted)
	want(t, "too rare to tell", Labels(report(sound, label("rare", 18, 0, 2, 0))))
	want(t, "nothing at all", Labels(report(label("rare", 18, 0, 2, 0))), NeverPredicted)
	want(t, "no support", Labels(report(sound, label("none", 20, 0, 0, 0))))
	want(t, "always", Labels(report(sound, label("always", 0, 10, 0, 10))), AlwaysPredicted)
	want(t, "always, rightly", Labels(report(sound, label("always", 0, 1, 0, 19))))
}

func TestCut(t *testing.T) {
	length := func(n int) tokenizer.Lengths { return tokenizer.Lengths{MaxSeqLength: n} }
	want(t, "at a tenth", Cut("f", 10, 100, length(128), 512, false))
	want(t, "over it", Cut("f", 11, 100, length(128), 512, false), CutTexts)
	windows := tokenizer.Lengths{MaxSeqLength: 512, Windows: tokenizer.Windows{Most: 3}}
	for remedy, lengths := range map[string]tokenizer.Lengths{"takes up to 512": length(128), "`windows` all": length(512), "Raise `windows`": windows} {
		if got := Cut("f", 11, 100, lengths, 512, false)[0].Remedy; !strings.Contains(got, remedy) {
			t.Errorf("remedy %q, want %q", got, remedy)
		}
	}
	if found := Cut("f", 11, 100, windows, 512, false)[0].Found; !strings.Contains(found, "longer than 3 windows of 512 tokens") {
		t.Error(found)
	}
	want(t, "nothing", Cut("f", 0, 0, length(128), 512, false))
}

// files returns a data set of n texts of the given length, a share of which has label "a".
func file(n int, share float64, words func(i int) int) *data.Dataset {
	labels, err := data.NewLabelList([]string{"a", "b"}, "test")
	if err != nil {
		panic(err)
	}
	d := &data.Dataset{File: "f", Labels: labels}
	for i := range n {
		d.Texts = append(d.Texts, strings.Repeat("word ", words(i)))
		a := int8(0)
		if float64(i) < share*float64(n) {
			a = 1
		}
		d.Y = append(d.Y, a, int8(i%2))
	}
	return d
}

func TestSplits(t *testing.T) {
	short := func(i int) int { return 3 + i%5 }
	long := func(i int) int { return 6 + i%9 }
	train := file(1000, 0.2, short)
	want(t, "of one kind", Splits(train, file(200, 0.22, short)))
	want(t, "other frequencies", Splits(train, file(200, 0.5, short)), SplitsApart)
	want(t, "other lengths", Splits(train, file(200, 0.2, long)), SplitsApart)
	want(t, "too few rows to tell", Splits(train, file(4, 0.5, long)))
}

func TestBaseline(t *testing.T) {
	report := func(precision float64) *metrics.Report {
		r := &metrics.Report{}
		r.AveragePrecisionMacro = metrics.Number(precision)
		return r
	}
	want(t, "ahead", Baseline(report(0.5), report(0.4), false))
	want(t, "equal", Baseline(report(0.4), report(0.4), false))
	want(t, "behind", Baseline(report(0.4), report(0.5), false), BehindBaseline)
	want(t, "undefined", Baseline(report(math.NaN()), report(0.5), false))
	for tuned, advice := range map[bool]string{false: "`tune` last:2", true: "`max_seq_length`"} {
		if found := Baseline(report(0.4), report(0.5), tuned); !strings.Contains(found[0].Remedy, advice) {
			t.Errorf("tuned %v: %q, want %q", tuned, found[0].Remedy, advice)
		}
	}
}
