package tokenizer

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

const specials = "[UNK]\n[CLS]\n[SEP]\n"

func TestReadVocab(t *testing.T) {
	for _, c := range []struct {
		name, file string
		size       int
		ids        map[string]int32 // −1: not there
	}{
		{"plain", "[PAD]\n" + specials + "cat\n", 5, map[string]int32{"[PAD]": 0, "[UNK]": 1, "cat": 4, "ca": -1, "": -1, "cats": -1}},
		{"no newline at the end", specials + "cat", 4, map[string]int32{"cat": 3}},
		{"CRLF", strings.ReplaceAll(specials+"cat\n", "\n", "\r\n"), 4, map[string]int32{"[UNK]": 0, "cat": 3}},
		{"blank lines count", "\n" + specials + "\n \t\ncat\n", 7, map[string]int32{"[UNK]": 1, "cat": 6, "": -1, " ": -1}},
		{"blank lines at the end", specials + "cat\n\n\n", 4, map[string]int32{"cat": 3}},
		{"last of equal lines", specials + "cat\nmat\ncat\nhat\n", 7, map[string]int32{"cat": 5, "mat": 4, "hat": 6}},
		{"equal after stripping", specials + "cat\n\u3000cat\x1c\u2028\n", 5, map[string]int32{"cat": 4}},
		{"white space inside", specials + "a b\n", 4, map[string]int32{"a b": 3}},
		{"only U+2028", specials + "\u2028\ncat\n", 5, map[string]int32{"cat": 4}},
		{"no-break space, zero-width space", specials + "\u00a0cat\n\u200bmat\n", 5, map[string]int32{"cat": 3, "mat": -1, "\u200bmat": 4}},
		{"NUL is never in a text", specials + "a\x00b\n", 4, map[string]int32{"a\x00b": -1, "a": -1}},
		{"longest token", specials + strings.Repeat("é", 512) + "\n", 4, map[string]int32{strings.Repeat("é", 512): 3}},
		{"byte order mark inside", specials + "\ufeffcat\n", 4, map[string]int32{"\ufeffcat": 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := ReadVocab(strings.NewReader(c.file), "vocab.txt")
			if err != nil {
				t.Fatal(err)
			}
			if v.Size() != c.size {
				t.Errorf("size %d, want %d", v.Size(), c.size)
			}
			for token, want := range c.ids {
				id, ok := v.ID(token)
				if ok != (want >= 0) || ok && (id != want || v.Token(id) != token) {
					t.Errorf("id of %q: %d, %v, want %d", token, id, ok, want)
				}
			}
		})
	}
}

func TestReadVocabErrors(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"empty", "", "vocabulary v.txt: empty"},
		{"blank", "\n \n", "vocabulary v.txt: empty"},
		{"one special missing", "[UNK]\n[CLS]\ncat\n", "vocabulary v.txt: no line [SEP] among its 3 lines"},
		{"all missing", "cat\n", "vocabulary v.txt: no line [UNK], [CLS], [SEP] among its 1 lines"},
		{"specials in lower case", "[unk]\n[cls]\n[sep]\n", "no line [UNK], [CLS], [SEP]"},
		{"byte order mark", "\ufeff[PAD]\n" + specials, "vocabulary v.txt:1: starts with a byte order mark"},
		{"invalid UTF-8", specials + "cat\nm\xffat\n", `vocabulary v.txt:5: not UTF-8: "m\xffat"`},
		{"UTF-16", "\xff\xfe[\x00U\x00N\x00", "vocabulary v.txt:1: not UTF-8"},
		{"carriage returns alone", "[UNK]\r[CLS]\r[SEP]\r", "vocabulary v.txt:1: carriage return inside the line"},
		{"carriage return inside", specials + "ca\rt\n", "vocabulary v.txt:4: carriage return inside the line"},
		{"long token", specials + strings.Repeat("a", 1025) + "\n", "vocabulary v.txt:4: token of 1025 bytes, at most 1024"},
		{"long line of spaces, long token", specials + strings.Repeat(" ", 9999) + strings.Repeat("a", 1025),
			"vocabulary v.txt:4: token of 1025 bytes"},
		{"too many lines", specials + strings.Repeat("a\n", maxVocabLines), "vocabulary v.txt:1000001: more than 1000000 lines"},
		{"too large", strings.Repeat(strings.Repeat("a", 1000)+"\n", maxVocabBytes/1000), "vocabulary v.txt: larger than 32 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := ReadVocab(strings.NewReader(c.file), "v.txt"); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %.200v, want %s", err, c.want)
			}
		})
	}
	cause := errors.New("disk on fire")
	if _, err := ReadVocab(iotest.ErrReader(cause), "v.txt"); !errors.Is(err, cause) || !strings.Contains(err.Error(), "v.txt") {
		t.Errorf("error %v, want one that wraps the reader's and names the file", err)
	}
}

