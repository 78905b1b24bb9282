package tokenizer

import (
	"iter"
	"unicode/utf8"
)

// GoogleMaxWordChars is max_input_chars_per_word of tokenization.py. Hugging Face's tokenizers have 100.
const GoogleMaxWordChars = 200

// scratch is the working memory of one goroutine.
type scratch struct {
	word     []byte // a white-space word, folded
	runes    []rune // the same before folding; filled, as what follows, on the path over code points
	lowered  []rune
	stripped []rune
	ids      []int32
	segments []int32
}

// basicTokens yields the basic tokens of a text in order, each as bytes that are valid until the next one, or as one of the tokens that are
// kept whole.
func (t *Tokenizer) basicTokens(s *scratch, text string) iter.Seq2[[]byte, *wholeToken] {
	return func(yield func([]byte, *wholeToken) bool) {
		for at := 0; ; {
			start, end, whole := t.raw.next(text, at)
			if !t.between(s, text[at:start], yield) || whole == nil || !yield(nil, whole) {
				return
			}
			at = end
		}
	}
}

// between yields the tokens of what stands between those that were found in the text as it was given; false ends it.
func (t *Tokenizer) between(s *scratch, text string, yield func([]byte, *wholeToken) bool) bool {
	if len(t.folded.list) == 0 {
		return t.words(s, text, yield)
	}
	text = string(t.foldText(s, text, nil))
	for at := 0; ; {
		start, end, whole := t.folded.next(text, at)
		if !t.words(s, text[at:start], yield) {
			return false
		}
		if whole == nil {
			return true
		}
		if !yield(nil, whole) {
			return false
		}
		at = end
	}
}

// words yields the basic tokens of a text without tokens that are kept whole; false ends it.
func (t *Tokenizer) words(s *scratch, text string, yield func([]byte, *wholeToken) bool) bool {
	for text != "" {
		text = t.nextWord(s, text)
		for word := s.word; len(word) > 0; {
			var token []byte
			if token, word = t.nextToken(word); !yield(token, nil) {
				return false
			}
		}
	}
	return true
}

// newASCII returns what nextWord does with each byte: the byte that it stands for in a folded word, a space for white space, or 0
// where only the path over code points knows: control characters and parts of longer UTF-8 sequences.
func newASCII(classes []class, lower bool) (table [256]byte) {
	for c := range byte(utf8.RuneSelf) {
		switch {
		case classes[c]&space != 0:
			table[c] = ' '
		case classes[c]&dropped == 0:
			table[c] = c
			if lower && 'A' <= c && c <= 'Z' {
				table[c] = c - 'A' + 'a'
			}
		}
	}
	return table
}

// nextWord sets s.word to the first white-space word of text, cleaned and folded, and returns the text after it. The word is
// empty if there is none, or if nothing was left of it.
func (t *Tokenizer) nextWord(s *scratch, text string) (rest string) {
	for text != "" && t.ascii[text[0]] == ' ' {
		text = text[1:]
	}
	s.word = s.word[:0]
	for i := range len(text) {
		switch c := t.ascii[text[i]]; c {
		default:
			s.word = append(s.word, c)
		case ' ':
			return text[i:]
		case 0:
			return t.nextUnicodeWord(s, text)
		}
	}
	return ""
}

// nextUnicodeWord is nextWord for any text: _clean_text, _tokenize_chinese_chars, split, then lower and _run_strip_accents.
func (t *Tokenizer) nextUnicodeWord(s *scratch, text string) (rest string) {
	s.runes = s.runes[:0]
	for text != "" {
		r, n := utf8.DecodeRuneInString(text) // U+FFFD, which is dropped, for a byte that is not UTF-8
		class := t.classes[r]
		alone := class&ideograph != 0 && t.splitChinese
		if (class&space != 0 || alone) && len(s.runes) > 0 {
			break
		}
		text = text[n:]
		if class&(dropped|space) == 0 {
			s.runes = append(s.runes, r)
		}
		if alone {
			break
		}
	}
	t.fold(s)
	return text
}

// fold sets s.word from s.runes: lower-cased, then taken apart (NFD) and without category Mn.
func (t *Tokenizer) fold(s *scratch) {
	word := s.runes
	if t.lower {
		s.lowered = appendLower(s.lowered[:0], word)
		word = s.lowered
	}
	if t.strip {
		s.stripped = appendStripped(s.stripped[:0], word, t.classes)
		word = s.stripped
	}
	s.word = s.word[:0]
	for _, r := range word {
		s.word = utf8.AppendRune(s.word, r)
	}
}

// nextToken cuts the first basic token off a folded word that is not empty: one punctuation character, or all that stands before
// the first (_run_split_on_punc).
func (t *Tokenizer) nextToken(word []byte) (token, rest []byte) {
	for i := 0; i < len(word); {
		r, n := utf8.DecodeRune(word[i:])
		if t.classes[r]&punct != 0 {
			if i == 0 {
				i = n
			}
			return word[:i], word[i:]
		}
		i += n
	}
	return word, nil
}
