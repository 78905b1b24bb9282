package data

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

// seed adds the files of the other tests.
func seed(f *testing.F) {
	for _, s := range shapes {
		f.Add([]byte(s.content))
	}
	for _, d := range defects {
		row := strings.Replace(d.row, mark, "", 1)
		if d.format == CSV {
			row = "id,text,labels\n" + row + "\n"
		}
		if len(row) < 1000 {
			f.Add([]byte(row))
		}
	}
}

// fuzzRead reads content under every policy: no panic, the rows are counted, lines only rise, and errors have a place in the file.
func fuzzRead(t *testing.T, content []byte, name string, o Options) {
	lines := bytes.Count(content, []byte{'\n'}) + 1
	for _, policy := range []BadRows{StopAtBadRow, SkipBadRows, ReportBadRows} {
		o.OnBadRow = policy
		r, err := NewReader(bytes.NewReader(content), name, o)
		last, rows, bad := 0, 0, 0
		for ex := (Example{}); err != io.EOF; {
			if err == nil {
				err = r.Read(&ex)
			}
			if err == io.EOF {
				break
			}
			fault := new(RowError)
			if err == nil && ex.Bad != nil {
				err = ex.Bad
			}
			switch {
			case err == nil:
				if ex.Line <= last || ex.Line > lines {
					t.Fatalf("row at line %d behind line %d of %d", ex.Line, last, lines)
				}
				last = ex.Line
				rows++
			case errors.As(err, &fault):
				if fault.Line < 1 || fault.File != name || fault.Found == "" || fault.Expected == "" || fault.Byte > len(content)+1 {
					t.Fatalf("%+v", fault)
				}
				bad++
			default:
				t.Fatal(err)
			}
			if r == nil || err == r.err && err != nil {
				return // refused for good
			}
			err = nil
		}
		if s := r.Stats(); s.Rows != rows || policy == ReportBadRows && s.Bad != bad {
			t.Fatalf("%d and %d rows, counted %+v", rows, bad, s)
		}
	}
}

// Where encoding/csv and this reader both accept a file, they see the same rows. encoding/csv turns CRLF inside quotes into LF.
func FuzzCSV(f *testing.F) {
	seed(f)
	f.Add([]byte("a,\"b\r\n\"\"c\"\r\n\r\n\"\",\r"))
	labels := testLabels(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		fuzzRead(t, content, "f.csv", Options{Labels: labels})
		fuzzRead(t, content, "f.csv", Options{Labels: labels, NoHeader: true, TextColumn: "1", LabelsColumn: "2"})
		std := csv.NewReader(bytes.NewReader(content))
		std.FieldsPerRecord = -1
		want, stdErr := std.ReadAll()
		got, err := csvFields(content)
		if stdErr != nil || err != nil {
			return
		}
		if len(got) != len(want) {
			t.Fatalf("%q\n%q\nwant %q", content, got, want)
		}
		for i := range got {
			if g, w := strings.Join(got[i], "\x1f"), strings.Join(want[i], "\x1f"); strings.ReplaceAll(g, "\r\n", "\n") != w {
				t.Fatalf("%q, row %d: %q, want %q", content, i, g, w)
			}
		}
	})
}

func csvFields(content []byte) (rows [][]string, err error) {
	c := csvRecords{lines: newLines(bytes.NewReader(content)), delimiter: ','}
	for {
		fields, err := c.next()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		if len(trimLineEnd(c.lines.row())) == 0 {
			continue // encoding/csv passes over blank lines
		}
		var row []string
		for _, field := range fields {
			row = append(row, string(field))
		}
		rows = append(rows, row)
	}
}

// What encoding/json refuses is refused here too, and a text is what encoding/json makes of it.
func FuzzJSONL(f *testing.F) {
	seed(f)
	f.Add([]byte(`{"text":"\u0000\ud83d\ude00\udc00\"\\\/\b\f\n\r\t","labels":[],"x":[-0,1e5,0.5E-7,true,false,null,{}]}`))
	labels := testLabels(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		fuzzRead(t, content, "f.jsonl", Options{Labels: labels})
		line, _, _ := bytes.Cut(content, []byte{'\n'})
		j := jsonText{b: line}
		text := ""
		err := j.object(func(key string, at int) error {
			if j.peek() != '"' || key != "text" {
				return j.skip(1)
			}
			s, err := j.str()
			text = string(s)
			return err
		})
		if err == nil {
			err = j.end()
		}
		if err == nil && !json.Valid(line) {
			t.Fatalf("%q is no JSON", line)
		}
		var std map[string]any
		if err != nil || json.Unmarshal(line, &std) != nil || !utf8.ValidString(text) {
			if err != nil && json.Valid(line) && bytes.HasPrefix(line, []byte("{")) && !strings.Contains(err.Error(), "deep") {
				t.Fatalf("%q is JSON, but %v", line, err)
			}
			return
		}
		if want, ok := std["text"].(string); ok && want != text {
			t.Fatalf("%q: text %q, want %q", line, text, want)
		}
	})
}

// A row written as labels and text is read as them.
func FuzzFastText(f *testing.F) {
	seed(f)
	labels := testLabels(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		fuzzRead(t, content, "f.ft", Options{Labels: labels})
		text := strings.TrimSpace(string(content))
		if strings.Contains(text, labelPrefix) || strings.ContainsAny(text, "\r\n") || len(text) > MaxText || text == "" {
			return
		}
		all, err := readAll(t, []byte("__label__love\t __label__joy "+text), "f.ft", Options{Labels: labels})
		if err != nil || all[0].Text != text || all[0].Labels[0] != 1 || all[0].Labels[1] != 1 || all[0].Labels[2] != 0 {
			t.Fatalf("%q: %+v, %v", text, all, err)
		}
	})
}

// TSV and label files, packed or not.
func FuzzTSV(f *testing.F) {
	seed(f)
	f.Add(zip([]byte("joy\ttext\n")))
	labels := testLabels(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		if bytes.HasPrefix(content, []byte("\x1f\x8b")) {
			if src, err := newSource(bytes.NewReader(content), "f.tsv"); err == nil {
				io.CopyN(io.Discard, src.text, 1<<20)
			}
		} else {
			fuzzRead(t, content, "f.tsv", Options{Labels: labels, NoHeader: true, TextColumn: "2", LabelsColumn: "1"})
		}
		if src, err := newSource(bytes.NewReader(content), "labels.txt"); err == nil {
			if l, err := readLabels(src); (err == nil) == (l == nil) {
				t.Fatal(l, err)
			}
		}
	})
}
