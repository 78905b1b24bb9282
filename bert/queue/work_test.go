package queue

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bertlabel/tensor/parallel"
)

// Endless explanations beside texts: texts of a client that waits wait for a step or two, never for an explanation, and what is left of the
// time goes to the explanations. Without interactive work they share with other bulk work.
func TestWorkBesideTexts(t *testing.T) {
	engine := newSleeper()
	bubble(t, Options{}, engine, func(t *testing.T, q *Queue, target *Target) {
		const step = 13 * time.Millisecond // what 128 tokens take
		ctx, cancel := context.WithCancelCause(t.Context())
		var steps, running, most atomic.Int64
		var wg sync.WaitGroup
		for range 4 { // explanations, each of endless steps
			wg.Go(func() {
				for ctx.Err() == nil {
					err := q.Run(ctx, Work{Target: target, Tokens: 128, Class: Bulk, Flow: "explain", Run: func() error {
						most.Store(max(most.Load(), running.Add(1)))
						steps.Add(1)
						time.Sleep(step)
						running.Add(-1)
						return nil
					}})
					if err != nil && !errors.Is(err, io.EOF) {
						t.Error(err)
					}
				}
			})
		}
		time.Sleep(time.Second)
		if alone := 2 * int64(time.Second/step); steps.Load() < alone*95/100 || most.Load() != 2 {
			t.Errorf("%d steps in a second on two threads, at most %d at once", steps.Load(), most.Load())
		}
		steps.Store(0)
		took, refused := load(t, q, 5, 200, 5*time.Second, func(*rand.Rand) Request {
			return Request{Target: target, Texts: texts(1, 5, 16)}
		}) // a third of the time
		if p99 := took[len(took)*99/100]; p99 > 3*step || refused > 0 {
			t.Errorf("p99 of texts beside explanations %v, %d refused", p99, refused)
		}
		if all := 2 * int64(5*time.Second/step); steps.Load() < all/2 {
			t.Errorf("%d steps of %d beside texts that take a third", steps.Load(), all)
		}
		steps.Store(0)
		start := time.Now()
		do(t, q, Request{Target: target, Class: Bulk, Flow: "other", Texts: texts(200, 1, 128)}) // 1.3 s of two threads, alone
		if d := time.Since(start); d < 2*time.Second || d > 4*time.Second || steps.Load() == 0 {
			t.Errorf("bulk beside explanations took %v, with %d steps", d, steps.Load())
		}
		cancel(io.EOF)
		wg.Wait()
		if running.Load() != 0 {
			t.Error("a step runs after its Run has returned")
		}
	})
}

// The error of work is that of Run; a panic stays in it; nobody waits for work that will not run; equal work is done as often as it is
// asked for, and costs of passes do not change by it.
func TestWorkErrors(t *testing.T) {
	engine := newSleeper()
	bubble(t, Options{Threads: 1}, engine, func(t *testing.T, q *Queue, target *Target) {
		before, _, _ := q.Costs(target)
		done := 0
		work := func(d time.Duration) Work {
			return Work{Target: target, Tokens: 4, Flow: "f", Run: func() error { time.Sleep(d); done++; return io.ErrNoProgress }}
		}
		if err := q.Run(t.Context(), work(time.Second)); err != io.ErrNoProgress || done != 1 {
			t.Errorf("%v, done %d times", err, done)
		}
		var panicked *parallel.Panic
		if err := q.Run(t.Context(), Work{Target: target, Run: func() error { panic("broken") }}); !errors.As(err, &panicked) {
			t.Errorf("a panic is %v", err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		start := time.Now()
		wg.Go(func() { // runs when ctx ends
			if err := q.Run(ctx, work(time.Minute)); err != io.EOF || time.Since(start) < time.Minute {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
		time.Sleep(time.Second)
		wg.Go(func() { // waits when ctx ends
			if err := q.Run(ctx, work(time.Minute)); err != io.EOF || time.Since(start) > 10*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
		wg.Go(func() {
			w := work(time.Minute)
			w.Deadline = time.Now().Add(30 * time.Second)
			if err := q.Run(t.Context(), w); !errors.Is(err, ErrDeadline) {
				t.Error(err)
			}
		})
		for range 2 {
			wg.Go(func() {
				if err := q.Run(t.Context(), work(time.Second)); err != io.ErrNoProgress {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Second)
		cancel(io.EOF)
		wg.Wait()
		if done != 4 {
			t.Errorf("done %d times, want 4", done)
		}
		if after, _, _ := q.Costs(target); after != before {
			t.Errorf("costs %+v have become %+v", before, after)
		}
		if s := q.Stats(); s.Panics != 1 || s.Texts != [classes]int64{} {
			t.Errorf("stats %+v", s)
		}
		do(t, q, Request{Target: target, Texts: texts(1, 0, 4)})
	})
}
