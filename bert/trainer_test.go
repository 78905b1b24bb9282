package bert

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bertlabel/asm"
	"bertlabel/tensor"
	"bertlabel/tensor/tensortest"
)

// trainingRun is a model, a trainer of it, and a batch with a random gradient by its features.
type trainingRun struct {
	*Trainer
	batch               *Batch
	features, dfeatures *tensor.Tensor
	first               uint64
}

// newRun makes the same run for the same arguments, whatever the number of workers.
func newRun(t testing.TB, o TrainerOptions, workers int, act string, lengths ...int) *trainingRun {
	t.Helper()
	m := small(t, 3, 48, 3)
	if act != "" {
		for _, l := range m.Layers {
			l.Activation = map[string]*Layer{act: newLayer(&Config{HiddenSize: 1, NumAttentionHeads: 1, IntermediateSize: 1,
				HiddenAct: act}, 0)}[act].Activation
		}
	}
	trainer, err := m.NewTrainer(o, tensor.NewWorkers(workers))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 8))
	b := &Batch{}
	for _, n := range lengths {
		b.Append(randomText(rng, &m.Config, n))
	}
	r := &trainingRun{trainer, b, tensor.New(b.Texts(), 48), tensor.New(b.Texts(), 48), 1 << 40}
	for i := range r.dfeatures.Data {
		r.dfeatures.Data[i] = float32(rng.NormFloat64())
	}
	return r
}

func (r *trainingRun) forward(t testing.TB) {
	t.Helper()
	r.ws.Workers.Start()
	defer r.ws.Workers.Stop()
	if err := r.Forward(r.features, r.batch, r.first); err != nil {
		t.Fatal(err)
	}
}

func (r *trainingRun) backward() {
	r.ws.Workers.Start()
	defer r.ws.Workers.Stop()
	r.Backward(r.dfeatures)
}

// gradients returns copies of all gradients, by name.
func (r *trainingRun) gradients() map[string][]float32 {
	g := map[string][]float32{}
	for _, p := range r.Params() {
		g[p.Name] = slices.Clone(p.Grad)
	}
	return g
}

var allWithDropout = TrainerOptions{Layers: 3, Embeddings: true, HiddenDropout: 0.2, AttentionDropout: 0.3, Seed: 11}

// TestTrainerGradient checks the gradient by every parameter with differences, dropout on, for each pooling, and with each
// activation that has no corner.
func TestTrainerGradient(t *testing.T) {
	for i, pooling := range []Pooling{Pooled, CLS, Mean} {
		for j, act := range []string{"gelu", "gelu_erf", "tanh"} {
			if j > 0 && i != 1 {
				continue // the activations once
			}
			o := allWithDropout
			o.Pooling = pooling
			r := newRun(t, o, 2, act, 9, 1, 17)
			loss := func() (sum float64) {
				r.forward(t)
				for i, v := range r.features.Data {
					sum += float64(v) * float64(r.dfeatures.Data[i])
				}
				return sum
			}
			r.forward(t)
			r.backward()
			for _, p := range r.Params() {
				x, dx := p.Value, p.Grad
				if p == r.model.Embeddings.Word.Table { // most rows are not in the batch
					id := int(r.batch.IDs[3]) * 48
					x, dx = x[id:id+48], dx[id:id+48]
				}
				checkDirection(t, fmt.Sprintf("%v, %s: %s", pooling, act, p.Name), dx, x, loss)
			}
		}
	}
}

// checkDirection compares the derivative of loss along the gradient dx with differences: a whole model is too long for element
// by element. Along dx/|dx| it is |dx|. The step shifts x by 2⁻⁸ in all; the bound of 2 % holds the five-point formula's error
// and float32 rounding, some 1e-5 of a loss of about 10, over 2⁻⁸.
func checkDirection(t *testing.T, name string, dx, x []float32, loss func() float64) {
	t.Helper()
	norm := 0.0
	for _, g := range dx {
		norm += float64(g) * float64(g)
	}
	norm = math.Sqrt(norm)
	if len(name) > 8 && name[len(name)-8:] == "key/bias" {
		return // zero in exact arithmetic: the goldens hold it to that
	}
	kept := slices.Clone(x)
	at := func(h float64) float64 {
		for i := range x {
			x[i] = kept[i] + float32(h*float64(dx[i])/norm)
		}
		defer copy(x, kept)
		return loss()
	}
	d := func(h float64) float64 { return (at(h) - at(-h)) / (2 * h) }
	got := (4*d(0x1p-8) - d(0x1p-7)) / 3
	if !(math.Abs(got-norm) <= 0.02*norm+0.005) {
		t.Errorf("%s: the derivative along the gradient is %g, its length %g", name, got, norm)
	}
}

