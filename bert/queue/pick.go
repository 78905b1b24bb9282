package queue

import (
	"math"
	"slices"
	"time"
)

// The part of the busy time that bulk work gets while interactive work waits, too, and the time over which it is counted.
const (
	bulkShare  = 0.1
	bulkWindow = time.Second
)

// share counts busy time, in thread-seconds, with the past fading as exp(−Δt/bulkWindow).
type share struct {
	at        time.Time
	all, bulk float64
}

func (s *share) fade(now time.Time) {
	f := math.Exp(-now.Sub(s.at).Seconds() / bulkWindow.Seconds())
	s.at, s.all, s.bulk = now, s.all*f, s.bulk*f
}

// add counts a pass that begins, by its estimate, so that the worker that picks next sees it.
func (s *share) add(class Class, threadSeconds float64, now time.Time) {
	s.fade(now)
	s.all += threadSeconds
	if class == Bulk {
		s.bulk += threadSeconds
	}
}

// bulkFirst tells whether bulk work has had less than its share.
func (s *share) bulkFirst() bool { return s.bulk < bulkShare*s.all }

// pick fills b with what a worker is to run now, and reports whether there is anything. q.mu is held.
//
//	class  interactive if any waits, unless bulk waits and has had less than a tenth of the last second
//	team   all threads for a text that is alone, with every thread idle, where that is faster
//	batch  texts of one target in the order of their tags, until the next does not fit:
//	       B = clamp(waiting tokens of the class / threads, 64, Bmax); bulk B = Bmax; a text over B goes alone, and so does work
func (q *Queue) pick(b *batch) bool {
	for b.reset(); !q.team; b.reset() { // again where all that was taken has come too late
		now := time.Now()
		class, ok := q.choose()
		if !ok {
			return q.pickMeasurement(b, now)
		}
		if q.fill(b, class, now); len(b.entries) > 0 {
			q.begin(b, now)
			return true
		}
	}
	return false
}

// choose returns the class whose turn it is, false if nothing waits.
func (q *Queue) choose() (class Class, ok bool) {
	interactive, bulk := len(q.waiting[Interactive].heap) > 0, len(q.waiting[Bulk].heap) > 0
	switch {
	case interactive && bulk && q.share.bulkFirst():
		return Bulk, true
	case interactive:
		return Interactive, true
	}
	return Bulk, bulk
}

// maxAside is how many texts of other targets are passed over for one batch.
const maxAside = 64

// fill takes the texts of one batch, and ends those that cannot be done by their deadlines.
func (q *Queue) fill(b *batch, class Class, now time.Time) {
	f := &q.waiting[class]
	var aside []*entry
	limit := 0
filling:
	for len(f.heap) > 0 && len(aside) < maxAside {
		e := f.heap[0]
		switch n := e.tokens(); {
		case !e.deadline.IsZero() && now.Add(seconds(e.target.alone.estimate(float64(n), float64(n*n)))).After(e.deadline):
			q.fail(q.pop(class), ErrDeadline)
			continue
		case e.work != nil && len(b.entries) > 0: // work goes alone
			break filling
		case b.target == nil:
			b.target, b.class = e.target, class
			limit = q.limit(e.target, class)
		case e.target != b.target:
			aside = append(aside, f.pop())
			continue
		case b.tokens+n > limit:
			break filling
		}
		b.add(q.pop(class))
		if b.work = e.work; b.work != nil {
			break
		}
	}
	for _, e := range aside {
		if f.add(e); !e.wanted() {
			q.remove(e)
			q.forget(e)
		}
	}
	q.drop(b)
	if len(b.entries) > 0 {
		f.served(b.entries[len(b.entries)-1])
	}
}

// wanted tells whether somebody still waits for a text. Nobody does where another text of the same request has come too late.
func (e *entry) wanted() bool {
	return slices.ContainsFunc(e.waiters, func(w waiter) bool { return !w.call.over })
}

// drop takes out of a batch what nobody waits for any more.
func (q *Queue) drop(b *batch) {
	if !slices.ContainsFunc(b.entries, func(e *entry) bool { return !e.wanted() }) {
		return
	}
	all := slices.Clone(b.entries)
	b.entries, b.texts, b.tokens, b.squares, b.work = b.entries[:0], b.texts[:0], 0, 0, nil
	for _, e := range all {
		if e.wanted() {
			b.add(e)
			b.work = e.work
		} else {
			q.forget(e)
		}
	}
}

// limit returns B.
func (q *Queue) limit(t *Target, class Class) int {
	most := q.options.BatchTokens
	if most == 0 {
		most = t.alone.batchTokens()
	}
	if class == Bulk {
		return most
	}
	return min(max((q.waiting[class].tokens+q.threads-1)/q.threads, min(minBatch, most)), most)
}

// begin settles on how many threads a batch runs, and counts it. Only a single text gets all of them.
func (q *Queue) begin(b *batch, now time.Time) {
	b.threads, b.estimated = 1, b.target.alone.estimate(b.n())
	if q.threads > 1 && q.busy == 0 && len(b.entries) == 1 && b.work == nil && q.empty() {
		if together := b.target.team.estimate(b.n()); together < b.estimated {
			b.threads, b.estimated = q.threads, together
		}
	}
	q.share.add(b.class, b.estimated*float64(b.threads), now)
	b.begun = now
}

// pickMeasurement takes a pass that only measures, while no worker runs anything.
func (q *Queue) pickMeasurement(b *batch, now time.Time) bool {
	if q.busy > 0 || len(q.unmeasured) == 0 {
		return false
	}
	t := q.unmeasured[0]
	m := t.todo[0]
	if t.todo = t.todo[1:]; len(t.todo) == 0 {
		q.unmeasured = q.unmeasured[1:]
	}
	b.target, b.measures, b.begun, b.threads = t, &m, now, 1
	b.texts = append(b.texts, zeros(m.texts, m.length)...)
	b.tokens, b.squares = m.texts*m.length, float64(m.texts*m.length*m.length)
	b.estimated = t.alone.estimate(b.n())
	if m.team {
		b.threads, b.estimated = q.threads, t.team.estimate(b.n())
	}
	return true
}
