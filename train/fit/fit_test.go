package fit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/checkpoint/atomic"
	"bertlabel/layers"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/fit"
	"bertlabel/train/fit/note"
)

// steps returns a configuration of so many steps for layers of the encoder.
func steps(n int) *train.Config {
	c := train.DefaultConfig()
	c.BatchSize, c.MaxSteps, c.LearningRate, c.Optimizer, c.EvalSteps = 5, n, 3e-3, train.AdamW, 4
	return &c
}

// Options of the zero value train a head on the pooled output, and two calls are a two-stage recipe: the second starts from the head of
// the first.
func TestModelZeroOptions(t *testing.T) {
	m, rows := newModel(t), newRows(t, 60, 1)
	before := slices.Clone(values(m))
	first, err := fit.Model(t.Context(), m, rows, fit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if m.Head == nil || m.Pooling != bert.Pooled || !slices.Equal(m.Labels, []string{"animal", "colour"}) || first.State.Step != 18 ||
		first.Dev != nil {
		t.Errorf("head %v, pooling %s, labels %q, %d steps", m.Head, m.Pooling, m.Labels, first.State.Step)
	}
	if got := values(m); !slices.Equal(got[:len(before)], before) {
		t.Error("the frozen encoder has changed")
	}
	if r := first.Record; r.Tune != "head" || r.Solver != "gradient" || r.Train != "rows1.csv" || r.LearningRate != 1e-2 ||
		r.Loss != "bce" {
		t.Errorf("record %+v", r)
	}
	own := slices.Clone(m.Head.Weights.Value)
	var notes []fit.Note
	config := train.DefaultHeadConfig()
	config.LearningRate, config.WeightDecay, config.MaxSteps = 0, 0, 1
	_, err = fit.Model(t.Context(), m, rows,
		fit.Options{Config: &config, Observer: fit.Observer{Note: func(n fit.Note) { notes = append(notes, n) }}})
	if err != nil || !slices.Equal(m.Head.Weights.Value, own) || !slices.Contains(notes, fit.Note(note.FromHead{Own: true})) {
		t.Errorf("a step of rate 0 on the own head: %v, notes %v", err, notes)
	}
}

// A model that was trained into a folder has the bits of one that was trained in memory, and m.Save keeps the record.
func TestModelFolder(t *testing.T) {
	rows, dev := newRows(t, 60, 1), newRows(t, 30, 2)
	for name, o := range map[string]fit.Options{
		"gradient": {Pooling: bert.Mean, Tuning: fit.Tuning{Thresholds: fit.PerLabel}},
		"lbfgs":    {Pooling: bert.Mean, Solver: fit.LBFGS},
		"lda":      {Pooling: bert.Mean, Solver: fit.LDA, Tuning: fit.Tuning{Thresholds: fit.Guarded}},
		"last:1": {Pooling: bert.Mean, Tune: fit.Last(1), Config: steps(17),
			Tuning: fit.Tuning{Thresholds: fit.PerLabel, Calibrate: fit.Temperature}},
		"all": {Pooling: bert.CLS, Tune: fit.All, Config: steps(9)},
	} {
		t.Run(name, func(t *testing.T) {
			o.Dev = dev
			memory, folder := newModel(t), newModel(t)
			result, err := fit.Model(t.Context(), memory, rows, o)
			if err != nil {
				t.Fatal(err)
			}
			o.Folder.Path = filepath.Join(t.TempDir(), "model")
			other, err := fit.Model(t.Context(), folder, rows, o)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "memory and folder", memory, folder)
			if !slices.Equal(result.Scores, other.Scores) || result.Dev.F1Macro != other.Dev.F1Macro {
				t.Error("other scores")
			}
			opened, err := model.Open(o.Folder.Path, nil)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "the model and its folder", folder, opened)
			saved := filepath.Join(t.TempDir(), "saved")
			if err := memory.Save(saved, nil); err != nil {
				t.Fatal(err)
			}
			again, err := model.Open(saved, nil)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "saved", memory, again)
			a, errA := fit.RecordOf(again)
			b, errB := fit.RecordOf(opened)
			textA, _ := json.Marshal(a)
			textB, _ := json.Marshal(b)
			if err := errors.Join(errA, errB); err != nil || string(textA) != string(textB) || a.Tune != o.Tune.String() {
				t.Errorf("%v: records\n%s\n%s", err, textA, textB)
			}
		})
	}
}

