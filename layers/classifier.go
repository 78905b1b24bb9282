package layers

import (
	"fmt"

	"bertlabel/asm"
	"bertlabel/tensor"
)

// Classifier is the label head of create_model in run_classifier.py: logits = x·Wᵀ + b.
//
// Each logit is one dot product of its own, never part of a blocked product: its bits depend on its row of x and its row of W
// alone, so neither the other texts of a batch nor labels added later change them.
type Classifier struct {
	Weights *tensor.Param // W, [labels, hidden], "output_weights"
	Bias    *tensor.Param // b, [labels], "output_bias"
}

// NewClassifier returns a head for so many labels on features of width hidden, under Google's names and without values.
func NewClassifier(labels, hidden int) *Classifier {
	return &Classifier{
		Weights: tensor.NewParam("output_weights", labels, hidden),
		Bias:    tensor.NewParam("output_bias", labels),
	}
}

// ZeroClassifier returns a head with values, all 0.
func ZeroClassifier(labels, hidden int) *Classifier {
	c := NewClassifier(labels, hidden)
	for _, p := range c.Params() {
		p.Value = make([]float32, p.Size())
	}
	return c
}

// Select returns a head with copies of some outputs: its output i is output order[i] of c.
func (c *Classifier) Select(order []int) *Classifier {
	width := c.Weights.Shape[1]
	s := ZeroClassifier(len(order), width)
	for i, j := range order {
		copy(s.Weights.Value[i*width:(i+1)*width], c.Weights.Value[j*width:(j+1)*width])
		s.Bias.Value[i] = c.Bias.Value[j]
	}
	return s
}

// Params returns the weights and the bias.
func (c *Classifier) Params() []*tensor.Param { return []*tensor.Param{c.Weights, c.Bias} }

// Labels returns the number of outputs.
func (c *Classifier) Labels() int { return c.Weights.Shape[0] }

// Forward sets logits [rows, labels] from x [rows, hidden]; they must not share memory. Calls on disjoint rows may run at the
// same time.
func (c *Classifier) Forward(logits, x *tensor.Tensor) { c.ForwardLabels(logits, x, 0, c.Labels()) }

// Score returns the logits of features x [rows, hidden] and their sigmoids, the probabilities: two new tensors, [rows, labels]. Broken
// weights or features give numbers that are not finite; tensor.NotFinite finds them.
func (c *Classifier) Score(x *tensor.Tensor) (logits, probabilities *tensor.Tensor) {
	logits, probabilities = tensor.New(x.Rows, c.Labels()), tensor.New(x.Rows, c.Labels())
	c.Forward(logits, x)
	asm.Best.Sigmoid(probabilities.Data, logits.Data)
	return logits, probabilities
}

// ScoreRow is Score for one feature, [hidden], into logits and probabilities, both [labels], with the same bits. It panics when a length
// is another one.
func (c *Classifier) ScoreRow(logits, probabilities, x []float32) {
	labels, hidden := c.Weights.Shape[0], c.Weights.Shape[1]
	if len(x) != hidden || len(logits) != labels || len(probabilities) != labels {
		panic(fmt.Sprintf("layers.Classifier.ScoreRow: x [%d], logits [%d], probabilities [%d] for weights [%d, %d]",
			len(x), len(logits), len(probabilities), labels, hidden))
	}
	for l := range logits {
		logits[l] = asm.Best.Dot(c.row(c.Weights.Value, l), x) + c.Bias.Value[l]
	}
	asm.Best.Sigmoid(probabilities, logits)
}

// ForwardLabels is Forward for the labels [from, to): it writes these columns of logits only, so calls on disjoint labels may
// run at the same time.
func (c *Classifier) ForwardLabels(logits, x *tensor.Tensor, from, to int) {
	c.check("Forward", logits, x)
	for l := from; l < to; l++ {
		w, b := c.row(c.Weights.Value, l), c.Bias.Value[l]
		for i := range x.Rows {
			logits.Row(i)[l] = asm.Best.Dot(w, x.Row(i)) + b
		}
	}
}

// Backward overwrites dx and adds to Weights.Grad and Bias.Grad, given dlogits and the x of the forward pass:
//
//	dx = dlogits·W    dW += dlogitsᵀ·x    db += Σ over rows of dlogits
//
// dx may be nil when nothing below the head is trained; it must not be x or dlogits.
func (c *Classifier) Backward(dx, dlogits, x *tensor.Tensor) {
	c.BackwardLabels(dlogits, x, 0, c.Labels())
	if dx != nil {
		c.BackwardInput(dx, dlogits)
	}
}

// BackwardInput is the part of Backward that overwrites dx.
func (c *Classifier) BackwardInput(dx, dlogits *tensor.Tensor) {
	c.check("Backward", dlogits, dx)
	for i := range dx.Rows { // logits = x·Wᵀ + b
		row := dx.Row(i)
		clear(row)
		for l, dz := range dlogits.Row(i) {
			asm.Best.Axpy(row, dz, c.row(c.Weights.Value, l))
		}
	}
}

// BackwardLabels is the part of Backward that belongs to the parameters of the labels [from, to): calls on disjoint labels may
// run at the same time. Rows are added one by one in their order, so the gradient of a large batch has the same bits when its
// rows come in several calls.
func (c *Classifier) BackwardLabels(dlogits, x *tensor.Tensor, from, to int) {
	c.check("Backward", dlogits, x)
	for l := from; l < to; l++ { // logits = x·Wᵀ + b
		dw, db := c.row(c.Weights.Grad, l), &c.Bias.Grad[l]
		for i := range x.Rows {
			dz := dlogits.Row(i)[l]
			asm.Best.Axpy(dw, dz, x.Row(i))
			*db += dz
		}
	}
}

// Rescale changes the head so that label l, whose logit was z, has slope[l]·z + intercept[l]: the form in which a calibration
// becomes part of an ordinary head. Both have length labels.
func (c *Classifier) Rescale(slope, intercept []float64) {
	for l, a := range slope {
		for j, w := range c.row(c.Weights.Value, l) {
			c.row(c.Weights.Value, l)[j] = float32(a * float64(w))
		}
		c.Bias.Value[l] = float32(a*float64(c.Bias.Value[l]) + intercept[l])
	}
}

// row returns row l of a [labels, hidden] matrix.
func (c *Classifier) row(m []float32, l int) []float32 {
	hidden := c.Weights.Shape[1]
	return m[l*hidden : (l+1)*hidden]
}

func (c *Classifier) check(op string, logits, x *tensor.Tensor) {
	labels, hidden := c.Weights.Shape[0], c.Weights.Shape[1]
	if logits.Rows != x.Rows || logits.Cols != labels || x.Cols != hidden {
		panic(fmt.Sprintf("layers.Classifier.%s: logits [%d, %d] and x [%d, %d] for weights [%d, %d]",
			op, logits.Rows, logits.Cols, x.Rows, x.Cols, labels, hidden))
	}
}
