package data

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestParseCell(t *testing.T) {
	for cell, want := range map[string]int8{
		"0": 0, "1": 1, "": Unknown, " ": Unknown, "1.0": 1, "0.0": 0, "1.": 1, ".0": 0, "1.00": 1, "true": 1, "True": 1, "TRUE": 1, "false": 0,
		"False": 0, "yes": 1, "Yes": 1, "no": 0, " 1 ": 1, "00": 0, "01": 1,
	} {
		if got, ok := ParseCell(cell); !ok || got != want {
			t.Errorf("%q is read as %d, %v, want %d", cell, got, ok, want)
		}
	}
	for _, cell := range []string{"0.7", "2", "-1", "y", "nan", "-", ".", "1e0", "1,0", "0x1", "+1", "١", "true false"} {
		if got, ok := ParseCell(cell); ok {
			t.Errorf("%q is read as %d", cell, got)
		}
	}
}

// What stands in a column of names is read as what it is, and what that is no list of names is refused.
func TestLabelText(t *testing.T) {
	abc := []string{"joy", "anger", "fear"}
	for _, c := range []struct {
		cell string
		want string // names, or what the refusal says behind an exclamation mark
	}{
		{`joy, anger`, "joy|anger"},
		{` joy ,anger	`, "joy|anger"},
		{`joy," in awe, so ",'x'`, "joy| in awe, so |x"},
		{`rock 'n' roll, 'tis, "a" b`, `rock 'n' roll|'tis|"a" b`},
		{`['joy', 'anger']`, "joy|anger"},
		{`["joy"]`, "joy"},
		{`[]`, ""}, {`[ ]`, ""}, {`()`, ""}, {`{}`, ""}, {`set()`, ""}, {`  `, ""},
		{`[' joy ', "it's", 'it\'s so', 'caf\xe9', "\u00e9\/"]`, " joy |it's|it's so|café|é/"},
		{`['joy' 'anger']`, "joy|anger"},
		{"['joy'\n 'anger']", "joy|anger"},
		{`('joy',)`, "joy"}, {`('joy', 'anger')`, "joy|anger"}, {`{'joy', "anger"}`, "joy|anger"},
		{`[joy, in awe]`, "joy|in awe"}, {`[joy]`, "joy"},
		{`(joy)`, "(joy)"}, {`{joy}`, "{joy}"}, {`(joy, so)`, "(joy|so)"}, {`[joy] so`, "[joy] so"},
		{`a] [b`, "a] [b"},
		{`['joy', 'anger'`, "!nothing closes"}, {`['joy', 'anger]`, "!a list that was cut"}, {`['joy' so]`, "!a list that was cut"},
		{`['joy', ..., 'anger']`, "!a list that was cut"},
		{`['joy',,'anger']`, "!a list that was cut"}, {`[['joy'], ['anger']]`, "!a list that was cut"},
		{`{'joy': 1}`, "!an object"},
		{`['joy', 1]`, "!names and numbers"}, {`[0.7, 1]`, "!the number 0.7"}, {`['']`, "!empty label"},
		{`nan`, "!the word for nothing"}, {`None`, "!`missing_labels` unknown"},
		{` N/A `, "!the word for nothing"}, {`-`, "!the word for nothing"},
		{`[nan]`, "!the word for nothing"}, {`[None]`, "!the word for nothing"},
		{`nan,joy`, "nan|joy"}, {`none`, "none"}, {`['nan']`, "nan"},
	} {
		s := newLabelSet(nil)
		s.begin()
		err := s.text(c.cell, ",", 2)
		if says, refused := strings.CutPrefix(c.want, "!"); refused {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %q, %v, want %s", c.cell, s.list.names, err, says)
			}
			continue
		}
		if got := strings.Join(s.list.names, "|"); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.cell, got, err, c.want)
		}
	}
	list, err := NewLabelList(append(abc, "NA", "[NAME]", " so"), "")
	if err != nil {
		t.Fatal(err)
	}
	for cell, want := range map[string]string{
		"NA": "[0 0 0 1 0 0]", "[NAME]": "[0 0 0 0 1 0]", "so, joy": "[1 0 0 0 0 1]", "joy, so": "[1 0 0 0 0 1]", "[0, 2]": "[1 0 1 0 0 0]",
		"[0 1 0 0 0 1]": "[0 1 0 0 0 1]", "[0. 1. 0. 0. 0. 1.]": "[0 1 0 0 0 1]",
		"[True, False, None, 0, 1, 1]": "[1 0 -1 0 1 1]", "0,2": "[1 0 1 0 0 0]",
	} {
		s := newLabelSet(list)
		s.begin()
		if err := s.text(cell, ",", 2); err != nil || fmt.Sprint(s.dense(nil)) != want {
			t.Errorf("%s: %v, %v, want %s", cell, s.dense(nil), err, want)
		}
	}
}

