package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// keepTokens are the words of Options.KeepTokens, looked for in the text as it was given.
type keepTokens struct {
	tokens []keepToken // the longest first
	first  string      // the characters they begin with
}

type keepToken struct {
	word string
	id   int32
}

// KeepError says that a word of Options.KeepTokens cannot be one token.
type KeepError struct{ Word, Problem string }

func (e *KeepError) Error() string { return fmt.Sprintf("token to keep %q: %s", e.Word, e.Problem) }

// newKeepTokens gives each word its id: the vocabulary's own, else that of its next [unusedN].
func newKeepTokens(v *Vocab, words []string) (keep keepTokens, err error) {
	unused := unusedIDs(v, words)
	for i, word := range words {
		switch {
		case word == "" || strings.ContainsFunc(word, isPythonSpace):
			return keep, &KeepError{word, "empty or with white space in it"}
		case !utf8.ValidString(word):
			return keep, &KeepError{word, "not UTF-8"}
		case slices.Contains(words[:i], word):
			return keep, &KeepError{word, "given twice"}
		}
		id, ok := v.ID(word)
		if !ok {
			if len(unused) == 0 {
				return keep, &KeepError{word, "not in the vocabulary, and no [unusedN] entry is left for it"}
			}
			id, unused = unused[0], unused[1:]
		}
		keep.tokens = append(keep.tokens, keepToken{word, id})
		if r, _ := utf8.DecodeRuneInString(word); !strings.ContainsRune(keep.first, r) {
			keep.first += string(r)
		}
	}
	slices.SortStableFunc(keep.tokens, func(a, b keepToken) int { return len(b.word) - len(a.word) })
	return keep, nil
}

// unusedIDs returns the ids of the vocabulary's [unusedN] entries, in its order, without those that words names.
func unusedIDs(v *Vocab, words []string) (ids []int32) {
	for i := range v.Size() {
		token := v.Token(int32(i))
		number, ok := strings.CutPrefix(token, "[unused")
		number, closed := strings.CutSuffix(number, "]")
		if !ok || !closed || number == "" || strings.Trim(number, "0123456789") != "" || slices.Contains(words, token) {
			continue
		}
		if id, _ := v.ID(token); id == int32(i) { // not a line that comes again
			ids = append(ids, id)
		}
	}
	return ids
}

// cut cuts text at the first word to keep: what stands before it, the word, what stands after it. Without one the word is nil.
func (k *keepTokens) cut(text string) (before string, kept *keepToken, rest string) {
	if len(k.tokens) == 0 {
		return text, nil, ""
	}
	for i := 0; ; i++ {
		n := strings.IndexAny(text[i:], k.first)
		if n < 0 {
			return text, nil, ""
		}
		i += n
		for j := range k.tokens {
			if kept := &k.tokens[j]; strings.HasPrefix(text[i:], kept.word) {
				return text[:i], kept, text[i+len(kept.word):]
			}
		}
	}
}
