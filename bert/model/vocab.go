package model

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
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
// lengths is what bertlabel.json says of them, else one row of DefaultMaxSeqLength. Errors are those of Open; a *tokenizer.KeepError is
// one of o.KeepTokens.
func OpenTokenizer(path string, o *Options) (t *tokenizer.Tokenizer, lengths tokenizer.Lengths, err error) {
	if o == nil {
		o = &Options{}
	}
	if isZip(path) {
		return openZipTokenizer(path, o)
	}
	f := files{vocab: first(o.VocabFile, path)}
	if !strings.HasSuffix(path, ".txt") || isFolder(path) {
		if f, err = find(path, o, false); err != nil {
			return nil, lengths, err
		}
	}
	huggingFace, err := f.huggingFace()
	if err != nil {
		return nil, lengths, err
	}
	if f.vocab == "" && !(huggingFace && f.hfTokenizer != "") {
		return nil, lengths, f.missing(huggingFace)
	}
	s, err := readSettings(f.settings, o)
	if err != nil {
		return nil, lengths, err
	}
	lengths.MaxSeqLength = DefaultMaxSeqLength
	if s != nil {
		lengths.MaxSeqLength = s.MaxSeqLength
		lengths.Windows, _ = s.windows() // readSettings has checked it
	}
	t, _, limit, err := readTokenizer(f, o, s, huggingFace)
	if s == nil && limit > 0 {
		lengths.MaxSeqLength = min(lengths.MaxSeqLength, limit)
	}
	return t, lengths, err
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

// lostLines is how many tokens a vocabulary may not lack: an embedding with rows to spare, such as one that is padded to a multiple of 8,
// has
// more of them.
const lostLines = 2

// linesOf counts the lines of a vocabulary, blank ones at its end too.
func linesOf(text []byte) int {
	return bytes.Count(bytes.TrimSuffix(text, []byte("\n")), []byte("\n")) + 1
}

// openTokenizer reads the tokenizer, which has to fit the configuration.
func (m *Model) openTokenizer(f files, o *Options, s *Settings, config *modelConfig) (err error) {
	limit := 0
	if m.Tokenizer, m.vocab, limit, err = readTokenizer(f, o, s, config.huggingFace); err != nil {
		return err
	}
	if s == nil && limit > 0 {
		m.MaxSeqLength = min(m.MaxSeqLength, limit)
	}
	// Where ids are given one by one, a vocabulary is as long as it is; else each is the number of a line, and none may be missing.
	explicit := config.huggingFace && f.hfTokenizer != "" && o.VocabFile == "" || s != nil && len(s.AddedTokens) > 0
	pad, known := m.Tokenizer.Vocab().ID("[PAD]")
	switch n := m.Tokenizer.Size(); {
	case known && config.pad >= 0 && int(pad) != config.pad:
		return fmt.Errorf("vocabulary %s: [PAD] has id %d, but pad_token_id of %s is %d: lines are missing or too many", f.vocabulary(), pad,
			f.config, config.pad)
	case !explicit && n < config.VocabSize && n >= config.VocabSize-lostLines && linesOf(m.vocab) < config.VocabSize:
		return fmt.Errorf("vocabulary %s: %d tokens, but vocab_size of %s is %d: a line or two are missing, and the tokens behind them have "+
			"wrong ids", f.vocabulary(), n, f.config, config.VocabSize)
	case n > config.VocabSize:
		return fmt.Errorf("vocabulary %s: %d tokens, but vocab_size of %s is %d: they do not belong together", f.vocabulary(), n, f.config,
			config.VocabSize)
	case n < config.VocabSize:
		o.logf("vocabulary %s: %d tokens for %d rows of the word embeddings; the last rows stay unused", f.vocabulary(), n,
			config.VocabSize)
	}
	return nil
}

// readTokenizer reads the vocabulary, whose text it returns as vocab.txt has it, and settles how text is read. limit is the
// model_max_length of a
// Hugging Face folder, 0 for none.
func readTokenizer(f files, o *Options, s *Settings, huggingFace bool) (t *tokenizer.Tokenizer, text []byte, limit int, err error) {
	var hf hfTokenizer
	if huggingFace {
		if hf, err = readHFTokenizer(f); err != nil {
			return nil, nil, 0, err
		}
	}
	vocab, text, err := readVocab(f, o, &hf)
	if err != nil {
		return nil, nil, 0, err
	}
	options := hf.options
	if s != nil {
		options = s.tokenizerOptions()
	}
	if huggingFace { // which its own files say, as transformers reads them
		options.Added, options.TruncateLeft = hf.options.Added, hf.options.TruncateLeft
	}
	if o.KeepTokens != nil {
		options.KeepTokens = o.KeepTokens
	}
	options.Added = slices.DeleteFunc(slices.Clone(options.Added), func(a tokenizer.AddedToken) bool {
		id, known := vocab.ID(a.Content)
		return known && id == a.ID && slices.Contains(options.KeepTokens, a.Content)
	})
	options.LowerCase = lowerCase(f, o, s, hf.lower, vocab)
	t, err = tokenizer.New(vocab, canonical(options))
	if added := new(tokenizer.AddedError); errors.As(err, &added) {
		from := f.settings
		if huggingFace {
			from = cmp.Or(f.hfTokenizer, f.hfAddedTokens, f.hfTokenizerConfig)
		}
		return nil, nil, 0, fmt.Errorf("%s: %w", from, err)
	}
	if err != nil {
		return nil, nil, 0, fmt.Errorf("vocabulary %s: %w", f.vocabulary(), err)
	}
	return t, text, hf.limit, nil
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
		more, err := hf.checkVocab(vocab)
		if err == nil && more { // WordPiece is not to know the tokens that were added
			if text, err = hf.vocabText(); err == nil {
				vocab, err = tokenizer.ReadVocab(bytes.NewReader(text), f.vocabulary())
			}
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", f.hfTokenizer, err)
		}
	}
	hf.addTokens(vocab)
	return vocab, text, nil
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
