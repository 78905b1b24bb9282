package solver

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
)

// cut is a train.Parts of features in memory. After so many reads, if not 0, they fail.
type cut struct {
	train.Features
	labels int
	ends   []int // the row after each part
	reads  int
	fails  int
}

var errRead = errors.New("the disk is gone")

func (c *cut) Len() int   { return len(c.ends) }
func (c *cut) Width() int { return c.X.Cols }
func (c *cut) first(part int) int {
	if part == 0 {
		return 0
	}
	return c.ends[part-1]
}
func (c *cut) Rows(part int) int { return c.ends[part] - c.first(part) }

func (c *cut) Read(part, first int, x *tensor.Tensor) error {
	if c.reads++; c.reads == c.fails {
		return errRead
	}
	for i := range x.Rows {
		copy(x.Row(i), c.X.Row(c.first(part)+first+i))
	}
	return nil
}

func (c *cut) Cells(part int) (y []int8, shares []float32, err error) {
	from, to := c.first(part)*c.labels, c.ends[part]*c.labels
	if c.Shares != nil {
		shares = c.Shares[from:to]
	}
	return c.Y[from:to], shares, nil
}

// inCut returns a task whose training rows are in n parts of nearly equal size, with an empty one at the start.
func inCut(task Task, n int) Task {
	c := &cut{Features: task.Train, labels: len(task.Labels), ends: []int{0}}
	for i := range n {
		c.ends = append(c.ends, task.Train.X.Rows*(i+1)/n)
	}
	task.Train = train.Features{Parts: c}
	return task
}

