package train

import (
	"context"
	"errors"
	"fmt"

	"bertlabel/bert"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train/metrics"
)

// EncoderTask is the training of an encoder, or of its last layers, together with a label head.
type EncoderTask struct {
	Config     Config              // Config.Dropout is that of the features, after pooling
	Encoder    *bert.Model         // where training starts, and where its result goes
	Classifier *layers.Classifier  // likewise; see InitClassifier
	Tune       bert.TrainerOptions // what of the encoder is trained, and its dropout. Tune.Seed is set to Config.Seed. OfWindows: noisy-or
	Texts      *bert.Batch         // all training texts, as tokens
	Y          []int8              // row-major [texts, labels]: 1, 0, or −1 for unknown
	Shares     []float32           // as Y, what the loss takes in place of the known cells; nil for none
	Loss       layers.Loss         // nil for layers.SigmoidCrossEntropy
	Workers    *tensor.Workers     // nil for one goroutine; their number does not change a bit of the result

	// KeepFrozen keeps what the frozen layers give for every text between epochs, which takes 4·tokens·hidden bytes and saves their
	// forward pass from the second epoch on. It changes no bit.
	KeepFrozen bool

	// KeepFeatures, with KeepFrozen, keeps for every text also the vectors that this pooling, which reads the last layer, has of the frozen
	// layers, for Encoder.Frozen: 4·texts·width bytes. Zero: none.
	KeepFeatures bert.Pooling

	// Evaluate scores Encoder and Classifier, which it finds with their present values, on held-out texts; nil without any.
	Evaluate func(ctx context.Context) (*metrics.Report, error)

	// Observe is told of every step; nil for nobody. When Progress.Best is set the present values are those to keep.
	Observe func(Progress) error
}

// Encoder is the Model of an EncoderTask.
type Encoder struct {
	task    EncoderTask
	trainer *bert.Trainer
	head    *head              // on the features of the batch in flight
	kept    *bert.FrozenStates // nil: computed again in each epoch

	batch               bert.Batch
	rows                []int         // 0, 1, … of the batch
	features, dfeatures tensor.Tensor // [batch, hidden], with Tune.OfWindows [windows of the batch, hidden]
	squares             map[string]float64
}

// NewEncoderLoop returns the loop of the task, and its model, which is to be released when the loop has come to its end. Until then
// encoder and classifier hold, between two steps, the values of the last whole step.
func NewEncoderLoop(task EncoderTask) (*Loop, *Encoder, error) {
	if err := task.check(); err != nil {
		return nil, nil, err
	}
	e, err := newEncoder(task)
	if err != nil {
		return nil, nil, err
	}
	loop, err := NewLoop(task.Config, e, task.Texts.Texts(), task.Y, task.Shares, task.Workers)
	if err != nil {
		e.Release()
		return nil, nil, err
	}
	loop.Observe = task.Observe
	if task.Evaluate != nil {
		loop.Evaluate = func(ctx context.Context) (*metrics.Report, error) {
			e.Pack()
			return task.Evaluate(ctx)
		}
	}
	return loop, e, nil
}

func (t *EncoderTask) check() error {
	if err := t.Config.Check(); err != nil {
		return err
	}
	if t.Encoder == nil || t.Classifier == nil || t.Texts == nil {
		return errors.New("training needs an encoder, a classifier and texts")
	}
	for _, p := range t.Classifier.Params() {
		if len(p.Value) != p.Size() {
			return fmt.Errorf("tensor %q: %d values for shape %v", p.Name, len(p.Value), p.Shape)
		}
	}
	labels, hidden := t.Classifier.Labels(), t.Classifier.Weights.Shape[1]
	if hidden != t.Encoder.Config.HiddenSize {
		return fmt.Errorf("head on features of width %d, but hidden_size is %d", hidden, t.Encoder.Config.HiddenSize)
	}
	if len(t.Y) != t.Texts.Texts()*labels {
		return fmt.Errorf("%d label cells for %d texts and %d labels", len(t.Y), t.Texts.Texts(), labels)
	}
	return t.Texts.Check(&t.Encoder.Config)
}

