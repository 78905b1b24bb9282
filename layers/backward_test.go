package layers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bertlabel/tensor"
	"bertlabel/tensor/tensortest"
)

// newRandom returns a tensor of normal numbers, as some columns of a wider one.
func newRandom(rng *rand.Rand, rows, cols int) *tensor.Tensor {
	wide := tensor.New(rows, cols+5)
	fillNormal(rng, wide.Data)
	t := wide.SliceCols(2, cols+2)
	return &t
}

// withGradients gives parameters normal values and gradients of 1: what Backward finds, it must keep.
func withGradients(rng *rand.Rand, params ...*tensor.Param) {
	for _, p := range params {
		p.Value, p.Grad = make([]float32, p.Size()), make([]float32, p.Size())
		fillNormal(rng, p.Value)
		for i := range p.Grad {
			p.Grad[i] = 1
		}
	}
}

// checkParams compares the gradients of parameters that withGradients made with differences of loss.
func checkParams(t *testing.T, loss func() float64, params ...*tensor.Param) {
	t.Helper()
	for _, p := range params {
		added := make([]float32, p.Size())
		for i, g := range p.Grad {
			added[i] = g - 1
		}
		tensortest.CheckGradient(t, p.Name, added, p.Value, loss)
	}
}

// checkInput compares dx with differences of loss by x, which may be a view.
func checkInput(t *testing.T, name string, dx, x *tensor.Tensor, loss func() float64) {
	t.Helper()
	for i := range x.Rows {
		tensortest.CheckGradient(t, fmt.Sprintf("%s row %d", name, i), dx.Row(i), x.Row(i), loss)
	}
}

// project returns Σ dy∘y: a loss whose gradient by y is dy.
func project(dy, y *tensor.Tensor) (sum float64) {
	for i := range y.Rows {
		for j, v := range y.Row(i) {
			sum += float64(v) * float64(dy.Row(i)[j])
		}
	}
	return sum
}

// places returns the places of the tokens of texts with the given offsets, as they stand in a training stream.
func places(offsets []int) (at []Place) {
	for text := range len(offsets) - 1 {
		for token := range offsets[text+1] - offsets[text] {
			at = append(at, Place{Example: uint64(1000 + text), Token: uint32(token)})
		}
	}
	return at
}

func started(workers int) *tensor.Workspace {
	ws := tensor.NewWorkspace(tensor.NewWorkers(workers))
	ws.Workers.Start()
	return ws
}

func TestDenseGradient(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	ws := started(2)
	defer ws.Workers.Stop()
	for _, s := range [][3]int{{1, 1, 1}, {5, 7, 3}, {35, 13, 66}} {
		rows, in, out := s[0], s[1], s[2]
		d := NewDense("dense", in, out)
		withGradients(rng, d.Params()...)
		x, y, dy, plus, dx := newRandom(rng, rows, in), newRandom(rng, rows, out), newRandom(rng, rows, out), newRandom(rng, rows, in),
			newRandom(rng, rows, in)
		loss := func() float64 {
			d.ForwardTraining(ws, y, x, nil)
			return project(dy, y) + project(plus, x) // x is used elsewhere too
		}
		d.Backward(ws, dx, dy, x, plus)
		checkInput(t, "x", dx, x, loss)
		checkParams(t, loss, d.Params()...)

		again := newRandom(rng, rows, in)
		for i := range rows {
			copy(again.Row(i), plus.Row(i))
		}
		d.Backward(ws, again, dy, x, again)
		for i := range rows {
			if !slices.Equal(again.Row(i), dx.Row(i)) {
				t.Errorf("%v: plus in place gives other bits", s)
			}
		}
		d.Backward(ws, nil, dy, x, nil) // nothing below is trained: must not panic
	}
}

// TestDenseTraining: the forward pass of training has the bits of the one that reads the packed kernel.
func TestDenseTraining(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	ws := tensor.NewWorkspace(nil)
	d := NewDense("dense", 70, 45)
	withGradients(rng, d.Params()...)
	d.Pack()
	x, y, want := newRandom(rng, 31, 70), newRandom(rng, 31, 45), newRandom(rng, 31, 45)
	d.Forward(ws, want, x, Linear)
	d.ForwardTraining(ws, y, x, nil)
	for i := range y.Rows {
		if !slices.Equal(y.Row(i), want.Row(i)) {
			t.Fatalf("row %d has other bits", i)
		}
	}
}

