package data

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// defect is one row with something wrong, in the middle of a file of good rows.
type defect struct {
	format Format
	name   string
	row    string // ¦ marks the byte that the error is to name
	column string // that the error is to name
	change func(*Options)
	alone  bool // nothing behind it may hold a quote
}

// mark stands in a defect's row where the error is to point.
const mark = "¦"

var strict = func(o *Options) { o.StrictUTF8 = true }

// The columns of the files are id, text, labels; the label list is joy, love, fear, "in awe".
var defects = []defect{
	{CSV, "too few fields", "i,text", "labels", nil, false},
	{CSV, "one field", "i", "text", nil, false},
	{CSV, "too many fields", "i,a text, with a comma,joy", "4", nil, false},
	{CSV, "bare quote", `i,a "text" here,joy`, "text", nil, false},
	{CSV, "bare quote at the end", `i,text",joy`, "text", nil, false},
	{CSV, "quote behind space", `i, "text",joy`, "text", nil, false},
	{CSV, "text behind quote", `i,"a" text,joy`, "text", nil, false},
	{CSV, "lone quote inside quotes", `i,"a "text", yes",joy`, "text", nil, false},
	{CSV, "unclosed quote", `i,"text,joy`, "text", nil, true},
	{CSV, "unclosed quote behind doubled ones", `i,"a ""text"",joy`, "text", nil, true},
	{CSV, "unclosed quote in labels", `i,text,"joy`, "labels", nil, true},
	{CSV, "unclosed quote in a later line of the row", "\"i\nj\",\"text,joy", "text", nil, true},
	{CSV, "wrong count in a row of lines", "i,\"a\nb\nc\",joy,4", "4", nil, false},
	{CSV, "unknown label", `i,text,hate`, "labels", nil, false},
	{CSV, "label in other case", `i,text,Joy`, "labels", nil, false},
	{CSV, "label twice", `i,text,"joy,love,joy"`, "labels", nil, false},
	{CSV, "empty label", `i,text,"joy,,love"`, "labels", nil, false},
	{CSV, "label index out of range", `i,text,"0,4"`, "labels", nil, false},
	{CSV, "label index beyond int", `i,text,99999999999999999999`, "labels", nil, false},
	{CSV, "invalid UTF-8", "i,a\xfftext,joy", "text", strict, false},
	{CSV, "text too long", "i," + strings.Repeat("a", MaxText+1) + ",joy", "text", func(o *Options) { o.OnLong = LongError }, false},

	{TSV, "too few fields", "i\ttext", "labels", nil, false},
	{TSV, "too many fields", "i\ta\ttext\tjoy", "4", nil, false},
	{TSV, "comma instead of tab", "i,text,joy", "text", nil, false},
	{TSV, "unknown label", "i\ttext\thate", "labels", nil, false},
	{TSV, "label twice by name and index", "i\ttext\t1,love", "labels", nil, false},
	{TSV, "label index out of range", "i\ttext\t28", "labels", nil, false},
	{TSV, "negative label index", "i\ttext\t-1", "labels", nil, false},
	{TSV, "trailing separator", "i\ttext\tjoy,", "labels", nil, false},
	{TSV, "overlong UTF-8", "i\t\xc0\x80\tjoy", "text", strict, false},
	{TSV, "surrogate in UTF-8", "i\t\xed\xa0\x80\tjoy", "text", strict, false},
	{TSV, "UTF-8 cut off", "i\ttext\xe2\x82\tjoy", "text", strict, false},

	{JSONL, "trailing comma", `{"id":"i","text":"a","labels":["joy"]¦,}`, "", nil, false},
	{JSONL, "trailing comma in labels", `{"id":"i","text":"a","labels":["joy"¦,]}`, "labels", nil, false},
	{JSONL, "NaN", `{"id":"i","text":"a","labels":["joy"],"score":¦NaN}`, "score", nil, false},
	{JSONL, "minus Infinity", `{"text":"a","labels":["joy"],"score": ¦-Infinity}`, "score", nil, false},
	{JSONL, "two objects", `{"text":"a","labels":["joy"]} ¦{"text":"b","labels":["joy"]}`, "", nil, false},
	{JSONL, "two objects and a comma", `{"text":"a","labels":["joy"]}¦,{"text":"b","labels":["joy"]}`, "", nil, false},
	{JSONL, "array", `  ¦[{"text":"a","labels":["joy"]}]`, "", nil, false},
	{JSONL, "array of values", `¦["a",["joy"]]`, "", nil, false},
	{JSONL, "string", `¦"a"`, "", nil, false},
	{JSONL, "null", `¦null`, "", nil, false},
	{JSONL, "nested text", `{"text":¦{"en":"a"},"labels":["joy"]}`, "text", nil, false},
	{JSONL, "nested labels", `{"text":"a","labels":[¦["joy"]]}`, "labels", nil, false},
	{JSONL, "deep nesting", `{"text":"a","labels":["joy"],"x":` + strings.Repeat("[", 32) + mark + `[` + strings.Repeat("]", 33) + "}",
		"x", nil, false},
	{JSONL, "duplicate key", `{"text":"a",¦"text":"b","labels":["joy"]}`, "", nil, false},
	{JSONL, "duplicate key by an escape", `{"text":"a",¦"te\u0078t":"b","labels":["joy"]}`, "", nil, false},
	{JSONL, "two pairs", `{"text":"a","text_b":"b",¦"text_pair":"b","labels":["joy"]}`, "", nil, false},
	{JSONL, "number as text", `{"text": ¦7,"labels":["joy"]}`, "text", nil, false},
	{JSONL, "null as text", `{"text":¦null,"labels":["joy"]}`, "text", nil, false},
	{JSONL, "number as text pair", `{"text":"a","text_pair":¦7,"labels":["joy"]}`, "text_pair", nil, false},
	{JSONL, "array as id", `{"text":"a","id":¦[7],"labels":["joy"]}`, "id", nil, false},
	{JSONL, "number with a leading zero", `{"text":"a","id":¦007,"labels":["joy"]}`, "id", nil, false},
	{JSONL, "cut off", `{"text":"a","labels":["joy"]¦`, "", nil, false},
	{JSONL, "cut off in a string", `{"text":"a","labels":["jo¦`, "labels", nil, false},
	{JSONL, "single quotes", `{¦'text':'a'}`, "", nil, false},
	{JSONL, "key without quotes", `{¦text:"a"}`, "", nil, false},
	{JSONL, "Python literal", `{"text":"a","labels":["joy"],"ok":¦True}`, "ok", nil, false},
	{JSONL, "tab in a string", "{\"text\":\"a¦\tb\",\"labels\":[\"joy\"]}", "text", nil, false},
	{JSONL, "unknown escape", `{"text":"a¦\x","labels":["joy"]}`, "text", nil, false},
	{JSONL, "missing colon", `{"text" ¦"a","labels":["joy"]}`, "", nil, false},
	{JSONL, "missing comma", `{"text":"a" ¦"labels":["joy"]}`, "", nil, false},
	{JSONL, "no text", `{"txt":"a","labels":["joy"]}`, "text", nil, false},
	{JSONL, "no labels", `{"text":"a","label":["joy"]}`, "labels", nil, false},
	{JSONL, "empty object", `{}`, "text", nil, false},
	{JSONL, "labels as a string", `{"text":"a","labels":¦"joy"}`, "labels", nil, false},
	{JSONL, "labels null", `{"text":"a","labels":¦null}`, "labels", nil, false},
	{JSONL, "unknown label", `{"text":"a","labels":["joy",¦"hate"]}`, "labels", nil, false},
	{JSONL, "label twice", `{"text":"a","labels":["joy", ¦"joy"]}`, "labels", nil, false},
	{JSONL, "2 in labels", `{"text":"a","labels":[0,1,¦2,0]}`, "labels", nil, false},
	{JSONL, "0.7 in labels", `{"text":"a","labels":[0,1,0,¦0.7]}`, "labels", nil, false},
	{JSONL, "Python's True in labels", `{"text":"a","labels":[0,1,¦True,0]}`, "labels", nil, false},
	{JSONL, "name among numbers", `{"text":"a","labels":[0,¦"joy"]}`, "labels", nil, false},
	{JSONL, "number among names", `{"text":"a","labels":["joy",¦1]}`, "labels", nil, false},
	{JSONL, "too few numbers", `{"text":"a","labels":¦[0,1,0]}`, "labels", nil, false},
	{JSONL, "too many numbers", `{"text":"a","labels":¦[0,1,0,0,1]}`, "labels", nil, false},
	{JSONL, "2 in an object", `{"text":"a","labels":{"joy":1,"love":¦2}}`, "labels", nil, false},
	{JSONL, "unknown label in an object", `{"text":"a","labels":{"joy":1,¦"hate":0}}`, "labels", nil, false},
	{JSONL, "label twice in an object", `{"text":"a","labels":{"joy":1, ¦"joy":1}}`, "labels", nil, false},
	{JSONL, "invalid UTF-8", "{\"text\":\"a\x80\",\"labels\":[]}", "text", strict, false},
	{JSONL, "half a surrogate pair", `{"text":"a\ud83d","labels":[]}`, "text", strict, false},

	{FastText, "unknown label", "__label__joy ¦__label__hate text", "labels", nil, false},
	{FastText, "label twice", "__label__joy\t¦__label__joy text", "labels", nil, false},
	{FastText, "empty label", " ¦__label__ text", "labels", nil, false},
	{FastText, "label in the text", "__label__joy a ¦__label__love text", "labels", nil, false},
	{FastText, "label index out of range", "¦__label__7 text", "labels", nil, false},
	{FastText, "invalid UTF-8", "__label__joy \xf0\x9f", "text", strict, false},
}