func newEncoder(task EncoderTask) (*Encoder, error) {
	task.Tune.Seed = task.Config.Seed
	trainer, err := task.Encoder.NewTrainer(task.Tune, task.Workers)
	if err != nil {
		return nil, err
	}
	e := &Encoder{task: task, trainer: trainer, squares: map[string]float64{}}
	if task.KeepFrozen && task.Tune.Layers < len(task.Encoder.Layers) {
		e.kept = bert.NewFrozenStates(task.Texts, task.Encoder.Config.HiddenSize)
	}
	e.head = newHead(HeadTask{
		Config: task.Config, Classifier: task.Classifier, Loss: task.Loss, Workers: task.Workers, Train: Features{X: &e.features},
	})
	if e.kept != nil && task.KeepFeatures != "" {
		if err := e.kept.Pool(task.Encoder, task.Tune.Layers, task.KeepFeatures); err != nil {
			e.Release()
			return nil, err
		}
	}
	return e, nil
}

// Params implements Model: the trained parameters of the encoder, then the head's.
func (e *Encoder) Params() []*tensor.Param { return append(e.trainer.Params(), e.head.Params()...) }

// AddGradient implements Model.
func (e *Encoder) AddGradient(b Batch) (loss float64, err error) {
	e.gather(b.Rows)
	if err := e.trainer.ForwardKept(&e.features, &e.batch, b.First, e.kept, b.Rows); err != nil {
		return 0, err
	}
	b.Rows = e.rows
	if loss, err = e.head.AddGradient(b); err != nil {
		return 0, e.blame(err)
	}
	e.head.inputGradient(&e.dfeatures)
	e.trainer.Backward(&e.dfeatures)
	return loss, nil
}

// gather makes a batch of the texts of these rows of the training data.
func (e *Encoder) gather(rows []int) {
	e.batch.Reset()
	e.rows = e.rows[:0]
	texts := e.task.Texts
	for i, row := range rows {
		e.batch.AppendText(texts, row)
		e.rows = append(e.rows, i)
	}
	read := len(rows)
	if e.task.Tune.OfWindows && e.batch.Sequences() > read {
		read, e.head.first = e.batch.Sequences(), e.batch.First
	} else {
		e.head.first = nil
	}
	e.features.Resize(read, e.task.Encoder.Config.HiddenSize)
	e.dfeatures.Resize(read, e.features.Cols)
}

// blame names the tensor because of which the loss is not finite: a parameter, else the first hidden states from below, else
// what the head found.
func (e *Encoder) blame(found error) error {
	for _, p := range e.trainer.Params() {
		if err := diverged(p.Name, p.Shape, p.Value); err != nil {
			return err
		}
	}
	var first error
	e.trainer.Activations(func(name string, x *tensor.Tensor) {
		if first == nil {
			first = diverged(name, []int{x.Rows, x.Cols}, x.Data)
		}
	})
	if first != nil {
		return first
	}
	return found
}

// SparseSquares implements Model: the squares of the word embeddings' gradient as TensorFlow counts them.
func (e *Encoder) SparseSquares() map[string]float64 {
	name, squares, ok := e.trainer.SparseSquares()
	if !ok {
		return nil
	}
	e.squares[name] = squares
	return e.squares
}

// Pack makes inference by the encoder see the present values of its parameters. Evaluate finds it done.
func (e *Encoder) Pack() { e.trainer.Pack() }

// Frozen returns what is kept of the frozen layers for the texts that have been read; nil for nothing. It outlives Release.
func (e *Encoder) Frozen() *bert.FrozenStates { return e.kept }

// Release ends the training: inference sees the present values, and what only training needs is let go.
func (e *Encoder) Release() {
	e.trainer.Release()
	e.kept = nil
	for _, p := range e.head.Params() {
		p.Grad = nil
	}
}
