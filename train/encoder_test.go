package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/tensor/tensortest"
	"bertlabel/train/metrics"
)

// newEncoderTask returns a task on a small random BERT, dropout everywhere, whose labels can be learned: label l is true if the
// text holds a token of a third of the vocabulary of its own. Every call with the same arguments gives the same task.
func newEncoderTask(t testing.TB, seed uint64, texts int) EncoderTask {
	t.Helper()
	const labels, tokens = 3, 12
	c := bert.DefaultConfig()
	c.VocabSize, c.TypeVocabSize, c.MaxPositionEmbeddings = 90, 2, tokens
	c.NumHiddenLayers, c.HiddenSize, c.NumAttentionHeads, c.IntermediateSize = 2, 48, 3, 96
	m, err := bert.New(c)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	m.Init(rng)
	task := EncoderTask{
		Config: DefaultConfig(), Encoder: m, Classifier: layers.NewClassifier(labels, c.HiddenSize), Texts: &bert.Batch{},
		Tune: bert.TrainerOptions{Layers: 2, Embeddings: true, HiddenDropout: 0.1, AttentionDropout: 0.1},
	}
	InitClassifier(task.Classifier, seed)
	task.Config.BatchSize, task.Config.LearningRate, task.Config.Epochs = 8, 1e-3, 2
	for range texts {
		ids, segments := make([]int32, 1+rng.IntN(tokens)), make([]int32, 0, tokens)
		y := make([]int8, labels)
		for i := range ids {
			ids[i] = int32(rng.IntN(c.VocabSize))
			segments = append(segments, int32(2*i/len(ids)))
			if ids[i] < 60 { // the last third belongs to no label
				y[ids[i]/20] = 1
			}
		}
		task.Texts.Append(ids, segments)
		task.Y = append(task.Y, y...)
	}
	return task
}

// runEncoder makes a loop's steps and returns its fingerprint.
func runEncoder(t *testing.T, task EncoderTask) fingerprint {
	t.Helper()
	var log bytes.Buffer
	task.Observe = record(&log)
	loop, encoder, err := NewEncoderLoop(task)
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Release()
	if err := loop.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return fingerprint{log.String(), variables(loop)}
}

// TestEncoderLearns: from random weights the loss on the training texts falls well below that of guessing, for each pooling and
// optimizer, and with the last layer alone.
func TestEncoderLearns(t *testing.T) {
	for name, change := range map[string]func(*EncoderTask){
		"pooled": func(*EncoderTask) {},
		"cls":    func(task *EncoderTask) { task.Tune.Pooling = bert.CLS },
		"mean":   func(task *EncoderTask) { task.Tune.Pooling = bert.Mean },
		"adamw":  func(task *EncoderTask) { task.Config.Optimizer = AdamW },
		"decay":  func(task *EncoderTask) { task.Config.LayerDecay = 0.8 },
		"last": func(task *EncoderTask) {
			task.Tune.Layers, task.Tune.Embeddings, task.Tune.Pooling = 1, false, bert.Mean
		},
	} {
		task := newEncoderTask(t, 1, 64)
		task.Config.Epochs = 40
		change(&task)
		first, last := 0.0, 0.0
		task.Observe = func(p Progress) error {
			if p.Step == 1 {
				first = p.Loss
			}
			last = p.Loss
			return nil
		}
		loop, encoder, err := NewEncoderLoop(task)
		if err != nil {
			t.Fatal(err)
		}
		if err := loop.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		encoder.Release()
		if !(last < 0.6*first) {
			t.Errorf("%s: loss %v at first, %v at last", name, first, last)
		}
	}
}

// TestEncoderThreads: the same bits for any number of workers, with dropout, clipping and shuffling on.
func TestEncoderThreads(t *testing.T) {
	for _, pooling := range []bert.Pooling{bert.Pooled, bert.Mean} {
		task := newEncoderTask(t, 2, 30)
		task.Tune.Pooling = pooling
		serial := runEncoder(t, task)
		for _, threads := range []int{1, 2, 4} {
			task := newEncoderTask(t, 2, 30)
			task.Tune.Pooling, task.Workers = pooling, tensor.NewWorkers(threads)
			if !runEncoder(t, task).equal(serial) {
				t.Errorf("%v: %d workers give other bits than none", pooling, threads)
			}
		}
	}
}