// TestTrainerBits: gradients and features have the same bits for any number of workers.
func TestTrainerBits(t *testing.T) {
	for _, pooling := range []Pooling{Pooled, CLS, Mean} {
		o := allWithDropout
		o.Pooling = pooling
		var want *trainingRun
		for _, workers := range []int{1, 2, 4} {
			r := newRun(t, o, workers, "", 64, 1, 30, 7, 64, 64, 64, 64)
			r.forward(t)
			r.backward()
			if want == nil {
				want = r
			}
			if !slices.Equal(r.features.Data, want.features.Data) {
				t.Errorf("%v: features with %d workers have other bits", pooling, workers)
			}
			for name, g := range want.gradients() {
				if !slices.Equal(r.gradients()[name], g) {
					t.Errorf("%v: gradient of %s with %d workers has other bits", pooling, name, workers)
				}
			}
			if got, want := r.embeddings.squares, want.embeddings.squares; got != want {
				t.Errorf("%v: sparse squares are %v with %d workers, want %v", pooling, got, workers, want)
			}
		}
	}
}

// TestTrainerKernelSets: features and gradients have the same bits on all kernel sets but generic, whose float32 products round twice.
func TestTrainerKernelSets(t *testing.T) {
	best := asm.Best
	defer func() { asm.Best = best }()
	for _, c := range []struct {
		act     string
		pooling Pooling
		Precision
	}{{"", Pooled, FP32}, {"gelu_erf", Mean, FP32}, {"relu", CLS, BF16}, {"tanh", Pooled, BF16}} {
		o := allWithDropout
		o.Pooling, o.Precision = c.pooling, c.Precision
		var want *trainingRun
		for _, set := range asm.Sets() {
			if set.Name == "generic" {
				continue
			}
			asm.Best = set
			r := newRun(t, o, 2, c.act, 64, 1, 30, 7, 63)
			r.forward(t)
			r.backward()
			if want == nil {
				want = r
			}
			if !slices.Equal(r.features.Data, want.features.Data) {
				t.Errorf("%+v: features on %s have other bits", c, set.Name)
			}
			for name, g := range want.gradients() {
				if !slices.Equal(r.gradients()[name], g) {
					t.Errorf("%+v: gradient of %s on %s has other bits", c, name, set.Name)
				}
			}
		}
	}
}

// TestTrainerRecompute: layers that are computed again give the same bits, for any number of workers, trained layers and pooling,
// and need the activations of one layer.
func TestTrainerRecompute(t *testing.T) {
	for _, o := range []TrainerOptions{
		allWithDropout,
		{Layers: 3, Pooling: CLS, HiddenDropout: 0.2, AttentionDropout: 0.3},
		{Layers: 2, Pooling: Mean, HiddenDropout: 0.2, AttentionDropout: 0.3, Seed: 3},
		{Layers: 1, HiddenDropout: 0.1},
	} {
		want := newRun(t, o, 1, "", 64, 1, 30, 7, 64)
		for range 2 {
			want.forward(t)
			want.backward()
		}
		for _, workers := range []int{1, 2, 4} {
			o.Recompute = true
			r := newRun(t, o, workers, "", 64, 1, 30, 7, 64)
			for range 2 { // the second batch finds what the first has left
				r.forward(t)
				r.backward()
			}
			if !slices.Equal(r.features.Data, want.features.Data) {
				t.Errorf("%+v, %d workers: features have other bits", o, workers)
			}
			got := r.gradients()
			for name, g := range want.gradients() {
				if !slices.Equal(got[name], g) {
					t.Errorf("%+v, %d workers: gradient of %s has other bits", o, workers, name)
				}
			}
			for _, l := range r.layers {
				if l.layerActivations != r.layers[0].layerActivations {
					t.Errorf("%+v: a layer has activations of its own", o)
				}
			}
		}
	}
}

