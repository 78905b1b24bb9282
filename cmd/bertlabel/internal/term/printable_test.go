package term

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// Nothing that steers a terminal gets through; what can be read stays as it is.
func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"joy":                      "joy",
		"":                         "",
		"Größe 1 \\ <script>":      "Größe 1 \\ <script>",
		"\x1b[31mred\x00\t\r\n":    `\x1b[31mred\x00\t\r\n`,
		"abc\u202Edef\u2066\u200f": `abc\u202edef\u2066\u200f`,
		"a\xffb":                   `a\xffb`,
		"\u2028\u00a0\ufeff":       `\u2028\u00a0\ufeff`,
		"👩\u200d🔬 ☺\ufe0f":         `👩\u200d🔬 ☺\ufe0f`,
		"שלום 愛":                   "שלום 愛",
		"\U000e0041":               `\U000e0041`,
	} {
		if got := Printable(in); got != want {
			t.Errorf("printable(%q) = %s, want %s", in, got, want)
		}
	}
}

// A cell has its columns whatever is in it.
func TestCell(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in      string
		columns int
		want    string
	}{
		{"joy", 5, "joy  "},
		{"anger", 5, "anger"},
		{"anguish", 5, "angu…"},
		{"愛愛", 5, "愛愛 "},
		{"愛愛愛", 5, "愛愛…"},
		{"愛愛愛", 4, "愛… "},
		{"e\u0301te\u0301", 5, "e\u0301te\u0301  "},
		{"😀😀😀", 6, "😀😀😀"},
		{"\x1b[2J", 7, `\x1b[2J`},
		{"", 3, "   "},
		{strings.Repeat("x", 10_000), 4, "xxx…"},
		{"a\u202eb", 40, `a\u202eb` + strings.Repeat(" ", 32)},
	} {
		if got := Cell(c.in, c.columns); got != c.want {
			t.Errorf("cell(%.40q, %d) = %q, want %q", c.in, c.columns, got, c.want)
		}
	}
	if got := Clipped("a"+strings.Repeat("\u0301", 10_000), 10); utf8.RuneCountInString(got) > 30 {
		t.Errorf("10,000 marks on one letter: %d characters are left", utf8.RuneCountInString(got))
	}
}

func FuzzCell(f *testing.F) {
	f.Add("a\u202eb愛\x1b\xff", 7)
	f.Fuzz(func(t *testing.T, s string, columns int) {
		columns = 1 + columns&63
		got := Cell(s, columns)
		if Width(got) != columns || !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("cell(%q, %d) = %q, of %d columns", s, columns, got, Width(got))
		}
	})
}