func TestNewVocab(t *testing.T) {
	v, err := NewVocab([]string{"", "[UNK]", "[CLS]", "[SEP]", "cat", "cat"})
	if err != nil {
		t.Fatal(err)
	}
	if id, ok := v.ID("cat"); id != 5 || !ok || v.Size() != 6 || v.Token(0) != "" {
		t.Errorf("cat has id %d, %v in a vocabulary of %d", id, ok, v.Size())
	}
	for _, c := range []struct {
		tokens []string
		want   string
	}{
		{nil, "vocabulary: empty"},
		{[]string{"[UNK]", "[SEP]"}, "vocabulary: no line [CLS]"},
		{[]string{"[UNK]", "\xff"}, `vocabulary: token of id 1: not UTF-8: "\xff"`},
		{[]string{strings.Repeat("a", 1025)}, "vocabulary: token of id 0: token of 1025 bytes"},
		{make([]string, maxVocabLines+1), "vocabulary: 1000001 tokens, at most 1000000"},
		{slices.Repeat([]string{strings.Repeat("a", 1024)}, maxVocabBytes/1024+1), "bytes of tokens, at most 32 MiB"},
	} {
		if _, err := NewVocab(c.tokens); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}

func TestCased(t *testing.T) {
	for _, c := range []struct {
		tokens string
		want   bool
		share  float64
	}{
		{"cat ##s [NAME] ß 東 ａ ℝ ##ℝ", false, 2. / 11}, {"Cat", true, 1. / 4}, {"##S", true, 1. / 4}, {"Ä", true, 1. / 4},
		{"Σ", true, 1. / 4}, {"a ǅ", true, 0},
	} {
		v, err := NewVocab(append(strings.Fields(specials), strings.Fields(c.tokens)...))
		if err != nil {
			t.Fatal(err)
		}
		if v.Cased() != c.want {
			t.Errorf("a vocabulary of %s: Cased() = %v", c.tokens, v.Cased())
		}
		if got := v.CasedShare(); got != c.share {
			t.Errorf("a vocabulary of %s: CasedShare() = %v, want %v", c.tokens, got, c.share)
		}
	}
}

func TestGuessLowerCase(t *testing.T) {
	vocab := func(token string) *Vocab {
		v, err := NewVocab([]string{"[UNK]", "[CLS]", "[SEP]", token})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	lower, upper := vocab("cat"), vocab("Cat")
	for _, c := range []struct {
		v    *Vocab
		path string
		want bool
		why  string
	}{
		{upper, "uncased_L-12_H-768_A-12/vocab.txt", true, "uncased_L-12_H-768_A-12"},
		{lower, "multi_cased_L-12_H-768_A-12/vocab.txt", false, "multi_cased_L-12_H-768_A-12"},
		{lower, "/models/bert-base-cased/tuned/vocab.txt", false, "bert-base-cased"},
		{upper, "cased/models/UNCASED/vocab.txt", true, "UNCASED"}, // the nearest
		{upper, "cased/vocab-uncased.txt", true, "vocab-uncased.txt"},
		{upper, "showcased/vocab.txt", false, "has upper-case"},
		{lower, "showcased/vocab.txt", true, "no upper-case"},
		{lower, "vocab.txt", true, "no upper-case"},
		{lower, "/", true, "no upper-case"},
	} {
		if got, why := GuessLowerCase(c.v, filepath.FromSlash(c.path)); got != c.want || !strings.Contains(why, c.why) {
			t.Errorf("%s: %v %s, want %v, %q", c.path, got, why, c.want, c.why)
		}
	}
}

// TestTrie compares lookups with a map, for vocabularies of few bytes (dense) and of all (sparse).
func TestTrie(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	word := func(alphabet, length int) string {
		b := make([]byte, rng.IntN(length+1))
		for i := range b {
			b[i] = byte(255 - rng.IntN(alphabet))
		}
		return string(b)
	}
	for _, c := range []struct{ alphabet, length int }{{1, 8}, {2, 8}, {5, 8}, {30, 8}, {255, 8}, {256, 8}, {256, 2}} {
		for _, count := range []int{0, 1, 10, 1000, 20_000} {
			alphabet, tokens, want := c.alphabet, []string{}, map[string]int32{}
			for id := range count {
				token := word(alphabet, c.length)
				tokens = append(tokens, token)
				if token != "" && !strings.Contains(token, "\x00") {
					want[token] = int32(id)
				}
			}
			tr := newTrie(tokens)
			for _, token := range slices.AppendSeq(slices.Clone(tokens), maps.Keys(want)) {
				checkLongest(t, &tr, want, token+word(alphabet, 3))
				checkLongest(t, &tr, want, word(alphabet, 12))
				id, ok := tr.find(token)
				if wantID, wantOK := want[token]; ok != wantOK || ok && id != wantID {
					t.Fatalf("find(%q) = %d, %v, want %d, %v", token, id, ok, wantID, wantOK)
				}
			}
		}
	}
}

// TestTrieIsDense: with tokens that branch as words do, few units are free.
func TestTrieIsDense(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	var tokens []string
	for range 20_000 {
		token := make([]byte, 1+rng.IntN(10))
		for i := range token {
			token[i] = 'a' + byte(min(rng.IntN(26), rng.IntN(26), rng.IntN(26)))
		}
		tokens = append(tokens, string(token))
	}
	tr := newTrie(tokens)
	used := len(tr.units)
	for _, u := range tr.units {
		if u == 0 {
			used--
		}
	}
	if !(float64(used) > 0.9*float64(len(tr.units))) { // 0.95 when this was written
		t.Errorf("%d of %d units are in use", used, len(tr.units))
	}
}

// checkLongest compares one search with a loop over all prefixes. The byte 0 is in no word.
func checkLongest(t *testing.T, tr *trie, tokens map[string]int32, word string) {
	t.Helper()
	word, _, _ = strings.Cut(word, "\x00")
	want, length := int32(0), 0
	for n := range len(word) {
		if id, ok := tokens[word[:n+1]]; ok {
			want, length = id, n+1
		}
	}
	if id, n := tr.longest(tr.start, []byte(word)); n != length || n > 0 && id != want {
		t.Fatalf("longest(%q) = %d, %d bytes, want %d, %d", word, id, n, want, length)
	}
}

// TestLargeVocab builds vocabularies at the limits: many lines, and tokens that share nothing.
func TestLargeVocab(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds")
	}
	var b strings.Builder
	b.WriteString(specials)
	for i := range maxVocabLines - 3 {
		fmt.Fprintf(&b, "##%x\n", i*2654435761%(1<<32))
	}
	v, err := ReadVocab(strings.NewReader(b.String()), "v.txt")
	if err != nil {
		t.Fatal(err)
	}
	if id, ok := v.ID("##9e3779b1"); v.Size() != maxVocabLines || id != 4 || !ok {
		t.Errorf("line 5 has id %d, %v in a vocabulary of %d", id, ok, v.Size())
	}
}

func FuzzReadVocab(f *testing.F) {
	f.Add(specials + "cat\n##s\r\n\ncat")
	f.Add("\ufeff" + specials)
	f.Add(specials + "é\n\xff\n")
	f.Add(specials + "a\x00\n\u2028\n##\n##a")
	f.Fuzz(func(t *testing.T, file string) {
		v, err := ReadVocab(strings.NewReader(file), "v.txt")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "vocabulary v.txt:") {
				t.Fatalf("error without the file's name: %v", err)
			}
			return
		}
		last := map[string]int32{}
		for id := range v.Size() {
			last[v.Token(int32(id))] = int32(id)
		}
		for token, want := range last {
			id, ok := v.ID(token)
			if wantOK := token != "" && !strings.Contains(token, "\x00"); ok != wantOK || ok && id != want {
				t.Fatalf("id of %q: %d, %v, want %d", token, id, ok, want)
			}
		}
		delete(last, "")
		maps.DeleteFunc(last, func(token string, _ int32) bool { return strings.Contains(token, "\x00") })
		for i := range min(len(file), 100) {
			checkLongest(t, &v.trie, last, file[i:min(i+50, len(file))])
		}
	})
}
