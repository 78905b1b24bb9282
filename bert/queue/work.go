package queue

import (
	"context"
	"sync"
	"time"
)

// Work is something else than features that a worker is to do, on its one thread: a step of an explanation, say. Whoever has much to do
// cuts it into steps that are no longer than a pass, as nothing that arrives can interrupt one.
type Work struct {
	Target   *Target // whose passes it is measured by
	Tokens   int     // it takes as long as a pass over one text of so many
	Class    Class
	Flow     string
	Weight   float64
	Deadline time.Time // zero: none
	Run      func() error
}

// Run has a worker do w.Run in its turn among the texts of its class and flow, and returns its error, a *parallel.Panic if it panicked. It
// is never refused for load; other errors are those of Do. When Run returns, w.Run is over or will not be called.
func (q *Queue) Run(ctx context.Context, w Work) error {
	var mu sync.Mutex
	var begun, left bool // it runs; nobody waits any more
	over := make(chan struct{})
	once := func() error {
		mu.Lock()
		begun = !left
		mu.Unlock()
		if !begun {
			return nil
		}
		defer close(over)
		return w.Run()
	}
	result, err := q.Do(ctx, Request{Target: w.Target, Class: w.Class, Flow: w.Flow, Weight: w.Weight, Deadline: w.Deadline,
		Texts: zeros(1, max(1, w.Tokens)), work: once})
	mu.Lock()
	left = true
	wait := begun
	mu.Unlock()
	if wait {
		<-over
	}
	if err == nil {
		err = result.Errors[0]
	}
	return err
}
