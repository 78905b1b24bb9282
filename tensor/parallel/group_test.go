package parallel

import (
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
)

// A panic comes to the goroutine that waits, after the other functions have returned, with its value and the stack of its origin.
func TestGroup(t *testing.T) {
	var done atomic.Int64
	var g Group
	for i := range 8 {
		g.Go(func() {
			if i == 3 {
				breaks()
			}
			done.Add(1)
		})
	}
	p := Catch(g.Wait)
	if p == nil || done.Load() != 7 || !errors.Is(p, io.ErrNoProgress) || !strings.Contains(p.Error(), "breaks") {
		t.Errorf("%v after %d functions", p, done.Load())
	}
	if p := Catch(g.Wait); p != nil {
		t.Errorf("a second Wait: %v", p)
	}
}

//go:noinline
func breaks() { panic(io.ErrNoProgress) }

// For hands on the panic of a turn; a panic that is handed on twice keeps the stack of its origin.
func TestForPanics(t *testing.T) {
	p := Catch(func() {
		For(2, func(i int) {
			For(3, func(j int) {
				if i == 1 && j == 2 {
					breaks()
				}
			})
		})
	})
	if p == nil || p.Value != io.ErrNoProgress || !strings.Contains(string(p.Stack), "breaks") {
		t.Errorf("caught %v", p)
	}
	if p := Catch(func() {}); p != nil {
		t.Errorf("caught %v of a function that returned", p)
	}
	if p := Catch(func() { panic("text") }); p == nil || p.Unwrap() != nil {
		t.Errorf("a value that is no error: %v", p)
	}
}
