package tokenizer

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// Added tokens are found, with all their flags, as Hugging Face's tokenizers find them (testdata/added.py), and texts are cut on the side
// that
// is asked for.
func TestAddedTokens(t *testing.T) {
	t.Parallel()
	var vocab *Vocab
	file, err := os.Open("testdata/added.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	checked := 0
	for lines.Scan() {
		var c struct {
			Vocab     []string
			LowerCase bool `json:"lowercase"`
			Added     []AddedToken
			Rows      []struct {
				Text, Pair string
				Max        int
				Left       bool
				IDs        []int32
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if c.Vocab != nil {
			if vocab, err = NewVocab(c.Vocab); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var sides [2]*Tokenizer
		for i, left := range []bool{false, true} {
			sides[i], err = New(vocab, Options{LowerCase: c.LowerCase, Added: c.Added, TruncateLeft: left, MaxWordChars: 100})
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, row := range c.Rows {
			tok := sides[0]
			if row.Left {
				tok = sides[1]
			}
			if got := tok.Encode(row.Text, row.Pair, row.Max); !slices.Equal(got.IDs, row.IDs) {
				t.Errorf("lower %t, %+v, max %d, left %t: %q, %q\n got %q\nwant %q", c.LowerCase, c.Added[5:], row.Max, row.Left, row.Text,
					row.Pair, tok.Tokens(got.IDs), tok.Tokens(row.IDs))
			}
			checkWords(t, tok, row.Text, len(tok.AppendIDs(nil, row.Text)))
			checked++
		}
	}
	if checked < 1000 || lines.Err() != nil {
		t.Errorf("%d rows, %v", checked, lines.Err())
	}
}

// Where a token that is to be a word of its own is part of one, no other token is looked for in its place, as in Hugging Face's tokenizers,
// which look for all of them at once.
func TestSingleWord(t *testing.T) {
	vocab, err := NewVocab(strings.Fields("[UNK] [CLS] [SEP] xab x"))
	if err != nil {
		t.Fatal(err)
	}
	tok, err := New(vocab, Options{Added: []AddedToken{{ID: 5, Content: "ab", SingleWord: true}, {ID: 6, Content: "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(tok.Tokenize("xab ab b xb"), " "); got != "xab ab b x b" {
		t.Errorf("tokens %s", got)
	}
}
