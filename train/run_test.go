package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/atomic"
	"bertlabel/checkpoint/atomic/atomictest"
	"bertlabel/checkpoint/tfbundle"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train/metrics"
)

// smallRun is a run of 40 steps of a head, with all that going on has to restore: dropout, accumulation, epochs that end within a
// step, dev evaluations, early stopping's counter.
type smallRun struct {
	Run
	head *layers.Classifier
	log  bytes.Buffer // metrics.csv, without the speed
}

var errKilled = errors.New("killed")

func newSmallRun(t *testing.T, dir string, fs atomic.FS, threads int) *smallRun {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	features := func(rows int) Features {
		f := Features{X: tensor.New(rows, 6), Y: make([]int8, rows*2)}
		for i := range f.X.Data {
			f.X.Data[i] = float32(rng.NormFloat64())
		}
		for i := range f.Y {
			f.Y[i] = int8(rng.IntN(2))
		}
		return f
	}
	if fs == nil {
		fs = &atomictest.Faulty{Left: atomictest.Never}
	}
	s := &smallRun{head: layers.NewClassifier(2, 6)}
	InitClassifier(s.head, 3)
	config := DefaultHeadConfig()
	config.BatchSize, config.AccumulationSteps, config.MaxSteps, config.Dropout, config.LogSteps, config.EvalSteps = 3, 2, 40, 0.3, 4, 6
	loop, err := NewHeadLoop(HeadTask{
		Config: config, Labels: []string{"a", "b"}, Train: features(17), Dev: features(9), Classifier: s.head,
		Workers: tensor.NewWorkers(threads),
	})
	if err != nil {
		t.Fatal(err)
	}
	settings, err := NewSettings(config)
	if err != nil {
		t.Fatal(err)
	}
	s.Run = Run{
		Loop:        loop,
		Checkpoints: &Checkpoints{Dir: dir, Keep: 3, Verify: true, FS: fs},
		SaveSteps:   5,
		Identity:    Identity{Settings: settings, Labels: []string{"a", "b"}, Model: "m"},
		Weights: func() (ts []checkpoint.Tensor) {
			for _, p := range s.head.Params() {
				ts = append(ts, checkpoint.Float32Tensor(p.Name, p.Shape, p.Value))
			}
			return ts
		},
	}
	log := NewLog(&s.log, config.LogSteps, true)
	loop.Observe = func(p Progress) error {
		p.Seconds = float64(p.Rows) // always the same speed
		return log.Observe(p)
	}
	if err := s.Checkpoints.Open(); err != nil {
		t.Fatal(err)
	}
	return s
}

// killAt makes the run end before the checkpoint of a step, as kill -9 does.
func (s *smallRun) killAt(step int64) {
	observe := s.Loop.Observe
	s.Loop.Observe = func(p Progress) error {
		err := observe(p)
		if p.Step == step {
			return errKilled
		}
		return err
	}
}

// result is all that two equal runs have in common: variables, moments, state, and the log, which begins with kept.
func (s *smallRun) result(kept []byte) string {
	var b strings.Builder
	for _, p := range s.Loop.Variables() {
		fmt.Fprintln(&b, p.Name, p.Value)
	}
	fmt.Fprintf(&b, "%+v\n%s%s", s.Loop.State(), kept, &s.log)
	return b.String()
}

// resume goes on with the run that old made a part of, and returns the beginning of the log.
func (s *smallRun) resume(t *testing.T, old []byte) []byte {
	t.Helper()
	state, found, err := s.Resume()
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		return nil
	}
	var kept bytes.Buffer
	header := "header\n" // TrimLog keeps the first line whatever it is
	if err := TrimLog(&kept, io.MultiReader(strings.NewReader(header), bytes.NewReader(old)), state.Observed()); err != nil {
		t.Fatal(err)
	}
	return kept.Bytes()[len(header):]
}

// undisturbed returns the result of the run without a stop.
func undisturbed(t *testing.T) string {
	t.Helper()
	s := newSmallRun(t, filepath.Join(t.TempDir(), "checkpoints"), nil, 1)
	if err := s.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s.result(nil)
}

