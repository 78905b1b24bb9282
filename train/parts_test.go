package train

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"bertlabel/tensor"
)

// cut is Parts of features in memory; reads of one part may fail.
type cut struct {
	Features
	labels int
	ends   []int // the row after each part
	read   []int // the parts that were read, in order
	broken int   // −1 for none
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
	if part == c.broken {
		return errRead
	}
	c.read = append(c.read, part)
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

// inCut returns a task whose training rows are in parts that end there.
func inCut(task HeadTask, ends ...int) (HeadTask, *cut) {
	c := &cut{Features: task.Train, labels: len(task.Labels), ends: ends, broken: -1}
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
	if got := run(t, one); !got.equal(want) || !slices.Equal(c.read, []int{0}) {
		t.Errorf("one part, read %v, gives other bits", c.read)
	}
	several, c := inCut(made(), 30, 30, 54, 90)
	alone := run(t, several)
	if alone.equal(want) || len(c.read) > 9 {
		t.Errorf("four parts, of them one empty, were read in the order %v", c.read)
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
	c.broken = 1
	if _, err := TrainHead(t.Context(), of); !errors.Is(err, errRead) {
		t.Errorf("steps: %v", err)
	}
	if _, err := Load(c); !errors.Is(err, errRead) {
		t.Errorf("load: %v", err)
	}
	of.Train.Y = c.Y[:7]
	if _, err := TrainHead(t.Context(), of); err == nil || !strings.Contains(err.Error(), "training features [60, 3] with 7 label cells") {
		t.Errorf("labels: %v", err)
	}
}
