package layers

import (
	"math"
	"math/rand/v2"
	"testing"

	"bertlabel/tensor"
)

// TestAttention compares attention over texts of odd lengths with float64 sums, for all queries and for the first of each text.
func TestAttention(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, shape := range [][2]int{{1, 5}, {3, 16}, {2, 32}, {4, 7}, {1, 64}} {
		heads, d := shape[0], shape[1]
		h := heads * d
		keys := []int{0, 1, 4, 54, 71, 204}
		x := tensor.New(keys[len(keys)-1], 3*h)
		for i := range x.Data {
			x.Data[i] = float32(rng.NormFloat64())
		}
		query, key, value := x.SliceCols(0, h), x.SliceCols(h, 2*h), x.SliceCols(2*h, 3*h)
		ws, aws := tensor.NewWorkspace(nil), &AttentionWorkspace{}
		a := Attention{Heads: heads}
		context := tensor.New(x.Rows, h)
		a.Forward(ws, aws, context, &query, &key, &value, keys, keys)

		first, firstOffsets := tensor.New(len(keys)-1, h), []int{0}
		for text := range first.Rows {
			copy(first.Row(text), query.Row(keys[text]))
			firstOffsets = append(firstOffsets, text+1)
		}
		firstContext := tensor.New(first.Rows, h)
		a.Forward(ws, aws, firstContext, first, &key, &value, firstOffsets, keys)

		for text := range first.Rows {
			for i := keys[text]; i < keys[text+1]; i++ {
				for head := range heads {
					want, bound := attend64(&query, &key, &value, i, keys[text], keys[text+1], head*d, d)
					for j, w := range want {
						if got := float64(context.Row(i)[head*d+j]); !(math.Abs(got-w) <= bound) {
							t.Fatalf("%d heads of %d, row %d, head %d: context[%d] = %g, want %g ± %g", heads, d, i, head, j, got, w, bound)
						}
					}
				}
			}
			for j, v := range firstContext.Row(text) {
				if v != context.Row(keys[text])[j] {
					t.Fatalf("%d heads of %d, text %d: the first query alone gives other bits", heads, d, text)
				}
			}
		}
	}
}

// TestMultiHead: MultiHead(x) = Concat(head₁, …, head_A)·W^O of Vaswani et al. 2017, §3.2.2. Each head alone on its columns gives the bits
// of its part of the context; and the product with W^O is the sum of head_i·W^O_i, W^O_i the rows that belong to the head.
func TestMultiHead(t *testing.T) {
	const heads, d, h = 3, 8, 24
	rng := rand.New(rand.NewPCG(3, 4))
	offsets := []int{0, 5, 12}
	query, key, value := newRandom(rng, 12, h), newRandom(rng, 12, h), newRandom(rng, 12, h)
	ws, aws := tensor.NewWorkspace(nil), &AttentionWorkspace{}
	context := tensor.New(12, h)
	all := Attention{Heads: heads}
	all.Forward(ws, aws, context, query, key, value, offsets, offsets)
	output := NewDense("output", h, h)
	output.Kernel.Value, output.Bias.Value = compact(newRandom(rng, h, h)), compact(newRandom(rng, 1, h))
	output.Pack()
	y := tensor.New(12, h)
	output.Forward(ws, y, context, Linear)

	sum := tensor.New(12, h) // the bias, and what each head adds
	for i := range sum.Rows {
		copy(sum.Row(i), output.Bias.Value)
	}
	for n := range heads {
		q, k, v := query.SliceCols(n*d, (n+1)*d), key.SliceCols(n*d, (n+1)*d), value.SliceCols(n*d, (n+1)*d)
		head := tensor.New(12, d)
		one := Attention{Heads: 1}
		one.Forward(ws, aws, head, &q, &k, &v, offsets, offsets)
		for i := range head.Rows {
			for j, x := range head.Row(i) {
				if x != context.Row(i)[n*d+j] {
					t.Fatalf("head %d alone: [%d, %d] = %g, among the others %g", n, i, j, x, context.Row(i)[n*d+j])
				}
				for c := range h {
					sum.Row(i)[c] += x * output.Kernel.Value[(n*d+j)*h+c]
				}
			}
		}
	}
	for i := range y.Rows { // sums of 25 numbers around 1, in two orders: 25·2⁻²³ of some 10
		for j, got := range y.Row(i) {
			if want := sum.Row(i)[j]; !(math.Abs(float64(got-want)) <= 3e-5) {
				t.Fatalf("[%d, %d] = %g, the sum over the heads is %g", i, j, got, want)
			}
		}
	}
}

// attend64 is softmax(q·kᵀ/√D)·v for one query and head in float64. The bound is that of float32: the scores are sums of D
// products, which move the probabilities by as much, relatively, as the scores move absolutely; n products follow.
func attend64(query, key, value *tensor.Tensor, i, from, to, col, d int) (context []float64, bound float64) {
	const u = 0x1p-24
	n := to - from
	scores, largest, scoreError := make([]float64, n), math.Inf(-1), 0.0
	for p := range scores {
		abs := 0.0
		for j := range d {
			v := float64(query.Row(i)[col+j]) * float64(key.Row(from + p)[col+j])
			scores[p] += v / math.Sqrt(float64(d))
			abs += math.Abs(v) / math.Sqrt(float64(d))
		}
		largest = max(largest, scores[p])
		scoreError = max(scoreError, float64(d+2)*u*abs)
	}
	sum := 0.0
	for p := range scores {
		scores[p] = math.Exp(scores[p] - largest)
		sum += scores[p]
	}
	context = make([]float64, d)
	magnitude := 0.0
	for p, s := range scores {
		for j := range d {
			v := float64(value.Row(from + p)[col+j])
			context[j] += s / sum * v
			magnitude = max(magnitude, math.Abs(v))
		}
	}
	return context, (2*scoreError + float64(2*n+8)*u) * magnitude
}