// TestTrainerAccumulates: two batches give the gradient of one, to float32 rounding; a text's dropout goes by its place in the
// stream alone, and so its features have the same bits.
func TestTrainerAccumulates(t *testing.T) {
	lengths := []int{20, 5, 33, 64, 1, 12}
	whole := newRun(t, allWithDropout, 2, "", lengths...)
	whole.forward(t)
	whole.backward()
	parts := newRun(t, allWithDropout, 2, "", lengths...)
	all, dall := parts.batch, parts.dfeatures
	for _, cut := range [][2]int{{0, 4}, {4, 6}} {
		b := &Batch{}
		for i := cut[0]; i < cut[1]; i++ {
			b.Append(all.IDs[all.Offsets[i]:all.Offsets[i+1]], all.Segments[all.Offsets[i]:all.Offsets[i+1]])
		}
		parts.batch, parts.first = b, 1<<40+uint64(cut[0])
		parts.features = tensor.New(b.Texts(), 48)
		d := dall.SliceRows(cut[0], cut[1])
		parts.dfeatures = &d
		parts.forward(t)
		if !slices.Equal(parts.features.Data, whole.features.Data[cut[0]*48:cut[1]*48]) {
			t.Errorf("texts %v have other features in a batch of their own", cut)
		}
		parts.backward()
	}
	got := parts.gradients()
	for name, want := range whole.gradients() {
		bound := 2e-6 * tensortest.MaxAbs(tensortest.Widen(want)) // sums of some hundred float32 terms in another order
		if diff := tensortest.MaxDiff(t, tensortest.Widen(got[name]), tensortest.Widen(want)); !(diff <= bound+1e-6) {
			t.Errorf("gradient of %s differs by %g, bound %g", name, diff, bound)
		}
	}
	_, sum, _ := parts.SparseSquares()
	if _, want, _ := whole.SparseSquares(); !(math.Abs(sum-want) <= 1e-5*want) {
		t.Errorf("sparse squares %v, want %v", sum, want)
	}
	if _, again, _ := parts.SparseSquares(); again != 0 {
		t.Errorf("sparse squares are %v after they were asked for", again)
	}
}

// TestTrainerSparseSquares: the squares of a table's gradient are those of its tokens where no token comes twice, and more or
// less where one does.
func TestTrainerSparseSquares(t *testing.T) {
	r := newRun(t, TrainerOptions{Layers: 3, Embeddings: true}, 1, "", 30)
	for i := range r.batch.IDs {
		r.batch.IDs[i] = int32(i)
	}
	for _, repeated := range []bool{false, true} {
		if repeated {
			r.batch.IDs[20] = 3
		}
		word := r.model.Embeddings.Word.Table
		clear(word.Grad)
		r.forward(t)
		r.backward()
		dense := 0.0
		for _, g := range word.Grad {
			dense += float64(g) * float64(g)
		}
		name, squares, ok := r.SparseSquares()
		if !ok || name != word.Name {
			t.Fatalf("sparse squares of %q, %t", name, ok)
		}
		if near := math.Abs(squares-dense) <= 1e-6*dense; near == repeated {
			t.Errorf("repeated word: %t: sparse squares %v, dense %v", repeated, squares, dense)
		}
	}
}