// TestEncoderAccumulation: three batches of 8 make the step that one batch of 24 makes, dropout, unknown cells and the sparse
// norm included, to float32 rounding.
func TestEncoderAccumulation(t *testing.T) {
	large, small := newEncoderTask(t, 3, 50), newEncoderTask(t, 3, 50)
	large.Config.BatchSize, small.Config.AccumulationSteps = 24, 3
	var log []Progress
	large.Observe = func(p Progress) error { log = append(log, p); return nil }
	small.Observe = func(p Progress) error {
		want := log[p.Step-1]
		near(t, p.Step, "loss", p.Loss, want.Loss, 2e-6)
		near(t, p.Step, "norm", p.GradNorm, want.GradNorm, 1e-5*want.GradNorm)
		return nil
	}
	var ends [2]map[string][]float32
	for i, task := range []EncoderTask{large, small} {
		for j := range task.Y {
			if j%7 == 0 {
				task.Y[j] = layers.Unknown
			}
		}
		loop, encoder, err := NewEncoderLoop(task)
		if err != nil {
			t.Fatal(err)
		}
		if err := loop.Run(context.Background()); err != nil || loop.State().Step != 4 {
			t.Fatalf("%d steps, %v, want int(50/24·2) = 4", loop.State().Step, err)
		}
		ends[i] = variables(loop)
		encoder.Release()
	}
	for name, want := range ends[0] {
		diff := tensortest.MaxDiff(t, tensortest.Widen(ends[1][name]), tensortest.Widen(want))
		near(t, 4, name, diff, 0, 1e-5) // the bound of the trajectories
	}
}

// TestEncoderResume: a run stopped after any step, and another loop that goes on from its variables and state, end with the
// bits of a run that was never stopped.
func TestEncoderResume(t *testing.T) {
	task := func() EncoderTask {
		task := newEncoderTask(t, 4, 30)
		task.Config.AccumulationSteps, task.Config.BatchSize = 2, 4
		return task
	}
	whole := runEncoder(t, task())
	stop := errors.New("stop")
	for _, at := range []int64{1, 4} {
		var log bytes.Buffer
		write := record(&log)
		first := task()
		first.Observe = func(p Progress) error {
			if err := write(p); err != nil || p.Step < at {
				return err
			}
			return stop
		}
		stopped, _, err := NewEncoderLoop(first)
		if err != nil {
			t.Fatal(err)
		}
		if err := stopped.Run(context.Background()); err != stop {
			t.Fatalf("stopped with %v, want %v", err, stop)
		}
		second := task()
		second.Observe = write
		goesOn, _, err := NewEncoderLoop(second)
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
			t.Errorf("stopped after step %d and gone on, the run ends elsewhere", at)
		}
	}
}

// TestEncoderFrozen: with the last layer trained nothing below it moves.
func TestEncoderFrozen(t *testing.T) {
	task := newEncoderTask(t, 5, 30)
	task.Tune.Layers, task.Tune.Embeddings = 1, false
	before := map[string][]float32{}
	for _, p := range task.Encoder.Params() {
		before[p.Name] = slices.Clone(task.Encoder.Value(p))
	}
	runEncoder(t, task)
	for _, p := range task.Encoder.Params() {
		trained := strings.Contains(p.Name, "layer_1") || strings.Contains(p.Name, "pooler")
		if moved := !slices.Equal(task.Encoder.Value(p), before[p.Name]); moved != trained {
			t.Errorf("%s: trained %t, moved %t", p.Name, trained, moved)
		}
	}
}

