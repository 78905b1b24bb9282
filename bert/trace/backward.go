package trace

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
)

// Backward is the way of one text's loss back through a model: bert.Trainer without dropout. A Backward holds the model, whose weights
// are in Params again after Close.
type Backward struct {
	Loss      Number     `json:"loss"`      // mean sigmoid cross-entropy over the labels
	Cells     []Cell     `json:"labels"`    // a label each
	Down      []Down     `json:"down"`      // the gradient on its way down
	Norm      Number     `json:"norm"`      // √Σ g² over all parameters, as clipping counts it: the word table's by tokens, as in TensorFlow
	Gradients []Gradient `json:"gradients"` // in the order of the forward pass

	m                *model.Model
	trainer          *bert.Trainer
	workers          *tensor.Workers
	batch            *bert.Batch
	y                []int8
	features, logits *tensor.Tensor // [1, width], [1, labels]
	params           []*tensor.Param
	squares          map[string]float64
}

// Cell is what the loss says of a label.
type Cell struct {
	Label       string   `json:"label"`
	Y           int8     `json:"y"`
	Logit       Number32 `json:"logit"`
	Probability Number   `json:"probability"`
	DZ          Number   `json:"dz"` // (σ(z) − y)/labels
}

// Down is the length of the gradient by a layer's output.
type Down struct {
	Name string `json:"name"` // layer_N or embedding_output
	Norm Number `json:"norm"`
}

// Gradient is the gradient by a parameter.
type Gradient struct {
	Name    string    `json:"name"`
	Shape   []int     `json:"shape"`
	Weight  Number    `json:"weight_norm"` // |w|
	Norm    Number    `json:"norm"`        // |g|
	At      []int     `json:"at"`          // index of the largest element
	Largest Number    `json:"largest"`     // that element, with its sign
	Values  []float32 `json:"-"`           // row-major; until Close
}

// NewBackward runs a text forward and back. y has a 1 or 0 for each of m's labels. The error says what of m cannot be trained.
func NewBackward(m *model.Model, text tokenizer.Encoding, y []int8) (*Backward, error) {
	if m.Head == nil || len(y) != len(m.Labels) {
		return nil, errors.New("a loss needs a head, and a 1 or 0 for each of its labels")
	}
	b := &Backward{m: m, y: y, batch: &bert.Batch{}, workers: tensor.NewWorkers(m.Threads())}
	b.batch.Append(text.IDs, text.Segments)
	var err error
	if b.trainer, err = m.Encoder.NewTrainer(trainerOptions(m), b.workers); err != nil {
		return nil, err
	}
	b.workers.Start()
	b.features, b.logits = tensor.New(1, m.Encoder.Config.HiddenSize), tensor.New(1, len(y))
	b.params = append(b.trainer.Params(), m.Head.Params()...)
	for _, p := range m.Head.Params() {
		p.Grad = make([]float32, p.Size())
	}
	loss, err := b.loss(b.logits)
	if err != nil {
		b.Close()
		return nil, err
	}
	b.Loss = Number(loss)
	b.backward()
	return b, nil
}

// trainerOptions trains all of m.
func trainerOptions(m *model.Model) bert.TrainerOptions {
	return bert.TrainerOptions{Pooling: m.Pooling, Layers: len(m.Encoder.Layers), Embeddings: true}
}

// Close gives the model back as it was.
func (b *Backward) Close() {
	b.workers.Stop()
	b.trainer.Release()
	for _, p := range b.m.Head.Params() {
		p.Grad = nil
	}
}

