package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/tensor/tensortest"
)

// TestHeadTrajectory follows ten steps of Google's TF1 code on the head of two tiny models: the rows drawn, the rate, the loss,
// the norm and the weights.
func TestHeadTrajectory(t *testing.T) {
	var models []struct {
		Name       string
		Features   [][]float32 // pooled_output
		Labels     [][]int8
		Start      map[string][]float32
		Kept       map[string][]float32 // stepN/NAME
		Trajectory struct {
			LearningRate float64 `json:"init_lr"`
			Steps        int     `json:"num_train_steps"`
			WarmupSteps  int     `json:"num_warmup_steps"`
			BatchSize    int     `json:"batch_size"`
			ClipNorm     float64 `json:"clip_norm"`
			Log          []struct {
				LearningRate float64 `json:"learning_rate"`
				Loss         float64
				GlobalNorm   float64 `json:"global_norm"`
			} `json:"steps"`
		}
	}
	readGolden(t, "trajectory_head.json", &models)
	if len(models) != 2 {
		t.Fatalf("%d models, want 2", len(models))
	}
	for _, m := range models {
		t.Run(m.Name, func(t *testing.T) {
			golden := m.Trajectory
			x := tensor.From(slices.Concat(m.Features...), len(m.Features), len(m.Features[0]))
			task := HeadTask{
				Config: Config{
					BatchSize: golden.BatchSize, MaxSteps: golden.Steps, LearningRate: golden.LearningRate,
					WarmupProportion: float64(golden.WarmupSteps) / float64(golden.Steps), WeightDecay: 0.01, ClipNorm: golden.ClipNorm,
				},
				Labels:     labelNames(len(m.Labels[0])),
				Train:      Features{X: x, Y: slices.Concat(m.Labels...)},
				Classifier: layers.NewClassifier(len(m.Labels[0]), x.Cols),
			}
			for _, p := range task.Classifier.Params() {
				p.Value = m.Start[p.Name]
			}
			compared := 0
			task.Observe = func(p Progress) error {
				want := golden.Log[p.Step-1]
				near(t, p.Step, "learning rate", float64(p.LearningRate), want.LearningRate, 1e-7*want.LearningRate)
				near(t, p.Step, "loss", p.Loss, want.Loss, 2e-6)
				near(t, p.Step, "norm", p.GradNorm, want.GlobalNorm, 1e-5*want.GlobalNorm)
				for _, param := range task.Classifier.Params() {
					for i, w := range m.Kept[fmt.Sprintf("step%d/%s", p.Step, param.Name)] {
						near(t, p.Step, param.Name, float64(param.Value[i]), float64(w), 1e-5)
						compared++
					}
				}
				return nil
			}
			state, err := TrainHead(context.Background(), task)
			if err != nil || state.Step != 10 {
				t.Fatalf("%d steps, %v, want 10", state.Step, err)
			}
			if want := 3 * len(m.Labels[0]) * (x.Cols + 1); compared != want {
				t.Errorf("%d weights compared, want %d", compared, want)
			}
		})
	}
}

// near fails unless got is within tol of want. The tolerances of the trajectory are those that the goldens' README derives from
// float64: three to ten times TensorFlow's own distance.
func near(t *testing.T, step int64, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("step %d: %s = %v, want %v ± %g", step, what, got, want, tol)
	}
}

func labelNames(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("label%d", i))
	}
	return names
}

