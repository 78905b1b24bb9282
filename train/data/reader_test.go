package data

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
)

// shapes is the contract of data files: what each layout means under each flag.
var shapes = []struct {
	name, file, content string
	options             Options
	labels              []string // the gathered list
	want                []Example
}{
	{
		"csv with a labels column", "f.csv", "id,text,labels\n1,hello,\"joy,love\"\n2,world,\n", Options{},
		[]string{"joy", "love"},
		[]Example{{ID: "1", HasID: true, Text: "hello", Labels: []int8{1, 1}, Line: 2},
			{ID: "2", HasID: true, Text: "world", Labels: []int8{0, 0}, Line: 3}},
	}, {
		"gathered names are sorted", "f.csv", "text,labels\na,\"zeal,joy\"\nb,Joy\n", Options{},
		[]string{"Joy", "joy", "zeal"},
		[]Example{{Text: "a", Labels: []int8{0, 1, 1}, Line: 2}, {Text: "b", Labels: []int8{1, 0, 0}, Line: 3}},
	}, {
		"0/1 columns in the order of the header", "f.csv", "love,text,joy\n1,a,0\n,b,1\n", Options{},
		[]string{"love", "joy"},
		[]Example{{Text: "a", Labels: []int8{1, 0}, Line: 2}, {Text: "b", Labels: []int8{Unknown, 1}, Line: 3}},
	}, {
		"chosen 0/1 columns", "f.tsv", "text\tsource\tjoy\tlove\na\tx\t1\t0\n", Options{LabelColumns: []string{"love", "joy"}},
		[]string{"joy", "love"},
		[]Example{{Text: "a", Labels: []int8{1, 0}, Line: 2}},
	}, {
		"the labels column wins over other columns", "f.tsv", "text\tscore\tlabels\na\t0.7\tjoy\n", Options{},
		[]string{"joy"},
		[]Example{{Text: "a", Labels: []int8{1}, Line: 2}},
	}, {
		"named columns", "f.csv", "body,other,key,tags\na,b,k,joy|love\n",
		Options{TextColumn: "body", PairColumn: "other", IDColumn: "key", LabelsColumn: "tags", LabelSeparator: "|"},
		[]string{"joy", "love"},
		[]Example{{Text: "a", Pair: "b", HasPair: true, ID: "k", HasID: true, Labels: []int8{1, 1}, Line: 2}},
	}, {
		"a separator of two bytes", "f.csv", "text,labels\na,joy; love\n", Options{LabelSeparator: "; "},
		[]string{"joy", "love"},
		[]Example{{Text: "a", Labels: []int8{1, 1}, Line: 2}},
	}, {
		"text_b is text_pair", "f.csv", "text,text_b,joy\na,b,1\n", Options{},
		[]string{"joy"},
		[]Example{{Text: "a", Pair: "b", HasPair: true, Labels: []int8{1}, Line: 2}},
	}, {
		"RFC 4180 quoting", "f.csv", "text,labels\n\"a, \"\"b\"\"\r\n\r\nc\",joy\n\"\",\"joy\"\n", Options{},
		[]string{"joy"},
		[]Example{{Text: "a, \"b\"\r\n\r\nc", Labels: []int8{1}, Line: 2}, {Text: "", Labels: []int8{1}, Line: 5}},
	}, {
		"no quoting in TSV", "f.tsv", "text\tlabels\n\"a\tjoy\n\"a\"\"b\"\tjoy\n", Options{},
		[]string{"joy"},
		[]Example{{Text: `"a`, Labels: []int8{1}, Line: 2}, {Text: `"a""b"`, Labels: []int8{1}, Line: 3}},
	}, {
		"byte order mark, CRLF, blank lines, no line end at the end", "f.csv", "\ufefftext,joy\r\n\r\na,1\r\n\r\nb,0", Options{},
		[]string{"joy"},
		[]Example{{Text: "a", Labels: []int8{1}, Line: 3}, {Text: "b", Labels: []int8{0}, Line: 5}},
	}, {
		"quoted header behind a byte order mark", "f.csv", "\ufeff\"text\",\"joy\"\na,1\n", Options{},
		[]string{"joy"},
		[]Example{{Text: "a", Labels: []int8{1}, Line: 2}},
	}, {
		"suffix in capitals", "F.CSV", "text,joy\na,1\n", Options{},
		[]string{"joy"},
		[]Example{{Text: "a", Labels: []int8{1}, Line: 2}},
	}, {
		"format without suffix", "data", "text\tjoy\na\t1\n", Options{Format: TSV},
		[]string{"joy"},
		[]Example{{Text: "a", Labels: []int8{1}, Line: 2}},
	}, {
		"headerless", "f.tsv", "a\tjoy\tx1\nb\t\tx2\n", Options{NoHeader: true, TextColumn: "1", LabelsColumn: "2", IDColumn: "3"},
		[]string{"joy"},
		[]Example{{Text: "a", ID: "x1", HasID: true, Labels: []int8{1}, Line: 1},
			{Text: "b", ID: "x2", HasID: true, Labels: []int8{0}, Line: 2}},
	}, {
		"headerless, numbers without a list are names", "f.tsv", "a\t10,2\nb\t2\n",
		Options{NoHeader: true, TextColumn: "1", LabelsColumn: "2"},
		[]string{"10", "2"},
		[]Example{{Text: "a", Labels: []int8{1, 1}, Line: 1}, {Text: "b", Labels: []int8{0, 1}, Line: 2}},
	}, {
		"jsonl", "f.jsonl", `{"text": "a", "text_pair": "b", "id": "x", "labels": ["joy", "love"]}` + "\n" +
			`{"labels":[],"id":7,"text":"\u00e9\n","text_b":"c","other":{"labels":[2]}}` + "\r\n\n" +
			`{"text":"d","text_pair":null,"id":null,"labels":[]}`, Options{},
		[]string{"joy", "love"},
		[]Example{
			{Text: "a", Pair: "b", HasPair: true, ID: "x", HasID: true, Labels: []int8{1, 1}, Line: 1},
			{Text: "é\n", Pair: "c", HasPair: true, ID: "7", HasID: true, NumericID: true, Labels: []int8{0, 0}, Line: 2},
			{Text: "d", Labels: []int8{0, 0}, Line: 4},
		},
	}, {
		"jsonl with objects", "f.ndjson",
		`{"text": "a", "labels": {"love": 1, "joy": null}}` + "\n" + `{"text": "b", "labels": {"fear": 0}}`, Options{},
		[]string{"fear", "joy", "love"},
		[]Example{{Text: "a", Labels: []int8{0, Unknown, 1}, Line: 1}, {Text: "b", Labels: []int8{0, 0, 0}, Line: 2}},
	}, {
		"jsonl with lists of 0 and 1 and no names", "f.jsonl",
		`{"text": "a", "labels": []}` + "\n" + `{"text": "b", "labels": [0,1,null,0,0,0,0,0,0,0,1]}`, Options{},
		[]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"},
		[]Example{{Text: "a", Labels: make([]int8, 11), Line: 1},
			{Text: "b", Labels: []int8{0, 1, Unknown, 0, 0, 0, 0, 0, 0, 0, 1}, Line: 2}},
	}, {
		"jsonl with other keys", "f.jsonl", `{"body": "a", "tags": ["joy"], "key": "k", "text": 5}`,
		Options{TextColumn: "body", LabelsColumn: "tags", IDColumn: "key"},
		[]string{"joy"},
		[]Example{{Text: "a", ID: "k", HasID: true, Labels: []int8{1}, Line: 1}},
	}, {
		"fasttext", "f.fasttext", "__label__joy __label__love the text\n\nno label here\n__label__joy\n  __label__love\tx __label y \n",
		Options{},
		[]string{"joy", "love"},
		[]Example{{Text: "the text", Labels: []int8{1, 1}, Line: 1}, {Labels: []int8{0, 0}, Line: 2}, {Text: "no label here", Labels: []int8{0, 0}, Line: 3},
			{Text: "", Labels: []int8{1, 0}, Line: 4}, {Text: "x __label y ", Labels: []int8{0, 1}, Line: 5}},
	},
}

