package model

import (
	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
)

// Pass runs batches of one encoder, one after the other, in memory that it keeps: in the steady state a batch allocates nothing. It is
// not for concurrent use; several passes of one model may run at once. This is the engine below Features, for a caller who settles
// which texts go together and on which threads: a server's scheduler.
type Pass struct {
	encoder  *bert.Model
	threads  int
	ws       *bert.Workspace
	batch    bert.Batch
	features tensor.Tensor // of featuresRun
	places   []bert.FrozenPlace
}

// NewPass returns a pass on so many threads: the caller's, and others that sleep between batches. 1 starts no goroutine; 0 stands for
// m.Threads().
func (m *Model) NewPass(threads int) *Pass {
	if threads <= 0 {
		threads = m.threads
	}
	var workers *tensor.Workers
	if threads > 1 {
		workers = tensor.NewWorkers(threads)
	}
	return &Pass{encoder: m.Encoder, threads: threads, ws: bert.NewWorkspace(workers)}
}

// Features writes the feature of texts[i] to dst.Row(i). All texts go in one batch; a row has the bits that it has alone, on any
// number of threads. dst is [len(texts), width] (Encoder.PoolingWidth) and may be a view; another shape panics. Neither dst nor the
// texts are kept. Rows of broken weights have NaN or infinities and are no error: ScoreRow and tensor.NotFinite find them. The error is
// that of the pooling, or says what is wrong with a row of tokens; then nothing of dst is set. A panic on another thread comes to
// the caller as a *parallel.Panic; the pass can be used after a panic.
func (p *Pass) Features(dst *tensor.Tensor, texts []tokenizer.Encoding, pooling bert.Pooling) error {
	p.batch.Reset()
	for i := range texts {
		AppendTo(&p.batch, &texts[i])
	}
	return p.run(dst, pooling)
}

// run is Features for the texts of p.batch.
func (p *Pass) run(dst *tensor.Tensor, pooling bert.Pooling) error {
	return p.encoder.Features(p.ws, dst, &p.batch, pooling)
}

// Memory returns the bytes that the pass holds once it has run batches of at most so many tokens and sequences (texts, or their windows),
// the longest of them of longest tokens.
func (p *Pass) Memory(tokens, texts, longest int) int {
	batch := 2*4*tokens + 8*(texts+1)
	return batch + p.encoder.FeaturesMemory(bert.BatchSize{Tokens: tokens, Texts: texts, Longest: longest}, p.threads)
}

// EncodeOne tokenises one text on the caller's goroutine, as Encode does; Encoding.Cut counts the tokens left out.
func (m *Model) EncodeOne(t Text) tokenizer.Encoding {
	return m.Tokenizer.EncodeWindows(t.A, t.B, m.MaxSeqLength, m.Windows)
}

// ScoreRow runs the head, which the model must have, on one feature, [width], and sets logits and probabilities, both [labels], to the
// bits that Score gives the row. With NoisyOr the feature of a text of several windows is that of each window, one after the other,
// [windows·width]; for all others it allocates nothing. The error, a *FeatureError or a *LogitError with Text 0, is about this row only;
// slices of other lengths panic.
func (m *Model) ScoreRow(feature []float32, logits, probabilities []float32) error {
	if j := tensor.NotFinite(feature); j >= 0 {
		return &FeatureError{Feature: j, Value: feature[j]}
	}
	if width := m.Head.Weights.Shape[1]; m.noisyOr() && len(feature) > 0 && len(feature)%width == 0 {
		m.scoreRow(feature, logits, probabilities)
	} else {
		m.Head.ScoreRow(logits, probabilities, feature)
	}
	if j := tensor.NotFinite(logits); j >= 0 {
		return &LogitError{Label: m.Labels[j], Logit: logits[j]}
	}
	return nil
}