func TestLayerNormGradient(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	ws := started(2)
	defer ws.Workers.Stop()
	for _, s := range [][2]int{{3, 5}, {70, 33}, {1, 64}} {
		l := NewLayerNorm("norm", s[1], 1e-12)
		withGradients(rng, l.Params()...)
		x, y, dy, dx := newRandom(rng, s[0], s[1]), newRandom(rng, s[0], s[1]), newRandom(rng, s[0], s[1]), newRandom(rng, s[0], s[1])
		var c LayerNormCache
		loss := func() float64 {
			l.Forward(ws, y, x, &c)
			return project(dy, y)
		}
		loss()
		l.Backward(ws, dx, dy, &c)
		checkInput(t, "x", dx, x, loss)
		checkParams(t, loss, l.Params()...)

		loss()
		l.Backward(ws, dy, dy, &c)
		for i := range dx.Rows {
			if !slices.Equal(dy.Row(i), dx.Row(i)) {
				t.Errorf("%v: backward in place, row %d has other bits", s, i)
			}
		}
		l.Forward(ws, x, x, &c)
		for i := range x.Rows {
			if !slices.Equal(x.Row(i), y.Row(i)) {
				t.Errorf("%v: forward in place, row %d has other bits", s, i)
			}
		}
	}
}

// TestActivationGradient compares with differences of the formulas in float64, from deep in one tail to deep in the other, and
// far beyond, where the limits are 0 and dy.
func TestActivationGradient(t *testing.T) {
	formulas := map[Activation]func(x float64) float64{
		ReLU:     func(x float64) float64 { return max(x, 0) },
		Tanh:     math.Tanh,
		GELUTanh: func(x float64) float64 { return x / (1 + math.Exp(-2*math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))) },
		GELUErf:  func(x float64) float64 { return x * math.Erfc(-x/math.Sqrt2) / 2 },
	}
	for a, f := range formulas {
		gradient := a.Gradient()
		var x, dy, want []float32
		for i := range 4001 {
			v := float32(i-2000)/200 + 1e-3 // never on the corner of ReLU
			const h = 1e-5
			d := (f(float64(v)+h) - f(float64(v)-h)) / (2 * h) // wrong by h²/6·f‴ and 1e-16·f/h, about 1e-10 at most
			x, dy, want = append(x, v), append(dy, float32(i%7)-3), append(want, float32(d)*(float32(i%7)-3))
		}
		for _, far := range []float32{15, 100, 1e10, 3e38} {
			x, dy, want = append(x, -far, far), append(dy, 2, 2), append(want, 0, 2)
			if a == Tanh {
				want[len(want)-1] = 0
			}
		}
		dx := make([]float32, len(x))
		gradient(dx, dy, x)
		for i := range x {
			if !(math.Abs(float64(dx[i]-want[i])) <= 2e-6) { // float32 of values up to 3.4, and the differences
				t.Errorf("%v: gradient at %g is %g, want %g", a, x[i], dx[i], want[i])
			}
		}
		if gradient(dy, dy, x); !slices.Equal(dy, dx) {
			t.Errorf("%v: in place gives other bits", a)
		}
		nan := []float32{float32(math.NaN())}
		gradient(nan, []float32{1}, nan)
		if nan[0] == nan[0] {
			t.Errorf("%v: gradient at NaN is %g", a, nan[0])
		}
	}
	if Linear.Gradient() != nil {
		t.Error("Linear has a gradient function")
	}
}

