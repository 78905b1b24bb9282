package data

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"
)

func sum(b []byte) [sha256.Size]byte { return sha256.Sum256(b) }

// endless is a prefix, then one byte for ever (n times).
type endless struct {
	prefix io.Reader
	b      byte
	n      int
}

func (e *endless) Read(p []byte) (int, error) {
	if n, err := e.prefix.Read(p); err == nil {
		return n, nil
	}
	if e.n == 0 {
		return 0, io.EOF
	}
	p = p[:min(len(p), e.n)]
	for i := range p {
		p[i] = e.b
	}
	e.n -= len(p)
	return len(p), nil
}

// A row over MaxRow is refused at its line without being held whole, and the row behind it is read.
func TestRowTooLong(t *testing.T) {
	for _, c := range []struct{ name, before, after string }{
		{"f.csv", "text,labels\na,joy\nb", ",joy\nc,joy\n"},
		{"f.tsv", "text\tlabels\na\tjoy\nb", "\tjoy\nc\tjoy\n"},
		{"f.jsonl", "\n" + `{"text":"a","labels":[]}` + "\n" + `{"text":"b`, `","labels":[]}` + "\n" + `{"text":"c","labels":[]}`},
		{"f.ft", "x\na\n__label__joy b", "\nc"},
	} {
		long := &endless{strings.NewReader(c.before), 'b', 64 << 20}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := NewReader(io.MultiReader(long, strings.NewReader(c.after)), c.name,
			Options{Labels: testLabels(t), OnBadRow: ReportBadRows})
		if err != nil {
			t.Fatal(err)
		}
		var ex Example
		if c.name == "f.ft" {
			r.Read(&ex) // its first line
		}
		err1, err2, bad := r.Read(&ex), r.Read(&ex), ex.Bad
		err3 := r.Read(&ex)
		if err1 != nil || err2 != nil || bad == nil || bad.Line != 3 || !strings.Contains(bad.Error(), "16 MiB") || err3 != nil ||
			ex.Bad != nil || ex.Text != "c" || ex.Line != 4 {
			t.Errorf("%s: %v, %v, %v, %v, %+v", c.name, err1, err2, bad, err3, ex)
		}
		runtime.ReadMemStats(&after)
		// The buffer doubles up to 2·MaxRow: 4·MaxRow in all, and the small things.
		if used := after.TotalAlloc - before.TotalAlloc; used > 4*MaxRow+1<<20 {
			t.Errorf("%s: %d bytes allocated for a row of 64 MiB", c.name, used)
		}
	}
}

// A quote that never closes does not swallow the file: after 16 MiB the row is given up, and the line behind its first is next.
func TestQuoteTooLong(t *testing.T) {
	content := "text,labels\n\"a,joy\n" + strings.Repeat("b,joy\n", 3<<20)
	r, err := NewReader(strings.NewReader(content), "f.csv", Options{Labels: testLabels(t), OnBadRow: SkipBadRows})
	if err != nil {
		t.Fatal(err)
	}
	var ex Example
	rows := 0
	for ; ; rows++ {
		if err := r.Read(&ex); err == io.EOF {
			break
		} else if err != nil || ex.Text != "b" || ex.Line != rows+3 {
			t.Fatalf("row %d: %+v, %v", rows, ex, err)
		}
	}
	if rows != 3<<20 || r.Stats().Bad != 1 {
		t.Errorf("%d rows, %d bad", rows, r.Stats().Bad)
	}
}

// A row of exactly MaxRow bytes is read.
func TestLongestRow(t *testing.T) {
	row := strings.Repeat("a", MaxRow-len("\tjoy\n")) + "\tjoy\n"
	o := Options{Labels: testLabels(t), NoHeader: true, TextColumn: "1", LabelsColumn: "2"}
	if all, err := readAll(t, []byte(row), "f.tsv", o); err != nil || len(all[0].Text) != MaxText {
		t.Errorf("%v", err)
	}
	if _, err := readAll(t, []byte("a"+row), "f.tsv", o); err == nil {
		t.Error("one byte more is read too")
	}
}

// A text over MaxText is cut between characters, or refused.
func TestLongText(t *testing.T) {
	for _, c := range []struct {
		text string
		want int
	}{
		{strings.Repeat("a", MaxText), MaxText},
		{strings.Repeat("a", MaxText+1), MaxText},
		{strings.Repeat("a", MaxText-1) + "é", MaxText - 1},
		{strings.Repeat("a", MaxText-3) + "😀", MaxText - 3},
		{strings.Repeat("a", MaxText-4) + "😀x", MaxText},
		{strings.Repeat("\x80", MaxText+1), MaxText - 3}, // no characters at all
	} {
		content := `{"text":"` + c.text + `","text_pair":"b"}`
		r, err := NewReader(strings.NewReader(content), "f.jsonl", Options{IgnoreLabels: true})
		if err != nil {
			t.Fatal(err)
		}
		var ex Example
		if err := r.Read(&ex); err != nil || len(ex.Text) != c.want || ex.Pair != "b" {
			t.Fatalf("%d bytes, %v; want %d", len(ex.Text), err, c.want)
		}
		wasCut := len(c.text) > MaxText
		if utf8.ValidString(c.text) && !utf8.ValidString(ex.Text) || (r.Stats().CutTexts == 1) != wasCut {
			t.Errorf("cut in a character, or counted wrongly: %+v", r.Stats())
		}
		_, err = readAll(t, []byte(content), "f.jsonl", Options{IgnoreLabels: true, OnLong: LongError})
		if wasCut != errors.Is(err, ErrRefused) {
			t.Errorf("%d bytes with LongError: %v", len(c.text), err)
		}
	}
}