// newTask returns a task on made-up features whose labels are the signs of random projections, some of them unknown. Every call
// with the same seed gives the same task.
func newTask(seed uint64, rows, hidden, labels int) HeadTask {
	rng := rand.New(rand.NewPCG(seed, 1))
	truth := make([]float32, hidden*labels)
	for i := range truth {
		truth[i] = float32(rng.NormFloat64())
	}
	features := func(rows int) Features {
		f := Features{X: tensor.New(rows, hidden)}
		for i := range rows {
			x := f.X.Row(i)
			for j := range x {
				x[j] = float32(rng.NormFloat64())
			}
			for l := range labels {
				dot := float32(0)
				for j, v := range x {
					dot += v * truth[l*hidden+j]
				}
				y := layers.Negative
				if dot > 0 {
					y = layers.Positive
				}
				if rng.IntN(20) == 0 {
					y = layers.Unknown
				}
				f.Y = append(f.Y, y)
			}
		}
		return f
	}
	task := HeadTask{Config: DefaultHeadConfig(), Labels: labelNames(labels), Train: features(rows), Dev: features(rows / 2)}
	task.Config.BatchSize = 8
	task.Classifier = layers.NewClassifier(labels, hidden)
	InitClassifier(task.Classifier, seed)
	return task
}

// fingerprint is what must be equal between two runs: every step's numbers but for the clock, and the final variables.
type fingerprint struct {
	log  string
	vars map[string][]float32
}

// run makes a loop's steps and returns its fingerprint.
func run(t *testing.T, task HeadTask) fingerprint {
	t.Helper()
	var log bytes.Buffer
	task.Observe = record(&log)
	loop, err := NewHeadLoop(task)
	if err != nil {
		t.Fatal(err)
	}
	if err := loop.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return fingerprint{log.String(), variables(loop)}
}

func record(log *bytes.Buffer) func(Progress) error {
	return func(p Progress) error {
		fmt.Fprintln(log, p.Step, p.Epoch, p.Loss, p.LearningRate, p.GradNorm, p.Best, p.Last)
		if p.Dev != nil {
			fmt.Fprintln(log, p.Dev.Summary)
		}
		return nil
	}
}

func variables(loop *Loop) map[string][]float32 {
	vars := map[string][]float32{}
	for _, p := range loop.Variables() {
		vars[p.Name] = slices.Clone(p.Value)
	}
	return vars
}

func (f fingerprint) equal(g fingerprint) bool {
	return f.log == g.log && maps.EqualFunc(f.vars, g.vars, slices.Equal)
}

// TestHeadLearns: the made-up labels are linear in the features, so a trained head must get nearly all of them right.
func TestHeadLearns(t *testing.T) {
	for _, optimizer := range []string{Google, AdamW} {
		task := newTask(1, 400, 16, 5)
		task.Config.Optimizer = optimizer
		first, last := 0.0, 0.0
		task.Observe = func(p Progress) error {
			if p.Dev != nil {
				if first == 0 {
					first = float64(p.Dev.F1Macro)
				}
				last = float64(p.Dev.F1Macro)
			}
			return nil
		}
		state, err := TrainHead(context.Background(), task)
		if err != nil {
			t.Fatal(err)
		}
		if !(last > 0.9 && last >= first && state.Best >= last) {
			t.Errorf("%s: f1_macro on dev is %v after the first epoch, %v after the last, best %v", optimizer, first, last, state.Best)
		}
	}
}

// TestHeadThreads: the same bits for any number of workers, with dropout, clipping and shuffling on.
func TestHeadThreads(t *testing.T) {
	serial := run(t, newTask(2, 60, 70, 9))
	for _, threads := range []int{1, 2, 3, 7} {
		task := newTask(2, 60, 70, 9)
		task.Workers = tensor.NewWorkers(threads)
		if !run(t, task).equal(serial) {
			t.Errorf("%d workers give other bits than none", threads)
		}
	}
}

