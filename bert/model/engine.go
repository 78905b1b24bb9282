package model

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
	"bertlabel/tensor/parallel"
)

// batchTokens is the size of one pass for many texts: enough rows to use every loaded block of weights well, few enough that the
// activations of a layer stay in the cache.
const batchTokens = 512

// ErrNotFinite is the cause of a *FeatureError.
var ErrNotFinite = errors.New("the weights or the input are broken")

// FeatureError says that a text has a feature that is no finite number. It matches ErrNotFinite.
type FeatureError struct {
	Text    int     // its place among the texts, from 0
	Feature int     // from 0
	Value   float32 // NaN or infinite
}

func (e *FeatureError) Error() string {
	return fmt.Sprintf("feature %d of text %d is %v: %v", e.Feature, e.Text, e.Value, ErrNotFinite)
}

// Unwrap returns ErrNotFinite.
func (e *FeatureError) Unwrap() error { return ErrNotFinite }

// Features returns the vectors that stand for the texts, [len(texts), width], in the order of texts. The texts, or their windows, are
// sorted by length and cut into batches; every thread takes batches of its own and runs them alone, so threads never wait for each
// other. What cannot be shared out like that, one text or the last of an odd number, is run by all threads, each product together. The bits of a
// row depend on its text only. progress, unless nil, is told how many texts are done; it may be called by several goroutines at once. The error is that
// of the pooling, the cause of ctx's end, a *FeatureError, or says what is wrong with a row of tokens. A panic on another goroutine comes
// to the caller as a *parallel.Panic.
func (m *Model) Features(ctx context.Context, texts []tokenizer.Encoding, pooling bert.Pooling, progress func(done int)) (*tensor.Tensor,
	error) {
	width, err := m.Encoder.PoolingWidth(pooling)
	if err != nil {
		return nil, err
	}
	run := featuresRun{m: m, texts: texts, pooling: pooling, y: tensor.New(len(texts), width), progress: progress}
	return run.y, run.do(ctx)
}

// FeaturesKept is Features, bit for bit, for kept's pooling, of the texts that it keeps the states of frozen layers of: those layers are
// run only for texts that it does not know yet, which it knows afterwards. The result is kept.Features, which the next call overwrites.
func (m *Model) FeaturesKept(ctx context.Context, texts []tokenizer.Encoding, kept *bert.FrozenStates, progress func(done int)) (
	*tensor.Tensor, error) {
	run := featuresRun{m: m, texts: texts, pooling: kept.Pooling(), kept: kept, y: kept.Features(), progress: progress}
	if run.y.Rows != len(texts) {
		return nil, fmt.Errorf("features of %d texts, but outputs of frozen layers are kept for %d", len(texts), run.y.Rows)
	}
	return run.y, run.do(ctx)
}

// Beside returns a model for Features that shares all with m but the encoder, which is another one of the same configuration: m as it would
// be in a low precision (bert.Rounded). It has no head.
func (m *Model) Beside(encoder *bert.Model) *Model {
	return &Model{Encoder: encoder, Tokenizer: m.Tokenizer, Pooling: m.Pooling, MaxSeqLength: m.MaxSeqLength, Windows: m.Windows, path: m.path,
		vocab: m.vocab, threads: m.threads}
}

// featuresRun is one call of Features.
type featuresRun struct {
	m        *Model
	texts    []tokenizer.Encoding
	pooling  bert.Pooling
	kept     *bert.FrozenStates // nil: all layers are run
	y        *tensor.Tensor
	progress func(done int)

	order   []sequence // of the texts, the longest first, those of one text together
	tokens  int        // of all texts
	batches [][2]int   // ranges of order
	alone   int        // batches that a thread runs alone, the first ones; the others are run by all threads together
	joins   []*joining // of each text; nil for one of a single sequence
	next    atomic.Int64
	done    atomic.Int64
}

// do runs the batches: first those that a thread runs alone.
func (r *featuresRun) do(ctx context.Context) error {
	r.plan()
	if err := r.throughput(ctx, r.m.threads); err != nil {
		return err
	}
	return r.latency(ctx)
}

// sequence is a text, or a window of it.
type sequence struct{ text, window int }

// length returns the tokens of a sequence.
func (r *featuresRun) length(s sequence) int {
	w := r.texts[s.text].Sequence(s.window)
	return w.End - w.Start
}

// plan cuts the texts into batches, and settles how many of them a thread runs alone.
func (r *featuresRun) plan() {
	r.sort()
	passes, threads := (r.tokens+batchTokens-1)/batchTokens, r.m.threads
	if threads > 1 {
		r.cut(max(2, (passes+threads-1)/threads) * threads)
		r.share(threads)
	}
	if r.alone == 0 {
		r.cut(passes)
	}
}

