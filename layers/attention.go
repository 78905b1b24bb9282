package layers

import (
	"iter"
	"math"

	"bertlabel/asm"
	"bertlabel/tensor"
)

// Attention is scaled dot-product attention with several heads, the inner part of multi-head attention, over texts that lie one
// after the other without padding (Vaswani et al. 2017, arXiv:1706.03762, §3.2). For each text and each head, with the head's
// D = H/Heads columns of query, key and value (`part`),
//
//	scores  = Q·Kᵀ              [queries, keys]
//	probs   = softmax(scores/√D) over the keys
//	context = probs·V           [queries, D]
//
// The heads' contexts stand side by side: that is Concat(head₁, …, head_A) of §3.2.2, before its product with W^O.
//
// No mask exists: modeling.py adds −10000 to the scores of padding, whose probabilities are then exactly 0 in float32, so
// leaving the padding out gives the same numbers.
type Attention struct {
	Heads int

	// BF16 rounds query, key, value and probs to bf16 in the products, and in those of Backward the gradients by context and scores; sums,
	// softmax and its gradient, and dropout stay float32.
	BF16 bool
}

// AttentionWorkspace is the memory of Forward, reused from pass to pass. It serves one pass at a time.
type AttentionWorkspace struct {
	workers []headWorkspace
	job     attentionJob
	back    attentionBackward
}

// headWorkspace is one worker's memory for one head of one text.
type headWorkspace struct {
	keys   tensor.Packed // Kᵀ, [D, keys and padding]
	values tensor.Packed // V, [keys, D]
	scores tensor.Tensor // [queryBlock, keys and padding], in place the probs

	keysBF16, valuesBF16 tensor.PackedBF16 // in the place of keys and values
	key, value           tensor.Tensor     // what they are packed from, views
	backward             headBackward
}

// headOperand is a *tensor.Packed or *tensor.PackedBF16.
type headOperand interface {
	tensor.Operand
	Resize(k, n int)
	SetCols(b *tensor.Tensor)
}

// operands returns the memory of Kᵀ and V.
func (w *headWorkspace) operands(bf16 bool) (keys, values headOperand) {
	if bf16 {
		return &w.keysBF16, &w.valuesBF16
	}
	return &w.keys, &w.values
}

// packRows makes p the operand b, and packCols its transpose, with as many columns as whole panels have.
func packRows(p headOperand, b *tensor.Tensor) headOperand {
	p.Resize(b.Rows, b.Cols)
	p.SetRows(0, b)
	return p
}

func packCols(p headOperand, b *tensor.Tensor) headOperand {
	p.Resize(b.Cols, wholePanels(b.Rows))
	p.SetCols(b)
	return p
}

// queryBlock is the number of query rows whose scores are held at once: a multiple of every MR, small enough for the L2 cache
// at 512 keys.
const queryBlock = 48

// Forward sets context from query, key and value. The queries of text t are rows [queries[t], queries[t+1]) of query and
// context, its keys and values are rows [keys[t], keys[t+1]) of key and value; all four have H columns. They may be views, but
// context must not share memory with the others.
func (a *Attention) Forward(ws *tensor.Workspace, aws *AttentionWorkspace, context, query, key, value *tensor.Tensor, queries, keys []int) {
	a.ForwardDropout(ws, aws, context, query, key, value, queries, keys, nil)
}

// AttentionDropout is dropout on the probs. Row i of a head's probs, that of query i, is a row of width keys at At[i].
type AttentionDropout struct {
	Heads []Dropout // one for each head, with a site of its own
	At    []Place   // of the queries, [rows of query]
}

// ForwardDropout is Forward with dropout on the probs, nil for none.
func (a *Attention) ForwardDropout(ws *tensor.Workspace, aws *AttentionWorkspace, context, query, key, value *tensor.Tensor, queries,
	keys []int, drop *AttentionDropout) {
	job := &aws.job
	*job = attentionJob{a, ws, aws.reserve(ws), *context, *query, *key, *value, queries, keys, drop}
	ws.Workers.Do((len(keys)-1)*a.Heads, job)
	*job = attentionJob{} // keep nothing alive
}

