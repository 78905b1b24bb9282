package asm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// benchmarkLow runs f, of so many operations, and reports the mean rate, and the best burst's share of the best of peak, measured just
// before and after, because other programs disturb both.
func benchmarkLow(b *testing.B, operations int, peak func() float64, f func()) {
	const burst = 16
	best, most := time.Duration(math.MaxInt64), peak()
	for b.Loop() {
		start := time.Now()
		for range burst {
			f()
		}
		best = min(best, time.Since(start))
	}
	most = max(most, peak())
	b.ReportMetric(burst*float64(operations)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GOP/s")
	b.ReportMetric(100*burst*float64(operations)/best.Seconds()/most, "%peak")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkLowTile is the tiles of bf16 and int8 alone, in all forms that this CPU runs, with operands in the cache, at the depths of
// hidden sizes 384 and 768; int8 with and without outlier channels, as many as these sizes have.
func BenchmarkLowTile(b *testing.B) {
	alloc := func(n int) []float32 { return make([]float32, n) }
	rng := rand.New(rand.NewPCG(17, 0))
	bf, i8 := lowForms()
	for _, k := range []int{384, 768} {
		for name, set := range bf {
			for _, tile := range set.Tiles {
				r := newBF16Product(set.MR, set.NR, k, rng.Float32)
				args := r.bf16Args(set, tile.Rows, alloc)
				b.Run(fmt.Sprintf("bf16/%s/%dx%d/k=%d", name, tile.Rows, r.nr, k), func(b *testing.B) {
					benchmarkLow(b, 2*tile.Rows*r.nr*k, func() float64 { return peakRate(set.peak, set.peakFLOP) },
						func() { tile.GEMM(args) })
				})
			}
		}
		for name, set := range i8 {
			for _, tile := range set.Tiles {
				for _, outliers := range []int{0, k / 48} {
					r := newInt8Product(rng, set.MR, set.NR, k, outliers)
					args := r.int8Args(set, pairsGeneric, tile.Rows, alloc)
					b.Run(fmt.Sprintf("int8/%s/%dx%d/k=%d,outliers=%d", name, tile.Rows, r.nr, k, outliers), func(b *testing.B) {
						benchmarkLow(b, 2*tile.Rows*r.nr*k, func() float64 { return peakRate(set.peak, set.peakOps) },
							func() { tile.GEMM(args) })
					})
				}
			}
		}
	}
}

// BenchmarkRounding is what rows of A cost before a product.
func BenchmarkRounding(b *testing.B) {
	const n = 768
	rng := rand.New(rand.NewPCG(18, 0))
	x, dst := make([]float32, n), make([]uint8, 4*n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	for _, set := range Sets() {
		for name, f := range map[string]func(){
			"Round":    func() { set.BF16.Round(dst, x) },
			"Pairs":    func() { set.BF16.Pairs(dst, x, x) },
			"Range":    func() { set.Int8.Range(x) },
			"Quantize": func() { set.Int8.Quantize(dst, x, 30, 128) },
		} {
			b.Run(set.Name+"/"+name, func(b *testing.B) {
				for b.Loop() {
					f()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/number")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
