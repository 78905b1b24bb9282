package fit_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/fit"
	"bertlabel/train/fit/note"
)

// The table of recipes: what depends on the model and on the number of rows; google is the zero value.
func TestRecipe(t *testing.T) {
	m := newModel(t)
	rows := func(n int) *data.Dataset { return &data.Dataset{Texts: make([]string, n)} }
	for _, c := range []struct {
		rows   *data.Dataset
		epochs float64
	}{{nil, 2}, {rows(20000), 2}, {rows(19999), 4}, {rows(2000), 4}, {rows(1999), 6}, {rows(1), 6}} {
		got, err := fit.Recipe(fit.Best, m, c.rows)
		config := train.DefaultConfig()
		config.Optimizer, config.LearningRate, config.Epochs = "adamw", 3e-4, c.epochs
		want := fit.Options{Recipe: "best", Tune: fit.Last(2), Pooling: bert.Mean, Config: &config, Refit: fit.LDA,
			Tuning: fit.Tuning{Thresholds: fit.Guarded}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("best: %+v, %v, want %+v", got, err, want)
		}
	}
	if got, err := fit.Recipe(fit.Fast, m, rows(9)); err != nil || got.Tune != fit.Head || got.Solver != fit.LDA ||
		got.Tuning.Thresholds != fit.Guarded || !slices.Equal(got.Poolings, fit.AutoPoolings(m)) {
		t.Errorf("fast: %+v, %v", got, err)
	}
	if got, err := fit.Recipe(fit.Google, m, rows(9)); err != nil || !reflect.DeepEqual(got, fit.Options{Recipe: "google"}) {
		t.Errorf("google: %+v, %v", got, err)
	}
	m.Encoder.Config.NumHiddenLayers = 1
	if got, err := fit.Recipe(fit.Best, m, nil); err != nil || got.Tune != fit.Last(1) {
		t.Errorf("best of a model with one layer: %v, %v", got.Tune, err)
	}
	if _, err := fit.Recipe("good", m, nil); err == nil || !strings.Contains(err.Error(), "best, fast, google") {
		t.Error(err)
	}
	if lines := fit.Recipes(); len(lines) != 3 || !strings.HasPrefix(lines[0], "best ") {
		t.Errorf("%q", lines)
	}
}

// A tenth is held out from 200 rows on; no row is lost, and none stands in both.
func TestHoldOut(t *testing.T) {
	for n, want := range map[int]int{199: 0, 200: 20, 1000: 100} {
		var csv strings.Builder
		csv.WriteString("text,a,b\n")
		for i := range n {
			fmt.Fprintf(&csv, "text %d,%d,%d\n", i, i%2, i%5/4)
		}
		rows, err := data.LoadFrom(strings.NewReader(csv.String()), "f.csv", data.Options{})
		if err != nil {
			t.Fatal(err)
		}
		rest, held := fit.HoldOut(rows, 42)
		if want == 0 {
			if held != nil || rest != rows {
				t.Errorf("%d rows: %d held out", n, held.Rows())
			}
			continue
		}
		if held.Rows() != want || rest.Rows() != n-want || held.File == rows.File {
			t.Errorf("%d rows of %s: %d held out of %s, want %d", n, rows.File, held.Rows(), held.File, want)
		}
		if all := append(slices.Clone(rest.Texts), held.Texts...); len(slices.Compact(slices.Sorted(slices.Values(all)))) != n {
			t.Errorf("%d rows: some are lost, or stand in both parts", n)
		}
		if a, b := held.Classes(0), held.Classes(1); a[1] != want/2 || b[1] != want/5 {
			t.Errorf("%d rows: %v and %v of two labels, want a half and a fifth of %d", n, a, b, want)
		}
		for i, text := range held.Texts { // cells, lines go with their texts
			var number int
			fmt.Sscanf(text, "text %d", &number)
			if held.Row(i)[0] != int8(number%2) || held.Line(i) != number+2 {
				t.Errorf("%s: cells %v in line %d", text, held.Row(i), held.Line(i))
			}
		}
		if again, same := fit.HoldOut(rows, 42); !slices.Equal(again.Texts, rest.Texts) || !slices.Equal(same.Texts, held.Texts) {
			t.Error("the same arguments deal rows otherwise")
		}
	}
}

// The length is the tokens of the text that 99 of 100 are not longer than, within what the model has positions for.
func TestSeqLength(t *testing.T) {
	m := newModel(t)
	word := m.Tokenizer.Vocab().Token(10)
	for longest, want := range map[int]int{1: 3, 5: 7, 40: m.Encoder.Config.MaxPositionEmbeddings} {
		rows := &data.Dataset{}
		for i := range 1000 {
			n := longest
			if i < 10 { // a hundredth
				n = 60
			}
			rows.Texts = append(rows.Texts, strings.Repeat(word+" ", n))
		}
		if got := fit.SeqLength(m, rows); got != want {
			t.Errorf("texts of %d words: %d tokens, want %d", longest, got, want)
		}
	}
}

// A run over many tokens says beforehand how long it will take; a short one does not. What it says is no more than a number above 0 here:
// time is not for tests.
func TestExpected(t *testing.T) {
	m := newModel(t)
	for n, want := range map[int]bool{50: false, 8000: true} {
		for _, tune := range []fit.Tune{fit.Head, fit.Last(1)} {
			config := train.DefaultConfig()
			config.MaxSteps = 1
			var seconds []float64
			_, err := fit.Model(t.Context(), m, newRows(t, n, 1), fit.Options{Tune: tune, Pooling: bert.Mean, Config: &config,
				Observer: fit.Observer{Note: func(n fit.Note) {
					if e, ok := n.(note.Expected); ok {
						seconds = append(seconds, e.Seconds)
					}
				}}})
			if err != nil || len(seconds) == 1 != want || want && !(seconds[0] > 0 && seconds[0] < 1e6) {
				t.Errorf("%d rows, %s: %v seconds, %v", n, tune, seconds, err)
			}
		}
	}
}
