package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// KeepError says that a word of Options.KeepTokens cannot be one token.
type KeepError struct{ Word, Problem string }

func (e *KeepError) Error() string { return fmt.Sprintf("token to keep %q: %s", e.Word, e.Problem) }

// keepTokens gives each word of Options.KeepTokens its id: the vocabulary's own, else that of an added token, else that of the vocabulary's
// next [unusedN].
func keepTokens(v *Vocab, words []string, added []AddedToken) (tokens []wholeToken, err error) {
	unused := unusedIDs(v, words)
	for i, word := range words {
		switch {
		case word == "" || strings.ContainsFunc(word, isPythonSpace):
			return nil, &KeepError{word, "empty or with white space in it"}
		case !utf8.ValidString(word):
			return nil, &KeepError{word, "not UTF-8"}
		case slices.Contains(words[:i], word):
			return nil, &KeepError{word, "given twice"}
		}
		id, ok := v.ID(word)
		if at := slices.IndexFunc(added, func(a AddedToken) bool { return a.Content == word }); !ok && at >= 0 {
			id, ok = added[at].ID, true
		}
		if !ok {
			if len(unused) == 0 {
				return nil, &KeepError{word, "not in the vocabulary, and no [unusedN] entry is left for it"}
			}
			id, unused = unused[0], unused[1:]
		}
		tokens = append(tokens, wholeToken{AddedToken{ID: id, Content: word}, word})
	}
	return tokens, nil
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
