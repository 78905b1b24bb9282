package tensor

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// counting checks that each turn runs once and that a worker never runs two turns at once.
type counting struct {
	turns []atomic.Int32
	busy  []atomic.Bool
	t     *testing.T
	pause time.Duration
}

func (c *counting) Run(worker, i int) {
	if !c.busy[worker].CompareAndSwap(false, true) {
		c.t.Errorf("worker %d runs two turns at once", worker)
	}
	c.turns[i].Add(1)
	if c.pause > 0 {
		time.Sleep(c.pause)
	}
	c.busy[worker].Store(false)
}

func TestWorkersDo(t *testing.T) {
	for _, n := range []int{1, 2, 3, 8} {
		w := NewWorkers(n)
		for pass := range 20 {
			w.Start()
			for loop := range 30 {
				job := &counting{turns: make([]atomic.Int32, loop), busy: make([]atomic.Bool, n), t: t}
				if pass == 0 && loop%10 == 0 {
					job.pause = time.Millisecond
					time.Sleep(2 * spinFor) // let the members park
				}
				w.Do(loop, job)
				for i := range job.turns {
					if got := job.turns[i].Load(); got != 1 {
						t.Fatalf("%d workers, loop of %d: turn %d ran %d times", n, loop, i, got)
					}
				}
			}
			w.Stop()
		}
	}
}

// TestWorkersEnd wants no goroutine behind once the workers are garbage, whether they sleep or spin.
func TestWorkersEnd(t *testing.T) {
	before := runtime.NumGoroutine()
	for i := range 10 {
		w := NewWorkers(6)
		w.Start()
		w.Do(12, &counting{turns: make([]atomic.Int32, 12), busy: make([]atomic.Bool, 6), t: t})
		if i%2 == 0 {
			w.Stop()
		}
		time.Sleep(time.Duration(i) * spinFor / 4)
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		runtime.GC()
		if time.Now().After(deadline) { // a hang guard: this takes milliseconds
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

func TestNilWorkersRunOnTheCaller(t *testing.T) {
	var w *Workers
	w.Start()
	job := &counting{turns: make([]atomic.Int32, 5), busy: make([]atomic.Bool, 1), t: t}
	w.Do(5, job)
	w.Stop()
	for i := range job.turns {
		if job.turns[i].Load() != 1 {
			t.Fatalf("turn %d ran %d times", i, job.turns[i].Load())
		}
	}
}