// TestHeadDropout: the head reads features behind dropout, whose masks go by the position in the stream.
func TestHeadDropout(t *testing.T) {
	task := newTask(14, 10, 33, 2)
	task.Config.Dropout = 0.5
	h := newHead(task)
	for _, p := range h.Params() {
		p.Grad = make([]float32, p.Size())
	}
	b := Batch{Rows: []int{3, 3, 9}, Labels: make([]int8, 6), Cells: 6, First: 1 << 33}
	if _, err := h.AddGradient(b); err != nil {
		t.Fatal(err)
	}
	dropout, want := layers.NewDropout(0.5, task.Config.Seed, pooledSite), make([]float32, 33)
	for i, row := range b.Rows {
		dropout.Row(want, task.Train.X.Row(row), layers.Place{Example: b.First + uint64(i)})
		if !slices.Equal(h.x.Row(i), want) {
			t.Errorf("row %d of the batch: %v, want %v", i, h.x.Row(i), want)
		}
	}
	if slices.Equal(h.x.Row(0), h.x.Row(1)) {
		t.Error("one row at two positions has one mask")
	}
}

// TestAccumulation: three batches of 8 make the step that one batch of 24 makes, dropout included. Losses are added in another
// order; the gradients of a head are added row by row either way, so even their bits agree.
func TestAccumulation(t *testing.T) {
	large, small := newTask(3, 50, 20, 4), newTask(3, 50, 20, 4)
	large.Config.BatchSize = 24
	small.Config.AccumulationSteps = 3
	var losses []float64
	large.Observe = func(p Progress) error { losses = append(losses, p.Loss); return nil }
	small.Observe = func(p Progress) error {
		want := losses[p.Step-1]
		near(t, p.Step, "loss", p.Loss, want, 1e-14*want) // float64 sums of under a hundred positive terms
		return nil
	}
	for _, task := range []HeadTask{large, small} {
		task.Dev = Features{}
		if state, err := TrainHead(context.Background(), task); err != nil || state.Step != 20 {
			t.Fatalf("%d steps, %v, want int(50/24·10) = 20", state.Step, err)
		}
	}
	for i, p := range large.Classifier.Params() {
		if !slices.Equal(p.Value, small.Classifier.Params()[i].Value) {
			t.Errorf("%s differs", p.Name)
		}
	}
}

// TestResume: a run stopped after any step, and another loop that goes on from its variables and state, end with the bits of a
// run that was never stopped.
func TestResume(t *testing.T) {
	for _, optimizer := range []string{Google, AdamW} {
		task := func() HeadTask {
			task := newTask(4, 30, 12, 3)
			task.Config.Optimizer = optimizer
			task.Config.AccumulationSteps = 2
			return task
		}
		whole := run(t, task())
		stop := errors.New("stop")
		for _, at := range []int64{1, 7, 17} {
			first := task()
			var log bytes.Buffer
			write := record(&log)
			first.Observe = func(p Progress) error {
				if err := write(p); err != nil || p.Step < at {
					return err
				}
				return stop
			}
			stopped, err := NewHeadLoop(first)
			if err != nil {
				t.Fatal(err)
			}
			if err := stopped.Run(context.Background()); err != stop {
				t.Fatalf("stopped with %v, want %v", err, stop)
			}
			second := task()
			second.Observe = write
			goesOn, err := NewHeadLoop(second)
			if err != nil {
				t.Fatal(err)
			}
			saved := variables(stopped)
			for _, p := range goesOn.Variables() {
				copy(p.Value, saved[p.Name])
			}
			goesOn.Restore(stopped.State())
			if err := goesOn.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			if !(fingerprint{log.String(), variables(goesOn)}).equal(whole) {
				t.Errorf("%s: stopped after step %d and gone on, the run ends elsewhere", optimizer, at)
			}
		}
	}
}