// reserve returns the memory of so many workers as ws has.
func (aws *AttentionWorkspace) reserve(ws *tensor.Workspace) []headWorkspace {
	for len(aws.workers) < ws.Workers.Count() {
		aws.workers = append(aws.workers, headWorkspace{})
	}
	return aws.workers
}

// attentionJob is one call of Forward: turn i is head i % Heads of text i / Heads.
type attentionJob struct {
	*Attention
	ws                         *tensor.Workspace
	workers                    []headWorkspace
	context, query, key, value tensor.Tensor
	queries, keys              []int
	drop                       *AttentionDropout
}

func (j *attentionJob) Run(worker, turn int) {
	text, head := turn/j.Heads, turn%j.Heads
	d := j.query.Cols / j.Heads
	keys, values := j.pack(&j.workers[worker], text, head)
	first, end := j.queries[text], j.queries[text+1]
	for from := first; from < end; from += queryBlock { // context = softmax(Q·Kᵀ/√D)·V, some rows of Q at a time
		to := min(from+queryBlock, end)
		query, context := part(&j.query, from, to, head, d), part(&j.context, from, to, head, d)
		probs := j.probs(worker, head, from, &query, keys, j.keys[text+1]-j.keys[text])
		j.ws.MatMulSmall(worker, &context, &probs, values)
	}
}

// pack puts K and V of one head of one text into the order in which products read their right-hand operand.
func (j *attentionJob) pack(w *headWorkspace, text, head int) (keys, values headOperand) {
	first, end := j.keys[text], j.keys[text+1]
	d := j.query.Cols / j.Heads
	w.key, w.value = part(&j.key, first, end, head, d), part(&j.value, first, end, head, d)
	keys, values = w.operands(j.BF16)
	packCols(keys, &w.key)
	packRows(values, &w.value)
	w.key, w.value = tensor.Tensor{}, tensor.Tensor{} // keep nothing alive
	return keys, values
}

// probs returns softmax(Q·Kᵀ/√D), after dropout: [queries, n], for a block of queries, whose first is row first of all of them, and n
// keys. It lies in the worker's memory until the next block.
func (j *attentionJob) probs(worker, head, first int, query *tensor.Tensor, keys headOperand, n int) tensor.Tensor {
	d := query.Cols
	probs := j.scores(worker, query, keys, n)
	scale := float32(1 / math.Sqrt(float64(d)))
	for i := range probs.Rows {
		asm.Best.Softmax(probs.Row(i), scale) // probs = softmax(scores/√D), in their place
		j.drop.row(probs.Row(i), probs.Row(i), head, first+i)
	}
	return probs
}

// scores returns Q·Kᵀ, [queries, n], for the same; it lies there, too.
func (j *attentionJob) scores(worker int, query *tensor.Tensor, keys headOperand, n int) tensor.Tensor {
	w, padded := &j.workers[worker], wholePanels(n)
	w.scores.Resize(query.Rows, padded+16) // rows that are a power of two apart would share cache sets
	scores := w.scores.SliceCols(0, padded)
	j.ws.MatMulSmall(worker, &scores, query, keys) // scores = Q·Kᵀ
	return w.scores.SliceCols(0, n)
}

// Stages shows what Forward computes on its way for one text, with its bits: scores/√D and probs of all heads, one below the other, both
// [Heads·queries, keys]. It sets the two from query [queries, H] and key [keys, H]. For people who look; nothing that is fast calls it.
func (a *Attention) Stages(ws *tensor.Workspace, aws *AttentionWorkspace, scores, probs, query, key *tensor.Tensor) {
	job := &attentionJob{Attention: a, ws: ws, workers: aws.reserve(ws), query: *query, key: *key, value: *key,
		queries: []int{0, query.Rows}, keys: []int{0, key.Rows}}
	d := query.Cols / a.Heads
	scale := 1 / math.Sqrt(float64(d))
	for head := range a.Heads {
		keys, _ := job.pack(&job.workers[0], 0, head)
		for from := 0; from < query.Rows; from += queryBlock {
			q := part(query, from, min(from+queryBlock, query.Rows), head, d)
			for i, s := range rowsOf(job.scores(0, &q, keys, key.Rows)) {
				for k, v := range s {
					scores.Row(head*query.Rows + from + i)[k] = v * float32(scale)
				}
			}
			for i, p := range rowsOf(job.probs(0, head, from, &q, keys, key.Rows)) {
				copy(probs.Row(head*query.Rows+from+i), p)
			}
		}
	}
}

