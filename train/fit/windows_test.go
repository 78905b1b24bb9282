package fit_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/fit"
	"bertlabel/train/score"
)

// newDocuments returns n texts of some 40 words, most of them about nothing, with the words of newRows's labels anywhere behind the first
// 14, which is what a row of newModel holds.
func newDocuments(t testing.TB, n int, seed uint64) *data.Dataset {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 8))
	var b strings.Builder
	b.WriteString("text,animal,colour\n")
	for range n {
		animal, colour := rng.IntN(2), rng.IntN(2)
		words := slices.Repeat([]string{"the", "sat", "home"}, 9+rng.IntN(6))
		for range 3 {
			if animal == 1 {
				words = append(words, "cat")
			}
			if colour == 1 {
				words = append(words, "red")
			}
		}
		rest := words[14:]
		rng.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
		fmt.Fprintf(&b, "%s,%d,%d\n", strings.Join(words, " "), animal, colour)
	}
	set, err := data.LoadFrom(strings.NewReader(b.String()), fmt.Sprintf("documents%d.csv", seed), data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// devPrecision returns what the judging rows say of a run.
func devPrecision(t *testing.T, rows, dev *data.Dataset, o fit.Options) float64 {
	t.Helper()
	m := newModel(t)
	o.Dev = dev
	result, err := fit.Model(t.Context(), m, rows, o)
	if err != nil {
		t.Fatal(err)
	}
	return float64(result.Dev.AveragePrecisionMacro)
}

// TestWindowsLearn: where labels stand behind the first row of documents of three and four, heads and layers that read all rows learn them,
// and those that read the first learn nothing.
func TestWindowsLearn(t *testing.T) {
	rows, dev := newDocuments(t, 160, 1), newDocuments(t, 120, 2)
	config := train.DefaultConfig()
	config.Optimizer, config.LearningRate, config.Epochs, config.BatchSize = train.AdamW, 5e-3, 6, 8
	for name, o := range map[string]fit.Options{
		"lda":    {Pooling: "concat:mean,max:-1..-3", Solver: fit.LDA},
		"last:1": {Pooling: bert.Mean, Tune: fit.Last(1), Config: &config},
		"all":    {Pooling: bert.Mean, Tune: fit.All, Config: &config},
	} {
		cut := devPrecision(t, rows, dev, o)
		o.Windows = tokenizer.AllWindows
		if all := devPrecision(t, rows, dev, o); !(all > cut+0.15) {
			t.Errorf("%s: average precision %.3f over all windows, %.3f over the first", name, all, cut)
		}
	}
}

// TestWindowsBits: texts of one row train the same model with windows as without, bit for bit; and with windows a run has the same bits on
// any number of threads, and when it was stopped.
func TestWindowsBits(t *testing.T) {
	short, long, dev := newRows(t, 40, 1), newDocuments(t, 24, 1), newDocuments(t, 20, 2)
	for name, o := range map[string]fit.Options{
		"head":   {Pooling: bert.Mean, Config: headSteps()},
		"last:1": {Pooling: bert.Mean, Tune: fit.Last(1), Config: steps(9)},
		"all":    {Pooling: bert.Pooled, Tune: fit.All, Config: steps(5)},
	} {
		run := func(rows *data.Dataset, threads, windows int) (*fit.Result, []float32) {
			m := newModel(t)
			m.SetThreads(threads)
			o.Windows = windows
			result, err := fit.Model(t.Context(), m, rows, o)
			if err != nil {
				t.Fatal(err)
			}
			return result, values(m)
		}
		_, want := run(short, 2, 0)
		if _, got := run(short, 2, tokenizer.AllWindows); !slices.Equal(got, want) {
			t.Errorf("%s: texts of one row train another model with windows", name)
		}
		o.Dev = dev
		first, want := run(long, 1, tokenizer.AllWindows)
		second, got := run(long, 3, tokenizer.AllWindows)
		if !slices.Equal(got, want) || !slices.Equal(first.Scores, second.Scores) {
			t.Errorf("%s: other bits on three threads", name)
		}
		o.Dev = nil
	}
}

func headSteps() *train.Config {
	c := train.DefaultHeadConfig()
	c.MaxSteps = 12
	return &c
}

// TestWindowsResume: a run with windows goes on where it was stopped; with other windows it is another run, which is said.
func TestWindowsResume(t *testing.T) {
	rows := newDocuments(t, 24, 1)
	o := fit.Options{Tune: fit.Last(1), Pooling: bert.Mean, Config: steps(8), Windows: 3}
	want := newModel(t)
	if _, err := fit.Model(t.Context(), want, rows, o); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("enough")
	o.Folder = fit.Folder{Path: filepath.Join(t.TempDir(), "m"), SaveSteps: 2, Resume: true}
	o.Observer.Step = func(p train.Progress) error {
		if p.Step == 5 {
			return stop
		}
		return nil
	}
	if _, err := fit.Model(t.Context(), newModel(t), rows, o); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	o.Observer.Step = nil
	for _, change := range []func(o *fit.Options){func(o *fit.Options) { o.Windows = 4 }, func(o *fit.Options) { o.WindowOverlap = 0.5 }} {
		other := o
		change(&other)
		var changed *train.ChangedError
		if _, err := fit.Model(t.Context(), newModel(t), rows, other); !errors.As(err, &changed) || !strings.Contains(err.Error(), "windows was") {
			t.Errorf("other windows: %v", err)
		}
	}
	m := newModel(t)
	if _, err := fit.Model(t.Context(), m, rows, o); err != nil {
		t.Fatal(err)
	}
	same(t, "resumed", want, m)
	if m.Windows.Most != 3 {
		t.Errorf("the model reads %v", m.Windows)
	}
}

// TestWindowsElsewhere: folds, the labels of a model that has windows, its cache, the estimate and the plan.
func TestWindowsElsewhere(t *testing.T) {
	rows, cache := newDocuments(t, 120, 1), t.TempDir()
	o := fit.Options{Pooling: bert.Mean, Solver: fit.LBFGS, Folds: 3, Windows: tokenizer.AllWindows, Cache: cache}
	m := newModel(t)
	animal, err := rows.Columns("animal")
	if err != nil {
		t.Fatal(err)
	}
	windows, err := fit.Model(t.Context(), m, animal, o)
	if err != nil {
		t.Fatal(err)
	}
	o.Windows = 0
	cut, err := fit.Model(t.Context(), newModel(t), animal, o) // the cache has no features for it
	if err != nil || !(windows.Folds.Report.AveragePrecisionMacro > cut.Folds.Report.AveragePrecisionMacro+0.1) {
		t.Fatalf("folds: average precision %.3f over all windows, %.3f over the first, %v", windows.Folds.Report.AveragePrecisionMacro,
			cut.Folds.Report.AveragePrecisionMacro, err)
	}
	colour, _ := rows.Columns("colour")
	added, err := fit.Outputs(t.Context(), m, colour, fit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m.SetOutputs(append(m.Outputs(), added...))
	report, err := score.Evaluate(t.Context(), m, newDocuments(t, 120, 2), nil)
	if err != nil || !(report.PerLabel[1].AveragePrecision > 0.8) {
		t.Errorf("the added label: %+v, %v", report.PerLabel[1], err)
	}
	tokens, of := func(m *model.Model, windows int) int {
		p, err := fit.Plan(m, rows, fit.Options{Tune: fit.Last(1), Pooling: bert.Mean, Windows: windows})
		if err != nil {
			t.Fatal(err)
		}
		return p.Memory.Largest.Tokens
	}, newModel(t)
	if one, all := tokens(of, 1), tokens(of, tokenizer.AllWindows); !(all > 2*one) || of.Windows.Several() {
		t.Errorf("batches of %d tokens with windows, %d without", all, one)
	}
}

// TestWindowsRefused: what is out of range is an *OptionError, and a run that failed leaves the model as it read before.
func TestWindowsRefused(t *testing.T) {
	rows := newDocuments(t, 8, 1)
	for option, o := range map[string]fit.Options{"windows": {Windows: -2}, "window_overlap": {WindowOverlap: 0.95}} {
		var refused *fit.OptionError
		if _, err := fit.Model(t.Context(), newModel(t), rows, o); !errors.As(err, &refused) || refused.Option != option {
			t.Errorf("%s: %v", option, err)
		}
	}
	m := newModel(t)
	m.MaxSeqLength = 2
	var refused *fit.OptionError
	if _, err := fit.Model(t.Context(), m, rows, fit.Options{Windows: 2}); !errors.As(err, &refused) || refused.Option != "windows" {
		t.Errorf("rows of two tokens: %v", err)
	}
	m = newModel(t)
	stop := errors.New("enough")
	o := fit.Options{Windows: 3, Observer: fit.Observer{Step: func(train.Progress) error { return stop }}}
	if _, err := fit.Model(t.Context(), m, rows, o); !errors.Is(err, stop) || m.Windows.Several() {
		t.Errorf("%v, and the model reads %v", err, m.Windows)
	}
	o = fit.Options{Windows: 2, OnLong: data.LongError}
	if _, err := fit.Model(t.Context(), newModel(t), rows, o); err == nil || !strings.Contains(err.Error(), "at most 27 with") {
		t.Errorf("texts of more than two windows: %v", err) // 14 + 11 tokens, [CLS] and [SEP]
	}
}