// TestHeadEnd: with dev data the classifier ends with the best weights, else with the last.
func TestHeadEnd(t *testing.T) {
	task := newTask(5, 80, 6, 3)
	task.Config.BestMetric, task.Config.LearningRate = "log_loss", 0.3 // lower is better, and the loss jumps about
	at := map[int64][]float32{}
	best, bestStep := math.Inf(1), int64(0)
	task.Observe = func(p Progress) error {
		at[p.Step] = slices.Clone(task.Classifier.Weights.Value)
		if p.Dev != nil && float64(p.Dev.LogLoss) < best {
			best, bestStep = float64(p.Dev.LogLoss), p.Step
		}
		return nil
	}
	state, err := TrainHead(context.Background(), task)
	if err != nil {
		t.Fatal(err)
	}
	if bestStep == 100 {
		t.Fatal("the last step is the best one: this test needs another seed")
	}
	if state.BestStep != bestStep || state.Best != best || !slices.Equal(task.Classifier.Weights.Value, at[bestStep]) {
		t.Errorf("state %+v, want the weights of step %d with %v", state, bestStep, best)
	}
	task.Dev = Features{}
	InitClassifier(task.Classifier, 5)
	if state, err = TrainHead(context.Background(), task); err != nil || state.BestStep != 0 ||
		!slices.Equal(task.Classifier.Weights.Value, at[100]) {
		t.Errorf("without dev: state %+v, %v, want the weights of step 100", state, err)
	}
}

func TestEarlyStopping(t *testing.T) {
	task := newTask(6, 80, 6, 3)
	task.Config.EvalSteps, task.Config.EarlyStopping, task.Config.LearningRate = 3, 2, 0 // never better than at first
	var evaluated []int64
	task.Observe = func(p Progress) error {
		if p.Dev != nil {
			evaluated = append(evaluated, p.Step)
		}
		if p.Last != (p.Step == 9) {
			t.Errorf("step %d: last is %v", p.Step, p.Last)
		}
		return nil
	}
	state, err := TrainHead(context.Background(), task)
	if err != nil || state.Step != 9 || state.BestStep != 3 || !slices.Equal(evaluated, []int64{3, 6, 9}) {
		t.Errorf("state %+v, %v, evaluated at %v: want the best at 3, the end at 9", state, err, evaluated)
	}
}

// TestEvaluationSteps: without EvalSteps dev is evaluated when an epoch is full and at the end.
func TestEvaluationSteps(t *testing.T) {
	task := newTask(7, 20, 4, 2) // 20 rows, 8 a step: epochs end in steps 3, 5, 8, 10, …
	task.Config.Epochs = 3.7
	var evaluated []int64
	task.Observe = func(p Progress) error {
		if p.Dev != nil {
			evaluated = append(evaluated, p.Step)
		}
		return nil
	}
	if _, err := TrainHead(context.Background(), task); err != nil || !slices.Equal(evaluated, []int64{3, 5, 8, 9}) {
		t.Errorf("evaluated at %v, %v, want 3, 5, 8, 9", evaluated, err)
	}
}

// TestHeadDiverges: a number that is not finite stops the run in its step and is named, with the other weights untouched.
func TestHeadDiverges(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, c := range map[string]struct {
		spoil func(*HeadTask)
		want  string
	}{
		"feature": {func(task *HeadTask) { task.Train.X.Row(17)[3] = nan }, "training diverged at step 3: features[17,3] is NaN"},
		"weight": {func(task *HeadTask) { task.Classifier.Weights.Value[1*6+5] = inf },
			"training diverged at step 1: output_weights[1,5] is +Inf"},
		"bias": {func(task *HeadTask) { task.Classifier.Bias.Value[2] = nan }, "training diverged at step 1: output_bias[2] is NaN"},
		"overflow": {func(task *HeadTask) { clearTo(task.Classifier.Weights.Value, math.MaxFloat32) },
			"training diverged at step 1: logits["},
		"large rate": {func(task *HeadTask) { task.Config.LearningRate = 3e38 }, "training diverged at step 2: output_weights["},
		"loss":       {func(task *HeadTask) { task.Loss = nanLoss{} }, "training diverged at step 1: loss is NaN"},
		"gradient":   {func(task *HeadTask) { task.Loss = infGradient{} }, "training diverged at step 1: gradient of output_weights["},
	} {
		task := newTask(8, 32, 6, 3)
		task.Config.Dropout, task.Config.Shuffle, task.Config.WarmupProportion = 0, false, 0.05
		c.spoil(&task)
		var before []float32
		task.Observe = func(Progress) error { before = slices.Clone(task.Classifier.Weights.Value); return nil }
		state, err := TrainHead(context.Background(), task)
		if d, ok := errors.AsType[*DivergedError](err); !ok || !strings.HasPrefix(err.Error(), c.want) || state.Step != d.Step-1 {
			t.Errorf("%s: after step %d: %v, want %s…", name, state.Step, err, c.want)
		}
		if before != nil && name != "large rate" && !slices.Equal(before, task.Classifier.Weights.Value) {
			t.Errorf("%s: the step that failed has changed the weights", name)
		}
	}
}

