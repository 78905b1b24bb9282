package plaintext

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"joy":                                    "joy",
		"Überraschung 驚き":                        "Überraschung 驚き",
		"a\x00b\tc\nd\r":                         `a\x00b\tc\nd\r`,
		"\x1b[31mred":                            `\x1b[31mred`,
		"user\u202eresu\u2066x":                  `user\u202eresu\u2066x`,
		"zero\u200bwidth\ufeff":                  `zero\u200bwidth\ufeff`,
		"half\xff\xc3":                           `half\xff\xc3`,
		"👨\u200d👩\u200d👧":                        "👨\u200d👩\u200d👧",
		"می\u200cخواهم":                          "می\u200cخواهم",
		"e\u0301":                                "e\u0301",
		"z" + strings.Repeat("\u0336", 50) + "!": "z\u0336\u0336\u0336\u0336!",
		"<script>":                               "<script>",
	} {
		if got := Visible(in); got != want {
			t.Errorf("Visible(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		in    string
		width int
		want  string
	}{
		{"joy", 3, "joy"},
		{"gratitude", 5, "grat…"},
		{"驚き感謝", 6, "驚き…"},
		{"驚き感謝", 8, "驚き感謝"},
		{"👨\u200d👩\u200d👧👍👍", 4, "👨\u200d👩\u200d👧…"},
		{"", 4, ""},
		{strings.Repeat("x", 10000), 4, "xxx…"},
		{"z" + strings.Repeat("\u0336\u0489", 500), 3, "z\u0336\u0489\u0336\u0489…"},
		{"a\u202eb", 6, `a\u20…`},
	} {
		if got := Fit(c.in, c.width); got != c.want {
			t.Errorf("Fit(%q, %d) = %q, want %q", c.in, c.width, got, c.want)
		}
	}
}

func TestExcerpt(t *testing.T) {
	if got := Excerpt(strings.Repeat("é", 10000), 5); got != "ééééé… (10000 characters)" {
		t.Errorf("found %q", got)
	}
	if got := Excerpt("ab\n", 3); got != `ab\n` {
		t.Errorf("found %q", got)
	}
}

// Whatever comes in, what goes out is valid, keeps its line, and is as narrow as was asked for.
func FuzzFit(f *testing.F) {
	f.Add("joy", 3)
	f.Add("\x1b\u202e\x00\xff", 7)
	f.Add("👨\u200d👩\u200d👧\u0301\u0301\u0301\u0301\u0301", 2)
	f.Fuzz(func(t *testing.T, s string, width int) {
		width = 1 + width&0xff
		got := Fit(s, width)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\x07\b\t\n\r\x1b\u202e\u2028\u2066") {
			t.Errorf("Fit(%q, %d) = %q", s, width, got)
		}
		if w := Width(got); w > width {
			t.Errorf("Fit(%q, %d) = %q takes %d columns", s, width, got, w)
		}
	})
}
