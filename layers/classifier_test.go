package layers

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bertlabel/tensor"
)

// randomClassifier returns a head with random weights and gradients of zero, and a random x.
func randomClassifier(seed uint64, rows, labels, hidden int) (*Classifier, *tensor.Tensor) {
	rng := rand.New(rand.NewPCG(seed, 1))
	c, x := NewClassifier(labels, hidden), tensor.New(rows, hidden)
	for _, p := range c.Params() {
		p.Value, p.Grad = make([]float32, p.Size()), make([]float32, p.Size())
		fillNormal(rng, p.Value)
	}
	fillNormal(rng, x.Data)
	return c, x
}

func fillNormal(rng *rand.Rand, x []float32) {
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
}

func TestClassifierForward(t *testing.T) {
	const rows, labels, hidden = 5, 3, 37
	c, x := randomClassifier(1, rows, labels, hidden)
	logits := tensor.New(rows, labels)
	c.Forward(logits, x)
	for i := range rows {
		for l := range labels {
			want, abs := float64(c.Bias.Value[l]), math.Abs(float64(c.Bias.Value[l]))
			for j, v := range x.Row(i) {
				term := float64(v) * float64(c.Weights.Value[l*hidden+j])
				want, abs = want+term, abs+math.Abs(term)
			}
			bound := 2 * (hidden + 1) * 0x1p-24 * abs // any order of so many float32 sums: Higham, Accuracy and Stability, §3.1
			if got := float64(logits.Row(i)[l]); !(math.Abs(got-want) <= bound) {
				t.Errorf("logits[%d, %d] = %g, want %g ± %g", i, l, got, want, bound)
			}
		}
	}
}

// TestClassifierBits: a logit does not change with the number of rows, the number of labels, or how the labels are split.
func TestClassifierBits(t *testing.T) {
	const rows, labels, hidden = 7, 6, 100
	c, x := randomClassifier(2, rows, labels, hidden)
	all := tensor.New(rows, labels)
	c.Forward(all, x)

	split := tensor.New(rows, labels)
	c.ForwardLabels(split, x, 4, 6)
	c.ForwardLabels(split, x, 0, 4)
	if !slices.Equal(split.Data, all.Data) {
		t.Error("the logits change when the labels are split")
	}
	fewer := &Classifier{Weights: tensor.NewParam("w", 2, hidden), Bias: tensor.NewParam("b", 2)}
	fewer.Weights.Value, fewer.Bias.Value = c.Weights.Value[:2*hidden], c.Bias.Value[:2]
	for i := range rows {
		row, alone := x.SliceRows(i, i+1), tensor.New(1, 2)
		fewer.Forward(alone, &row)
		if !slices.Equal(alone.Data, all.Row(i)[:2]) {
			t.Errorf("row %d alone with two labels: %v, among others %v", i, alone.Data, all.Row(i)[:2])
		}
	}
}

// Score is Forward, and the sigmoid of every logit.
func TestClassifierScore(t *testing.T) {
	c, x := randomClassifier(7, 5, 3, 37)
	want := tensor.New(5, 3)
	c.Forward(want, x)
	logits, probabilities := c.Score(x)
	if !slices.Equal(logits.Data, want.Data) {
		t.Errorf("logits %v, want %v", logits.Data, want.Data)
	}
	for i, z := range logits.Data {
		if p := 1 / (1 + math.Exp(-float64(z))); !(math.Abs(float64(probabilities.Data[i])-p) <= 1e-6) {
			t.Errorf("probability %v of the logit %v, want %v", probabilities.Data[i], z, p)
		}
	}
}

// TestClassifierBackward checks the gradients of Σ r∘logits, r random, by central differences. The sum is linear in x, in W
// and in b, so any step is exact but for float32 rounding.
func TestClassifierBackward(t *testing.T) {
	const rows, labels, hidden, step = 4, 3, 10, 0x1p-7
	c, x := randomClassifier(3, rows, labels, hidden)
	rng := rand.New(rand.NewPCG(3, 2))
	r, logits := tensor.New(rows, labels), tensor.New(rows, labels)
	fillNormal(rng, r.Data)
	project := func() (sum float64) {
		c.Forward(logits, x)
		for i, v := range logits.Data {
			sum += float64(r.Data[i]) * float64(v)
		}
		return sum
	}
	dx := tensor.New(rows, hidden)
	fillNormal(rng, dx.Data) // to be overwritten
	c.Backward(dx, r, x)
	for name, v := range map[string]struct{ value, grad []float32 }{
		"x": {x.Data, dx.Data}, "W": {c.Weights.Value, c.Weights.Grad}, "b": {c.Bias.Value, c.Bias.Grad},
	} {
		for i, old := range v.value {
			v.value[i] = old + step
			up := project()
			v.value[i] = old - step
			down := project()
			v.value[i] = old
			want := (up - down) / (2 * step)
			tol := 1e-3 * (1 + math.Abs(want)) // rounding of the logits, about 1e-6, over the step
			if got := float64(v.grad[i]); !(math.Abs(got-want) <= tol) {
				t.Errorf("d%s[%d] = %g, want %g ± %g", name, i, got, want, tol)
			}
		}
	}
}

// TestClassifierAccumulates: gradients of parameters add up, to the same bits when the rows come in two calls.
func TestClassifierAccumulates(t *testing.T) {
	const rows, labels, hidden = 6, 4, 33
	whole, x := randomClassifier(4, rows, labels, hidden)
	parts, _ := randomClassifier(4, rows, labels, hidden)
	dlogits := tensor.New(rows, labels)
	fillNormal(rand.New(rand.NewPCG(4, 2)), dlogits.Data)
	whole.Backward(nil, dlogits, x)
	for _, cut := range [][2]int{{0, 2}, {2, 6}} {
		dz, xs := dlogits.SliceRows(cut[0], cut[1]), x.SliceRows(cut[0], cut[1])
		parts.BackwardLabels(&dz, &xs, 3, 4)
		parts.BackwardLabels(&dz, &xs, 0, 3)
	}
	for i, p := range whole.Params() {
		if !slices.Equal(p.Grad, parts.Params()[i].Grad) {
			t.Errorf("%s: the gradient depends on how rows and labels are split", p.Name)
		}
	}
}

// TestClassifierRescale: every logit becomes a·z + b.
func TestClassifierRescale(t *testing.T) {
	c, x := randomClassifier(6, 5, 3, 20)
	before, after := tensor.New(5, 3), tensor.New(5, 3)
	c.Forward(before, x)
	slope, intercept := []float64{0.5, 3, 1}, []float64{-1, 0, 2}
	c.Rescale(slope, intercept)
	c.Forward(after, x)
	for i, z := range before.Data {
		want := slope[i%3]*float64(z) + intercept[i%3]
		if got := float64(after.Data[i]); !(math.Abs(got-want) <= 1e-5*(1+math.Abs(want))) { // 20 rounded products
			t.Errorf("logit %d is %v, want %v", i, got, want)
		}
	}
}

func TestClassifierAllocatesNothing(t *testing.T) {
	c, x := randomClassifier(5, 8, 5, 64)
	logits, dx := tensor.New(8, 5), tensor.New(8, 64)
	if n := testing.AllocsPerRun(10, func() { c.Forward(logits, x); c.Backward(dx, logits, x) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