// rowsOf goes through the rows of a tensor.
func rowsOf(t tensor.Tensor) iter.Seq2[int, []float32] {
	return func(yield func(int, []float32) bool) {
		for i := range t.Rows {
			if !yield(i, t.Row(i)) {
				return
			}
		}
	}
}

// wholePanels rounds a number of keys up, so that no tile lies over the border of scores.
func wholePanels(n int) int { return (n + asm.Best.NR - 1) / asm.Best.NR * asm.Best.NR }

// row does dropout on the probs of one head and query; nothing on a nil receiver. y and x may be the same slice.
func (d *AttentionDropout) row(y, x []float32, head, query int) {
	if d != nil {
		d.Heads[head].Row(y, x, d.At[query])
	}
}

// part returns rows [from, to) of the columns of one head: Q, K or V of head_i in §3.2.2.
func part(t *tensor.Tensor, from, to, head, d int) tensor.Tensor {
	rows := t.SliceRows(from, to)
	return rows.SliceCols(head*d, (head+1)*d)
}

// QKV is the query, key and value of an attention, or the gradients by them. They have H columns and may be views.
type QKV struct{ Query, Key, Value tensor.Tensor }

// Backward overwrites the rows of dx that queries and keys name, given dcontext and what ForwardDropout was given. The probs were
// not kept: they are computed again. For each text and head, with scale = 1/√D,
//
//	dvalue = droppedᵀ·dcontext                  dropped = dropout(probs)
//	dprobs = dropout(dcontext·Vᵀ)               by the mask of the forward pass
//	dscores = scale·probs∘(dprobs − Σ dprobs∘probs over the keys)
//	dquery = dscores·K    dkey = dscoresᵀ·Q
//
// The tensors of dx must not share memory with the others.
func (a *Attention) Backward(ws *tensor.Workspace, aws *AttentionWorkspace, dx QKV, dcontext *tensor.Tensor, x QKV, queries, keys []int,
	drop *AttentionDropout) {
	job := &aws.back
	*job = attentionBackward{a, ws, aws.reserve(ws), dx, *dcontext, x, queries, keys, drop}
	ws.Workers.Do((len(keys)-1)*a.Heads, job)
	*job = attentionBackward{} // keep nothing alive
}

// attentionBackward is one call of Backward: turn i is head i % Heads of text i / Heads.
type attentionBackward struct {
	*Attention
	ws            *tensor.Workspace
	workers       []headWorkspace
	dx            QKV
	dcontext      tensor.Tensor
	x             QKV
	queries, keys []int
	drop          *AttentionDropout
}

// headBackward is one worker's memory for the gradient of one head of one text.
type headBackward struct {
	operands               [2]*backwardOperands // in float32, in bf16; made where they are needed
	query, key, value      tensor.Tensor        // what they are packed from, views
	dcontext               tensor.Tensor
	probs, dropped, dprobs tensor.Tensor // [backwardQueries, keys and padding]
}

// backwardOperands are the right-hand operands of the products of Backward.
type backwardOperands struct {
	keysT, valuesT    headOperand // Kᵀ and Vᵀ, [D, keys and padding]
	keys              headOperand // K, [keys, D]
	queries, dcontext headOperand // [backwardQueries, D]
}

