package asm

import (
	"runtime"
	"time"
)

// Peak measures what one core does with this set's multiply-adds when nothing waits for memory: floating-point operations
// per second, the best of several short bursts, some milliseconds together. It is the 100 % of the benchmarks.
func (s Kernels) Peak() float64 {
	const bursts, rounds = 20, 20000
	best := time.Duration(1<<63 - 1)
	for range bursts {
		start := time.Now()
		s.peak(rounds)
		best = min(best, time.Since(start))
	}
	return rounds * float64(s.peakFLOP) / best.Seconds()
}

// peakGeneric runs eight independent chains of one multiplication and one addition.
func peakGeneric(rounds int) {
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	a := float32(rounds)
	for range rounds {
		s0 += float32(s0 * a)
		s1 += float32(s1 * a)
		s2 += float32(s2 * a)
		s3 += float32(s3 * a)
		s4 += float32(s4 * a)
		s5 += float32(s5 * a)
		s6 += float32(s6 * a)
		s7 += float32(s7 * a)
	}
	runtime.KeepAlive(s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7)
}
