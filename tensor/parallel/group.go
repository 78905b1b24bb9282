package parallel

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Panic is what a function panicked with, on its way to whoever waits for it: a panic that ends its goroutine ends the process, and no
// caller can stop that. It is an error, so that it can also be returned.
type Panic struct {
	Value any    // what panic was called with
	Stack []byte // of the goroutine that panicked, as debug.Stack writes it
}

// Error returns the value and the stack.
func (p *Panic) Error() string { return fmt.Sprintf("panic: %v\n%s", p.Value, p.Stack) }

// Unwrap returns the value if it is an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// Catch calls f and returns its panic, nil if it returned. A *Panic that f hands on comes back as it is, with the stack of its origin.
func Catch(f func()) (caught *Panic) {
	defer func() {
		if v := recover(); v != nil {
			if caught, _ = v.(*Panic); caught == nil {
				caught = &Panic{v, debug.Stack()}
			}
		}
	}()
	f()
	return nil
}

// Group is a sync.WaitGroup that hands panics to the goroutine that waits. The zero Group is ready.
type Group struct {
	running sync.WaitGroup
	first   atomic.Pointer[Panic]
}

// Go calls f in a new goroutine.
func (g *Group) Go(f func()) {
	g.running.Go(func() {
		if p := Catch(f); p != nil {
			g.first.CompareAndSwap(nil, p)
		}
	})
}

// Wait returns when all functions have returned or panicked, and panics with the *Panic of the first one that did.
func (g *Group) Wait() {
	g.running.Wait()
	if p := g.first.Swap(nil); p != nil {
		panic(p)
	}
}
