package queue

import (
	"math"
	"slices"
	"time"
	"unsafe"

	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
	"bertlabel/tensor/parallel"
)

// cost is what a pass takes, in seconds, on one thread or on all:
//
//	T(n, s) = r·(b + a·n + c·s)    n = Σ length, s = Σ length² over the texts of the batch
//
// b is what a pass takes at all, a what a token adds, c what attention adds. They are measured (fit), and r follows what
// passes take while the queue serves, in steps of a twentieth and within [1/4, 4]: a noisy neighbour or a quota shows in r.
type cost struct{ a, b, c, r float64 }

const (
	correctionStep        = 0.05
	correctionMin         = 0.25
	correctionMax         = 4
	measureEach           = 3  // passes of a size; the fastest counts
	measureLength         = 16 // tokens of a text of the smaller sizes
	minBatch              = 64 // tokens
	maxBatch              = 512
	batchEfficiency       = 32 // Bmax·a/b: a pass of Bmax tokens spends 1/33 of its time on b
	firstSmall, firstLong = 16, 64
)

func (k cost) estimate(n, s float64) float64 { return k.r * (k.b + k.a*n + k.c*s) }

// marginal is what a text of n tokens adds to a pass.
func (k cost) marginal(n int) float64 { return k.r * (k.a*float64(n) + k.c*float64(n)*float64(n)) }

// correct moves r towards what a pass took, in seconds:
//
//	r ← clamp(r + (took/T₀ − r)/20, 1/4, 4)    T₀ = b + a·n + c·s
func (k *cost) correct(n, s, took float64) {
	if raw := k.b + k.a*n + k.c*s; raw > 0 {
		k.r = min(max(k.r+correctionStep*(took/raw-k.r), correctionMin), correctionMax)
	}
}

// batchTokens is Bmax = 32·b/a, within [64, 512]: no padding is saved by a larger batch, only b.
func (k cost) batchTokens() int {
	return int(min(max(batchEfficiency*k.b/k.a, minBatch), maxBatch))
}

// sample is a pass that was measured.
type sample struct{ n, s, took float64 }

// fit returns the cost with the least Σ ((T − took)/took)², none of whose parts is negative: where c, or then b, would be, it is 0.
// Samples with fewer different sizes than unknowns have the same treatment.
func fit(samples []sample) cost {
	for _, unknowns := range []int{3, 2, 1} { // a, b, c
		var m [3][4]float64 // normal equations, each row of the system divided by took
		for _, x := range samples {
			row := [4]float64{x.n / x.took, 1 / x.took, x.s / x.took, 1}
			for i := range unknowns {
				for j := range unknowns {
					m[i][j] += row[i] * row[j]
				}
				m[i][3] += row[i] * row[3]
			}
		}
		if x, ok := solve(m, unknowns); ok && x[0] > 0 && x[1] >= 0 && x[2] >= 0 {
			return cost{a: x[0], b: x[1], c: x[2], r: 1}
		}
	}
	return cost{a: 1e-6, r: 1} // no time was measured at all
}

// solve solves the leading n×n system of m, whose right side is column 3, by elimination with pivots; false if it is singular.
func solve(m [3][4]float64, n int) (x [3]float64, ok bool) {
	for i := range n {
		pivot := i
		for j := i + 1; j < n; j++ {
			if math.Abs(m[j][i]) > math.Abs(m[pivot][i]) {
				pivot = j
			}
		}
		scale := math.Abs(m[pivot][i])
		m[i], m[pivot] = m[pivot], m[i]
		if !(scale > 0) {
			return x, false
		}
		for j := range n {
			if f := m[j][i] / m[i][i]; j != i {
				for k := range m[j] {
					m[j][k] -= f * m[i][k]
				}
			}
		}
	}
	for i := range n {
		if x[i] = m[i][3] / m[i][i]; math.IsNaN(x[i]) || math.IsInf(x[i], 0) {
			return x, false
		}
	}
	return x, true
}

// Target is an engine that texts can be sent to, with what is known of its speed. Texts of one target share batches. A target that
// nobody refers to any more is garbage, with the memory of its passes.
type Target struct {
	engine Engine
	width  int
	alone  cost // a pass on one thread; q.mu guards both
	team   cost // on all
	passes []Pass
	all    Pass

	todo     []measurement // q.mu guards them, too
	measured [2][]sample   // alone, team
}

// measurement is a pass that is to be made when nothing else is to be done.
type measurement struct {
	team   bool
	texts  int
	length int
}