// A run that is stopped and goes on, in the same folder with a fresh model, ends with the bits of one that was never stopped, wherever
// it was stopped and by whom.
func TestResume(t *testing.T) {
	rows, dev := newRows(t, 40, 1), newRows(t, 20, 2)
	for name, o := range map[string]fit.Options{
		"tuned":   {Tuning: fit.Tuning{Thresholds: fit.PerLabel, Calibrate: fit.Platt}},
		"untuned": {},
	} {
		t.Run(name, func(t *testing.T) {
			o.Dev, o.Tune, o.Pooling, o.Config = dev, fit.Last(1), bert.Mean, steps(14)
			folder := filepath.Join(t.TempDir(), "whole")
			o.Folder = fit.Folder{Path: folder, SaveSteps: 3}
			want := newModel(t)
			whole, err := fit.Model(t.Context(), want, rows, o)
			if err != nil {
				t.Fatal(err)
			}
			o.Folder.Path, o.Folder.Resume = filepath.Join(t.TempDir(), "stopped"), true
			stop := errors.New("enough")
			for _, at := range []int64{2, 4, 5, 9, 12, 14} {
				o.Observer.Step = func(p train.Progress) error {
					if p.Step == at {
						return stop
					}
					return nil
				}
				if _, err := fit.Model(t.Context(), newModel(t), rows, o); !errors.Is(err, stop) {
					t.Fatalf("stopped at step %d: %v", at, err)
				}
				if _, err := os.Stat(filepath.Join(o.Folder.Path, "checkpoints", "latest")); err != nil {
					t.Errorf("stopped at step %d: %v", at, err)
				}
			}
			o.Observer.Step = nil
			for range 2 { // the second finds it at its end
				m := newModel(t)
				result, err := fit.Model(t.Context(), m, rows, o)
				if err != nil {
					t.Fatal(err)
				}
				same(t, "resumed", want, m)
				if result.Dev == nil || result.Dev.F1Macro != whole.Dev.F1Macro || !slices.Equal(result.Scores, whole.Scores) ||
					result.State != whole.State {
					t.Errorf("result %+v", result.State)
				}
			}
			if got, want := metricsOf(t, o.Folder.Path), metricsOf(t, folder); got != want {
				t.Errorf("metrics.csv\n%s\nwant\n%s", got, want)
			}
		})
	}
}

var speed = regexp.MustCompile(`(?m)^((?:[^,\n]*,){5})[^,\n]*`)

// metricsOf returns the metrics.csv of a folder without the speed.
func metricsOf(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "metrics.csv"))
	if err != nil {
		t.Fatal(err)
	}
	return speed.ReplaceAllString(string(text), "$1")
}

