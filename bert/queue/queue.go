package queue

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
)

// Class says what a text can bear.
type Class int

// The classes. A client waits for an Interactive text; a Bulk one is part of a large request or of a stream.
const (
	Interactive Class = iota
	Bulk
	classes
)

func (c Class) String() string { return [...]string{"interactive", "bulk"}[c] }

// ErrDeadline says that a request's deadline has passed, or that it cannot be met any more.
var ErrDeadline = errors.New("queue: the deadline has passed")

// ErrClosed says that the queue takes no texts any more.
var ErrClosed = errors.New("queue: closed")

// Options of a queue. The zero value has the defaults.
type Options struct {
	Threads     int           // cores that work; 0: runtime.GOMAXPROCS. A server leaves one more to Go, for the network
	MaxWait     time.Duration // the longest estimated wait of an interactive request for the work ahead of it; 0: 250 ms
	BulkTokens  int           // of bulk requests that wait, at most; 0: 262,144. Streams do not count: they are slowed
	BatchTokens int           // Bmax, of every target; 0: 32·b/a of each, within [64, 512]

	// Observe is told of each batch that has run, by several goroutines at once; nil: nobody is.
	Observe func(Batch)
}

// Batch is a pass that has run.
type Batch struct {
	Class     Class
	Texts     int
	Tokens    int
	Threads   int // 1, or all
	Took      time.Duration
	Estimated time.Duration
	Err       error // of the pass; its texts have then run one by one
}

// Request is texts for one target.
type Request struct {
	Target   *Target
	Class    Class
	Flow     string    // who sends it, an API key or an address: flows have equal shares of a class
	Weight   float64   // of the flow, for shares that are not equal; 0: 1
	Scope    string    // equal texts of one scope that wait or run at the same time run once
	Deadline time.Time // zero: none
	Stream   bool      // a part of a stream, of class Bulk: never refused for load. Who sends it waits for some parts before it sends more
	Texts    []tokenizer.Encoding

	work func() error // of Run, instead of features of its one text
}

// Result is what came of a request's texts. It belongs to the caller.
type Result struct {
	Features *tensor.Tensor // [texts, width]; undefined where there is an error
	Errors   []error        // of each text, nil where there is none: a *model.FeatureError, what is wrong with its tokens, a *parallel.Panic
	Queued   time.Duration  // until its last text began to run
	Ran      time.Duration  // how long the pass of its last text took
	Joined   int            // texts that joined an equal one
}

// Queue is a scheduler with its workers, one goroutine for each thread. Its methods may be called by any number of goroutines.
type Queue struct {
	options Options
	threads int

	mu         sync.Mutex
	wake       sync.Cond // of workers without work
	waiting    [classes]fair
	keys       map[uint64]*entry // texts that wait or run, by their hash
	running    []running         // of each worker
	busy       int               // workers that run something
	team       bool              // all threads are in one pass
	share      share
	unmeasured []*Target
	closed     bool
	stats      Stats
	begun      time.Time
	workers    sync.WaitGroup
}

// running is the pass of a worker. The zero value is none.
type running struct {
	since    time.Time
	estimate time.Duration
	threads  int
}

// New returns a queue whose workers wait for texts. Close ends them.
func New(o Options) *Queue {
	if o.Threads <= 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	o.MaxWait, o.BulkTokens = cmp.Or(o.MaxWait, 250*time.Millisecond), cmp.Or(o.BulkTokens, 1<<18)
	q := &Queue{options: o, threads: o.Threads, keys: map[uint64]*entry{}, running: make([]running, o.Threads), begun: time.Now()}
	q.wake.L = &q.mu
	for w := range q.threads {
		q.workers.Go(func() { q.work(w) })
	}
	return q
}

// Do runs the texts of a request and returns when the last of them is done. Texts may still be read after Do has returned with an error;
// nobody may change them. A text that fails, alone, is an error in Result.Errors. The error is an *OverloadError for a request that is
// refused, ErrDeadline at the deadline, even while its texts run, the cause of ctx's end, or ErrClosed. What still waits then does
// not run.
func (q *Queue) Do(ctx context.Context, r Request) (*Result, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	q.mu.Lock()
	now := time.Now()
	if err := q.admit(&r, now); err != nil {
		q.mu.Unlock()
		return nil, err
	}
	c := q.add(&r, now)
	q.mu.Unlock()
	var deadline <-chan time.Time
	if !r.Deadline.IsZero() {
		timer := time.NewTimer(r.Deadline.Sub(now))
		defer timer.Stop()
		deadline = timer.C
	}
	return q.wait(ctx, c, deadline)
}

// wait returns when a call is done, or nobody wants it any more.
func (q *Queue) wait(ctx context.Context, c *call, deadline <-chan time.Time) (*Result, error) {
	err := ErrDeadline
	select {
	case <-c.done:
		return c.answer()
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-deadline:
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-c.done: // meanwhile
		return c.answer()
	default:
		q.abandon(c, err)
		return nil, err
	}
}

// call is a request that was admitted, or one text of a stream.
type call struct {
	entries []*entry // of each text
	result  Result
	left    int // texts that are not done
	begun   time.Time
	err     error         // why the call as a whole has no result
	done    chan struct{} // closed when nothing is left, or with err
	over    bool          // done is closed, or nobody waits for it
}

func (c *call) answer() (*Result, error) {
	if c.err != nil {
		return nil, c.err
	}
	return &c.result, nil
}

// entry is one text, and who wants it.
type entry struct {
	target   *Target
	text     tokenizer.Encoding
	class    Class
	stream   bool
	deadline time.Time // zero: none; of several that wait the last
	hash     uint64
	scope    string
	work     func() error // instead of its feature; nil: none
	waiters  []waiter
	inline   [1]waiter

	flow          *flow // fair.go
	start, finish float64
	seq           uint64
	index         int // in the heap; −1: it runs, or is done
}

