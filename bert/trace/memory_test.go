package trace_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/plain"
	"bertlabel/bert/tokenizer"
	"bertlabel/bert/trace"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
)

// random is a model of 0.4 million weights, and a text of 100 tokens.
func random(t *testing.T) (*model.Model, tokenizer.Encoding) {
	t.Helper()
	m, err := model.Open("../testdata/tiny", &model.Options{Threads: 1}) // estimates are for all threads, and small products use few
	if err != nil {
		t.Fatal(err)
	}
	c := m.Encoder.Config
	c.HiddenSize, c.IntermediateSize, c.NumHiddenLayers, c.NumAttentionHeads, c.MaxPositionEmbeddings = 96, 384, 3, 4, 128
	if m.Encoder, err = bert.New(c); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	err = m.Encoder.Load(1, func(_ *tensor.Param, dst []float32) error { // as Open does, which leaves no kernels in row-major order
		bert.TruncatedNormal(rng, dst, 0.02)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	head := layers.NewClassifier(2, c.HiddenSize)
	train.InitClassifier(head, 1)
	m.SetHead(head, []string{"a", "b"}, bert.Pooled)
	text := tokenizer.Encoding{IDs: make([]int32, 100), Segments: make([]int32, 100)}
	return m, text
}

// held returns the live bytes that make leaves behind.
func held(make func() any) int {
	heap := func() int {
		var s runtime.MemStats
		runtime.GC()
		runtime.GC() // what a finalizer held
		runtime.ReadMemStats(&s)
		return int(s.HeapAlloc)
	}
	before := heap()
	x := make()
	n := heap() - before
	runtime.KeepAlive(x)
	return n
}

// Estimates are what is held, or a fifth more, as those of a pass count rows for every pooling; and a tenth less, as rows of matrices have
// headers and slices some room.
func TestMemory(t *testing.T) {
	m, text := random(t)
	near := func(what string, got, want int) {
		t.Helper()
		if !(0.9*float64(got) <= float64(want) && float64(want) <= 1.2*float64(got)) {
			t.Errorf("%s: %d bytes, estimated %d", what, got, want)
		}
	}
	ids := make([]int, len(text.IDs))
	near("compare", held(func() any {
		p := trace.Plain(m)
		cls := plain.Vector{Kind: "cls", Layer: -1}
		return []any{p, p.Forward(ids, ids, cls), p.Forward(ids, ids, cls)}
	}), trace.CompareMemory(m, len(ids)))
	weights := 0
	for _, p := range m.Encoder.Params() {
		weights += p.Size()
	}
	want, err := trace.BackwardMemory(m, len(ids))
	if err != nil {
		t.Fatal(err)
	}
	near("backward, before a step", held(func() any {
		b, err := trace.NewBackward(m, text, []int8{1, 0})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}), want-3*4*weights)
	near("stages", held(func() any {
		ws, batch := bert.NewWorkspace(tensor.NewWorkers(m.Threads())), &bert.Batch{}
		batch.Append(text.IDs, text.Segments)
		var scratch []*tensor.Tensor // x, x before, the larger of scratch, probs: they are Stages' own
		rows, h, scores := len(ids), m.Encoder.Config.HiddenSize, m.Encoder.Config.NumAttentionHeads*len(ids)
		scratch = append(scratch, tensor.New(2*rows, h), tensor.New(2*scores, rows))
		if err := m.Encoder.Stages(ws, batch, func(string, *tensor.Tensor) error { return nil }); err != nil {
			t.Fatal(err)
		}
		return []any{ws, batch, scratch}
	}), trace.StagesMemory(m, len(ids)))
}

// What is no finite number is a string in JSON, and everything else the number that it was.
func TestNumbers(t *testing.T) {
	inf := math.Inf(1)
	got, err := json.Marshal([]any{trace.Number(math.NaN()), trace.Number(inf), trace.Number32(-inf), trace.Number(0.1),
		trace.Number32(0.1), trace.Number32(1e-20)})
	if want := `["NaN","Infinity","-Infinity",0.1,0.1,1e-20]`; err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	m := tiny(t)
	text := m.Encode([]string{"the food was not good ."}, nil)[0]
	m.Encoder.Embeddings.Word.Row(int(text.IDs[2]))[0] = float32(math.NaN())
	m.Head.Bias.Value[1] = float32(inf)
	r := trace.NewReport(m, text, 2)
	if err := trace.Run(m, text, r.Add); err != nil {
		t.Fatal(err)
	}
	b, err := trace.NewBackward(m, text, make([]int8, 4))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, v := range []any{r, b} {
		if got, err = json.Marshal(v); err != nil || !json.Valid(got) || !strings.Contains(string(got), `"NaN"`) {
			t.Errorf("%T: %s, %v", v, got, err)
		}
	}
}
