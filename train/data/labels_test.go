package data

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestReadLabels(t *testing.T) {
	for _, c := range []struct {
		name, content string
		want          []string
		line          int
		says          string
	}{
		{"plain", "joy\nlove\n", []string{"joy", "love"}, 0, ""},
		{"byte order mark, CRLF, no line end at the end", "\ufeffjoy\r\nin awe, so", []string{"joy", "in awe, so"}, 0, ""},
		{"spaces round a name are no part of it", "joy \n in awe\t\n", []string{"joy", "in awe"}, 0, ""},
		{"a name twice but for spaces", "joy \n joy\n", nil, 2, `label 1 again: "joy"`},
		{"gzip", string(zip([]byte("joy\n"))), []string{"joy"}, 0, ""},
		{"duplicate", "joy\nlove\njoy\n", nil, 3, `label 1 again: "joy"`},
		{"blank line", "joy\n\nlove\n", nil, 2, "blank"},
		{"blank line at the end", "joy\n\n", nil, 2, "blank"},
		{"spaces only", "joy\n  \n", nil, 2, "blank"},
		{"empty", "", nil, 1, "no label"},
		{"no UTF-8", "joy\nl\xffve\n", nil, 2, "UTF-8"},
		{"UTF-16", utf16le("\ufeffjoy\n"), nil, 1, "UTF-16"},
		{"CR only", "joy\rlove\r", nil, 1, "CR alone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "labels.txt")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			l, err := ReadLabels(path)
			if c.want != nil {
				if err != nil || !slices.Equal(l.Names(), c.want) {
					t.Fatalf("%v, %v, want %q", l, err, c.want)
				}
				for i, name := range c.want {
					if place, ok := l.Index(name); !ok || place != i || l.Name(i) != name {
						t.Errorf("%q is at %d, want %d", name, place, i)
					}
				}
				return
			}
			bad := new(RowError)
			if !errors.As(err, &bad) || bad.File != path || bad.Line != c.line || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want line %d and %q", err, c.line, c.says)
			}
		})
	}
}

func TestNewLabelList(t *testing.T) {
	for _, names := range [][]string{{}, {""}, {"a", "a"}, {"a\nb"}, {"\xff"}} {
		if _, err := NewLabelList(names, ""); !errors.Is(err, ErrRefused) {
			t.Errorf("%q: %v", names, err)
		}
	}
	l, err := NewLabelList([]string{"Joy", "in awe", "joy", "love", "in_awe", "JOY"}, "")
	if err != nil {
		t.Fatal(err)
	}
	alike := l.LookAlikes()
	if len(alike) != 2 || !slices.Equal(alike[0], []string{"Joy", "joy", "JOY"}) || !slices.Equal(alike[1], []string{"in awe", "in_awe"}) {
		t.Errorf("look-alikes %q", alike)
	}
	if _, ok := l.Index("Love"); ok {
		t.Error("names are found by other spellings")
	}
}

// A list whose names are all numbers takes no other number as an index: "3" would silently become another label.
func TestNumbersAsNames(t *testing.T) {
	l, err := NewLabelList([]string{"0", "1", "3"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LoadFrom(strings.NewReader("text,labels\na,2\n"), "f.csv", Options{Labels: l}); !errors.As(err, new(*UnknownLabelsError)) {
		t.Errorf("2 among 0, 1, 3: %v", err)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"joy", "love", "happiness", "in awe", "text_pair"}
	for name, want := range map[string]string{
		"Joy": "joy", " joy": "joy", "jyo": "joy", "joyy": "joy", "lvoe": "love", "hapiness": "happiness", "in-awe": "in awe",
		"In_Awe": "in awe",
		"pair":   "text_pair", "hate": "", "": "", "x": "", "日本": "", strings.Repeat("joy", 1000): "",
	} {
		if got := nearest(name, names); got != want {
			t.Errorf("nearest(%.20q) = %q, want %q", name, got, want)
		}
	}
}

// Distances worked out by hand.
func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"abcd", "acbd", 1}, {"ca", "abc", 3},
		{"flaw", "lawn", 2}} {
		if got := editDistance([]rune(c.a), []rune(c.b)); got != c.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

// White space round a name, in the data or in the list, does not count; of names that differ by nothing else the first is meant, unless
// one is written exactly so.
func TestSpacedLabels(t *testing.T) {
	l, err := NewLabelList([]string{"love ", " joy", "joy ", "joy  "}, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"joy": 1, "  joy": 1, "joy ": 2, "love": 0, " love": 0, "fear": -1} {
		got, ok := l.lookup(name)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q is label %d, want %d", name, got, want)
		}
	}
}
