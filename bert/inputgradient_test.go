package bert

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bertlabel/tensor"
)

// inputRun is an InputGradient with a batch, the words of its own ids, and a random gradient by the features.
type inputRun struct {
	*InputGradient
	batch                              *Batch
	words, dwords, features, dfeatures *tensor.Tensor
}

func newInputRun(t *testing.T, m *Model, pooling Pooling, workers int) *inputRun {
	t.Helper()
	g, err := m.NewInputGradient(pooling, tensor.NewWorkers(workers))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 8))
	b := &Batch{}
	for _, n := range []int{9, 1, 17} {
		b.Append(randomText(rng, &m.Config, n))
	}
	width, err := m.PoolingWidth(pooling)
	if err != nil {
		t.Fatal(err)
	}
	h := m.Config.HiddenSize
	r := &inputRun{g, b, tensor.New(b.Tokens(), h), tensor.New(b.Tokens(), h), tensor.New(b.Texts(), width), tensor.New(b.Texts(), width)}
	for i, id := range b.IDs {
		copy(r.words.Row(i), m.Embeddings.Word.Row(int(id)))
	}
	for i := range r.dfeatures.Data {
		r.dfeatures.Data[i] = float32(rng.NormFloat64())
	}
	return r
}

// pass runs forward and backward, and returns the projection of the features that it differentiates.
func (r *inputRun) pass(t *testing.T) (sum float64) {
	t.Helper()
	r.ws.Workers.Start()
	defer r.ws.Workers.Stop()
	if err := r.Forward(r.features, r.words, r.batch); err != nil {
		t.Fatal(err)
	}
	r.Backward(r.dwords, r.dfeatures)
	for i, v := range r.features.Data {
		sum += float64(v) * float64(r.dfeatures.Data[i])
	}
	return sum
}

// TestInputGradient: for every pooling, the features of the texts' own words are those of Features, the gradient by the words is
// that of differences, a second Backward gives it again, and the bits hang on no number of workers.
func TestInputGradient(t *testing.T) {
	m := small(t, 3, 48, 3)
	for _, pooling := range testPoolings(t, m) {
		r := newInputRun(t, m, pooling, 2)
		r.pass(t)
		dwords := slices.Clone(r.dwords.Data)

		want := tensor.New(r.features.Rows, r.features.Cols)
		if err := m.Features(NewWorkspace(nil), want, r.batch, pooling); err != nil {
			t.Fatal(err)
		}
		for i, v := range want.Data { // bias and residual are added in another order: some roundings of values near 1, layer by layer
			if !(math.Abs(float64(v-r.features.Data[i])) <= 2e-5) {
				t.Fatalf("%s: feature %d is %v, Features has %v", pooling, i, r.features.Data[i], v)
			}
		}
		checkDirection(t, fmt.Sprintf("%s: words", pooling), dwords, r.words.Data, func() float64 { return r.pass(t) })

		r.pass(t)
		if r.Backward(r.dwords, r.dfeatures); !slices.Equal(r.dwords.Data, dwords) {
			t.Errorf("%s: a second Backward gives other gradients", pooling)
		}
		alone := newInputRun(t, m, pooling, 1)
		if alone.pass(t); !slices.Equal(alone.dwords.Data, dwords) {
			t.Errorf("%s: one worker gives other bits", pooling)
		}
	}
	if _, err := m.NewInputGradient("mean:-9", nil); err == nil {
		t.Error("a layer that the model lacks is not refused")
	}
}
