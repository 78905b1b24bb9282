package tokenizer

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// reference is tokenization.py line by line: slow, and as plain as Go allows. FuzzTokenizer compares the tokenizer with it.
type reference struct {
	vocab               map[string]int32
	lower, strip, split bool // do_lower_case, strip_accents, tokenize_chinese_chars
}

func newReference(v *Vocab, lower, strip, split bool) reference {
	ref := reference{map[string]int32{}, lower, strip, split}
	for id := range v.Size() {
		ref.vocab[v.Token(int32(id))] = int32(id)
	}
	return ref
}

func (ref reference) basic(text string) (tokens []string) {
	var clean strings.Builder
	for _, r := range text { // a byte that is not UTF-8 gives U+FFFD, which is dropped
		switch {
		case strings.ContainsRune(" \t\n\r", r) || unicode.Is(unicode.Zs, r):
			clean.WriteString(" ")
		case r == 0 || r == 0xFFFD || unicode.In(r, unicode.Cc, unicode.Cf):
		case ref.split && isChinese(r):
			clean.WriteString(" " + string(r) + " ")
		default:
			clean.WriteRune(r)
		}
	}
	for _, word := range strings.FieldsFunc(clean.String(), isPythonSpace) {
		if ref.lower {
			word = pythonLower(word)
		}
		if ref.strip {
			word = strings.Map(func(r rune) rune {
				if unicode.Is(unicode.Mn, r) {
					return -1
				}
				return r
			}, nfd(word))
		}
		separated := ""
		for _, r := range word {
			if isPunctuation(r) {
				separated += " " + string(r) + " "
			} else {
				separated += string(r)
			}
		}
		tokens = append(tokens, strings.FieldsFunc(separated, isPythonSpace)...)
	}
	return tokens
}

func isChinese(r rune) bool {
	return r >= 0x4E00 && r <= 0x9FFF || r >= 0x3400 && r <= 0x4DBF || r >= 0x20000 && r <= 0x2A6DF || r >= 0x2A700 && r <= 0x2B73F ||
		r >= 0x2B740 && r <= 0x2B81F || r >= 0x2B820 && r <= 0x2CEAF || r >= 0xF900 && r <= 0xFAFF || r >= 0x2F800 && r <= 0x2FA1F
}

func isPunctuation(r rune) bool {
	return r >= 33 && r <= 47 || r >= 58 && r <= 64 || r >= 91 && r <= 96 || r >= 123 && r <= 126 || unicode.IsPunct(r)
}

// pythonLower lower-cases a word that has no control characters.
func pythonLower(word string) string {
	skip := func(r rune) bool { return !caseIgnorable(r) }
	lower := ""
	for i, r := range word {
		before, behind := word[:i], word[i+utf8.RuneLen(r):]
		if j := strings.LastIndexFunc(before, skip); j >= 0 {
			before = before[j:]
		} else {
			before = ""
		}
		if j := strings.IndexFunc(behind, skip); j >= 0 {
			behind = behind[j:]
		} else {
			behind = ""
		}
		first, _ := utf8.DecodeRuneInString(before)
		next, _ := utf8.DecodeRuneInString(behind)
		switch {
		case r == 'Σ' && before != "" && cased(first) && !(behind != "" && cased(next)):
			lower += "ς"
		case r == 'İ':
			lower += "i\u0307"
		default:
			lower += string(unicode.ToLower(r))
		}
	}
	return lower
}

// nfd decomposes each character by itself and then swaps neighbours until they are in canonical order.
func nfd(word string) string {
	var runes []rune
	for _, r := range word {
		runes = append(runes, []rune(norm.NFD.String(string(r)))...)
	}
	class := func(r rune) uint8 { return norm.NFD.PropertiesString(string(r)).CCC() }
	for swapped := true; swapped; {
		swapped = false
		for i := 1; i < len(runes); i++ {
			if class(runes[i]) != 0 && class(runes[i-1]) > class(runes[i]) {
				runes[i-1], runes[i] = runes[i], runes[i-1]
				swapped = true
			}
		}
	}
	return string(runes)
}

func (ref reference) wordPieces(token string) (pieces []string) {
	chars := []rune(token)
	if len(chars) > 200 {
		return []string{"[UNK]"}
	}
	for start := 0; start < len(chars); {
		piece, end := "", len(chars)
		for ; end > start; end-- {
			piece = string(chars[start:end])
			if start > 0 {
				piece = "##" + piece
			}
			if _, ok := ref.vocab[piece]; ok {
				break
			}
		}
		if end == start {
			return []string{"[UNK]"}
		}
		pieces, start = append(pieces, piece), end
	}
	return pieces
}

