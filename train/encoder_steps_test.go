package train

import (
	"context"
	"math"
	"slices"
	"testing"

	"bertlabel/bert"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train/data"
)

// TestEncoderSteps follows a run, dropout everywhere and several batches a step, with its pieces alone: which rows of the stream a step
// has, with which places of it they drop out, by which seed, over how many known cells, at which rate.
func TestEncoderSteps(t *testing.T) {
	const batch, accumulated, steps = 4, 2, 7
	newTask := func(seed, tuneSeed uint64) EncoderTask {
		task := newEncoderTask(t, 11, 13)
		task.Config.Seed, task.Tune.Seed, task.Config.Dropout = seed, tuneSeed, 0.3
		task.Config.BatchSize, task.Config.AccumulationSteps, task.Config.MaxSteps = batch, accumulated, steps
		for i := range task.Y {
			if i%5 == 0 || i >= 3*9 && i < 3*12 {
				task.Y[i] = layers.Unknown // three rows have no known cell at all
			}
		}
		return task
	}
	var log []Progress
	task := newTask(5, 99)
	task.Observe = func(p Progress) error { log = append(log, p); return nil }
	loop, encoder, err := NewEncoderLoop(task)
	if err != nil {
		t.Fatal(err)
	}
	if err := loop.Run(context.Background()); err != nil || len(log) != steps {
		t.Fatalf("%d steps, %v", len(log), err)
	}
	encoder.Release()

	p := newTask(5, 5)
	pieces := newPieces(t, p)
	stream := data.Stream{Rows: p.Texts.Texts(), Seed: 5, Shuffle: true}
	for step := range steps {
		rows := make([]int, batch*accumulated)
		stream.Batch(rows, int64(step*len(rows)))
		loss := pieces.gradient(t, p, rows, batch, uint64(step*len(rows)))
		norm, err := pieces.optimizer.GlobalNorm(pieces.squares())
		if err != nil {
			t.Fatal(err)
		}
		schedule := Schedule{LearningRate: p.Config.LearningRate, Steps: steps, WarmupSteps: 0}
		rate := schedule.Rate(int64(step))
		if err := pieces.optimizer.Step(int64(step), rate, ClipFactor(norm, 1)); err != nil {
			t.Fatal(err)
		}
		if got := log[step]; got.Loss != loss || got.GradNorm != norm || got.LearningRate != rate || got.Rows != len(rows) {
			t.Errorf("step %d: loss %v, norm %v, rate %v, %d rows, want %v, %v, %v, %d", step+1, got.Loss, got.GradNorm, got.LearningRate,
				got.Rows,
				loss, norm, rate, len(rows))
		}
	}
	for i, param := range pieces.trainer.Params() {
		if got := encoder.trainer.Params()[i]; !slices.Equal(param.Value, values(encoder, got)) {
			t.Errorf("%s ends with other bits", param.Name)
		}
	}
}

// values returns a parameter's value after Release.
func values(e *Encoder, p *tensor.Param) []float32 { return e.task.Encoder.Value(p) }

// pieces are what a run is made of.
type pieces struct {
	trainer   *bert.Trainer
	optimizer *Optimizer
	head      *layers.Classifier
	dropout   layers.Dropout
}

func newPieces(t *testing.T, task EncoderTask) *pieces {
	t.Helper()
	trainer, err := task.Encoder.NewTrainer(task.Tune, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &pieces{trainer: trainer, head: task.Classifier, dropout: layers.NewDropout(task.Config.Dropout, task.Config.Seed, 0)}
	if p.optimizer, err = NewOptimizer(append(trainer.Params(), p.head.Params()...), OptimizerConfig{WeightDecay: 0.01}, nil); err != nil {
		t.Fatal(err)
	}
	return p
}

// gradient adds up that of a step's rows, of which the first is example first of the stream, batch by batch.
func (p *pieces) gradient(t *testing.T, task EncoderTask, rows []int, batch int, first uint64) (loss float64) {
	t.Helper()
	labels, hidden := task.Classifier.Labels(), task.Encoder.Config.HiddenSize
	var y []int8
	for _, row := range rows {
		y = append(y, task.Y[row*labels:(row+1)*labels]...)
	}
	for from := 0; from < len(rows); from += batch {
		b := &bert.Batch{}
		var places []layers.Place
		start := first + uint64(from)
		for i, row := range rows[from : from+batch] {
			from, to := task.Texts.Offsets[row], task.Texts.Offsets[row+1]
			b.Append(task.Texts.IDs[from:to], task.Texts.Segments[from:to])
			places = append(places, layers.Place{Example: start + uint64(i)})
		}
		features, logits := tensor.New(batch, hidden), tensor.New(batch, labels)
		if err := p.trainer.Forward(features, b, start); err != nil {
			t.Fatal(err)
		}
		p.dropout.Forward(features, features, places)
		p.head.Forward(logits, features)
		part := layers.MeanLoss(layers.SigmoidCrossEntropy{}, logits, logits, y[from*labels:(from+batch)*labels], layers.KnownCells(y))
		if math.IsNaN(part) {
			t.Fatal("the loss is NaN")
		}
		loss += part
		dfeatures := tensor.New(batch, hidden)
		p.head.Backward(dfeatures, logits, features)
		p.dropout.Backward(dfeatures, dfeatures, places)
		p.trainer.Backward(dfeatures)
	}
	return loss
}

func (p *pieces) squares() map[string]float64 {
	name, squares, _ := p.trainer.SparseSquares()
	return map[string]float64{name: squares}
}