func TestAddNormGradient(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	ws := started(2)
	defer ws.Workers.Stop()
	offsets := []int{0, 3, 4, 11}
	for _, p := range []float64{0, 0.3} {
		const rows, in, out = 11, 9, 37
		n := &AddNorm{Dense: NewDense("dense", in, out), Dropout: NewDropout(p, 5, 6), Norm: NewLayerNorm("norm", out, 1e-12)}
		params := append(n.Dense.Params(), n.Norm.Params()...)
		withGradients(rng, params...)
		x, residual, y, dy := newRandom(rng, rows, in), newRandom(rng, rows, out), newRandom(rng, rows, out), newRandom(rng, rows, out)
		dx, dh, dresidual := newRandom(rng, rows, in), newRandom(rng, rows, out), newRandom(rng, rows, out)
		var c AddNormCache
		loss := func() float64 {
			n.Forward(ws, y, x, residual, places(offsets), &c)
			return project(dy, y)
		}
		loss()
		n.Backward(ws, dx, dh, dresidual, dy, x, places(offsets), &c)
		checkInput(t, "x", dx, x, loss)
		checkInput(t, "residual", dresidual, residual, loss)
		checkParams(t, loss, params...)
		if p > 0 {
			continue
		}
		n.Dense.Pack()
		want := newRandom(rng, rows, out)
		n.Dense.ForwardNorm(ws, want, x, residual, n.Norm)
		loss()
		for i, v := range compact(want) {
			if got := compact(y)[i]; !(math.Abs(float64(got-v)) <= 1e-5) { // values up to 5, sums in another order
				t.Errorf("without dropout element %d is %g, by ForwardNorm %g", i, got, v)
			}
		}
	}
}

// TestAttentionGradient: texts of several lengths, all queries or the first of each text only, with and without dropout, in
// blocks or not.
func TestAttentionGradient(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 1))
	for _, c := range []struct {
		heads, d int
		offsets  []int
		first    bool // only the first query of each text
		p        float64
	}{
		{1, 1, []int{0, 2}, false, 0},
		{2, 8, []int{0, 1, 6, 40}, false, 0},
		{3, 5, []int{0, 7, 10}, false, 0.4},
		{2, 16, []int{0, 9, 42}, true, 0.4},
		{1, 7, []int{0, 130}, false, 0.2},
	} {
		a := Attention{Heads: c.heads}
		h, tokens := c.heads*c.d, c.offsets[len(c.offsets)-1]
		queries, at := c.offsets, places(c.offsets)
		if c.first {
			queries, at = nil, nil
			for text := range len(c.offsets) {
				queries = append(queries, text)
			}
			for text := range len(c.offsets) - 1 {
				at = append(at, Place{Example: uint64(1000 + text)})
			}
		}
		rows := queries[len(queries)-1]
		drop := &AttentionDropout{At: at}
		for head := range c.heads {
			drop.Heads = append(drop.Heads, NewDropout(c.p, 9, uint32(head)))
		}
		if c.p == 0 {
			drop = nil
		}
		random := func(rows int) tensor.Tensor { return *newRandom(rng, rows, h) }
		x, dx := QKV{random(rows), random(tokens), random(tokens)}, QKV{random(rows), random(tokens), random(tokens)}
		context, dcontext := random(rows), random(rows)
		ws, aws := started(2), &AttentionWorkspace{}
		loss := func() float64 {
			a.ForwardDropout(ws, aws, &context, &x.Query, &x.Key, &x.Value, queries, c.offsets, drop)
			return project(&dcontext, &context)
		}
		a.Backward(ws, aws, dx, &dcontext, x, queries, c.offsets, drop)
		for name, pair := range map[string][2]*tensor.Tensor{
			"query": {&dx.Query, &x.Query}, "key": {&dx.Key, &x.Key}, "value": {&dx.Value, &x.Value},
		} {
			dxs, xs := compact(pair[0]), compact(pair[1])
			restore := func() {
				for i := range pair[1].Rows {
					copy(pair[1].Row(i), xs[i*h:])
				}
			}
			tensortest.CheckGradient(t, fmt.Sprintf("%+v: %s", c, name), dxs, xs, func() float64 { restore(); return loss() })
			restore()
		}
		ws.Workers.Stop()
	}
}

// compact returns the elements of t without gaps.
func compact(t *tensor.Tensor) (x []float32) {
	for i := range t.Rows {
		x = append(x, t.Row(i)...)
	}
	return x
}