func clearTo(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}

type nanLoss struct{}

func (nanLoss) Cell(float64, bool, int) (loss, dz float64) { return math.NaN(), 0 }

type infGradient struct{}

func (infGradient) Cell(float64, bool, int) (loss, dz float64) { return 0, math.Inf(1) }

// TestHeadCancel: the end of the context is seen between two steps, and its cause is returned.
func TestHeadCancel(t *testing.T) {
	task := newTask(9, 40, 6, 3)
	cause := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(context.Background())
	task.Observe = func(p Progress) error {
		if p.Step == 4 {
			cancel(cause)
		}
		return nil
	}
	if state, err := TrainHead(ctx, task); err != cause || state.Step != 4 {
		t.Errorf("ended after step %d with %v, want step 4 and %v", state.Step, err, cause)
	}
}

func TestHeadStepAllocatesNothing(t *testing.T) {
	for _, threads := range []int{1, 2} {
		task := newTask(10, 40, 64, 5)
		task.Workers = tensor.NewWorkers(threads)
		task.Config.AccumulationSteps = 2
		loop, err := NewHeadLoop(task)
		if err != nil {
			t.Fatal(err)
		}
		step := func() {
			if _, err := loop.step(); err != nil {
				t.Fatal(err)
			}
		}
		tensortest.NoAllocs(t, fmt.Sprintf("%d workers", threads), step)
	}
}

// TestUnknownCellsOnly: a batch without any known cell has loss 0 and moves nothing by its gradient.
func TestUnknownCellsOnly(t *testing.T) {
	task := newTask(11, 16, 4, 2)
	for i := range task.Train.Y {
		task.Train.Y[i] = layers.Unknown
	}
	task.Config.WeightDecay = 0
	task.Dev = Features{}
	before := slices.Clone(task.Classifier.Weights.Value)
	task.Observe = func(p Progress) error {
		if p.Loss != 0 || p.GradNorm != 0 {
			t.Errorf("step %d: loss %v, norm %v, want 0", p.Step, p.Loss, p.GradNorm)
		}
		return nil
	}
	if _, err := TrainHead(context.Background(), task); err != nil || !slices.Equal(before, task.Classifier.Weights.Value) {
		t.Errorf("the weights have moved (%v)", err)
	}
}

