package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
	"bertlabel/tensor/parallel"
)

// sleeper is an engine whose passes take what a cost says, in the time of a synctest bubble. The feature of a text is its first id and its
// length. Ids below 0 make trouble.
type sleeper struct {
	alone, team cost
	factor      atomic.Int64 // passes take so many times as much
	slow        atomic.Int64 // and so many seconds more
	ran         chan []int   // the lengths of each batch; nil: nobody looks
}

const (
	failingID  = -1 // the pass returns an error
	panicking  = -2
	notNumber  = -3 // the feature is NaN
	longestFor = 512
)

// MiniLM's costs of SERVE's simulation: 0.35 + 0.101·tokens ms on one thread, 0.55 + 0.0525·tokens on two.
func newSleeper() *sleeper {
	return &sleeper{alone: cost{a: 101e-6, b: 350e-6, r: 1}, team: cost{a: 52.5e-6, b: 550e-6, r: 1}}
}

func (s *sleeper) Width() int                { return 2 }
func (s *sleeper) Longest() int              { return longestFor }
func (s *sleeper) NewPass(threads int) Pass  { return &sleeping{s, threads} }
func (p *sleeping) Memory(n, _, _ int) int   { return 100*n + p.threads }
func text(id, length int) tokenizer.Encoding { return texts(1, id, length)[0] }

type sleeping struct {
	engine  *sleeper
	threads int
}

func (p *sleeping) Features(dst *tensor.Tensor, batch []tokenizer.Encoding) error {
	n, s := 0.0, 0.0
	lengths := []int{}
	for i := range batch {
		l := len(batch[i].IDs)
		n, s, lengths = n+float64(l), s+float64(l*l), append(lengths, l)
	}
	k := p.engine.alone
	if p.threads > 1 {
		k = p.engine.team
	}
	time.Sleep(seconds(k.estimate(n, s)*float64(max(1, p.engine.factor.Load())) + float64(p.engine.slow.Load())))
	if p.engine.ran != nil {
		p.engine.ran <- lengths
	}
	for i := range batch {
		id := batch[i].IDs[0]
		dst.Row(i)[0], dst.Row(i)[1] = float32(id), float32(len(batch[i].IDs))
		switch id {
		case failingID:
			return io.ErrUnexpectedEOF
		case panicking:
			panic("broken")
		case notNumber:
			dst.Row(i)[1] = float32(math.NaN())
		}
	}
	return nil
}

// texts returns n texts of one length with the ids id, id+1, …
func texts(n, id, length int) (all []tokenizer.Encoding) {
	for i := range n {
		ids := make([]int32, length)
		ids[0] = int32(id + i)
		all = append(all, tokenizer.Encoding{IDs: ids, Segments: make([]int32, length)})
	}
	return all
}

// bubble runs a test in fake time on a queue with one target, which has been measured.
func bubble(t *testing.T, o Options, engine *sleeper, test func(t *testing.T, q *Queue, target *Target)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if o.Threads == 0 {
			o.Threads = 2
		}
		q := New(o)
		defer q.Close(t.Context())
		target, err := q.NewTarget(engine)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // all measurements are done
		if _, _, measured := q.Costs(target); !measured {
			t.Fatal("a minute of idling has not measured the target")
		}
		test(t, q, target)
	})
}

