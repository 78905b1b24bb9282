package data

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// sectionFiles are files with all that a cut may go wrong on.
var sectionFiles = map[string]struct {
	text string
	o    Options
}{
	"plain.jsonl":    {"{\"id\":1,\"text\":\"a\"}\n{\"id\":2,\"text\":\"b\"}\n\n{\"text\":[]}\n  \n{\"id\":3,\"text\":\"c\"}", Options{}},
	"mark.jsonl":     {"\ufeff{\"text\":\"a\"}\r\n{\"id\":2,\"text\":\"\"}\r\n{\"text\":\"b\"}\r\n", Options{}},
	"cr.jsonl":       {"{\"text\":\"a\"}\n{\"text\":\"b\"} \r ", Options{}},
	"empty.jsonl":    {"", Options{}},
	"blank.jsonl":    {"\n\n\n", Options{}},
	"long.jsonl":     {"{\"text\":\"a\"}\n{\"text\":\"" + strings.Repeat("long ", 60_000) + "\"}\n{\"text\":\"b\"}\n", Options{}},
	"header.tsv":     {"id\ttext\n1\ta\n2\tb\tc\n\n3\t\"\n", Options{}},
	"mark.tsv":       {"\ufeff\n\r\ntext\tid\r\nb\t1\r\nonly\r\n\r\nd\t2", Options{}},
	"only.tsv":       {"text\tid\n", Options{}},
	"single.tsv":     {"text\na\n\nb\n", Options{}},
	"numbers.tsv":    {"\n1\ta\tx\n2\tb\n3\tc\tz\n", Options{NoHeader: true, TextColumn: "2", IDColumn: "1"}},
	"wide.tsv":       {strings.Repeat("\t", MaxColumns+1) + "\na\tb\nc\nd\te\n", Options{NoHeader: true, TextColumn: "1"}},
	"text.txt":       {"a\n\nb\r\n \nlast", Options{}},
	"cr.txt":         {"a\nb\rc", Options{}},
	"labels.ft":      {"__label__x a\n\n__label__y __label__z b\nc", Options{}},
	"delimiter.tsv":  {"id;text\n1;a\n2;b;c\n", Options{Delimiter: ";"}},
	"repeated.jsonl": {strings.Repeat("{\"text\":\"x\"}\n", 300), Options{}},
}

// whole is the text of a row that has to be the same wherever it was read.
func whole(ex *Example) string {
	shown := *ex
	shown.Line, shown.Offset, shown.Bad = 0, 0, nil
	if ex.Bad != nil {
		return fmt.Sprintf("%+v %s", shown, ex.Bad.Fault())
	}
	return fmt.Sprintf("%+v", shown)
}

// readSection returns the rows of a reader, and checks that each says where it stands.
func readSection(t *testing.T, r *Reader, file []byte, section bool) (rows []string) {
	t.Helper()
	defer r.Close()
	for {
		var ex Example
		err := r.Read(&ex)
		if err == io.EOF {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		at := ex.Offset
		if !section {
			at += int64(len(r.src.mark))
		}
		if at > 0 && file[at-1] != '\n' && at != int64(len("\ufeff")) || (ex.Line == 0) != section {
			t.Errorf("%s: a row at byte %d, line %d", ex.Place(), at, ex.Line)
		}
		if ex.Bad != nil && ex.Bad.Error() != ex.Place()+": "+ex.Bad.Fault() {
			t.Errorf("%v at %s", ex.Bad, ex.Place())
		}
		rows = append(rows, whole(&ex))
	}
}

// The sections of a file give its rows, wherever it is cut between lines.
func TestSections(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for name, c := range sectionFiles {
		path, file := filepath.Join(t.TempDir(), name), []byte(c.text)
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		c.o.IgnoreLabels, c.o.OnBadRow = true, ReportBadRows
		r, err := Open(path, c.o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := readSection(t, r, file, false)
		for range 12 {
			borders := []int64{0}
			for i := range file {
				if file[i] == '\n' && rng.IntN(2) == 0 {
					borders = append(borders, int64(i+1))
				}
			}
			borders = append(borders, int64(len(file)))
			var got []string
			for i := range borders[1:] {
				start, end := borders[i], borders[i+1]
				r, err := OpenSection(path, start, end, c.o)
				if err != nil {
					t.Fatalf("%s [%d, %d): %v", name, start, end, err)
				}
				got = append(got, readSection(t, r, file, true)...)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%s cut at %d: %q, want %q", name, borders, got, want)
			}
		}
	}
}

// A digest is that of the section, header and mark included.
func TestSectionDigest(t *testing.T) {
	t.Parallel()
	path, file := filepath.Join(t.TempDir(), "f.tsv"), []byte("\ufefftext\tid\na\t1\nb\t2\n")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]int64{{0, 20}, {0, 11}, {11, 15}, {15, 19}, {15, 15}} {
		end := min(c[1], int64(len(file)))
		r, err := OpenSection(path, c[0], end, Options{IgnoreLabels: true})
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Digest()
		if err != nil || got != sha256.Sum256(file[c[0]:end]) {
			t.Errorf("%d: %x, %v", c, got, err)
		}
		r.Close()
	}
}

// What cannot be read in parts is refused, and so is a file whose beginning is bad, by every section alike.
func TestSectionRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, c := range map[string]struct {
		text, want string
		o          Options
	}{
		"a.csv":      {"text\na\n", "format: ", Options{}},
		"a.jsonl.gz": {"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00", "compressed by gzip", Options{}},
		"a.tsv":      {"", "an empty file", Options{}},
		"b.tsv":      {"word\na\n", "a column \"text\"", Options{}},
		"c.tsv":      {"a\nb\n", "found 1 columns", Options{NoHeader: true, TextColumn: "2"}},
		"a.xyz":      {"a\n", "no suffix", Options{}},
		"u.jsonl":    {"\xff\xfea\x00\n\x00", "UTF-16", Options{}},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		c.o.IgnoreLabels, c.o.OnBadRow = true, ReportBadRows
		for _, start := range []int64{0, int64(len(c.text))} {
			r, err := OpenSection(path, start, int64(len(c.text)), c.o)
			if err == nil {
				r.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s from %d: %v, want %q", name, start, err, c.want)
			}
		}
	}
	if _, err := OpenSection(filepath.Join(dir, "none.jsonl"), 0, 0, Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	old := filepath.Join(dir, "mac.jsonl")
	if err := os.WriteFile(old, []byte("{\"text\":\"a\"}\r{\"text\":\"b\"}\r"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := OpenSection(old, 0, 26, Options{IgnoreLabels: true, OnBadRow: ReportBadRows})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Read(&Example{}); err == nil || !strings.Contains(err.Error(), "CR alone") {
		t.Errorf("old Macintosh: %v", err)
	}
}