// waiter is a place in a call.
type waiter struct {
	call  *call
	place int
}

func (e *entry) tokens() int { return len(e.text.IDs) }

// add puts the texts of a request into the queue. q.mu is held.
func (q *Queue) add(r *Request, now time.Time) *call {
	n := len(r.Texts)
	c := &call{entries: make([]*entry, n), left: n, begun: now, done: make(chan struct{})}
	c.result = Result{Features: tensor.New(n, r.Target.width), Errors: make([]error, n)}
	for i := range r.Texts {
		c.entries[i] = q.addText(r, c, i)
	}
	if n == 0 {
		c.over = true
		close(c.done)
	}
	return c
}

// addText adds one text, or joins one that is the same.
func (q *Queue) addText(r *Request, c *call, i int) *entry {
	h := hash(r.Target, r.Scope, &r.Texts[i])
	w := waiter{c, i}
	if e := q.keys[h]; e != nil && r.work == nil && e.target == r.Target && e.scope == r.Scope && equal(&e.text, &r.Texts[i]) {
		q.join(e, r, w)
		c.result.Joined++
		return e
	}
	e := &entry{target: r.Target, text: r.Texts[i], class: r.Class, stream: r.Stream, deadline: r.Deadline, hash: h, scope: r.Scope,
		work: r.work}
	e.inline[0] = w
	e.waiters = e.inline[:]
	if q.keys[h] == nil && r.work == nil {
		q.keys[h] = e
	}
	q.push(e, r)
	q.wake.Signal()
	return e
}

// push, pop and remove move a text into the heap of its class and out of it.
func (q *Queue) push(e *entry, r *Request) {
	q.waiting[e.class].push(e, r.Flow, r.Weight)
	if e.stream {
		q.stats.StreamTokens += e.tokens()
	}
}

func (q *Queue) pop(class Class) *entry {
	e := q.waiting[class].pop()
	q.left(e)
	return e
}

func (q *Queue) remove(e *entry) {
	q.waiting[e.class].remove(e)
	q.left(e)
}

// left counts a text out of those that wait.
func (q *Queue) left(e *entry) {
	if e.stream {
		q.stats.StreamTokens -= e.tokens()
	}
}

// join adds a waiter to a text that waits or runs, which is from then on what the more urgent of the two was.
func (q *Queue) join(e *entry, r *Request, w waiter) {
	e.waiters = append(e.waiters, w)
	q.stats.Joined++
	if e.deadline.IsZero() || r.Deadline.IsZero() {
		e.deadline = time.Time{}
	} else if r.Deadline.After(e.deadline) {
		e.deadline = r.Deadline
	}
	if e.index >= 0 && r.Class < e.class {
		q.remove(e)
		e.class, e.stream = r.Class, false
		q.push(e, r)
	}
}

// abandon ends a call with an error. Of its texts, those that nobody else waits for leave the queue; those that run are for nothing.
func (q *Queue) abandon(c *call, err error) {
	if c.over {
		return
	}
	c.over, c.err = true, err
	close(c.done)
	for _, e := range slices.Backward(c.entries) {
		if e == nil || e.index < 0 {
			continue
		}
		e.waiters = slices.DeleteFunc(e.waiters, func(w waiter) bool { return w.call == c })
		if len(e.waiters) == 0 {
			q.remove(e)
			q.forget(e)
		}
	}
}

// forget makes equal texts that come from now on run by themselves.
func (q *Queue) forget(e *entry) {
	if q.keys[e.hash] == e {
		delete(q.keys, e.hash)
	}
}

// Close takes no more texts and returns when all that were taken are done and the workers have ended. If ctx ends before, what still waits
// gets ErrClosed, and Close returns the cause at once; the workers end with the passes that they are in.
func (q *Queue) Close(ctx context.Context) error {
	q.mu.Lock()
	q.closed = true
	q.unmeasured = nil
	q.wake.Broadcast()
	q.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		q.workers.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for class := range q.waiting {
		for len(q.waiting[class].heap) > 0 {
			q.fail(q.pop(Class(class)), ErrClosed)
		}
	}
	return context.Cause(ctx)
}

// fail ends every call that waits for a text that has left the heap.
func (q *Queue) fail(e *entry, err error) {
	q.forget(e)
	for _, w := range e.waiters {
		q.abandon(w.call, err)
	}
}

// hash mixes a text into 64 bits. Texts are compared too, so a collision costs no more than a text that does not join its equal.
func hash(t *Target, scope string, text *tokenizer.Encoding) uint64 {
	const prime = 0x9E3779B97F4A7C15 // 2⁶⁴/φ
	h := uint64(len(text.IDs))
	for i, id := range text.IDs {
		h = (h ^ uint64(uint32(id)) ^ uint64(uint32(segment(text, i)))<<32) * prime
		h ^= h >> 29
	}
	for _, w := range text.Windows {
		h = (h ^ uint64(w.KeptStart) ^ uint64(w.KeptEnd)<<32) * prime
		h ^= h >> 29
	}
	for i := range len(scope) {
		h = (h ^ uint64(scope[i])) * prime
		h ^= h >> 29
	}
	return h ^ uint64(t.width)
}

// segment returns that of token i; 0 of a text that lacks it, which the engine refuses.
func segment(text *tokenizer.Encoding, i int) int32 {
	if i < len(text.Segments) {
		return text.Segments[i]
	}
	return 0
}

func equal(a, b *tokenizer.Encoding) bool {
	return slices.Equal(a.IDs, b.IDs) && slices.Equal(a.Segments, b.Segments) && slices.Equal(a.Windows, b.Windows)
}
