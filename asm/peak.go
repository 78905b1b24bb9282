package asm

import (
	"runtime"
	"time"
)

// Peak measures what one core does with this set's multiply-adds when nothing waits for memory: floating-point operations
// per second, the best of several short bursts, some milliseconds together. It is the 100 % of the benchmarks.
func (s Kernels) Peak() float64 { return peakRate(s.peak, s.peakFLOP) }

// PeakBF16 is Peak for the multiply-adds of BF16, PeakInt8 for those of Int8.
func (s Kernels) PeakBF16() float64 { return peakRate(s.BF16.peak, s.BF16.peakFLOP) }

// PeakInt8 returns operations on integers per second: see PeakBF16.
func (s Kernels) PeakInt8() float64 { return peakRate(s.Int8.peak, s.Int8.peakOps) }

func peakRate(peak func(rounds int), operations int) float64 {
	const bursts, rounds = 20, 20000
	best := time.Duration(1<<63 - 1)
	for range bursts {
		start := time.Now()
		peak(rounds)
		best = min(best, time.Since(start))
	}
	return rounds * float64(operations) / best.Seconds()
}

// peakGeneric runs rounds × 6 independent multiplications and additions, all in scalar registers: the compiler of amd64 has
// fifteen.
func peakGeneric(rounds int) {
	var s00, s01, s02, s10, s11, s12 float32
	f := float32(rounds)
	a0, a1, b0, b1, b2 := f, f+1, f+2, f+3, f+4 // distinct and unknown to the compiler
	for range rounds {
		s00 += float32(a0 * b0)
		s01 += float32(a0 * b1)
		s02 += float32(a0 * b2)
		s10 += float32(a1 * b0)
		s11 += float32(a1 * b1)
		s12 += float32(a1 * b2)
	}
	runtime.KeepAlive(s00 + s01 + s02 + s10 + s11 + s12)
}
