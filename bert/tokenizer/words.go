package tokenizer

import "unicode/utf8"

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
	for at, more := 0, true; more; {
		before, kept, _ := t.keep.cut(text[at:])
		for rest := before; rest != ""; {
			behind := t.nextWord(s, rest)
			start := at + len(before) - len(rest)
			words = t.appendWords(words, s, text, start, start+len(rest)-len(behind))
			rest = behind
		}
		at += len(before)
		if more = kept != nil; more {
			words = append(words, Word{at, at + len(kept.word), 1})
			at += len(kept.word)
		}
	}
	return words
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
