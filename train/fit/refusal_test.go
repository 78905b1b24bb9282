package fit_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/checkpoint/atomic"
	"bertlabel/layers"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/diagnosis"
	"bertlabel/train/fit"
	"bertlabel/train/fit/note"
	"bertlabel/train/metrics"
)

// Numbers that are none, negative or too large are refused by name, by Plan as by Model, before anything is done.
func TestBadNumbers(t *testing.T) {
	rows, dev, m := newRows(t, 30, 1), newRows(t, 20, 2), newModel(t)
	nan, inf := math.NaN(), math.Inf(1)
	config := func(change func(*train.Config)) *train.Config {
		c := steps(2)
		change(c)
		return c
	}
	aim := func(a metrics.Aim) fit.Options {
		return fit.Options{Dev: dev, Tuning: fit.Tuning{Thresholds: fit.PerLabel, Aim: a}}
	}
	for _, c := range []struct {
		o      fit.Options
		option string
	}{
		{fit.Options{Config: config(func(c *train.Config) { c.Epochs = nan })}, "num_train_epochs"},
		{fit.Options{Config: config(func(c *train.Config) { c.Epochs = inf })}, "num_train_epochs"},
		{fit.Options{Config: config(func(c *train.Config) { c.Epochs = -1 })}, "num_train_epochs"},
		{fit.Options{Config: config(func(c *train.Config) { c.MaxSteps = math.MaxInt })}, "max_steps"},
		{aim(metrics.F(nan)), "threshold_objective"},
		{aim(metrics.F(-1)), "threshold_objective"},
		{aim(metrics.PrecisionAt(2)), "threshold_objective"},
		{aim(metrics.RecallAt(nan)), "threshold_objective"},
		{fit.Options{Loss: layers.Focal{Gamma: nan}}, "loss"},
		{fit.Options{Loss: layers.Focal{Gamma: 2, Alpha: 7}}, "loss"},
		{fit.Options{Loss: layers.Focal{Gamma: inf}}, "loss"},
		{fit.Options{Loss: layers.Asymmetric{GammaNeg: -1}}, "loss"},
		{fit.Options{Loss: layers.Asymmetric{Clip: 1}}, "loss"},
		{fit.Options{Loss: (*layers.Focal)(nil)}, "loss"},
		{fit.Options{Loss: &layers.WeightedSigmoidCrossEntropy{PosWeight: []float64{1, 2, 3}}}, "loss"},
		{fit.Options{Dev: dev, Solver: fit.LBFGS, Pooling: bert.CLS, Poolings: fit.AutoPoolings(m)}, "pooling"},
		{fit.Options{Dev: dev, Solver: fit.LBFGS, Poolings: []bert.Pooling{"x"}}, "pooling"},
	} {
		_, planned := fit.Plan(m, rows, c.o)
		_, err := fit.Model(t.Context(), m, rows, c.o)
		for _, err := range []error{planned, err} {
			var found *fit.OptionError
			if !errors.As(err, &found) || found.Option != c.option || !strings.HasPrefix(err.Error(), c.option) {
				t.Errorf("%v, want an OptionError of %q", err, c.option)
			}
		}
	}
	if m.Head != nil {
		t.Error("the model has changed")
	}
}

