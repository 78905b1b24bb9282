package layers

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"bertlabel/tensor"
)

// BenchmarkBackward is each layer's forward and backward pass in training, dropout on, at the shapes of MiniLM and BERT-base: 16 texts of
// 32 tokens, on one goroutine. The products of Dense are BenchmarkForms of package tensor.
//
//	go test ./layers -run '^$' -bench Backward -benchtime 20ms
func BenchmarkBackward(b *testing.B) {
	const texts, seq, rows = 16, 32, 512
	rng := rand.New(rand.NewPCG(1, 2))
	for _, h := range []int{384, 768} {
		random := func(cols int) *tensor.Tensor {
			t := tensor.New(rows, cols)
			fillNormal(rng, t.Data)
			return t
		}
		ws := tensor.NewWorkspace(nil)
		x, y, dx, dy := random(h), random(h), random(h), random(h)
		pair := func(layer string, forward, backward func()) {
			forward() // sizes the memory
			backward()
			b.Run(fmt.Sprintf("%s/h=%d/forward", layer, h), func(b *testing.B) { repeat(b, forward) })
			b.Run(fmt.Sprintf("%s/h=%d/backward", layer, h), func(b *testing.B) { repeat(b, backward) })
		}

		norm, normCache := NewLayerNorm("norm", h, 1e-12), &LayerNormCache{}
		withGradients(rng, norm.Params()...)
		pair("LayerNorm", func() { norm.Forward(ws, y, x, normCache) }, func() { norm.Backward(ws, dx, dy, normCache) })

		at, offsets := make([]Place, rows), []int{0}
		for i := range at {
			at[i] = Place{Example: uint64(i / seq), Token: uint32(i % seq)}
		}
		for t := range texts {
			offsets = append(offsets, (t+1)*seq)
		}
		add, addCache, dh := &AddNorm{Dense: NewDense("dense", h, h), Dropout: NewDropout(0.1, 1, 0), Norm: norm}, &AddNormCache{},
			random(h)
		withGradients(rng, add.Dense.Params()...)
		residual := random(h)
		pair("AddNorm", func() { add.Forward(ws, y, x, residual, at, addCache) },
			func() { add.Backward(ws, dx, dh, dy, dy, x, at, addCache) })

		attention, aws, drop := Attention{Heads: 12}, &AttentionWorkspace{}, &AttentionDropout{At: at}
		for head := range attention.Heads {
			drop.Heads = append(drop.Heads, NewDropout(0.1, 1, uint32(head)))
		}
		in, din := QKV{*random(h), *random(h), *random(h)}, QKV{*random(h), *random(h), *random(h)}
		pair("Attention",
			func() { attention.ForwardDropout(ws, aws, y, &in.Query, &in.Key, &in.Value, offsets, offsets, drop) },
			func() { attention.Backward(ws, aws, din, dy, in, offsets, offsets, drop) })

		table, ids, ews := NewEmbedding("table", 30522, h), make([]int32, rows), &EmbeddingWorkspace{}
		withGradients(rng, table.Table)
		for i := range ids {
			ids[i] = rng.Int32N(30522)
		}
		gather := func() {
			for i, id := range ids {
				copy(y.Row(i), table.Row(int(id)))
			}
		}
		pair("Embedding", gather, func() { table.Backward(ws, ews, dy, ids) })

		inner, act, dact := random(4*h), random(4*h), random(4*h)
		for _, name := range []string{"gelu", "gelu_erf"} {
			a, err := ParseActivation(name)
			if err != nil {
				b.Fatal(err)
			}
			pair(name, func() { ws.Map(act, inner, a.Kernel()) }, func() { ws.MapGradient(dact, act, inner, a.Gradient()) })
		}
	}
}

// repeat is the loop of a benchmark.
func repeat(b *testing.B, f func()) {
	b.ReportAllocs()
	for b.Loop() {
		f()
	}
}
