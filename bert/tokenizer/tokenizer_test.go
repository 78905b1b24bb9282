package tokenizer

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// newTokenizer makes a tokenizer of a vocabulary that is given as words.
func newTokenizer(t *testing.T, o Options, vocab string) *Tokenizer {
	t.Helper()
	v, err := NewVocab(strings.Fields(vocab))
	if err != nil {
		t.Fatal(err)
	}
	tok, err := New(v, o)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestOptions(t *testing.T) {
	yes, no := true, false
	const text = "Às ΟΔΟΣ 東京 Ü\u0301x"
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{}, "Às ΟΔΟΣ 東 京 Ü\u0301x"},
		{Options{LowerCase: true}, "as οδος 東 京 ux"},
		{Options{LowerCase: true, StripAccents: &yes}, "as οδος 東 京 ux"},
		{Options{LowerCase: true, StripAccents: &no}, "às οδος 東 京 ü\u0301x"},
		{Options{StripAccents: &yes}, "As ΟΔΟΣ 東 京 Ux"},
		{Options{StripAccents: &no}, "Às ΟΔΟΣ 東 京 Ü\u0301x"},
		{Options{TokenizeChinese: &yes}, "Às ΟΔΟΣ 東 京 Ü\u0301x"},
		{Options{TokenizeChinese: &no}, "Às ΟΔΟΣ 東京 Ü\u0301x"},
	} {
		tok := newTokenizer(t, c.o, "[UNK] [CLS] [SEP]")
		if got := strings.Join(tok.BasicTokenize(text), " "); got != c.want {
			t.Errorf("%+v: %q, want %q", c.o, got, c.want)
		}
	}
}

// TestPieces is the example in WordpieceTokenizer's comment, and words with and without a way through the vocabulary.
func TestPieces(t *testing.T) {
	tok := newTokenizer(t, Options{LowerCase: true}, "[UNK] [CLS] [SEP] un ##aff ##able ##a ##f a aff affa ## # ##e é ##é")
	for _, c := range []struct{ word, want string }{
		{"unaffable", "un ##aff ##able"},
		{"unaffa", "un ##aff ##a"},
		{"affable", "[UNK]"}, // greedy: affa, then nothing for ble, although a ##ff… is not tried
		{"affaf", "affa ##f"},
		{"un", "un"},
		{"u", "[UNK]"},
		{"una" + "x" + "a", "[UNK]"},
		{"##aff", "# # aff"},
		{"##", "# #"},
		{"é", "[UNK]"}, // e: without its accent it is not the vocabulary's é
		{"[UNK]", "[UNK] [UNK] [UNK]"},
	} {
		if got := strings.Join(tok.Tokenize(c.word), " "); got != c.want {
			t.Errorf("%q: %s, want %s", c.word, got, c.want)
		}
	}
}

func TestWordsOf200Characters(t *testing.T) {
	tok := newTokenizer(t, Options{LowerCase: true}, "[UNK] [CLS] [SEP] a ##a е ##е")
	for _, c := range []struct {
		text   string
		pieces int
	}{
		{strings.Repeat("a", 200), 200},
		{strings.Repeat("a", 201), 1},
		{strings.Repeat("á", 200), 200},       // counted without the accent,
		{strings.Repeat("a\u0301", 200), 200}, // also when it is a character of its own
		{strings.Repeat("ё", 200), 200},       // code points, not bytes
		{strings.Repeat("ё", 201), 1},
		{strings.Repeat("a", 150) + "-" + strings.Repeat("a", 150), 301}, // basic tokens, not white-space words
	} {
		got := tok.Tokenize(c.text)
		if len(got) != c.pieces || c.pieces == 1 && got[0] != "[UNK]" {
			t.Errorf("%d pieces of %+q, want %d", len(got), c.text, c.pieces)
		}
	}
}

func TestMaxWordChars(t *testing.T) {
	o := Options{LowerCase: true, MaxWordChars: 100}
	tok := newTokenizer(t, o, "[UNK] [CLS] [SEP] a ##a е ##е")
	for text, pieces := range map[string]int{strings.Repeat("a", 100): 100, strings.Repeat("a", 101): 1, strings.Repeat("ё", 100): 100,
		strings.Repeat("ё", 101): 1} {
		if got := tok.Tokenize(text); len(got) != pieces {
			t.Errorf("%d pieces of %+q, want %d", len(got), text, pieces)
		}
	}
	if got := tok.Options(); got.MaxWordChars != 100 || !got.LowerCase {
		t.Errorf("Options returns %+v", got)
	}
}

func TestInvalidUTF8(t *testing.T) {
	tok := newTokenizer(t, Options{LowerCase: true}, "[UNK] [CLS] [SEP] cat c ##at")
	for _, text := range []string{"c\xffat", "ca\xc3t", "cat\xe2\x82", "\x80cat", "c\xed\xa0\x80at", "c\xf4\x90\x80\x80at", "c\xc0\xa0at",
		"c\ufffdat"} {
		if got := tok.Tokenize(text); !slices.Equal(got, []string{"cat"}) {
			t.Errorf("%+q: %q, want cat: bytes that are not UTF-8 are ignored", text, got)
		}
	}
}