// Rows that were made by hand need neither a file nor line numbers; what does not go together is refused, as is a model that reads no
// token, and a context that is none.
func TestMadeRows(t *testing.T) {
	rows, m := newRows(t, 30, 1), newModel(t)
	made := &data.Dataset{Labels: rows.Labels, Texts: rows.Texts, Y: rows.Y}
	for _, o := range []fit.Options{{}, {Folds: 2}, {Dev: made, Solver: fit.LBFGS}, {Tune: fit.Last(1), Config: steps(2), Dev: made}} {
		if _, err := fit.Model(t.Context(), newModel(t), made, o); err != nil {
			t.Error(err)
		}
	}
	spoilt := *made
	spoilt.Lines = []int{1}
	refused := func(what, option string, err error) {
		t.Helper()
		var found *fit.OptionError
		if !errors.As(err, &found) || found.Option != option {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := fit.Model(t.Context(), m, &spoilt, fit.Options{})
	refused("lines", "train", err)
	_, err = fit.Outputs(t.Context(), m, &spoilt, fit.Options{})
	refused("lines", "train", err)
	var none context.Context
	_, err = fit.Model(none, m, rows, fit.Options{})
	refused("no context", "ctx", err)
	_, err = fit.Outputs(none, m, rows, fit.Options{})
	refused("no context", "ctx", err)
	for _, n := range []int{-1, 0, 1, 17} {
		m.MaxSeqLength = n
		_, err = fit.Plan(m, rows, fit.Options{})
		refused(fmt.Sprint("length ", n), "max_seq_length", err)
	}
	for _, k := range []int{31, math.MaxInt} {
		var row *data.RowError
		if _, err := fit.Plan(newModel(t), rows, fit.Options{Folds: k}); !errors.As(err, &row) || !strings.Contains(err.Error(), "`folds`") {
			t.Errorf("%d folds: %v", k, err)
		}
	}
}

// A run of the head that fails leaves the model with its old one, however late: the context may end behind the last step.
func TestOldHeadStays(t *testing.T) {
	rows, dev, m := newRows(t, 30, 1), newRows(t, 20, 2), newModel(t)
	o := fit.Options{Pooling: bert.Mean, Dev: dev, Tuning: fit.Tuning{Thresholds: fit.PerLabel}}
	if _, err := fit.Model(t.Context(), m, rows, o); err != nil {
		t.Fatal(err)
	}
	before, training := values(m), string(m.Training())
	ended := errors.New("ended")
	for _, at := range []string{"Solved", "Calibrated", "Judged", "Tuned", "Saved"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		_, err := fit.Model(ctx, m, rows, fit.Options{Solver: fit.LDA, Dev: dev, Folder: fit.Folder{Path: filepath.Join(t.TempDir(), "model")},
			Observer: fit.Observer{Note: func(n fit.Note) {
				if fmt.Sprintf("%T", n) == "note."+at {
					cancel(ended)
				}
			}}})
		if !errors.Is(err, ended) || fmt.Sprint(values(m)) != fmt.Sprint(before) || m.Pooling != bert.Mean || string(m.Training()) != training {
			t.Errorf("ended at %s: %v, pooling %s", at, err, m.Pooling)
		}
	}
}

// A panic of the Observer comes out of the call, whichever goroutine it is on; the folder is free and the model usable after it.
func TestObserverPanics(t *testing.T) {
	rows, dev := newRows(t, 300, 1), newRows(t, 100, 2)
	for what, o := range map[string]fit.Options{
		"features": {Observer: fit.Observer{Work: func(w fit.Work) {
			if w.Done > 0 && w.Unit == "texts" {
				panic("no")
			}
		}}},
		"solve": {Solver: fit.LBFGS, Dev: dev, Observer: fit.Observer{Work: func(w fit.Work) {
			if w.Done > 0 && w.Unit == "labels" {
				panic("no")
			}
		}}},
		"folds": {Folds: 2, Observer: fit.Observer{Work: func(w fit.Work) {
			if w.Done > 1 && w.Unit == "steps" {
				panic("no")
			}
		}}},
		"step": {Tune: fit.Last(1), Config: steps(2), Observer: fit.Observer{Step: func(train.Progress) error { panic("no") }}},
		"note": {Observer: fit.Observer{Note: func(fit.Note) { panic("no") }}},
	} {
		m := newModel(t)
		o.Folder.Path = filepath.Join(t.TempDir(), "model")
		func() {
			defer func() {
				if v := recover(); v != "no" {
					t.Errorf("%s: recovered %v", what, v)
				}
			}()
			_, err := fit.Model(t.Context(), m, rows, o)
			t.Errorf("%s: no panic, %v", what, err)
		}()
		o.Observer, o.Folder.Overwrite = fit.Observer{}, true
		if _, err := fit.Model(t.Context(), m, rows, o); err != nil {
			t.Errorf("after %s: %v", what, err)
		}
	}
	m := newModel(t)
	if _, err := fit.Model(t.Context(), m, rows, fit.Options{}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if v := recover(); v != "no" {
			t.Errorf("outputs: recovered %v", v)
		}
	}()
	fit.Outputs(t.Context(), m, rows, fit.Options{Observer: fit.Observer{Work: func(w fit.Work) {
		if w.Done > 0 {
			panic("no")
		}
	}}})
}

// A run that is refused for its memory leaves a folder that it was to overwrite as it was.
func TestRefusedRunLeavesFolder(t *testing.T) {
	rows, dir := newRows(t, 30, 1), filepath.Join(t.TempDir(), "model")
	if _, err := fit.Model(t.Context(), newModel(t), rows, fit.Options{Folds: 2, Folder: fit.Folder{Path: dir}}); err != nil {
		t.Fatal(err)
	}
	for _, tune := range []fit.Tune{fit.Head, fit.All} {
		o := fit.Options{Tune: tune, MaxMemory: 1, Folder: fit.Folder{Path: dir, Overwrite: true}}
		if _, err := fit.Model(t.Context(), newModel(t), rows, o); !errors.As(err, new(*fit.MemoryError)) {
			t.Errorf("%s: %v", tune, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "folds.json")); err != nil {
			t.Errorf("%s: %v", tune, err)
		}
	}
	o := fit.Options{Folder: fit.Folder{Path: dir, Overwrite: true}}
	if _, err := fit.Model(t.Context(), newModel(t), rows, o); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "folds.json")); err == nil {
		t.Error("folds.json of another run stays")
	}
}