// compare checks a text against the reference, and what must hold of any text.
func compare(t *testing.T, tok *Tokenizer, ref reference, text string) {
	t.Helper()
	basic := tok.BasicTokenize(text)
	if want := ref.basic(text); !slices.Equal(basic, want) {
		t.Fatalf("basic tokens of %+q (%v %v %v):\n got %+q\nwant %+q", text, ref.lower, ref.strip, ref.split, basic, want)
	}
	var want []string
	var ids []int32
	for _, token := range basic {
		want = append(want, ref.wordPieces(token)...)
		pieces := tok.appendPieces(nil, []byte(token))
		ids = append(ids, pieces...)
		joined := ""
		for i, id := range pieces {
			piece := tok.Token(id)
			if i > 0 {
				piece = strings.TrimPrefix(piece, "##")
			}
			joined += piece
		}
		if joined != token && !slices.Equal(pieces, []int32{tok.unk}) {
			t.Fatalf("pieces %+q of %+q do not join to it", tok.Tokens(pieces), token)
		}
	}
	if got := tok.Tokenize(text); !slices.Equal(got, want) {
		t.Fatalf("word pieces of %+q:\n got %+q\nwant %+q", text, got, want)
	}
	if got := tok.AppendIDs(nil, text); !slices.Equal(got, ids) {
		t.Fatalf("ids of %+q: %v, want %v", text, got, ids)
	}
	checkWords(t, tok, text, len(ids))
	for i, id := range ids {
		if id < 0 || int(id) >= tok.vocab.Size() || ref.vocab[want[i]] != id {
			t.Fatalf("id %d of %+q in %+q, want %d", id, want[i], text, ref.vocab[want[i]])
		}
	}
}

// variants calls f with a tokenizer of every setting and the reference for it.
func variants(t testing.TB, v *Vocab, f func(*Tokenizer, reference)) {
	for i := range 8 {
		lower, strip, split := i&1 != 0, i&2 != 0, i&4 != 0
		tok, err := New(v, Options{LowerCase: lower, StripAccents: &strip, TokenizeChinese: &split})
		if err != nil {
			t.Fatal(err)
		}
		f(tok, newReference(v, lower, strip, split))
	}
}

// nasty are the characters whose rules differ, and some that do not.
var nasty = []string{
	"a", "b", "c", "t", "the", "cat", "un", "want", "A", "B", "E", "T", "THE", "1", "23", "é", "É", "ü", "Ü", "i", "I", "İ", "ı", "Å",
	"K", "ß", "ẞ", "ﬁ",
	" ", " ", " ", "\t", "\n", "\r", "\u00a0", "\u3000", "\u2028", "\u2029", "\u1680", "\x00", "\x0b", "\x1f", "\x7f", "\u0085", "\u200b",
	"\ufeff", "\u00ad", "\ufffd",
	"-", "'", ".", "!", "#", "##", "[", "]", "$", "^", "`", "~", "’", "…", "。", "«", "\u037e", "\u1fef", "\u0387", "[UNK]", "[CLS]",
	"Σ", "Σ", "σ", "ς", "Α", "α", "Ο", "ʰ", "ª", "\u0345", "\u02d0", "·", ":", "\u0301", "\u0301", "\u0307", "\u0323", "\u034f", "\ufe0f",
	"\u20dd", "\u302e", "\u1b44", "\U0001d165", "\u0903",
	"東", "我", "\uf900", "\U0002f800", "\U00020000", "\u4dff", "国", "が", "か\u3099", "한", "각", "힣", "\ud7a4", "\u1100", "\u1161", "\u11a8",
	"❤", "😀", "🏽", "\ue000", "\U0010ffff", "\u0378",
	"\xff", "\xc3", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\x80",
}

func randomText(rng *rand.Rand, from []string) string {
	from = slices.Clone(from)
	rng.Shuffle(len(from), func(i, j int) { from[i], from[j] = from[j], from[i] })
	from = from[:1+rng.IntN(len(from))]
	var b strings.Builder
	for range rng.IntN(60) {
		b.WriteString(from[rng.IntN(len(from))])
	}
	return b.String()
}

func TestAgainstReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	variants(t, open(t, "testdata/vocab.txt")[true].vocab, func(tok *Tokenizer, ref reference) {
		for range 1000 {
			compare(t, tok, ref, randomText(rng, nasty))
		}
	})
}

// TestASCIIPath takes the table of plain ASCII away, so that every word takes the path over code points, and compares.
func TestASCIIPath(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	fast, slow := open(t, "testdata/vocab.txt"), open(t, "testdata/vocab.txt")
	for lower, tok := range slow {
		tok.ascii = [256]byte{}
		for range 5000 {
			text := make([]byte, rng.IntN(300))
			for i := range text {
				text[i] = byte(rng.IntN(128))
				if rng.IntN(4) > 0 {
					text[i] = "abcdeghnrstuvwTHECAT  \n.,'-#"[rng.IntN(28)]
				}
			}
			got, want := fast[lower].BasicTokenize(string(text)), tok.BasicTokenize(string(text))
			if !slices.Equal(got, want) {
				t.Fatalf("%q (lower %v):\n got %q\nwant %q", text, lower, got, want)
			}
		}
	}
}

func FuzzTokenizer(f *testing.F) {
	for i, r := range readRows(f, "testdata/golden.jsonl") {
		f.Add(r.Text, r.TextPair, r.MaxSeqLength, uint8(i))
	}
	f.Add(strings.Join(nasty, ""), strings.Join(nasty, " "), 20, uint8(3))
	type variant struct {
		tok *Tokenizer
		ref reference
	}
	var all []variant
	variants(f, open(f, "testdata/vocab.txt")[true].vocab, func(tok *Tokenizer, ref reference) { all = append(all, variant{tok, ref}) })
	f.Fuzz(func(t *testing.T, text, pair string, maxLen int, setting uint8) {
		if len(text)+len(pair) > 1000 {
			t.Skip("the reference takes quadratic time")
		}
		v := all[int(setting)%len(all)]
		compare(t, v.tok, v.ref, text)
		checkEncode(t, v.tok, text, pair, max(2, maxLen))
	})
}
