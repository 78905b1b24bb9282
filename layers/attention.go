package layers

import (
	"math"

	"bertlabel/asm"
	"bertlabel/tensor"
)

// Attention is scaled dot-product attention with several heads, over texts that lie one behind the other without padding
// (Vaswani et al. 2017, §3.2). For each text and each head, with the head's D = H/Heads columns of query, key and value,
//
//	scores  = Q·Kᵀ              [queries, keys]
//	probs   = softmax(scores/√D) over the keys
//	context = probs·V           [queries, D]
//
// No mask exists: modeling.py adds −10000 to the scores of padding, whose probabilities are then exactly 0 in float32, so
// leaving the padding out gives the same numbers.
type Attention struct {
	Heads int
}

// AttentionWorkspace is the memory of Forward, reused from pass to pass. It serves one pass at a time.
type AttentionWorkspace struct {
	workers []headWorkspace
	job     attentionJob
}

// headWorkspace is one worker's memory for one head of one text.
type headWorkspace struct {
	keys   tensor.Packed // Kᵀ, [D, keys and padding]
	values tensor.Packed // V, [keys, D]
	scores tensor.Tensor // [queryBlock, keys and padding], in place the probs
}

// queryBlock is the number of query rows whose scores are held at once: a multiple of every MR, small enough for the L2 cache
// at 512 keys.
const queryBlock = 48

// Forward sets context from query, key and value. The queries of text t are rows [queries[t], queries[t+1]) of query and
// context, its keys and values are rows [keys[t], keys[t+1]) of key and value; all four have H columns. They may be views, but
// context must not share memory with the others.
func (a *Attention) Forward(ws *tensor.Workspace, aws *AttentionWorkspace, context, query, key, value *tensor.Tensor, queries, keys []int) {
	for len(aws.workers) < ws.Workers.Count() {
		aws.workers = append(aws.workers, headWorkspace{})
	}
	job := &aws.job
	*job = attentionJob{a, ws, aws.workers, *context, *query, *key, *value, queries, keys}
	ws.Workers.Do((len(keys)-1)*a.Heads, job)
	*job = attentionJob{} // keep nothing alive
}

// attentionJob is one call of Forward: turn i is head i % Heads of text i / Heads.
type attentionJob struct {
	*Attention
	ws                         *tensor.Workspace
	workers                    []headWorkspace
	context, query, key, value tensor.Tensor
	queries, keys              []int
}

func (j *attentionJob) Run(worker, turn int) {
	text, head := turn/j.Heads, turn%j.Heads
	q0, q1 := j.queries[text], j.queries[text+1]
	k0, k1 := j.keys[text], j.keys[text+1]
	d := j.query.Cols / j.Heads
	w := &j.workers[worker]

	key, value := part(&j.key, k0, k1, head, d), part(&j.value, k0, k1, head, d)
	n := k1 - k0
	padded := (n + asm.Best.NR - 1) / asm.Best.NR * asm.Best.NR // whole panels: no tile over the border of scores
	w.keys.Resize(d, padded)
	w.keys.SetCols(&key)
	w.values.Resize(n, d)
	w.values.SetRows(0, &value)

	scale := float32(1 / math.Sqrt(float64(d)))
	for from := q0; from < q1; from += queryBlock {
		to := min(from+queryBlock, q1)
		query, context := part(&j.query, from, to, head, d), part(&j.context, from, to, head, d)
		w.scores.Resize(to-from, padded+16) // rows that are a power of two apart would share cache sets
		scores, probs := w.scores.SliceCols(0, padded), w.scores.SliceCols(0, n)
		j.ws.MatMulSmall(worker, &scores, &query, &w.keys)
		for i := range probs.Rows {
			asm.Best.Softmax(probs.Row(i), scale)
		}
		j.ws.MatMulSmall(worker, &context, &probs, &w.values)
	}
}

// part returns rows [from, to) of the columns of one head.
func part(t *tensor.Tensor, from, to, head, d int) tensor.Tensor {
	rows := t.SliceRows(from, to)
	return rows.SliceCols(head*d, (head+1)*d)
}
