// Package bench measures this machine: what it does at most with multiply-adds, how much of that the matrix products reach,
// and how long a model takes for texts of given lengths.
package bench

import (
	"context"
	"slices"
	"sync"
	"time"

	"bertlabel/asm"
	"bertlabel/bert"
)

// Times are how long the runs of one case took, the least first.
type Times []time.Duration

// Least returns the shortest time.
func (t Times) Least() time.Duration { return t[0] }

// Sum returns the time of all runs.
func (t Times) Sum() (sum time.Duration) {
	for _, d := range t {
		sum += d
	}
	return sum
}

// Median returns the middle time, the longer one of two.
func (t Times) Median() time.Duration { return t[len(t)/2] }

// measure times call, after one run to warm up. It stops between two runs when ctx ends.
func measure(ctx context.Context, runs int, call func() error) (Times, error) {
	times := make(Times, 0, runs)
	for i := range 1 + runs {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		start := time.Now()
		if err := call(); err != nil {
			return nil, err
		}
		if i > 0 {
			times = append(times, time.Since(start))
		}
	}
	slices.Sort(times)
	return times, nil
}

// Peak returns the operations per second of so many goroutines that do nothing but multiply and add in registers: the sum of
// their best bursts (asm.Kernels.Peak), by the multiply-adds of a precision.
func Peak(threads int, p bert.Precision) (sum float64) {
	peak := asm.Best.Peak
	switch p.Resolve() {
	case bert.BF16:
		peak = asm.Best.PeakBF16
	case bert.Int8:
		peak = asm.Best.PeakInt8
	}
	peaks := make([]float64, threads)
	var wg sync.WaitGroup
	for i := range peaks {
		wg.Go(func() { peaks[i] = peak() })
	}
	wg.Wait()
	for _, p := range peaks {
		sum += p
	}
	return sum
}