// TestTrainerLast: with the last layers only, their gradients are those of full training, all else has none, and what is frozen
// runs without dropout.
func TestTrainerLast(t *testing.T) {
	for _, pooling := range []Pooling{Pooled, CLS, Mean} {
		full := newRun(t, TrainerOptions{Layers: 3, Embeddings: true, Pooling: pooling}, 2, "", 9, 33, 20)
		full.forward(t)
		full.backward()
		want := full.gradients()
		for n := 1; n <= 3; n++ {
			r := newRun(t, TrainerOptions{Layers: n, Pooling: pooling}, 2, "", 9, 33, 20)
			r.forward(t)
			r.backward()
			trained := r.gradients()
			for name, g := range trained {
				// The frozen layers add bias and residual in another order than those in training: 1e-6 of the activations.
				bound := 1e-4 * tensortest.MaxAbs(tensortest.Widen(want[name]))
				if diff := tensortest.MaxDiff(t, tensortest.Widen(g), tensortest.Widen(want[name])); !(diff <= bound+1e-6) {
					t.Errorf("%v, last %d: gradient of %s differs by %g, bound %g", pooling, n, name, diff, bound)
				}
			}
			if wanted := 16*n + 2*b2i(pooling == Pooled); len(trained) != wanted {
				t.Errorf("%v, last %d: %d trained parameters, want %d", pooling, n, len(trained), wanted)
			}
			for _, p := range r.model.Params() {
				if _, ok := trained[p.Name]; !ok && p.Grad != nil {
					t.Errorf("%v, last %d: %s has a gradient", pooling, n, p.Name)
				}
			}
			if _, _, ok := r.SparseSquares(); ok {
				t.Error("sparse squares without embeddings")
			}
		}
	}
	o := allWithDropout
	o.Layers, o.Embeddings = 1, false
	r := newRun(t, o, 1, "", 9, 33)
	r.forward(t)
	frozen := slices.Clone(r.hidden[0].Data)
	r.first++
	r.forward(t)
	if !slices.Equal(r.hidden[0].Data, frozen) {
		t.Error("the frozen layers drop out")
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestTrainerInference: without dropout the features of training are those of inference to rounding; after Release the model
// has the values that training ended with, packed, and nothing else.
func TestTrainerInference(t *testing.T) {
	for _, pooling := range []Pooling{Pooled, CLS, Mean} {
		r := newRun(t, TrainerOptions{Layers: 2, Pooling: pooling}, 2, "", 9, 33, 20, 64)
		kernel := r.layers[1].Output.Kernel
		for i := range kernel.Value {
			kernel.Value[i] *= 1.5 // as an optimizer would
		}
		want := slices.Clone(kernel.Value)
		r.forward(t)
		r.Pack()
		y := tensor.New(r.batch.Texts(), 48)
		if err := r.model.Features(NewWorkspace(nil), y, r.batch, pooling); err != nil {
			t.Fatal(err)
		}
		// values of about 1
		if diff := tensortest.MaxDiff(t, tensortest.Widen(y.Data), tensortest.Widen(r.features.Data)); !(diff <= 1e-5) {
			t.Errorf("%v: training's features differ from inference's by %g", pooling, diff)
		}
		params := r.Params()
		r.Release()
		if kernel.Value != nil || !slices.Equal(r.model.Value(kernel), want) {
			t.Errorf("%v: the kernel is not packed as it was trained", pooling)
		}
		for _, p := range params {
			if p.Grad != nil {
				t.Errorf("%v: %s keeps its gradient", pooling, p.Name)
			}
		}
	}
}

func TestTrainerAllocatesNothing(t *testing.T) {
	for _, pooling := range []Pooling{Pooled, Mean} {
		for _, workers := range []int{1, 2} {
			for _, recompute := range []bool{false, true} {
				o := allWithDropout
				o.Pooling, o.Recompute = pooling, recompute
				r := newRun(t, o, workers, "", 40, 7, 64, 20)
				tensortest.NoAllocs(t, fmt.Sprintf("%v, %d workers, recompute %t", pooling, workers, recompute),
					func() { r.forward(t); r.backward() })
			}
		}
	}
}

func TestTrainerRefuses(t *testing.T) {
	m := small(t, 2, 32, 2)
	for _, o := range []TrainerOptions{
		{}, {Layers: 3}, {Layers: -1}, {Layers: 1, Embeddings: true}, {Layers: 1, HiddenDropout: 1},
		{Layers: 1, AttentionDropout: math.NaN()},
	} {
		if _, err := m.NewTrainer(o, nil); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	r, err := m.NewTrainer(TrainerOptions{Layers: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Forward(tensor.New(1, 32), &Batch{IDs: []int32{-1}, Segments: []int32{0}, Offsets: []int{0, 1}}, 0); err == nil {
		t.Error("bad batch: no error")
	}
	m.DropPooler()
	if _, err := m.NewTrainer(TrainerOptions{Layers: 1}, nil); err == nil {
		t.Error("no pooler: no error")
	}
}
