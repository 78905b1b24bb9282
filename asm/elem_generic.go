package asm

import "math"

func expGeneric(y, x []float32) {
	for i, v := range x {
		y[i] = exp1(v)
	}
}

func exp1(v float32) float32 {
	if v < -87.33 {
		return 0
	}
	return float32(math.Exp(float64(v)))
}

func tanhGeneric(y, x []float32) {
	for i, v := range x {
		y[i] = float32(math.Tanh(float64(v)))
	}
}

func sigmoidGeneric(y, x []float32) {
	for i, v := range x {
		y[i] = float32(1 / (1 + math.Exp(-float64(v))))
	}
}

func geluTanhGeneric(y, x []float32) {
	for i, v := range x {
		v := float64(v)
		u := math.Sqrt(2/math.Pi) * (v + 0.044715*v*v*v)
		y[i] = float32(v / (1 + math.Exp(-2*u)))
	}
}

func geluErfGeneric(y, x []float32) {
	for i, v := range x {
		v := float64(v)
		y[i] = float32(v / 2 * (1 + math.Erf(v/math.Sqrt2)))
	}
}

func softmaxGeneric(x []float32, scale float32) {
	if len(x) == 0 {
		return
	}
	top := math.Inf(-1)
	for _, v := range x {
		top = math.Max(top, float64(scale*v))
	}
	var sum float64
	for _, v := range x {
		sum += math.Exp(float64(scale*v) - top)
	}
	for i, v := range x {
		x[i] = float32(math.Exp(float64(scale*v)-top) / sum)
	}
}

func layerNormGeneric(y, x, gamma, beta []float32, eps float32) (mean, rstd float32) {
	var sum float64
	for _, v := range x {
		sum += float64(v)
	}
	m := sum / float64(len(x))
	var variance float64
	for _, v := range x {
		d := float64(v) - m
		variance += d * d
	}
	r := 1 / math.Sqrt(variance/float64(len(x))+float64(eps))
	for i, v := range x {
		y[i] = float32(float64(gamma[i])*(float64(v)-m)*r + float64(beta[i]))
	}
	return float32(m), float32(r)
}

func dotGeneric(x, y []float32) float32 {
	var sum float64
	for i, v := range x {
		sum += float64(v) * float64(y[i])
	}
	return float32(sum)
}

func axpyGeneric(y []float32, a float32, x []float32) {
	for i, v := range x {
		y[i] += float32(a * v)
	}
}

func addGeneric(y, x []float32) {
	for i, v := range x {
		y[i] += v
	}
}

func sumSquaresGeneric(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return sum
}
