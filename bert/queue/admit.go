package queue

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Reason says why a request was refused.
type Reason int

// The reasons of an OverloadError.
const (
	TooLong  Reason = iota // the wait for the work ahead is over Options.MaxWait
	TooLate                // the request would not be done at its deadline
	BulkFull               // too many tokens of bulk requests wait
	reasons
)

func (r Reason) String() string { return [...]string{"wait", "deadline", "bulk_full"}[r] }

// OverloadError refuses a request before any work is spent on it.
type OverloadError struct {
	Reason     Reason
	Wait       time.Duration // estimated, until the request would have begun
	RetryAfter time.Duration // when to try again, for Retry-After and Retry-After-Ms
}

func (e *OverloadError) Error() string {
	return fmt.Sprintf("queue: overloaded (%s): an estimated wait of %v; try again in %v", e.Reason,
		e.Wait.Round(time.Millisecond), e.RetryAfter.Round(time.Millisecond))
}

// minRetry keeps a refused client from trying again at once.
const minRetry = 5 * time.Millisecond

// admit returns nil if a request may wait, else an *OverloadError or ErrClosed. Counted is the work ahead of it, not its own: else under
// overload only short texts would pass. Its own counts against a deadline. With the marginal costs of texts
//
//	wait = (Σ what running passes have left·their threads + 1.05·Σ marginal cost of interactive texts with smaller tags) / threads
//
// and a tenth more while bulk work waits. q.mu is held.
func (q *Queue) admit(r *Request, now time.Time) error {
	if q.closed {
		return ErrClosed
	}
	tokens, own := 0, r.Target.alone.r*r.Target.alone.b
	for i := range r.Texts {
		n := len(r.Texts[i].IDs)
		tokens += n
		own += r.Target.alone.marginal(n) / float64(min(q.threads, len(r.Texts)))
	}
	wait := q.ahead(r.Class, q.waiting[r.Class].tag(r.Flow), now)
	late := !r.Deadline.IsZero() && now.Add(wait+seconds(own)).After(r.Deadline)
	bulk := q.waiting[Bulk].tokens - q.stats.StreamTokens // of requests
	switch {
	case r.work == nil && r.Class == Bulk && !r.Stream && bulk > 0 && bulk+tokens > q.options.BulkTokens:
		return q.refuse(BulkFull, wait, wait/2)
	case r.work == nil && r.Class == Interactive && wait > q.options.MaxWait:
		return q.refuse(TooLong, wait, wait-q.options.MaxWait/2)
	case late:
		return q.refuse(TooLate, wait, wait-q.options.MaxWait/2)
	}
	return nil
}

// refuse makes the error, which tells clients to come back at different times: retry within 20 %.
func (q *Queue) refuse(reason Reason, wait, retry time.Duration) error {
	q.stats.Refused[reason]++
	jitter := 0.8 + 0.4*rand.Float64() // no result depends on it
	return &OverloadError{reason, wait, time.Duration(float64(max(retry, minRetry)) * jitter)}
}

// ahead estimates how long texts of a class with that tag would wait.
func (q *Queue) ahead(class Class, tag float64, now time.Time) time.Duration {
	var work float64 // thread-seconds
	for _, r := range q.running {
		if left := r.since.Add(r.estimate).Sub(now); r.threads > 0 && left > 0 {
			work += left.Seconds() * float64(r.threads)
		}
	}
	var queued float64
	for c := Interactive; c <= class; c++ { // bulk waits for all that is interactive
		for _, e := range q.waiting[c].heap {
			if c < class || e.start < tag {
				queued += e.target.alone.marginal(e.tokens())
			}
		}
	}
	if queued *= 1.05; class == Interactive && len(q.waiting[Bulk].heap) > 0 {
		queued *= 1.1
	}
	return seconds((work + queued) / float64(q.threads))
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
