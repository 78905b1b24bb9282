package tokenizer

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a vocabulary. The largest WordPiece vocabulary in use (LaBSE) has 501,153 lines and 5 MB. The trie takes 8 bytes for
// each distinct prefix of a token: half a megabyte for BERT-Base, some 300 MB for the worst 32 MiB.
const (
	maxVocabBytes = 32 << 20
	maxVocabLines = 1_000_000
	maxTokenBytes = 1024
)

// The tokens that every row is made of. Padding is id 0 whatever the vocabulary holds there, as in run_classifier.py, so
// [PAD] is not among them.
const (
	unkToken = "[UNK]"
	clsToken = "[CLS]"
	sepToken = "[SEP]"
)

// Vocab maps tokens to ids and back. It is read-only and safe for concurrent use.
type Vocab struct {
	tokens []string // by id
	trie   trie
}

// ReadVocab reads a vocabulary file, one token a line, as load_vocab of tokenization.py does: white space round the token is
// stripped (Python's str.strip), the id is the line number from 0, and of equal lines the last gives the id. LF and CRLF both
// end a line, with or without one at the end of the file. A blank line takes its id and stands for no token.
//
// The error names file (as given in name) and line: for a file that is empty, over 32 MiB or 1,000,000 lines, starts with a byte
// order mark (Python would make it part of the first token), is not UTF-8, has a carriage return inside a line or a token over
// 1,024 bytes, or lacks [UNK], [CLS] or [SEP]. [PAD] may be absent: padding is id 0.
func ReadVocab(r io.Reader, name string) (*Vocab, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxVocabBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("vocabulary %s: %w", name, err)
	case len(data) > maxVocabBytes:
		return nil, fmt.Errorf("vocabulary %s: larger than %d MiB", name, maxVocabBytes>>20)
	}
	var tokens []string
	for line := range strings.Lines(string(data)) {
		token := strings.TrimFunc(line, isPythonSpace)
		err := checkToken(token)
		switch {
		case err == nil && len(tokens) == 0 && strings.HasPrefix(token, "\ufeff"):
			err = errors.New("starts with a byte order mark, which would become part of the first token: save the file without it")
		case err == nil && strings.Contains(token, "\r"):
			err = errors.New("carriage return inside the line, expected LF or CRLF line ends")
		case err == nil && len(tokens) == maxVocabLines:
			err = fmt.Errorf("more than %d lines", maxVocabLines)
		}
		if err != nil {
			return nil, fmt.Errorf("vocabulary %s:%d: %w", name, len(tokens)+1, err)
		}
		tokens = append(tokens, token)
	}
	v, err := newVocab(tokens)
	if err != nil {
		return nil, fmt.Errorf("vocabulary %s: %w", name, err)
	}
	return v, nil
}

// NewVocab makes a vocabulary of tokens in the order of their ids; it keeps the slice. An empty string stands for no token, of
// equal tokens the last gives the id. Errors as for [ReadVocab], with the id in place of the line.
func NewVocab(tokens []string) (*Vocab, error) {
	if len(tokens) > maxVocabLines {
		return nil, fmt.Errorf("vocabulary: %d tokens, at most %d", len(tokens), maxVocabLines)
	}
	total := 0
	for id, token := range tokens {
		if err := checkToken(token); err != nil {
			return nil, fmt.Errorf("vocabulary: token of id %d: %w", id, err)
		}
		total += len(token)
	}
	if total > maxVocabBytes {
		return nil, fmt.Errorf("vocabulary: %d bytes of tokens, at most %d MiB", total, maxVocabBytes>>20)
	}
	v, err := newVocab(tokens)
	if err != nil {
		return nil, fmt.Errorf("vocabulary: %w", err)
	}
	return v, nil
}

// checkToken says why a token cannot be in a vocabulary, or nil.
func checkToken(token string) error {
	if len(token) > maxTokenBytes {
		return fmt.Errorf("token of %d bytes, at most %d", len(token), maxTokenBytes)
	}
	if !utf8.ValidString(token) {
		return fmt.Errorf("not UTF-8: %q", token)
	}
	return nil
}

// newVocab indexes tokens that have passed the checks.
func newVocab(tokens []string) (*Vocab, error) {
	for len(tokens) > 0 && tokens[len(tokens)-1] == "" {
		tokens = tokens[:len(tokens)-1] // blank lines at the end are not part of the vocabulary's size
	}
	if len(tokens) == 0 {
		return nil, errors.New("empty")
	}
	v := &Vocab{tokens: tokens, trie: newTrie(tokens)}
	var missing []string
	for _, special := range []string{unkToken, clsToken, sepToken} {
		if _, ok := v.ID(special); !ok {
			missing = append(missing, special)
		}
	}
	if missing != nil {
		return nil, fmt.Errorf("no line %s among its %d lines: not a BERT vocabulary", strings.Join(missing, ", "), len(tokens))
	}
	return v, nil
}

// Size returns the number of ids, V at the least for a model with this vocabulary: one more than the largest id of a token.
func (v *Vocab) Size() int { return len(v.tokens) }

// ID returns the id of a token, and whether there is one.
func (v *Vocab) ID(token string) (int32, bool) { return v.trie.find(token) }

// Token returns the token of an id in [0, Size): "" for a blank line.
func (v *Vocab) Token(id int32) string { return v.tokens[id] }

// Cased reports whether some token, bracketed ones like [CLS] apart, holds an upper-case letter: the vocabulary then comes from text
// that was not lower-cased. Letters that lower-casing leaves alone do not count, such as ℝ of Google's uncased vocabularies.
func (v *Vocab) Cased() bool {
	return v.share(func(r rune) bool { return unicode.ToLower(r) != r }) > 0
}

// CasedShare returns the share of the ids whose token, bracketed ones apart, holds an upper-case letter by Unicode: about a third of
// BERT's cased vocabularies. Of the uncased it is a few letters, such as ℝ, that Cased leaves out as they have no lower case.
func (v *Vocab) CasedShare() float64 { return v.share(unicode.IsUpper) }

// share returns the share of the ids whose token, bracketed ones apart, holds a character of that kind.
func (v *Vocab) share(is func(rune) bool) float64 {
	n := 0
	for _, token := range v.tokens {
		if !strings.HasPrefix(token, "[") && strings.ContainsFunc(token, is) {
			n++
		}
	}
	return float64(n) / float64(len(v.tokens))
}

// casedName is the word by which folders and files tell what the vocabulary was made of: multi_cased_L-12_H-768_A-12.
var casedName = regexp.MustCompile(`(?i)(?:^|[^a-z])(un)?cased(?:[^a-z]|$)`)

// GuessLowerCase guesses do_lower_case of a vocabulary from the file's path: by the word "uncased" or "cased" in the name of the
// file or of the nearest folder that has either, else by v.Cased(). why says so, for a message.
func GuessLowerCase(v *Vocab, path string) (lower bool, why string) {
	for path = filepath.Clean(path); ; path = filepath.Dir(path) {
		name := filepath.Base(path)
		if match := casedName.FindStringSubmatch(name); match != nil {
			return match[1] != "", fmt.Sprintf("by the name %q", name)
		}
		if path == filepath.Dir(path) {
			break
		}
	}
	if v.Cased() {
		return false, "because the vocabulary has upper-case letters"
	}
	return true, "because the vocabulary has no upper-case letters"
}
