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
	if got, want := FindRepeats(parts[0]), (Repeats{Texts: 118, Rows: 183, Conflicting: 58, FirstConflict: [2]int{3512, 4622}}); got != want {
		t.Errorf("repeats %+v, want %+v", got, want)
	}
	if got, want := FindOverlap(parts[0], parts[1]), (Overlap{Texts: 41, RowsA: 84, RowsB: 43}); got != want {
		t.Errorf("overlap %+v, want %+v", got, want)
	}
}
