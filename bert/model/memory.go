package model

import (
	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
)

// OpenMemory returns the bytes that a model of this configuration takes while Open reads it with these options, of which Precision,
// Embeddings and Threads count (1 for 0): the weights of the encoder, and what is needed beside them meanwhile. The error is that of
// bert.New, or says that embeddings cannot be in such a precision.
func OpenMemory(config bert.Config, o *Options) (int, error) {
	e, err := bert.New(config)
	if err != nil {
		return 0, err
	}
	if err := (&Model{Encoder: e}).setPrecision(&Options{Precision: o.Precision, Embeddings: o.Embeddings}); err != nil {
		return 0, err
	}
	return e.WeightsMemory() + e.LoadMemory(max(1, o.Threads)), nil
}

// ExplainerMemory returns the bytes of the float32 kernels that an Explainer holds beside a model of this configuration; 0 where there can
// be no such model.
func ExplainerMemory(config bert.Config) int {
	m, err := bert.New(config)
	if err != nil {
		return 0
	}
	return 4 * m.KernelElements()
}

// FeaturesMemory returns the bytes that Features takes for texts: its result of the given width, and the workspaces of its passes,
// which stay with m for the next call.
func (m *Model) FeaturesMemory(texts []tokenizer.Encoding, width int) int {
	run := featuresRun{m: m, texts: texts}
	run.plan()
	passes, workspaces := 0, 0
	count := func(batches [][2]int, n, threads int) { // n passes run the batches
		if len(batches) > 0 {
			passes, workspaces = passes+n, workspaces+n*m.Encoder.FeaturesMemory(run.size(batches), threads)
		}
	}
	count(run.batches[:run.alone], min(m.threads, run.alone), 1)
	count(run.batches[run.alone:], 1, m.threads)
	windows := 0 // of a text that waits for the rest of them; each pass may hold one or two up
	for i := range texts {
		windows = max(windows, len(texts[i].Windows))
	}
	return 4*len(texts)*width + 2*passes*4*windows*width + workspaces
}

// size returns what the largest of some batches have.
func (r *featuresRun) size(batches [][2]int) (size bert.BatchSize) {
	for _, b := range batches {
		tokens := 0
		for _, s := range r.order[b[0]:b[1]] {
			n := r.length(s)
			tokens += n
			size.Longest = max(size.Longest, n)
		}
		size.Tokens, size.Texts = max(size.Tokens, tokens), max(size.Texts, b[1]-b[0])
	}
	return size
}