// want fills in what every example has in common.
func want(file string, examples []Example) []Example {
	for i := range examples {
		examples[i].File = file
	}
	return examples
}

func equal(a, b Example) bool {
	labels := slices.Equal(a.Labels, b.Labels)
	a.Labels, b.Labels = nil, nil
	return labels && a.Text == b.Text && a.Pair == b.Pair && a.HasPair == b.HasPair && a.ID == b.ID && a.HasID == b.HasID &&
		a.NumericID == b.NumericID && a.File == b.File && a.Line == b.Line
}

// Each shape is loaded whole with a gathered list, then read row by row with that list, plain and gzipped, in small pieces.
func TestShapes(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			d, err := LoadFrom(strings.NewReader(s.content), s.file, s.options)
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Labels.Names(); !slices.Equal(got, s.labels) {
				t.Fatalf("gathered %q, want %q", got, s.labels)
			}
			for i, w := range s.want {
				if d.Texts[i] != w.Text || d.Pair(i) != w.Pair || d.Lines[i] != w.Line || !slices.Equal(d.Row(i), w.Labels) {
					t.Errorf("row %d: %q %q line %d %v, want %+v", i, d.Texts[i], d.Pair(i), d.Lines[i], d.Row(i), w)
				}
			}
			o := s.options
			o.Labels = d.Labels
			checkRows(t, strings.NewReader(s.content), s.file, o, s.want)
			checkRows(t, bytes.NewReader(zip([]byte(s.content))), s.file+".gz", o, s.want)
			checkRows(t, strings.NewReader(s.content), s.file+".gz", o, s.want) // unpacked on the way, as HTTP clients do
			checkRows(t, iotest.OneByteReader(strings.NewReader(s.content)), s.file, o, s.want)
		})
	}
}

