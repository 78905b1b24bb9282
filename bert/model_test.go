package bert

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bertlabel/tensor"
)

// TestTruncatedNormal: no draw lies beyond two sigma, and mean and deviation are those of a normal distribution cut there: 0 and 0.8796.
func TestTruncatedNormal(t *testing.T) {
	x := make([]float32, 100_000)
	TruncatedNormal(rand.New(rand.NewPCG(1, 2)), x, 0.5)
	var sum, squares, largest float64
	for _, v := range x {
		sum, squares, largest = sum+float64(v), squares+float64(v)*float64(v), max(largest, math.Abs(float64(v)))
	}
	n := float64(len(x))
	deviation := math.Sqrt(squares / n)
	if !(math.Abs(sum/n) <= 0.01 && math.Abs(deviation-0.5*0.8796) <= 0.005 && largest <= 1 && largest > 0.99) {
		t.Errorf("mean %v, deviation %v, largest %v", sum/n, deviation, largest)
	}
}

// TestInit: kernels and tables are drawn with the deviation of the config, biases and beta are 0, gamma is 1 (modeling.py), and what is
// packed is what is drawn.
func TestInit(t *testing.T) {
	for _, sigma := range []float64{0.02, 0.3} {
		c := small(t, 2, 32, 4).Config
		c.InitializerRange = sigma
		m, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		m.Init(rand.New(rand.NewPCG(5, 6)))
		for _, p := range m.Params() {
			var squares float64
			for _, v := range p.Value {
				squares += float64(v) * float64(v)
			}
			deviation := math.Sqrt(squares / float64(len(p.Value)))
			want, slack := 0.8796*sigma, 0.2*sigma // tables of two rows vary
			switch {
			case strings.HasSuffix(p.Name, "gamma"):
				want, slack = 1, 0
			case len(p.Shape) == 1:
				want, slack = 0, 0
			}
			if !(math.Abs(deviation-want) <= slack) {
				t.Errorf("σ = %v: %s has the deviation %v from 0, want %v", sigma, p.Name, deviation, want)
			}
		}
		for _, d := range m.dense() {
			if !slices.Equal(d.Unpack(), d.Kernel.Value) {
				t.Errorf("%s is packed otherwise", d.Kernel.Name)
			}
		}
	}
}

// TestMaxBackward: of equal rows the first has the gradient of the maximum, and none has it twice.
func TestMaxBackward(t *testing.T) {
	x := tensor.From([]float32{1, 5, 3, 5, 3, 5, 7, 7}, 4, 2) // two texts: rows 0 to 2, and 3
	dx, dy := tensor.New(4, 2), tensor.From([]float32{10, 20, 30, 40}, 2, 2)
	dx.Data[0] = 1
	addMaxRowsBackward(dx, dy, x, []int{0, 3, 4}, nil)
	if want := []float32{1, 20, 10, 0, 0, 0, 30, 40}; !slices.Equal(dx.Data, want) {
		t.Errorf("gradient %v, want %v", dx.Data, want)
	}
	y := tensor.New(2, 2)
	maxRows(y, x, []int{0, 3, 4}, nil)
	if want := []float32{3, 5, 7, 7}; !slices.Equal(y.Data, want) {
		t.Errorf("maximum %v, want %v", y.Data, want)
	}
}

// TestForwardKept: what the frozen layers gave is kept for each text, and not computed again: other weights below change nothing for texts
// that were seen, and all for one that was not.
func TestForwardKept(t *testing.T) {
	r := newRun(t, TrainerOptions{Layers: 1, Pooling: Mean}, 1, "", 9, 1, 17)
	all := r.batch
	batchOf := func(texts ...int) *Batch {
		b := &Batch{}
		for _, i := range texts {
			b.Append(all.IDs[all.Offsets[i]:all.Offsets[i+1]], all.Segments[all.Offsets[i]:all.Offsets[i+1]])
		}
		return b
	}
	kept := NewFrozenStates(all, 48)
	forward := func(kept *FrozenStates, texts ...int) []float32 {
		r.ws.Workers.Start()
		defer r.ws.Workers.Stop()
		features := tensor.New(len(texts), 48)
		if err := r.ForwardKept(features, batchOf(texts...), 0, kept, texts); err != nil {
			t.Fatal(err)
		}
		return features.Data
	}
	first := forward(kept, 2, 0)
	if !slices.Equal(first, forward(nil, 2, 0)) {
		t.Error("states that are kept have other bits")
	}
	for i := range r.model.Embeddings.Word.Table.Value {
		r.model.Embeddings.Word.Table.Value[i] += 1
	}
	for i := range r.model.Embeddings.Norm.Beta.Value {
		r.model.Embeddings.Norm.Beta.Value[i] += 1
	}
	other := forward(nil, 0)
	if slices.Equal(other, first[48:]) {
		t.Fatal("other weights give the same features")
	}
	if got := forward(kept, 0, 2); !slices.Equal(got[:48], first[48:]) || !slices.Equal(got[48:], first[:48]) {
		t.Error("states that are kept are computed again, or are those of another text")
	}
	if got := forward(kept, 0, 1); !slices.Equal(got[:48], other) {
		t.Error("beside a text that was not seen the others are not computed again")
	}
	if got := forward(kept, 1, 0); !slices.Equal(got[48:], other) {
		t.Error("what was computed again is not kept")
	}
}