// TestRunResume: a run that is killed, or stopped by a signal, at any step and goes on ends with the same bits (C5).
func TestRunResume(t *testing.T) {
	want := undisturbed(t)
	for _, stop := range []int64{1, 4, 5, 6, 17, 29, 30, 36, 40} {
		for _, signal := range []bool{false, true} {
			dir := filepath.Join(t.TempDir(), "checkpoints")
			first := newSmallRun(t, dir, nil, 2)
			ctx, cancel := context.WithCancelCause(t.Context())
			first.killAt(stop)
			if signal {
				observe := first.Loop.Observe
				first.Loop.Observe = func(p Progress) error {
					if err := observe(p); err == errKilled {
						cancel(errKilled)
					}
					return nil
				}
			}
			if err := first.Do(ctx); !errors.Is(err, errKilled) && !(signal && stop == 40) {
				t.Fatal(err)
			}
			if at := first.Loop.State().Step; signal && first.Checkpoints.Last() != first.Checkpoints.path(at) {
				t.Errorf("stopped at step %d, last checkpoint %s", at, first.Checkpoints.Last())
			}
			cancel(nil)
			second := newSmallRun(t, dir, nil, 4)
			kept := second.resume(t, first.log.Bytes())
			if err := second.Do(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := second.result(kept); got != want {
				t.Fatalf("stopped at %d (signal: %t): the resumed run ends with\n%s\nwant\n%s", stop, signal, got, want)
			}
		}
	}
}

// TestResumeInEvaluation: the signal comes while dev is being looked at, which then is done first after the resume.
func TestResumeInEvaluation(t *testing.T) {
	want := undisturbed(t)
	for _, step := range []int64{6, 30, 40} {
		dir := filepath.Join(t.TempDir(), "checkpoints")
		first := newSmallRun(t, dir, nil, 1)
		ctx, cancel := context.WithCancelCause(t.Context())
		evaluate := first.Loop.Evaluate
		first.Loop.Evaluate = func(ctx context.Context) (*metrics.Report, error) {
			if first.Loop.State().Step == step {
				cancel(errKilled)
				return nil, context.Cause(ctx)
			}
			return evaluate(ctx)
		}
		if err := first.Do(ctx); !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		second := newSmallRun(t, dir, nil, 1)
		kept := second.resume(t, first.log.Bytes())
		if at := second.Loop.State(); at.Step != step || at.Owed == nil {
			t.Fatalf("resumed at %+v, want step %d with its evaluation owed", at, step)
		}
		if err := second.Do(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := second.result(kept); got != want {
			t.Errorf("stopped in the evaluation of step %d: the resumed run ends with\n%s\nwant\n%s", step, got, want)
		}
	}
}

// TestDamaged: of a damaged checkpoint the one before is taken, whatever byte of whatever file is wrong, cut off or missing (C8).
func TestDamaged(t *testing.T) {
	want := undisturbed(t)
	dir := filepath.Join(t.TempDir(), "checkpoints")
	first := newSmallRun(t, dir, nil, 1)
	first.killAt(18)
	if err := first.Do(t.Context()); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	newest := first.Checkpoints.path(15)
	names, err := atomic.OS{}.List(newest)
	if err != nil || len(names) != 4 {
		t.Fatal(names, err)
	}
	check := func(what string) {
		t.Helper()
		s := newSmallRun(t, dir, nil, 1)
		var said []string
		s.Checkpoints.Warn = func(text string) { said = append(said, text) }
		state, _, err := s.Resume()
		if err != nil || state.Step != 10 || len(said) != 1 || !strings.Contains(said[0], newest) {
			t.Fatalf("%s: resumed at step %d, %v, said %q; want step 10 and %s named", what, state.Step, err, said, newest)
		}
	}
	for _, name := range names {
		path := filepath.Join(newest, name)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(good); i += 1 + len(good)/8 {
			bad := slices.Clone(good)
			bad[i] ^= 0x40
			writeTest(t, path, bad)
			check(fmt.Sprintf("%s with byte %d flipped", name, i))
			writeTest(t, path, good[:i])
			check(fmt.Sprintf("%s cut to %d bytes", name, i))
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		check(name + " removed")
		writeTest(t, path, good)
	}
	// With damage still there the run goes on, and writes that checkpoint anew.
	writeTest(t, filepath.Join(newest, savedName), []byte("{}"))
	second := newSmallRun(t, dir, nil, 1)
	kept := second.resume(t, first.log.Bytes())
	if err := second.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := second.result(kept); got != want {
		t.Errorf("the resumed run ends with\n%s\nwant\n%s", got, want)
	}
	// All damaged is an error, not a run from the beginning.
	steps, err := second.Checkpoints.steps()
	if err != nil || len(steps) < 3 {
		t.Fatal(steps, err)
	}
	for _, step := range steps {
		writeTest(t, filepath.Join(second.Checkpoints.path(step), atomic.ManifestName), nil)
	}
	_, _, err = newSmallRun(t, dir, nil, 1).Resume()
	if !errors.As(err, new(*checkpoint.FormatError)) {
		t.Errorf("all damaged: %v, want a FormatError", err)
	}
}

func writeTest(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestCheckpointFiles: names, latest, what is kept, and that global_step and moments are under TensorFlow's names.
func TestCheckpointFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "checkpoints")
	s := newSmallRun(t, dir, nil, 1)
	if err := s.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	best := s.Loop.State().BestStep
	steps, err := s.Checkpoints.steps()
	want := []int64{30, 35, 40}
	if best%5 == 0 && best < 30 {
		want = slices.Insert(want, 0, best)
	}
	if err != nil || !slices.Equal(steps, want) {
		t.Errorf("checkpoints of steps %v, %v, want %v (best is %d)", steps, err, want, best)
	}
	latest, err := os.ReadFile(filepath.Join(dir, latestName))
	if err != nil || string(latest) != "ckpt-000040\n" {
		t.Errorf("latest is %q, %v", latest, err)
	}
	src, err := tfbundle.Open(filepath.Join(dir, "ckpt-000040", "model.ckpt-40"), checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var names []string
	for _, info := range src.Tensors() {
		names = append(names, info.Name)
	}
	if want := []string{"global_step", "output_bias", "output_bias/adam_m", "output_bias/adam_v", "output_weights", "output_weights/adam_m",
		"output_weights/adam_v"}; !slices.Equal(names, want) {
		t.Errorf("tensors %v, want %v", names, want)
	}
	if step, err := src.ReadInt64("global_step"); err != nil || !slices.Equal(step, []int64{40}) {
		t.Errorf("global_step is %v, %v", step, err)
	}
}

// TestSettle: a process that was killed between the commit of a checkpoint and what follows it leaves latest behind, and an old checkpoint
// too many. The run that goes on mends both, even where no step is left.
func TestSettle(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "checkpoints")
	first := newSmallRun(t, dir, nil, 1)
	if err := first.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	want, err := first.Checkpoints.steps()
	if err != nil {
		t.Fatal(err)
	}
	old := first.Checkpoints.path(1)
	if err := os.CopyFS(old, os.DirFS(first.Checkpoints.path(40))); err != nil {
		t.Fatal(err)
	}
	latest := filepath.Join(dir, latestName)
	for _, text := range []string{"ckpt-000035\n", ""} {
		writeTest(t, latest, []byte(text))
		if _, found, err := newSmallRun(t, dir, nil, 1).Resume(); err != nil || !found {
			t.Fatal(found, err)
		}
		if got, err := os.ReadFile(latest); err != nil || string(got) != "ckpt-000040\n" {
			t.Errorf("latest was %q, and is %q, %v", text, got, err)
		}
	}
	if got, err := first.Checkpoints.steps(); err != nil || !slices.Equal(got, want) {
		t.Errorf("checkpoints of steps %v, %v, want %v", got, err, want)
	}
}

// TestEveryFault makes each single operation of a run's saves fail in turn, alone or with all that follow: the error has path and
// errno, and the run goes on from a good checkpoint to the same bits, losing no more than one interval (C1).
func TestEveryFault(t *testing.T) {
	want := undisturbed(t)
	for _, broken := range []bool{false, true} {
		for n, done := 1, false; !done; n++ {
			dir := filepath.Join(t.TempDir(), "checkpoints")
			fs := &atomictest.Faulty{Err: syscall.ENOSPC, Broken: broken, Left: atomictest.Never}
			first := newSmallRun(t, dir, fs, 1)
			first.killAt(11)
			fs.Left = n // from here on: Open is behind us
			err := first.Do(t.Context())
			if done = fs.Left > 0; done {
				if !errors.Is(err, errKilled) || n < 30 {
					t.Fatalf("%d operations without a fault: %v", n, err)
				}
				continue
			}
			if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), dir) {
				t.Errorf("fault %d: %v, want a path and ENOSPC", n, err)
			}
			second := newSmallRun(t, dir, nil, 1)
			kept := second.resume(t, first.log.Bytes())
			if lost := first.Loop.State().Step - second.Loop.State().Step; lost > int64(first.SaveSteps) {
				t.Errorf("fault %d at step %d: goes on from step %d", n, first.Loop.State().Step, second.Loop.State().Step)
			}
			if names, _ := fs.OS.List(dir); slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, ".tmp-") }) {
				t.Errorf("fault %d leaves %v", n, names)
			}
			if n%8 != 0 { // the rest of the run takes the time
				continue
			}
			if err := second.Do(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := second.result(kept); got != want {
				t.Fatalf("fault %d: the resumed run ends with\n%s\nwant\n%s", n, got, want)
			}
		}
	}
}