func checkRows(t *testing.T, content io.Reader, name string, o Options, examples []Example) {
	t.Helper()
	r, err := NewReader(content, name, o)
	if err != nil {
		t.Fatal(err)
	}
	var ex Example // one for all rows: nothing may stay from the row before
	for i, w := range want(name, examples) {
		if err := r.Read(&ex); err != nil || !equal(ex, w) {
			t.Fatalf("row %d: %+v, %v\nwant %+v", i, ex, err, w)
		}
	}
	if err := r.Read(&ex); err != io.EOF {
		t.Fatalf("behind the last row: %v, want io.EOF", err)
	}
	if got := r.Stats().Rows; got != len(examples) {
		t.Fatalf("%d rows counted, want %d", got, len(examples))
	}
}

// With a label list the columns and names take its order, and numbers that are no names are indices.
func TestGivenList(t *testing.T) {
	list := func(names ...string) *LabelList {
		l, err := NewLabelList(names, "")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	headerless := Options{NoHeader: true, TextColumn: "1", LabelsColumn: "2"}
	columns := Options{NoHeader: true, TextColumn: "2", LabelColumns: []string{"3", "1"}}
	for _, c := range []struct {
		name, file, content string
		options             Options
		list                *LabelList
		want                [][]int8
	}{
		{"columns by name", "f.csv", "text,joy,love\na,1,0\n", Options{}, list("love", "joy"), [][]int8{{0, 1}}},
		{"columns by index", "f.csv", "text,1,0\na,1,0\n", Options{}, list("love", "joy"), [][]int8{{0, 1}}},
		{"columns by number, in the order given", "f.csv", "0,a,1\n", columns, list("love", "joy"), [][]int8{{1, 0}}},
		{"all other columns", "f.csv", "0,a,1\n", Options{NoHeader: true, TextColumn: "2"}, list("love", "joy"), [][]int8{{0, 1}}},
		{"indices", "f.tsv", "a\t0,2\nb\tlove,0\n", headerless, list("joy", "love", "fear"), [][]int8{{1, 0, 1}, {1, 1, 0}}},
		{"digits that are names", "f.tsv", "a\t7,0\nb\t1\n", headerless, list("2", "joy", "7"), [][]int8{{1, 0, 1}, {0, 1, 0}}},
		{"digits in JSON", "f.jsonl", `{"text":"a","labels":["1"]}` + "\n" + `{"text":"b","labels":{"0":1}}`, Options{},
			list("joy", "love"), [][]int8{{0, 1}, {1, 0}}},
		{"digits in fastText", "f.ft", "__label__1 a\n", Options{}, list("joy", "love"), [][]int8{{0, 1}}},
		{"0/1 list", "f.jsonl", `{"text":"a","labels":[1,null]}`, Options{}, list("joy", "love"), [][]int8{{1, Unknown}}},
		{"unknown names dropped", "f.jsonl", `{"text":"a","labels":["hate","love"]}`, Options{DropUnknown: true}, list("joy", "love"),
			[][]int8{{0, 1}}},
		{"unknown columns dropped", "f.csv", "text,hate,love,joy\na,9,1,0\n", Options{DropUnknown: true}, list("joy", "love"),
			[][]int8{{0, 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.options.Labels = c.list
			all, err := readAll(t, []byte(c.content), c.file, c.options)
			if err != nil {
				t.Fatal(err)
			}
			d, err := LoadFrom(strings.NewReader(c.content), c.file, c.options)
			if err != nil {
				t.Fatal(err)
			}
			for i, w := range c.want {
				if !slices.Equal(all[i].Labels, w) || !slices.Equal(d.Row(i), w) {
					t.Errorf("row %d: read %v, loaded %v, want %v", i, all[i].Labels, d.Row(i), w)
				}
			}
		})
	}
}

// predict: labels need not be there, and nothing that stands in their place matters.
func TestIgnoreLabels(t *testing.T) {
	for _, c := range []struct{ file, content string }{
		{"f.csv", "text\na\nb\n"},
		{"f.csv", "text,labels,labels2\na,\"joy,joy,\",\nb,x,y\n"},
		{"f.csv", "score,text\n0.7,a\nx,b\n"},
		{"f.tsv", "text\na\nb\n"},
		{"f.jsonl", `{"text":"a","labels":["x","x",5]}` + "\n" + `{"text":"b"}`},
		{"f.ft", "__label__x __label__x a\n__label__ b\n"},
	} {
		r, err := NewReader(strings.NewReader(c.content), c.file, Options{IgnoreLabels: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"a", "b"} {
			var ex Example
			if err := r.Read(&ex); err != nil || ex.Text != text || len(ex.Labels) != 0 {
				t.Errorf("%s %q: %+v, %v", c.file, c.content, ex, err)
			}
		}
		if r.Labels() != nil {
			t.Errorf("labels %v", r.Labels())
		}
	}
}

// A file of one text a line has an empty text where a line is blank, so that outputs stay beside inputs.
func TestBlankTextsOfOneColumn(t *testing.T) {
	o := Options{NoHeader: true, TextColumn: "1", IgnoreLabels: true}
	all, err := readAll(t, []byte("a\n\nb\n\n"), "f.tsv", o)
	if err != nil || len(all) != 4 || all[1].Text != "" || all[2].Text != "b" || all[3].Line != 4 {
		t.Errorf("%+v, %v", all, err)
	}
	for name, content := range map[string]string{"f.csv": "\ntext\na\n\nb\n\n", "f.tsv": "\ntext\na\n\nb\n\n", "f.ft": "\na\n\nb\n"} {
		all, err := readAll(t, []byte(content), name, Options{IgnoreLabels: true})
		want := []string{"a", "", "b", ""}
		if name == "f.ft" {
			want = []string{"", "a", "", "b"}
		}
		var texts []string
		for _, ex := range all {
			texts = append(texts, ex.Text)
		}
		if err != nil || !slices.Equal(texts, want) {
			t.Errorf("%s: %q, %v", name, texts, err)
		}
	}
}

// IDs of rows that cannot be read are their own, or none.
func TestIDOfBadTableRow(t *testing.T) {
	for content, id := range map[string]string{
		"id,text\n2,bye,now\n": "2", "id,text\n2\n": "2", "text,id\nbye,now,2\n": "", "text,id\nbye\n": "", "id,text\n2,a\"b\n": "",
	} {
		r, err := NewReader(strings.NewReader(content), "f.csv", Options{IgnoreLabels: true, OnBadRow: ReportBadRows})
		if err != nil {
			t.Fatal(err)
		}
		var ex Example
		if err := r.Read(&ex); err != nil || ex.Bad == nil || ex.ID != id || ex.HasID != (id != "") {
			t.Errorf("%q: %+v, %v", content, ex, err)
		}
		if has, known := r.IDColumn(); !has || !known {
			t.Errorf("%q: no column of ids", content)
		}
	}
}

// refusals are files that cannot be read at all, or that need other options.
var refusals = []struct {
	name, file, content string
	options             Options
	line                int
	column, says        string
}{
	{"empty", "f.csv", "", Options{}, 1, "", "an empty file"},
	{"only blank lines", "f.csv", "\n\r\n", Options{}, 3, "", "an empty file"},
	{"only a byte order mark", "f.tsv", "\ufeff", Options{}, 1, "", "an empty file"},
	{"empty JSONL", "f.jsonl", "", Options{}, 1, "", "no rows"},
	{"header only", "f.csv", "text,joy\n", Options{}, 1, "", "no rows"},
	{"header missing", "f.csv", "what a day,joy\nso sad,fear\n", Options{}, 1, "text", "`no_header`"},
	{"text column absent", "f.csv", "Txt,joy\na,1\n", Options{}, 1, "text", `did you mean "Txt"`},
	{"text column in capitals", "f.tsv", "TEXT\tjoy\na\t1\n", Options{}, 1, "text", `did you mean "TEXT"`},
	{"text column with more words", "f.csv", "id,comment_text,joy\n1,a,1\n", Options{}, 1, "text", `did you mean "comment_text"`},
	{"named column absent", "f.csv", "text,joy\na,1\n", Options{IDColumn: "key"}, 1, "key", "the columns text, joy"},
	{"label column absent", "f.csv", "text,joy\na,1\n", Options{LabelColumns: []string{"joy", "love"}}, 1, "love", `a column "love"`},
	{"duplicate columns", "f.csv", "\ntext,joy,joy\na,1,1\n", Options{}, 2, "joy", "2 and 3"},
	{"column without a name", "f.csv", ",text,joy\n0,a,1\n1,b,0\n1,c,0\n", Options{}, 4, "1", "a column without a name"},
	{"last column without a name", "f.csv", "text,joy,\na,1,0\n", Options{}, 1, "3", "blank label name"},
	{"bare quote in the header", "f.csv", "text,\"joy\"s\na,1\n", Options{}, 1, "2", "closing quote"},
	{"no labels", "f.csv", "id,text\n1,a\n", Options{}, 1, "labels", "the columns id, text"},
	{"no label in any row", "f.csv", "text,labels\na,\n", Options{}, 2, "labels", "no label in any row"},
	{"no column is a label", "f.csv", "text,score\na,0.7\n", Options{}, 2, "score", "`label_columns`"},
	{"one column twice", "f.csv", "text,joy\na,1\n", Options{IDColumn: "text"}, 1, "text", "two things"},
	{"label column twice", "f.csv", "text,joy\na,1\n", Options{LabelColumns: []string{"joy", "joy"}}, 1, "joy", "again"},
	{"column number too large", "f.csv", "a,joy\n", Options{NoHeader: true, TextColumn: "1", LabelsColumn: "3"}, 1, "3", "2 columns"},
	{"CR only", "f.csv", "text,joy\ra,1\rb,0\r", Options{}, 1, "", "CR alone"},
	{"CR only in JSONL", "f.jsonl", "{\"text\":\"a\"}\r{\"text\":\"b\"}", Options{}, 1, "", "CR alone"},
	{"UTF-16 little-endian", "f.csv", utf16le("\ufefftext,joy\n"), Options{}, 1, "", "UTF-16 text (little-endian)"},
	{"UTF-16 big-endian", "f.csv", utf16be("\ufefftext,joy\n"), Options{}, 1, "", "UTF-16 text (big-endian)"},
	{"UTF-16 without a mark", "f.jsonl", utf16le(`{"text"`), Options{}, 1, "", "UTF-16 text (little-endian) without"},
	{"UTF-16 big-endian without a mark", "f.jsonl", utf16be(`{"text"`), Options{}, 1, "", "UTF-16 text (big-endian) without"},
	{"UTF-32", "f.csv", "\xff\xfe\x00\x00t\x00\x00\x00", Options{}, 1, "", "UTF-32"},
	{"an Excel workbook", "f.csv", "PK\x03\x04\x14\x00", Options{}, 1, "", "ZIP"},
	{"a pointer of Git LFS", "f.csv", "version https://git-lfs.github.com/spec/v1\n", Options{}, 1, "", "git lfs pull"},
	{"a web page", "f.csv", "<!DOCTYPE html>\n", Options{}, 1, "", "a web page"},
	{"a pickle", "f.csv", "\x80\x04\x95\x00", Options{}, 1, "", "a pickle of Python"},
	{"zstd", "f.jsonl", "\x28\xb5\x2f\xfd\x00", Options{}, 1, "", "zstd"},
	{"gzip cut off", "f.csv.gz", string(zip([]byte("text,joy\na,1\n"))[:30]), Options{}, 3, "", "damaged gzip data"},
	{"gzip header cut off", "f.csv.gz", "\x1f\x8b\x08", Options{}, 1, "", "damaged gzip data"},
	{"gzip with a wrong checksum", "f.csv.gz", string(flip(zip([]byte("text,joy\na,1\n")))), Options{}, 3, "", "damaged gzip data"},
	{"names and lists of numbers", "f.jsonl", `{"text":"a","labels":["joy"]}` + "\n" + `{"text":"b","labels":[1]}`, Options{}, 2,
		"labels", "`labels`"},
	{"gathered name with a line break", "f.csv", "text,labels\na,\"jo\ny\"\n", Options{}, 2, "labels", "line break"},
	{"gathered name that is blank", "f.csv", "text,labels\na,\"joy, \"\n", Options{}, 2, "labels", "empty label"},
	{"gathered name that is no UTF-8", "f.ft", "__label__\xff a\n", Options{}, 1, "labels", "UTF-8"},
}

func TestRefusals(t *testing.T) {
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			_, err := LoadFrom(strings.NewReader(c.content), c.file, c.options)
			bad := new(RowError)
			if !errors.As(err, &bad) || !errors.Is(err, ErrRefused) {
				t.Fatalf("error %v", err)
			}
			if bad.File != c.file || bad.Line != c.line || bad.Column != c.column || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v\n\tgot  line %d, column %q\n\twant line %d, column %q, %q", err, bad.Line, bad.Column, c.line, c.column,
					c.says)
			}
		})
	}
}