func TestKeepTokens(t *testing.T) {
	const vocab = "[PAD] [unused0] [unused1] [UNK] [CLS] [SEP] [MASK] [unused2] [unusedx] [unused] [unused9 unused9] [ ] hi x ##x name , ΟΔΟ"
	keep := []string{"[NAME]", "[RELIGION]", "[MASK]", "<i>", "[NAME]s"}
	tok := newTokenizer(t, Options{LowerCase: true, KeepTokens: keep[:4]}, vocab)
	for i, want := range []int32{1, 2, 6, 7} { // [MASK] is in the vocabulary
		if ids := tok.AppendIDs(nil, keep[i]); !slices.Equal(ids, []int32{want}) {
			t.Errorf("%s has ids %v, want %d", keep[i], ids, want)
		}
	}
	for _, c := range []struct{ text, want string }{
		{"hi [NAME]", "hi [NAME]"},
		{"[NAME], hi", "[NAME] , hi"},
		{"x[NAME]x[RELIGION][NAME]", "x [NAME] x [RELIGION] [NAME]"},
		{"[name] [NAME", "[ name ] [ name"},
		{"[[NAME]] [NA[NAME]", "[ [NAME] ] [ [UNK] [NAME]"},
		{"[CLS]<i>", "[ [UNK] ] <i>"},
		{"東[NAME]\u0301hi", "[UNK] [NAME] hi"},
		{"", ""},
	} {
		if got := strings.Join(tok.Tokenize(c.text), " "); got != c.want {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
	if got := tok.BasicTokenize("x[NAME]Hi"); !slices.Equal(got, []string{"x", "[NAME]", "hi"}) {
		t.Errorf("basic tokens %q", got)
	}
	for token := range tok.basicTokens(new(scratch), "hi [NAME] hi") { // leaving the loop ends it
		if string(token) != "hi" {
			t.Errorf("first token %q", token)
		}
		break
	}

	longer := newTokenizer(t, Options{KeepTokens: []string{"[NAME]", "[NAME]s", "é"}}, vocab)
	if got := strings.Join(longer.Tokenize("[NAME]s[NAME]xé\xc3"), " "); got != "[NAME]s [NAME] x é" {
		t.Errorf("of two words that begin alike the longer is taken: %s", got)
	}

	v := tok.Vocab()
	for _, c := range []struct {
		keep []string
		want string
	}{
		{[]string{"a", "b", "c", "d"}, `token to keep "d": not in the vocabulary, and no [unusedN] entry is left`},
		{[]string{"a", "b", "[unused2]", "d"}, `token to keep "d": not in the vocabulary`}, // its entry is not given away
		{[]string{"a", ""}, `token to keep "": empty`},
		{[]string{"a b"}, `token to keep "a b": empty or with white space`},
		{[]string{"a", "a"}, `token to keep "a": given twice`},
		{[]string{"\xff"}, `token to keep "\xff": not UTF-8`},
	} {
		if _, err := New(v, Options{KeepTokens: c.keep}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %s", c.keep, err, c.want)
		}
	}
}

// TestLongTexts are texts of 1 MiB that a careless tokenizer needs quadratic time for. They take some 0.1 s each; the limit only
// guards against hanging.
func TestLongTexts(t *testing.T) {
	tok, err := New(open(t, "testdata/vocab.txt")[true].vocab, Options{LowerCase: true, KeepTokens: []string{"[NAME]"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		"a", "A.", "\xff", "\x00", "[", "[NAME", "[NAME]", "é", "東", "한", "😀", "\u0301", "\u0301\u0323", "\u302e\u1b44", "Σ", "Σ'", "ʰΣ",
		"a\u00a0", "\u2028", "İ",
		strings.Repeat("catcat", 33) + "z ", strings.Repeat("aaaa", 50) + "\u0301 ", "a" + strings.Repeat("\u0301", 10_000),
	} {
		start := time.Now()
		text := strings.Repeat(part, 1<<20/len(part))
		a, b := tok.AppendIDs(nil, text), tok.BasicTokenize(text)
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("1 MiB of %.20q took %v", part, took)
		}
		if len(a) < len(b) {
			t.Errorf("1 MiB of %.20q: %d ids of %d basic tokens", part, len(a), len(b))
		}
	}
}

// TestIdeographs: the ranges of _is_chinese_char, to their first and last characters; what stands just outside is part of its word.
func TestIdeographs(t *testing.T) {
	tok := newTokenizer(t, Options{}, "[UNK] [CLS] [SEP]")
	for _, bounds := range [][2]rune{{0x4E00, 0x9FFF}, {0x3400, 0x4DBF}, {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F},
		{0x2B820, 0x2CEAF}, {0xF900, 0xFAFF}, {0x2F800, 0x2FA1F}} { // tokenization.py
		for _, r := range []rune{bounds[0], bounds[1]} {
			if got := len(tok.BasicTokenize("x" + string(r) + "y")); got != 3 {
				t.Errorf("%U: %d tokens, want a word of its own", r, got)
			}
		}
		for _, r := range []rune{bounds[0] - 1, bounds[1] + 1} {
			if got := len(tok.BasicTokenize("x" + string(r) + "y")); got != 1 && r != 0x2B73F && r != 0x2B740 && r != 0x2B81F && r != 0x2B820 {
				t.Errorf("%U: %d tokens, want none of its own", r, got)
			}
		}
	}
}

// TestFinalSigma: str.lower() of Python writes the last sigma of a word as ς; characters that case ignores, of each of their categories, do
// not end the word.
func TestFinalSigma(t *testing.T) {
	tok := newTokenizer(t, Options{LowerCase: true}, "[UNK] [CLS] [SEP]")
	for in, want := range map[string]string{
		"ΑΣ": "ας", "ΑΣΑ": "ασα", "Σ": "σ", "1Σ": "1σ",
		"ΑΣ¨Α": "ασ¨α", "ΑΣ¨": "ας¨", // Sk
		"ΑΣʰΑ":      "ασʰα",      // Lm
		"ΑΣ\u20ddΑ": "ασ\u20ddα", // Me
		"ΑΣ1Α":      "ας1α",      // a digit has no case, and is not passed over
	} {
		if got := strings.Join(tok.BasicTokenize(in), ""); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
}
