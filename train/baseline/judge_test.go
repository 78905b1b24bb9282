package baseline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bertlabel/train/data"
	"bertlabel/train/metrics"
)

// dataset returns n rows of two labels that words tell, and one that nothing tells.
func dataset(t testing.TB, n int, seed int) *data.Dataset {
	t.Helper()
	var b strings.Builder
	b.WriteString("text,text_pair,animal,colour,other\n")
	for i := range n {
		animal, colour := (i*7+seed)%3 == 0, (i*5+seed)%4 == 0
		words := []string{fmt.Sprint("row", i%5), "the", "day"}
		if animal {
			words = append(words, []string{"cat sat", "dog ran"}[i%2])
		}
		pair := ""
		if colour {
			pair = "red and blue"
		}
		bit := map[bool]int{true: 1}
		fmt.Fprintf(&b, "%s %d,%s,%d,%d,%d\n", strings.Join(words, " "), i+1000*seed, pair, bit[animal], bit[colour], i/2%2)
	}
	d, err := data.LoadFrom(strings.NewReader(b.String()), fmt.Sprint("set", seed, ".csv"), data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// With dev the report is that of Train and Predict, at 0.5 and at tuned thresholds.
func TestJudgeOnDev(t *testing.T) {
	rows, dev := dataset(t, 90, 1), dataset(t, 60, 2)
	var seen []Progress
	task := Task{Train: rows, Dev: dev, Observe: func(p Progress) { seen = append(seen, p) }}
	r, err := Judge(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Train(t.Context(), Of(rows), Of(dev), 3, DefaultOptions(), defaultCs(), nil)
	if err != nil {
		t.Fatal(err)
	}
	scores := m.Predict(Of(dev).Texts)
	judged := metrics.Data{Labels: rows.Labels.Names(), Truth: dev.Y, Scores: scores}
	want, err := metrics.Evaluate(judged, []float32{0.5})
	if err != nil {
		t.Fatal(err)
	}
	tuned, err := metrics.Tune(judged, metrics.F(1))
	if err != nil {
		t.Fatal(err)
	}
	wantTuned, err := metrics.Evaluate(judged, tuned.Thresholds)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.Scores, scores) || fmt.Sprint(r.Report) != fmt.Sprint(want) || fmt.Sprint(r.Tuned) != fmt.Sprint(wantTuned) ||
		r.Terms != m.Vectorizer.Terms() ||
		r.C["animal"] != m.C[0] || r.Name != "TF-IDF of words and word pairs, logistic regression" {
		t.Errorf("%+v", r)
	}
	if !(r.PerLabel[0].F1 > 0.9) || len(seen) != 4 || seen[0] != (Progress{Labels: 3}) || seen[3] != (Progress{Done: 3, Labels: 3}) {
		t.Errorf("F1 of animal %v, progress %+v", r.PerLabel[0].F1, seen)
	}
	task.Aim, task.C, task.Options = metrics.RecallAt(0.9), []float64{2}, &Options{}
	task.Pick = func(t *metrics.Tuned) []float32 { return []float32{t.Global} }
	other, err := Judge(t.Context(), task)
	if err != nil || other.C["animal"] != 2 || other.Report.Threshold[0] == 0.5 || other.Name != "TF-IDF of words, logistic regression" {
		t.Errorf("%+v, %v", other, err)
	}
	text, err := json.Marshal(r)
	if err != nil || !strings.HasPrefix(string(text), `{"name":"TF-IDF`) || !strings.Contains(string(text), `"f1_macro":`) ||
		strings.Contains(string(text), "Scores") {
		t.Errorf("%s, %v", text, err)
	}
}

// With folds each row is scored by a model that has not seen its text.
func TestJudgeOnFolds(t *testing.T) {
	rows := dataset(t, 90, 1)
	r, err := Judge(t.Context(), Task{Train: rows, Folds: 3, Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	fold, err := data.Folds(rows, 3, 5)
	if err != nil {
		t.Fatal(err)
	}
	all := Of(rows)
	for k := range 3 {
		rest, held := data.SplitFold(fold, k)
		m, err := Train(t.Context(), all.rows(rest, 3), Data{}, 3, DefaultOptions(), []float64{4}, nil)
		if err != nil {
			t.Fatal(err)
		}
		p := m.Predict(all.rows(held, 3).Texts)
		for i, row := range held {
			if !slices.Equal(r.Scores[3*row:3*row+3], p[3*i:3*i+3]) {
				t.Fatalf("fold %d: row %d has the scores %v, want %v", k, row, r.Scores[3*row:3*row+3], p[3*i:3*i+3])
			}
		}
	}
	if r.Report.Rows != 90 {
		t.Errorf("%d rows", r.Report.Rows)
	}
}

func TestJudgeRefuses(t *testing.T) {
	rows := dataset(t, 30, 1)
	unlabelled := *rows
	unlabelled.Labels = nil
	other, err := data.LoadFrom(strings.NewReader("text,x\na,1\n"), "x.csv", data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		task Task
		want string
	}{
		{t.Context(), Task{}, "no labelled rows"},
		{t.Context(), Task{Train: &unlabelled, Dev: rows}, "no labelled rows"},
		{t.Context(), Task{Train: rows}, "0 folds and no Dev"},
		{t.Context(), Task{Train: rows, Folds: 2, C: []float64{1, 2}}, "no Dev to choose on"},
		{t.Context(), Task{Train: rows, Dev: other}, "the labels of x.csv are not those of set1.csv"},
		{t.Context(), Task{Train: rows, Folds: 31}, "30 different texts"},
		{ended, Task{Train: rows, Dev: rows}, context.Canceled.Error()},
	} {
		if _, err := Judge(c.ctx, c.task); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	if _, err := Judge(ended, Task{Train: rows, Folds: 2}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
}
