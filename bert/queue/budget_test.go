package queue

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Shares have their least always, more while there is some, and give back what they do not need.
func TestShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(10 * shareStep)
		share := func() *Share {
			s, err := b.NewShare(t.Context(), shareStep, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		one, two := share(), share()
		one.Take(8*shareStep + 1) // the first piece may be of any size, and claims nothing
		if b.Used() != 2*shareStep {
			t.Errorf("%d bytes used, want two leasts", b.Used())
		}
		one.Give(8*shareStep + 1)
		for range 9 {
			one.Take(shareStep) // with what the budget has beside two leasts: 9 of 10 steps
		}
		if b.Used() != b.Total() {
			t.Errorf("%d bytes used of %d", b.Used(), b.Total())
		}
		if _, err := b.NewShare(t.Context(), shareStep, time.Second); !errors.Is(err, ErrBytes) {
			t.Errorf("a share of what is not there: %v", err)
		}
		two.Take(shareStep / 2) // its least
		two.Take(shareStep / 2)
		took := false
		go func() { two.Take(shareStep); took = true }()
		synctest.Wait()
		if took {
			t.Error("a share takes what the other has")
		}
		two.Give(shareStep / 2)
		two.Give(shareStep / 2) // now it holds nothing: any piece
		synctest.Wait()
		if !took {
			t.Error("a share that holds nothing waits")
		}
		for range 9 {
			one.Give(shareStep)
		}
		if b.Used() > 5*shareStep {
			t.Errorf("%d bytes are kept by shares that need 2 leasts", b.Used())
		}
		go func() { two.Take(20 * shareStep); took = false }()
		synctest.Wait()
		two.End()
		synctest.Wait()
		if took {
			t.Error("Take waits after End")
		}
		one.End()
		one.End()
		if b.Used() != 0 {
			t.Errorf("%d bytes used after the end", b.Used())
		}
	})
}

// Many shares of a small budget all get on, and stay within it.
func TestShares(t *testing.T) {
	b := NewBudget(6 * shareStep)
	var wg sync.WaitGroup
	for n := range 6 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(n), 3))
			s, err := b.NewShare(t.Context(), shareStep/2, time.Minute)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.End()
			pieces := make(chan int64, 8) // on their way
			done := make(chan struct{})
			go func() {
				defer close(done)
				for p := range pieces {
					s.Give(p)
				}
			}()
			for range 2000 {
				p := rng.Int64N(shareStep / 4)
				s.Take(p)
				if used := b.Used(); used > b.Total() {
					t.Errorf("%d bytes of %d", used, b.Total())
				}
				pieces <- p
			}
			close(pieces)
			<-done
		})
	}
	wg.Wait()
	if b.Used() != 0 {
		t.Errorf("%d bytes used after the end", b.Used())
	}
}