func utf16le(s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

func utf16be(s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u>>8), byte(u))
	}
	return string(b)
}

// flip changes a bit of the checksum at the end of gzip data.
func flip(z []byte) []byte {
	z[len(z)-8] ^= 1
	return z
}

// The columns of a table have to be the labels of the list, all of them.
func TestColumnsAgainstList(t *testing.T) {
	o := Options{Labels: testLabels(t)}
	for _, c := range []struct{ content, column, says string }{
		{"text,joy,love,fear\na,1,0,0\n", "in awe", `a column "in awe"`},
		{"text,joy,love,fear,in_awe\na,1,0,0,0\n", "in_awe", `did you mean "in awe"`},
		{"text,joy,love,fear,in awe,source\na,1,0,0,0,x\n", "source", "no labels: source"},
		{"text,joy,love,fear,4\na,1,0,0,0\n", "4", "index from 0 to 3"},
	} {
		_, err := readAll(t, []byte(c.content), "f.csv", o)
		bad := new(RowError)
		if !errors.As(err, &bad) || bad.Line != 1 || bad.Column != c.column || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v", c.content, err)
		}
	}
	o.LabelSeparator = " "
	if _, err := readAll(t, []byte("text,labels\na,joy\n"), "f.csv", o); err == nil ||
		!strings.Contains(err.Error(), `no separator " " inside`) {
		t.Errorf("separator inside a label: %v", err)
	}
	o = Options{Labels: testLabels(t), NoHeader: true, TextColumn: "1"}
	if _, err := readAll(t, []byte("a,1,0,1\n"), "f.csv", o); err == nil ||
		!strings.Contains(err.Error(), "3 columns of labels, expected one for each of the 4") {
		t.Errorf("too few columns: %v", err)
	}
}