// testLabels is the label list of these files.
func testLabels(t testing.TB) *LabelList {
	t.Helper()
	l, err := NewLabelList([]string{"joy", "love", "fear", "in awe"}, "labels.txt")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// planted is a file with good rows and one defect.
type planted struct {
	bytes []byte
	name  string
	good  []Example // text and line of the good rows
	line  int       // of the defect
	byte  int
}

// plant makes a file with random good rows around the defect: with or without byte order mark, CRLF, blank lines, a line end
// at the end, gzip; in CSV with rows of several lines.
func plant(rng *rand.Rand, d defect) planted {
	p := planted{name: "file." + string(d.format)}
	end := []string{"\n", "\r\n"}[rng.IntN(2)]
	var b strings.Builder
	b.WriteString([]string{"", "\ufeff"}[rng.IntN(2)])
	b.WriteString(map[Format]string{CSV: "id,text,labels" + end, TSV: "id\ttext\tlabels" + end}[d.format])
	line := func() int { return 1 + strings.Count(b.String(), "\n") }
	before, behind := rng.IntN(30), rng.IntN(10)
	for i := range before + 1 + behind {
		if rng.IntN(5) == 0 {
			if d.format == FastText {
				p.good = append(p.good, Example{Line: line()}) // an empty text
			}
			b.WriteString(end) // a blank line
		}
		if i == before {
			row, place, marked := strings.Cut(d.row, mark)
			if marked {
				p.byte = len(row) + 1
			}
			p.line = line()
			b.WriteString(row + place + end)
			continue
		}
		text, row := goodRow(rng, d.format, d.alone && i > before)
		p.good = append(p.good, Example{Text: text, Line: line()})
		b.WriteString(row + end)
	}
	content := b.String()
	if rng.IntN(2) == 0 {
		content = strings.TrimSuffix(content, end)
	}
	p.bytes = []byte(content)
	if rng.IntN(4) == 0 {
		p.bytes = zip(p.bytes)
	}
	return p
}

// goodRow returns a random text and its row, without the line end.
func goodRow(rng *rand.Rand, f Format, noQuotes bool) (text, row string) {
	words := []string{"a", "Ünï", "\u2028", "日本", "🙂", "\x00", "it's", "1", "#", "\\", "tail\rhead"}
	for range 1 + rng.IntN(5) {
		text += words[rng.IntN(len(words))] + "x "
	}
	switch f {
	case CSV:
		if noQuotes || rng.IntN(2) == 0 {
			return text, "i," + text + ",joy"
		}
		text += []string{"say \"hi\"", "a,b", "\"", "two\nlines", "three\r\n\r\nlines"}[rng.IntN(5)]
		return text, `"i","` + strings.ReplaceAll(text, `"`, `""`) + `","joy,in awe"`
	case TSV:
		text += []string{`"`, "a,b", `say "hi"`}[rng.IntN(3)]
		return text, "i\t" + text + "\t" + []string{"", "joy", "in awe,fear", "3,0"}[rng.IntN(4)]
	case JSONL:
		text = strings.NewReplacer("\x00", "", "\r", "", "\\", "").Replace(text)
		labels := []string{`[]`, `["joy","in awe"]`, `[0,1,null,0]`, `{"joy":1,"love":null,"fear":0}`}[rng.IntN(4)]
		return text + "\n\"\t😀", `{"id": "i", "extra": [1.5e-3, {"a": "b"}], "text": "` + text + `\n\"\u0009\ud83d\ude00", "labels": ` +
			labels + `}`
	}
	return text, []string{"", "__label__joy ", "__label__fear\t__label__0  "}[rng.IntN(3)] + text
}

func zip(b []byte) []byte {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(b)
	w.Close()
	return z.Bytes()
}

// readAll reads to the end and returns copies of the rows.
func readAll(t testing.TB, content []byte, name string, o Options) ([]Example, error) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(content), name, o)
	if err != nil {
		return nil, err
	}
	var all []Example
	for {
		var ex Example
		if err := r.Read(&ex); err == io.EOF {
			return all, nil
		} else if err != nil {
			return all, err
		}
		all = append(all, ex)
	}
}

