package train

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/tensor/tensortest"
)

// newWindowTask is newTask whose rows are windows: a text has one to four of them, and the labels that one of them has.
func newWindowTask(seed uint64, texts, hidden, labels int) HeadTask {
	rng := rand.New(rand.NewPCG(seed, 7))
	task := newTask(seed, 4*texts, hidden, labels)
	join := func(f Features, texts int) Features {
		joined := Features{First: []int{0}}
		for range texts {
			first := joined.First[len(joined.First)-1]
			end := first + 1 + rng.IntN(4)
			for l := range labels {
				y := f.Y[first*labels+l]
				for w := first; w < end; w++ {
					y = max(y, f.Y[w*labels+l])
				}
				joined.Y = append(joined.Y, y)
			}
			joined.First = append(joined.First, end)
		}
		joined.X = tensor.New(joined.First[texts], hidden)
		copy(joined.X.Data, f.X.Data)
		return joined
	}
	task.Train, task.Dev = join(task.Train, texts), join(task.Dev, texts/2)
	return task
}

// TestNoisyOrHead: the gradient of a head that reads windows is that of the loss by the definition, 1 − Π(1 − p_w), and so is the one by
// its features.
func TestNoisyOrHead(t *testing.T) {
	task := newWindowTask(3, 9, 5, 3)
	task.Config.Dropout = 0
	h := newHead(task)
	for _, p := range h.Params() {
		for i := range p.Value {
			p.Value[i] *= 20 // logits of all sizes
		}
		p.Grad = make([]float32, p.Size())
	}
	rows := []int{4, 0, 7, 8, 2}
	b := Batch{Rows: rows, Cells: 11}
	for _, text := range rows {
		b.Labels = append(b.Labels, task.Train.Y[3*text:3*text+3]...)
	}
	reference := func() (loss float64) {
		for _, text := range rows {
			for l := range 3 {
				without := 1.0
				for w := task.Train.First[text]; w < task.Train.First[text+1]; w++ {
					z := float64(h.classifier.Bias.Value[l])
					for j, x := range task.Train.X.Row(w) {
						z += float64(x) * float64(h.classifier.Weights.Value[5*l+j])
					}
					without /= 1 + math.Exp(z)
				}
				switch task.Train.Y[3*text+l] {
				case layers.Positive:
					loss -= math.Log(1-without) / 11
				case layers.Negative:
					loss -= math.Log(without) / 11
				}
			}
		}
		return loss
	}
	loss, err := h.AddGradient(b)
	if want := reference(); err != nil || !(math.Abs(loss-want) <= 1e-5*want) {
		t.Fatalf("loss %v, %v, want %v", loss, err, want)
	}
	for _, p := range h.Params() {
		tensortest.CheckGradient(t, p.Name, p.Grad, p.Value, reference)
	}
	dx, all := tensor.New(len(h.rows), 5), tensor.New(task.Train.X.Rows, 5)
	h.inputGradient(dx)
	for i, row := range h.rows {
		copy(all.Row(row), dx.Row(i))
	}
	tensortest.CheckGradient(t, "features", all.Data, task.Train.X.Data, reference)
}

// TestNoisyOrHeadBits: texts of one window train as rows do, bit for bit, with dropout; and those of several have the same bits on any
// number of workers, and in batches of another size the same sums in another order. What they say of the rows that judge goes by texts.
func TestNoisyOrHeadBits(t *testing.T) {
	plain, windows := newTask(5, 30, 6, 2), newTask(5, 30, 6, 2)
	for _, f := range []*Features{&windows.Train, &windows.Dev} {
		for row := range f.X.Rows + 1 {
			f.First = append(f.First, row)
		}
	}
	run := func(task HeadTask) []float32 {
		state, err := TrainHead(context.Background(), task)
		if err != nil || state.BestStep == 0 {
			t.Fatal(state, err)
		}
		return slices.Concat(task.Classifier.Weights.Value, task.Classifier.Bias.Value)
	}
	if !slices.Equal(run(plain), run(windows)) {
		t.Error("texts of one window each give another head than rows")
	}
	want := run(newWindowTask(6, 40, 6, 2))
	for _, threads := range []int{2, 3} {
		task := newWindowTask(6, 40, 6, 2)
		task.Workers = tensor.NewWorkers(threads)
		if !slices.Equal(run(task), want) {
			t.Errorf("%d workers give other bits", threads)
		}
	}
	task := newWindowTask(6, 40, 6, 2)
	task.Config.BatchSize, task.Config.AccumulationSteps = 2, 4 // of 8
	for i, v := range run(task) {
		if !(math.Abs(float64(v-want[i])) <= 1e-5) { // sums in another order
			t.Errorf("in batches of two: weight %d is %v, in one batch %v", i, v, want[i])
		}
	}
	report, err := task.evaluate(context.Background())
	if err != nil || report.Rows != 20 || !(report.AveragePrecisionMacro > 0.7) { // 0.9: a label has one direction of six
		t.Errorf("%+v, %v", report, err)
	}
	part := task.Train.Subset([]int{3, 0}, 2)
	first := task.Train.First
	if !slices.Equal(part.First, []int{0, first[4] - first[3], first[4] - first[3] + first[1]}) ||
		!slices.Equal(part.X.Row(0), task.Train.X.Row(first[3])) {
		t.Errorf("texts 3 and 0 have the windows %v", part.First)
	}
	task.Train.First = slices.Clone(task.Train.First)
	task.Train.First[2] = task.Train.First[1]
	if _, err := TrainHead(context.Background(), task); err == nil || !strings.Contains(err.Error(), "windows") {
		t.Errorf("a text without windows: %v", err)
	}
}

