package model

import (
	"bytes"
	"fmt"
	"path/filepath"

	"bertlabel/bert/tokenizer"
)

// Limits of a vocabulary, those of the tokenizer.
const (
	maxVocabBytes = 32 << 20
	maxVocabLines = 1_000_000
)

// openTokenizer reads the vocabulary and settles how text is read.
func (m *Model) openTokenizer(f files, o *Options, s *Settings, config *modelConfig) (err error) {
	var hf hfTokenizer
	if config.huggingFace {
		if hf, err = readHFTokenizer(f.hfTokenizerConfig, f.hfTokenizer); err != nil {
			return err
		}
	}
	vocab, err := m.openVocab(f, o, &hf)
	if err != nil {
		return err
	}
	switch n := vocab.Size(); {
	case n > config.VocabSize:
		return fmt.Errorf("vocabulary %s: %d tokens, but vocab_size of %s is %d: they do not belong together", f.vocabulary(), n, f.config, config.VocabSize)
	case n < config.VocabSize:
		o.logf("vocabulary %s: %d tokens for %d rows of the word embeddings; the last rows stay unused", f.vocabulary(), n, config.VocabSize)
	}
	options := hf.options
	if s != nil {
		options = s.tokenizerOptions()
	}
	if o.KeepTokens != nil {
		options.KeepTokens = o.KeepTokens
	}
	options.LowerCase = lowerCase(f, o, s, hf.lower, vocab)
	if m.Tokenizer, err = tokenizer.New(vocab, canonical(options)); err != nil {
		return fmt.Errorf("vocabulary %s: %w", f.vocabulary(), err)
	}
	return nil
}

// openVocab reads vocab.txt, or the vocabulary of tokenizer.json, and completes it by the tokens that hf adds.
func (m *Model) openVocab(f files, o *Options, hf *hfTokenizer) (vocab *tokenizer.Vocab, err error) {
	if f.vocab != "" {
		m.vocab, err = readFile(f.vocab, maxVocabBytes)
	} else if m.vocab, err = hf.vocabText(); err != nil {
		err = fmt.Errorf("%s: %w", f.hfTokenizer, err)
	}
	if err != nil {
		return nil, err
	}
	if vocab, err = tokenizer.ReadVocab(bytes.NewReader(m.vocab), f.vocabulary()); err != nil {
		return nil, err
	}
	if hf.vocab != nil && o.VocabFile == "" {
		err = hf.checkVocab(vocab)
	}
	before := len(m.vocab)
	if err == nil {
		m.vocab, err = hf.addTokens(m.vocab, vocab)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", first(f.hfTokenizer, f.hfTokenizerConfig), err)
	}
	if len(m.vocab) == before {
		return vocab, nil
	}
	return tokenizer.ReadVocab(bytes.NewReader(m.vocab), f.vocabulary())
}

// canonical leaves out of options what is said by default, so that what is the same looks the same.
func canonical(o tokenizer.Options) tokenizer.Options {
	if o.StripAccents != nil && *o.StripAccents == o.LowerCase {
		o.StripAccents = nil
	}
	if o.TokenizeChinese != nil && *o.TokenizeChinese {
		o.TokenizeChinese = nil
	}
	if o.MaxWordChars == tokenizer.GoogleMaxWordChars {
		o.MaxWordChars = 0
	}
	return o
}

// lowerCase returns do_lower_case: what the caller says, else what the model's own settings say, else a guess, which is logged.
func lowerCase(f files, o *Options, s *Settings, hf *bool, vocab *tokenizer.Vocab) bool {
	switch {
	case o.LowerCase != nil:
		return *o.LowerCase
	case s != nil:
		return s.DoLowerCase
	case hf != nil:
		return *hf
	}
	path, err := filepath.Abs(f.vocabulary())
	if err != nil {
		path = f.vocabulary()
	}
	lower, why := tokenizer.GuessLowerCase(vocab, path)
	o.logf("do_lower_case is %t, guessed %s", lower, why)
	return lower
}
