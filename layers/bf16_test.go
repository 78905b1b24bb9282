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

// What bf16 may change in products is derived from one number: rounding to 8 significant bits changes a number by at most 2⁻⁸ of it.
// So a·b of rounded numbers is off by at most (1+2⁻⁸)² − 1 of |a|·|b|. Sums are float32, and a hundredth more covers them: a term takes
// part in at most 512 additions, each off by 2⁻²⁴ of the sum of magnitudes, 2⁻¹⁵ together, 0.4 % of the bound.
const (
	bf16Unit    = 0x1p-8
	bf16Product = 1.01 * (2*bf16Unit + bf16Unit*bf16Unit)
)

// matrix is a tensor in float64.
type matrix [][]float64

func widen(t *tensor.Tensor) (m matrix) {
	for i := range t.Rows {
		row := make([]float64, t.Cols)
		for j, v := range t.Row(i) {
			row[j] = float64(v)
		}
		m = append(m, row)
	}
	return m
}

func (m matrix) transposed() matrix {
	t := make(matrix, len(m[0]))
	for j := range t {
		for i := range m {
			t[j] = append(t[j], m[i][j])
		}
	}
	return t
}

// each returns f of each element and its place.
func (m matrix) each(f func(i, j int, v float64) float64) matrix {
	y := make(matrix, len(m))
	for i, row := range m {
		for j, v := range row {
			y[i] = append(y[i], f(i, j, v))
		}
	}
	return y
}

func (m matrix) abs() matrix { return m.each(func(_, _ int, v float64) float64 { return math.Abs(v) }) }

func (m matrix) times(b matrix) matrix {
	y := make(matrix, len(m))
	for i := range m {
		y[i] = make([]float64, len(b[0]))
		for p, a := range m[i] {
			for j, v := range b[p] {
				y[i][j] += a * v
			}
		}
	}
	return y
}

// productError bounds the error of a·b in bf16 where a is off by da: Σ (da·(1 + that of a product) + that of a product·|a|)·|b|.
func productError(da, a, b matrix) matrix {
	whole := a.each(func(i, j int, v float64) float64 { return da[i][j]*(1+bf16Product) + bf16Product*math.Abs(v) })
	return whole.times(b.abs())
}

func (m matrix) zero() matrix { return m.each(func(int, int, float64) float64 { return 0 }) }

// within wants got within bound of want, and not much nearer: float32 takes less than a thousandth of these bounds, bf16 a few hundredths.
func within(t *testing.T, name string, got *tensor.Tensor, want, bound matrix) {
	t.Helper()
	most := 0.0
	for i, row := range want {
		for j, v := range row {
			diff := math.Abs(float64(got.Row(i)[j]) - v)
			if !(diff <= bound[i][j]) {
				t.Fatalf("%s[%d,%d] = %g, want %g ± %g", name, i, j, got.Row(i)[j], v, bound[i][j])
			}
			most = max(most, diff/bound[i][j])
		}
	}
	if most < 0.01 {
		t.Errorf("%s: the largest error is %.4f of its bound: nothing has been rounded", name, most)
	}
}

// TestDenseBF16: y, dx and dW stay within the bound of their products; the bias gradient, which has none, keeps its bits.
func TestDenseBF16(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 1))
	ws := started(2)
	defer ws.Workers.Stop()
	for _, s := range [][3]int{{5, 7, 3}, {35, 13, 66}, {70, 90, 40}} {
		rows, in, out := s[0], s[1], s[2]
		d := NewDense("dense", in, out)
		withGradients(rng, d.Params()...)
		clear(d.Kernel.Grad)
		clear(d.Bias.Value)
		x, y, dy, dx := newRandom(rng, rows, in), newRandom(rng, rows, out), newRandom(rng, rows, out), newRandom(rng, rows, in)
		d.Backward(ws, dx, dy, x, nil)
		bias := slices.Clone(d.Bias.Grad)

		clear(d.Kernel.Grad)
		for i := range d.Bias.Grad {
			d.Bias.Grad[i] = 1
		}
		d.Training = tensor.BF16
		d.ForwardTraining(ws, y, x, nil)
		d.Backward(ws, dx, dy, x, nil)
		if !slices.Equal(d.Bias.Grad, bias) {
			t.Errorf("%v: the gradient of the bias has other bits", s)
		}
		w, dw := tensor.From(d.Kernel.Value, in, out), tensor.From(d.Kernel.Grad, in, out)
		for _, p := range []struct {
			name string
			got  *tensor.Tensor
			a, b matrix
		}{
			{"y", y, widen(x), widen(w)},
			{"dx", dx, widen(dy), widen(w).transposed()},
			{"dW", dw, widen(x).transposed(), widen(dy)},
		} {
			within(t, fmt.Sprintf("%v: %s", s, p.name), p.got, p.a.times(p.b), productError(p.a.zero(), p.a, p.b))
		}
	}
}

