package train

import (
	"context"
	"fmt"
	"math"
	"testing"

	"bertlabel/bert"
	"bertlabel/tensor"
	"bertlabel/tensor/tensortest"
)

// bf16Task is newEncoderTask in bf16.
func bf16Task(t testing.TB, seed uint64, texts int) EncoderTask {
	task := newEncoderTask(t, seed, texts)
	task.Tune.Precision = bert.BF16
	return task
}

// TestBF16Trajectory holds the losses of 40 steps in bf16 to those in float32. A gradient of two layers is off by at most
// e = 3·√(2·24)·2⁻⁸/√3 of its length (bert's TestTrainerBF16), and to first order a loss that steps along a gradient g have brought
// down by F is then off by e·F; so are the features, which makes e of the loss itself. By the end the errors of the steps come
// back through the gradients at other places, which a factor of 2 is for.
func TestBF16Trajectory(t *testing.T) {
	e := 3 * math.Sqrt(2*24) * 0x1p-8 / math.Sqrt(3)
	for name, change := range map[string]func(*EncoderTask){
		"all, pooled": func(*EncoderTask) {},
		"all, mean":   func(task *EncoderTask) { task.Tune.Pooling, task.Config.Optimizer = bert.Mean, AdamW },
		"last":        func(task *EncoderTask) { task.Tune.Layers, task.Tune.Embeddings = 1, false },
	} {
		var losses [2][]float64
		for i, task := range []EncoderTask{newEncoderTask(t, 1, 64), bf16Task(t, 1, 64)} {
			task.Config.Epochs = 5
			change(&task)
			task.Observe = func(p Progress) error { losses[i] = append(losses[i], p.Loss); return nil }
			loop, encoder, err := NewEncoderLoop(task)
			if err != nil {
				t.Fatal(err)
			}
			if err := loop.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			encoder.Release()
		}
		differ := false
		for step, want := range losses[0] {
			got, fallen := losses[1][step], math.Abs(losses[0][0]-want)
			if bound := 2 * e * (want + fallen); !(math.Abs(got-want) <= bound) {
				t.Errorf("%s: step %d has a loss of %g, in float32 %g: want a difference of at most %g", name, step+1, got, want, bound)
			}
			differ = differ || got != want
		}
		if n := len(losses[0]); n != 40 || !differ {
			t.Errorf("%s: %d steps, and bf16 changes something: %t", name, n, differ)
		}
	}
}

// TestBF16Threads: training in bf16 has the same bits for any number of workers, with dropout, clipping and shuffling on, and with frozen
// layers whose outputs are kept or not.
func TestBF16Threads(t *testing.T) {
	for _, layers := range []int{1, 2} {
		var want fingerprint
		for threads := range 4 {
			task := bf16Task(t, 2, 30)
			if task.Tune.Layers = layers; layers == 1 {
				task.Tune.Embeddings, task.KeepFrozen = false, threads%2 == 0
			}
			if threads > 0 {
				task.Workers = tensor.NewWorkers(threads)
			}
			got := runEncoder(t, task)
			if threads == 0 {
				want = got
			} else if !got.equal(want) {
				t.Errorf("%d layers: %d workers give other bits than none", layers, threads)
			}
		}
	}
}

// TestBF16Accumulation: three batches of 8 make the step that one batch of 24 makes. A text has the same features and activations in
// either; only the float32 sums over tokens have another order, so the first step agrees to float32 rounding. In later steps that
// moves weights over rounding edges of bf16: the gradient's error of TestBF16Trajectory, times the rate and the number of steps.
func TestBF16Accumulation(t *testing.T) {
	large, small := bf16Task(t, 3, 50), bf16Task(t, 3, 50)
	large.Config.BatchSize, small.Config.AccumulationSteps = 24, 3
	var log []Progress
	large.Observe = func(p Progress) error { log = append(log, p); return nil }
	small.Observe = func(p Progress) error {
		want, loose := log[p.Step-1], 1.0
		if p.Step > 1 {
			loose = 100
		}
		near(t, p.Step, "loss", p.Loss, want.Loss, 2e-6*loose)
		near(t, p.Step, "norm", p.GradNorm, want.GradNorm, 1e-5*want.GradNorm*loose)
		return nil
	}
	var ends [2]map[string][]float32
	for i, task := range []EncoderTask{large, small} {
		loop, encoder, err := NewEncoderLoop(task)
		if err != nil {
			t.Fatal(err)
		}
		if err := loop.Run(context.Background()); err != nil || loop.State().Step != 4 {
			t.Fatalf("%d steps, %v, want 4", loop.State().Step, err)
		}
		ends[i] = variables(loop)
		encoder.Release()
	}
	for name, want := range ends[0] {
		diff := tensortest.MaxDiff(t, tensortest.Widen(ends[1][name]), tensortest.Widen(want))
		near(t, 4, name, diff, 0, 4*0.05*1e-3)
	}
}

// TestBF16StepAllocatesNothing in the steady state.
func TestBF16StepAllocatesNothing(t *testing.T) {
	for _, threads := range []int{1, 2} {
		task := bf16Task(t, 8, 16)
		task.Workers = tensor.NewWorkers(threads)
		task.Config.AccumulationSteps, task.Config.MaxSteps = 2, 1000
		loop, _, err := NewEncoderLoop(task)
		if err != nil {
			t.Fatal(err)
		}
		tensortest.NoAllocs(t, fmt.Sprintf("%d workers", threads), func() {
			if _, err := loop.step(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