// Labels that the list lacks are all listed, with counts and what they may have been meant to be.
func TestUnknownLabels(t *testing.T) {
	content := "text,labels\na,\"joy,Love\"\nb,\"in  awe\"\nc,hate\nd,\"Love,feer,hate\"\ne,Love\n"
	o := Options{Labels: testLabels(t)}
	_, err := LoadFrom(strings.NewReader(content), "dev.csv", o)
	unknown := new(UnknownLabelsError)
	if !errors.As(err, &unknown) || !errors.Is(err, ErrRefused) {
		t.Fatal(err)
	}
	want := []UnknownLabel{{"Love", 3, 2, "labels", "love"}, {"hate", 2, 4, "labels", ""}, {"in  awe", 1, 3, "labels", "in awe"},
		{"feer", 1, 5, "labels", "fear"}}
	if !slices.Equal(unknown.Labels, want) {
		t.Errorf("%+v\nwant %+v", unknown.Labels, want)
	}
	if text := err.Error(); !strings.HasPrefix(text,
		`dev.csv:2: column labels: found "Love", expected one of the 4 labels of labels.txt`) ||
		!strings.Contains(text, `"Love" in 3 rows, first on line 2 (did you mean "love"?)`) {
		t.Errorf("message %q", text)
	}
	o.DropUnknown = true
	d, err := LoadFrom(strings.NewReader(content), "dev.csv", o)
	if err != nil || d.Rows() != 5 || !slices.Equal(d.Dropped, want) || d.Row(0)[0] != 1 {
		t.Errorf("dropped: %+v, %v", d, err)
	}
	o.DropUnknown, o.OnBadRow = false, SkipBadRows
	if d, err = LoadFrom(strings.NewReader(content+"f,joy\n"), "dev.csv", o); err != nil || d.Rows() != 1 || d.Stats.Bad != 5 {
		t.Errorf("skipped: %+v, %v", d, err)
	}
}

