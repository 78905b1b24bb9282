package train

import (
	"math/rand/v2"
	"testing"

	"bertlabel/bert"
	"bertlabel/layers"
	"bertlabel/tensor"
)

// memoryTask is a task on texts of random lengths up to 40.
func memoryTask(t *testing.T, texts int) EncoderTask {
	t.Helper()
	c := bert.DefaultConfig()
	c.VocabSize, c.TypeVocabSize, c.MaxPositionEmbeddings = 100, 2, 40
	c.NumHiddenLayers, c.HiddenSize, c.NumAttentionHeads, c.IntermediateSize = 2, 32, 2, 64
	m, err := bert.New(c)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	m.Init(rng)
	task := EncoderTask{
		Config: DefaultConfig(), Encoder: m, Classifier: layers.NewClassifier(3, 32), Texts: &bert.Batch{},
		Tune: bert.TrainerOptions{Layers: 2, Embeddings: true}, Workers: tensor.NewWorkers(2), Y: make([]int8, 3*texts),
	}
	task.Config.BatchSize, task.Config.AccumulationSteps, task.Config.Epochs = 4, 2, 3
	InitClassifier(task.Classifier, 1)
	for range texts {
		n := 1 + rng.IntN(40)
		task.Texts.Append(make([]int32, n), make([]int32, n))
	}
	return task
}

// TestLargestBatch: the batches that Memory is for are those that the run then draws.
func TestLargestBatch(t *testing.T) {
	for i, shuffle := range []bool{false, true, true} {
		task := memoryTask(t, 50)
		task.Config.Shuffle = shuffle
		if i == 2 { // one text has two windows, and another one each
			for w := range 2 {
				task.Texts.AppendWindow(make([]int32, 40), make([]int32, 40), 0, 40, w > 0)
			}
			task.Y = append(task.Y, task.Y[:task.Classifier.Labels()]...)
		}
		want, err := task.Memory()
		if err != nil {
			t.Fatal(err)
		}
		loop, encoder, err := NewEncoderLoop(task)
		if err != nil {
			t.Fatal(err)
		}
		var got bert.BatchSize
		loop.model = &measuredModel{encoder, &got}
		if err := loop.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got.Tokens != want.Largest.Tokens || got.Texts > want.Largest.Texts || i < 2 && got.Texts != want.Largest.Texts || got.Longest > want.Largest.Longest {
			t.Errorf("shuffle %t: batches of up to %+v, foreseen %+v", shuffle, got, want.Largest)
		}
		task.Config.MaxSteps = 1 << 30
		bound, err := task.Memory()
		if err != nil || bound.Largest.Tokens < want.Largest.Tokens || bound.Largest.Tokens > 4*40+i/2*40 {
			t.Errorf("a run too long to look at: batches of up to %+v, %v", bound.Largest, err)
		}
	}
}

// measuredModel looks at the batches that pass.
type measuredModel struct {
	*Encoder
	largest *bert.BatchSize
}

func (m *measuredModel) AddGradient(b Batch) (float64, error) {
	loss, err := m.Encoder.AddGradient(b)
	m.largest.Tokens, m.largest.Texts = max(m.largest.Tokens, m.batch.Tokens()), max(m.largest.Texts, m.batch.Sequences())
	for i := range m.batch.Sequences() {
		m.largest.Longest = max(m.largest.Longest, m.batch.Offsets[i+1]-m.batch.Offsets[i])
	}
	return loss, err
}

// TestMomentsMemory: moments and gradients, the head's among them, are what the loop then holds.
func TestMomentsMemory(t *testing.T) {
	for _, tune := range []bert.TrainerOptions{{Layers: 2, Embeddings: true}, {Layers: 1, Pooling: bert.Mean}} {
		task := memoryTask(t, 10)
		task.Tune = tune
		want, err := task.Memory()
		if err != nil {
			t.Fatal(err)
		}
		loop, encoder, err := NewEncoderLoop(task)
		if err != nil {
			t.Fatal(err)
		}
		head := task.Classifier.Params()
		got := 0
		for _, p := range loop.optimizer.State() {
			got += 4 * cap(p.Value)
		}
		for _, p := range head {
			got -= 2 * 4 * p.Size()
		}
		if got != want.Moments {
			t.Errorf("%+v: moments of %d bytes, foreseen %d", tune, got, want.Moments)
		}
		got = 0
		for _, p := range encoder.trainer.Params() {
			got += 4 * cap(p.Grad)
		}
		if got != want.Model.Gradients {
			t.Errorf("%+v: gradients of %d bytes, foreseen %d", tune, got, want.Model.Gradients)
		}
		if total := want.Total(); total != want.Model.Weights+want.Model.Kernels+want.Model.Gradients+want.Model.Activations+
			want.Model.Workspace+
			want.Moments+want.Head+want.Saving {
			t.Errorf("%+v: %+v has a total of %d", tune, want, total)
		}
	}
}
