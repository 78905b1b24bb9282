package fit

import (
	"context"
	"errors"
	"sync"

	"bertlabel/train"
	"bertlabel/train/diagnosis"
	"bertlabel/train/fit/note"
)

// Note is one thing that a run has found, chosen or done: one of the structs of package note, whose String says it.
type Note = note.Note

// Observer is told of a run while it runs, one call at a time; nil functions are not called. No function may call into the run or its
// model. Nothing that it does changes a bit of the result; it may end the context of the run. A panic of one comes out of the call that
// runs.
type Observer struct {
	Work func(Work) // how far a piece of long work has come
	// a gradient step, after its row in metrics.csv; an error ends the run as a context does, and is returned
	Step    func(train.Progress) error
	Note    func(Note)              // what was found, chosen or done
	Finding func(diagnosis.Finding) // what is probably wrong, and the remedy
}

// Work is how far a piece of work has come. It is told when the work begins, with Done of 0, and when it ends, with Done equal to
// Of. Gradient steps of the run itself are told by Observer.Step, between the notes Begun and Trained.
type Work struct {
	Name     string // "features of train.csv", "solve", "fold 2/5"
	Done, Of int
	Unit     string // what is counted: texts, labels, parts or steps
}

// watcher hands everything to an Observer, one call at a time.
type watcher struct {
	mu     sync.Mutex
	o      Observer
	now    Work
	cancel context.CancelCauseFunc // of the run
	fault  any                     // what the Observer panicked with on a goroutine that the caller of the run cannot save
}

func (w *watcher) note(n Note) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.o.Note != nil {
		w.o.Note(n)
	}
}

func (w *watcher) findings(found ...diagnosis.Finding) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range found {
		if w.o.Finding != nil {
			w.o.Finding(f)
		}
	}
}

// begin tells that work begins.
func (w *watcher) begin(name, unit string, of int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = Work{Name: name, Of: of, Unit: unit}
	w.tell()
}

// done tells how far the work has come. Goroutines may come out of order: what comes late is left out. A panic of the Observer waits for
// end, which is on the goroutine of the run.
func (w *watcher) done(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() {
		if v := recover(); v != nil {
			w.fault = v
			w.cancel(errors.New("the observer panicked"))
		}
	}()
	if n > w.now.Done && w.fault == nil {
		w.now.Done = n
		w.tell()
	}
}

// end tells that the work is done, whatever was left of it.
func (w *watcher) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fault != nil {
		panic(w.fault)
	}
	if w.now.Done < w.now.Of {
		w.now.Done = w.now.Of
		w.tell()
	}
}

func (w *watcher) tell() {
	if w.o.Work != nil {
		w.o.Work(w.now)
	}
}

// step tells of a gradient step.
func (w *watcher) step(p train.Progress) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.o.Step == nil {
		return nil
	}
	return w.o.Step(p)
}