// NewTarget makes two passes on the caller's goroutine, of 64 and of 16 tokens, from which a first guess of the costs follows, and returns
// a target that can be used; the rest is measured by the workers while they have nothing else to do: 16, 64 and 256 tokens, and one
// text of the greatest length, three times each, on one thread and on all. The error is that of a pass; a *parallel.Panic, too.
func (q *Queue) NewTarget(e Engine) (*Target, error) {
	t := &Target{engine: e, width: e.Width(), passes: make([]Pass, q.threads)}
	p, y := e.NewPass(1), tensor.New(firstLong/firstSmall, t.width)
	var took [2]float64
	for i, texts := range []int{firstLong / firstSmall, 1} {
		start, part := time.Now(), y.SliceRows(0, texts)
		if err := guarded(p, &part, zeros(texts, min(firstSmall, e.Longest()))); err != nil {
			return nil, err
		}
		took[i] = time.Since(start).Seconds()
	}
	t.alone, t.team = guess(took[0], took[1], q.threads)
	for range measureEach {
		for _, tokens := range []int{16, 64, 256, e.Longest()} {
			length := min(measureLength, e.Longest())
			m := measurement{texts: max(1, tokens/length), length: length}
			if tokens == e.Longest() {
				m = measurement{texts: 1, length: tokens}
			}
			t.todo = append(t.todo, m)
			if m.team = true; q.threads > 1 {
				t.todo = append(t.todo, m)
			}
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	t.passes[0] = p
	q.unmeasured = append(q.unmeasured, t)
	q.wake.Signal()
	return t, nil
}

// guess returns costs from the times of a pass of 64 tokens and one of 16, of which the first may have been slow: a is at most what
// makes b 0 and at least half of it. All threads together are taken to lose a twentieth, and half as much again at the start of a pass.
func guess(long, small float64, threads int) (alone, team cost) {
	long, small = max(long, 1e-9), max(small, 1e-9)
	a := min(max((long-small)/(firstLong-firstSmall), long/firstLong/2), long/firstLong)
	alone = cost{a: a, b: max(0, long-firstLong*a), r: 1}
	return alone, cost{a: 1.05 * a / float64(threads), b: 1.5 * alone.b, r: 1}
}

// zeros returns texts that any model can read.
func zeros(texts, length int) []tokenizer.Encoding {
	e := tokenizer.Encoding{IDs: make([]int32, length), Segments: make([]int32, length)}
	all := make([]tokenizer.Encoding, texts)
	for i := range all {
		all[i] = e
	}
	return all
}

// guarded runs a pass and returns its error, or its panic as a *parallel.Panic.
func guarded(p Pass, dst *tensor.Tensor, texts []tokenizer.Encoding) (err error) {
	if caught := parallel.Catch(func() { err = p.Features(dst, texts) }); caught != nil {
		return caught
	}
	return err
}

// note takes the time of a measurement, and the costs when it was the last one. q.mu is held.
func (t *Target) note(m measurement, took time.Duration) {
	i, n := 0, float64(m.texts*m.length)
	if m.team {
		i = 1
	}
	x := sample{n, n * float64(m.length), max(took.Seconds(), 1e-9)}
	at := slices.IndexFunc(t.measured[i], func(y sample) bool { return y.n == x.n && y.s == x.s })
	if at < 0 {
		t.measured[i] = append(t.measured[i], x)
	} else {
		t.measured[i][at].took = min(t.measured[i][at].took, x.took)
	}
	if len(t.todo) > 0 {
		return
	}
	t.alone = fit(t.measured[0])
	if len(t.measured[1]) > 0 {
		t.team = fit(t.measured[1])
	}
	t.measured = [2][]sample{}
}

// Cost is what passes of a target take: T = Correction·(PerPass + PerToken·tokens + PerSquare·Σ length²), in seconds.
type Cost struct{ PerPass, PerToken, PerSquare, Correction float64 }

// Costs returns what the queue takes passes of t to cost, on one thread and on all, and whether that has been measured in full.
func (q *Queue) Costs(t *Target) (alone, team Cost, measured bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	public := func(k cost) Cost { return Cost{k.b, k.a, k.c, k.r} }
	return public(t.alone), public(t.team), len(t.todo) == 0 && t.measured[0] == nil
}

// Memory returns the bytes that the passes of t come to hold on all threads, and the features of the batches that they run. It depends on
// the engine and the options only: batches are bounded.
func (q *Queue) Memory(t *Target) int {
	tokens := max(q.options.BatchTokens, t.engine.Longest())
	if q.options.BatchTokens == 0 {
		tokens = max(maxBatch, t.engine.Longest())
	}
	bytes, texts := 0, tokens/2 // [CLS] and [SEP]
	if q.threads > 1 {
		bytes = t.engine.NewPass(q.threads).Memory(t.engine.Longest(), 1, t.engine.Longest())
	}
	return bytes + q.threads*(t.engine.NewPass(1).Memory(tokens, texts, t.engine.Longest())+4*texts*t.width)
}

// TextMemory returns the bytes that a text of so many tokens takes while it waits and runs, with its tokens and its feature.
func (t *Target) TextMemory(tokens int) int {
	const shared = 64 // its places in heap and map, its error
	return int(unsafe.Sizeof(entry{})+unsafe.Sizeof(tokenizer.Encoding{})) + shared + 2*4*tokens + 4*t.width
}