// in returns the operands in bf16, or in float32.
func (w *headBackward) in(bf16 bool) *backwardOperands {
	i, operand := 0, func() headOperand { return &tensor.Packed{} }
	if bf16 {
		i, operand = 1, func() headOperand { return &tensor.PackedBF16{} }
	}
	if w.operands[i] == nil {
		w.operands[i] = &backwardOperands{operand(), operand(), operand(), operand(), operand()}
	}
	return w.operands[i]
}

// backwardQueries is the number of query rows whose probs are held at once. Unlike in Forward the products over a block sum over
// its rows, so blocks are large: a text of 128 tokens is one.
const backwardQueries = 128

func (j *attentionBackward) Run(worker, turn int) {
	text, head := turn/j.Heads, turn%j.Heads
	q0, q1 := j.queries[text], j.queries[text+1]
	k0, k1 := j.keys[text], j.keys[text+1]
	d := j.x.Query.Cols / j.Heads
	w := &j.workers[worker].backward
	o := w.in(j.BF16)

	w.key, w.value = part(&j.x.Key, k0, k1, head, d), part(&j.x.Value, k0, k1, head, d)
	dkey, dvalue := part(&j.dx.Key, k0, k1, head, d), part(&j.dx.Value, k0, k1, head, d)
	for i := range dkey.Rows {
		clear(dkey.Row(i))
		clear(dvalue.Row(i))
	}
	packCols(o.keysT, &w.key)
	packCols(o.valuesT, &w.value)
	packRows(o.keys, &w.key)
	for from := q0; from < q1; from += backwardQueries {
		to := min(from+backwardQueries, q1)
		w.query, w.dcontext = part(&j.x.Query, from, to, head, d), part(&j.dcontext, from, to, head, d)
		dquery := part(&j.dx.Query, from, to, head, d)
		dscores, dropped := j.scores(worker, head, from, w.key.Rows)
		j.ws.MatMulSmallTN(worker, &dvalue, &dropped, packRows(o.dcontext, &w.dcontext)) // context = dropped·V
		j.ws.MatMulSmall(worker, &dquery, &dscores, o.keys)                              // scores = Q·Kᵀ
		j.ws.MatMulSmallTN(worker, &dkey, &dscores, packRows(o.queries, &w.query))
	}
	w.query, w.key, w.value, w.dcontext = tensor.Tensor{}, tensor.Tensor{}, tensor.Tensor{}, tensor.Tensor{} // keep nothing alive
}

// scores computes the probs of the worker's block of queries again, whose first is row first of all queries, for n keys. It returns the
// gradient by their scores and the probs after dropout.
func (j *attentionBackward) scores(worker, head, first, n int) (dscores, dropped tensor.Tensor) {
	w := &j.workers[worker].backward
	o, query, padded := w.in(j.BF16), &w.query, wholePanels(n)
	for _, t := range []*tensor.Tensor{&w.probs, &w.dropped, &w.dprobs} {
		t.Resize(query.Rows, padded+16) // rows that are a power of two apart would share cache sets
	}
	scores, dprobs := w.probs.SliceCols(0, padded), w.dprobs.SliceCols(0, padded)
	j.ws.MatMulSmall(worker, &scores, query, o.keysT)         // scores = Q·Kᵀ
	j.ws.MatMulSmall(worker, &dprobs, &w.dcontext, o.valuesT) // context = dropped·V

	probs := scores.SliceCols(0, n)
	dscores, dropped = dprobs.SliceCols(0, n), w.dropped.SliceCols(0, n)
	if j.drop == nil {
		dropped = probs
	}
	scale := float32(1 / math.Sqrt(float64(query.Cols)))
	for i := range probs.Rows {
		p, dp := probs.Row(i), dscores.Row(i)
		asm.Best.Softmax(p, scale)
		j.drop.row(dropped.Row(i), p, head, first+i)
		j.drop.row(dp, dp, head, first+i)          // dropped = dropout(probs)
		asm.Best.SoftmaxBackward(dp, p, dp, scale) // probs = softmax(scale·scores)
	}
	return dscores, dropped
}
