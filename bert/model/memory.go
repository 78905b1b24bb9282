package model

import (
	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
)

// FeaturesMemory returns the bytes that Features takes for texts: its result of the given width, and the workspaces of its passes,
// which stay with m for the next call.
func (m *Model) FeaturesMemory(texts []tokenizer.Encoding, width int) int {
	run := featuresRun{m: m, texts: texts}
	passes, threads := 1, m.threads
	if run.plan() {
		passes, threads = m.threads, 1
	}
	var size bert.BatchSize
	for _, b := range run.batches {
		tokens := 0
		for _, t := range run.order[b[0]:b[1]] {
			tokens += len(texts[t].IDs)
			size.Longest = max(size.Longest, len(texts[t].IDs))
		}
		size.Tokens, size.Texts = max(size.Tokens, tokens), max(size.Texts, b[1]-b[0])
	}
	return 4*len(texts)*width + passes*m.Encoder.FeaturesMemory(size, threads)
}
