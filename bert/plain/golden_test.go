package plain_test

import (
	"slices"
	"strings"
	"testing"

	"bertlabel/bert/plain"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/tfbundle"
	"bertlabel/tensor/tensortest"
)

const goldens = "../testdata/golden/" // golden.py has how they were made

// openTiny returns the tiny model.
func openTiny(t *testing.T) *plain.Model {
	t.Helper()
	src, err := tfbundle.Open("../testdata/tiny/bert_model.ckpt", checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	m := &plain.Model{Layers: 2, Heads: 2, Act: "gelu", Eps: 1e-12, Weights: map[string]plain.Matrix{}}
	for _, info := range src.Tensors() {
		w := make([]float32, info.Elements())
		if err := src.ReadFloat32(info.Name, w); err != nil {
			t.Fatal(err)
		}
		cols := info.Shape[len(info.Shape)-1]
		for row := range slices.Chunk(tensortest.Widen(w), cols) {
			m.Weights[info.Name] = append(m.Weights[info.Name], row)
		}
	}
	return m
}

// ints returns a row of the golden without its padding, which mask has.
func ints(g, mask tensortest.Golden, row int) (x []int) {
	n := g.Shape[1]
	for i := row * n; i < (row+1)*n; i++ {
		if mask.Data == nil || mask.Data[i] == 1 {
			x = append(x, int(g.Data[i]))
		}
	}
	return x
}

func labels(g tensortest.Golden, row int) (y []int8) {
	for _, v := range g.Data[row*g.Shape[1] : (row+1)*g.Shape[1]] {
		y = append(y, int8(v))
	}
	return y
}

// bound is what float64 may be off: PyTorch and TensorFlow differ by 1e-14.
const bound = 1e-13

// TestGoldens compares the passes of a batch with PyTorch and TensorFlow: outputs, loss, and the gradient by every weight.
func TestGoldens(t *testing.T) {
	m := openTiny(t)
	for _, library := range []string{"pytorch", "tensorflow"} {
		g := tensortest.ReadGolden(t, goldens+library+".safetensors")
		cells := 0
		for _, y := range g["labels"].Data {
			if y >= 0 {
				cells++
			}
		}
		loss, sum := 0.0, map[string][]float64{}
		texts, length := g["input_ids"].Shape[0], g["input_ids"].Shape[1]
		for i := range texts {
			ids := ints(g["input_ids"], g["input_mask"], i)
			p := m.Forward(ids, ints(g["segment_ids"], g["input_mask"], i), plain.Vector{Kind: "pooled", Layer: -1})
			for _, name := range []string{"embedding_output", "layer_0", "layer_1", "pooled_output", "logits", "probabilities"} {
				rows, cols := 1, g[name].Shape[len(g[name].Shape)-1]
				if len(g[name].Shape) == 3 {
					rows = length
				}
				want := g[name].Data[i*rows*cols:][:len(p.Stages[name])*cols]
				near(t, library+" "+name, slices.Concat(p.Stages[name]...), want)
			}
			y := labels(g["labels"], i)
			loss += p.Loss(y, cells)
			p.Backward(y, cells)
			for name := range m.Weights {
				dw := slices.Concat(p.Gradients[name]...)
				for j := range sum[name] {
					dw[j] += sum[name][j]
				}
				sum[name] = dw
			}
		}
		near(t, library+" loss", []float64{loss}, g["loss"].Data)
		for name := range m.Weights {
			near(t, library+" gradient by "+name, sum[name], g["gradients/"+name].Data)
		}
	}
}

// TestStageGoldens compares every stage of a text, and the gradient by each, with TensorFlow; PyTorch's are the same (golden.py).
func TestStageGoldens(t *testing.T) {
	g := tensortest.ReadGolden(t, goldens+"stages.safetensors")
	ids := ints(g["input_ids"], tensortest.Golden{}, 0)
	p := openTiny(t).Forward(ids, make([]int, len(ids)), plain.Vector{Kind: "pooled", Layer: -1})
	p.Backward(labels(g["labels"], 0), 4)
	for _, name := range p.Names {
		if name == "features" {
			continue
		}
		near(t, name, slices.Concat(p.Stages[name]...), g[name].Data)
		if name != "probabilities" {
			near(t, "gradient by "+name, slices.Concat(p.Gradients[name]...), g["d/"+name].Data)
		}
	}
	for name := range g {
		stage := strings.TrimPrefix(name, "d/")
		if p.Stages[stage] == nil && !slices.Contains([]string{"input_ids", "labels", "loss"}, name) {
			t.Errorf("no stage %s", stage)
		}
	}
}

func near(t *testing.T, name string, got, want []float64) {
	t.Helper()
	if diff := tensortest.MaxDiff(t, got, want); !(diff <= bound) {
		t.Errorf("%s is off by %g", name, diff)
	}
}