// Who has the lock is told, with the option that names the folder. A folder that another run has filled between the first look and the
// lock is refused.
func TestFolderTaken(t *testing.T) {
	rows := newRows(t, 30, 1)
	o := fit.Options{Tune: fit.Last(1), Config: steps(1), Folder: fit.Folder{Path: filepath.Join(t.TempDir(), "model")}}
	second := func(when string, is error) fit.Observer {
		return fit.Observer{Note: func(n fit.Note) {
			if fmt.Sprintf("%T", n) != "note."+when {
				return
			}
			var refused *fit.OptionError
			_, err := fit.Model(t.Context(), newModel(t), rows, o)
			if !errors.As(err, &refused) || !errors.Is(err, is) || !strings.HasPrefix(err.Error(), "output ") {
				t.Errorf("%s: %v", when, err)
			}
		}}
	}
	first := o
	first.Observer = second("Started", atomic.ErrLocked)
	if _, err := fit.Model(t.Context(), newModel(t), rows, first); err != nil {
		t.Error(err)
	}
	o.Folder.Path = filepath.Join(t.TempDir(), "model")
	// Findings come before the lock: the run inside finds nothing, and fills the folder.
	late, told := o, false
	config := *steps(1)
	config.LearningRate = 5
	late.Config = &config
	late.Observer.Finding = func(diagnosis.Finding) {
		if !told {
			told = true
			if _, err := fit.Model(t.Context(), newModel(t), rows, o); err != nil {
				t.Error(err)
			}
		}
	}
	var refused *fit.OptionError
	if _, err := fit.Model(t.Context(), newModel(t), rows, late); !told || !errors.As(err, &refused) || refused.Option != "output" {
		t.Errorf("told: %v, %v", told, err)
	}
}

// What has no meaning for new labels is refused, and the budget counts.
func TestOutputsRefuse(t *testing.T) {
	rows, m := newRows(t, 60, 1), newModel(t)
	if _, err := fit.Model(t.Context(), m, rows, fit.Options{}); err != nil {
		t.Fatal(err)
	}
	before, none := values(m), 0.0
	for option, o := range map[string]fit.Options{
		"recompute": {Recompute: true}, "bias_init": {LogOddsBias: true}, "tune": {Tune: fit.All}, "folds": {Folds: 2}, "loss": {Balance: 2},
	} {
		var refused *fit.OptionError
		if _, err := fit.Outputs(t.Context(), m, rows, o); !errors.As(err, &refused) || refused.Option != option {
			t.Errorf("%s: %v", option, err)
		}
	}
	if _, err := fit.Outputs(t.Context(), m, rows, fit.Options{EncoderDropout: &none}); err == nil {
		t.Error("dropout of an encoder that stays as it is")
	}
	if _, err := fit.Outputs(t.Context(), m, rows, fit.Options{MaxMemory: 1}); !errors.As(err, new(*fit.MemoryError)) {
		t.Errorf("one byte: %v", err)
	}
	if added, err := fit.Outputs(t.Context(), m, rows, fit.Options{MaxMemory: 1 << 40}); err != nil || len(added) != 2 {
		t.Errorf("%d outputs, %v", len(added), err)
	}
	if fmt.Sprint(values(m)) != fmt.Sprint(before) {
		t.Error("the model has changed")
	}
}

// The result, the notes and the model share nothing that a caller may change.
func TestResultIsOwn(t *testing.T) {
	rows, dev, m := newRows(t, 30, 1), newRows(t, 20, 2), newModel(t)
	var started note.Started
	result, err := fit.Model(t.Context(), m, rows, fit.Options{Dev: dev, Observer: fit.Observer{Note: func(n fit.Note) {
		if n, ok := n.(note.Started); ok {
			started = n
		}
	}}})
	if err != nil {
		t.Fatal(err)
	}
	m.Thresholds[0], m.Labels[0] = 0.9, "changed"
	if result.Dev.Threshold[0] != 0.5 || result.Dev.Labels[0] != "animal" || started.Labels[0] != "animal" || rows.Labels.Name(0) != "animal" {
		t.Errorf("thresholds %v, labels %v, %v", result.Dev.Threshold, result.Dev.Labels, started.Labels)
	}
}

// Rounded weights give features for a head, and no more: that is said before the work, by Plan too.
func TestRoundedWeights(t *testing.T) {
	dir, rows := filepath.Join(t.TempDir(), "bert"), newRows(t, 30, 1)
	if err := newModel(t).Save(dir, nil); err != nil {
		t.Fatal(err)
	}
	m, err := model.Open(dir, &model.Options{Precision: bert.BF16})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []fit.Options{{Tune: fit.Last(1)}, {Tune: fit.All}, {Folder: fit.Folder{Path: filepath.Join(dir, "new")}}} {
		var refused *fit.OptionError
		if _, err := fit.Plan(m, rows, o); !errors.As(err, &refused) || refused.Option != "precision" {
			t.Errorf("plan of %s: %v", o.Tune, err)
		}
		if _, err := fit.Model(t.Context(), m, rows, o); !errors.As(err, &refused) || refused.Option != "precision" {
			t.Errorf("%s: %v", o.Tune, err)
		}
	}
	if _, err := fit.Model(t.Context(), m, rows, fit.Options{}); err != nil {
		t.Errorf("a head in memory: %v", err)
	}
}
