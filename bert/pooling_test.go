package bert

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bertlabel/tensor"
)

// testPoolings returns poolings of every kind and depth for a model.
func testPoolings(t *testing.T, m *Model) (poolings []Pooling) {
	t.Helper()
	n := len(m.Layers)
	for _, s := range []string{
		"pooled", "cls", "mean", "max", "concat:cls,mean", "concat:pooled,cls", "concat:pooled,max", fmt.Sprintf("mean:%d", -n-1),
		fmt.Sprintf("cls:-1..%d", -n-1),
		fmt.Sprintf("mean:%d..-1", -n-1), fmt.Sprintf("concat:cls,mean:%d,max:%d", -n, -n-1), fmt.Sprintf("concat:cls:%d,max:%d", -n, -n-1),
	} {
		p, err := ParsePooling(s)
		if err != nil {
			t.Fatal(err)
		}
		poolings = append(poolings, p)
	}
	return poolings
}

// TestParsePooling: what is read means the same when it is written, and equal poolings are equal.
func TestParsePooling(t *testing.T) {
	for s, want := range map[string]Pooling{
		"pooled": Pooled, "cls": CLS, "mean": Mean, "max": Max,
		"mean:-1": Mean, "mean:-1..-1": Mean, "concat:mean": Mean, "concat:pooled": Pooled,
		"mean:-2":                       "mean:-2",
		"mean:-1..-3":                   "mean:-1..-3",
		"cls:-3..-1":                    "cls:-3..-1",
		"concat:mean,mean:-2,mean:-3":   "mean:-1..-3",
		"concat:cls,mean":               "concat:cls,mean",
		"concat:mean,cls":               "concat:mean,cls",
		"concat:cls:-2..-1,mean:-4":     "concat:cls:-2..-1,mean:-4",
		"concat:pooled,cls,mean:-1..-2": "concat:pooled,cls,mean:-1..-2",
		"concat:mean,mean:-3,mean:-2":   "concat:mean,mean:-3..-2",
		"concat:mean:-1..-2,mean:-4":    "concat:mean:-1..-2,mean:-4",
		"concat:mean:-2..-1,mean:-3":    "concat:mean:-2..-1,mean:-3",
	} {
		p, err := ParsePooling(s)
		if err != nil || p != want {
			t.Errorf("ParsePooling(%q) = %q, %v, want %q", s, p, err, want)
		}
		if again, err := ParsePooling(p.String()); err != nil || again != p {
			t.Errorf("ParsePooling(%q) = %q, %v, want the same", p, again, err)
		}
	}
	for _, s := range []string{
		"", "Mean", "auto", "avg", "mean:", "mean:0", "mean:1", "mean:-0", "mean:-1..", "mean:..-2", "mean:-1..-2..-3", "mean:-1001",
		"mean:x", "pooled:-2",
		"pooled:-1", "concat:", "concat:cls,", "concat:cls,cls", "concat:mean:-1..-3,mean:-2", "cls,mean", "concat:concat:cls",
		"mean:-99999999999999999999",
	} {
		if p, err := ParsePooling(s); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", s)) {
			t.Errorf("ParsePooling(%q) = %q, %v, want an error that names it", s, p, err)
		}
	}
}

func FuzzParsePooling(f *testing.F) {
	f.Add("concat:cls:-1..-3,mean,max:-2,pooled")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePooling(s)
		if err != nil {
			return
		}
		if again, err := ParsePooling(p.String()); err != nil || again != p {
			t.Errorf("%q is read as %q, and that as %q, %v", s, p, again, err)
		}
	})
}

