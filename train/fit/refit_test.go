package fit_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/train"
	"bertlabel/train/fit"
	"bertlabel/train/fit/note"
	"bertlabel/train/metrics"
)

// precisionOf is the macro-averaged average precision of scores.
func precisionOf(t *testing.T, scores []float32, truth []int8, labels []string) float64 {
	t.Helper()
	r, err := metrics.Evaluate(metrics.Data{Labels: labels, Truth: truth, Scores: scores}, []float32{0.5})
	if err != nil {
		t.Fatal(err)
	}
	return float64(r.AveragePrecisionMacro)
}

// The refit leaves the encoder alone, is never worse on Dev than the tuned head, says what it chose, and comes to the same bits in memory and
// in a folder.
func TestRefit(t *testing.T) {
	rows, dev := newRows(t, 40, 1), newRows(t, 24, 2)
	kept := map[bool]int{}
	for _, n := range []int{1, 2, 12} {
		for _, by := range []fit.Solver{fit.LBFGS, fit.LDA} {
			o := fit.Options{Dev: dev, Tune: fit.Last(1), Pooling: bert.Mean, Config: steps(n)}
			tuned := newModel(t)
			before, err := fit.Model(t.Context(), tuned, rows, o)
			if err != nil {
				t.Fatal(err)
			}
			var told *note.Refit
			o.Refit, o.Observer.Note = by, func(n fit.Note) {
				if n, ok := n.(note.Refit); ok {
					told = &n
				}
			}
			m := newModel(t)
			after, err := fit.Model(t.Context(), m, rows, o)
			if err != nil {
				t.Fatal(err)
			}
			was, is := precisionOf(t, before.Scores, dev.Y, m.Labels), precisionOf(t, after.Scores, dev.Y, m.Labels)
			if told == nil || told.Solver != by.String() || told.Share != *after.Record.RefitShare || is != slices.Max(told.AveragePrecision) ||
				was != told.AveragePrecision[0] || !(is >= was) || told.Pooling != "concat:mean:-1..-3,max:-1..-3" {
				t.Fatalf("%d steps, %s: %v before, %v after, %+v, record %+v", n, by, was, is, told, after.Record)
			}
			want := told.Pooling
			if told.Share == 1 {
				want = bert.Mean
			}
			if r := after.Record; m.Pooling != want || r.Refit != by.String() || r.RefitPooling != "concat:mean:-1..-3,max:-1..-3" || r.Pooling != "mean" {
				t.Errorf("pooling %s, share %g, record %+v", m.Pooling, told.Share, r)
			}
			kept[told.Share == 1]++
			for i, p := range m.Encoder.Params() {
				if !slices.Equal(p.Value, tuned.Encoder.Params()[i].Value) {
					t.Fatalf("%s has changed", p.Name)
				}
			}
			folder := newModel(t)
			o.Folder.Path = filepath.Join(t.TempDir(), "model")
			if _, err := fit.Model(t.Context(), folder, rows, o); err != nil {
				t.Fatal(err)
			}
			same(t, "memory and folder", m, folder)
		}
	}
	if kept[false] == 0 {
		t.Errorf("the tuned head alone was kept %d times, another %d times", kept[true], kept[false])
	}
}

