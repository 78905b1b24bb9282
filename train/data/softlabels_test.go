package data

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// Shares are read in every place where a cell may stand, and Y counts them.
func TestSoftLabels(t *testing.T) {
	for _, c := range []struct {
		name, text string
		options    Options
	}{
		{"columns.csv", "text,anger,joy\na,0.7,1\nb,0.25,\nc,0.0,5e-1\n", Options{}},
		{"columns.tsv", "text\tanger\tjoy\na\t0.70\t1.0\nb\t.25\t\nc\t0\t0.5\n", Options{}},
		{"lists.csv", "text,labels\na,\"[0.7, 1]\"\nb,\"[0.25, nan]\"\nc,[0. 0.5]\n", Options{Labels: mustList(t, "anger", "joy")}},
		{"lists.jsonl", `{"text":"a","labels":[0.7,1]}` + "\n" + `{"text":"b","labels":[0.25,null]}` + "\n" +
			`{"text":"c","labels":[0,0.5]}` + "\n",
			Options{Labels: mustList(t, "anger", "joy")}},
		{"objects.jsonl", `{"text":"a","labels":{"joy":1,"anger":0.7}}` + "\n" + `{"text":"b","labels":{"anger":0.25,"joy":null}}` + "\n" +
			`{"text":"c","labels":{"joy":0.5}}` + "\n", Options{}},
		{"keys.jsonl", `{"text":"a","anger":0.7,"joy":1}` + "\n" + `{"text":"b","anger":0.25,"joy":null}` + "\n" +
			`{"text":"c","anger":0,"joy":0.5}` + "\n",
			Options{LabelColumns: []string{"anger", "joy"}}},
	} {
		shares := []float32{0.7, 1, 0.25, 0, 0, 0.5}
		for binarize, y := range map[float64][]int8{0: {1, 1, 0, Unknown, 0, 1}, 0.6: {1, 1, 0, Unknown, 0, 0}, 0.2: {1, 1, 1, Unknown, 0, 1}} {
			o := c.options
			o.SoftLabels, o.Binarize = true, binarize
			d, err := LoadFrom(strings.NewReader(c.text), c.name, o)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if !slices.Equal(d.Shares, shares) || !slices.Equal(d.Y, y) || d.Binarize != binarize || !d.Soft() || d.Check() != nil {
				t.Errorf("%s, binarize %v: shares %v, want %v; cells %v, want %v", c.name, binarize, d.Shares, shares, d.Y, y)
			}
			o.SoftLabels = false
			if d, err = LoadFrom(strings.NewReader(c.text), c.name, o); (err == nil) != (binarize > 0) ||
				err == nil && (d.Shares != nil || !slices.Equal(d.Y, y)) {
				t.Errorf("%s, binarize %v without soft labels: %v", c.name, binarize, err)
			}
		}
	}
}

// Row by row the shares are those of the whole file.
func TestSoftLabelsRowByRow(t *testing.T) {
	r, err := NewReader(strings.NewReader("text,anger,joy\na,0.7,1\nb,,0.2\n"), "x.csv", Options{SoftLabels: true})
	if err != nil {
		t.Fatal(err)
	}
	var ex Example
	for i, want := range [][]float32{{0.7, 1}, {0, 0.2}} {
		if err := r.Read(&ex); err != nil || !slices.Equal(ex.Shares, want) {
			t.Errorf("row %d: shares %v, error %v, want %v", i, ex.Shares, err, want)
		}
	}
	if err := r.Read(&ex); err != io.EOF {
		t.Error(err)
	}
}

// What is no share is refused, with the range in the message; and a share without the options names both ways to read it.
func TestSoftLabelsRefuse(t *testing.T) {
	for _, cell := range []string{"1.5", "-0.1", "70%", "inf", "2", "0,7"} {
		_, err := LoadFrom(strings.NewReader("text,toxic\na,0.5\nb,\""+cell+"\"\n"), "x.csv", Options{SoftLabels: true})
		var bad *RowError
		if !errors.As(err, &bad) || bad.Line != 3 || bad.Column != "toxic" || !strings.Contains(bad.Expected, "a number between them") {
			t.Errorf("%s: %v", cell, err)
		}
	}
	for name, text := range map[string]string{
		"x.csv": "text,toxic\na,0.5\n", "list.csv": "text,labels\na,\"[0.5, 1]\"\n", "x.jsonl": `{"text":"a","labels":{"toxic":0.5}}` + "\n",
	} {
		var bad *RowError
		if _, err := LoadFrom(strings.NewReader(text), name, Options{}); !errors.As(err, &bad) ||
			!strings.Contains(bad.Hint, "`binarize` 0.5") || !strings.Contains(bad.Hint, "`soft_labels`") {
			t.Errorf("%s: %v", name, err)
		}
	}
	var wrong *OptionError
	if _, err := LoadFrom(strings.NewReader("__label__a b\n"), "x.ft", Options{SoftLabels: true}); !errors.As(err, &wrong) ||
		wrong.Option != "soft_labels" {
		t.Errorf("fastText: %v", err)
	}
}

// Shares go with their rows and labels, and are counted by label.
func TestSharesTravel(t *testing.T) {
	d, err := LoadFrom(strings.NewReader("text,anger,joy\na,0.7,1\nb,0.25,\nc,0,0.5\n"), "x.csv", Options{SoftLabels: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := d.Select([]int{2, 0}).Shares, []float32{0, 0.5, 0.7, 1}; !slices.Equal(got, want) {
		t.Errorf("selected rows have shares %v, want %v", got, want)
	}
	part, err := d.Columns("joy")
	if want := []float32{1, 0, 0.5}; err != nil || !slices.Equal(part.Shares, want) || !slices.Equal(part.Y, []int8{1, Unknown, 1}) {
		t.Errorf("one column has shares %v, want %v", part.Shares, want)
	}
	if any, err := d.AnyOf("any"); err != nil || any.Shares != nil || any.Check() != nil {
		t.Errorf("any of the labels has shares %v: %v", any.Shares, err)
	}
	labels := Summarize(d).Labels
	if labels[0].Shares != 2 || labels[1].Shares != 1 || labels[1].MeanShare != 0.75 {
		t.Errorf("%+v", labels)
	}
	for _, shares := range [][]float32{{1}, {0, 0, 0, 0, 0, 2}} {
		wrong := *d
		wrong.Shares = shares
		if wrong.Check() == nil {
			t.Errorf("shares %v pass", shares)
		}
	}
	hard, err := LoadFrom(strings.NewReader("text,joy\na,1\nb,0\n"), "x.csv", Options{SoftLabels: true})
	if err != nil || hard.Soft() || !slices.Equal(hard.Shares, []float32{1, 0}) {
		t.Errorf("zeros and ones: shares %v, %v", hard.Shares, err)
	}
}

func mustList(t *testing.T, names ...string) *LabelList {
	t.Helper()
	list, err := NewLabelList(names, "")
	if err != nil {
		t.Fatal(err)
	}
	return list
}
