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
	a, pb, c, bias := draw(tile.Rows*lda), draw(panels*bps), draw(tile.Rows*ldc), draw(ldc)

	best, peak := time.Duration(math.MaxInt64), set.Peak()
	for b.Loop() {
		start := time.Now()
		for range 4 {
			for q := 0; q < panels; q += tile.Panels {
				tile.GEMM(k, a, lda, 1, pb[q*bps:], bps, c[q*set.NR:], ldc, c[q*set.NR:], ldc, bias, pb, 0)
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

// BenchmarkRows multiplies m rows, not a multiple of MR, by two panels, as attention does for a short text: full tiles and
// one for the rest, or the same number of tiles of even height. %peak is computed as in BenchmarkGEMMTile.
func BenchmarkRows(b *testing.B) {
	const k, panels = 64, 2
	set := Sets()[0]
	splits := []struct {
		name   string
		height func(left int) int
	}{
		{"full", func(left int) int { return min(left, set.MR) }},
		{"even", func(left int) int { n := (left + set.MR - 1) / set.MR; return (left + n - 1) / n }},
	}
	for _, m := range []int{13, 17, 23, 25, 50} {
		a, pb, c := make([]float32, m*(k+16)), make([]float32, panels*k*set.NR), make([]float32, m*panels*set.NR)
		for _, split := range splits {
			b.Run(fmt.Sprintf("%s/m=%d/%s", set.Name, m, split.name), func(b *testing.B) {
				best, peak := time.Duration(math.MaxInt64), set.Peak()
				for b.Loop() {
					start := time.Now()
					for range 8 {
						multiplyPanels(set, split.height, m, k, panels, a, k+16, pb, c)
					}
					best = min(best, time.Since(start))
				}
				flop := 8 * 2 * float64(m*k*panels*set.NR)
				b.ReportMetric(100*flop/best.Seconds()/max(peak, set.Peak()), "%peak")
			})
		}
	}
}

// zeros is a bias that changes nothing.
var zeros = make([]float32, 128)

// multiplyPanels is C += A·B over packed panels, in tiles whose height the caller picks.
func multiplyPanels(set Kernels, height func(left int) int, m, k, panels int, a []float32, lda int, b, c []float32) {
	for i := 0; i < m; {
		t := 0
		for want := height(m - i); set.Tiles[t].Rows > want; {
			t++
		}
		rows := set.Tiles[t].Rows
		for q := 0; q < panels; q += set.Tiles[t].Panels {
			for q+set.Tiles[t].Panels > panels {
				t++
			}
			c, ldc := c[(i*panels+q)*set.NR:], panels*set.NR
			set.Tiles[t].GEMM(k, a[i*lda:], lda, 1, b[q*k*set.NR:], k*set.NR, c, ldc, c, ldc, zeros, b, 0)
		}
		i += rows
	}
}
