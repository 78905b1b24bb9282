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

// TestRounded: what follows a float32 model has the bits of one that was loaded in its precision from the same values; after the values
// have changed, and for kernels that are row-major, too.
func TestRounded(t *testing.T) {
	for _, p := range []Precision{BF16, Int8} {
		m := small(t, 3, 96, 4)
		b, rng := &Batch{}, rand.New(rand.NewPCG(51, 0))
		for _, n := range []int{9, 1, 33} {
			b.Append(randomText(rng, &m.Config, n))
		}
		r := m.Rounded(p)
		trainer, err := m.NewTrainer(TrainerOptions{Layers: 2}, nil) // two layers have row-major kernels, one has none
		if err != nil {
			t.Fatal(err)
		}
		for threads := 1; threads <= 3; threads++ {
			for _, param := range trainer.Params() {
				for i := range param.Value {
					param.Value[i] *= 1 + float32(rng.NormFloat64())/10
				}
			}
			trainer.Pack()
			r.Follow(threads)
			want, err := New(m.Config)
			if err != nil {
				t.Fatal(err)
			}
			want.SetPrecision(p)
			if err := want.Load(threads, func(p *tensor.Param, dst []float32) error {
				for _, q := range m.Params() {
					if q.Name == p.Name {
						copy(dst, m.Value(q))
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			for _, pooling := range []Pooling{Pooled, Mean} {
				got, want := featuresOf(t, r.Model, NewWorkspace(nil), b, pooling), featuresOf(t, want, NewWorkspace(nil), b, pooling)
				if !slices.Equal(got.Data, want.Data) {
					t.Errorf("%s, %s, %d threads: other bits than those of a model that was loaded", p, pooling, threads)
				}
			}
		}
	}
}

// TestTrainerBF16Refuses: int8 cannot be trained, nor does a trainer take what follows another model.
func TestTrainerBF16Refuses(t *testing.T) {
	m, other := small(t, 2, 32, 2), small(t, 2, 32, 2)
	for _, o := range []TrainerOptions{
		{Layers: 1, Precision: Int8}, {Layers: 1, Precision: Auto},
		{Layers: 1, Precision: BF16, Rounded: other.Rounded(BF16)}, {Layers: 1, Precision: BF16, Rounded: m.Rounded(Int8)},
		{Layers: 1, Rounded: m.Rounded(BF16)},
	} {
		if _, err := m.NewTrainer(o, nil); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}

// bf16Products is the number of products in series between the gradient of a parameter of the lowest of n trained layers and the gradient
// by the features: in each layer six forward (query and key, scores, context, three dense) and six back.
func bf16Products(n int) float64 { return 12 * float64(n) }

// TestTrainerBF16 compares features and all gradients with those of float32. A product rounds two operands, each by at most 2⁻⁸ of a
// number and by 2⁻⁸/√3 in the root mean square; roundings of different numbers are independent, so that the errors of N products in
// series add up to √(2N)·2⁻⁸/√3 of a vector's length, if no product makes an error larger in proportion than it makes the vector. Random
// weights do not, on the whole; the bound is three times as much. As a sum over tokens or heads may cancel by chance, it is relative to
// the largest gradient of a parameter of the same kind in any layer; that by the bias of the keys, which is 0 since softmax does not see
// it, to that by the bias of the queries.
func TestTrainerBF16(t *testing.T) {
	for _, o := range []TrainerOptions{
		{Layers: 3, Embeddings: true, HiddenDropout: 0.2, AttentionDropout: 0.3, Seed: 11},
		{Layers: 2, Pooling: Mean}, {Layers: 1, Pooling: CLS, AttentionDropout: 0.1}, {Layers: 3, Pooling: Mean, Recompute: true},
	} {
		lengths := []int{9, 1, 17, 40}
		float := newRun(t, o, 2, "", lengths...)
		float.forward(t)
		float.backward()
		o.Precision = BF16
		low := newRun(t, o, 2, "", lengths...)
		low.forward(t)
		low.backward()
		bound := 3 * math.Sqrt(2*bf16Products(o.Layers)) * 0x1p-8 / math.Sqrt(3)
		if e := distance(low.features.Data, float.features.Data) / length(float.features.Data); !(e > 1e-5 && e <= bound) {
			t.Errorf("%+v: features differ by %.5f of their length, want at most %.5f, and something", o, e, bound)
		}
		want, largest := float.gradients(), map[string]float64{}
		for name, g := range want {
			largest[kindOf(name)] = max(largest[kindOf(name)], length(g))
		}
		for name, g := range low.gradients() {
			if e := distance(g, want[name]) / largest[kindOf(name)]; !(e <= bound) {
				t.Errorf("%+v: %s: the gradient differs by %.5f, want at most %.5f", o, name, e, bound)
			}
		}
	}
}

// kindOf returns the name of a parameter without its layer.
func kindOf(name string) string {
	var layer int
	rest := ""
	if n, _ := fmt.Sscanf(name, "bert/encoder/layer_%d/%s", &layer, &rest); n == 2 {
		return strings.Replace(rest, "key/bias", "query/bias", 1)
	}
	return name
}

func length(x []float32) float64 { return distance(x, make([]float32, len(x))) }

func distance(x, y []float32) (d float64) {
	for i, v := range x {
		d += float64(v-y[i]) * float64(v-y[i])
	}
	return math.Sqrt(d)
}

// TestTrainerBF16SameBits: gradients do not depend on the number of workers, nor on Recompute, nor on who made the rounded model.
func TestTrainerBF16SameBits(t *testing.T) {
	o := TrainerOptions{Layers: 2, Precision: BF16, HiddenDropout: 0.2, AttentionDropout: 0.3, Seed: 3, Pooling: Mean}
	var first map[string][]float32
	for workers := 1; workers <= 3; workers++ {
		for _, o.Recompute = range []bool{false, true} {
			r := newRun(t, o, workers, "", 9, 1, 60, 33)
			if workers == 2 {
				r.options.Rounded = r.model.Rounded(BF16)
				r.options.Rounded.Follow(workers)
			}
			for range 2 {
				r.forward(t)
				r.backward()
			}
			got := r.gradients()
			if first == nil {
				first = got
			}
			for name, g := range got {
				if !slices.Equal(g, first[name]) {
					t.Errorf("%d workers, recompute %t: %s has other bits", workers, o.Recompute, name)
				}
			}
		}
	}
}

// TestTrainerBF16Forward: without dropout the features of training are those of the rounded model, up to the order in which a bias and a
// residual connection are added; and a released model computes in float32 again.
func TestTrainerBF16Forward(t *testing.T) {
	for _, pooling := range []Pooling{Pooled, Mean} {
		r := newRun(t, TrainerOptions{Layers: 2, Precision: BF16, Pooling: pooling}, 2, "", 9, 1, 33)
		want := featuresOf(t, r.model, NewWorkspace(nil), r.batch, pooling)
		r.forward(t)
		low := featuresOf(t, r.options.Rounded.Model, NewWorkspace(nil), r.batch, pooling)
		near, far := distance(r.features.Data, low.Data), distance(r.features.Data, want.Data)
		if !(near <= far) { // a last bit may move a number over a rounding edge: 2⁻⁸ of it
			t.Errorf("%s: %g from the rounded model, %g from the float32 one", pooling, near, far)
		}
		r.Release()
		if got := featuresOf(t, r.model, NewWorkspace(nil), r.batch, pooling); !slices.Equal(got.Data, want.Data) {
			t.Errorf("%s: after training without a step the model has other bits", pooling)
		}
		for _, d := range r.dense() {
			if d.Training != FP32 {
				t.Errorf("%s: %s is left in %s", pooling, d.Kernel.Name, d.Training)
			}
		}
	}
}
