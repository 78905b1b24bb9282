package data

import (
	"fmt"
	"strings"
	"testing"

	"bertlabel/tensor/tensortest"
)

func loadText(t *testing.T, content string, labels *LabelList) *Dataset {
	t.Helper()
	d, err := LoadFrom(strings.NewReader(content), "f.csv", Options{Labels: labels})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestRepeatsAndOverlap(t *testing.T) {
	labels := testLabels(t)
	a := loadText(t, "text,text_b,labels\na,,joy\nb,,joy\na,,love\na,,joy\nb,,joy\nc,,\na,c,fear\n", labels)
	if got, want := FindRepeats(a), (Repeats{Texts: 2, Rows: 3, Conflicting: 1, FirstConflict: [2]int{2, 4}}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	b := loadText(t, "text,labels\nx,\nb,\nb,\nc,joy\nA,\n", labels)
	if got, want := FindOverlap(a, b), (Overlap{Texts: 2, RowsA: 3, RowsB: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	b = loadText(t, "text,labels\n\" A \",\n\uff42,\n\"a b\",\nx,\n", labels)
	if got := FindSimilar(a, b); got != 2 { // A with spaces around it, and a full-width b; a and its second text c are two texts
		t.Errorf("%d similar rows", got)
	}
	b = loadText(t, "text,labels\na,joy\n", labels)
	if got, want := FindOverlap(b, a), (Overlap{Texts: 1, RowsA: 1, RowsB: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// The data set of Demszky et al. 2020 (arXiv:2005.00547) in its authors' files. The numbers were counted with wc, cut, sort
// and uniq, the checksums made with sha256sum.
func TestGoEmotions(t *testing.T) {
	dir := tensortest.Shared(t, "data/goemotions")
	labels, err := ReadLabels(dir + "/labels.txt")
	if err != nil || labels.Len() != 28 {
		t.Fatalf("%v, %v", labels, err)
	}
	o := Options{NoHeader: true, TextColumn: "1", LabelsColumn: "2", IDColumn: "3", Labels: labels}
	var parts []*Dataset
	for _, c := range []struct {
		file             string
		rows, cells, joy int
		sum              string
	}{
		{"train.tsv", 43410, 51103, 1452, "1c254a142be5c00e80d819b9ae1bbd36d94b2eeb8f4b1271846508d57e57d9c5"},
		{"dev.tsv", 5426, 6380, 172, "575489c079c9de1097062a01738f998590d6b7ead66dd1c9fd1d2ba01fd8bc62"},
		{"test.tsv", 5427, 6329, 161, "0587b2dd8b27b97352adbfc3fb083d46005c8946657fdc2b1ca8b1cc7f1f8be4"},
	} {
		d, err := Load(dir+"/"+c.file, o)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, d)
		cells, joy := 0, 0
		place, _ := labels.Index("joy")
		for i := range d.Rows() {
			for _, y := range d.Row(i) {
				cells += int(y)
			}
			joy += int(d.Row(i)[place])
		}
		if d.Rows() != c.rows || cells != c.cells || joy != c.joy || d.Lines[c.rows-1] != c.rows || d.Stats != (Stats{Rows: c.rows}) {
			t.Errorf("%s: %d rows, %d labels, %d joy, stats %+v", c.file, d.Rows(), cells, joy, d.Stats)
		}
		if sum := fmt.Sprintf("%x", d.SHA256); sum != c.sum || len(d.IDs) != c.rows || d.Pairs != nil {
			t.Errorf("%s: SHA-256 %s, %d ids", c.file, sum, len(d.IDs))
		}
	}
	if got, want := FindRepeats(parts[0]),
		(Repeats{Texts: 118, Rows: 183, Conflicting: 58, FirstConflict: [2]int{3512, 4622}}); got != want {
		t.Errorf("repeats %+v, want %+v", got, want)
	}
	if got, want := FindOverlap(parts[0], parts[1]), (Overlap{Texts: 41, RowsA: 84, RowsB: 43}); got != want {
		t.Errorf("overlap %+v, want %+v", got, want)
	}
}

// A data set that was made by hand need not be whole: Check says what does not go together, and nothing else needs line numbers.
func TestCheck(t *testing.T) {
	labels, err := NewLabelList([]string{"joy", "love"}, "labels")
	if err != nil {
		t.Fatal(err)
	}
	made := Dataset{Labels: labels, Texts: []string{"a", "a"}, Y: []int8{1, 0, 0, Unknown}}
	if err := made.Check(); err != nil {
		t.Error(err)
	}
	if got, want := FindRepeats(&made), (Repeats{Texts: 1, Rows: 1, Conflicting: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for want, spoil := range map[string]func(d *Dataset){
		"3 label cells":   func(d *Dataset) { d.Y = d.Y[:3] },
		"4 label cells":   func(d *Dataset) { d.Labels = nil },
		"1 second texts":  func(d *Dataset) { d.Pairs = []string{"x"} },
		"3 ids":           func(d *Dataset) { d.IDs = make([]string, 3) },
		"1 lines":         func(d *Dataset) { d.Lines = []int{1} },
		"1 raw rows":      func(d *Dataset) { d.Raw = []string{"x"} },
		"cell 2 in row 1": func(d *Dataset) { d.Y = []int8{1, 0, 2, 0} },
	} {
		d := made
		spoil(&d)
		if err := d.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := made.CheckClasses(); err == nil || !strings.Contains(err.Error(), "column love: found 0 rows that say 1 and 1 that say 0") {
		t.Error(err)
	}
	for label, want := range map[int][2]int{-1: {}, 0: {1, 1}, 1: {1, 0}, made.Labels.Len(): {}} {
		if got := made.Classes(label); got != want {
			t.Errorf("classes of label %d: %v, want %v", label, got, want)
		}
	}
	unread := Dataset{Texts: []string{"a"}}
	if _, err := unread.Columns("joy"); err == nil {
		t.Error("columns of a data set without labels")
	}
	if _, err := unread.AnyOf("joy"); err == nil {
		t.Error("any of the labels of a data set without labels")
	}
}

// No reader is an error, not a panic.
func TestNoReader(t *testing.T) {
	if _, err := LoadFrom(nil, "f.csv", Options{}); err == nil {
		t.Error("LoadFrom took nil")
	}
	if _, err := NewReader(nil, "f.csv", Options{IgnoreLabels: true}); err == nil {
		t.Error("NewReader took nil")
	}
}
