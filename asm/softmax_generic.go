package asm

// softmaxGeneric subtracts the largest score first, so that no exponential overflows and the sum is at least 1.
func softmaxGeneric(x []float32, scale float32) {
	if len(x) == 0 {
		return
	}
	top := float32(x[0] * scale)
	for _, v := range x {
		top = max(top, float32(v*scale))
	}
	var sum [sumLanes]float32
	for i, v := range x {
		x[i] = exp1(float32(v*scale) - top)
		sum[lane(i, len(x))] += x[i]
	}
	scaleGeneric(x, 1/joinLanes(&sum))
}

// softmaxBackwardGeneric multiplies by the Jacobian ∂p[i]/∂x[j] = scale·p[i]·([i = j] − p[j]) without forming it.
func softmaxBackwardGeneric(dx, p, dy []float32, scale float32) {
	dot := dotGeneric(dy, p)
	for i := range dx {
		dx[i] = float32((dy[i]-dot)*p[i]) * scale
	}
}