// Bad use is an error that names the option, and does nothing.
func TestBadUse(t *testing.T) {
	rows, dev, m := newRows(t, 30, 1), newRows(t, 20, 2), newModel(t)
	other := *dev
	other.Labels, _ = data.NewLabelList([]string{"colour", "animal"}, "test")
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "x"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	half := 1.5
	bad := train.DefaultConfig()
	bad.BatchSize, bad.OnNaN = -1, "cry"
	for _, c := range []struct {
		what   string
		m      *model.Model
		rows   *data.Dataset
		o      fit.Options
		option string // of the error
		want   string
	}{
		{"no model", nil, rows, fit.Options{}, "model", "model.Open"},
		{"empty model", &model.Model{}, rows, fit.Options{}, "model", "model.Open"},
		{"no rows", m, nil, fit.Options{}, "train", "no rows"},
		{"empty rows", m, &data.Dataset{}, fit.Options{}, "train", "no rows"},
		{"no labels", m, &data.Dataset{Texts: []string{"a"}}, fit.Options{}, "train", "no labels"},
		{"other dev labels", m, rows, fit.Options{Dev: &other}, "dev", "animal"},
		{"last:0", m, rows, fit.Options{Tune: fit.Last(0)}, "tune", "at least 1"},
		{"last:9", m, rows, fit.Options{Tune: fit.Last(9)}, "tune", "the model has 2 layers"},
		{"unknown solver", m, rows, fit.Options{Solver: 7}, "solver", "gradient, lbfgs, lda"},
		{"lda without dev", m, rows, fit.Options{Solver: fit.LDA}, "solver", "`dev`"},
		{"exact head above layers", m, rows, fit.Options{Solver: fit.LBFGS, Tune: fit.All}, "solver", "`tune` head"},
		{"focal lbfgs", m, rows, fit.Options{Solver: fit.LBFGS, Loss: layers.DefaultFocal()}, "solver", "focal"},
		{"weights for others", m, rows, fit.Options{Loss: layers.WeightedSigmoidCrossEntropy{PosWeight: []float64{1, 2, 3}}},
			"pos_weight", "2 labels"},
		{"one fold", m, rows, fit.Options{Folds: 1}, "folds", "2 or more"},
		{"thresholds on nothing", m, rows, fit.Options{Tuning: fit.Tuning{Thresholds: fit.Global}}, "tune_thresholds", "`dev`"},
		{"poolings by gradient", m, rows, fit.Options{Poolings: fit.AutoPoolings(m)}, "pooling", "`solver`"},
		{"no such layer", m, rows, fit.Options{Pooling: "mean:-9"}, "pooling", "layer"},
		{"full folder", m, rows, fit.Options{Folder: fit.Folder{Path: full}}, "output", "not empty"},
		{"resume nowhere", m, rows, fit.Options{Folder: fit.Folder{Resume: true}}, "resume", "`output`"},
		{"dropout", m, rows, fit.Options{EncoderDropout: &half}, "dropout", "below 1"},
		{"config", m, rows, fit.Options{Config: &bad}, "train_batch_size", "on_nan"},
		{"concat above layers", m, rows, fit.Options{Tune: fit.All, Pooling: "concat:cls,mean"}, "", ""},
	} {
		_, err := fit.Model(t.Context(), c.m, c.rows, c.o)
		var found *fit.OptionError
		if !errors.As(err, &found) || c.option != "" && found.Option != c.option || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an OptionError of %q with %q", c.what, err, c.option, c.want)
		}
	}
	if m.Head != nil || m.Training() != nil {
		t.Error("the model has changed")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(os.ErrDeadlineExceeded)
	o := fit.Options{Folder: fit.Folder{Path: filepath.Join(full, "new")}}
	if _, err := fit.Model(ctx, m, rows, o); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("cancelled before the start: %v", err)
	}
	if _, err := os.Stat(o.Folder.Path); err == nil {
		t.Error("cancelled before the start, and the folder is there")
	}
}

// Two runs do not share a folder, and a run does not begin in one that is not empty, unless it is to resume or to overwrite.
func TestFolderIsLocked(t *testing.T) {
	rows := newRows(t, 30, 1)
	o := fit.Options{Tune: fit.Last(1), Pooling: bert.CLS, Config: steps(2), Folder: fit.Folder{Path: filepath.Join(t.TempDir(), "model")}}
	var second error
	first := o
	first.Observer.Step = func(p train.Progress) error {
		o.Folder.Resume = true
		_, second = fit.Model(t.Context(), newModel(t), rows, o)
		return nil
	}
	if _, err := fit.Model(t.Context(), newModel(t), rows, first); err != nil || !errors.Is(second, atomic.ErrLocked) {
		t.Errorf("first %v, second %v", err, second)
	}
	o.Folder.Resume = false
	var refused *fit.OptionError
	if _, err := fit.Model(t.Context(), newModel(t), rows, o); !errors.As(err, &refused) || refused.Option != "output" {
		t.Errorf("not empty: %v", err)
	}
	o.Folder.Overwrite = true
	m := newModel(t)
	if _, err := fit.Model(t.Context(), m, rows, o); err != nil {
		t.Error(err)
	}
}

