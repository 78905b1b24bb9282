// Package queue decides which texts of which requests a server's cores work on next. It knows tokens and bert/model, and no HTTP.
//
//	q := queue.New(queue.Options{Threads: 2})
//	target, err := q.NewTarget(queue.Encoder(m, m.Pooling))
//	result, err := q.Do(ctx, queue.Request{Target: target, Flow: key, Texts: texts})
//	err = m.ScoreRow(result.Features.Row(0), logits, probabilities)
//
// The unit is one text, or one window of a long one (model.Separate; the caller joins them). A pass takes no padding and a text has the
// same bits in every batch, so there is no reason to wait for company: an idle core takes what is there. What forms while the cores are
// busy is the next batch, and batches are kept small, since nothing that arrives can interrupt one. docs/serve.md has the policy with its
// reasons and what is tested; the formulas stand beside the code:
//
//	which class and which texts  pick.go     interactive before bulk, bulk at least a tenth; B = clamp(waiting/threads, 64, Bmax)
//	fair between flows           fair.go     start-time fair queueing: S = max(v, F of the flow), F = S + tokens/weight
//	how long a pass takes        cost.go     T = b + a·tokens + c·Σ length², corrected by what passes take; Bmax = 32·b/a
//	who is refused               admit.go    the estimated wait for the work ahead is over MaxWait; or too much bulk work waits
//	what runs                    worker.go   a batch that fails runs again text by text; work.go: other work in its turn
//	what need not run            cache.go    features by the ids of their texts; budget.go bounds the bytes of requests
//
// Read queue.go first.
package queue
