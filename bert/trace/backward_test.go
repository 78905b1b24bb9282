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

// Finite differences of every element of every parameter of the tiny model agree with its gradient, in float32 and in bert/plain: to 1 %,
// or to what rounding makes of them. Those of the keys' biases are 0.
func TestCheckElements(t *testing.T) {
	m := tiny(t)
	text := m.Encode([]string{"the food was not very good ."}, nil)[0]
	y := []int8{1, 0, 1, 0}
	ids := make([]int, len(text.IDs))
	for i, id := range text.IDs {
		ids[i] = int(id)
	}
	p := trace.Plain(m).Forward(ids, make([]int, len(ids)), plain.Vector{Kind: "pooled", Layer: -1})
	p.Backward(y, 4)
	b, err := trace.NewBackward(m, text, y)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	compared := 0
	for i, g := range b.Gradients {
		for j := range g.Values {
			at := []int{j}
			if len(g.Shape) == 2 {
				at = []int{j / g.Shape[1], j % g.Shape[1]}
			}
			c, err := b.CheckElement(i, at)
			if err != nil {
				t.Fatal(err)
			}
			exact := slices.Concat(p.Gradients[g.Name]...)[j]
			// A float32 pass is some 2e-7 off a loss of a few units: D(h) by 2e-7/h, (4·D(h) − D(2h))/3 by (4 + 1/2)/3 of that.
			bound := 0.01*math.Abs(exact) + 1.5*2e-7/float64(c.H)
			for what, d := range map[string]float64{"float32": float64(c.Gradient), "differences": float64(c.Difference)} {
				if !(math.Abs(d-exact) <= bound) {
					t.Errorf("%s%v: %s %g, plain %g ± %g", g.Name, at, what, d, exact, bound)
				}
			}
			compared++
		}
	}
	if want := 1628; compared != want {
		t.Errorf("%d elements compared, the model has %d", compared, want)
	}
}

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
	if want := p.Loss(y, 4); !(math.Abs(float64(b.Loss)-want) <= 1e-5*want) {
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
		if want := math.Sqrt(sum); !(math.Abs(float64(d.Norm)-want) <= 1e-4*want) {
			t.Errorf("|d%s| %g, want %g", d.Name, d.Norm, want)
		}
	}
	first := fmt.Sprint(m.Head.Weights.Value)
	step, err := b.Step(train.DefaultConfig())
	if err != nil || !(step.LossAfter < b.Loss) || !(step.Moved["output_bias"] > 0) || fmt.Sprint(m.Head.Weights.Value) != first {
		t.Errorf("a step: %+v, loss %g, %v", step, b.Loss, err)
	}
}
