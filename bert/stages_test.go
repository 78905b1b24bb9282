package bert_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/plain"
	"bertlabel/tensor"
	"bertlabel/tensor/tensortest"
)

// one returns text i of the batch alone.
func (c *plainCase) one(i int) *bert.Batch {
	var b bert.Batch
	from, to := c.batch.Offsets[i], c.batch.Offsets[i+1]
	b.Append(c.batch.IDs[from:to], c.batch.Segments[from:to])
	return &b
}

// TestStagesPlain compares every stage with that of package plain, and the layers' outputs with those of the pass, bit for bit.
func TestStagesPlain(t *testing.T) {
	eachPlainCase(t, func(t *testing.T, c *plainCase) {
		ws := bert.NewWorkspace(nil)
		for text := range c.batch.Texts() {
			b, want := c.one(text), c.pass(text, plain.Vector{Kind: "pooled", Layer: -1})
			var names []string
			var before tensor.Tensor
			outputs := map[string][]float32{}
			err := c.Stages(ws, b, func(name string, x *tensor.Tensor) error {
				names = append(names, name)
				var got []float64
				for i := range x.Rows {
					got = append(got, tensortest.Widen(x.Row(i))...)
				}
				if !strings.Contains(name, "/") {
					outputs[name] = slices.Clone(x.Data)
				}
				stage := want.Stages[name]
				if stage == nil || len(stage) != x.Rows {
					t.Fatalf("%s has %d rows, plain %d", name, x.Rows, len(stage))
				}
				near(t, name, got, slices.Concat(stage...))
				c.sameBits(t, name, x, &before)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			end := slices.Index(want.Names, "features")
			if !slices.Equal(names, want.Names[:end]) {
				t.Errorf("stages %q\nwant %q", names, want.Names[:end])
			}
			n, passed := 0, map[int]string{-1: "embedding_output", 0: "layer_0", 1: "layer_1", 2: "layer_2", 3: "layer_3"}
			_, err = c.Forward(ws, b, true, func(layer int, x *tensor.Tensor) {
				n++
				if !slices.Equal(x.Data, outputs[passed[layer]]) {
					t.Errorf("%s does not have the bits of the pass", passed[layer])
				}
			})
			if err != nil || n != c.plain.Layers+1 {
				t.Errorf("the pass showed %d layers, error %v", n, err)
			}
		}
	})
}

// sameBits: the pass's norm of a sum, and its activation of what comes before it, is what the pass left, bit for bit: both are computed
// again by the products of the pass. before is the sum, or the stage before the activation, when its successor comes.
func (c *plainCase) sameBits(t *testing.T, name string, x, before *tensor.Tensor) {
	t.Helper()
	var layer int
	fmt.Sscanf(name, "bert/encoder/layer_%d/", &layer)
	l := c.Layers[layer]
	switch _, stage, _ := strings.Cut(strings.TrimPrefix(name, "bert/encoder/"), "/"); stage {
	case "attention/output/LayerNorm":
		l.AttentionNorm.FinishRows(before, 0, before.Rows)
	case "output/LayerNorm":
		l.OutputNorm.FinishRows(before, 0, before.Rows)
	case "intermediate/act":
		if act := l.Activation.Kernel(); act != nil {
			act(before.Data, before.Data)
		}
	default:
		*before = *tensor.New(x.Rows, x.Cols)
		for i := range x.Rows {
			copy(before.Row(i), x.Row(i))
		}
		return
	}
	if !slices.Equal(before.Data, x.Data) {
		t.Errorf("%s does not follow from the stage before it with the bits of the pass", name)
	}
}

// TestStagesErrors: visit's error ends the walk, and a batch of two texts is refused.
func TestStagesErrors(t *testing.T) {
	c := newPlainCase(t, 0, "gelu")
	stop, n := errors.New("stop"), 0
	err := c.Stages(bert.NewWorkspace(nil), c.one(0), func(string, *tensor.Tensor) error {
		n++
		return stop
	})
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("error %v after %d stages", err, n)
	}
	if err := c.Stages(bert.NewWorkspace(nil), c.batch, nil); err == nil || !strings.Contains(err.Error(), "4 texts") {
		t.Errorf("four texts: error %v", err)
	}
}

// TestStagesMemory: a walk takes what its comment says, however many layers there are.
func TestStagesMemory(t *testing.T) {
	c := newPlainCase(t, 3, "gelu")
	ws, b := bert.NewWorkspace(nil), c.one(2) // 150 tokens
	walk := func() {
		if err := c.Stages(ws, b, func(string, *tensor.Tensor) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	walk() // fills ws
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	walk()
	runtime.ReadMemStats(&after)
	config, s := c.Config, b.Tokens()
	h, heads := config.HiddenSize, config.NumAttentionHeads
	want := 4 * s * (h + max(h, config.IntermediateSize) + 2*heads*s)
	// Resize may round up to the allocator's classes, an eighth; a layer takes a block of 48 rows of products, and names.
	want += want/8 + config.NumHiddenLayers*(4*48*(s+64)+4096) + 4096
	if got := int(after.TotalAlloc - before.TotalAlloc); got > want {
		t.Errorf("%d bytes, want %d", got, want)
	}
}

// near fails where a stage is off by more than 1e-5 of its largest value, or of 1: float32 against float64.
func near(t *testing.T, name string, got, want []float64) {
	t.Helper()
	largest := 1.0
	for _, v := range want {
		largest = max(largest, v, -v)
	}
	if diff := tensortest.MaxDiff(t, got, want); !(diff <= 1e-5*largest) {
		t.Errorf("%s is off by %g, the largest is %g", name, diff, largest)
	}
}