// Every defect, planted at random places of random files, is named at its line, column and byte; with SkipBadRows every other
// row of the file is read as if the bad one were not there.
func TestPlantedDefects(t *testing.T) {
	labels := testLabels(t)
	cases := 0
	for _, d := range defects {
		t.Run(string(d.format)+"/"+d.name, func(t *testing.T) {
			for seed := range uint64(6) {
				cases++
				p := plant(rand.New(rand.NewPCG(seed, uint64(len(d.row)))), d)
				o := Options{Labels: labels}
				if d.change != nil {
					d.change(&o)
				}
				checkStop(t, d, p, o)
				o.OnBadRow = SkipBadRows
				checkSkip(t, p, o)
			}
		})
	}
	if cases < 200 {
		t.Errorf("%d cases, want at least 200", cases)
	}
}

func checkStop(t *testing.T, d defect, p planted, o Options) {
	t.Helper()
	_, err := readAll(t, p.bytes, p.name, o)
	bad, ok := err.(*RowError)
	if !ok {
		t.Fatalf("error %v, want one at line %d", err, p.line)
	}
	if bad.Line != p.line || bad.Column != d.column || p.byte > 0 && bad.Byte != p.byte {
		t.Errorf("%v\n\tgot  line %d, column %q, byte %d\n\twant line %d, column %q, byte %d", err, bad.Line, bad.Column, bad.Byte,
			p.line, d.column, p.byte)
	}
	if !strings.HasPrefix(err.Error(), fmt.Sprintf("%s:%d: ", p.name, p.line)) || bad.Found == "" || bad.Expected == "" ||
		len([]rune(bad.Value)) > valueLength+1 {
		t.Errorf("message %q", err)
	}
	if !errors.Is(err, ErrRefused) {
		t.Errorf("%v is not ErrRefused", err)
	}
}

func checkSkip(t *testing.T, p planted, o Options) {
	t.Helper()
	skipped := 0
	o.OnBad = func(bad *RowError) {
		if skipped++; skipped == 1 && bad.Line != p.line {
			t.Errorf("skipped line %d, want %d", bad.Line, p.line)
		}
	}
	all, err := readAll(t, p.bytes, p.name, o)
	if err != nil {
		t.Fatal(err)
	}
	if skipped < 1 || len(all) != len(p.good) {
		t.Fatalf("skipped %d rows and read %d, want %d", skipped, len(all), len(p.good))
	}
	for i, want := range p.good {
		if all[i].Text != want.Text || all[i].Line != want.Line {
			t.Fatalf("row %d: line %d %q, want line %d %q", i, all[i].Line, all[i].Text, want.Line, want.Text)
		}
	}
}
