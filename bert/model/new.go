package model

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"

	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
)

// New returns a model with random weights, as BERT is before pre-training (modeling.py, initializer_range): for demonstrations
// and benchmarks. vocab is the contents of vocab.txt, with at most config.VocabSize lines. The weights depend on seed alone. It has
// no head. Of o, LowerCase (nil: false), KeepTokens, Threads, Precision, Embeddings and Log count.
func New(config bert.Config, vocab []byte, seed uint64, o *Options) (*Model, error) {
	if o == nil {
		o = &Options{}
	}
	m := &Model{threads: o.Threads, vocab: vocab, MaxSeqLength: min(DefaultMaxSeqLength, config.MaxPositionEmbeddings)}
	if m.threads <= 0 {
		m.threads = runtime.GOMAXPROCS(0)
	}
	v, err := tokenizer.ReadVocab(bytes.NewReader(vocab), "vocab.txt")
	if err != nil {
		return nil, err
	}
	if v.Size() > config.VocabSize {
		return nil, fmt.Errorf("vocabulary of %d tokens for vocab_size %d", v.Size(), config.VocabSize)
	}
	if m.Tokenizer, err = tokenizer.New(v,
		tokenizer.Options{LowerCase: o.LowerCase != nil && *o.LowerCase, KeepTokens: o.KeepTokens}); err != nil {
		return nil, err
	}
	if m.Encoder, err = bert.New(config); err != nil {
		return nil, err
	}
	if err := m.setPrecision(o); err != nil {
		return nil, err
	}
	m.Encoder.Init(rand.New(rand.NewPCG(seed, 0)))
	return m, nil
}
