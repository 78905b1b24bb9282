package layers

import (
	"fmt"
	"math"

	"bertlabel/asm"
	"bertlabel/tensor"
)

// Noisy-or (Pearl 1988, Probabilistic Reasoning in Intelligent Systems, §4.3.2; for bags of instances Maron and Lozano-Pérez 1998,
// "A Framework for Multiple-Instance Learning"): a text has a label unless each of its windows, independently, lacks it,
//
//	p = 1 − Π_w (1 − p_w)
//
// With the logits z_w of the windows, p_w = σ(z_w), and −ln(1 − σ(z)) = softplus(z) = ln(1 + eᶻ),
//
//	s = −ln(1 − p) = Σ_w softplus(z_w)           the windows' shares of it
//	z = ln(p/(1 − p)) = ln(eˢ − 1)               the logit of the text
//	∂z/∂z_w = σ(z_w)/p,  p = 1 − e⁻ˢ
//
// Where s is large, z is s, as e⁻ˢ is nothing beside 1. Where all p_w are so small that 1 − p_w is 1, all of it goes to its limit:
//
//	s = Σ e^z_w,  z = ln Σ e^z_w = m + ln Σ e^(z_w − m) with m = max z_w,  ∂z/∂z_w = e^(z_w − z), the softmax of the z_w
const (
	noisyOrSure = 40  // e⁻⁴⁰ is below half a unit in the last place of 1 in float64
	noisyOrRare = -37 // σ(−37) likewise: ln(1 + eᶻ) = eᶻ below it, and σ(z) = eᶻ
)

// NoisyOr returns the logit of a text, given those of its windows, at least one. One window's is returned as it is. NaN gives NaN.
func NoisyOr(z []float64) float64 {
	if len(z) == 1 {
		return z[0]
	}
	m, s := noisyOrSum(z)
	switch {
	case m < noisyOrRare:
		return m + math.Log(s)
	case s > noisyOrSure:
		return s
	}
	return math.Log(math.Expm1(s))
}

// noisyOrSum returns the largest logit m, and Σ softplus(z_w), or where that is too small for float64, Σ e^(z_w − m).
func noisyOrSum(z []float64) (m, s float64) {
	m = z[0]
	for _, v := range z {
		m = max(m, v) // NaN if one is
	}
	for _, v := range z {
		if m < noisyOrRare {
			s += math.Exp(v - m)
		} else {
			s += softplus(v)
		}
	}
	return m, s
}

// NoisyOrGradient overwrites dz with ∂NoisyOr(z)/∂z_w. Both have the same length, at least 1; they may be the same slice.
func NoisyOrGradient(dz, z []float64) {
	if len(z) == 1 {
		dz[0] = 1
		return
	}
	m, s := noisyOrSum(z)
	for w, v := range z {
		if m < noisyOrRare {
			dz[w] = math.Exp(v-m) / s
		} else {
			dz[w] = logistic(v) / -math.Expm1(-s)
		}
	}
}

// NoisyOrShares overwrites shares with what each window has of −ln(1 − p) = softplus(logit) of its text, in the proportion of the windows'
// own −ln(1 − p_w): of NoisyOr(z) they are these. With the logit of a calibrated text they are what a window has of that. Both slices have
// the same length, at least 1, and may be the same.
func NoisyOrShares(shares, z []float64, logit float64) {
	m, s := noisyOrSum(z)
	whole := softplus(logit)
	for w, v := range z {
		if m < noisyOrRare {
			shares[w] = whole * math.Exp(v-m) / s
		} else {
			shares[w] = whole * softplus(v) / s
		}
	}
}

// NoisyOrPart returns the logit that each of n windows has which are alike and of which a text has the logit z: NoisyOr backwards,
//
//	ln(e^(softplus(z)/n) − 1)
//
// n may be a mean, of 1 or more; 1 gives z.
func NoisyOrPart(z, n float64) float64 {
	if n == 1 {
		return z
	}
	if z < noisyOrRare {
		return z - math.Log(n)
	}
	if s := softplus(z) / n; s <= noisyOrSure {
		return math.Log(math.Expm1(s))
	} else {
		return s
	}
}

// NoisyOrRows sets y [texts, labels] to the logits of texts, given those of their windows, z [windows, labels]: text t has the windows
// [first[t], first[t+1]). A text of one window has its bits. It panics when shapes differ.
func NoisyOrRows(y, z *tensor.Tensor, first []int) {
	checkWindows("NoisyOrRows", y, z, first)
	var of []float64
	for t := range y.Rows {
		if windows := z.SliceRows(first[t], first[t+1]); windows.Rows == 1 {
			copy(y.Row(t), windows.Data)
		} else {
			for l := range y.Cols {
				of = column(of, &windows, l)
				y.Row(t)[l] = float32(NoisyOr(of))
			}
		}
	}
}

// NoisyOrRowsBackward overwrites dz [windows, labels], given z and first of NoisyOrRows and dy [texts, labels]: dz = dy·∂y/∂z. It panics
// when shapes differ.
func NoisyOrRowsBackward(dz, z, dy *tensor.Tensor, first []int) {
	checkWindows("NoisyOrRowsBackward", dy, z, first)
	checkWindows("NoisyOrRowsBackward", dy, dz, first)
	var of []float64
	for t := range dy.Rows { // y = ln(e^(Σ softplus(z_w)) − 1)
		windows := z.SliceRows(first[t], first[t+1])
		for l, d := range dy.Row(t) {
			of = column(of, &windows, l)
			NoisyOrGradient(of, of)
			for w, g := range of {
				dz.Row(first[t] + w)[l] = float32(float64(d) * g)
			}
		}
	}
}

// column returns column l of x in float64, in the memory of dst.
func column(dst []float64, x *tensor.Tensor, l int) []float64 {
	dst = dst[:0]
	for w := range x.Rows {
		dst = append(dst, float64(x.Row(w)[l]))
	}
	return dst
}

func checkWindows(op string, y, z *tensor.Tensor, first []int) {
	if len(first) != y.Rows+1 || first[0] != 0 || first[y.Rows] != z.Rows || y.Cols != z.Cols {
		panic(fmt.Sprintf("layers.%s: texts [%d, %d] of windows [%d, %d] that begin at %d places", op, y.Rows, y.Cols, z.Rows, z.Cols,
			len(first)))
	}
}

// ScoreWindows is Score for texts of several windows by noisy-or, given the features x [windows, width] of the windows: text t has the
// windows [first[t], first[t+1]). The tensors are [texts, labels]. A text of one window has the bits of Score; a nil first stands for
// nothing else.
func (c *Classifier) ScoreWindows(x *tensor.Tensor, first []int) (logits, probabilities *tensor.Tensor) {
	if first == nil {
		return c.Score(x)
	}
	windows, texts := tensor.New(x.Rows, c.Labels()), len(first)-1
	logits, probabilities = tensor.New(texts, c.Labels()), tensor.New(texts, c.Labels())
	c.Forward(windows, x)
	NoisyOrRows(logits, windows, first)
	asm.Best.Sigmoid(probabilities.Data, logits.Data)
	return logits, probabilities
}