// What does not fit the budget is refused before the first step, with what it needs and what is smaller; Plan says the same before.
func TestMemory(t *testing.T) {
	rows, dev := newRows(t, 30, 1), newRows(t, 20, 2)
	for _, o := range []fit.Options{
		{Pooling: bert.Mean, Solver: fit.LBFGS, Dev: dev},
		{Pooling: bert.Mean, Tune: fit.All, Config: steps(3), Dev: dev},
	} {
		m := newModel(t)
		plan, err := fit.Plan(m, rows, o)
		if err != nil || !plan.Fits || plan.Width != 16 || m.Head != nil || (plan.Steps == 3) != (o.Tune == fit.All) {
			t.Fatalf("plan %+v, %v", plan, err)
		}
		o.MaxMemory = int64(plan.Memory.Total()) / 2
		if half, err := fit.Plan(m, rows, o); err != nil || half.Fits || len(half.Smaller) < 3 {
			t.Errorf("plan %+v, %v", half, err)
		}
		steps := 0
		o.Observer.Step = func(train.Progress) error { steps++; return nil }
		o.Folder.Path = filepath.Join(t.TempDir(), "model")
		var refused *fit.MemoryError
		if _, err := fit.Model(t.Context(), m, rows, o); !errors.As(err, &refused) || refused.Limit != o.MaxMemory ||
			len(refused.Smaller) < 3 || steps > 0 {
			t.Errorf("%v after %d steps", err, steps)
		}
		if err := fit.CheckWeights(m.Encoder.Config, &fit.Options{Tune: o.Tune, MaxMemory: 100}); !errors.As(err, &refused) ||
			refused.Alone == "" {
			t.Errorf("weights: %v", err)
		}
		if err := fit.CheckWeights(m.Encoder.Config, &fit.Options{Tune: o.Tune, MaxMemory: 1 << 40}); err != nil {
			t.Errorf("weights: %v", err)
		}
	}
}

// New labels leave the others' bits alone, are those of a model that was solved for them, and a label is merged from its parts.
func TestOutputs(t *testing.T) {
	m, rows, dev := newModel(t), newRows(t, 60, 1), newRows(t, 40, 2)
	animal, err := rows.Columns("animal")
	if err != nil {
		t.Fatal(err)
	}
	o := fit.Options{Pooling: bert.Mean, Solver: fit.LBFGS}
	if _, err := fit.Model(t.Context(), m, animal, o); err != nil {
		t.Fatal(err)
	}
	old := m.Outputs()[0]
	colour, _ := rows.Columns("colour")
	colourDev, _ := dev.Columns("colour")
	colour.Y[3] = data.Unknown
	var found []fit.Note
	added, err := fit.Outputs(t.Context(), m, colour, fit.Options{Dev: colourDev, Tuning: fit.Tuning{Thresholds: fit.PerLabel},
		Observer: fit.Observer{Note: func(n fit.Note) {
			if f, ok := n.(note.Found); ok {
				found = append(found, f)
			}
		}}})
	if err != nil || len(added) != 1 || added[0].Label != "colour" || len(m.Labels) != 1 || len(found) != 1 {
		t.Fatalf("%+v, %v, %v", added, found, err)
	}
	if n := found[0].(note.Found); n.Rows[0]+n.Rows[1] != 59 || n.Threshold != added[0].Threshold || n.Threshold == 0.5 {
		t.Errorf("found %+v", n)
	}
	m.SetOutputs(append(m.Outputs(), added...))
	if now := m.Outputs()[0]; !slices.Equal(now.Weights, old.Weights) || now.Bias != old.Bias {
		t.Error("the old label has moved")
	}
	either, err := rows.AnyOf("either")
	if err != nil {
		t.Fatal(err)
	}
	if merged, err := fit.Outputs(t.Context(), m, either, fit.Options{}); err != nil || merged[0].Label != "either" {
		t.Errorf("%v, %v", merged, err)
	}
	ones := *colour
	ones.Y = slices.Repeat([]int8{1}, len(colour.Y))
	if _, err := fit.Outputs(t.Context(), m, &ones, fit.Options{}); !errors.Is(err, data.ErrRefused) ||
		!strings.Contains(err.Error(), "colour") {
		t.Errorf("one class: %v", err)
	}
	for option, o := range map[string]fit.Options{"folds": {Folds: 3}, "tune": {Tune: fit.All}, "output": {Folder: fit.Folder{Path: "x"}},
		"pooling": {Pooling: bert.CLS}} {
		var refused *fit.OptionError
		if _, err := fit.Outputs(t.Context(), m, colour, o); !errors.As(err, &refused) || refused.Option != option {
			t.Errorf("%s: %v", option, err)
		}
	}
	if _, err := fit.Outputs(t.Context(), newModel(t), colour, fit.Options{}); err == nil {
		t.Error("a model without a head")
	}
}

