// Package bert is the transformer encoder of BERT (Devlin et al. 2019, arXiv:1810.04805), as google-research/bert's
// modeling.py computes it. It opens no files: Load takes a function that reads one variable.
//
// The formulas, for one text of S tokens; H is hidden_size, A the number of heads, D = H/A:
//
//	e       = LayerNorm(word[ids] + token_type[segments] + position[0…S))        embeddings.go; all three learned
//	x₀      = e
//	q, k, v = x·Wq + bq, x·Wk + bk, x·Wv + bv, each cut into A heads             layer.go, layers/attention.go
//	context = softmax(q·kᵀ/√D)·v, heads joined                                   multi-head attention
//	a       = LayerNorm(context·Wo + bo + x)                                     layer.go; + x is the residual connection
//	xₙ₊₁    = LayerNorm(act(a·Wi + bi)·Wf + bf + a)                              the feed-forward network (FFN)
//	pooled  = tanh(x[0]·Wp + bp)                                                 pooler.go
//
// A batch is the tokens of all its texts, one row each, without padding; offsets say where a text begins. Dense layers see
// rows, only attention sees texts.
//
// Read first bert/plain, which computes the same for one text and in plain loops, and which the tests hold this package to; then batch.go,
// Forward in model.go, embeddings.go, and layer.go from Forward to afterQKV. config.go has the sizes, weights.go the weights in memory.
// The guide, docs/guide, goes this way with words.
//
// With SetPrecision (precision.go) the products of the layers are those of bf16 or int8.
//
// A Trainer (trainer.go) runs the same formulas with dropout, and backwards: the types …Training keep what that needs, one for each
// part, in the part's file.
package bert
