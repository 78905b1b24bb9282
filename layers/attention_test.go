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
