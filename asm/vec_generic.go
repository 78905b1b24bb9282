package asm

func dotGeneric(x, y []float32) float32 {
	var sums [sumLanes]float32
	for i, v := range x {
		sum := &sums[lane(i, len(x))]
		*sum = fma32(v, y[i], *sum)
	}
	return joinLanes(&sums)
}

func axpyGeneric(y []float32, a float32, x []float32) {
	for i, v := range x {
		y[i] = fma32(a, v, y[i])
	}
}

func mulAddGeneric(y, a, x []float32) {
	for i, v := range x {
		y[i] = fma32(a[i], v, y[i])
	}
}

func addGeneric(y, x []float32) {
	for i, v := range x {
		y[i] += v
	}
}

func scaleGeneric(y []float32, a float32) {
	for i := range y {
		y[i] *= a
	}
}

func sumSquaresGeneric(x []float32) float64 {
	var sums [sumLanes]float64
	for i, v := range x {
		sums[lane(i, len(x))] += float64(v) * float64(v) // the product of two float32 is exact, so it does not matter whether it is fused
	}
	return joinLanes64(&sums)
}
