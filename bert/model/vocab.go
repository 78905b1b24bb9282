package model

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/internal/strictjson"
	"bertlabel/bert/tokenizer"
)

// Limits of a vocabulary, those of the tokenizer.
const (
	maxVocabBytes = 32 << 20
	maxVocabLines = 1_000_000
)

// vocabName is the vocabulary of a model folder, one token a line.
const vocabName = "vocab.txt"

// OpenTokenizer opens the tokenizer of a model without the model: of a folder, whose weights may be missing, of a checkpoint in one, or
// of a vocabulary, a file that ends in .txt. path may be empty if o names the vocabulary. Text is then read as Open's model reads it:
// as o says, else bertlabel.json, else a Hugging Face folder's own files, else as the vocabulary looks, and what was guessed is logged.
// maxSeqLength is the length that bertlabel.json says, else DefaultMaxSeqLength. Errors are those of Open; a *tokenizer.KeepError is
// one of o.KeepTokens.
func OpenTokenizer(path string, o *Options) (t *tokenizer.Tokenizer, maxSeqLength int, err error) {
	if o == nil {
		o = &Options{}
	}
	f := files{vocab: first(o.VocabFile, path)}
	if !strings.HasSuffix(path, ".txt") || isFolder(path) {
		if f, err = find(path, o, false); err != nil {
			return nil, 0, err
		}
	}
	huggingFace, err := f.huggingFace()
	if err != nil {
		return nil, 0, err
	}
	if f.vocab == "" && !(huggingFace && f.hfTokenizer != "") {
		return nil, 0, f.missing(huggingFace)
	}
	s, err := readSettings(f.settings, o)
	if err != nil {
		return nil, 0, err
	}
	maxSeqLength = DefaultMaxSeqLength
	if s != nil {
		maxSeqLength = s.MaxSeqLength
	}
	t, _, err = readTokenizer(f, o, s, huggingFace)
	return t, maxSeqLength, err
}

// huggingFace reports whether the folder is one of Hugging Face: its config says that or, where there is none, the files of a tokenizer.
func (f *files) huggingFace() (bool, error) {
	if f.config == "" {
		return f.hfTokenizer != "" || f.hfTokenizerConfig != "", nil
	}
	data, err := readFile(f.config, bert.MaxConfigBytes)
	if err != nil {
		return false, err
	}
	object, err := strictjson.Parse(data)
	if err != nil {
		return false, fmt.Errorf("config %s: %w", f.config, err)
	}
	return isHuggingFace(f.config, object), nil
}

// openTokenizer reads the tokenizer, which has to fit the configuration.
func (m *Model) openTokenizer(f files, o *Options, s *Settings, config *modelConfig) (err error) {
	if m.Tokenizer, m.vocab, err = readTokenizer(f, o, s, config.huggingFace); err != nil {
		return err
	}
	switch n := m.Tokenizer.Vocab().Size(); {
	case n > config.VocabSize:
		return fmt.Errorf("vocabulary %s: %d tokens, but vocab_size of %s is %d: they do not belong together", f.vocabulary(), n, f.config,
			config.VocabSize)
	case n < config.VocabSize:
		o.logf("vocabulary %s: %d tokens for %d rows of the word embeddings; the last rows stay unused", f.vocabulary(), n,
			config.VocabSize)
	}
	return nil
}

// readTokenizer reads the vocabulary, whose text it returns as vocab.txt has it, and settles how text is read.
func readTokenizer(f files, o *Options, s *Settings, huggingFace bool) (t *tokenizer.Tokenizer, text []byte, err error) {
	var hf hfTokenizer
	if huggingFace {
		if hf, err = readHFTokenizer(f.hfTokenizerConfig, f.hfTokenizer); err != nil {
			return nil, nil, err
		}
	}
	vocab, text, err := readVocab(f, o, &hf)
	if err != nil {
		return nil, nil, err
	}
	options := hf.options
	if s != nil {
		options = s.tokenizerOptions()
	}
	if o.KeepTokens != nil {
		options.KeepTokens = o.KeepTokens
	}
	options.LowerCase = lowerCase(f, o, s, hf.lower, vocab)
	if t, err = tokenizer.New(vocab, canonical(options)); err != nil {
		return nil, nil, fmt.Errorf("vocabulary %s: %w", f.vocabulary(), err)
	}
	return t, text, nil
}

// readVocab reads vocab.txt, or the vocabulary of tokenizer.json, and completes it by the tokens that hf adds.
func readVocab(f files, o *Options, hf *hfTokenizer) (vocab *tokenizer.Vocab, text []byte, err error) {
	switch {
	case o.Vocab != nil:
		if text, err = io.ReadAll(io.LimitReader(o.Vocab, maxVocabBytes+1)); err != nil { // ReadVocab refuses what is longer
			err = fmt.Errorf("vocabulary %s: %w", f.vocab, err)
		}
	case f.vocab != "":
		text, err = readFile(f.vocab, maxVocabBytes)
	default:
		if text, err = hf.vocabText(); err != nil {
			err = fmt.Errorf("%s: %w", f.hfTokenizer, err)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	if vocab, err = tokenizer.ReadVocab(bytes.NewReader(text), f.vocabulary()); err != nil {
		return nil, nil, err
	}
	if hf.vocab != nil && o.VocabFile == "" && o.Vocab == nil {
		err = hf.checkVocab(vocab)
	}
	before := len(text)
	if err == nil {
		text, err = hf.addTokens(text, vocab)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", first(f.hfTokenizer, f.hfTokenizerConfig), err)
	}
	if len(text) > before {
		vocab, err = tokenizer.ReadVocab(bytes.NewReader(text), f.vocabulary())
	}
	return vocab, text, err
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
