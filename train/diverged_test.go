package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// spoiltModel puts a NaN into the gradient of some steps, the same ones whenever they are made.
type spoiltModel struct {
	Model
	rows  int // of a step
	steps func(step int64) bool
}

func (m *spoiltModel) AddGradient(b Batch) (float64, error) {
	loss, err := m.Model.AddGradient(b)
	if m.steps(int64(b.First)/int64(m.rows) + 1) {
		m.Params()[0].Grad[7] = float32(math.NaN())
	}
	return loss, err
}

// newSpoiltRun is a small run that diverges at some of its 40 steps.
func newSpoiltRun(t *testing.T, dir, onNaN string, threads int, steps func(int64) bool) *smallRun {
	t.Helper()
	s := newSmallRun(t, dir, nil, threads)
	s.Loop.Config.OnNaN, s.Checkpoints.Keep = onNaN, 1
	s.Loop.model = &spoiltModel{s.Loop.model, s.Loop.Config.StepRows(), steps}
	return s
}

func someSteps(step int64) bool { return slices.Contains([]int64{8, 9, 13, 22, 23, 36, 40}, step) }

// values returns copies of all variables, weights and moments.
func (s *smallRun) values() (values [][]float32) {
	for _, p := range s.Loop.Variables() {
		values = append(values, slices.Clone(p.Value))
	}
	return values
}

// TestLeftOut: a step that diverges changes nothing (skip), or brings back the variables of the last regular checkpoint (restore);
// it is counted, and its row of the log has no loss (N1).
func TestLeftOut(t *testing.T) {
	for _, onNaN := range []string{SkipOnNaN, RestoreOnNaN} {
		s := newSpoiltRun(t, filepath.Join(t.TempDir(), "checkpoints"), onNaN, 2, someSteps)
		before, regular := s.values(), s.values()
		observe := s.Loop.Observe
		s.Loop.Observe = func(p Progress) error {
			now, want := s.values(), before
			if onNaN == RestoreOnNaN {
				want = regular
			}
			same := slices.EqualFunc(now, want, slices.Equal[[]float32])
			if leftOut := strings.HasSuffix(p.LeftOut,
				fmt.Sprintf("step %d: gradient of output_weights[1,1] is NaN", p.Step)); leftOut != someSteps(p.Step) || leftOut && !same {
				t.Errorf("%s, step %d: %q; variables as they should be: %t", onNaN, p.Step, p.LeftOut, same)
			}
			if before = now; p.Step%5 == 0 {
				regular = now
			}
			return observe(p)
		}
		if err := s.Do(t.Context()); err != nil {
			t.Fatal(err)
		}
		if state := s.Loop.State(); state.Step != 40 || state.LeftOut != 7 {
			t.Errorf("%s: ended as %+v, want step 40 and 7 left out", onNaN, state)
		}
		for line := range strings.Lines(s.log.String()) {
			fields := strings.Split(line, ",")
			// those that the log has
			if empty := fields[2] == "" && fields[4] == ""; empty != (fields[0] == "8" || fields[0] == "36" || fields[0] == "40") {
				t.Errorf("%s: line %q of the log", onNaN, line)
			}
		}
	}
}

// TestLeftOutResume: a run with steps left out that is stopped anywhere goes on to the same bits. A checkpoint that a signal has asked
// for is not one to go back to, and does not cost the one that is.
func TestLeftOutResume(t *testing.T) {
	for _, onNaN := range []string{SkipOnNaN, RestoreOnNaN} {
		whole := newSpoiltRun(t, filepath.Join(t.TempDir(), "checkpoints"), onNaN, 1, someSteps)
		if err := whole.Do(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := whole.result(nil)
		for _, stop := range []int64{3, 7, 8, 12, 18, 22, 33} {
			dir := filepath.Join(t.TempDir(), "checkpoints")
			first := newSpoiltRun(t, dir, onNaN, 2, someSteps)
			ctx, cancel := context.WithCancelCause(t.Context())
			first.killAt(stop)
			if stop%2 == 1 { // by a signal
				observe := first.Loop.Observe
				first.Loop.Observe = func(p Progress) error {
					if err := observe(p); err == errKilled {
						cancel(errKilled)
					}
					return nil
				}
			}
			if err := first.Do(ctx); !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			cancel(nil)
			second := newSpoiltRun(t, dir, onNaN, 4, someSteps)
			kept := second.resume(t, first.log.Bytes())
			if err := second.Do(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := second.result(kept); got != want {
				t.Fatalf("%s, stopped at %d: the resumed run ends with\n%s\nwant\n%s", onNaN, stop, got, want)
			}
		}
	}
}

// TestLeftOutRefused: a run ends when leaving out does not help, and says why.
func TestLeftOutRefused(t *testing.T) {
	always := func(step int64) bool { return step > 6 }
	never := func(int64) bool { return false }
	for _, c := range []struct {
		onNaN string
		steps func(int64) bool
		spoil bool // a weight, after step 7
		want  string
		step  int64
	}{
		{SkipOnNaN, always, false, "gradient of output_weights[1,1] is NaN: the 11th time in a row", 17},
		{RestoreOnNaN, always, false, "the 11th time in a row", 17},
		{RestoreOnNaN, func(step int64) bool { return step == 4 }, false, "no checkpoint to go back to yet", 4},
		{SkipOnNaN, never, true, "output_weights[0,0] is NaN: leaving the step out does not undo that", 8},
		{StopOnNaN, always, false, "training diverged at step 7: gradient of output_weights[1,1] is NaN", 7},
	} {
		s := newSpoiltRun(t, filepath.Join(t.TempDir(), "checkpoints"), c.onNaN, 1, c.steps)
		observe := s.Loop.Observe
		s.Loop.Observe = func(p Progress) error {
			if c.spoil && p.Step == 7 {
				s.head.Weights.Value[0] = float32(math.NaN())
			}
			return observe(p)
		}
		err := s.Do(t.Context())
		if d, ok := errors.AsType[*DivergedError](err); !ok || d.Step != c.step || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want …%s at step %d", c.onNaN, err, c.want, c.step)
		}
	}
}

// TestRestoreUndoes: going back helps where a weight is not finite after the update, too.
func TestRestoreUndoes(t *testing.T) {
	s := newSpoiltRun(t, filepath.Join(t.TempDir(), "checkpoints"), RestoreOnNaN, 1, func(int64) bool { return false })
	observe := s.Loop.Observe
	s.Loop.Observe = func(p Progress) error {
		if p.Step == 17 {
			s.head.Bias.Value[0] = float32(math.Inf(1))
		}
		return observe(p)
	}
	if err := s.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	if state := s.Loop.State(); state.LeftOut != 1 || state.Step != 40 {
		t.Errorf("ended as %+v", state)
	}
}
