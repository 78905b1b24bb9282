package train

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bertlabel/train/metrics"
)

func TestLogRows(t *testing.T) {
	var out bytes.Buffer
	log := NewLog(&out, 10, false)
	if err := log.Header(); err != nil {
		t.Fatal(err)
	}
	for step := int64(1); step <= 23; step++ {
		p := Progress{Step: step, Epoch: float64(step) / 8, Loss: 1 / float64(step), LearningRate: 0.1, GradNorm: 2.5, Rows: 4,
			Seconds: 0.125, Last: step == 23}
		if err := log.Observe(p); err != nil {
			t.Fatal(err)
		}
	}
	want := `step,epoch,loss,learning_rate,grad_norm,examples_per_second
10,1.25,0.1,0.1,2.5,32
20,2.5,0.05,0.1,2.5,32
23,2.875,0.043478260869565216,0.1,2.5,32
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// TestLogDev: a step with an evaluation has a row of its own, with every scalar metric; the other rows leave these fields empty.
func TestLogDev(t *testing.T) {
	var out bytes.Buffer
	log := NewLog(&out, 2, true)
	if err := log.Header(); err != nil {
		t.Fatal(err)
	}
	task := newTask(1, 24, 4, 2)
	for i := range task.Dev.Y { // the second label has one class only: no ROC-AUC
		if i%2 == 1 {
			task.Dev.Y[i] = 0
		}
	}
	task.Config.Epochs = 1.5
	var report *metrics.Report
	task.Observe = func(p Progress) error {
		if p.Dev != nil {
			report = p.Dev
		}
		return log.Observe(p)
	}
	if _, err := TrainHead(context.Background(), task); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll() // refuses rows of unequal length
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	for _, row := range rows[1:] {
		steps = append(steps, row[0])
		if evaluated := row[0] != "2"; evaluated != (row[6] != "") {
			t.Errorf("step %s: %s is %q", row[0], rows[0][6], row[6])
		}
	}
	if !slices.Equal(steps, []string{"2", "3", "4"}) {
		t.Errorf("rows at steps %v, want 2, 3 (end of the epoch), 4", steps)
	}
	for name, value := range report.All() {
		i := slices.Index(rows[0], "dev_"+name)
		if i < 0 {
			t.Errorf("no column dev_%s", name)
		} else if got, err := strconv.ParseFloat(rows[3][i], 64); err != nil && value.Defined() || err == nil && got != float64(value) {
			t.Errorf("dev_%s is %q, want %v", name, rows[3][i], value)
		}
	}
}

func TestTrimLog(t *testing.T) {
	const text = "step,loss\n10,1\n20,0.5\n30,0.25\n40,0."
	for step, want := range map[int64]string{0: text[:10], 10: text[:15], 29: text[:22], 30: text[:30], 99: text[:30]} {
		var out bytes.Buffer
		if err := TrimLog(&out, strings.NewReader(text), step); err != nil || out.String() != want {
			t.Errorf("to step %d: %q, %v, want %q", step, out.String(), err, want)
		}
	}
	if err := TrimLog(&bytes.Buffer{}, strings.NewReader("step\nten\n"), 5); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error %v, want one that names line 2", err)
	}
}

func TestLogReportsWriteErrors(t *testing.T) {
	full := errors.New("disk full")
	log := NewLog(failingWriter{full}, 1, false)
	if err := log.Header(); err != full {
		t.Errorf("header: error %v, want %v", err, full)
	}
	if err := log.Observe(Progress{Step: 1}); err != full {
		t.Errorf("row: error %v, want %v", err, full)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// OpenLog goes on behind a step, begins where nothing is, and leaves no file open when it fails.
func TestOpenLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.csv")
	write := func(after int64, steps ...int64) {
		t.Helper()
		log, f, err := OpenLog(path, after, 1, false)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, step := range steps {
			if err := log.Observe(Progress{Step: step, Rows: 1, Seconds: 1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	const header, row = "step,epoch,loss,learning_rate,grad_norm,examples_per_second\n", ",0,0,0,0,1\n"
	for _, c := range []struct {
		after int64
		steps []int64
		want  string
	}{
		{7, []int64{8}, header + "8" + row}, // no file yet
		{0, []int64{1, 2, 3}, header + "1" + row + "2" + row + "3" + row},
		{2, []int64{3}, header + "1" + row + "2" + row + "3" + row},
		{0, nil, header},
	} {
		write(c.after, c.steps...)
		if got, err := os.ReadFile(path); err != nil || string(got) != c.want {
			t.Errorf("after %d:\n%s, want\n%s (%v)", c.after, got, c.want, err)
		}
	}
	full := filepath.Join(t.TempDir(), "full")
	if os.Symlink("/dev/full", full) != nil {
		t.Skip("no links here")
	}
	if _, err := os.Stat(full); err != nil {
		t.Skip("no full device here")
	}
	if log, f, err := OpenLog(full, 0, 1, false); err == nil || log != nil || f != nil {
		t.Errorf("a full disk: %v, %v, %v", log, f, err)
	}
}