// Each row is judged by a head that does not know it: the scores are those of heads that were trained on the other folds.
func TestFolds(t *testing.T) {
	rows := newRows(t, 60, 1)
	for _, solver := range []fit.Solver{fit.Gradient, fit.LBFGS} {
		m := newModel(t)
		o := fit.Options{Pooling: bert.Mean, Solver: solver, Folds: 3, Balance: 5, Tuning: fit.Tuning{Thresholds: fit.PerLabel}}
		result, err := fit.Model(t.Context(), m, rows, o)
		if err != nil {
			t.Fatal(err)
		}
		f := result.Folds
		if f == nil || len(f.Each) != 3 || result.Dev != f.Tuned || len(result.Scores) != 120 ||
			!slices.Equal(m.Thresholds, f.Tuned.Threshold) {
			t.Fatalf("folds %+v", f)
		}
		fold, err := data.Folds(rows, 3, 42)
		if err != nil {
			t.Fatal(err)
		}
		rest, held := data.SplitFold(fold, 1)
		part := &data.Dataset{File: "part", Labels: rows.Labels}
		for _, i := range rest {
			part.Texts, part.Y = append(part.Texts, rows.Texts[i]), append(part.Y, rows.Row(i)...)
		}
		alone := newModel(t)
		o.Folds, o.Tuning = 0, fit.Tuning{}
		if _, err := fit.Model(t.Context(), alone, part, o); err != nil {
			t.Fatal(err)
		}
		for _, i := range held {
			p, err := alone.Predict(t.Context(), []model.Text{{A: rows.Texts[i]}})
			if err != nil || !slices.Equal(p[0].Probabilities, result.Scores[2*i:2*i+2]) {
				t.Fatalf("%s, row %d: %v, want %v (%v)", solver, i, result.Scores[2*i:2*i+2], p, err)
			}
		}
	}
	few := newRows(t, 1, 3)
	if _, err := fit.Model(t.Context(), newModel(t), few, fit.Options{Folds: 2}); !errors.Is(err, data.ErrRefused) {
		t.Errorf("one text in two folds: %v", err)
	}
}

// The observer is told of every piece of work from its beginning to its end, of steps, choices and findings.
func TestObserver(t *testing.T) {
	rows, dev := newRows(t, 60, 1), newRows(t, 30, 2)
	m := newModel(t)
	var said []string
	var open *fit.Work
	o := fit.Options{Solver: fit.LDA, Dev: dev, Poolings: []bert.Pooling{bert.CLS, bert.Mean}, Observer: fit.Observer{
		Work: func(w fit.Work) {
			if w.Done == 0 && open != nil || w.Done > 0 && (open == nil || open.Name != w.Name || w.Done <= open.Done) {
				t.Errorf("%v after %v", w, open)
			}
			if open = &w; w.Done == w.Of {
				open, said = nil, append(said, w.Name)
			}
		},
		Note: func(n fit.Note) { said = append(said, fmt.Sprintf("%T", n)[5:]) },
	}}
	result, err := fit.Model(t.Context(), m, rows, o)
	if err != nil || result.Record.Pooling != "auto" || result.Record.Calibrate != "platt" {
		t.Fatalf("%v, %+v", err, result)
	}
	want := "Started Need features of rows1.csv features of rows2.csv Features solve Solved solve Solved Chosen Calibrated Judged Tuned"
	if got := strings.Join(said, " "); got != want {
		t.Errorf("said %s\nwant %s", got, want)
	}
}
