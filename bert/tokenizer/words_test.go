package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// checkWords: the words of a text are in order, apart, none is empty, and together they have all pieces.
func checkWords(t *testing.T, tok *Tokenizer, text string, pieces int) {
	t.Helper()
	end, sum := 0, 0
	for _, w := range tok.Words(text) {
		if w.Start < end || w.End <= w.Start || w.End > len(text) || w.Pieces < 1 {
			t.Fatalf("words of %+q: %v", text, tok.Words(text))
		}
		end, sum = w.End, sum+w.Pieces
	}
	if sum != pieces {
		t.Fatalf("words of %+q have %d pieces of %d: %v", text, sum, pieces, tok.Words(text))
	}
}

func TestWords(t *testing.T) {
	tok := newTokenizer(t, Options{LowerCase: true, KeepTokens: []string{"[NAME]"}},
		"[UNK] [CLS] [SEP] [NAME] un ##aff ##able it ##s ' s ! ` a")
	for text, want := range map[string]string{
		"":                      "",
		" \t\n":                 "",
		"Unaffable, it's a!":    "Unaffable:3 ,:1 it:1 ':1 s:1 a:1 !:1",
		"un[NAME]able [NAME]":   "un:1 [NAME]:1 able:1 [NAME]:1",
		"\u200bÀ\u0301 \xffits": "À\u0301:1 its:2",
		"東京its":                 "東:1 京:1 its:2",
		"a\u0301\u0301 !! !":    "a\u0301\u0301:1 !:1 !:1 !:1",
		"\u0301 a":              "a:1",             // nothing is left of the first
		"it\u1fefs a":           "it\u1fefs:3 a:1", // decomposes into ` in the middle: the word stays whole
	} {
		var got []string
		for _, w := range tok.Words(text) {
			got = append(got, fmt.Sprintf("%s:%d", text[w.Start:w.End], w.Pieces))
		}
		if !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("words of %+q: %+q, want %+q", text, got, strings.Fields(want))
		}
		checkWords(t, tok, text, len(tok.AppendIDs(nil, text)))
	}
}
