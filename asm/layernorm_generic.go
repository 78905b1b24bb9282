package asm

import "math"

// layerNormGeneric sums in float64: a float32 sum of equal values over their number is not that value, and 1/√eps, a million, blows up
// the difference. Rounded to float32 the mean would still be wrong by up to 2⁻²⁴·|mean|, which is much where the values lie close
// together far from 0. So it is hi + lo, two float32, and x − hi − lo is right to its last bit.
func layerNormGeneric(y, x, gamma, beta []float32, eps float32) (mean, rstd float32) {
	var sum float64
	for _, v := range x {
		sum += float64(v)
	}
	sum /= float64(len(x))
	hi := float32(sum)
	lo := float32(sum - float64(hi))

	var squares float64
	for _, v := range x {
		d := v - hi - lo
		squares += float64(d) * float64(d)
	}
	variance := float32(squares / float64(len(x)))
	rstd = 1 / float32(math.Sqrt(float64(variance+eps)))

	for i, v := range x {
		y[i] = float32(float32((v-hi-lo)*rstd)*gamma[i]) + beta[i]
	}
	return hi, rstd
}

// layerNormBackwardGeneric: Ba et al. 2016 (arXiv:1607.06450) by the chain rule, x̂ = norm.
func layerNormBackwardGeneric(dx, dy, norm, gamma []float32, rstd float32) {
	var sumG, sumGX float64
	for i := range dx {
		g := float32(gamma[i] * dy[i])
		sumG += float64(g)
		sumGX += float64(g) * float64(norm[i])
	}
	meanG, meanGX := float32(sumG/float64(len(dx))), float32(sumGX/float64(len(dx)))
	for i := range dx {
		g := float32(gamma[i] * dy[i])
		dx[i] = (g - meanG - float32(norm[i]*meanGX)) * rstd
	}
}
