package asm

import "math"

// layerNormGeneric sums in float64: a float32 sum of equal values over their number is not that value, and 1/√eps, a million, blows up
// the difference. Rounded to float32 the mean would still be wrong by up to 2⁻²⁴·|mean|, which is much where the values lie close
// together far from 0. So it is hi + lo, two float32, and x − hi − lo is right to its last bit.
func layerNormGeneric(y, x, gamma, beta []float32, eps float32) (mean, rstd float32) {
	var sums [sumLanes]float64
	for i, v := range x {
		sums[lane(i, len(x))] += float64(v)
	}
	sum := joinLanes64(&sums) / float64(len(x))
	hi := float32(sum)
	lo := float32(sum - float64(hi))

	var squares [sumLanes]float32
	for i, v := range x {
		d, square := v-hi-lo, &squares[lane(i, len(x))]
		*square = fma32(d, d, *square)
	}
	variance := joinLanes(&squares) / float32(len(x))
	rstd = 1 / float32(math.Sqrt(float64(variance+eps)))

	for i, v := range x {
		y[i] = fma32(float32((v-hi-lo)*rstd), gamma[i], beta[i])
	}
	return hi, rstd
}

// layerNormBackwardGeneric: Ba et al. 2016 (arXiv:1607.06450) by the chain rule, x̂ = norm.
func layerNormBackwardGeneric(dx, dy, norm, gamma []float32, rstd float32) {
	var sumG, sumGX [sumLanes]float32
	for i := range dx {
		g, l := float32(gamma[i]*dy[i]), lane(i, len(dx))
		sumG[l] += g
		sumGX[l] = fma32(g, norm[i], sumGX[l])
	}
	meanG, meanGX := joinLanes(&sumG)/float32(len(dx)), joinLanes(&sumGX)/float32(len(dx))
	for i := range dx {
		g := float32(gamma[i] * dy[i])
		dx[i] = float32(fma32(-norm[i], meanGX, g-meanG) * rstd)
	}
}
