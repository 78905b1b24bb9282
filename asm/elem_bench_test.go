package asm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// BenchmarkElement reports ns per number: short rows, and a strip that fits the L2 cache.
func BenchmarkElement(b *testing.B) {
	for _, set := range Sets() {
		for _, e := range elements {
			for _, n := range []int{19, 3072, 1 << 16} {
				x, y := normals(n), make([]float32, n)
				f := e.kernel(set)
				perNumber(b, fmt.Sprintf("%s/%s/n=%d", set.Name, e.name, n), n, func() { f(y, x) })
			}
		}
	}
}

// BenchmarkRow reports ns per number of the kernels that see a whole row.
func BenchmarkRow(b *testing.B) {
	for _, set := range Sets() {
		for _, n := range []int{19, 128, 768} {
			x, y, gamma, beta, g, v := normals(n), normals(n), normals(n), normals(n), make([]float32, n), make([]float32, n)
			step := AdamStep{Clip: 1, Beta1: 0.9, Gain1: 0.1, Beta2: 0.999, Gain2: 0.001, MHat: 1, VHat: 1, Eps: 1e-6, LR: 1e-9}
			bench := func(name string, f func()) {
				perNumber(b, fmt.Sprintf("%s/%s/n=%d", set.Name, name, n), n, f)
			}
			bench("Softmax", func() { set.Softmax(y, 0.125) })
			bench("LayerNorm", func() { set.LayerNorm(y, x, gamma, beta, 1e-12) })
			bench("Dot", func() { set.Dot(x, y) })
			bench("Axpy", func() { set.Axpy(y, 1e-9, x) })
			bench("Add", func() { set.Add(y, beta) })
			bench("SumSquares", func() { set.SumSquares(x) })
			bench("Scale", func() { set.Scale(y, 1) })
			bench("MulAdd", func() { set.MulAdd(y, g, x) })
			bench("SoftmaxBackward", func() { set.SoftmaxBackward(y, x, beta, 1) })
			bench("LayerNormBackward", func() { set.LayerNormBackward(y, beta, x, gamma, 1) })
			bench("AdamW", func() { set.AdamW(y, g, x, v, &step) })
		}
	}
}

// perNumber reports the best of bursts of some 2¹⁵ numbers: other programs disturb the mean.
func perNumber(b *testing.B, name string, n int, f func()) {
	b.Run(name, func(b *testing.B) {
		calls, best := max(1, 1<<15/n), time.Duration(math.MaxInt64)
		for b.Loop() {
			start := time.Now()
			for range calls {
				f()
			}
			best = min(best, time.Since(start))
		}
		b.ReportMetric(float64(best.Nanoseconds())/float64(calls*n), "ns/number")
		b.ReportMetric(0, "ns/op")
	})
}

func normals(n int) []float32 {
	rng, x := rand.New(rand.NewPCG(6, uint64(n))), make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}
