package train

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bertlabel/tensor"
	"bertlabel/tensor/tensortest"
)

// param returns a parameter with normally distributed values and gradients.
func param(rng *rand.Rand, name string, shape ...int) *tensor.Param {
	p := tensor.NewParam(name, shape...)
	p.Value, p.Grad = make([]float32, p.Size()), make([]float32, p.Size())
	for i := range p.Value {
		p.Value[i], p.Grad[i] = float32(rng.NormFloat64()), float32(rng.NormFloat64())
	}
	return p
}

func newOptimizer(t testing.TB, params []*tensor.Param, cfg OptimizerConfig, workers *tensor.Workers) *Optimizer {
	t.Helper()
	o, err := NewOptimizer(params, cfg, workers)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestAdamWGolden follows eight steps of torch.optim.AdamW, with gradients from 1e-6 to 10.
func TestAdamWGolden(t *testing.T) {
	var golden struct {
		WeightDecay float64 `json:"weight_decay"`
		Start       map[string][]float32
		Steps       []struct {
			LearningRate float32 `json:"learning_rate"`
			Gradients    map[string][]float32
			Weights      map[string][]float32
		}
	}
	readGolden(t, "adamw.json", &golden)
	params := []*tensor.Param{tensor.NewParam("output_weights", 3, 7), tensor.NewParam("output_bias", 3)}
	for _, p := range params {
		p.Value = golden.Start[p.Name]
	}
	o := newOptimizer(t, params, OptimizerConfig{Form: AdamW, WeightDecay: golden.WeightDecay}, nil)
	if len(golden.Steps) != 8 {
		t.Fatalf("%d steps, want 8", len(golden.Steps))
	}
	for i, s := range golden.Steps {
		for _, p := range params {
			copy(p.Grad, s.Gradients[p.Name])
		}
		if err := o.Step(int64(i), s.LearningRate, 1); err != nil {
			t.Fatal(err)
		}
		for _, p := range params {
			for j, want := range s.Weights[p.Name] {
				// Some ten roundings a step, of numbers of the size of w or below: 10·2⁻²⁴ a step, and they add up.
				tol := float64(i+1) * 10 * 0x1p-24 * max(1, math.Abs(float64(want)))
				if got := p.Value[j]; !(math.Abs(float64(got-want)) <= tol) {
					t.Errorf("step %d: %s[%d] = %v, want %v ± %g", i+1, p.Name, j, got, want, tol)
				}
			}
		}
	}
}

// TestWeightDecayExclusions: with gradients of zero only decayed parameters move, by lr·λ·w in both forms.
func TestWeightDecayExclusions(t *testing.T) {
	decayed := map[string]bool{
		"output_weights": true, "bert/embeddings/word_embeddings": true, "bert/pooler/dense/kernel": true,
		"output_bias": false, "bert/pooler/dense/bias": false, "bert/embeddings/LayerNorm/gamma": false,
		"bert/embeddings/LayerNorm/beta": false, "bert/embeddings/layer_normalization/gamma": false,
	}
	for _, form := range []string{Google, AdamW} {
		for name, want := range decayed {
			p := tensor.NewParam(name, 2)
			p.Value = []float32{1, -2}
			o := newOptimizer(t, []*tensor.Param{p}, OptimizerConfig{Form: form, WeightDecay: 0.25}, nil)
			if err := o.Step(0, 0.5, 1); err != nil {
				t.Fatal(err)
			}
			values := []float32{1, -2}
			if want {
				values = []float32{1 - 0.125, -2 + 0.25} // exact in binary
			}
			if !slices.Equal(p.Value, values) {
				t.Errorf("%s: %s became %v, want %v", form, name, p.Value, values)
			}
		}
	}
}

// TestGoogleFormula writes one element's first two steps out in float64.
func TestGoogleFormula(t *testing.T) {
	p := tensor.NewParam("kernel", 1)
	p.Value = []float32{0.5}
	o := newOptimizer(t, []*tensor.Param{p}, OptimizerConfig{WeightDecay: 0.01}, nil)
	w, m, v := 0.5, 0.0, 0.0
	for step, g := range []float64{0.25, -2} {
		const lr, factor = 0.125, 0.5
		g2 := g * factor
		m = 0.9*m + 0.1*g2
		v = 0.999*v + 0.001*g2*g2
		w -= lr * (m/(math.Sqrt(v)+1e-6) + 0.01*w)
		p.Grad[0] = float32(g)
		if err := o.Step(int64(step), lr, factor); err != nil {
			t.Fatal(err)
		}
		// Ten roundings a step of numbers below 4 (m/√v reaches 3.16).
		if got, tol := float64(p.Value[0]), 10*4*0x1p-24*float64(step+1); !(math.Abs(got-w) <= tol) {
			t.Errorf("step %d: w = %v, want %v ± %g", step+1, got, w, tol)
		}
		if p.Grad[0] != 0 {
			t.Errorf("step %d: the gradient is %v, want 0", step+1, p.Grad[0])
		}
	}
}

// TestLearningRateScale: half the rate by the hook is half the rate by the schedule.
func TestLearningRateScale(t *testing.T) {
	for _, form := range []string{Google, AdamW} {
		rng := func() *rand.Rand { return rand.New(rand.NewPCG(1, 1)) }
		scaled, plain := param(rng(), "kernel", 50), param(rng(), "kernel", 50)
		half := OptimizerConfig{Form: form, WeightDecay: 0.01, Scale: func(name string) float64 {
			if name != "kernel" {
				t.Errorf("asked for %q", name)
			}
			return 0.5
		}}
		if err := newOptimizer(t, []*tensor.Param{scaled}, half, nil).Step(0, 0.25, 1); err != nil {
			t.Fatal(err)
		}
		if err := newOptimizer(t, []*tensor.Param{plain}, OptimizerConfig{Form: form, WeightDecay: 0.01}, nil).Step(0, 0.125,
			1); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(scaled.Value, plain.Value) {
			t.Errorf("%s: rate 0.25 at scale 0.5 differs from rate 0.125", form)
		}
	}
}

// large returns parameters of several chunks, one of them with an odd rest.
func large(seed uint64) []*tensor.Param {
	rng := rand.New(rand.NewPCG(seed, 1))
	return []*tensor.Param{param(rng, "a/kernel", 5, chunkSize/2+3), param(rng, "a/bias", 7), param(rng, "b/kernel", chunkSize)}
}

// TestOptimizerThreads: norm and steps have the same bits for any number of workers, and nothing is allocated.
func TestOptimizerThreads(t *testing.T) {
	for _, form := range []string{Google, AdamW} {
		var norms []float64
		var values [][]float32
		for _, threads := range []int{1, 2, 5} {
			params, workers := large(1), tensor.NewWorkers(threads)
			o := newOptimizer(t, params, OptimizerConfig{Form: form, WeightDecay: 0.01}, workers)
			workers.Start()
			norm, err := o.GlobalNorm(nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := o.Step(0, 0.1, ClipFactor(norm, 1)); err != nil {
				t.Fatal(err)
			}
			tensortest.NoAllocs(t, fmt.Sprintf("%s, %d workers", form, threads), func() { o.GlobalNorm(nil); o.Step(1, 0.1, 1) })
			workers.Stop()
			norms = append(norms, norm)
			for _, p := range params {
				values = append(values, p.Value)
			}
		}
		for i := range norms {
			if norms[i] != norms[0] || !slices.EqualFunc(values[3*i:3*i+3], values[:3], slices.Equal) {
				t.Errorf("%s: another number of workers gives other bits", form)
			}
		}
	}
}

func TestGlobalNorm(t *testing.T) {
	params := large(2)
	o := newOptimizer(t, params, OptimizerConfig{}, nil)
	squares := map[string]float64{}
	sum := 0.0
	for _, p := range params {
		for _, g := range p.Grad {
			squares[p.Name] += float64(g) * float64(g)
		}
		sum += squares[p.Name]
	}
	check := func(what string, given map[string]float64, want float64) {
		t.Helper()
		got, err := o.GlobalNorm(given)
		if want = math.Sqrt(want); err != nil || !(math.Abs(got-want) <= 1e-6*want) { // kernels may add a few float32 before they widen
			t.Errorf("%s: norm %v, %v, want %v", what, got, err, want)
		}
	}
	check("dense", nil, sum)
	check("sparse", map[string]float64{"a/kernel": 5, "c": 1e9}, sum-squares["a/kernel"]+5)
}

func TestClipFactor(t *testing.T) {
	for _, c := range []struct {
		norm, clip float64
		want       float32
	}{{0, 1, 1}, {0.5, 1, 1}, {1, 1, 1}, {4, 1, 0.25}, {4, 2, 0.5}, {1, 2, 1}, {1e30, 0, 1}} {
		if got := ClipFactor(c.norm, c.clip); got != c.want {
			t.Errorf("ClipFactor(%v, %v) = %v, want %v", c.norm, c.clip, got, c.want)
		}
	}
}

// TestOptimizerNamesWhatDiverged: in the last chunk of a parameter too.
func TestOptimizerNamesWhatDiverged(t *testing.T) {
	inf, nan := float32(math.Inf(-1)), float32(math.NaN())
	params := large(3)
	o := newOptimizer(t, params, OptimizerConfig{}, nil)
	cols := chunkSize/2 + 3
	for _, bad := range []float32{inf, nan} {
		old := params[0].Grad[4*cols+2]
		params[0].Grad[4*cols+2] = bad
		_, err := o.GlobalNorm(map[string]float64{"a/kernel": 1}) // given squares hide nothing
		if d, ok := errors.AsType[*DivergedError](err); !ok || d.Tensor != "gradient of a/kernel" || !slices.Equal(d.Index, []int{4, 2}) {
			t.Errorf("gradient of %v: error %v", bad, err)
		}
		params[0].Grad[4*cols+2] = old
	}
	params[1].Value[6] = math.MaxFloat32
	params[1].Grad[6] = -1
	err := o.Step(0, math.MaxFloat32, 1)
	if d, ok := errors.AsType[*DivergedError](err); !ok || !strings.HasPrefix(d.Tensor, "a/") {
		t.Errorf("overflow of a weight: error %v", err)
	}
}

func TestOptimizerState(t *testing.T) {
	params := large(4)
	o := newOptimizer(t, params, OptimizerConfig{}, nil)
	moments := o.State()
	if err := o.Step(0, 0.1, 1); err != nil {
		t.Fatal(err)
	}
	for i, p := range params {
		m, v := moments[2*i], moments[2*i+1]
		if m.Name != p.Name+"/adam_m" || v.Name != p.Name+"/adam_v" || !slices.Equal(m.Shape, p.Shape) || !slices.Equal(v.Shape, p.Shape) {
			t.Errorf("%s %v has moments %s %v and %s %v", p.Name, p.Shape, m.Name, m.Shape, v.Name, v.Shape)
		}
		if m.Value[0] == 0 || v.Value[0] == 0 {
			t.Errorf("%s: the moments do not share the optimizer's memory", p.Name)
		}
	}
	if _, err := NewOptimizer(params, OptimizerConfig{Form: "sgd"}, nil); err == nil || !strings.Contains(err.Error(), `"sgd"`) {
		t.Errorf("optimizer sgd: error %v", err)
	}
}