// TestFeatures compares every pooling with float64 on the hidden states of a whole pass, and runs with neighbours in the batch.
func TestFeatures(t *testing.T) {
	m := small(t, 3, 32, 4)
	h, n := m.Config.HiddenSize, len(m.Layers)
	rng := rand.New(rand.NewPCG(7, 8))
	b := &Batch{}
	for _, tokens := range []int{3, 1, 17} {
		b.Append(randomText(rng, &m.Config, tokens))
	}
	hidden := map[int][]float32{}
	if _, err := m.Forward(NewWorkspace(nil), b, true,
		func(layer int, x *tensor.Tensor) { hidden[layer] = slices.Clone(x.Data) }); err != nil {
		t.Fatal(err)
	}
	pooled := tensor.New(b.Texts(), h)
	if err := m.Features(NewWorkspace(nil), pooled, b, Pooled); err != nil {
		t.Fatal(err)
	}
	for _, pooling := range testPoolings(t, m) {
		parts, err := parsePooling(pooling.String())
		if err != nil {
			t.Fatal(err)
		}
		y := tensor.New(b.Texts(), len(parts)*h)
		if err := m.Features(NewWorkspace(nil), y, b, pooling); err != nil {
			t.Fatal(err)
		}
		for text := range b.Texts() {
			for k, got := range y.Row(text) {
				part, j := parts[k/h], k%h
				mean, largest := 0.0, math.Inf(-1)
				first, end := b.Offsets[text], b.Offsets[text+1]
				for i := first; i < end; i++ {
					v := float64(hidden[n+part.layer][i*h+j])
					mean, largest = mean+v/float64(end-first), max(largest, v)
				}
				want := map[Pooling]float64{
					Pooled: float64(pooled.Row(text)[j]), CLS: float64(hidden[n+part.layer][first*h+j]), Mean: mean, Max: largest,
				}[part.kind]
				tol := 0.0 // all but the mean only move numbers
				if part.kind == Mean {
					tol = 1e-5 // 17 values of layer normalisation, of order 1
				}
				if !(math.Abs(float64(got)-want) <= tol) {
					t.Fatalf("%s: feature %d of text %d is %v, want %v", pooling, k, text, got, want)
				}
			}
		}
	}
}

// TestSelectFeatures: features that are taken from wider ones have the bits of a pass of their own.
func TestSelectFeatures(t *testing.T) {
	m := small(t, 3, 32, 4)
	b := &Batch{}
	b.Append(randomText(rand.New(rand.NewPCG(9, 9)), &m.Config, 11))
	features := func(p Pooling) *tensor.Tensor {
		width, err := m.PoolingWidth(p)
		if err != nil {
			t.Fatal(err)
		}
		y := tensor.New(1, width)
		if err := m.Features(NewWorkspace(nil), y, b, p); err != nil {
			t.Fatal(err)
		}
		return y
	}
	wide, err := JoinPoolings(Pooled, "concat:pooled,cls", "max:-2", "mean:-1..-2", "mean:-1..-4", "cls")
	if err != nil || wide != "concat:pooled,cls,max:-2,mean:-1..-4" {
		t.Fatal(wide, err)
	}
	x := features(wide)
	for _, narrow := range []Pooling{Pooled, CLS, Mean, "mean:-2..-3", "concat:mean:-4,cls", wide} {
		got, err := SelectFeatures(x, wide, narrow)
		if err != nil || !slices.Equal(got.Data, features(narrow).Data) {
			t.Errorf("%s: other bits than a pass of its own, %v", narrow, err)
		}
	}
	if _, err := SelectFeatures(x, wide, "max"); err == nil || !strings.Contains(err.Error(), "no part of") {
		t.Errorf("what is not there: %v", err)
	}
}

// TestPoolingOfModel: what a model lacks is said.
func TestPoolingOfModel(t *testing.T) {
	m := small(t, 2, 32, 4)
	for pooling, want := range map[Pooling]int{Pooled: 32, "mean:-1..-3": 96, "concat:cls,mean": 64} {
		if width, err := m.PoolingWidth(pooling); err != nil || width != want {
			t.Errorf("%s: width %d, %v, want %d", pooling, width, err, want)
		}
	}
	if _, err := m.PoolingWidth("mean:-2..-4"); err == nil || !strings.Contains(err.Error(), "-1 to -2, and the embeddings as -3") {
		t.Errorf("a layer too many: %v", err)
	}
	if _, err := m.PoolingWidth("nonsense"); err == nil {
		t.Error("a Pooling that was not parsed is taken")
	}
	m.DropPooler()
	if _, err := m.PoolingWidth("concat:pooled,cls"); err == nil || !strings.Contains(err.Error(), "bert/pooler/dense") {
		t.Errorf("no pooler: %v", err)
	}
	if _, err := m.NewTrainer(TrainerOptions{Pooling: Max, Layers: 1}, nil); err == nil || !strings.Contains(err.Error(), "frozen") {
		t.Errorf("training through max: %v", err)
	}
}