// TestEncoderEvaluates: Evaluate finds the encoder with the values of the step just made.
func TestEncoderEvaluates(t *testing.T) {
	task := newEncoderTask(t, 6, 40)
	task.Config.EvalSteps, task.Config.BestMetric = 1, "log_loss"
	one := &bert.Batch{}
	one.Append(task.Texts.IDs[:task.Texts.Offsets[1]], task.Texts.Segments[:task.Texts.Offsets[1]])
	var seen [][]float32
	task.Evaluate = func(context.Context) (*metrics.Report, error) {
		y := tensor.New(1, 48)
		if err := task.Encoder.Features(bert.NewWorkspace(nil), y, one, bert.Pooled); err != nil {
			return nil, err
		}
		seen = append(seen, y.Data)
		truth := []int8{1, 0, 1, 0, 1, 0}
		return metrics.Evaluate(metrics.Data{Labels: labelNames(3), Truth: truth, Scores: make([]float32, 6)}, []float32{0.5})
	}
	runEncoder(t, task)
	if len(seen) != 10 {
		t.Fatalf("%d evaluations, want 10", len(seen))
	}
	for i := 1; i < len(seen); i++ {
		if slices.Equal(seen[i-1], seen[i]) {
			t.Errorf("steps %d and %d are evaluated with the same weights", i, i+1)
		}
	}
	y := tensor.New(1, 48)
	if err := task.Encoder.Features(bert.NewWorkspace(nil), y, one, bert.Pooled); err != nil || !slices.Equal(y.Data, seen[9]) {
		t.Errorf("after Release the features are not those of the last evaluation (%v)", err)
	}
}

// TestEncoderDiverges: a number that is not finite stops the run in its step and is named.
func TestEncoderDiverges(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	spoil := func(name string, i int, v float32) func(*EncoderTask) {
		return func(task *EncoderTask) {
			for _, p := range task.Encoder.Params() {
				if p.Name == name {
					p.Value[i] = v
				}
			}
		}
	}
	for want, change := range map[string]func(*EncoderTask){
		"step 1: bert/encoder/layer_1/output/dense/kernel[2,3] is NaN": spoil("bert/encoder/layer_1/output/dense/kernel", 2*48+3, nan),
		"step 1: bert/embeddings/LayerNorm/gamma[7] is +Inf":           spoil("bert/embeddings/LayerNorm/gamma", 7, inf),
		"step 1: output_bias[1] is NaN":                                func(task *EncoderTask) { task.Classifier.Bias.Value[1] = nan },
		"step 1: layer_0[": func(task *EncoderTask) { // overflows in the last normalisation of a frozen layer
			spoil("bert/encoder/layer_0/output/LayerNorm/gamma", 5, math.MaxFloat32)(task)
			spoil("bert/encoder/layer_0/output/LayerNorm/beta", 5, math.MaxFloat32)(task)
			task.Tune.Layers, task.Tune.Embeddings = 1, false
		},
		"step 1: gradient of bert/": func(task *EncoderTask) { // 1/σ of a row of nearly equal numbers, many times over
			task.Loss = infGradient{}
			for i := range task.Classifier.Weights.Value {
				task.Classifier.Weights.Value[i] = 0
			}
		},
		"step 1: bert/embeddings/word_embeddings[": func(task *EncoderTask) {
			task.Config.LearningRate,
				task.Config.WarmupProportion = 3e38, 0
		},
	} {
		task := newEncoderTask(t, 7, 40)
		task.Config.Shuffle = false
		change(&task)
		loop, encoder, err := NewEncoderLoop(task)
		if err != nil {
			t.Fatal(err)
		}
		err = loop.Run(context.Background())
		encoder.Release()
		if d, ok := errors.AsType[*DivergedError](err); !ok || !strings.Contains(err.Error(), want) || loop.State().Step != d.Step-1 {
			t.Errorf("after step %d: %v, want …%s…", loop.State().Step, err, want)
		}
	}
}

