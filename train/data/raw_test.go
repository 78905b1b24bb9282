package data

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// rawFormats are files as a split meets them, by number.
var rawFormats = []struct {
	name string
	o    Options
}{
	{"f.csv", Options{}},
	{"f.tsv", Options{}},
	{"f.tsv", Options{NoHeader: true, TextColumn: "1", LabelsColumn: "2"}},
	{"f.jsonl", Options{}},
	{"f.ft", Options{}},
}

// What KeepRaw keeps is the file, but for blank lines; put together again, it reads as the file did.
func FuzzRaw(f *testing.F) {
	f.Add([]byte("\ufefftext,labels\r\n\"a\r\n\r\n\"\"b\"\"\",joy\r\n\r\nc,\"joy,love\""), 0)
	f.Add([]byte("\n\ntext\tlabels\na\tjoy\n\nb\t\n"), 1)
	f.Add([]byte("a\tjoy\nb\t"), 2)
	f.Add([]byte(" {\"text\":\"a\",\"labels\":[0,1]}\r\n\n{\"labels\":[1,null],\"text\":\"b\"}"), 3)
	f.Add([]byte("__label__joy a\n\n __label__love\tb \n"), 4)
	f.Add([]byte("\ufeff\r\n\r\ntext,joy\r\n\r\na,"), 0) // found by fuzzing: the blank lines below
	f.Add([]byte("text,0\n\"\"\n,\"0\""), 0)             // found by fuzzing: "" is a field, no blank line
	for _, s := range shapes {
		for i := range rawFormats {
			f.Add([]byte(s.content), i)
		}
	}
	f.Fuzz(func(t *testing.T, content []byte, format int) {
		c := rawFormats[uint(format)%uint(len(rawFormats))]
		c.o.KeepRaw = true
		whole, err := LoadFrom(bytes.NewReader(content), c.name, c.o)
		if err != nil || bytes.HasPrefix(content, []byte("\x1f\x8b")) ||
			bytes.HasPrefix(bytes.TrimLeft(bytes.TrimPrefix(content, []byte("\ufeff")), "\r"), []byte("\n")) {
			return // blank lines before the header: it would come to stand where the encoding is looked for
		}
		_, rest, _ := bytes.Cut(content, []byte(whole.Head))
		text := whole.Head
		for _, raw := range whole.Raw {
			between, behind, found := bytes.Cut(rest, []byte(raw))
			if !found || len(bytes.TrimSpace(between)) > 0 {
				t.Fatalf("the row %q is not the next one in %q", raw, rest)
			}
			if text, rest = text+raw, behind; !strings.HasSuffix(raw, "\n") {
				text += "\n"
			}
		}
		c.o.Labels = whole.Labels
		again, err := LoadFrom(strings.NewReader(text), c.name, c.o)
		if err != nil || !slices.Equal(again.Texts, whole.Texts) || !slices.Equal(again.Y, whole.Y) ||
			!slices.Equal(again.IDs, whole.IDs) || !slices.Equal(again.Pairs, whole.Pairs) {
			t.Fatalf("%v\n%q\nreads back as %+v, was %+v", err, text, again, whole)
		}
	})
}