// Texts with invalid UTF-8 reach the tokenizer as they are, and are counted once a row.
func TestInvalidUTF8(t *testing.T) {
	content := "text,text_pair\nfine,�\nb\x80,c\xff\n\xc0\xaf,\n\xed\xa0\x80,\ncut\xe2\x82,\n"
	r, err := NewReader(strings.NewReader(content), "f.csv", Options{IgnoreLabels: true})
	if err != nil {
		t.Fatal(err)
	}
	var ex Example
	for _, want := range []string{"fine", "b\x80", "\xc0\xaf", "\xed\xa0\x80", "cut\xe2\x82"} {
		if err := r.Read(&ex); err != nil || ex.Text != want {
			t.Errorf("%q, %v; want %q", ex.Text, err, want)
		}
	}
	if got := r.Stats().InvalidUTF8; got != 4 {
		t.Errorf("%d rows counted, want 4", got)
	}
	_, err = readAll(t, []byte("text,text_pair\na,b\nc,d�\xff\n"), "f.csv", Options{IgnoreLabels: true, StrictUTF8: true})
	if bad := new(RowError); !errors.As(err, &bad) || bad.Line != 3 || bad.Column != "text_pair" || !strings.Contains(bad.Found, "byte 5") {
		t.Errorf("strict: %v", err)
	}
}

// Reading a long file allocates for its texts only: memory stays flat however many rows there are.
func TestStreaming(t *testing.T) {
	const rows = 100_000
	pipe, w := io.Pipe()
	go func() {
		block := []byte(strings.Repeat("\"some text, quoted\",\"joy,love\"\n", 1000))
		io.WriteString(w, "text,labels\n")
		for range rows / 1000 {
			w.Write(block)
		}
		w.Close()
	}()
	r, err := NewReader(pipe, "f.csv", Options{Labels: testLabels(t)})
	if err != nil {
		t.Fatal(err)
	}
	var ex Example
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n := 0
	for r.Read(&ex) == nil {
		n++
	}
	runtime.ReadMemStats(&after)
	if perRow := float64(after.Mallocs-before.Mallocs) / rows; n != rows || perRow > 4 { // the text, the labels' field, its names
		t.Errorf("%d rows, %.1f allocations a row", n, perRow)
	}
	if cap(r.lines.buf) != 64<<10 {
		t.Errorf("the buffer has grown to %d bytes", cap(r.lines.buf))
	}
}

// A row of nothing but separators, or a text column taken for labels, does not fill the memory.
func TestTooWide(t *testing.T) {
	labels := Options{Labels: testLabels(t), OnBadRow: SkipBadRows}
	for name, separator := range map[string]string{"f.csv": ",", "f.tsv": "\t"} {
		content := "text" + separator + "labels\n" + strings.Repeat(separator, MaxColumns) + "\na" + separator + "joy\n"
		if all, err := readAll(t, []byte(content), name, labels); err != nil || len(all) != 1 || all[0].Line != 3 {
			t.Errorf("%s: %v, %v", name, all, err)
		}
		_, err := readAll(t, []byte(strings.Repeat(separator, MaxColumns)+"\n"), name, labels)
		if bad := new(RowError); !errors.As(err, &bad) || bad.Line != 1 || !strings.Contains(err.Error(), "more than 65536 fields") {
			t.Errorf("%s: header: %v", name, err)
		}
	}
	var b strings.Builder
	for i := range MaxLabels + 1 {
		fmt.Fprintf(&b, "__label__a%d x\n", i)
	}
	_, err := LoadFrom(strings.NewReader(b.String()), "f.ft", Options{})
	if bad := new(RowError); !errors.As(err, &bad) || bad.Line != MaxLabels+1 || !strings.Contains(err.Error(), "more than 65536 labels") {
		t.Errorf("too many labels: %v", err)
	}
}

// idle returns nothing and no error.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestNoProgress(t *testing.T) {
	l := newLines(idle{})
	l.begin()
	if err := l.line(); err != io.ErrNoProgress {
		t.Errorf("%v, want io.ErrNoProgress", err)
	}
}

// hesitating returns nothing, and no error, so many times before each byte.
type hesitating struct {
	src         io.Reader
	times, left int
}

func (h *hesitating) Read(p []byte) (int, error) {
	if h.left--; h.left >= 0 {
		return 0, nil
	}
	h.left = h.times
	return h.src.Read(p[:1])
}

// TestHesitatingReader: a reader may return nothing for a while, as bufio allows it 99 times; then it is at fault.
func TestHesitatingReader(t *testing.T) {
	for times, want := range map[int]error{99: nil, 100: io.ErrNoProgress} {
		l := newLines(&hesitating{strings.NewReader("ab\n"), times, times})
		l.begin()
		if err := l.line(); err != want || err == nil && string(l.row()) != "ab\n" {
			t.Errorf("nothing %d times: %q, %v, want %v", times, l.row(), err, want)
		}
	}
}