// sort puts the longest first, so that the last batches, which end at different times, are the cheapest. All windows of a text but its last
// are equally long; they stay together, so that few texts wait for a window at any time.
func (r *featuresRun) sort() {
	texts := make([]int, len(r.texts))
	for i := range texts {
		texts[i] = i
		r.tokens += len(r.texts[i].IDs)
	}
	slices.SortStableFunc(texts, func(a, b int) int { return cmp.Compare(r.length(sequence{b, 0}), r.length(sequence{a, 0})) })
	r.order = make([]sequence, 0, len(texts))
	r.joins = make([]*joining, len(texts))
	for _, t := range texts {
		n := r.texts[t].Sequences()
		for w := range n {
			r.order = append(r.order, sequence{t, w})
		}
		if n > 1 {
			r.joins[t] = &joining{left: n}
		}
	}
}

// cut cuts the sequences into at most n batches of nearly equal numbers of tokens: a batch ends with the one that fills the share
// of all batches so far.
func (r *featuresRun) cut(n int) {
	r.batches = r.batches[:0]
	from, tokens := 0, 0
	for i, s := range r.order {
		tokens += r.length(s)
		if tokens*n >= r.tokens*(len(r.batches)+1) || i == len(r.order)-1 {
			r.batches = append(r.batches, [2]int{from, i + 1})
			from = i + 1
		}
	}
}

// share settles how many batches threads take alone, one after the other, before all of them work together on each product of the rest:
// the number by which the end comes first. The busiest thread has to end before that, so the loads should be even; together a
// batch costs about a twentieth more for each thread (BenchmarkForward, workers=1 and workers=2).
func (r *featuresRun) share(threads int) {
	load := make([]int, threads)
	left, least := r.tokens, (20+threads)*r.tokens
	for i, b := range r.batches {
		to := slices.Index(load, slices.Min(load))
		for _, s := range r.order[b[0]:b[1]] {
			load[to] += r.length(s)
			left -= r.length(s)
		}
		if cost := 20*threads*slices.Max(load) + (20+threads)*left; cost <= least {
			r.alone, least = i+1, cost
		}
	}
}

// throughput lets each of so many goroutines run whole batches, those that are run alone.
func (r *featuresRun) throughput(ctx context.Context, threads int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg parallel.Group
	for range min(threads, r.alone) {
		wg.Go(func() {
			p := r.m.serial.get(func() *Pass { return r.m.NewPass(1) })
			defer r.m.serial.put(p)
			for i := r.next.Add(1) - 1; i < int64(r.alone) && ctx.Err() == nil; i = r.next.Add(1) - 1 {
				if err := r.batch(p, r.batches[i]); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// latency runs the other batches one after the other, all threads on each.
func (r *featuresRun) latency(ctx context.Context) error {
	if r.alone == len(r.batches) {
		return nil
	}
	p := r.m.parallel.get(func() *Pass { return r.m.NewPass(r.m.threads) })
	defer r.m.parallel.put(p)
	for _, b := range r.batches[r.alone:] {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := r.batch(p, b); err != nil {
			return err
		}
	}
	return nil
}

// batch computes the features of order[b[0]:b[1]].
func (r *featuresRun) batch(p *Pass, b [2]int) error {
	sequences := r.order[b[0]:b[1]]
	p.encoder = r.m.Encoder // which may be another one since the pass was made
	p.batch.Reset()
	p.places = p.places[:0]
	for _, s := range sequences {
		appendSequence(&p.batch, &r.texts[s.text], s.window, false)
		p.places = append(p.places, bert.FrozenPlace{Text: s.text, Token: r.texts[s.text].Sequence(s.window).Start})
	}
	p.features.Resize(len(sequences), r.y.Cols)
	if err := r.run(p); err != nil {
		return err
	}
	done := 0
	for i, s := range sequences {
		row := p.features.Row(i)
		if j := tensor.NotFinite(row); j >= 0 {
			return &FeatureError{Text: s.text, Feature: j, Value: row[j]}
		}
		whole := r.joins[s.text] == nil
		if whole {
			copy(r.y.Row(s.text), row)
		} else {
			var err error
			if whole, err = r.put(s, row); err != nil {
				return err
			}
		}
		if whole {
			r.complete(s.text)
			done++
		}
	}
	if r.progress != nil && done > 0 {
		r.progress(int(r.done.Add(int64(done))))
	}
	return nil
}

// run computes the features of the batch of p.
func (r *featuresRun) run(p *Pass) error {
	if r.kept == nil {
		return p.run(&p.features, r.pooling)
	}
	return p.encoder.FeaturesKept(p.ws, &p.features, &p.batch, r.kept, p.places)
}

// complete is told of each text whose features are there.
func (r *featuresRun) complete(text int) {
	if r.kept != nil {
		r.kept.Complete(text)
	}
}

// passes keeps passes that are not in use. Unlike sync.Pool it does not lose them, and at most as many exist as ran at once.
type passes struct {
	mu   sync.Mutex
	free []*Pass
}

func (p *passes) get(create func() *Pass) *Pass {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		last := p.free[n-1]
		p.free = p.free[:n-1]
		return last
	}
	return create()
}

func (p *passes) put(x *Pass) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, x)
}