func TestHeadRefuses(t *testing.T) {
	for want, spoil := range map[string]func(*HeadTask){
		"width 6":             func(task *HeadTask) { task.Train.X.Cols, task.Train.X.Stride = 5, 5 },
		"dev features":        func(task *HeadTask) { task.Dev.Y = task.Dev.Y[1:] },
		"label names":         func(task *HeadTask) { task.Labels = task.Labels[1:] },
		`"output_bias"`:       func(task *HeadTask) { task.Classifier.Bias.Value = nil },
		"no step":             func(task *HeadTask) { task.Config.Epochs = 0.1 },
		"train_batch_size":    func(task *HeadTask) { task.Config.BatchSize = 0 },
		"dropout is 1":        func(task *HeadTask) { task.Config.Dropout = 1 },
		"learning_rate":       func(task *HeadTask) { task.Config.LearningRate = math.NaN() },
		"best_metric is f1":   func(task *HeadTask) { task.Config.BestMetric = "f1" },
		"optimizer is sgd":    func(task *HeadTask) { task.Config.Optimizer = "sgd" },
		"needs features":      func(task *HeadTask) { task.Train.X = nil },
		"0 training rows":     func(task *HeadTask) { task.Train = Features{X: tensor.New(0, 6)} },
		"num_train_epochs":    func(task *HeadTask) { task.Config.Epochs = math.Inf(1) },
		"the limit is":        func(task *HeadTask) { task.Config.Epochs = 1e12 },
		"warmup_proportion":   func(task *HeadTask) { task.Config.WarmupProportion = 1.1 },
		"clip_norm is -1":     func(task *HeadTask) { task.Config.ClipNorm = -1 },
		"gradient_accumulati": func(task *HeadTask) { task.Config.AccumulationSteps = -1 },
		"from 1 to 16777216":  func(task *HeadTask) { task.Config.BatchSize, task.Config.MaxSteps = math.MaxInt, 1 },
		"16777216 rows a":     func(task *HeadTask) { task.Config.AccumulationSteps, task.Config.MaxSteps = math.MaxInt, 1 },
	} {
		task := newTask(12, 16, 6, 3)
		spoil(&task)
		if _, err := TrainHead(context.Background(), task); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestInitClassifier(t *testing.T) {
	a, b, c := layers.NewClassifier(40, 500), layers.NewClassifier(40, 500), layers.NewClassifier(40, 500)
	InitClassifier(a, 1)
	InitClassifier(b, 1)
	InitClassifier(c, 2)
	if !slices.Equal(a.Weights.Value, b.Weights.Value) || slices.Equal(a.Weights.Value, c.Weights.Value) {
		t.Error("the weights must hang on the seed")
	}
	sum, squares := 0.0, 0.0
	for _, w := range a.Weights.Value {
		if !(math.Abs(float64(w)) <= 0.04) {
			t.Fatalf("a weight is %v, beyond two standard deviations of 0.02", w)
		}
		sum, squares = sum+float64(w), squares+float64(w)*float64(w)
	}
	// A normal cut at ±2σ has standard deviation 0.8796σ. Bounds: five standard errors with 20,000 draws.
	n := float64(a.Weights.Size())
	near(t, 0, "mean", sum/n, 0, 5*0.0176/math.Sqrt(n))
	near(t, 0, "standard deviation", math.Sqrt(squares/n), 0.8796*0.02, 5*0.0176/math.Sqrt(2*n))
	if slices.ContainsFunc(a.Bias.Value, func(b float32) bool { return b != 0 }) {
		t.Error("the bias must be 0")
	}
}

// BenchmarkHeadStep is one step at the size of GoEmotions on a base model: 32 rows of 768 features, 28 labels.
func BenchmarkHeadStep(b *testing.B) {
	for _, threads := range []int{1, 2} {
		for _, dropout := range []float64{0, 0.1} {
			b.Run(fmt.Sprintf("threads=%d,dropout=%v", threads, dropout), func(b *testing.B) {
				task := newTask(13, 256, 768, 28)
				task.Config.BatchSize, task.Config.Dropout, task.Workers = 32, dropout, tensor.NewWorkers(threads)
				task.Config.MaxSteps = math.MaxInt32
				loop, err := NewHeadLoop(task)
				if err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					if _, err := loop.step(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// A subset has copies of its rows, in the order asked for.
func TestSubset(t *testing.T) {
	all := Features{X: tensor.From([]float32{1, 2, 3, 4, 5, 6}, 3, 2), Y: []int8{1, 0, -1}}
	part := all.Subset([]int{2, 0}, 1)
	if !slices.Equal(part.X.Data, []float32{5, 6, 1, 2}) || !slices.Equal(part.Y, []int8{-1, 1}) {
		t.Errorf("%v, %v", part.X.Data, part.Y)
	}
	part.X.Data[0], part.Y[0] = 9, 0
	if all.X.Data[4] != 5 || all.Y[2] != -1 {
		t.Error("the rows of a subset are those of the whole")
	}
}
