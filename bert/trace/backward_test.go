package trace_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert/plain"
	"bertlabel/bert/trace"
	"bertlabel/tensor/tensortest"
	"bertlabel/train"
)

// Gradients, loss and the norms on the way down are those of bert/plain in float64; finite differences agree along every gradient and at
// its largest element; a step lowers the loss and is taken back.
func TestBackward(t *testing.T) {
	m := tiny(t)
	text := m.Encode([]string{"the food was not good ."}, nil)[0]
	y := []int8{1, 0, 1, 1}
	p := trace.Plain(m).Forward(slices.Collect(func(yield func(int) bool) {
		for _, id := range text.IDs {
			if !yield(int(id)) {
				return
			}
		}
	}), make([]int, len(text.IDs)), plain.Vector{Kind: "pooled", Layer: -1})
	p.Backward(y, 4)
	b, err := trace.NewBackward(m, text, y)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if want := p.Loss(y, 4); !(math.Abs(b.Loss-want) <= 1e-5*want) {
		t.Errorf("loss %g, want %g", b.Loss, want)
	}
	if len(b.Gradients) != len(p.Weights) || b.Gradients[0].Name != "bert/embeddings/word_embeddings" ||
		b.Gradients[len(b.Gradients)-1].Name != "output_bias" || len(b.Down) != 3 {
		t.Errorf("%d gradients from %s, %d on the way down", len(b.Gradients), b.Gradients[0].Name, len(b.Down))
	}
	for i, g := range b.Gradients {
		want := slices.Concat(p.Gradients[g.Name]...)
		if strings.HasSuffix(g.Name, "key/bias") {
			if !(g.Norm <= 1e-6) {
				t.Errorf("%s: |g| %g, want 0", g.Name, g.Norm)
			}
			continue
		}
		if diff := tensortest.MaxDiff(t, tensortest.Widen(g.Values), want); !(diff <= 5e-5*tensortest.MaxAbs(want)) {
			t.Errorf("%s is off by %g of %g", g.Name, diff, tensortest.MaxAbs(want))
		}
		along, err := b.CheckAlong(i)
		if err != nil || !(along.Error <= 0.01+along.Noise) {
			t.Errorf("along %s: %+v, %v", g.Name, along, err)
		}
		single, err := b.CheckElement(i, g.At)
		if err != nil || !(single.Error <= 0.01+single.Noise) {
			t.Errorf("%s: %+v, %v", g.Name, single, err)
		}
	}
	for _, d := range b.Down {
		sum := 0.0
		for _, v := range slices.Concat(p.Gradients[d.Name]...) {
			sum += v * v
		}
		if want := math.Sqrt(sum); !(math.Abs(d.Norm-want) <= 1e-4*want) {
			t.Errorf("|d%s| %g, want %g", d.Name, d.Norm, want)
		}
	}
	first := fmt.Sprint(m.Head.Weights.Value)
	step, err := b.Step(train.DefaultConfig())
	if err != nil || !(step.LossAfter < b.Loss) || !(step.Moved["output_bias"] > 0) || fmt.Sprint(m.Head.Weights.Value) != first {
		t.Errorf("a step: %+v, loss %g, %v", step, b.Loss, err)
	}
}