// newNoisyOrTask is newEncoderTask with texts of one to three windows, read by noisy-or.
func newNoisyOrTask(t *testing.T, single bool) EncoderTask {
	task := newEncoderTask(t, 4, 60)
	task.Tune.Pooling, task.Tune.OfWindows = bert.Mean, true
	whole, rng := task.Texts, rand.New(rand.NewPCG(4, 4))
	task.Texts = &bert.Batch{}
	var y []int8
	for s := 0; s < whole.Sequences(); {
		cells := slices.Clone(task.Y[3*s : 3*s+3])
		for w := range 1 + rng.IntN(3) {
			if s == whole.Sequences() || single && w > 0 {
				break
			}
			from, to := whole.Offsets[s], whole.Offsets[s+1]
			task.Texts.AppendWindow(whole.IDs[from:to], whole.Segments[from:to], 0, to-from, w > 0)
			for l := range cells {
				cells[l] = max(cells[l], task.Y[3*s+l])
			}
			s++
		}
		y = append(y, cells...)
	}
	task.Y = y
	return task
}

// TestNoisyOrEncoder: layers under a head that reads windows learn; texts of one window train as they do when features are joined, bit for
// bit; and workers, kept states and recomputed layers change none.
func TestNoisyOrEncoder(t *testing.T) {
	task := newNoisyOrTask(t, false)
	task.Config.Epochs = 30
	var losses []float64
	task.Observe = func(p Progress) error { losses = append(losses, p.Loss); return nil }
	loop, encoder, err := NewEncoderLoop(task)
	if err != nil {
		t.Fatal(err)
	}
	if err := loop.Run(context.Background()); err != nil || !(losses[len(losses)-1] < 0.7*losses[0]) {
		t.Errorf("%v, loss %v at first, %v at last", err, losses[0], losses[len(losses)-1])
	}
	encoder.Release()
	joined := newNoisyOrTask(t, true)
	joined.Tune.OfWindows = false
	if !runEncoder(t, newNoisyOrTask(t, true)).equal(runEncoder(t, joined)) {
		t.Error("texts of one window have other bits than with features joined")
	}
	last := func(change func(*EncoderTask)) fingerprint {
		task := newNoisyOrTask(t, false)
		task.Tune.Layers, task.Tune.Embeddings = 1, false
		change(&task)
		return runEncoder(t, task)
	}
	want := last(func(*EncoderTask) {})
	for name, change := range map[string]func(*EncoderTask){
		"workers":   func(task *EncoderTask) { task.Workers = tensor.NewWorkers(3) },
		"kept":      func(task *EncoderTask) { task.KeepFrozen = true },
		"recompute": func(task *EncoderTask) { task.Tune.Recompute = true },
	} {
		if !last(change).equal(want) {
			t.Errorf("%s: other bits", name)
		}
	}
	if last(func(task *EncoderTask) { task.Tune.OfWindows = false }).equal(want) {
		t.Error("noisy-or trains as joined features do")
	}
	noisy, features := newNoisyOrTask(t, false), newNoisyOrTask(t, false)
	features.Tune.OfWindows = false
	a, err := noisy.Memory()
	b, other := features.Memory()
	if err != nil || other != nil || !(a.Head > b.Head) {
		t.Errorf("the head takes %d bytes, %d with joined features; %v, %v", a.Head, b.Head, err, other)
	}
}
