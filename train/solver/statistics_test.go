package solver

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
)

// inParts cuts features into n parts of nearly equal size and measures each.
func inParts(t *testing.T, f train.Features, labels, n int) (parts []*Statistics) {
	t.Helper()
	for i := range n {
		from, to := f.X.Rows*i/n, f.X.Rows*(i+1)/n
		x := f.X.SliceRows(from, to)
		part := train.Features{X: &x, Y: f.Y[from*labels : to*labels]}
		if f.Shares != nil {
			part.Shares = f.Shares[from*labels : to*labels]
		}
		s, err := Measure(part, labels, nil)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, s)
	}
	return parts
}

// logitsOf solves and returns the logits of dev.
func logitsOf(t *testing.T, task Task, solve func(context.Context, Task) ([]Solution, error)) []float32 {
	t.Helper()
	task.Classifier = layers.NewClassifier(len(task.Labels), task.Dev.X.Cols)
	task.Workers = tensor.NewWorkers(2)
	if _, err := solve(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	logits := tensor.New(task.Dev.X.Rows, len(task.Labels))
	task.Classifier.Forward(logits, task.Dev.X)
	return logits.Data
}

// A head from statistics has the bits of the head in memory if there is one part, and its logits to 1e-6 of their size if there are more:
// columns of very different scale, unknown cells, shares, a constant column, a column that is constant in some parts, a label without
// positives, parts of a few rows.
func TestMerge(t *testing.T) {
	t.Parallel()
	for name, task := range map[string]Task{"cells": newTask(41, 4000, 24, 3), "shares": withShares(newTask(42, 4000, 24, 3))} {
		for i := range task.Train.X.Rows {
			row := task.Train.X.Row(i)
			row[3] = 7
			if i < 1000 {
				row[5] = 0
			}
			task.Train.Y[3*i+2] = layers.Negative
			if task.Train.Shares != nil {
				task.Train.Shares[3*i+2] = 0
			}
		}
		want := logitsOf(t, task, Discriminant)
		largest := 0.0
		for _, z := range want {
			largest = max(largest, math.Abs(float64(z)))
		}
		for _, n := range []int{1, 4, 16, 64, 1000} {
			s, err := Merge(inParts(t, task.Train, 3, n)...)
			if err != nil || s.Rows != 4000 {
				t.Fatalf("%d parts: %+v, %v", n, s, err)
			}
			got := logitsOf(t, task, func(ctx context.Context, task Task) ([]Solution, error) { return DiscriminantOf(ctx, s, task) })
			if n == 1 && !slices.Equal(got, want) {
				t.Errorf("%s: one part has other bits", name)
			}
			worst := 0.0
			for i, z := range got {
				worst = max(worst, math.Abs(float64(z)-float64(want[i])))
			}
			if !(worst <= 1e-6*largest) {
				t.Errorf("%s: %d parts: a logit is off by %g, of %g", name, n, worst, largest)
			}
		}
	}
}

// What does not go together is refused.
func TestMergeRefused(t *testing.T) {
	t.Parallel()
	task := newTask(43, 50, 6, 2)
	a, other := inParts(t, task.Train, 2, 1)[0], inParts(t, newTask(43, 50, 7, 2).Train, 2, 1)[0]
	task.Workers, task.L2 = tensor.NewWorkers(1), []float64{1}
	broken := tensor.New(1, 2)
	broken.Data[1] = float32(math.NaN())
	for want, f := range map[string]func() error{
		"no statistics":           func() error { _, err := Merge(); return err },
		"of 6 columns":            func() error { _, err := Merge(a, other); return err },
		"label cells":             func() error { _, err := Measure(task.Train, 3, nil); return err },
		"at least one row":        func() error { _, err := Measure(train.Features{}, 1, nil); return err },
		"row 0, column 1 is NaN":  func() error { _, err := Measure(train.Features{X: broken, Y: []int8{1}}, 1, nil); return err },
		"want statistics":         func() error { _, err := DiscriminantOf(t.Context(), nil, task); return err },
		"statistics of 7 columns": func() error { _, err := DiscriminantOf(t.Context(), other, task); return err },
		"falling ones": func() error {
			rising := task
			rising.L2 = []float64{1, 2}
			_, err := DiscriminantOf(t.Context(), a, rising)
			return err
		},
		"no Dev to choose on": func() error {
			blind := task
			blind.Dev, blind.L2 = train.Features{}, nil
			_, err := DiscriminantOf(t.Context(), a, blind)
			return err
		},
		"dev features [": func() error {
			odd := task
			odd.Dev = newTask(43, 50, 7, 2).Dev
			_, err := DiscriminantOf(t.Context(), a, odd)
			return err
		},
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
