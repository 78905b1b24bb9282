package queue

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrBytes says that the bytes of a Budget are in use.
var ErrBytes = errors.New("queue: too many bytes of other requests are in memory")

// Budget bounds the bytes that all requests together hold: a server claims those of a body before it reads it.
type Budget struct {
	mu      sync.Mutex
	free    int64
	total   int64
	waiting []*claim // in the order of their arrival
}

type claim struct {
	bytes   int64
	granted chan struct{}
}

// NewBudget returns a budget of so many bytes.
func NewBudget(bytes int64) *Budget { return &Budget{free: bytes, total: bytes} }

// Claim takes bytes of the budget, which Release gives back. While there are too few, or others wait, it waits its turn, for at most so
// long. The error is ErrBytes, at once for more than the whole budget, or the cause of ctx's end; then nothing is taken.
func (b *Budget) Claim(ctx context.Context, bytes int64, wait time.Duration) error {
	b.mu.Lock()
	switch {
	case bytes > b.total:
		b.mu.Unlock()
		return ErrBytes
	case len(b.waiting) == 0 && bytes <= b.free:
		b.free -= bytes
		b.mu.Unlock()
		return nil
	}
	c := &claim{bytes, make(chan struct{})}
	b.waiting = append(b.waiting, c)
	b.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	err := ErrBytes
	select {
	case <-c.granted:
		return nil
	case <-timer.C:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, other := range b.waiting {
		if other == c {
			b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
			b.grant() // those behind may fit
			return err
		}
	}
	return nil // granted meanwhile
}

// Release gives back bytes that were claimed.
func (b *Budget) Release(bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.free += bytes; b.free > b.total {
		panic("queue: more bytes are released than were claimed")
	}
	b.grant()
}

// Used returns the bytes that are claimed.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total - b.free
}

func (b *Budget) grant() {
	for len(b.waiting) > 0 && b.waiting[0].bytes <= b.free {
		b.free -= b.waiting[0].bytes
		close(b.waiting[0].granted)
		b.waiting = b.waiting[1:]
	}
}
