package tensor

import (
	"runtime"
	"sync/atomic"
	"time"

	"bertlabel/tensor/parallel"
)

// Job is a parallel loop: Run does turn i of it. worker, below the number of workers, names the goroutine: two turns with the
// same worker never run at once, so it may index scratch memory. The turns of one loop are independent.
type Job interface {
	Run(worker, i int)
}

// Workers is a team of goroutines for the parallel loops of passes through a model. Start calls its members, Stop sends them to
// sleep; between two loops of a pass they spin for a moment and then park, and outside of a pass they sleep, so an idle process
// burns nothing. They live until the Workers are garbage. The goroutine that calls Do is worker 0 and would do a loop alone if the
// others never got a CPU: nobody waits for a member that has not begun. For one that has begun and lost its CPU in the middle of a turn
// the caller spins and parks likewise, so that the operating system has a CPU to move it to. A nil *Workers runs every loop on the caller.
type Workers struct {
	*team // what the members hold on to: not the Workers, whose end is theirs
}

type team struct {
	n int // members, the caller included

	job   Job
	turns int64
	next  atomic.Int64 // the next turn to take

	epoch  atomic.Int64                   // odd while a loop is open
	active atomic.Int64                   // members inside the loop, the caller not counted
	broken atomic.Pointer[parallel.Panic] // of the first member that panicked in the loop
	pass   atomic.Bool                    // between Start and Stop
	quit   atomic.Bool
	alive  bool         // the members exist
	joined atomic.Int64 // members that have got their number
	parked []parkingSpot
}

// parkingSpot is where one member sleeps. Whoever turns asleep from true to false owes or saves the wake-up.
type parkingSpot struct {
	asleep atomic.Bool
	wake   chan struct{}
	_      [48]byte // a cache line each
}

// spinFor is how long a member watches for the next loop before it parks. The gaps between the loops of a pass are shorter.
const spinFor = 50 * time.Microsecond

// NewWorkers returns a team of n, or of runtime.GOMAXPROCS if n is 0.
func NewWorkers(n int) *Workers {
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	t := &team{n: n, parked: make([]parkingSpot, n)}
	for i := range t.parked {
		t.parked[i].wake = make(chan struct{}, 1)
	}
	w := &Workers{t}
	runtime.AddCleanup(w, (*team).end, t)
	return w
}

// Count returns the number of workers, the caller included.
func (w *Workers) Count() int {
	if w == nil {
		return 1
	}
	return w.n
}

// Start calls the members for a pass. Each Start needs a Stop by the same goroutine before the next one.
func (w *Workers) Start() {
	if w.Count() == 1 {
		return
	}
	w.pass.Store(true)
	if !w.alive {
		w.alive = true
		for range w.n - 1 {
			go w.team.loop()
		}
	}
	w.callAll()
}

// Stop sends the members to sleep.
func (w *Workers) Stop() {
	if w.Count() > 1 {
		w.pass.Store(false)
	}
}

// end makes the members return.
func (w *team) end() {
	w.quit.Store(true)
	w.callAll()
}

// Do runs turns 0 … n−1 of job and returns when all are done. Only the goroutine that called Start may call it, and no turn
// may call it again. When a turn panics, so does Do: with a *parallel.Panic if that was on another goroutine. No turn of the loop runs
// any more by then, some may never have run, and the Workers can go on.
func (w *Workers) Do(n int, job Job) {
	if w.Count() == 1 || n == 1 {
		for i := range n {
			job.Run(0, i)
		}
		return
	}
	w.job, w.turns = job, int64(n)
	w.next.Store(0)
	w.epoch.Add(1) // open: odd
	w.callAll()
	defer w.close()
	w.takeTurns(0)
}

// close ends a loop whose turns are all taken, or of which one has panicked, and hands on the panic of a member.
func (w *Workers) close() {
	w.next.Store(w.turns) // after a panic some are left
	w.epoch.Add(1)        // closed: who has not entered by now stays out
	w.wait(0, func() bool { return w.active.Load() == 0 })
	w.job = nil
	p := w.broken.Load()
	runtime.KeepAlive(w) // the members must not be ended in the middle
	if p != nil {
		w.broken.Store(nil)
		panic(p)
	}
}

func (w *team) takeTurns(worker int) {
	for {
		i := w.next.Add(1) - 1
		if i >= w.turns {
			return
		}
		w.job.Run(worker, int(i))
	}
}

// loop is the life of one member: wait for a loop to open, enter, take turns, leave.
func (w *team) loop() {
	worker := int(w.joined.Add(1))
	done := int64(0) // the epoch of the last loop this member has been in
	for {
		epoch := w.await(worker, done)
		if w.quit.Load() {
			return
		}
		w.active.Add(1)
		if w.epoch.Load() == epoch { // still open, and Do waits for active to fall
			if p := parallel.Catch(func() { w.takeTurns(worker) }); p != nil {
				w.next.Store(w.turns)
				w.broken.CompareAndSwap(nil, p)
			}
		}
		if w.active.Add(-1) == 0 {
			w.call(0)
		}
		done = epoch
	}
}

// await returns when the team is to quit, or a loop other than done is open, with that loop's epoch.
func (w *team) await(worker int, done int64) (epoch int64) {
	w.wait(worker, func() bool {
		epoch = w.epoch.Load()
		return epoch&1 == 1 && epoch != done || w.quit.Load()
	})
	return epoch
}

// wait returns when ready holds: worker watches for it for a moment, if in a pass, and then parks until it is called. A nil team must be
// ready.
func (w *team) wait(worker int, ready func() bool) {
	start := time.Now()
	for spins := 1; !ready(); spins++ {
		if w.pass.Load() && (spins%64 != 0 || time.Since(start) < spinFor) {
			continue
		}
		spot := &w.parked[worker]
		spot.asleep.Store(true)
		if !ready() || !spot.asleep.CompareAndSwap(true, false) { // else it came while we lay down, and nobody has called
			<-spot.wake
			start = time.Now()
		}
	}
}

// call wakes a worker that sleeps.
func (w *team) call(worker int) {
	if spot := &w.parked[worker]; spot.asleep.Load() && spot.asleep.CompareAndSwap(true, false) {
		spot.wake <- struct{}{}
	}
}

// callAll calls all workers; a nil team has none.
func (w *team) callAll() {
	if w == nil {
		return
	}
	for worker := range w.n {
		w.call(worker)
	}
}
