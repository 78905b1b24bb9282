package fit_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/fit"
	"bertlabel/train/record"
	"bertlabel/train/score"
)

// scoresOf opens a folder in a precision and returns the probabilities of rows.
func scoresOf(t *testing.T, folder string, p bert.Precision, rows *data.Dataset) []float32 {
	t.Helper()
	m, err := model.Open(folder, &model.Options{Precision: p})
	if err != nil {
		t.Fatal(err)
	}
	texts, _, err := score.Encode(m, rows, "")
	if err != nil {
		t.Fatal(err)
	}
	predictions, err := m.PredictEncoded(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	var all []float32
	for _, p := range predictions {
		all = append(all, p.Probabilities...)
	}
	return all
}

// A run in a low precision judges Dev by what the finished model says in it, bit for bit, whatever is trained; says so in its record; and
// comes to the same bits in memory and in a folder, which holds float32 weights.
func TestPrecision(t *testing.T) {
	rows, dev := newRows(t, 40, 1), newRows(t, 24, 2)
	for name, o := range map[string]fit.Options{
		"gradient":     {Pooling: bert.Mean},
		"lbfgs":        {Pooling: bert.Mean, Solver: fit.LBFGS, Tuning: fit.Tuning{Thresholds: fit.PerLabel}},
		"last:1":       {Pooling: bert.Mean, Tune: fit.Last(1), Config: steps(9)},
		"all":          {Tune: fit.All, Config: steps(9), Tuning: fit.Tuning{Thresholds: fit.PerLabel, Calibrate: fit.Platt}},
		"last:1+refit": {Pooling: bert.Mean, Tune: fit.Last(1), Config: steps(9), Refit: fit.LDA},
	} {
		o.Dev = dev
		float := newModel(t)
		before, err := fit.Model(t.Context(), float, rows, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, o.Precision = range []bert.Precision{bert.BF16, bert.Int8} {
			m, memory := newModel(t), newModel(t)
			inMemory, err := fit.Model(t.Context(), memory, rows, o)
			if err != nil {
				t.Fatal(err)
			}
			o.Folder.Path = filepath.Join(t.TempDir(), "model")
			result, err := fit.Model(t.Context(), m, rows, o)
			if err != nil {
				t.Fatal(err)
			}
			same(t, name+": memory and folder", memory, m)
			if !slices.Equal(result.Scores, inMemory.Scores) {
				t.Errorf("%s, %s: other scores in memory", name, o.Precision)
			}
			if !slices.Equal(result.Scores, scoresOf(t, o.Folder.Path, o.Precision, dev)) {
				t.Errorf("%s: Dev is judged by other scores than those of the finished model in %s", name, o.Precision)
			}
			if slices.Equal(result.Scores, before.Scores) || m.Precision() != bert.FP32 {
				t.Errorf("%s, %s: the scores of float32; the model is in %s", name, o.Precision, m.Precision())
			}
			if said, err := fit.RecordOf(m); err != nil || said.Precision != o.Precision.String() || before.Record.Precision != "" {
				t.Errorf("%s: the record says %q, %v; in float32 %q", name, said.Precision, err, before.Record.Precision)
			}
			o.Folder.Path = ""
		}
	}
}

// Without held-out rows, int8 has nothing to change: it trains in float32.
func TestPrecisionInt8TrainsInFloat32(t *testing.T) {
	rows := newRows(t, 40, 1)
	for _, tune := range []fit.Tune{fit.Head, fit.Last(1), fit.All} {
		float, low := newModel(t), newModel(t)
		o := fit.Options{Tune: tune, Pooling: bert.CLS, Config: steps(7)}
		if _, err := fit.Model(t.Context(), float, rows, o); err != nil {
			t.Fatal(err)
		}
		o.Precision = bert.Int8
		if _, err := fit.Model(t.Context(), low, rows, o); err != nil {
			t.Fatal(err)
		}
		same(t, tune.String(), float, low)
	}
}

// A run in a low precision that is stopped goes on with the bits of one that was not, and is not gone on with in another precision.
func TestPrecisionResume(t *testing.T) {
	rows, dev := newRows(t, 40, 1), newRows(t, 20, 2)
	for _, p := range []bert.Precision{bert.BF16, bert.Int8} {
		o := fit.Options{Dev: dev, Tune: fit.Last(1), Pooling: bert.Mean, Config: steps(14), Precision: p,
			Tuning: fit.Tuning{Thresholds: fit.PerLabel, Calibrate: fit.Platt},
			Folder: fit.Folder{Path: filepath.Join(t.TempDir(), "whole"), SaveSteps: 3}}
		want := newModel(t)
		whole, err := fit.Model(t.Context(), want, rows, o)
		if err != nil {
			t.Fatal(err)
		}
		o.Folder.Path, o.Folder.Resume = filepath.Join(t.TempDir(), "stopped"), true
		stop := errors.New("enough")
		for _, at := range []int64{4, 9, 14} {
			o.Observer.Step = func(p train.Progress) error {
				if p.Step == at {
					return stop
				}
				return nil
			}
			if _, err := fit.Model(t.Context(), newModel(t), rows, o); !errors.Is(err, stop) {
				t.Fatalf("%s: stopped at step %d: %v", p, at, err)
			}
		}
		o.Observer.Step = nil
		var changed *train.ChangedError
		for _, o.Precision = range []bert.Precision{bert.FP32, bert.BF16, bert.Int8} {
			if o.Precision == p {
				continue
			}
			_, err := fit.Model(t.Context(), newModel(t), rows, o)
			if !errors.As(err, &changed) || !strings.Contains(err.Error(), "precision was") {
				t.Errorf("%s goes on in %s: %v", p, o.Precision, err)
			}
		}
		o.Precision = p
		for range 2 { // the second finds it at its end
			m := newModel(t)
			result, err := fit.Model(t.Context(), m, rows, o)
			if err != nil {
				t.Fatal(err)
			}
			same(t, p.String()+": resumed", want, m)
			if !slices.Equal(result.Scores, whole.Scores) || result.State != whole.State {
				t.Errorf("%s: result %+v, want %+v", p, result.State, whole.State)
			}
		}
	}
}

// Kept features of one precision are not taken for those of another.
func TestPrecisionCache(t *testing.T) {
	rows, dev := newRows(t, 40, 1), newRows(t, 20, 2)
	o := fit.Options{Dev: dev, Pooling: bert.Mean, Solver: fit.LBFGS}
	scores := map[bert.Precision][]float32{}
	precisions := []bert.Precision{bert.FP32, bert.BF16, bert.Int8}
	for _, o.Cache = range []string{"", t.TempDir()} {
		for range 2 {
			for _, o.Precision = range precisions {
				result, err := fit.Model(t.Context(), newModel(t), rows, o)
				if err != nil {
					t.Fatal(err)
				}
				if want := scores[o.Precision]; want != nil && !slices.Equal(want, result.Scores) {
					t.Errorf("%s, cache %q: other scores", o.Precision, o.Cache)
				}
				scores[o.Precision] = result.Scores
			}
		}
	}
}

// What cannot be is refused by its name: folds, which have no rows of their own to judge in int8, models that are rounded already, new
// labels.
func TestPrecisionRefused(t *testing.T) {
	rows, dev := newRows(t, 30, 1), newRows(t, 20, 2)
	rounded := newModel(t)
	folder := filepath.Join(t.TempDir(), "model")
	if _, err := fit.Model(t.Context(), rounded, rows, fit.Options{Folder: fit.Folder{Path: folder}}); err != nil {
		t.Fatal(err)
	}
	low, err := model.Open(folder, &model.Options{Precision: bert.Int8})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		m *model.Model
		o fit.Options
	}{
		{newModel(t), fit.Options{Precision: bert.Int8, Folds: 3}}, {newModel(t), fit.Options{Precision: 7}},
		{low, fit.Options{Precision: bert.BF16, Dev: dev}},
	} {
		var refused *fit.OptionError
		if _, err := fit.Model(t.Context(), c.m, rows, c.o); !errors.As(err, &refused) || refused.Option != "precision" {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
	var refused *fit.OptionError
	_, err = fit.Outputs(t.Context(), rounded, rows, fit.Options{Precision: bert.BF16})
	if !errors.As(err, &refused) || refused.Option != "precision" {
		t.Errorf("new labels: %v", err)
	}
}

// What rounds the weights is part of the estimates, in each kind of run; fp32 has no such part.
func TestPrecisionMemory(t *testing.T) {
	rows, dev := newRows(t, 30, 1), newRows(t, 20, 2)
	m := newModel(t)
	for _, o := range []fit.Options{
		{Pooling: bert.Mean, Solver: fit.LBFGS, Dev: dev}, {Pooling: bert.Mean, Tune: fit.All, Config: steps(3), Dev: dev},
	} {
		for _, o.Precision = range []bert.Precision{bert.FP32, bert.BF16, bert.Int8} {
			plan, err := fit.Plan(m, rows, o)
			if err != nil {
				t.Fatal(err)
			}
			kernels, follow := 0, 0
			if o.Precision != bert.FP32 {
				kernels, follow = m.Encoder.RoundedMemory(o.Precision, m.Threads())
			}
			if got := plan.Memory.Model.Rounded; got != kernels+follow {
				t.Errorf("%s, %s: %d bytes, want %d", o.Tune, o.Precision, got, kernels+follow)
			}
			refused := &fit.MemoryError{}
			o.MaxMemory = 100
			if err := fit.CheckWeights(m.Encoder.Config, &o); !errors.As(err, &refused) || (refused.Need.Model.Rounded > 0) != (kernels > 0) {
				t.Errorf("%s, %s: %v, %+v", o.Tune, o.Precision, err, refused.Need.Model)
			}
			o.MaxMemory = 0
		}
	}
}

// The precision is part of what must not change when a run goes on.
func TestPrecisionSettings(t *testing.T) {
	a, errA := record.Record{Precision: "bf16"}.Settings()
	b, errB := record.Record{}.Settings()
	if err := errors.Join(errA, errB); err != nil || string(a["precision"]) != `"bf16"` || b["precision"] != nil {
		t.Errorf("%s and %s, %v", a["precision"], b["precision"], err)
	}
}
