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

// Backward is what Gradients found of one text with its labels.
type Backward struct {
	Loss       float64         `json:"loss"` // the mean over the labels
	Labels     []LabelGradient `json:"labels"`
	Flow       []Flow          `json:"flow"`        // from the top down
	Params     []ParamGradient `json:"parameters"`  // in the order of the computation
	GlobalNorm float64         `json:"global_norm"` // as clipping counts it: train.Optimizer.GlobalNorm
	ClipFactor float64         `json:"clip_factor"` // what a step multiplies the gradients with
	Step       Step            `json:"step"`
}

// LabelGradient is one label: its share of the loss, and dz, the derivative of the loss by its logit, (σ(z) − y)/labels.
type LabelGradient struct {
	Label    string  `json:"label"`
	Positive bool    `json:"positive"`
	Logit    float64 `json:"logit"`
	Loss     float64 `json:"loss"`
	DZ       float64 `json:"dz"`
}

// Flow is the norm of the gradient by a stage.
type Flow struct {
	Stage string  `json:"stage"`
	Norm  float64 `json:"norm"`
}

// ParamGradient is a parameter w with its gradient g. Norms are √Σx² over all elements.
type ParamGradient struct {
	Name     string  `json:"name"`
	Shape    []int   `json:"shape"`
	Weight   float64 `json:"weight"`   // |w|
	Gradient float64 `json:"gradient"` // |g|
	Largest  float64 `json:"largest"`  // the entry of g with the largest magnitude
	At       []int   `json:"at"`       // where it is
	Step     float64 `json:"step"`     // |Δw| of one step
}

// Ratio returns |g|/|w|, 0 for weights of 0.
func (g *ParamGradient) Ratio() float64 {
	if g.Weight == 0 {
		return 0
	}
	return g.Gradient / g.Weight
}

// Step is one step of the optimizer with the defaults of train.DefaultConfig, without warm-up, and the loss after it. The model is put back.
type Step struct {
	LearningRate float64 `json:"learning_rate"`
	Loss         float64 `json:"loss"`
}

// Check is one comparison of a gradient with differences of the loss: (4·D(H) − D(2·H))/3, D(h) = (loss(w + h) − loss(w − h))/2h.
type Check struct {
	Name        string  `json:"name"`
	At          []int   `json:"at,omitempty"` // an entry; nil: along the gradient of the whole parameter, whose derivative is |g|
	H           float64 `json:"h"`
	Gradient    float64 `json:"gradient"`
	Differences float64 `json:"differences"`
	Skipped     string  `json:"skipped,omitempty"` // why the two are not to be compared
}

// Error returns how far the two are apart, of the gradient.
func (c *Check) Error() float64 { return math.Abs(c.Differences-c.Gradient) / math.Abs(c.Gradient) }

// lossMoves is by how much a step of Check is to move the loss: less, and float32 rounds it away; ten times more, and the curve bends.
const lossMoves = 3e-4

// bends is how far D(h) and D(2·h) may be apart, of D(h), before Check halves h, four times at most: where a gradient is small beside the
// weights, as below a saturated pooler, a step that moves the loss so far leaves the stretch on which the curve is a cubic.
const bends = 0.02

// longestEntry bounds the step of a single weight.
const longestEntry = 0.02

// Differentiated is a model with the gradients of the loss of one text, for looking at. Close gives the model back as it was.
type Differentiated struct {
	*Backward
	m        *model.Model
	trainer  *bert.Trainer
	workers  *tensor.Workers
	batch    bert.Batch
	labels   []int8
	features *tensor.Tensor
	params   []*tensor.Param
	grads    map[string][]float32 // the gradients, row-major, by the names of their parameters
}

