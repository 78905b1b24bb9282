package bert_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/plain"
	"bertlabel/tensor"
)

// copyOf returns the values of a tensor, whose rows may lie apart, row by row.
func copyOf(x *tensor.Tensor) (values []float32) {
	for i := range x.Rows {
		values = append(values, x.Row(i)...)
	}
	return values
}

// Every stage is that of the plain model to 1e-5 of its largest value: float32's rounding through four layers of 64. The stages that the pass
// itself leaves have its bits, and the order is that of the computation.
func TestStages(t *testing.T) {
	eachPlainCase(t, func(t *testing.T, c *plainCase) {
		act := c.Config.HiddenAct
		for text := range 4 {
			p := c.pass(text, plain.Vector{Kind: "pooled", Layer: -1})
			b := &bert.Batch{}
			b.Append(c.batch.IDs[c.batch.Offsets[text]:c.batch.Offsets[text+1]], c.batch.Segments[c.batch.Offsets[text]:c.batch.Offsets[text+1]])
			passed := map[int][]float32{}
			if _, err := c.Forward(bert.NewWorkspace(nil), b, true, func(layer int, x *tensor.Tensor) { passed[layer] = copyOf(x) }); err != nil {
				t.Fatal(err)
			}
			var names []string
			layer := -1
			ws := bert.NewWorkspace(tensor.NewWorkers(2))
			err := c.Stages(ws, b, func(name string, x *tensor.Tensor) error {
				got := copyOf(x)
				if name == "embedding_output" || name == "layer_"+string(rune('0'+max(0, layer))) {
					if !slices.Equal(got, passed[layer]) {
						t.Errorf("%s, text %d: %s has other bits than in the pass", act, text, name)
					}
					layer++
				}
				if name == "bert/pooler/tanh" {
					return nil // is pooled_output
				}
				names = append(names, name)
				want := p.Stages[name]
				if len(want) != x.Rows || len(want) == 0 || len(want[0]) != x.Cols {
					t.Errorf("%s is [%d, %d], of the plain model [%d, …]", name, x.Rows, x.Cols, len(want))
					return nil
				}
				largest, off := 0.0, 0.0
				for i, v := range slices.Concat(want...) {
					largest, off = max(largest, math.Abs(v)), max(off, math.Abs(v-float64(got[i])))
				}
				if !(off <= 1e-5*max(1, largest)) {
					t.Errorf("%s, text %d: %s is off by %.2g, its largest value is %.2g", act, text, name, off, largest)
				}
				return nil
			})
			var want []string
			for _, name := range p.Names {
				if name != "features" && name != "logits" && name != "probabilities" && name != "bert/embeddings/LayerNorm" {
					want = append(want, name)
				}
			}
			if err != nil || !slices.Equal(slices.Sorted(slices.Values(names)), slices.Sorted(slices.Values(want))) {
				t.Errorf("%v: stages\n%q\nwant those of the plain model\n%q", err, names, want)
			}
		}
	})
}

// What is no text is refused, and an error of the visitor ends the walk.
func TestStagesRefuse(t *testing.T) {
	c := newPlainCase(t, 1, "gelu")
	if err := c.Stages(bert.NewWorkspace(nil), c.batch, nil); err == nil {
		t.Error("four texts at a time")
	}
	b, stop, n := &bert.Batch{}, errors.New("stop"), 0
	b.Append([]int32{1, 2}, []int32{0, 0})
	if err := c.Stages(bert.NewWorkspace(nil), b, func(string, *tensor.Tensor) error { n++; return stop }); err != stop || n != 1 {
		t.Errorf("%v after %d stages", err, n)
	}
	b.IDs[0] = 1 << 20
	if err := c.Stages(bert.NewWorkspace(nil), b, nil); err == nil {
		t.Error("a token beyond the vocabulary")
	}
}