// loss runs the text forward with the present weights, as training does, which knows no calibration of its own (model.NoisyOr); dlogits,
// unless nil, becomes the gradient by the logits.
func (b *Backward) loss(dlogits *tensor.Tensor) (float64, error) {
	if err := b.trainer.Forward(b.features, b.batch, 0); err != nil {
		return 0, err
	}
	b.m.Head.Forward(b.logits, b.features)
	if dlogits != nil {
		for l, z := range b.logits.Row(0) {
			b.Cells = append(b.Cells, Cell{b.m.Labels[l], b.y[l], Number32(z), Number(1 / (1 + math.Exp(-float64(z)))), 0})
		}
	}
	return layers.MeanLoss(layers.SigmoidCrossEntropy{}, dlogits, b.logits, b.y, 0), nil
}

func (b *Backward) backward() {
	for l, dz := range b.logits.Row(0) {
		b.Cells[l].DZ = Number(dz)
	}
	dfeatures := tensor.New(1, b.features.Cols)
	b.m.Head.Backward(dfeatures, b.logits, b.features)
	b.trainer.BackwardObserved(dfeatures, func(name string, dx *tensor.Tensor) {
		squares := 0.0
		for i := range dx.Rows {
			squares += dot(dx.Row(i), dx.Row(i))
		}
		b.Down = append(b.Down, Down{name, Number(math.Sqrt(squares))})
	})
	b.squares = map[string]float64{}
	if name, squares, ok := b.trainer.SparseSquares(); ok {
		b.squares[name] = squares
	}
	slices.SortStableFunc(b.params, func(p, q *tensor.Param) int { return cmp.Compare(place(p.Name), place(q.Name)) })
	total := 0.0
	for _, p := range b.params {
		g := Gradient{Name: p.Name, Shape: p.Shape, Weight: norm(p.Value), Norm: norm(p.Grad), Values: slices.Clone(p.Grad)}
		at := 0
		for i, v := range p.Grad {
			if math.Abs(float64(v)) > math.Abs(float64(p.Grad[at])) {
				at = i
			}
		}
		g.Largest, g.At = Number(p.Grad[at]), indices(p.Shape, at)
		b.Gradients = append(b.Gradients, g)
		if squares, ok := b.squares[p.Name]; ok {
			total += squares
		} else {
			total += float64(g.Norm * g.Norm)
		}
	}
	b.Norm = Number(math.Sqrt(total))
}

// place orders parameters as the forward pass meets them.
func place(name string) int {
	order := []string{"word_embeddings", "token_type_embeddings", "position_embeddings", "embeddings/LayerNorm", "query", "key", "value",
		"attention/output/dense", "attention/output/LayerNorm", "intermediate", "output/dense", "output/LayerNorm", "pooler",
		"output_weights", "output_bias"}
	layer, at := 0, slices.IndexFunc(order, func(part string) bool { return strings.Contains(name, part) })
	if n, err := fmt.Sscanf(name, "bert/encoder/layer_%d/", &layer); n == 1 && err == nil {
		return 100 + 20*layer + at
	}
	if at >= 12 {
		return 1<<30 + at
	}
	return at
}

// indices returns the place of element i, row-major.
func indices(shape []int, i int) []int {
	if len(shape) == 1 {
		return []int{i}
	}
	return []int{i / shape[1], i % shape[1]}
}

// Step is what one step of training would do.
type Step struct {
	Factor    Number32          `json:"factor"`     // that clipping multiplies gradients with
	Moved     map[string]Number `json:"moved"`      // |Δw| of each parameter
	LossAfter Number            `json:"loss_after"` // of the same text
}