// headOf returns weights and bias that a solver finds, on some threads.
func headOf(t *testing.T, task Task, threads int, solve func(context.Context, Task) ([]Solution, error)) []float32 {
	t.Helper()
	width := task.Train.X
	if width == nil {
		width = task.Train.Parts.(*cut).X
	}
	task.Classifier = layers.NewClassifier(len(task.Labels), width.Cols)
	if task.Workers = tensor.NewWorkers(threads); threads == 0 {
		task.Workers = nil
	}
	if _, err := solve(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	return slices.Concat(task.Classifier.Weights.Value, task.Classifier.Bias.Value)
}

// Rows that are read in parts give Head the bits of the same rows in memory, wherever one part ends and on any number of threads: more rows
// than a block of the stream has, shares, without Dev.
func TestHeadOnParts(t *testing.T) {
	t.Parallel()
	blind := newTask(45, 1200, 10, 2)
	blind.Dev = train.Features{}
	for name, task := range map[string]Task{"cells": newTask(44, streamRows+700, 12, 2), "shares": withShares(newTask(44, 900, 12, 2)),
		"no dev": blind} {
		want := headOf(t, task, 2, Head)
		for _, n := range []int{1, 3, 40} {
			for _, threads := range []int{0, 2} {
				if got := headOf(t, inCut(task, n), threads, Head); !slices.Equal(got, want) {
					t.Errorf("%s: %d parts on %d threads give other bits", name, n, threads)
				}
			}
		}
	}
}

// Of one part Discriminant finds the bits of the head in memory, and of as few rows as columns or fewer with any number; of several parts
// logits within 1e-6, with the same bits on any number of threads.
func TestDiscriminantOnParts(t *testing.T) {
	t.Parallel()
	for name, task := range map[string]Task{"many": newTask(46, streamRows+700, 12, 2), "shares": withShares(newTask(47, 4000, 12, 2)),
		"few": newTask(48, 60, 90, 2)} {
		want := headOf(t, task, 2, Discriminant)
		wantLogits, largest := logitsOf(t, task, Discriminant), 0.0
		for i := range task.Dev.X.Rows { // Σ|w·x|: what a logit, a sum in float32 that cancels, is off by in proportion
			for l := range 2 {
				sum := 0.0
				for j, x := range task.Dev.X.Row(i) {
					sum += math.Abs(float64(x) * float64(want[l*task.Dev.X.Cols+j]))
				}
				largest = max(largest, sum)
			}
		}
		for _, n := range []int{1, 4, 16} {
			one := headOf(t, inCut(task, n), 0, Discriminant)
			if two := headOf(t, inCut(task, n), 2, Discriminant); !slices.Equal(one, two) {
				t.Errorf("%s: %d parts give other bits on two threads", name, n)
			}
			if (n == 1 || name == "few") && !slices.Equal(one, want) {
				t.Errorf("%s: %d parts have other bits", name, n)
			}
			for i, z := range logitsOf(t, inCut(task, n), Discriminant) {
				if off := math.Abs(float64(z) - float64(wantLogits[i])); !(off <= 1e-6*largest) {
					t.Fatalf("%s: %d parts: a logit is off by %g, its terms are %g", name, n, off, largest)
				}
			}
		}
	}
}

// An error of a read, whichever it is, ends the search with that error; so does a context that has ended.
func TestPartsFail(t *testing.T) {
	t.Parallel()
	task := newTask(49, 300, 8, 2)
	for name, solve := range map[string]func(context.Context, Task) ([]Solution, error){"head": Head, "discriminant": Discriminant} {
		for _, fails := range []int{1, 2, 4, 5, 9, 14} {
			of := inCut(task, 2)
			of.Workers = tensor.NewWorkers(2)
			of.Train.Parts.(*cut).fails = fails
			_, err := solve(t.Context(), of)
			if made := of.Train.Parts.(*cut).reads; !errors.Is(err, errRead) && made >= fails {
				t.Errorf("%s: read %d of %d: %v", name, fails, made, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := solve(ctx, inCut(task, 2)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	of := inCut(task, 3)
	told := []Progress{}
	of.Observe = func(p Progress) error {
		if told = append(told, p); p.Measured == 2 {
			return errRead
		}
		return nil
	}
	if _, err := Discriminant(t.Context(), of); !errors.Is(err, errRead) || !slices.Equal(told, []Progress{
		{Labels: 2, Measured: 1, Parts: 3}, {Labels: 2, Measured: 2, Parts: 3}}) {
		t.Errorf("told %v, %v", told, err)
	}
	of = inCut(task, 2)
	of.Train.Parts.(*cut).labels = 1
	_, err := Discriminant(t.Context(), of)
	if err == nil || !strings.Contains(err.Error(), "has 150 label cells, want 2 labels for each of 150 rows") {
		t.Errorf("labels missing: %v", err)
	}
}

// MeanLoss is the loss of the rows in memory, whether they are there or in parts, with shares or without them.
func TestMeanLoss(t *testing.T) {
	t.Parallel()
	task, loss, workers := withShares(newTask(50, streamRows+300, 4, 2)), layers.SigmoidCrossEntropy{}, tensor.NewWorkers(2)
	head := layers.ZeroClassifier(2, 4)
	copy(head.Weights.Value, []float32{0.1, -0.2, 0.3, 0, -0.1, 0.05, 0, 0.2})
	logits := tensor.New(task.Train.X.Rows, 2)
	head.Forward(logits, task.Train.X)
	counted := task.Train
	counted.Shares = nil
	for _, rows := range []train.Features{task.Train, counted} {
		want := layers.MeanSoftLoss(loss, nil, logits, rows.Y, rows.Shares, 0)
		if got, err := MeanLoss(head, loss, rows, workers); err != nil || got != want {
			t.Errorf("in memory %v, want %v, %v", got, want, err)
		}
		of := inCut(task, 3).Train
		of.Y, of.Shares = rows.Y, rows.Shares
		got, err := MeanLoss(head, loss, of, nil)
		if err != nil || !(math.Abs(got-want) <= 1e-13*want) { // a sum of float64 in another order
			t.Errorf("in parts %v, want %v, %v", got, want, err)
		}
		of.Parts.(*cut).fails = of.Parts.(*cut).reads
		of.Parts.(*cut).reads = 0
		if _, err := MeanLoss(head, loss, of, nil); !errors.Is(err, errRead) {
			t.Errorf("a read that fails: %v", err)
		}
	}
}
