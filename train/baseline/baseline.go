package baseline

import (
	"context"
	"math"
	"sync/atomic"

	"bertlabel/tensor/parallel"
)

// Unknown is the truth of a cell that is left out.
const Unknown int8 = -1

// Data are texts and their labels.
type Data struct {
	Texts [][]string // [rows][parts of a text]
	Truth []int8     // [rows, labels], row-major: 1, 0 or Unknown
}

// Model is a trained baseline.
type Model struct {
	Vectorizer *Vectorizer
	C          []float64   // [labels]: the inverse strength of the penalty that was taken; 0 for a label with one class
	Weights    [][]float64 // [labels][terms]
	Bias       []float64   // [labels]
}

// Train trains a model for labels labels on the rows of train. For each label C is the one of cs, which rise, with the lowest log
// loss on dev; with one value there is nothing to choose, and dev is not looked at. A label with cells of one class only gets
// weights of zero and a bias of the log-odds with half a cell added to both classes. Labels are trained side by side; their number
// of goroutines does not change a bit. The error is the cause of ctx's end. done is told of every label that is done, if it is not
// nil.
func Train(ctx context.Context, train, dev Data, labels int, o Options, cs []float64, done func(labels int)) (*Model, error) {
	v := NewVectorizer(train.Texts, o)
	m := &Model{Vectorizer: v, C: make([]float64, labels), Weights: make([][]float64, labels), Bias: make([]float64, labels)}
	x, devX := v.Transform(train.Texts), &Matrix{Starts: []int{0}}
	if len(cs) > 1 {
		devX = v.Transform(dev.Texts)
	}
	var finished atomic.Int64
	parallel.For(labels, func(label int) {
		if ctx.Err() != nil {
			return
		}
		m.solve(label, x, cells(train.Truth, label, labels), devX, cells(dev.Truth, label, labels), cs)
		if n := finished.Add(1); done != nil {
			done(int(n))
		}
	})
	return m, context.Cause(ctx)
}

// column is the truth of one label: the rows where it is known.
type column struct {
	rows []int
	y    []int8
	ones int
}

func cells(truth []int8, label, labels int) (c column) {
	for i := label; i < len(truth); i += labels {
		if y := truth[i]; y != Unknown {
			c.rows = append(c.rows, i/labels)
			c.y = append(c.y, y)
			c.ones += int(y)
		}
	}
	return c
}

// solve trains one label.
func (m *Model) solve(label int, x *Matrix, train column, devX *Matrix, dev column, cs []float64) {
	m.Weights[label] = make([]float64, x.Cols)
	if zeros := len(train.y) - train.ones; zeros == 0 || train.ones == 0 {
		m.Bias[label] = math.Log((float64(train.ones) + 0.5) / (float64(zeros) + 0.5))
		return
	}
	l := newLogistic(x, train.rows, train.y)
	least := math.Inf(1)
	for _, c := range cs {
		l.solve(c)
		loss := 0.0
		if len(cs) > 1 {
			loss = logLoss(devX, dev, l.w)
		}
		if loss < least {
			least, m.C[label] = loss, c
			copy(m.Weights[label], l.w)
			m.Bias[label] = l.w[len(l.w)-1]
		}
	}
}

// logLoss returns the sum of the log losses of the known cells of a label.
func logLoss(x *Matrix, cells column, w []float64) (sum float64) {
	for i, row := range cells.rows {
		z := logit(x, row, w, w[len(w)-1])
		sum += math.Max(z, 0) + math.Log1p(math.Exp(-math.Abs(z))) - float64(cells.y[i])*z
	}
	return sum
}

func logit(x *Matrix, row int, w []float64, b float64) float64 {
	columns, values := x.Row(row)
	for k, column := range columns {
		b += values[k] * w[column]
	}
	return b
}

// Predict returns the probabilities of every label for texts, [rows, labels], row-major.
func (m *Model) Predict(texts [][]string) []float32 {
	x := m.Vectorizer.Transform(texts)
	p := make([]float32, 0, len(texts)*len(m.Bias))
	for i := range texts {
		for label, w := range m.Weights {
			p = append(p, float32(1/(1+math.Exp(-logit(x, i, w, m.Bias[label])))))
		}
	}
	return p
}