// Step makes the first step of an optimizer from moments of zero at its full rate, measures, and takes it back.
func (b *Backward) Step(c train.Config) (*Step, error) {
	o, err := train.NewOptimizer(b.params, train.OptimizerConfig{Form: c.Optimizer, WeightDecay: c.WeightDecay}, b.workers)
	if err != nil {
		return nil, err
	}
	total, err := o.GlobalNorm(b.squares)
	if err != nil {
		return nil, err
	}
	before := make([][]float32, len(b.params))
	for i, p := range b.params {
		before[i] = slices.Clone(p.Value)
	}
	s := &Step{Factor: Number32(train.ClipFactor(total, c.ClipNorm)), Moved: map[string]Number{}}
	stepErr := o.Step(0, float32(c.LearningRate), float32(s.Factor))
	if stepErr == nil {
		var loss float64
		loss, stepErr = b.loss(nil)
		s.LossAfter = Number(loss)
	}
	for i, p := range b.params {
		squares := 0.0
		for j, v := range p.Value {
			d := float64(v) - float64(before[i][j])
			squares += d * d
		}
		s.Moved[p.Name] = Number(math.Sqrt(squares))
		copy(p.Value, before[i])
	}
	return s, stepErr
}

// Check is a gradient beside what finite differences say of it.
type Check struct {
	Name       string `json:"name"`
	At         []int  `json:"at,omitempty"` // of a single element; nil: along the whole gradient, whose length is meant
	Gradient   Number `json:"gradient"`     // |g|, or the element
	Difference Number `json:"difference"`
	H          Number `json:"h"`     // step of the differences
	Error      Number `json:"error"` // of the difference, relative to the gradient
	Noise      Number `json:"noise"` // what rounding alone makes of Error
}

// A step h moves the loss by about 3e-4: enough that the rounding of a float32 pass, some 1e-8, does not count, little enough that the
// loss is nearly a cubic within 2h, whose cubic part (4·D(h) − D(2h))/3 takes out. Where the gradient is small, as below a tanh in saturation, h is bounded: a direction by
// 0.05, a single weight by 0.02. The loss then moves by less, and rounding counts: Noise.
const (
	lossMoves = 3e-4
	mostAlong = 0.05
	mostMoved = 0.02
	rounding  = 2e-7 // of the loss: that of the logits, which are a few units, in float32
)

// CheckAlong compares the length of the gradient by parameter i of Gradients with (4·D(h) − D(2h))/3 along it, where
// D(h) = (L(w + h·g/|g|) − L(w − h·g/|g|))/2h. Weights are as before when it returns.
func (b *Backward) CheckAlong(i int) (Check, error) {
	g := &b.Gradients[i]
	direction := make([]float64, len(g.Values))
	for j, v := range g.Values {
		direction[j] = float64(v) / float64(g.Norm)
	}
	return b.check(Check{Name: g.Name, Gradient: g.Norm, H: min(mostAlong, lossMoves/g.Norm)}, b.params[i].Value, direction)
}

// CheckElement compares one element of the gradient by parameter i.
func (b *Backward) CheckElement(i int, at []int) (Check, error) {
	g := &b.Gradients[i]
	j := at[len(at)-1]
	if len(at) == 2 {
		j += at[0] * g.Shape[1]
	}
	direction := make([]float64, len(g.Values))
	direction[j] = 1
	value := Number(g.Values[j])
	return b.check(Check{Name: g.Name, At: at, Gradient: value, H: min(mostMoved, lossMoves/abs(value))}, b.params[i].Value, direction)
}

func (b *Backward) check(c Check, w []float32, direction []float64) (Check, error) {
	before := slices.Clone(w)
	defer copy(w, before)
	at := func(h float64) (loss float64, err error) {
		for j, d := range direction {
			w[j] = float32(float64(before[j]) + h*d)
		}
		return b.loss(nil)
	}
	var slope [2]float64 // D(h), D(2h)
	for i := range slope {
		h := float64(c.H) * float64(i+1)
		up, err := at(h)
		if err != nil {
			return c, err
		}
		down, err := at(-h)
		if err != nil {
			return c, err
		}
		slope[i] = (up - down) / (2 * h)
	}
	c.Difference = Number((4*slope[0] - slope[1]) / 3)
	c.Error = abs(c.Difference-c.Gradient) / abs(c.Gradient)
	c.Noise = rounding / c.H / abs(c.Gradient)
	return c, nil
}

func abs(n Number) Number { return max(n, -n) }