// Gradients runs a text with its labels forward and backward, without dropout: positive names the labels that are right, all others are
// wrong. All of the model is differentiated. It takes gradients, and for the step two moments and a copy of the weights: 20 bytes a weight.
// Nobody may use m until Close. The error says which label m does not have, or why m cannot be trained.
func Gradients(m *model.Model, text tokenizer.Encoding, positive []string) (d *Differentiated, err error) {
	if m.Head == nil {
		return nil, errors.New("the model has no head (output_weights, output_bias): train one first")
	}
	d = &Differentiated{Backward: &Backward{}, m: m, labels: make([]int8, len(m.Labels)), grads: map[string][]float32{}}
	for _, label := range positive {
		i := slices.Index(m.Labels, label)
		if i < 0 {
			return nil, fmt.Errorf("the model has no label %q; it has %q", label, m.Labels)
		}
		d.labels[i] = layers.Positive
	}
	d.workers = tensor.NewWorkers(m.Threads())
	options := bert.TrainerOptions{Pooling: m.Pooling, Layers: len(m.Encoder.Layers), Embeddings: true}
	if d.trainer, err = m.Encoder.NewTrainer(options, d.workers); err != nil {
		return nil, err
	}
	d.workers.Start()
	for _, p := range m.Head.Params() {
		p.Grad = make([]float32, p.Size())
	}
	d.params = inOrder(m, append(d.trainer.Params(), m.Head.Params()...))
	d.batch.Append(text.IDs, text.Segments)
	d.features = tensor.New(1, m.Encoder.Config.HiddenSize)
	if err = d.backward(); err == nil {
		err = d.step()
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// Close puts the model back to inference.
func (d *Differentiated) Close() {
	d.trainer.Release()
	for _, p := range d.m.Head.Params() {
		p.Grad = nil
	}
	d.workers.Stop()
}

// Gradient returns the gradient of a parameter, row-major, which is not to be changed; nil for a name that is not known.
func (d *Differentiated) Gradient(name string) []float32 { return d.grads[name] }

// order is that of the computation within a layer.
var order = []string{"/query/", "/key/", "/value/", "attention/output/dense", "attention/output/LayerNorm", "intermediate/dense",
	"/output/dense", "/output/LayerNorm"}

// inOrder sorts parameters in the order of the computation: embeddings, layer upon layer, pooler, head.
func inOrder(m *model.Model, params []*tensor.Param) []*tensor.Param {
	rank := func(p *tensor.Param) int {
		layer, n := 0, len(m.Encoder.Layers)
		switch {
		case strings.HasPrefix(p.Name, "bert/embeddings/"):
			return -1
		case strings.HasPrefix(p.Name, "bert/pooler/"):
			return n * len(order)
		}
		if found, _ := fmt.Sscanf(p.Name, "bert/encoder/layer_%d/", &layer); found == 0 {
			return n*len(order) + 1
		}
		return layer*len(order) + slices.IndexFunc(order, func(s string) bool { return strings.Contains(p.Name, s) })
	}
	sorted := slices.Clone(params)
	slices.SortStableFunc(sorted, func(a, b *tensor.Param) int { return cmp.Compare(rank(a), rank(b)) })
	return sorted
}

// loss runs the text forward. dz, unless nil, gets the derivative by the logits.
func (d *Differentiated) loss(dz *tensor.Tensor) (loss float64, logits *tensor.Tensor, err error) {
	if err := d.trainer.Forward(d.features, &d.batch, 0); err != nil {
		return 0, nil, err
	}
	logits, _ = d.m.Head.Score(d.features)
	return layers.MeanLoss(layers.SigmoidCrossEntropy{}, dz, logits, d.labels, 0), logits, nil
}

// backward fills in all but the step.
func (d *Differentiated) backward() error {
	dz, dfeatures := tensor.New(1, len(d.labels)), tensor.New(1, d.features.Cols)
	loss, logits, err := d.loss(dz)
	if err != nil {
		return err
	}
	if err := d.m.CheckLogits(logits); err != nil {
		return err
	}
	d.Loss = loss
	for i, label := range d.m.Labels {
		z := float64(logits.Data[i])
		share, _ := layers.SigmoidCrossEntropy{}.Cell(z, d.labels[i] == layers.Positive, i)
		d.Labels = append(d.Labels, LabelGradient{label, d.labels[i] == layers.Positive, z, share / float64(len(d.labels)),
			float64(dz.Data[i])})
	}
	d.m.Head.Backward(dfeatures, dz, d.features)
	d.Flow = append(d.Flow, Flow{Logits, norm32(dz.Data)}, Flow{Features, norm32(dfeatures.Data)})
	d.trainer.ObserveGradients = func(name string, dx *tensor.Tensor) {
		d.Flow = append(d.Flow, Flow{name, norm32(dx.Data)})
	}
	d.trainer.Backward(dfeatures)
	d.trainer.ObserveGradients = nil
	for _, p := range d.params {
		g, at := p.Grad, 0
		for i, v := range g {
			if math.Abs(float64(v)) > math.Abs(float64(g[at])) {
				at = i
			}
		}
		d.grads[p.Name] = slices.Clone(g)
		d.Params = append(d.Params, ParamGradient{Name: p.Name, Shape: p.Shape, Weight: norm32(p.Value), Gradient: norm32(g),
			Largest: float64(g[at]), At: place(p.Shape, at)})
	}
	return nil
}

// step makes one step, looks at what it did, and takes it back.
func (d *Differentiated) step() error {
	config := train.DefaultConfig()
	o, err := train.NewOptimizer(d.params, train.OptimizerConfig{Form: config.Optimizer, WeightDecay: config.WeightDecay}, d.workers)
	if err != nil {
		return err
	}
	squares := map[string]float64{}
	if name, sparse, ok := d.trainer.SparseSquares(); ok {
		squares[name] = sparse
	}
	if d.GlobalNorm, err = o.GlobalNorm(squares); err != nil {
		return err
	}
	factor := train.ClipFactor(d.GlobalNorm, config.ClipNorm)
	d.ClipFactor, d.Step.LearningRate = float64(factor), config.LearningRate
	before := make([][]float32, len(d.params))
	for i, p := range d.params {
		before[i] = slices.Clone(p.Value)
	}
	err = o.Step(0, float32(config.LearningRate), factor)
	if err == nil {
		d.Step.Loss, _, err = d.loss(nil)
	}
	for i, p := range d.params {
		squares := 0.0
		for j, v := range before[i] {
			squares += (float64(p.Value[j]) - float64(v)) * (float64(p.Value[j]) - float64(v))
		}
		d.Params[i].Step = math.Sqrt(squares)
		copy(p.Value, before[i])
	}
	return err
}

// keyBias says why there is nothing to check.
const keyBias = "its gradient is 0: it adds the same number to a row of scores, which the softmax does not see"

// Check compares the gradient of every parameter with differences of the loss, along the gradient and at its largest entry: eight forward
// passes a parameter. visit sees each as it is done.
func (d *Differentiated) Check(visit func(Check) error) error {
	for i, p := range d.params {
		g := &d.Params[i]
		var skipped string
		switch {
		case strings.HasSuffix(p.Name, "/key/bias"):
			skipped = keyBias
		case g.Gradient == 0:
			skipped = "its gradient is 0"
		}
		if skipped != "" {
			if err := visit(Check{Name: p.Name, Gradient: g.Gradient, Skipped: skipped}); err != nil {
				return err
			}
			continue
		}
		c := Check{Name: p.Name, H: lossMoves / g.Gradient, Gradient: g.Gradient}
		if err := d.compare(&c, p, func(w []float32, h float64) {
			for j, v := range d.grads[p.Name] {
				w[j] = float32(float64(w[j]) + h*float64(v)/g.Gradient)
			}
		}, visit); err != nil {
			return err
		}
		entry, err := d.Entry(p.Name, g.At)
		if err == nil {
			err = visit(entry)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Entry compares one entry of a gradient with differences of the loss. The error says that the model has no such parameter or entry.
func (d *Differentiated) Entry(name string, at []int) (Check, error) {
	i := slices.IndexFunc(d.params, func(p *tensor.Param) bool { return p.Name == name })
	if i < 0 {
		return Check{}, fmt.Errorf("the model has no parameter %q", name)
	}
	p, index := d.params[i], 0
	if len(at) != len(p.Shape) {
		return Check{}, fmt.Errorf("%s has the shape %v, no entry %v", name, p.Shape, at)
	}
	for k, n := range p.Shape {
		if at[k] < 0 || at[k] >= n {
			return Check{}, fmt.Errorf("%s has the shape %v, no entry %v", name, p.Shape, at)
		}
		index = index*n + at[k]
	}
	c := Check{Name: name, At: at, Gradient: float64(d.grads[name][index])}
	c.H = min(longestEntry, lossMoves/math.Abs(c.Gradient))
	switch {
	case strings.HasSuffix(name, "/key/bias"):
		c.Skipped = keyBias
	case c.Gradient == 0:
		c.Skipped = "its gradient is 0"
	}
	err := d.compare(&c, p, func(w []float32, h float64) { w[index] = float32(float64(w[index]) + h) }, nil)
	return c, err
}

// compare fills in the differences, with w moved by move, and shows the check to visit unless that is nil.
func (d *Differentiated) compare(c *Check, p *tensor.Param, move func(w []float32, h float64), visit func(Check) error) error {
	before := slices.Clone(p.Value)
	slope := func(h float64) (float64, error) {
		var losses [2]float64
		for i, h := range []float64{h, -h} {
			move(p.Value, h)
			loss, _, err := d.loss(nil)
			copy(p.Value, before)
			if err != nil {
				return 0, err
			}
			losses[i] = loss
		}
		return (losses[0] - losses[1]) / (2 * h), nil
	}
	near, err := slope(c.H)
	if err != nil {
		return err
	}
	far, err := slope(2 * c.H)
	if err != nil {
		return err
	}
	for h := c.H; c.H > h/16 && math.Abs(far-near) > bends*math.Abs(near); {
		c.H /= 2
		far = near
		if near, err = slope(c.H); err != nil {
			return err
		}
	}
	c.Differences = (4*near - far) / 3
	if visit != nil {
		return visit(*c)
	}
	return nil
}

// place returns the indices of element i of a row-major shape.
func place(shape []int, i int) []int {
	at := make([]int, len(shape))
	for k := len(shape) - 1; k >= 0; k-- {
		at[k], i = i%shape[k], i/shape[k]
	}
	return at
}

func norm32(x []float32) (n float64) {
	for _, v := range x {
		n += float64(v) * float64(v)
	}
	return math.Sqrt(n)
}