// TestAttentionBF16: context and the gradients of one head are within what the formulas of Attention in float64 allow when every
// product rounds its operands. With e(·) the bound of an error, and u = bf16Product:
//
//	e(scores)  = u·Σ|q|·|k|                        e(probs) = probs·(exp(2·max e(scores)/√D) − 1)
//	e(context) = Σ (e(dropped)·(1+u) + u·dropped)·|v|      dvalue, dquery and dkey likewise: productError
//	e(dprobs)  = u·Σ|dcontext|·|v|
//	e(dscores) = (e(probs)·(|dprobs| + e(dprobs) + |r| + e(r)) + probs·(e(dprobs) + e(r)))/√D
//	             with r = Σ dprobs·probs and e(r) = Σ (e(dprobs)·(probs + e(probs)) + |dprobs|·e(probs))
func TestAttentionBF16(t *testing.T) {
	rng := rand.New(rand.NewPCG(22, 1))
	for _, s := range []struct {
		keys, d int
		p       float64
	}{{1, 8, 0}, {9, 5, 0}, {40, 16, 0.3}, {130, 7, 0.2}} {
		offsets := []int{0, s.keys}
		drop := &AttentionDropout{Heads: []Dropout{NewDropout(s.p, 9, 1)}, At: places(offsets)}
		a := Attention{Heads: 1, BF16: true}
		x, dx := QKV{*newRandom(rng, s.keys, s.d), *newRandom(rng, s.keys, s.d), *newRandom(rng, s.keys, s.d)}, QKV{}
		dx.Query, dx.Key, dx.Value = *newRandom(rng, s.keys, s.d), *newRandom(rng, s.keys, s.d), *newRandom(rng, s.keys, s.d)
		context, dcontext := newRandom(rng, s.keys, s.d), newRandom(rng, s.keys, s.d)
		ws, aws := started(2), &AttentionWorkspace{}
		a.ForwardDropout(ws, aws, context, &x.Query, &x.Key, &x.Value, offsets, offsets, drop)
		a.Backward(ws, aws, dx, dcontext, x, offsets, offsets, drop)
		ws.Workers.Stop()

		mask := tensor.New(s.keys, s.keys) // 1/(1−p) or 0
		for i := range s.keys {
			row := mask.Row(i)
			for j := range row {
				row[j] = 1
			}
			drop.row(row, row, 0, i)
		}
		q, k, v, dc, kept := widen(&x.Query), widen(&x.Key), widen(&x.Value), widen(dcontext), widen(mask)
		scale := 1 / math.Sqrt(float64(s.d))
		times := func(a, b matrix) matrix { return a.each(func(i, j int, v float64) float64 { return v * b[i][j] }) }

		probs, eprobs := softmaxError(q.times(k.transposed()), productError(q.zero(), q, k.transposed()), scale)
		dropped, edropped := times(probs, kept), times(eprobs, kept)
		within(t, fmt.Sprintf("%+v: context", s), context, dropped.times(v), productError(edropped, dropped, v))
		within(t, fmt.Sprintf("%+v: dvalue", s), &dx.Value, dropped.transposed().times(dc),
			productError(edropped.transposed(), dropped.transposed(), dc))
		if s.keys == 1 {
			continue // the probability of one key is 1, and its gradient nothing
		}
		dprobs, edprobs := times(dc.times(v.transposed()), kept), times(productError(dc.zero(), dc, v.transposed()), kept)
		dscores, edscores := dprobs.zero(), dprobs.zero()
		for i := range probs {
			r, er := 0.0, 0.0
			for j, p := range probs[i] {
				r += dprobs[i][j] * p
				er += edprobs[i][j]*(p+eprobs[i][j]) + math.Abs(dprobs[i][j])*eprobs[i][j]
			}
			for j, p := range probs[i] {
				dscores[i][j] = scale * p * (dprobs[i][j] - r)
				edscores[i][j] = scale * (eprobs[i][j]*(math.Abs(dprobs[i][j])+edprobs[i][j]+math.Abs(r)+er) + p*(edprobs[i][j]+er))
			}
		}
		within(t, fmt.Sprintf("%+v: dquery", s), &dx.Query, dscores.times(k), productError(edscores, dscores, k))
		within(t, fmt.Sprintf("%+v: dkey", s), &dx.Key, dscores.transposed().times(q),
			productError(edscores.transposed(), dscores.transposed(), q))
	}
}

// softmaxError returns softmax(scale·scores) and the bound of its error where scores are off by e.
func softmaxError(scores, e matrix, scale float64) (probs, eprobs matrix) {
	probs, eprobs = scores.zero(), scores.zero()
	for i, row := range scores {
		sum := 0.0
		for j, v := range row {
			probs[i][j] = math.Exp(scale * (v - slices.Max(row)))
			sum += probs[i][j]
		}
		for j := range row {
			probs[i][j] /= sum
			eprobs[i][j] = probs[i][j] * math.Expm1(2*scale*slices.Max(e[i]))
		}
	}
	return probs, eprobs
}

// TestBF16AllocatesNothing: nor do products of training in bf16, in the steady state.
func TestBF16AllocatesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 1))
	d := NewDense("dense", 24, 40)
	withGradients(rng, d.Params()...)
	d.Training = tensor.BF16
	ws, aws := tensor.NewWorkspace(tensor.NewWorkers(2)), &AttentionWorkspace{}
	a, offsets := Attention{Heads: 2, BF16: true}, []int{0, 30}
	x, y, dy, dx := newRandom(rng, 30, 24), newRandom(rng, 30, 40), newRandom(rng, 30, 40), newRandom(rng, 30, 24)
	qkv := QKV{*newRandom(rng, 30, 24), *newRandom(rng, 30, 24), *newRandom(rng, 30, 24)}
	tensortest.NoAllocs(t, "a pass", func() {
		ws.Workers.Start()
		d.ForwardTraining(ws, y, x, nil)
		d.Backward(ws, dx, dy, x, nil)
		a.Forward(ws, aws, dx, x, x, x, offsets, offsets)
		a.Backward(ws, aws, qkv, dx, QKV{*x, *x, *x}, offsets, offsets, nil)
		ws.Workers.Stop()
	})
}
