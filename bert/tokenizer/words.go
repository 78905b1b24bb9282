package tokenizer

import (
	"slices"
	"unicode/utf8"
)

// Word is a part of a text with the word pieces that stand for it: what a reader takes for one word or one punctuation mark.
type Word struct {
	Start, End int // the bytes [Start, End) of the text
	Pieces     int // how many of the ids of AppendIDs are its own; at least 1
}

// Words returns the words of a text in order; their pieces together are the ids of AppendIDs. White space and what the tokenizer
// drops between words belong to none of them.
//
// Words are the basic tokens (BasicTokenize), found in the text as it was given. Where folding makes other ones of it (accents and
// letters that decompose into punctuation), the word goes from white space to white space.
func (t *Tokenizer) Words(text string) (words []Word) {
	s := t.pool.Get().(*scratch)
	defer t.pool.Put(s)
	for at := 0; ; {
		start, end, whole := t.raw.next(text, at)
		words = t.wordsBetween(words, s, text, at, start)
		if whole == nil {
			return words
		}
		start, stop := t.trim(text, start, end)
		words = append(words, Word{start, stop, 1})
		at = end
	}
}

// wordsBetween appends the words of text[start:end], which has none of the tokens that are found in a text as it was given.
func (t *Tokenizer) wordsBetween(words []Word, s *scratch, text string, start, end int) []Word {
	if len(t.folded.list) > 0 {
		return t.foldedWords(words, s, text, start, end)
	}
	for start < end {
		behind := end - len(t.nextWord(s, text[start:end]))
		words = t.appendWords(words, s, text, start, behind)
		start = behind
	}
	return words
}

// foldedWords is wordsBetween where tokens are looked for in the folded text too. Words that such a token touches, or goes over, are one.
func (t *Tokenizer) foldedWords(words []Word, s *scratch, text string, start, end int) []Word {
	var spans []foldedSpan
	folded := string(t.foldText(s, text[start:end], &spans))
	var found [][2]int // the tokens
	for at := 0; ; {
		from, to, whole := t.folded.next(folded, at)
		if whole == nil {
			break
		}
		found, at = append(found, [2]int{from, to}), to
	}
	for i := 0; i < len(spans); i++ {
		first, last := spans[i], spans[i]
		for i+1 < len(spans) && slices.ContainsFunc(found, func(f [2]int) bool { return f[0] < last.to && spans[i+1].from < f[1] }) {
			i++
			last = spans[i]
		}
		from, to := start+first.start, start+last.end
		if !slices.ContainsFunc(found, func(f [2]int) bool { return f[0] < last.to && first.from < f[1] }) {
			t.nextWord(s, text[from:to])
			words = t.appendWords(words, s, text, from, to)
			continue
		}
		from, to = t.trim(text, from, to)
		words = append(words, Word{from, to, t.piecesOf(s, folded, first.from, last.to, found)})
	}
	return words
}

// piecesOf returns how many ids the bytes [from, to) of a folded text have, in which tokens were found.
func (t *Tokenizer) piecesOf(s *scratch, folded string, from, to int, found [][2]int) (n int) {
	plain := func(end int) {
		if from < end {
			t.words(s, folded[from:end], func(token []byte, _ *wholeToken) bool {
				s.ids = t.appendPieces(s.ids[:0], token)
				n += len(s.ids)
				return true
			})
		}
	}
	for _, f := range found {
		if f[0] < to && from < f[1] {
			plain(f[0])
			n, from = n+1, f[1]
		}
	}
	plain(to)
	return n
}

// appendWords appends the words of s.word, which nextWord has read from text[start:end].
func (t *Tokenizer) appendWords(words []Word, s *scratch, text string, start, end int) []Word {
	start, end = t.trim(text, start, end)
	first, whole := len(words), Word{Start: start, End: end}
	given, aligned := []byte(text[start:end]), true
	for word := s.word; len(word) > 0; {
		var token, part []byte
		token, word = t.nextToken(word)
		if aligned = aligned && len(given) > 0; aligned {
			part, given = t.nextToken(given)
		}
		s.ids = t.appendPieces(s.ids[:0], token)
		whole.Pieces += len(s.ids)
		words = append(words, Word{start, start + len(part), len(s.ids)})
		start += len(part)
	}
	if whole.Pieces > 0 && (!aligned || len(given) > 0) { // another number of tokens
		return append(words[:first], whole)
	}
	return words
}

// trim takes white space, and what the tokenizer drops, off both ends of text[start:end].
func (t *Tokenizer) trim(text string, start, end int) (int, int) {
	for start < end {
		r, n := utf8.DecodeRuneInString(text[start:end])
		if t.classes[r]&(space|dropped) == 0 {
			break
		}
		start += n
	}
	for start < end {
		r, n := utf8.DecodeLastRuneInString(text[start:end])
		if t.classes[r]&(space|dropped) == 0 {
			break
		}
		end -= n
	}
	return start, end
}