// A run that is stopped anywhere, in its steps or in the refit, and goes on with a fresh model, ends with the bits of one that was never
// stopped; at its end nothing is refit again. Options that change the refit are refused.
func TestRefitResume(t *testing.T) {
	rows, dev := newRows(t, 40, 1), newRows(t, 24, 2)
	for name, o := range map[string]fit.Options{
		"lda":     {Refit: fit.LDA, Tuning: fit.Tuning{Thresholds: fit.Guarded}},
		"lbfgs":   {Refit: fit.LBFGS, RefitPooling: "max:-2", Tuning: fit.Tuning{Calibrate: fit.Platt}},
		"untuned": {Refit: fit.LDA},
	} {
		t.Run(name, func(t *testing.T) {
			o.Dev, o.Tune, o.Pooling, o.Config = dev, fit.Last(1), bert.Mean, steps(6)
			o.Folder = fit.Folder{Path: filepath.Join(t.TempDir(), "whole"), SaveSteps: 3}
			want := newModel(t)
			whole, err := fit.Model(t.Context(), want, rows, o)
			if err != nil {
				t.Fatal(err)
			}
			if *whole.Record.RefitShare == 1 {
				t.Fatal("the tuned head was kept: this tests nothing")
			}
			o.Folder.Path, o.Folder.Resume = filepath.Join(t.TempDir(), "stopped"), true
			stop := errors.New("enough")
			for _, at := range []string{"step 2", "step 6", "features of rows1.csv", "features of rows2.csv", "solve", "Solved", "Refit"} {
				ctx, cancel := context.WithCancelCause(t.Context())
				end := func(now string) {
					if now == at {
						cancel(stop)
					}
				}
				stopped := 0
				o.Observer = fit.Observer{
					Step: func(p train.Progress) error { end(fmt.Sprint("step ", p.Step)); return nil },
					Work: func(w fit.Work) { end(w.Name) },
					Note: func(n fit.Note) {
						if _, ok := n.(note.Stopped); ok {
							stopped++
						}
						end(strings.TrimPrefix(fmt.Sprintf("%T", n), "note."))
					},
				}
				if _, err := fit.Model(ctx, newModel(t), rows, o); at != "Refit" && (!errors.Is(err, stop) || stopped != 1) {
					t.Fatalf("stopped at %s: %v, told %d times", at, err, stopped)
				}
				cancel(nil)
			}
			for range 2 { // the second finds it at its end
				m := newModel(t)
				o.Observer = fit.Observer{}
				result, err := fit.Model(t.Context(), m, rows, o)
				if err != nil {
					t.Fatal(err)
				}
				same(t, "resumed", want, m)
				if result.Dev == nil || result.Dev.F1Macro != whole.Dev.F1Macro || !slices.Equal(result.Scores, whole.Scores) ||
					*result.Record.RefitShare != *whole.Record.RefitShare || result.Record.TuningSettings != whole.Record.TuningSettings {
					t.Errorf("%+v, want %+v", result.Record, whole.Record)
				}
			}
			for _, other := range []func(*fit.Options){
				func(o *fit.Options) { o.Refit, o.RefitPooling = fit.Gradient, "" },
				func(o *fit.Options) { o.RefitPooling = bert.CLS },
			} {
				o := o
				other(&o)
				var changed *train.ChangedError
				if _, err := fit.Model(t.Context(), newModel(t), rows, o); !errors.As(err, &changed) || !strings.Contains(err.Error(), "refit") {
					t.Errorf("another refit: %v", err)
				}
			}
		})
	}
}

// What the refit takes is part of the estimate where it is more than the steps, and a run that does not fit names it.
func TestRefitMemory(t *testing.T) {
	rows, dev, m := newRows(t, 3000, 1), newRows(t, 500, 2), newModel(t)
	o := fit.Options{Dev: dev, Tune: fit.Last(1), Pooling: bert.Mean, Config: steps(2)}
	without, err := fit.Plan(m, rows, o)
	if err != nil {
		t.Fatal(err)
	}
	o.Refit = fit.LBFGS
	with, err := fit.Plan(m, rows, o)
	if err != nil {
		t.Fatal(err)
	}
	if least := 2 * 4 * 3500 * 96; without.Memory.Features != 0 || with.Memory.Total()-with.Memory.Other < least || with.Memory.Features == 0 ||
		!strings.Contains(strings.Join(with.Smaller, "\n"), "`refit_pooling` than concat:mean:-1..-3,max:-1..-3, whose features are 96") {
		t.Errorf("without: %s; with: %s; %q", &without.Memory, &with.Memory, with.Smaller)
	}
	o.MaxMemory = int64(with.Memory.Total() - with.Memory.Features/2)
	var refused *fit.MemoryError
	if _, err := fit.Model(t.Context(), m, rows, o); !errors.As(err, &refused) {
		t.Errorf("half of the refit does not fit: %v", err)
	}
}