// badFile has rows 3, 5 and 6 bad.
const badFile = "id,text,labels\n1,a,joy\n2,b\n3,c,love\n4,d,hate\n5,\"e\"x,joy\n6,f,joy\n"

func TestPolicies(t *testing.T) {
	labels := testLabels(t)
	var lines []int
	note := func(bad *RowError) { lines = append(lines, bad.Line) }

	r, _ := NewReader(strings.NewReader(badFile), "f.csv", Options{Labels: labels, OnBadRow: ReportBadRows, OnBad: note})
	var ex Example
	var got []string
	for {
		err := r.Read(&ex)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if ex.Bad != nil {
			got = append(got, "bad "+ex.ID)
			if ex.Bad.Line != ex.Line {
				t.Errorf("line %d and %d", ex.Bad.Line, ex.Line)
			}
			continue
		}
		got = append(got, ex.Text)
	}
	if want := []string{"a", "bad 2", "c", "bad 4", "bad ", "f"}; !slices.Equal(got, want) || !slices.Equal(lines, []int{3, 5, 6}) {
		t.Errorf("reported %q, lines %v", got, lines)
	}
	if s := r.Stats(); s.Rows != 3 || s.Bad != 3 {
		t.Errorf("stats %+v", s)
	}

	for _, c := range []struct {
		limit string
		ok    bool
	}{{"", true}, {"3", true}, {"2", false}, {"0", false}, {"50%", true}, {"49.9%", false}, {"0%", false}, {"100%", true}} {
		for _, policy := range []BadRows{SkipBadRows, ReportBadRows} {
			limit, err := ParseLimit(c.limit)
			if err != nil || limit.String() != c.limit {
				t.Errorf("limit %q is read as %q, %v", c.limit, limit, err)
			}
			d, err := LoadFrom(strings.NewReader(badFile), "f.csv", Options{Labels: labels, OnBadRow: policy, MaxBadRows: limit})
			many := new(BadRowsError)
			if c.ok && (err != nil || d.Rows() != 3) || !c.ok &&
				(!errors.As(err, &many) || !errors.Is(err, ErrRefused) || many.Last == nil) {
				t.Errorf("%s, limit %q: %v", policy, c.limit, err)
			}
		}
	}

	r, _ = NewReader(strings.NewReader(badFile), "f.csv", Options{Labels: labels})
	r.Read(&ex)
	first, again := r.Read(&ex), r.Read(&ex)
	if first == nil || first != again || ex.Bad != nil {
		t.Errorf("an error that ends the reading has to stay: %v, then %v", first, again)
	}
}

