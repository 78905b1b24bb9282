package trace_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert/model"
	"bertlabel/bert/plain"
	"bertlabel/bert/trace"
	"bertlabel/tensor/tensortest"
)

// wrong is what the tiny model does not believe of the text.
var wrong = []string{"food", "praise"}

// TestGradientsPlain compares loss, dz, the flow and each entry of each gradient with those of package plain, in float64.
func TestGradientsPlain(t *testing.T) {
	m, e := openTiny(t)
	d, err := trace.Gradients(m, e, wrong)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	p := &plain.Model{Layers: 2, Heads: 2, Act: "gelu", Eps: 1e-12, Weights: map[string]plain.Matrix{}}
	for _, param := range m.Params() {
		for row := range slices.Chunk(tensortest.Widen(param.Value), param.Shape[len(param.Shape)-1]) {
			p.Weights[param.Name] = append(p.Weights[param.Name], row)
		}
	}
	var ids []int
	for _, id := range e.IDs {
		ids = append(ids, int(id))
	}
	pass := p.Forward(ids, make([]int, len(ids)), plain.Vector{Kind: "pooled", Layer: -1})
	labels := []int8{1, 0, 1, 0} // food, staff, praise, complaint
	pass.Backward(labels, 4)
	if want := pass.Loss(labels, 4); math.Abs(d.Loss-want) > 1e-5 {
		t.Errorf("loss %v, want %v", d.Loss, want)
	}
	sum := 0.0
	for i, l := range d.Labels {
		sum += l.Loss
		if math.Abs(l.DZ-pass.Gradients["logits"][0][i]) > 1e-6 || l.Positive != (labels[i] == 1) {
			t.Errorf("%+v, want dz %v", l, pass.Gradients["logits"][0][i])
		}
	}
	if math.Abs(sum-d.Loss) > 1e-12 {
		t.Errorf("the labels' losses make %v of %v", sum, d.Loss)
	}
	for _, f := range d.Flow {
		if want := norm(slices.Concat(pass.Gradients[f.Stage]...)); want == 0 || math.Abs(f.Norm-want) > 1e-5*want {
			t.Errorf("%s: norm %v, want %v", f.Stage, f.Norm, want)
		}
	}
	if len(d.Flow) != 5 || len(d.Params) != len(m.Params()) {
		t.Errorf("flow %v, %d parameters", d.Flow, len(d.Params))
	}
	for _, g := range d.Params {
		want := slices.Concat(pass.Gradients[g.Name]...)
		// 1e-5 of the largest gradient; a key's bias has none, and rounding of its own scores in its place.
		if diff := tensortest.MaxDiff(t, tensortest.Widen(d.Gradient(g.Name)), want); !(diff <= 1e-5) {
			t.Errorf("gradient of %s is off by %g", g.Name, diff)
		}
		if !strings.HasSuffix(g.Name, "key/bias") && math.Abs(g.Gradient-norm(want)) > 1e-5*norm(want)+1e-6 {
			t.Errorf("%s: |g| %v, want %v", g.Name, g.Gradient, norm(want))
		}
	}
}

func norm(x []float64) (n float64) {
	for _, v := range x {
		n += v * v
	}
	return math.Sqrt(n)
}

// TestCheck: differences agree with every gradient to 1 %, and the model is as it was.
func TestCheck(t *testing.T) {
	m, e := openTiny(t)
	texts := []model.Text{{A: text}}
	before, err := m.Predict(context.Background(), texts)
	if err != nil {
		t.Fatal(err)
	}
	d, err := trace.Gradients(m, e, wrong)
	if err != nil {
		t.Fatal(err)
	}
	checked, skipped := 0, 0
	err = d.Check(func(c trace.Check) error {
		switch {
		case c.Skipped != "":
			skipped++
		case !(c.Error() <= 0.01):
			t.Errorf("%s %v: gradient %v, differences %v, h %v", c.Name, c.At, c.Gradient, c.Differences, c.H)
		default:
			checked++
		}
		return nil
	})
	if err != nil || skipped < 2 || checked+skipped != 2*len(d.Params)-skipped {
		t.Errorf("%d checked, %d skipped of %d parameters, error %v", checked, skipped, len(d.Params), err)
	}
	if !(d.Step.Loss < d.Loss) || d.GlobalNorm <= 1 || math.Abs(d.ClipFactor*d.GlobalNorm-1) > 1e-6 {
		t.Errorf("loss %v, after a step %v; norm %v, factor %v", d.Loss, d.Step.Loss, d.GlobalNorm, d.ClipFactor)
	}
	if _, err := d.Entry("output_bias", []int{4}); err == nil {
		t.Error("an entry beyond the last was taken")
	}
	if _, err := d.Entry("x", []int{0}); err == nil {
		t.Error("a parameter that is none was taken")
	}
	d.Close()
	after, err := m.Predict(context.Background(), texts)
	if err != nil || !slices.Equal(before[0].Logits, after[0].Logits) {
		t.Errorf("logits %v, before %v, error %v", after[0].Logits, before[0].Logits, err)
	}
	if _, err := trace.Gradients(m, e, []string{"weather"}); err == nil || !strings.Contains(err.Error(), "complaint") {
		t.Errorf("an unknown label: %v", err)
	}
}