// TestAttentionDropout: what the probs lose is decided by head, query and key alone, and with p = 0 nothing changes.
func TestAttentionDropout(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	a, ws, aws := Attention{Heads: 2}, tensor.NewWorkspace(nil), &AttentionWorkspace{}
	const tokens, h = 60, 64 // more than one block of queries
	query, key := newRandom(rng, tokens, h), newRandom(rng, tokens, h)
	value, offsets := tensor.New(tokens, h), []int{0, tokens}
	for i := range 32 { // value is the identity for each head, so context shows the probs of the first 32 keys
		value.Row(i)[i], value.Row(i)[32+i] = 1, 1
	}
	plain, dropped := tensor.New(tokens, h), tensor.New(tokens, h)
	a.Forward(ws, aws, plain, query, key, value, offsets, offsets)
	for _, p := range []float64{0, 0.5} {
		drop := &AttentionDropout{Heads: []Dropout{NewDropout(p, 1, 10), NewDropout(p, 1, 11)}, At: places(offsets)}
		a.ForwardDropout(ws, aws, dropped, query, key, value, offsets, offsets, drop)
		mask := make([]float32, tokens)
		for i := range tokens {
			for head, d := range drop.Heads {
				for j := range mask {
					mask[j] = 1
				}
				d.Row(mask, mask, drop.At[i])
				for j := range 32 {
					if got, want := dropped.Row(i)[head*32+j], mask[j]*plain.Row(i)[head*32+j]; got != want {
						t.Fatalf("p = %g: prob of head %d, query %d, key %d is %g, want %g", p, head, i, j, got, want)
					}
				}
			}
		}
	}
}

func TestEmbeddingGradient(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 1))
	for _, hidden := range []int{1, 64, 150} {
		e := NewEmbedding("table", 5, hidden)
		withGradients(rng, e.Table)
		ids := []int32{4, 0, 4, 4, 2}
		dy := newRandom(rng, len(ids), hidden)
		want := slices.Clone(e.Table.Grad)
		for i, id := range ids {
			for j, v := range dy.Row(i) {
				want[int(id)*hidden+j] += v
			}
		}
		ws := started(2)
		e.Backward(ws, &EmbeddingWorkspace{}, dy, ids)
		ws.Workers.Stop()
		if !slices.Equal(e.Table.Grad, want) {
			t.Errorf("width %d: gradient %v, want %v", hidden, e.Table.Grad, want)
		}
	}
}

// TestBackwardBits: gradients have the same bits for any number of workers.
func TestBackwardBits(t *testing.T) {
	var want [][]float32
	for _, workers := range []int{1, 2, 4} {
		rng := rand.New(rand.NewPCG(8, 1))
		ws := started(workers)
		n := &AddNorm{Dense: NewDense("dense", 64, 64), Dropout: NewDropout(0.1, 5, 6), Norm: NewLayerNorm("norm", 64, 1e-12)}
		params := append(n.Dense.Params(), n.Norm.Params()...)
		withGradients(rng, params...)
		offsets := []int{0, 100, 150, 300}
		random := func() *tensor.Tensor { return newRandom(rng, 300, 64) }
		x, residual, y, dy, dx, dh, dresidual := random(), random(), random(), random(), random(), random(), random()
		var c AddNormCache
		n.Forward(ws, y, x, residual, places(offsets), &c)
		n.Backward(ws, dx, dh, dresidual, dy, x, places(offsets), &c)
		got := [][]float32{compact(dx), compact(dresidual)}
		for _, p := range params {
			got = append(got, p.Grad)
		}
		a, d := Attention{Heads: 4}, QKV{*random(), *random(), *random()}
		a.Backward(ws, &AttentionWorkspace{}, d, dh, QKV{*x, *residual, *y}, offsets, offsets, nil)
		got = append(got, compact(&d.Query), compact(&d.Key), compact(&d.Value))
		ws.Workers.Stop()
		if want == nil {
			want = got
		}
		for i := range want {
			if !slices.Equal(got[i], want[i]) {
				t.Errorf("%d workers: result %d has other bits", workers, i)
			}
		}
	}
}