// TestKeepFrozen: outputs of frozen layers that are kept between epochs change no bit, with batches over the border of epochs,
// accumulation, and texts that have not come yet among those that have.
func TestKeepFrozen(t *testing.T) {
	for n := 1; n <= 2; n++ {
		var want string
		for _, keep := range []bool{false, true} {
			task := newEncoderTask(t, 7, 40)
			task.Tune.Layers, task.Tune.Embeddings, task.KeepFrozen = n, false, keep
			task.Config.AccumulationSteps, task.Config.MaxSteps = 2, 30
			loop, encoder, err := NewEncoderLoop(task)
			if err != nil {
				t.Fatal(err)
			}
			if err := loop.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if frozen := n < len(task.Encoder.Layers); (encoder.kept != nil) != (keep && frozen) {
				t.Errorf("last %d, keep %t: kept %v", n, keep, encoder.kept)
			}
			var got strings.Builder
			for _, p := range loop.Variables() {
				fmt.Fprintln(&got, p.Name, p.Value)
			}
			if !keep {
				want = got.String()
			} else if got.String() != want {
				t.Errorf("last %d: kept outputs give other bits", n)
			}
		}
	}
}

func TestEncoderStepAllocatesNothing(t *testing.T) {
	for _, threads := range []int{1, 2} {
		task := newEncoderTask(t, 8, 16)
		task.Workers = tensor.NewWorkers(threads)
		task.Config.AccumulationSteps, task.Config.MaxSteps = 2, 1000
		loop, _, err := NewEncoderLoop(task)
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

func TestEncoderRefuses(t *testing.T) {
	for want, spoil := range map[string]func(*EncoderTask){
		"needs an encoder": func(task *EncoderTask) { task.Encoder = nil },
		"output_weights":   func(task *EncoderTask) { task.Classifier.Weights.Value = nil },
		"hidden_size is 48": func(task *EncoderTask) {
			task.Classifier = layers.NewClassifier(3, 40)
			InitClassifier(task.Classifier, 1)
		},
		"label cells":        func(task *EncoderTask) { task.Y = task.Y[1:] },
		"layers to train":    func(task *EncoderTask) { task.Tune.Layers = 3 },
		"token 0":            func(task *EncoderTask) { task.Texts.IDs[0] = 90 },
		"train_batch_size":   func(task *EncoderTask) { task.Config.BatchSize = 0 },
		"layer_decay is 1.5": func(task *EncoderTask) { task.Config.LayerDecay = 1.5 },
		"no step":            func(task *EncoderTask) { task.Config.Epochs = 0.01 },
		"0 label cells":      func(task *EncoderTask) { task.Texts, task.Y = &bert.Batch{}, nil },
	} {
		task := newEncoderTask(t, 9, 16)
		spoil(&task)
		if _, _, err := NewEncoderLoop(task); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// TestLayerDecay: the factors of Sun et al. 2019, and that the optimizer goes by them: after its first step from zero moments
// every element has moved by lr·factor·0.1/√0.001, whatever its gradient, if that is large beside epsilon.
func TestLayerDecay(t *testing.T) {
	params := []*tensor.Param{
		tensor.NewParam("bert/embeddings/LayerNorm/beta", 2), tensor.NewParam("bert/encoder/layer_9/output/dense/bias", 2),
		tensor.NewParam("bert/encoder/layer_10/output/dense/bias", 2), tensor.NewParam("bert/encoder/layer_11/attention/self/key/bias", 2),
		tensor.NewParam("bert/pooler/dense/bias", 2), tensor.NewParam("output_bias", 2),
	}
	factors := []float64{math.Pow(0.5, 12), 0.25, 0.5, 1, 1, 1}
	for _, p := range params {
		p.Value = make([]float32, 2)
	}
	o, err := NewOptimizer(params, OptimizerConfig{Scale: layerDecay(0.5, params)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range params {
		p.Grad[0], p.Grad[1] = 300, -500
	}
	if err := o.Step(0, 1, 1); err != nil {
		t.Fatal(err)
	}
	for i, p := range params {
		want := factors[i] * 0.1 / math.Sqrt(0.001)
		near(t, 1, p.Name, float64(p.Value[0]), -want, 1e-5*want)
		near(t, 1, p.Name, float64(p.Value[1]), want, 1e-5*want)
	}
	if layerDecay(1, params) != nil {
		t.Error("a decay of 1 needs no function")
	}
}
