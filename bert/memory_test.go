package bert

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"bertlabel/layers"
	"bertlabel/tensor"
)

// reachable adds up the bytes of all slices of numbers that x reaches, each once. What has one of the types of except is passed by.
func reachable(x any, except ...any) (bytes int) {
	seen := map[uintptr]bool{}
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		for _, e := range except {
			if v.Type() == reflect.TypeOf(e) {
				return
			}
		}
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			if !v.IsNil() && !(v.Kind() == reflect.Pointer && seen[v.Pointer()]) {
				if v.Kind() == reflect.Pointer {
					seen[v.Pointer()] = true
				}
				walk(v.Elem())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i))
			}
		case reflect.Array:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Slice:
			switch kind := v.Type().Elem().Kind(); {
			case kind >= reflect.Bool && kind <= reflect.Float64, v.Type().Elem() == reflect.TypeFor[layers.Place]():
				if v.Cap() > 0 && !seen[v.Pointer()] {
					seen[v.Pointer()] = true
					bytes += v.Cap() * int(v.Type().Elem().Size())
				}
			default:
				for i := range v.Len() {
					walk(v.Index(i))
				}
			}
		}
	}
	walk(reflect.ValueOf(x))
	return bytes
}

// TestMemory compares what Memory says with the bytes that a trainer holds after its passes. The bound of 2 % is for slices that
// append has grown; a wrong term of any tensor is more.
func TestMemory(t *testing.T) {
	for _, o := range []TrainerOptions{
		{Layers: 3, Embeddings: true, HiddenDropout: 0.1, AttentionDropout: 0.1},
		{Layers: 3, Embeddings: true, Recompute: true},
		{Layers: 3, Embeddings: true, Pooling: Mean},
		{Layers: 3, Pooling: CLS, Recompute: true},
		{Layers: 2, Pooling: Mean, Recompute: true},
		{Layers: 2}, {Layers: 1}, {Layers: 1, Pooling: Mean},
		{Layers: 3, Embeddings: true, Precision: BF16, Pooling: Mean}, {Layers: 2, Precision: BF16}, {Layers: 1, Precision: BF16},
	} {
		for _, lengths := range [][]int{{64, 64, 64, 64, 64, 64, 64, 64}, {1, 50, 3, 3}, {5}} {
			for _, workers := range []int{1, 3} {
				t.Run(fmt.Sprintf("%+v, lengths %v, %d workers", o, lengths, workers), func(t *testing.T) {
					r := newRun(t, o, workers, "", lengths...)
					size := BatchSize{Tokens: r.batch.Tokens(), Texts: r.batch.Texts()}
					for _, n := range lengths {
						size.Longest = max(size.Longest, n)
					}
					want, err := r.model.Memory(o, size, workers)
					if err != nil {
						t.Fatal(err)
					}
					for range workers { // which worker has had the longest text is chance
						r.forward(t)
						r.backward()
					}
					compare := func(what string, got, want, slack int) {
						t.Helper()
						if diff := got - want; !(100*max(diff, -diff) <= 2*want+100*slack) {
							t.Errorf("%s: %d bytes, estimated %d (%+.1f %%)", what, got, want, 100*float64(want-got)/float64(got))
						}
					}
					ws, rounded := r.ws, r.options.Rounded
					r.ws, r.options.Rounded = nil, nil
					var gradients, kernels int
					for _, p := range r.Params() {
						gradients += 4 * cap(p.Grad)
					}
					for _, d := range r.dense() {
						kernels += 4 * cap(d.Kernel.Value)
					}
					compare("gradients", gradients, want.Gradients, 0)
					compare("kernels", kernels, want.Kernels, 0)
					model := []any{&Model{}, &Layer{}, &Embeddings{}, &Pooler{}, &Batch{}, &layers.Dense{}, &layers.LayerNorm{},
						&tensor.Param{}, &tensor.Workers{}}
					compare("activations", reachable(r.Trainer, model...), want.Activations, 200)
					if got := reachable(ws, model...); o.Precision == BF16 && got <= want.Workspace && 10*want.Workspace <= 11*got {
						want.Workspace = got // what loops share of a worker's scratch is counted for each: up to a tenth too much
					}
					// a small product does not use all workers
					if got := reachable(ws, model...); workers == 1 || 100*got > 102*want.Workspace {
						compare("workspace", got, want.Workspace, 200)
					}
					if rounded != nil {
						kernels, _ := r.model.RoundedMemory(BF16, workers)
						got := 0
						for _, l := range rounded.Layers {
							got += l.qkv.Bytes()
							for _, d := range l.dense()[3:] {
								got += d.PackedBytes(BF16, 0)
							}
						}
						compare("rounded kernels", got, want.Rounded, 0)
						compare("rounded kernels alone", kernels, want.Rounded, 0)
					}
					r.ws = ws
					r.Release()
					for _, d := range r.model.dense() {
						d.Kernel.Value = nil // Init leaves those that were not trained
					}
					compare("weights", weightsOf(r.model), want.Weights, 0)
				})
			}
		}
	}
}

// weightsOf adds up what a packed model holds.
func weightsOf(m *Model) (bytes int) {
	for _, p := range m.Params() {
		bytes += 4 * cap(p.Value)
	}
	for _, l := range m.Layers {
		bytes -= 4 * len(l.qkvBias) // parameters are views of it
	}
	return bytes + reachable(m, &tensor.Param{})
}

// TestFeaturesMemory compares the estimate for a pass of inference with what its workspace then holds. It counts rows for every
// pooling, of which one pass needs those of its own, up to a fifth too much, and no offsets of texts.
func TestFeaturesMemory(t *testing.T) {
	for _, pooling := range []Pooling{Pooled, CLS, Mean} {
		for _, lengths := range [][]int{{64, 64, 64, 64, 64, 64, 64, 64}, {30, 50, 33, 12}} {
			r := newRun(t, TrainerOptions{Layers: 1}, 1, "", lengths...) // its model is packed
			size := BatchSize{Tokens: r.batch.Tokens(), Texts: r.batch.Texts(), Longest: slices.Max(lengths)}
			ws := NewWorkspace(nil)
			if err := r.model.Features(ws, r.features, r.batch, pooling); err != nil {
				t.Fatal(err)
			}
			got := reachable(ws, &Model{}, &Layer{}, &layers.Dense{}, &layers.LayerNorm{}, &tensor.Param{}, &tensor.Workers{}, &Batch{})
			if want := r.model.FeaturesMemory(size, 1); !(got <= want+1024 && want <= got+got/5) {
				t.Errorf("%v, lengths %v: %d bytes, estimated %d (%+.1f %%)", pooling, lengths, got, want,
					100*float64(want-got)/float64(got))
			}
		}
	}
}