// A row that the caller refuses is like one that the reader finds bad.
func TestRefuse(t *testing.T) {
	refused := &RowError{File: "f.csv", Line: 4, Found: "c", Expected: "no c"}
	for _, c := range []struct {
		policy BadRows
		limit  Limit
		want   string // texts; bad rows in brackets
		bad    int
		last   string // the error
	}{
		{ReportBadRows, Limit{}, "a[][c][][]f", 4, "EOF"}, // badFile has three of its own
		{SkipBadRows, Limit{}, "af", 4, "EOF"},
		{SkipBadRows, AtMost(1), "a", 2, "f.csv: found 2 bad rows among 3, expected at most 1; the last one: " + refused.Error()},
		{"", Limit{}, "a", 0, refused.Error()},
	} {
		shown := 0
		content := badFile
		if c.policy == "" {
			content = "id,text,labels\n1,a,joy\n3,c,love\n"
		}
		r, err := NewReader(strings.NewReader(content), "f.csv",
			Options{Labels: testLabels(t), OnBadRow: c.policy, MaxBadRows: c.limit, OnBad: func(*RowError) { shown++ }})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for {
			var ex Example
			skip := false
			if err = r.Read(&ex); err == nil && ex.Bad == nil && ex.Text == "c" {
				skip, err = r.Refuse(&ex, refused)
			}
			switch {
			case err != nil:
			case ex.Bad == refused:
				got += "[c]"
			case ex.Bad != nil:
				got += "[]"
			case !skip:
				got += ex.Text
			}
			if err != nil {
				break
			}
		}
		if got != c.want || r.Stats().Bad != c.bad || shown != c.bad || err.Error() != c.last || r.Read(new(Example)) != err {
			t.Errorf("%s: %s, %+v, shown %d, %v", c.policy, got, r.Stats(), shown, err)
		}
		if o := r.Options(); o.Format != CSV || o.LabelSeparator != "," || o.OnBadRow != c.policy {
			t.Errorf("options %+v", o)
		}
	}
}

// In JSONL a bad row still has its id, wherever it stands.
func TestIDOfBadRow(t *testing.T) {
	for content, id := range map[string]string{
		`{"text": 5, "id": "x"}`:                    "x",
		`{"text": "a", "labels": ["no"], "id": 17}`: "17",
		`{"id": "y", "text": }`:                     "y",
		`{"text": , "id": "z"}`:                     "",
		`[]`:                                        "",
	} {
		r, err := NewReader(strings.NewReader(content), "f.jsonl", Options{Labels: testLabels(t), OnBadRow: ReportBadRows})
		if err != nil {
			t.Fatal(err)
		}
		var ex Example
		if err := r.Read(&ex); err != nil || !errors.Is(ex.Bad, ErrRefused) || ex.ID != id {
			t.Errorf("%s: id %q, %v, %v", content, ex.ID, err, ex.Bad)
		}
	}
}

