package data

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestUnknownCells: a cell that nobody looked at is no label of its row, for splits and folds; breaks no run; and is other than 0 and 1.
func TestUnknownCells(t *testing.T) {
	d := loadText(t, "text,joy,love,fear\na,1,,1\nA,,0,1\nb,0,1,1\nb,0,0,\nb,,1,\nc,,,\nc,,,\n a ,1,0,1\n", nil)
	y := []int8{1, -1, 1, -1, 0, 1, 0, 1, 1, 0, 0, -1, -1, 1, -1, -1, -1, -1, -1, -1, -1, 1, 0, 1}
	if !slices.Equal(d.Y, y) {
		t.Fatalf("cells %v", d.Y)
	}
	if got := fmt.Sprint(d.Positives()); got != "[[0 2] [2] [1 2] [] [1] [] [] [0 2]]" {
		t.Errorf("positives %s", got)
	}
	group, groups := Groups(d)
	if !slices.Equal(group, []int{0, 0, 1, 1, 1, 2, 2, 0}) || groups != 3 {
		t.Errorf("groups %v, %d", group, groups)
	}
	// b has three rows of different labels, and counts once; c has twice the same.
	if got, want := FindRepeats(d), (Repeats{Texts: 2, Rows: 3, Conflicting: 1, FirstConflict: [2]int{4, 5}}); got != want {
		t.Errorf("repeats %+v, want %+v", got, want)
	}
	if got := similarRepeats(d); got != 5 {
		t.Errorf("%d similar repeats", got)
	}
	for i, want := range []LabelRuns{
		{Name: "joy", Runs: 3, Expected: 3}, {Name: "love", Runs: 5, Expected: 3.4}, {Name: "fear", Runs: 1, Expected: 1},
	} {
		got := FindRuns(d)[i]
		if got.Name != want.Name || got.Runs != want.Runs || !(math.Abs(got.Expected-want.Expected) <= 1e-12) {
			t.Errorf("runs %+v, want %+v", got, want)
		}
	}
	for i, want := range []LabelCount{{"joy", 2, 4, 0, 0}, {"love", 2, 3, 0, 0}, {"fear", 4, 4, 0, 0}} {
		if got := Summarize(d).Labels[i]; got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// TestStratifyUnknown: rows in which a label is unknown are dealt as rows that lack it, so its positives have their shares whatever else
// is unknown.
func TestStratifyUnknown(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString("text,joy\n")
	for i := range 900 {
		fmt.Fprintf(&b, "text %d,%s\n", i, []string{"0", "1", ""}[[]int{0, 0, 0, 1, 2, 2, 2, 2, 2}[rng.IntN(9)]])
	}
	d := loadText(t, b.String(), nil)
	part := Stratify(d.Positives(), nil, []float64{0.5, 0.25, 0.25}, 1)
	var rows, positives [3]float64
	for i, p := range part {
		rows[p]++
		if d.Y[i] == 1 {
			positives[p]++
		}
	}
	all := positives[0] + positives[1] + positives[2]
	for j, share := range []float64{0.5, 0.25, 0.25} {
		if !(math.Abs(rows[j]-900*share) <= 1 && math.Abs(positives[j]-all*share) <= 1) {
			t.Errorf("part %d: %v rows, %v of %v positives", j, rows[j], positives[j], all)
		}
	}
}

// TestStratifyLots: where neither the label nor the rows decide, the lot does, over all parts that lack as much.
func TestStratifyLots(t *testing.T) {
	seen := map[int]int{}
	for seed := range uint64(60) {
		seen[Stratify([][]int{{0}, {}, {}, {}}, nil, []float64{0.25, 0.25, 0.25, 0.25}, seed)[0]]++
	}
	if len(seen) != 4 || slices.Max([]int{seen[0], seen[1], seen[2], seen[3]}) > 30 {
		t.Errorf("the row with the label went to the parts %v", seen)
	}
	// Of the parts that want as much of the label, the one that lacks most rows has it.
	for seed := range uint64(20) {
		part := Stratify([][]int{{0, 1}, {0, 1}, {1}, {}, {}, {}, {}, {}}, nil, []float64{0.5, 0.5}, seed)
		if part[0] == part[1] {
			t.Errorf("seed %d: both rows of the rare label are in part %d", seed, part[0])
		}
	}
}

// TestContinuedQuotes: a quoted field that goes on over lines ends where its quotes are even, also when a line begins with one.
func TestContinuedQuotes(t *testing.T) {
	d := loadText(t, "text,labels\n\"a\n\"\"b\"\"\nc\",joy\n\"a\n\",joy\n\"\n\"\"\n\",joy\n", testLabels(t))
	if want := []string{"a\n\"b\"\nc", "a\n", "\n\"\n"}; !slices.Equal(d.Texts, want) || !slices.Equal(d.Lines, []int{2, 5, 7}) {
		t.Errorf("texts %q on lines %v, want %q", d.Texts, d.Lines, want)
	}
}

// TestSummaryLists: a list that is empty is a list for those who read the JSON, and no null.
func TestSummaryLists(t *testing.T) {
	d := loadText(t, "text,joy\na,1\n", nil)
	line, err := json.Marshal(Summarize(d))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"co_occurrence":[]`, `"unknown_labels":[]`, `"labels_without_positives":[]`, `"labels_per_row":[0,1]`} {
		if !strings.Contains(string(line), want) {
			t.Errorf("%s\nhas no %s", line, want)
		}
	}
}

// TestOddObjects: rows of JSON without keys, or nested without end.
func TestOddObjects(t *testing.T) {
	deep := func(n int, open, close string) string {
		return strings.Repeat(open, n) + "1" + strings.Repeat(close, n)
	}
	for row, want := range map[string]string{
		`{}`:                    "an object without keys",
		`{"text": "a", "y": 1}`: `no such key, but text, y`,
		`{"text": "a", "labels": [], "x": ` + deep(jsonDepth, `{"a":`, `}`) + `}`: "nested more than",
		`{"text": "a", "labels": [], "x": ` + deep(jsonDepth, `[`, `]`) + `}`:     "nested more than",
		`{"text": "a", "labels": [], "x": ` + deep(20, `{"a":[`, `]}`) + `}`:      "nested more than",
		`{"text": "a", "text": "b", "labels": []}`:                                `the key "text" again, expected each key once`,
	} {
		_, err := LoadFrom(strings.NewReader(row+"\n"), "f.jsonl", Options{Labels: testLabels(t)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", row, err, want)
		}
	}
	row := `{"text": "a", "labels": [], "x": ` + deep(jsonDepth-1, `{"a":`, `}`) + "}\n"
	if _, err := LoadFrom(strings.NewReader(row), "f.jsonl", Options{Labels: testLabels(t)}); err != nil {
		t.Errorf("%d deep: %v", jsonDepth, err)
	}
}

// TestStratifyLargeFirst: a large group is dealt while there is room for it, so that the parts have their sizes.
func TestStratifyLargeFirst(t *testing.T) {
	for _, labels := range [][]int{nil, {0}} {
		y, group := make([][]int, 100), make([]int, 100)
		for i := range group {
			y[i] = labels
			if group[i] = 0; i < 60 {
				group[i] = i + 1
			}
		}
		for seed := range uint64(10) {
			var rows [2]int
			for _, p := range Stratify(y, group, []float64{0.6, 0.4}, seed) {
				rows[p]++
			}
			if rows != [2]int{60, 40} {
				t.Errorf("labels %v, seed %d: parts of %v rows", labels, seed, rows)
			}
		}
	}
}

// TestAnyOf: one of the labels makes a 1, a 0 takes that all of them are known, and else nothing is known; Known keeps the rows that say
// something of one label.
func TestAnyOf(t *testing.T) {
	d := loadText(t, "text,joy,love\na,0,0\nb,0,\nc,,1\nd,,\ne,1,0\n", nil)
	either, err := d.AnyOf("either")
	if err != nil || !slices.Equal(either.Y, []int8{0, Unknown, 1, Unknown, 1}) || either.Labels.Name(0) != "either" {
		t.Errorf("%v, %v", either, err)
	}
	known := d.Known()
	if !slices.Equal(known.Texts, []string{"a", "b", "c", "e"}) || !slices.Equal(known.Y[2:6], []int8{0, Unknown, Unknown, 1}) {
		t.Errorf("known rows %v, %v", known.Texts, known.Y)
	}
}