// TestChanged: what has changed since the checkpoint is refused or warned of (C6; the table is in docs/training.md).
func TestChanged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "checkpoints")
	first := newSmallRun(t, dir, nil, 1)
	first.killAt(7)
	if err := first.Do(t.Context()); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	set := func(key, value string) func(*Identity) {
		return func(i *Identity) { i.Settings[key] = []byte(value) }
	}
	for _, c := range []struct {
		change func(*Identity)
		want   string // in the error, or, if it begins with "hint: ", in a warning
	}{
		{set("seed", "43"), "seed was 42, is 43"},
		{set("learning_rate", "0.1"), "learning_rate was 0.01, is 0.1"},
		{set("tune", `"all"`), `tune was none, is "all"`},
		{func(i *Identity) { delete(i.Settings, "optimizer") }, `optimizer was "google", is none`},
		{func(i *Identity) { i.Labels = []string{"b", "a"} }, "the list of labels was a,b, is b,a"},
		{func(i *Identity) { i.Model = "other" }, "the model to start from was m, is other"},
		{func(i *Identity) { i.Train.Rows = "0123456789abcdef" }, "SHA-256 of the training rows was none, is 0123456789ab"},
		{func(i *Identity) { i.Dev.Rows = "x" }, "SHA-256 of the dev rows"},
		{func(i *Identity) { i.Train.File = "x" }, "hint: SHA-256 of the training file"},
		{set("log_steps", "5"), "hint: log_steps was 4, is 5"},
		{func(i *Identity) { i.Version = "2" }, "hint: the program was none, is 2"},
		{func(i *Identity) { i.Kernels = "neon" }, "hint: the kernel set"},
	} {
		s := newSmallRun(t, dir, nil, 1)
		var said []string
		s.Checkpoints.Warn = func(text string) { said = append(said, text) }
		c.change(&s.Identity)
		_, found, err := s.Resume()
		if hint, ok := strings.CutPrefix(c.want, "hint: "); ok {
			if !found || err != nil || len(said) != 1 || !strings.Contains(said[0], hint) {
				t.Errorf("%t, %v, said %q, want only %q", found, err, said, hint)
			}
			continue
		}
		if !errors.As(err, new(*ChangedError)) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "ckpt-000005") {
			t.Errorf("%v, want a ChangedError with %q", err, c.want)
		}
	}
}

// TestDivergedKeepsCheckpoint: a number that is not finite ends the run in its step; the checkpoint before it stays (N1).
func TestDivergedKeepsCheckpoint(t *testing.T) {
	s := newSmallRun(t, filepath.Join(t.TempDir(), "checkpoints"), nil, 1)
	observe := s.Loop.Observe
	s.Loop.Observe = func(p Progress) error {
		if p.Step == 12 {
			s.head.Bias.Value[1] = float32(math.NaN())
		}
		return observe(p)
	}
	err := s.Do(t.Context())
	d, ok := errors.AsType[*DivergedError](err)
	if !ok || d.Step != 13 || d.Tensor != "output_bias" || !slices.Equal(d.Index, []int{1}) {
		t.Errorf("%v, want output_bias[1] at step 13", err)
	}
	if got := filepath.Base(s.Checkpoints.Last()); got != "ckpt-000010" {
		t.Errorf("last checkpoint %s", got)
	}
	if _, err := s.Checkpoints.verify(10); err != nil {
		t.Error(err)
	}
}