func do(t *testing.T, q *Queue, r Request) *Result {
	t.Helper()
	result, err := q.Do(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Texts {
		ids, row := r.Texts[i].IDs, result.Features.Row(i)
		if result.Errors[i] == nil && (row[0] != float32(ids[0]) || row[1] != float32(len(ids))) {
			t.Errorf("text %d of id %d has the feature %v", i, ids[0], row)
		}
	}
	return result
}

// An idle queue waits for no company: a lone text takes what its pass takes, on all threads where that is faster.
func TestLoneText(t *testing.T) {
	bubble(t, Options{}, newSleeper(), func(t *testing.T, q *Queue, target *Target) {
		for _, c := range []struct {
			length int
			want   time.Duration
		}{{2, 552 * time.Microsecond}, {16, 1390 * time.Microsecond}, {128, 7270 * time.Microsecond}} {
			start := time.Now()
			r := do(t, q, Request{Target: target, Texts: texts(1, 7, c.length)})
			if took := time.Since(start); took != c.want || r.Queued != 0 || r.Ran != took {
				t.Errorf("%d tokens took %v (queued %v, ran %v), want %v", c.length, took, r.Queued, r.Ran, c.want)
			}
		}
		if r := do(t, q, Request{Target: target}); r.Features.Rows != 0 {
			t.Errorf("no texts have %d features", r.Features.Rows)
		}
		if s := q.Stats(); s.Teams != 2 || s.Texts != [classes]int64{3, 0} || s.Running != 0 || s.Wait != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// Batches are what came while the threads were busy, at most Bmax; bulk always asks for Bmax; a text over Bmax goes alone.
func TestBatches(t *testing.T) {
	engine := newSleeper()
	bubble(t, Options{Threads: 1}, engine, func(t *testing.T, q *Queue, target *Target) {
		most := target.alone.batchTokens()
		if most != 110 { // 32·0.35/0.101
			t.Errorf("Bmax %d, want 110", most)
		}
		var sizes [][]int
		engine.ran = make(chan []int, 100)
		do(t, q, Request{Target: target, Texts: append(texts(40, 1, 10), text(100, 300)), Class: Bulk})
		close(engine.ran)
		for lengths := range engine.ran {
			sizes = append(sizes, lengths)
		}
		engine.ran = nil
		for i, lengths := range sizes {
			if n := sum(lengths); n > most && len(lengths) > 1 || i < 3 && n != 110 {
				t.Errorf("batch %d has %v", i, lengths)
			}
		}
		if len(sizes) != 5 || !slices.Equal(sizes[4], []int{300}) {
			t.Errorf("batches %v", sizes)
		}
	})
}

func sum(x []int) (n int) {
	for _, v := range x {
		n += v
	}
	return n
}

// load sends requests at random times of a Poisson process and returns the latencies of those that were answered, sorted, and how many
// were refused.
func load(t *testing.T, q *Queue, seed uint64, rate float64, d time.Duration,
	request func(rng *rand.Rand) Request) (took []time.Duration, refused int) {
	rng := rand.New(rand.NewPCG(seed, 1))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(seconds(rng.ExpFloat64() / rate)) {
		r, start := request(rng), time.Now()
		wg.Go(func() {
			_, err := q.Do(t.Context(), r)
			mu.Lock()
			defer mu.Unlock()
			var overload *OverloadError
			switch {
			case err == nil:
				took = append(took, time.Since(start))
			case errors.As(err, &overload) && overload.RetryAfter >= minRetry*8/10 && time.Since(start) == 0:
				refused++
			default:
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	}
	wg.Wait()
	slices.Sort(took)
	return took, refused
}

func p99(sorted []time.Duration) time.Duration { return sorted[len(sorted)*99/100] }

// ids makes texts that are all different, of the lengths of short messages.
func ids(rng *rand.Rand, n int) (all []tokenizer.Encoding) {
	for range n {
		all = append(all, text(rng.IntN(1<<30), 4+rng.IntN(31))) // 19 on average
	}
	return all
}

// The policy in figures, by SERVE's simulation of 900 requests a second: p99 35 ms. The bound leaves room for other lengths.
func TestLatencyUnderLoad(t *testing.T) {
	bubble(t, Options{}, newSleeper(), func(t *testing.T, q *Queue, target *Target) {
		took, refused := load(t, q, 1, 800, 10*time.Second, func(rng *rand.Rand) Request {
			return Request{Target: target, Texts: ids(rng, 1)}
		})
		if p := p99(took); p > 30*time.Millisecond || refused > 0 {
			t.Errorf("p99 %v of %d, %d refused", p, len(took), refused)
		}
	})
}

// Offered five times what can be done, the queue does what it can, and those that are admitted wait about MaxWait at most.
func TestOverload(t *testing.T) {
	bubble(t, Options{MaxWait: 100 * time.Millisecond}, newSleeper(), func(t *testing.T, q *Queue, target *Target) {
		took, refused := load(t, q, 2, 5000, 4*time.Second, func(rng *rand.Rand) Request {
			return Request{Target: target, Texts: ids(rng, 1)}
		})
		// 1 text takes (19·0.101 + 0.35/6) ms on one of two threads
		if p := p99(took); p > 125*time.Millisecond || len(took) < 4*960 || refused < 4*3500 {
			t.Errorf("p99 %v, %d answered, %d refused", p, len(took), refused)
		}
		if n := q.Stats().Refused[TooLong]; int(n) != refused {
			t.Errorf("%d refusals counted, want %d", n, refused)
		}
	})
}

// Interactive texts wait for a bulk pass or two, not for bulk requests, and bulk has its tenth while interactive work never ends.
func TestClasses(t *testing.T) {
	bubble(t, Options{}, newSleeper(), func(t *testing.T, q *Queue, target *Target) {
		var bulk []time.Duration
		var wg sync.WaitGroup
		wg.Go(func() {
			bulk, _ = load(t, q, 3, 20, 10*time.Second, func(rng *rand.Rand) Request {
				return Request{Target: target, Class: Bulk, Flow: "b", Texts: ids(rng, 32)}
			})
		})
		took, refused := load(t, q, 4, 200, 10*time.Second, func(rng *rand.Rand) Request {
			return Request{Target: target, Texts: ids(rng, 1)}
		})
		wg.Wait()
		if p := p99(took); p > 30*time.Millisecond || refused > 0 || len(bulk) < 180 {
			t.Errorf("interactive p99 %v, %d refused; %d bulk requests done", p, refused, len(bulk))
		}
		ctx, cancel := context.WithCancel(t.Context())
		for i := range 50 {
			wg.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					q.Do(ctx, Request{Target: target, Texts: texts(1, 1000*i+n, 20)})
				}
			})
		}
		wg.Go(func() {
			q.Do(ctx, Request{Target: target, Class: Bulk, Texts: texts(10000, 1<<20, 20)})
		})
		time.Sleep(5 * time.Second) // the bulk work from before is forgotten
		before := q.Stats()
		time.Sleep(10 * time.Second)
		after := q.Stats()
		cancel()
		wg.Wait()
		share := float64(after.Tokens[Bulk]-before.Tokens[Bulk]) / float64(sum64(after.Tokens)-sum64(before.Tokens))
		if share < 0.095 || share > 0.11 {
			t.Errorf("bulk had %.3f of the tokens beside endless interactive work, want a tenth", share)
		}
		if s := q.Stats(); s.QueuedTokens != [classes]int{} || s.Queued != [classes]int{} {
			t.Errorf("cancelled requests left %+v", s)
		}
	})
}

func sum64(x [classes]int64) int64 { return x[0] + x[1] }

// A flow that floods delays itself, not the others; a weight of 3 is three shares.
func TestFairness(t *testing.T) {
	bubble(t, Options{MaxWait: time.Hour, Threads: 1}, newSleeper(), func(t *testing.T, q *Queue, target *Target) {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { q.Do(ctx, Request{Target: target, Flow: "flood", Texts: texts(20000, 1, 20)}) })
		time.Sleep(time.Second)
		small, _ := load(t, q, 5, 20, 5*time.Second, func(rng *rand.Rand) Request {
			return Request{Target: target, Flow: "small", Texts: ids(rng, 1)}
		})
		if p := p99(small); p > 40*time.Millisecond { // two passes of 110 tokens and its own
			t.Errorf("the small flow has p99 %v", p)
		}
		cancel()
		wg.Wait()
		var done [2]atomic.Int64
		ctx, cancel = context.WithCancel(t.Context())
		for i := range done {
			for j := range 20 {
				wg.Go(func() {
					for n := 0; ctx.Err() == nil; n++ {
						if _, err := q.Do(ctx, Request{Target: target, Flow: fmt.Sprint(i), Weight: float64(1 + 2*i),
							Texts: texts(1, 1<<24*(i+1)+1<<16*j+n, 20)}); err == nil {
							done[i].Add(1)
						}
					}
				})
			}
		}
		time.Sleep(20 * time.Second)
		cancel()
		wg.Wait()
		if ratio := float64(done[1].Load()) / float64(done[0].Load()); ratio < 2.7 || ratio > 3.3 {
			t.Errorf("weights 1 and 3: their texts are as 1 to %.2f", ratio)
		}
	})
}

// A deadline ends a request on time, even while its text runs; what cannot be met is refused at once, or not begun.
func TestDeadlines(t *testing.T) {
	bubble(t, Options{Threads: 1}, newSleeper(), func(t *testing.T, q *Queue, target *Target) {
		in := func(d time.Duration) Request {
			return Request{Target: target, Texts: texts(1, int(d), 100), Deadline: time.Now().Add(d)} // 10.45 ms
		}
		var overload *OverloadError
		if _, err := q.Do(t.Context(), in(5*time.Millisecond)); !errors.As(err, &overload) || overload.Reason != TooLate {
			t.Errorf("a deadline that cannot be met: %v", err)
		}
		do(t, q, in(11*time.Millisecond))
		correction(q, target, 0.5) // the queue believes that it is faster than it is
		start := time.Now()
		_, err := q.Do(t.Context(), in(8*time.Millisecond))
		if !errors.Is(err, ErrDeadline) || time.Since(start) != 8*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		time.Sleep(10 * time.Millisecond)
		correction(q, target, 0.25)
		var wg sync.WaitGroup
		before := q.Stats().Texts[0]
		wg.Go(func() { do(t, q, Request{Target: target, Texts: texts(1, 5, 500)}) }) // 50 ms
		time.Sleep(time.Millisecond)
		wg.Go(func() {
			start := time.Now()
			if _, err := q.Do(t.Context(), in(20*time.Millisecond)); !errors.Is(err, ErrDeadline) || time.Since(start) != 20*time.Millisecond {
				t.Errorf("behind a slow text: %v after %v", err, time.Since(start))
			}
		})
		wg.Wait()
		time.Sleep(time.Second)
		if n := q.Stats().Texts[0] - before; n != 1 {
			t.Errorf("%d texts ran, want the slow one only", n)
		}
	})
}

func correction(q *Queue, t *Target, r float64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t.alone.r = r
}

// A client that leaves costs nothing more: its texts do not run, unless they do so already.
func TestCancelled(t *testing.T) {
	bubble(t, Options{Threads: 1}, newSleeper(), func(t *testing.T, q *Queue, target *Target) {
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { do(t, q, Request{Target: target, Texts: texts(1, 1, 500)}) })
		time.Sleep(time.Millisecond)
		for i := range 3 {
			wg.Go(func() {
				if _, err := q.Do(ctx, Request{Target: target, Texts: texts(2, 10*i, 20)}); err != io.EOF {
					t.Errorf("cancelled with io.EOF: %v", err)
				}
			})
		}
		time.Sleep(time.Millisecond)
		cancel(io.EOF)
		wg.Wait()
		if _, err := q.Do(ctx, Request{Target: target, Texts: texts(1, 1, 2)}); err != io.EOF {
			t.Errorf("a request of one who has left: %v", err)
		}
		if s := q.Stats(); s.Texts[0] != 1 || s.QueuedTokens[0] != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// Equal texts of a scope run once while they wait or run; other scopes and targets run their own; who leaves does not take it away.
func TestCoalescing(t *testing.T) {
	bubble(t, Options{Threads: 1}, newSleeper(), func(t *testing.T, q *Queue, target *Target) {
		other, err := q.NewTarget(newSleeper())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		before := q.Stats()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { do(t, q, Request{Target: target, Texts: texts(1, 99, 300)}) })
		time.Sleep(time.Millisecond)
		wg.Go(func() { q.Do(ctx, Request{Target: target, Texts: texts(1, 5, 30), Class: Bulk}) })
		time.Sleep(time.Millisecond)
		var joined atomic.Int64
		for range 4 {
			wg.Go(func() {
				joined.Add(int64(do(t, q, Request{Target: target, Texts: append(texts(1, 5, 30), texts(1, 5, 30)...)}).Joined))
			})
		}
		wg.Go(func() { do(t, q, Request{Target: target, Texts: texts(1, 5, 30), Scope: "key"}) })
		wg.Go(func() { do(t, q, Request{Target: other, Texts: texts(1, 5, 30)}) })
		time.Sleep(time.Millisecond)
		cancel()
		wg.Wait()
		s := q.Stats()
		if ran := s.Texts[0] - before.Texts[0]; ran != 4 || joined.Load() != 8 || s.Joined != 8 || s.Texts[1] != 0 {
			t.Errorf("%d texts ran, %d joined, stats %+v", ran, joined.Load(), s)
		}
	})
}

// One bad text of a batch has an error of its own, the others their features; a pass that panicked is not used again.
func TestFailures(t *testing.T) {
	bubble(t, Options{}, newSleeper(), func(t *testing.T, q *Queue, target *Target) {
		good := texts(3, 50, 10)
		for id, check := range map[int]func(error) bool{
			failingID: func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) },
			panicking: func(err error) bool { var p *parallel.Panic; return errors.As(err, &p) && p.Value == "broken" },
			notNumber: func(err error) bool { var e *model.FeatureError; return errors.As(err, &e) && e.Feature == 1 },
		} {
			for _, class := range []Class{Interactive, Bulk} {
				r := do(t, q, Request{Target: target, Class: class, Texts: append(texts(1, id, 10), good...)})
				if !check(r.Errors[0]) || r.Errors[1] != nil || r.Errors[2] != nil || r.Errors[3] != nil {
					t.Errorf("id %d: %v", id, r.Errors)
				}
			}
			if r := do(t, q, Request{Target: target, Texts: texts(1, id, 10)}); !check(r.Errors[0]) {
				t.Errorf("id %d alone: %v", id, r.Errors)
			}
		}
		if s := q.Stats(); s.Panics != 3 || s.Failed < 6 {
			t.Errorf("stats %+v", s)
		}
		do(t, q, Request{Target: target, Texts: good})
	})
}

// An engine that fails at the start has no target.
func TestTargetErrors(t *testing.T) {
	q := New(Options{Threads: 1})
	defer q.Close(t.Context())
	if _, err := q.NewTarget(brokenEngine{}); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("error %v", err)
	}
}

type brokenEngine struct{}

func (brokenEngine) Width() int                                          { return 1 }
func (brokenEngine) Longest() int                                        { return 8 }
func (b brokenEngine) NewPass(int) Pass                                  { return b }
func (brokenEngine) Memory(_, _, _ int) int                              { return 0 }
func (brokenEngine) Features(*tensor.Tensor, []tokenizer.Encoding) error { panic("broken") }

// Bulk requests are refused when too much of them waits; a first one never is; streams neither are nor count.
func TestBulkFull(t *testing.T) {
	bubble(t, Options{Threads: 1, BulkTokens: 1000}, newSleeper(), func(t *testing.T, q *Queue, target *Target) {
		var wg sync.WaitGroup
		start := func(r Request) {
			wg.Go(func() { do(t, q, r) })
			time.Sleep(time.Millisecond)
		}
		start(Request{Target: target, Class: Bulk, Stream: true, Texts: texts(100, 1, 20)})
		if n := q.Stats().StreamTokens; n != 1900 { // 5 texts of 20 tokens run
			t.Errorf("%d tokens of streams wait", n)
		}
		start(Request{Target: target, Class: Bulk, Texts: texts(100, 1000, 20)})
		var overload *OverloadError
		_, err := q.Do(t.Context(), Request{Target: target, Class: Bulk, Texts: texts(1, 5000, 20)})
		if !errors.As(err, &overload) || overload.Reason != BulkFull || overload.Wait < 300*time.Millisecond || overload.RetryAfter <= 0 {
			t.Errorf("a full bulk queue: %+v", err)
		}
		start(Request{Target: target, Class: Bulk, Stream: true, Texts: texts(100, 6000, 20)})
		wg.Wait()
		if s := q.Stats(); s.StreamTokens != 0 || s.QueuedTokens[Bulk] != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// Close lets what was taken be done, or ends it when its context does.
func TestClose(t *testing.T) {
	for _, patient := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			q := New(Options{Threads: 2})
			target, err := q.NewTarget(newSleeper())
			if err != nil {
				t.Fatal(err)
			}
			errs := make(chan error, 100)
			for i := range 100 {
				go func() {
					_, err := q.Do(context.Background(), Request{Target: target, Texts: texts(1, i, 100)})
					errs <- err
				}()
			}
			time.Sleep(5 * time.Millisecond)
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			if patient {
				ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
			}
			defer cancel()
			err = q.Close(ctx)
			if patient != (err == nil) {
				t.Errorf("patient %t: %v", patient, err)
			}
			done, closed := 0, 0
			for range 100 {
				switch err := <-errs; {
				case err == nil:
					done++
				case errors.Is(err, ErrClosed):
					closed++
				}
			}
			if patient && done != 100-refused(q) || !patient && (done == 0 || closed == 0) || done+closed+refused(q) != 100 {
				t.Errorf("patient %t: %d done, %d closed, %d refused", patient, done, closed, refused(q))
			}
			if _, err := q.Do(t.Context(), Request{Target: target, Texts: texts(1, 1, 2)}); !errors.Is(err, ErrClosed) {
				t.Errorf("a closed queue: %v", err)
			}
			q.workers.Wait()
		})
	}
}

func refused(q *Queue) int { return int(q.Stats().Refused[TooLong]) }

// A pass that never ends shows in Stats, and its request still ends at its deadline.
func TestWedged(t *testing.T) {
	engine := newSleeper()
	bubble(t, Options{Threads: 1}, engine, func(t *testing.T, q *Queue, target *Target) {
		engine.slow.Store(3600)
		r := Request{Target: target, Texts: texts(1, 1, 16), Deadline: time.Now().Add(30 * time.Second)}
		if _, err := q.Do(t.Context(), r); err != ErrDeadline {
			t.Errorf("error %v", err)
		}
		if late := q.Stats().Late; late != 30*time.Second {
			t.Errorf("late %v", late)
		}
		time.Sleep(2 * time.Hour)
		if late := q.Stats().Late; late != 0 {
			t.Errorf("late %v after the end", late)
		}
	})
}

// A request of which one text cannot be done by its deadline costs no pass for the others, whether they would have run in this batch or
// wait for another target.
func TestLateInPart(t *testing.T) {
	for _, several := range []bool{false, true} {
		bubble(t, Options{Threads: 1}, newSleeper(), func(t *testing.T, q *Queue, target *Target) {
			other, err := q.NewTarget(newSleeper())
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			before := q.Stats()
			var wg sync.WaitGroup
			wg.Go(func() { do(t, q, Request{Target: target, Texts: texts(1, 1, 100)}) }) // 10.45 ms
			time.Sleep(time.Millisecond)
			first := target
			if several {
				first = other
			}
			wg.Go(func() { do(t, q, Request{Target: first, Flow: "a", Texts: texts(1, 50, 4)}) })
			time.Sleep(time.Millisecond)
			wg.Go(func() { // 9.4 ms are left when the worker is free: enough for the short text, not for the long one
				r := Request{Target: target, Flow: "b", Texts: append(texts(1, 100, 4), text(200, 90)), Deadline: time.Now().Add(18 * time.Millisecond)}
				q.mu.Lock()
				target.alone.r = 0.5 // the queue believes that it is faster than it is, and lets it in
				q.mu.Unlock()
				if _, err := q.Do(t.Context(), r); !errors.Is(err, ErrDeadline) {
					t.Errorf("a text that comes too late: %v", err)
				}
			})
			time.Sleep(time.Millisecond)
			correction(q, target, 1.2)
			wg.Wait()
			time.Sleep(time.Second)
			if s := q.Stats(); s.Texts[0]-before.Texts[0] != 2 || s.Queued != [classes]int{} || len(q.keys) != 0 {
				t.Errorf("several targets %t: %d texts ran, want 2; %+v, %d keys", several, s.Texts[0]-before.Texts[0], s, len(q.keys))
			}
		})
	}
}
