package bert_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/tensor"
)

// one returns text i of the batch alone.
func (c *plainCase) one(i int) *bert.Batch {
	var b bert.Batch
	from, to := c.batch.Offsets[i], c.batch.Offsets[i+1]
	b.Append(c.batch.IDs[from:to], c.batch.Segments[from:to])
	return &b
}

// What Stages computes again has the bits of the pass: the norm of a sum, and the activation of what comes before it, are what the pass left.
func TestStagesBits(t *testing.T) {
	eachPlainCase(t, func(t *testing.T, c *plainCase) {
		var before *tensor.Tensor // the last stage that came, a copy
		compared := 0
		err := c.Stages(bert.NewWorkspace(nil), c.one(2), func(name string, x *tensor.Tensor) error {
			layer := 0
			fmt.Sscanf(name, "bert/encoder/layer_%d/", &layer)
			l := c.Layers[layer]
			follows := true
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
				follows = false
			}
			if follows {
				compared++
				if !slices.Equal(before.Data, copyOf(x)) {
					t.Errorf("%s does not follow from the stage before it with the bits of the pass", name)
				}
			}
			before = tensor.New(x.Rows, x.Cols)
			copy(before.Data, copyOf(x))
			return nil
		})
		if err != nil || compared != 3*len(c.Layers) {
			t.Errorf("%d stages compared in %d layers, error %v", compared, len(c.Layers), err)
		}
	})
}

// A walk takes the memory of one layer, however many there are: input, inner layer, scores and probs.
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
	s, h, heads := b.Tokens(), c.Config.HiddenSize, c.Config.NumAttentionHeads
	want := 4 * s * (2*h + max(h, c.Config.IntermediateSize) + 2*heads*s)
	// The allocator rounds up, by an eighth at most; a layer takes a block of 48 rows of products, and names.
	want += want/8 + c.Config.NumHiddenLayers*(4*48*(s+64)+4096) + 4096
	if got := int(after.TotalAlloc - before.TotalAlloc); got > want {
		t.Errorf("%d bytes, want %d at most", got, want)
	}
}