// A gathered list has no label that only a skipped row had.
func TestGatherWithoutBadRows(t *testing.T) {
	d, err := LoadFrom(strings.NewReader("text,labels\na,joy\nb,\"love,love\"\nc,zeal\nd,\"fear,\"\n"), "f.csv",
		Options{OnBadRow: SkipBadRows})
	if err != nil || !slices.Equal(d.Labels.Names(), []string{"joy", "zeal"}) || !slices.Equal(d.Y, []int8{1, 0, 0, 1}) {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestOptionErrors(t *testing.T) {
	for _, c := range []struct {
		file    string
		options Options
		option  string
	}{
		{"f.txt", Options{}, "format"},
		{"f", Options{}, "format"},
		{"f.csv", Options{Format: "xml"}, "format"},
		{"f.csv", Options{OnBadRow: "ignore"}, "on_bad_row"},
		{"f.csv", Options{OnLong: "window"}, "on_long"},
		{"f.csv", Options{LabelsColumn: "a", LabelColumns: []string{"b"}}, "labels_column"},
		{"f.csv", Options{NoHeader: true}, "no_header"},
		{"f.csv", Options{NoHeader: true, TextColumn: "text"}, "text_column"},
		{"f.csv", Options{NoHeader: true, TextColumn: "1", LabelColumns: []string{"0"}}, "label_columns"},
	} {
		_, err := LoadFrom(strings.NewReader("text,joy\na,1\n"), c.file, c.options)
		wrong := new(OptionError)
		if !errors.As(err, &wrong) || wrong.Option != c.option || errors.Is(err, ErrRefused) {
			t.Errorf("%s %+v: %v, want one of %s", c.file, c.options, err, c.option)
		}
	}
	for _, s := range []string{"many", "-1", "1.5", "101%", "NaN%", "Inf", "%"} {
		wrong := new(OptionError)
		if _, err := ParseLimit(s); !errors.As(err, &wrong) || wrong.Option != "max_bad_rows" {
			t.Errorf("limit %q: %v", s, err)
		}
	}
	if AtMost(0) == (Limit{}) || AtMost(7).String() != "7" || AtMostPercent(1.5).String() != "1.5%" {
		t.Error("limits are not what they say")
	}
	if _, err := NewReader(strings.NewReader(`{"text":"a","labels":["joy"]}`), "f.jsonl", Options{}); err == nil {
		t.Error("row by row without a label list: no error")
	}
	if _, err := NewReader(strings.NewReader("text,joy\na,1\n"), "f.csv", Options{}); err != nil {
		t.Errorf("row by row with the list in the header: %v", err)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "train.csv.gz")
	var z bytes.Buffer
	for _, part := range []string{"text,joy\na,1\n", "b,0\n"} { // two gzip members, as cat makes them
		w := gzip.NewWriter(&z)
		io.WriteString(w, part)
		w.Close()
	}
	if err := os.WriteFile(path, z.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Load(path, Options{})
	if err != nil || d.Rows() != 2 || d.File != path {
		t.Fatalf("%+v, %v", d, err)
	}
	if want := sum(z.Bytes()); d.SHA256 != want {
		t.Errorf("SHA-256 %x, want %x", d.SHA256, want)
	}
	if _, err := Load(filepath.Join(dir, "none.csv"), Options{}); !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrRefused) {
		t.Errorf("missing file: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder.csv"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(filepath.Join(dir, "folder.csv"), Options{}); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("folder: %v", err)
	}
	r, err := Open(path, Options{IgnoreLabels: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// "-" is standard input, JSONL unless another format is given, and gzip is seen by its first bytes.
func TestStandardInput(t *testing.T) {
	for _, c := range []struct {
		content []byte
		format  Format
	}{
		{[]byte(`{"text":"a","labels":["joy"]}`), ""},
		{zip([]byte("text,joy\na,1\n")), CSV},
	} {
		in, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		in.Write(c.content)
		in.Seek(0, io.SeekStart)
		saved := os.Stdin
		os.Stdin = in
		d, err := Load("-", Options{Format: c.format})
		os.Stdin = saved
		if err != nil || d.Rows() != 1 || d.Texts[0] != "a" || d.File != "stdin" {
			t.Errorf("%+v, %v", d, err)
		}
		if err := in.Close(); err != nil {
			t.Errorf("standard input was closed: %v", err)
		}
	}
}

// What the operating system reports is no fault of the data.
func TestReadError(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, content := range []string{"", "text,joy\n", "text,joy\na,1\n", "text,joy\n\"a"} {
		_, err := LoadFrom(io.MultiReader(strings.NewReader(content), iotest.ErrReader(broken)), "f.csv", Options{})
		if !errors.Is(err, broken) || errors.Is(err, ErrRefused) || !strings.HasPrefix(err.Error(), "f.csv:") {
			t.Errorf("behind %q: %v", content, err)
		}
	}
}

// A quote that never closes is named by the line on which it opens, which may be behind that of its row.
func TestUnclosedQuoteLine(t *testing.T) {
	for content, want := range map[string]string{
		"text,x\n\"a,1\nb,0\nc,1\n":         "opens on line 2 ",
		"text,x\na,0\n\"b\nc\",\"d\ne\nf\n": "opens on line 4 ",
	} {
		_, err := LoadFrom(strings.NewReader(content), "f.csv", Options{})
		if err == nil || !strings.Contains(err.Error(), "a quote that "+want) {
			t.Errorf("%q: %v, want %s", content, err, want)
		}
	}
}
