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

// Total returns the bytes of the whole budget.
func (b *Budget) Total() int64 { return b.total }

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

// Share is what one stream of many takes of a budget: so many bytes always, more while the budget has them. With less it goes more
// slowly, but it goes: what it holds already leaves it in the end, and one piece alone may be of any size.
type Share struct {
	budget *Budget
	least  int64 // claimed from the beginning

	mu      sync.Mutex
	changed sync.Cond
	used    int64
	more    int64 // claimed beyond least
	ended   bool
}

// shareStep is what a share claims, and gives back, beyond its least.
const shareStep = 64 << 10

// NewShare claims least bytes for a stream, as Claim does.
func (b *Budget) NewShare(ctx context.Context, least int64, wait time.Duration) (*Share, error) {
	if err := b.Claim(ctx, least, wait); err != nil {
		return nil, err
	}
	s := &Share{budget: b, least: least}
	s.changed.L = &s.mu
	return s, nil
}

// Take takes bytes, which Give gives back. It waits while there are too few, and returns at once after End.
func (s *Share) Take(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.ended && s.used > 0 && s.used+bytes > s.least+s.more && !s.claim(s.used+bytes-s.least-s.more) {
		s.changed.Wait()
	}
	s.used += bytes
}

// claim claims so many bytes, rounded up to a step, if they are there now.
func (s *Share) claim(bytes int64) bool {
	bytes = (bytes + shareStep - 1) / shareStep * shareStep
	if !s.budget.tryClaim(bytes) {
		return false
	}
	s.more += bytes
	return true
}

func (b *Budget) tryClaim(bytes int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) > 0 || bytes > b.free {
		return false
	}
	b.free -= bytes
	return true
}

// Give gives bytes back.
func (s *Share) Give(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= bytes
	if surplus := (s.least + s.more - max(s.used, s.least)) / shareStep * shareStep; surplus > 2*shareStep && !s.ended {
		s.more -= surplus
		s.budget.Release(surplus)
	}
	s.changed.Signal()
}

// End gives everything back, and has Take wait no more. Once is enough.
func (s *Share) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.ended = true
		s.budget.Release(s.least + s.more)
		s.more = 0
		s.changed.Broadcast()
	}
}
