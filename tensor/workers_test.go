package tensor

import (
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bertlabel/tensor/parallel"
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

// waiting is a loop in which a member ends its turn only when the caller, which has none left, has parked.
type waiting struct {
	team *team
	met  atomic.Bool
	t    *testing.T
}

func (j *waiting) Run(worker, _ int) {
	if worker == 0 {
		time.Sleep(time.Millisecond) // so that a member gets the other turn
		return
	}
	for deadline := time.Now().Add(10 * time.Second); !j.team.parked[0].asleep.Load(); runtime.Gosched() {
		if time.Now().After(deadline) { // a hang guard
			j.t.Error("the caller spins while it waits for a member")
			return
		}
	}
	j.met.Store(true)
}

// The caller parks while a member is away in the middle of a turn, and is woken when that has ended.
func TestWorkersPark(t *testing.T) {
	w := NewWorkers(2)
	w.Start()
	defer w.Stop()
	for met := 0; met < 5; {
		job := &waiting{team: w.team, t: t}
		if w.Do(2, job); job.met.Load() {
			met++
		}
		if t.Failed() {
			return
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

// breaking panics in some turn, on whichever goroutine takes it, and tells which that was.
type breaking struct {
	turn   int
	worker atomic.Int32
	after  atomic.Bool // Do has returned
	t      *testing.T
}

func (b *breaking) Run(worker, i int) {
	if b.after.Load() {
		b.t.Error("a turn runs after Do has panicked")
	}
	if i == b.turn {
		b.worker.Store(int32(worker))
		panic("broken turn")
	}
	time.Sleep(20 * time.Microsecond) // so that members get turns
}

// A panic in a turn, on any worker, comes out of Do when no turn runs any more, and the workers go on with the next loop.
func TestWorkersPanic(t *testing.T) {
	for _, n := range []int{1, 2, 4} {
		w := NewWorkers(n)
		w.Start()
		members := 0
		for try := 0; try < 400 && (try < 20 || members == 0 && n > 1); try++ {
			job := &breaking{turn: try % 24, t: t}
			p := parallel.Catch(func() { w.Do(24, job) })
			job.after.Store(true)
			if p == nil || p.Value != "broken turn" || !strings.Contains(string(p.Stack), "breaking") {
				t.Fatalf("%d workers: caught %v", n, p)
			}
			if job.worker.Load() > 0 {
				members++
			}
			good := &counting{turns: make([]atomic.Int32, 9), busy: make([]atomic.Bool, n), t: t}
			w.Do(9, good)
			for i := range good.turns {
				if got := good.turns[i].Load(); got != 1 {
					t.Fatalf("%d workers: turn %d ran %d times after a panic", n, i, got)
				}
			}
		}
		if members == 0 && n > 1 {
			t.Errorf("%d workers: no panic was on a member", n)
		}
		w.Stop()
	}
}
