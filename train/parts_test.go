package train

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"bertlabel/tensor"
	"bertlabel/train/traintest"
)

// inCut returns a task whose training rows are in parts that end there.
func inCut(task HeadTask, ends ...int) (HeadTask, *traintest.Cut) {
	f := task.Train
	c := &traintest.Cut{X: f.X, Y: f.Y, Shares: f.Shares, Labels: len(task.Labels), Ends: ends}
	task.Train = Features{Parts: c}
	return task, c
}

// Gradient steps on one part have the bits of those in memory, with dropout, shares, any number of threads; several parts have theirs on
// any number of threads, and are read one after the other, each once an epoch, but where a batch goes on into the next.
func TestHeadOnParts(t *testing.T) {
	made := func() HeadTask {
		task := newTask(3, 90, 5, 2)
		task.Config.MaxSteps, task.Config.BatchSize = 45, 6 // three epochs of 15 steps
		for i, y := range task.Train.Y {
			task.Train.Shares = append(task.Train.Shares, max(0, float32(y)*float32(i%3+1)/3))
		}
		return task
	}
	want := run(t, made())
	one, c := inCut(made(), 90)
	if got := run(t, one); !got.equal(want) || !slices.Equal(c.Reads, []int{0}) {
		t.Errorf("one part, read %v, gives other bits", c.Reads)
	}
	several, c := inCut(made(), 30, 30, 54, 90)
	alone := run(t, several)
	if alone.equal(want) || len(c.Reads) > 9 {
		t.Errorf("four parts, of them one empty, were read in the order %v", c.Reads)
	}
	threaded, _ := inCut(made(), 30, 30, 54, 90)
	threaded.Workers = tensor.NewWorkers(3)
	if !run(t, threaded).equal(alone) {
		t.Error("four parts give other bits on three threads")
	}
	inOrder := func() HeadTask {
		task := made()
		task.Config.Shuffle = false
		return task
	}
	want = run(t, inOrder())
	several, _ = inCut(inOrder(), 11, 50, 90)
	if !run(t, several).equal(want) {
		t.Error("in file order parts give other bits")
	}
}

// Load is what was cut.
func TestLoad(t *testing.T) {
	task := newTask(5, 50, 3, 2)
	_, c := inCut(task, 0, 10, 50)
	loaded, err := Load(c)
	if err != nil || !slices.Equal(loaded.X.Data, task.Train.X.Data) || !slices.Equal(loaded.Y, task.Train.Y) || loaded.Shares != nil {
		t.Errorf("loaded otherwise: %v", err)
	}
}

// A part that cannot be read ends steps and loading with its error; labels that lack rows are refused.
func TestPartsFail(t *testing.T) {
	of, c := inCut(newTask(7, 60, 3, 2), 20, 60)
	c.Fail = func(_, part int) bool { return part == 1 }
	if _, err := TrainHead(t.Context(), of); !errors.Is(err, traintest.ErrRead) {
		t.Errorf("steps: %v", err)
	}
	if _, err := Load(c); !errors.Is(err, traintest.ErrRead) {
		t.Errorf("load: %v", err)
	}
	of.Train.Y = c.Y[:7]
	if _, err := TrainHead(t.Context(), of); err == nil || !strings.Contains(err.Error(), "training features [60, 3] with 7 label cells") {
		t.Errorf("labels: %v", err)
	}
}
