package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// AddedToken is a token that is looked for in a text before the text is cut into words: what Hugging Face's tokenizers, src/tokenizer/
// added_vocabulary.rs, call by the same names. WordPiece knows it only if the vocabulary has it too.
type AddedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word,omitempty"` // not where a letter, digit, mark or underscore stands beside it
	LStrip     bool   `json:"lstrip,omitempty"`      // takes the white space before it
	RStrip     bool   `json:"rstrip,omitempty"`      // takes the white space after it
	Normalized bool   `json:"normalized,omitempty"`  // is folded, and looked for in the text as it is folded
	Special    bool   `json:"special,omitempty"`     // such as [SEP]; it is found like any other
}

// wholeToken is a token that is kept whole, with what it is looked for as.
type wholeToken struct {
	AddedToken
	pattern string
}

// wholeTokens are looked for together: where two begin at the same place, the longer one is taken.
type wholeTokens struct {
	list  []wholeToken // the longest patterns first
	first string       // the characters they begin with
}

func newWholeTokens(list []wholeToken) (w wholeTokens) {
	w.list = list
	slices.SortStableFunc(w.list, func(a, b wholeToken) int { return len(b.pattern) - len(a.pattern) })
	for _, token := range list {
		if r, _ := utf8.DecodeRuneInString(token.pattern); !strings.ContainsRune(w.first, r) {
			w.first += string(r)
		}
	}
	return w
}

// next returns the first token at or after a place in a text, and the bytes [start, end) that it takes; without one nil, and the end of the
// text twice.
func (w *wholeTokens) next(text string, from int) (start, end int, token *wholeToken) {
	if len(w.list) == 0 {
		return len(text), len(text), nil
	}
	for at := from; ; {
		n := strings.IndexAny(text[at:], w.first)
		if n < 0 {
			return len(text), len(text), nil
		}
		at += n
		i := slices.IndexFunc(w.list, func(t wholeToken) bool { return strings.HasPrefix(text[at:], t.pattern) })
		if i < 0 {
			at++
			continue
		}
		token, start, end = &w.list[i], at, at+len(w.list[i].pattern)
		if token.SingleWord && (endsInWord(text[:start]) || beginsWithWord(text[end:])) {
			at = end // nor is a shorter one taken there
			continue
		}
		if token.LStrip {
			start = max(from, len(strings.TrimRightFunc(text[:start], unicode.IsSpace)))
		}
		if token.RStrip {
			end = len(text) - len(strings.TrimLeftFunc(text[end:], unicode.IsSpace))
		}
		return start, end, token
	}
}

func endsInWord(text string) bool {
	r, n := utf8.DecodeLastRuneInString(text)
	return n > 0 && isWordRune(r)
}

func beginsWithWord(text string) bool {
	r, n := utf8.DecodeRuneInString(text)
	return n > 0 && isWordRune(r)
}

// isWordRune is \w of Rust's regex: Alphabetic, marks, decimal digits, connecting punctuation and join controls (UTS 18, annex C).
func isWordRune(r rune) bool {
	return unicode.In(r, unicode.L, unicode.Nl, unicode.M, unicode.Nd, unicode.Pc, unicode.Other_Alphabetic) || r == 0x200c || r == 0x200d
}

// addTokens settles the tokens that are kept whole.
func (t *Tokenizer) addTokens() error {
	if err := checkAdded(t.vocab, t.options.Added); err != nil {
		return err
	}
	raw, err := keepTokens(t.vocab, t.options.KeepTokens, t.options.Added)
	if err != nil {
		return err
	}
	t.size = t.vocab.Size()
	var folded []wholeToken
	for _, a := range t.options.Added {
		t.size = max(t.size, int(a.ID)+1)
		switch {
		case slices.Contains(t.options.KeepTokens, a.Content):
		case !a.Normalized:
			raw = append(raw, wholeToken{a, a.Content})
		default:
			if pattern := t.foldText(new(scratch), a.Content, nil); len(pattern) > 0 {
				folded = append(folded, wholeToken{a, string(pattern)})
			}
		}
	}
	t.raw, t.folded = newWholeTokens(raw), newWholeTokens(folded)
	return nil
}

// AddedError says that a token of Options.Added does not go with the vocabulary or the others.
type AddedError struct {
	Token   AddedToken
	Problem string
}

func (e *AddedError) Error() string {
	return fmt.Sprintf("added token %.80q %s", e.Token.Content, e.Problem)
}

// checkAdded refuses tokens that do not go with the vocabulary, or with each other.
func checkAdded(v *Vocab, added []AddedToken) error {
	for i, a := range added {
		id, known := v.ID(a.Content)
		problem := ""
		switch {
		case a.Content == "" || strings.TrimSpace(a.Content) != a.Content:
			problem = "is empty, or has white space round it"
		case !utf8.ValidString(a.Content):
			problem = "is not UTF-8"
		case known && id != a.ID:
			problem = fmt.Sprintf("has id %d, but id %d in the vocabulary", a.ID, id)
		case !known && (int(a.ID) < v.Size() || a.ID >= maxVocabLines):
			problem = fmt.Sprintf("has id %d, expected one beyond the %d of the vocabulary", a.ID, v.Size())
		case slices.ContainsFunc(added[:i], func(b AddedToken) bool { return b.ID == a.ID || b.Content == a.Content }):
			problem = fmt.Sprintf("or its id %d comes twice", a.ID)
		}
		if problem != "" {
			return &AddedError{a, problem}
		}
	}
	return nil
}

// foldedSpan is a word of a text, the bytes [start, end), and the bytes [from, to) that it has become.
type foldedSpan struct{ start, end, from, to int }

// foldText returns a text as BertNormalizer of Hugging Face's tokenizers does, cleaned, with spaces round ideographs, and folded: what
// nextWord makes of the words, with the white space between them. spans, unless nil, gets the words.
func (t *Tokenizer) foldText(s *scratch, text string, spans *[]foldedSpan) (folded []byte) {
	for at := 0; at < len(text); {
		if r, n := utf8.DecodeRuneInString(text[at:]); t.classes[r]&space != 0 {
			folded = append(folded, ' ')
			at += n
			continue
		}
		start := at
		at = len(text) - len(t.nextUnicodeWord(s, text[at:]))
		alone := len(s.runes) == 1 && t.classes[s.runes[0]]&ideograph != 0 && t.splitChinese
		if alone {
			folded = append(folded, ' ')
		}
		from := len(folded)
		if folded = append(folded, s.word...); spans != nil && len(s.word) > 0 {
			*spans = append(*spans, foldedSpan{start, at, from, len(folded)})
		}
		if alone {
			folded = append(folded, ' ')
		}
	}
	return folded
}