// fieldCase is a small file as people have it: what it becomes, or what the refusal says.
type fieldCase struct {
	name, file, content string
	options             Options
	list                string // names, with spaces between them; "" to gather
	want                string // names, rows
	says                string
}

var fieldCases = []fieldCase{
	{"words for nothing are unknown", "f.csv", "text,labels\na,nan\nb,joy\nc,\n", Options{Missing: UnknownMissing}, "", "[joy] [-1 1 0]", ""},
	{"words for nothing are none", "f.csv", "text,labels\na,NaN\nb,joy\n", Options{Missing: NoneMissing}, "", "[joy] [0 1]", ""},
	{"words for nothing", "f.csv", "text,labels\na,joy\nb,None\n",
		Options{}, "", "", `f.csv:3: column labels: found the word for nothing "None"`},
	{"in 0/1 columns, too", "f.csv", "text,joy,fear\na,1.0,nan\nb,yes,no\n",
		Options{Missing: UnknownMissing}, "", "[joy fear] [1 -1 1 0]", ""},
	{"in 0/1 columns", "f.csv", "text,joy\na,nan\n", Options{}, "", "", "leave the cell empty, or say what it means: `missing_labels`"},
	{"null in JSONL", "f.jsonl", `{"text":"a","labels":null}` + "\n" + `{"text":"b","labels":["joy"]}`,
		Options{Missing: UnknownMissing}, "", "[joy] [-1 1]", ""},
	{"one word in fastText", "f.ft", "__label__nan a\n__label__joy b\n",
		Options{}, "", "", "f.ft:1: column 1 (labels): found the word for nothing"},
	{"a list in a string of JSON", "f.jsonl", `{"text":"a","labels":"['joy', 'fear']"}`, Options{}, "", "[fear joy] [1 1]", ""},

	{"another separator in most cells", "f.csv", "text,labels\na,x;y\nb,y;z\nc,x\n",
		Options{}, "", "", `f.csv:2: column labels: found labels joined by ";": "x;y"`},
	{"another separator in few cells", "f.csv", "text,labels\na,x;y\nb,u\nc,v\n", Options{}, "", "[u v x;y] [0 0 1 1 0 0 0 1 0]", ""},
	{"another separator that joins labels", "f.csv", "text,labels\na,x\nb,y\nc,z\nd,\"z,x | y\"\n",
		Options{}, "", "", "give `label_separator` \"|\""},
	{"two others", "f.csv", "text,labels\na,x\nb,y\nc,x;y\nd,x|y\n", Options{}, "", "", "write one separator in all rows"},
	{"a tab", "f.csv", "text,labels\na,x\ty\n", Options{}, "", "", "give `label_separator` tab"},
	{"the tab given", "f.csv", "text,labels\na,x\ty\n", Options{LabelSeparator: "tab"}, "", "[x y] [1 1]", ""},
	{"a comma where another is given", "f.csv", "text,labels\na,\"x,y\"\nb,x;y\n",
		Options{LabelSeparator: ";"}, "", "", "give `label_separator` \",\""},
	{"commas that are part of names", "f.csv", "text,labels\na,\"x,y\"\nb,\"x,y;u,v\"\n",
		Options{LabelSeparator: ";"}, "", "[u,v x,y] [0 1 1 1]", ""},
	{"a list that has the name", "f.csv", "text,labels\na,x;y\n", Options{}, "x;y z", "[x;y z] [1 0]", ""},
	{"a list that has the parts", "f.csv", "text,labels\na,x;y\n", Options{}, "x y", "", "give `label_separator` \";\""},
	{"parts dropped", "f.csv", "text,labels\na,x;y\n", Options{DropUnknown: true}, "x y", "", "give `label_separator` \";\""},

	{"the header again", "f.csv", "text,labels\na,joy\ntext,labels\n", Options{}, "", "", "f.csv:3: found the header again"},
	{"the header again, skipped", "f.csv", "text,joy\na,1\ntext, joy\nb,0\n", Options{OnBadRow: SkipBadRows}, "", "[joy] [1 0]", ""},
	{"a text that is called text", "f.tsv", "text\ntext\n", Options{IgnoreLabels: true}, "", "", ""},
	{"spaces in the header", "f.csv", "text, joy ,fear\na,1,0\n", Options{}, "", "[joy fear] [1 0]", ""},
	{"an index of pandas", "f.csv", ",text,joy\n0,a,1\n2,b,0\n", Options{}, "", "[joy] [1 0]", ""},
	{"an index of pandas, saved twice", "f.csv", "Unnamed: 0,text,joy\n1,a,1\n2,b,0\n", Options{}, "", "[joy] [1 0]", ""},
	{"an index out of order", "f.csv", ",text,joy\n7,a,1\n2,b,0\n", Options{}, "", "", "to_csv(index=False)"},

	{"places in JSONL", "f.jsonl", `{"text":"a","labels":[2]}` + "\n" + `{"text":"b","labels":[0,1]}`,
		Options{}, "a b c", "[a b c] [0 0 1 1 1 0]", ""},
	{"places without a list", "f.jsonl", `{"text":"a","labels":[2]}`, Options{}, "", "", "give it by `labels`"},
	{"a place beyond the list", "f.jsonl", `{"text":"a","labels":[3]}`, Options{}, "a b c", "", "an index from 0 to 2"},
	{"cells, then places", "f.jsonl", `{"text":"a","labels":[0,0,1]}` + "\n" + `{"text":"b","labels":[0,1]}`,
		Options{}, "a b c", "", "f.jsonl:2: column 22 (labels): found a list of 2 numbers"},
	{"places, then cells", "f.jsonl", `{"text":"a","labels":[0]}` + "\n" + `{"text":"b","labels":[0,0,1]}`,
		Options{}, "a b c", "", "expected the places of labels"},
	{"cells as floats and booleans", "f.jsonl", `{"text":"a","labels":[1.0,0.0]}` + "\n" + `{"text":"b","labels":[true,false]}`,
		Options{}, "a b", "[a b] [1 0 1 0]", ""},
	{"either, decided by a row of cells", "f.jsonl", `{"text":"a","labels":[0,1]}` + "\n" + `{"text":"b","labels":[1,1]}`,
		Options{}, "a b", "[a b] [0 1 1 1]", ""},
	{"either, decided by a row of places", "f.jsonl", `{"text":"a","labels":[0,1]}` + "\n" + `{"text":"b","labels":[1]}`,
		Options{}, "a b", "[a b] [1 1 0 1]", ""},
	{"either, with a row of neither", "f.jsonl", `{"text":"a","labels":[0,1]}` + "\n" + `{"text":"b","labels":[]}`,
		Options{}, "a b", "[a b] [1 1 0 0]", ""},
	{"one label", "f.jsonl", `{"text":"a","labels":[0]}` + "\n" + `{"text":"b","labels":[1]}`, Options{}, "a", "[a] [0 1]", ""},

	{"a key a label", "f.jsonl", `{"text":"a","y":1,"x":false}` + "\n" + `{"text":"b","x":null,"y":0.0,"z":7}`,
		Options{LabelColumns: []string{"x", " y"}}, "", "[x y] [0 1 -1 0]", ""},
	{"a key a label, of a list", "f.jsonl", `{"text":"a","y":1}`, Options{LabelColumns: []string{"y"}}, "x y", "[x y] [-1 1]", ""},
	{"a key that is not there", "f.jsonl", `{"text":"a","y":1}`,
		Options{LabelColumns: []string{"x", "y"}}, "", "", `column x: found no such key, but text, y`},
	{"no labels", "f.jsonl", `{"text":"a","y":1}`, Options{}, "", "", "name them by `label_columns`"},
	{"columns of a list", "f.csv", "text,y,u\na,1,9\n", Options{LabelColumns: []string{"y"}}, "x y", "[x y] [-1 1]", ""},

	{"semicolons", "f.csv", "text;labels\n\"a;\"\"b\";\"x,y\"\n", Options{Delimiter: ";"}, "", "[x y] [1 1]", ""},
	{"tabs in CSV", "f.csv", "text\tx\na\t1\n", Options{Delimiter: "tab"}, "", "[x] [1]", ""},
	{"commas in TSV", "f.tsv", "text,x\n\"a\",1\n", Options{Delimiter: ","}, "", "[x] [1]", ""},
	{"a header of one field", "f.csv", "text;joy;fear\na;1;0\n", Options{}, "", "", "give `delimiter` \";\""},
	{"a header of one field in TSV", "f.tsv", "text,joy\na,1\n", Options{}, "", "", "give `delimiter` \",\""},
	{"a header with tabs", "f.csv", "text\tjoy\na\t1\n", Options{}, "", "", "give `delimiter` tab"},
	{"another prefix", "f.ft", "__tag__x __tag__y a\nb\n", Options{LabelPrefix: "__tag__"}, "", "[x y] [1 1 0 0]", ""},
}

