package asm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// BenchmarkGEMMTile runs each tile over a row of panels that lie in the L2 cache. GFLOP/s is the mean; %peak compares the
// best burst with the best burst of the set's own FMA loop, measured just before and after, because other programs disturb
// both.
func BenchmarkGEMMTile(b *testing.B) {
	for _, set := range Sets() {
		for _, tile := range set.Tiles {
			for _, k := range []int{64, 384} {
				name := fmt.Sprintf("%s/%dx%d/k=%d", set.Name, tile.Rows, tile.Panels*set.NR, k)
				b.Run(name, func(b *testing.B) { benchmarkTile(b, set, tile, k) })
			}
		}
	}
}

func benchmarkTile(b *testing.B, set Kernels, tile Tile, k int) {
	const panels = 8
	rng := rand.New(rand.NewPCG(7, 0))
	draw := func(n int) []float32 {
		s := make([]float32, n)
		for i := range s {
			s[i] = rng.Float32() - 0.5
		}
		return s
	}
	lda, bps, ldc := k+16, k*set.NR, panels*set.NR
	a, pb, c := draw(tile.Rows*lda), draw(panels*bps), draw(tile.Rows*ldc)

	best, peak := time.Duration(math.MaxInt64), set.Peak()
	for b.Loop() {
		start := time.Now()
		for range 4 {
			for q := 0; q < panels; q += tile.Panels {
				tile.GEMM(k, a, lda, 1, pb[q*bps:], bps, c[q*set.NR:], ldc)
			}
		}
		best = min(best, time.Since(start))
	}
	peak = max(peak, set.Peak())
	flop := 4 * 2 * float64(tile.Rows*k*panels*set.NR)
	b.ReportMetric(flop*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
	b.ReportMetric(100*flop/best.Seconds()/peak, "%peak")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkPeak reports what %peak is relative to.
func BenchmarkPeak(b *testing.B) {
	for _, set := range Sets() {
		b.Run(set.Name, func(b *testing.B) {
			var peak float64
			for b.Loop() {
				peak = max(peak, set.Peak())
			}
			b.ReportMetric(peak/1e9, "GFLOP/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
