package queue

import (
	"time"

	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
	"bertlabel/tensor/parallel"
)

// batch is what a worker runs. A worker has one and uses it again.
type batch struct {
	target    *Target
	class     Class
	entries   []*entry // none for a measurement
	measures  *measurement
	work      func() error // of the one entry; nil: features
	texts     []tokenizer.Encoding
	tokens    int
	squares   float64 // Σ length²
	threads   int
	begun     time.Time
	estimated float64 // seconds

	features tensor.Tensor // [texts, width]
	errs     []error       // of each text
	err      error         // of the pass
	took     time.Duration // of the pass, without what came after an error
	panics   int
}

func (b *batch) reset() {
	clear(b.entries) // so that they are garbage
	clear(b.texts)
	clear(b.errs)
	*b = batch{entries: b.entries[:0], texts: b.texts[:0], errs: b.errs[:0], features: b.features}
}

func (b *batch) add(e *entry) {
	n := e.tokens()
	b.entries, b.texts = append(b.entries, e), append(b.texts, e.text)
	b.tokens, b.squares = b.tokens+n, b.squares+float64(n)*float64(n)
}

// n returns what estimates ask for: tokens and squares.
func (b *batch) n() (n, s float64) { return float64(b.tokens), b.squares }

// work is the life of worker w.
func (q *Queue) work(w int) {
	b := &batch{}
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for !q.pick(b) {
			if q.closed && q.empty() {
				q.wake.Broadcast() // the others may be waiting for a team to end
				return
			}
			q.wake.Wait()
		}
		q.busy++
		q.team = b.threads > 1
		q.running[w] = running{b.begun, seconds(b.estimated), b.threads}
		q.mu.Unlock()
		b.run(w)
		if q.options.Observe != nil && b.measures == nil && b.work == nil {
			q.options.Observe(Batch{b.class, len(b.texts), b.tokens, b.threads, b.took, seconds(b.estimated), b.err})
		}
		q.mu.Lock()
		q.busy--
		q.running[w] = running{}
		if q.team {
			q.team = false
			q.wake.Broadcast()
		}
		q.deliver(b)
	}
}

// empty reports whether nothing waits.
func (q *Queue) empty() bool { return len(q.waiting[Interactive].heap)+len(q.waiting[Bulk].heap) == 0 }

// run runs the batch. One that fails is run again text by text, which gives the same bits, so that only the culprits have an error.
func (b *batch) run(w int) {
	t, n := b.target, len(b.texts)
	pass := &t.passes[w]
	if b.threads > 1 {
		pass = &t.all
	}
	b.features.Resize(n, t.width)
	start := time.Now()
	if b.work != nil {
		clear(b.features.Data)
		if caught := parallel.Catch(func() { b.err = b.work() }); caught != nil {
			b.err = caught
		}
		b.took, b.errs = time.Since(start), append(b.errs, b.err)
		b.count(b.err)
		return
	}
	b.err = b.features1(pass, 0, n)
	b.took = time.Since(start)
	b.errs = append(b.errs, make([]error, n)...)
	if b.err == nil {
		return
	}
	if b.errs[0] = b.err; n == 1 {
		b.count(b.err)
		return
	}
	for i := range n {
		b.errs[i] = b.features1(pass, i, i+1)
		b.count(b.errs[i])
	}
}

// features1 computes the features of texts [from, to). A pass that has panicked is not used again.
func (b *batch) features1(pass *Pass, from, to int) error {
	if *pass == nil {
		*pass = b.target.engine.NewPass(b.threads)
	}
	part := b.features.SliceRows(from, to)
	err := guarded(*pass, &part, b.texts[from:to])
	if _, panicked := err.(*parallel.Panic); panicked {
		*pass = nil
	}
	return err
}

func (b *batch) count(err error) {
	if _, panicked := err.(*parallel.Panic); panicked {
		b.panics++
	}
}

// deliver gives a batch's features to those who wait, and corrects the costs. q.mu is held.
func (q *Queue) deliver(b *batch) {
	t := b.target
	switch {
	case b.measures != nil && b.err == nil:
		t.note(*b.measures, b.took)
		return
	case b.measures != nil: // the guess stays
		t.todo, t.measured = nil, [2][]sample{}
		return
	case b.work != nil: // its tokens are an estimate
	case b.err == nil && b.threads > 1:
		t.team.correct(float64(b.tokens), b.squares, b.took.Seconds())
	case b.err == nil:
		t.alone.correct(float64(b.tokens), b.squares, b.took.Seconds())
	}
	q.stats.count(b)
	for i, e := range b.entries {
		q.forget(e)
		err, row := b.errs[i], b.features.Row(i)
		if err == nil {
			if j := tensor.NotFinite(row); j >= 0 {
				err = &model.FeatureError{Feature: j, Value: row[j]}
			}
		}
		for _, w := range e.waiters {
			w.deliver(row, err, b)
		}
	}
}

// deliver sets a place of a call.
func (w waiter) deliver(row []float32, err error, b *batch) {
	c := w.call
	if c.over {
		return
	}
	if c.result.Errors[w.place] = err; err == nil {
		copy(c.result.Features.Row(w.place), row)
	}
	if c.left--; c.left == 0 {
		c.result.Queued, c.result.Ran = max(0, b.begun.Sub(c.begun)), b.took
		c.over = true
		close(c.done)
	}
}

// Stats is what a queue has done, and what it has to do.
type Stats struct {
	Texts, Tokens [classes]int64 // that have run
	Batches       [classes]int64 // passes
	Teams         int64          // passes on all threads
	Joined        int64          // texts that joined an equal one
	Failed        int64          // passes with an error
	Panics        int64          // texts whose pass of their own panicked
	Refused       [reasons]int64 // requests
	Busy          time.Duration  // Σ over passes of threads·time, and work
	Queued        [classes]int   // texts that wait
	QueuedTokens  [classes]int   // theirs
	StreamTokens  int            // of these, those of streams
	Running       int            // workers in a pass
	Wait          time.Duration  // estimated, of an interactive request of a new flow
	Late          time.Duration  // the longest that a pass runs now, 0 unless that is 20 times its estimate and more
	Since         time.Duration  // New
}

func (s *Stats) count(b *batch) {
	if b.work != nil {
		s.Panics += int64(b.panics)
		s.Busy += b.took
		return
	}
	s.Batches[b.class]++
	s.Texts[b.class] += int64(len(b.entries))
	s.Tokens[b.class] += int64(b.tokens)
	s.Panics += int64(b.panics)
	s.Busy += b.took * time.Duration(b.threads)
	if b.threads > 1 {
		s.Teams++
	}
	if b.err != nil {
		s.Failed++
	}
}

// lateFactor is how many times its estimate a pass runs when something is wrong with it.
const lateFactor = 20

// Stats returns the figures of this moment.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s, now := q.stats, time.Now()
	for class := range q.waiting {
		s.Queued[class], s.QueuedTokens[class] = len(q.waiting[class].heap), q.waiting[class].tokens
	}
	for _, r := range q.running {
		if took := now.Sub(r.since); r.threads > 0 && took > lateFactor*r.estimate {
			s.Late = max(s.Late, took)
		}
	}
	s.Running, s.Since = q.busy, now.Sub(q.begun)
	s.Wait = q.ahead(Interactive, q.waiting[Interactive].tag(""), now)
	return s
}