func TestFieldCases(t *testing.T) {
	for _, c := range fieldCases {
		t.Run(c.name, func(t *testing.T) {
			if c.list != "" {
				var err error
				if c.options.Labels, err = NewLabelList(strings.Fields(c.list), ""); err != nil {
					t.Fatal(err)
				}
			}
			d, err := LoadFrom(strings.NewReader(c.content), c.file, c.options)
			if c.says != "" {
				if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v, want %s", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.options.IgnoreLabels {
				return
			}
			if got := fmt.Sprint(d.Labels.Names(), " ", d.Y); c.want != "" && got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// How a file was read that could be read in two ways is said.
func TestNotes(t *testing.T) {
	list, err := NewLabelList([]string{"a", "b"}, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, content, says string }{
		{"f.jsonl", `{"text":"a","labels":[0,1]}`, "were read as 0 or 1 for each label"},
		{"f.jsonl", `{"text":"a","labels":[0,1]}` + "\n" + `{"text":"b","labels":[]}`, "were read as places"},
		{"f.jsonl", `{"text":"a","labels":[1,1]}`, ""},
		{"f.csv", "text,labels\nx,\"[0, 1]\"\n", "were read as 0 or 1 for each label"},
		{"f.csv", ",text,a,b\n0,x,0,1\n", "counts the rows"},
	} {
		d, err := LoadFrom(strings.NewReader(c.content), c.file, Options{Labels: list})
		if err != nil {
			t.Fatal(err)
		}
		if c.says == "" != (len(d.Notes) == 0) || c.says != "" && !strings.Contains(d.Notes[0].Message, c.says) {
			t.Errorf("%s: %+v, want %s", c.content, d.Notes, c.says)
		}
	}
}

// A delimiter is one character, and words of the new options are checked.
func TestFieldOptions(t *testing.T) {
	for _, o := range []Options{{Delimiter: ";;"}, {Delimiter: `"`}, {Delimiter: "\n"}, {Delimiter: "é"}, {Missing: "drop"}} {
		wrong := new(OptionError)
		if _, err := LoadFrom(strings.NewReader("text,joy\na,1\n"), "f.csv", o); !errors.As(err, &wrong) ||
			!slices.Contains([]string{"delimiter", "missing_labels"}, wrong.Option) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
