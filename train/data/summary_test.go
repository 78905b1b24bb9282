package data

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// Counted by hand.
func TestSummarize(t *testing.T) {
	content := "text,text_b,joy,love,fear,in awe\na,,1,1,0,0\na,,1,,0,0\n ,\u00a0,0,0,0,0\nb\x80,,1,1,,0\n,c,0,1,0,1\nd,,1,1,0,1\nd,,2,1,0,1\n"
	d, err := LoadFrom(strings.NewReader(content), "f.csv", Options{Labels: testLabels(t), OnBadRow: SkipBadRows})
	if err != nil {
		t.Fatal(err)
	}
	got := Summarize(d)
	want := &Summary{
		File: "f.csv", SHA256: got.SHA256, Rows: 6, BadRows: 1, InvalidUTF8: 1, EmptyTexts: 1,
		Duplicates:       Repeats{1, 1, 1, 1, [2]int{2, 3}},
		Labels:           []LabelCount{{"joy", 4, 0, 0, 0}, {"love", 4, 1, 0, 0}, {"fear", 0, 1, 0, 0}, {"in awe", 2, 0, 0, 0}},
		WithoutPositives: []string{"fear"},
		Runs:             got.Runs,
		UnknownLabels:    []UnknownLabel{},
		LabelsPerRow:     []int{1, 1, 3, 1},
		CoOccurrence:     []LabelPair{{[2]string{"joy", "love"}, 3}, {[2]string{"love", "in awe"}, 2}, {[2]string{"joy", "in awe"}, 1}},
	}
	for i, runs := range []int{5, 3, 1, 2} { // the rest: TestExpectedRuns
		if got.Runs[i].Runs != runs {
			t.Errorf("%+v, want %d runs", got.Runs[i], runs)
		}
	}
	if !reflect.DeepEqual(got, want) || len(got.SHA256) != 64 {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

// With more labels than are paired, the frequent ones are.
func TestManyLabels(t *testing.T) {
	var b strings.Builder
	for i := range pairedLabels + 500 {
		fmt.Fprintf(&b, "__label__a%d rare\n", i)
	}
	b.WriteString("__label__y __label__z text\n__label__z __label__y text\n")
	d, err := LoadFrom(strings.NewReader(b.String()), "f.ft", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := Summarize(d).CoOccurrence; len(got) != 1 || got[0] != (LabelPair{[2]string{"y", "z"}, 2}) {
		t.Errorf("%+v", got)
	}
}
