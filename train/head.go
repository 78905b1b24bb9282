package train

import (
	"context"
	"fmt"

	"bertlabel/bert"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train/metrics"
)

// HeadTask is the training of a label head on features of a frozen encoder: the loss is convex, an epoch takes a moment, and
// the features are computed once.
type HeadTask struct {
	Config     Config
	Labels     []string
	Train      Features
	Dev        Features           // the zero Features for none
	Classifier *layers.Classifier // where training starts, and where its result goes; see InitClassifier
	Loss       layers.Loss        // nil for layers.SigmoidCrossEntropy
	Workers    *tensor.Workers    // nil for one goroutine; their number does not change a bit of the result
	Observe    func(Progress) error
}

// Features is what a head is trained on: a row of features for each text, or for each of its windows, and its labels.
type Features struct {
	X *tensor.Tensor // [rows, hidden]
	Y []int8         // row-major [texts, labels]: 1, 0, or −1 for unknown

	// Parts, where X is nil, read the features of rows to train on whenever they are needed; so they do the labels where Y is nil.
	Parts Parts

	Shares []float32 // as Y, from 0 to 1: what a loss takes in place of the known cells, while metrics go by Y; nil for none

	// First makes the rows of X windows, whose logits noisy-or makes those of their text (layers.NoisyOr): text t, and row t of Y and Shares,
	// has the rows [First[t], First[t+1]), [texts+1]. nil: each row is a text.
	First []int
}

// Texts returns how many texts there are, 0 for the zero Features.
func (f Features) Texts() int {
	switch {
	case f.First != nil:
		return len(f.First) - 1
	case f.X != nil:
		return f.X.Rows
	case f.Parts != nil:
		return RowsOf(f.Parts)
	}
	return 0
}

// Score returns what a head says of the texts: logits and probabilities, two new tensors, [texts, labels].
func (f Features) Score(c *layers.Classifier) (logits, probabilities *tensor.Tensor) {
	return c.ScoreWindows(f.X, f.First)
}

// Width returns the numbers of a row; 0 for the zero Features.
func (f Features) Width() int {
	switch {
	case f.X != nil:
		return f.X.Cols
	case f.Parts != nil:
		return f.Parts.Width()
	}
	return 0
}

// Narrow returns the features of a narrower pooling from those of wide, which has all its vectors; the zero Features from those.
func (f Features) Narrow(wide, pooling bert.Pooling) (Features, error) {
	if f.X == nil || wide == pooling {
		return f, nil
	}
	x, err := bert.SelectFeatures(f.X, wide, pooling)
	return Features{X: x, Y: f.Y, Shares: f.Shares, First: f.First}, err
}

// Subset returns copies of some texts, whose labels are so many.
func (f Features) Subset(texts []int, labels int) Features {
	part := Features{Y: make([]int8, 0, len(texts)*labels)}
	if f.First != nil {
		part.First = []int{0}
	}
	var rows []int
	for _, text := range texts {
		first, end := rowsOf(f.First, text)
		for row := first; row < end; row++ {
			rows = append(rows, row)
		}
		if f.First != nil {
			part.First = append(part.First, len(rows))
		}
	}
	part.X = tensor.New(len(rows), f.X.Cols)
	for i, row := range rows {
		copy(part.X.Row(i), f.X.Row(row))
	}
	for _, row := range texts {
		part.Y = append(part.Y, f.Y[row*labels:(row+1)*labels]...)
		if f.Shares != nil {
			part.Shares = append(part.Shares, f.Shares[row*labels:(row+1)*labels]...)
		}
	}
	return part
}

// Label returns the texts that say something of one of so many labels, with its cells alone.
func (f Features) Label(label, labels int) Features {
	var texts []int
	for t := range f.Texts() {
		if f.Y[t*labels+label] != layers.Unknown {
			texts = append(texts, t)
		}
	}
	part := f.Subset(texts, labels)
	one := Features{X: part.X, First: part.First, Y: make([]int8, len(texts))}
	for t := range texts {
		one.Y[t] = part.Y[t*labels+label]
		if part.Shares != nil {
			one.Shares = append(one.Shares, part.Shares[t*labels+label])
		}
	}
	return one
}

// rowsOf returns the rows [start, end) of a text.
func rowsOf(first []int, text int) (start, end int) {
	if first == nil {
		return text, text + 1
	}
	return first[text], first[text+1]
}

// TrainHead trains task.Classifier in place and returns how the run went. With Dev the classifier ends with the weights of
// the step that was best by Config.BestMetric, without it with those of the last step. After an error it holds those of the
// last whole step.
func TrainHead(ctx context.Context, task HeadTask) (State, error) {
	best := make([][]float32, 2)
	observe := task.Observe
	task.Observe = func(p Progress) error {
		if p.Best {
			for i, param := range task.Classifier.Params() {
				best[i] = append(best[i][:0], param.Value...)
			}
		}
		if observe == nil {
			return nil
		}
		return observe(p)
	}
	loop, err := NewHeadLoop(task)
	if err != nil {
		return State{}, err
	}
	if err := loop.Run(ctx); err != nil {
		return loop.State(), err
	}
	if loop.State().BestStep > 0 {
		for i, param := range task.Classifier.Params() {
			copy(param.Value, best[i])
		}
	}
	return loop.State(), nil
}

// NewHeadLoop returns the loop of the task, for callers that save and restore between its steps.
func NewHeadLoop(task HeadTask) (*Loop, error) {
	if err := task.check(); err != nil {
		return nil, err
	}
	if parts := task.Train.Parts; parts != nil && task.Train.Y == nil {
		var err error
		if task.Train.Y, task.Train.Shares, err = LabelsOf(parts); err != nil {
			return nil, err
		}
	}
	loop, err := NewLoop(task.Config, newHead(task), task.Train.Texts(), task.Train.Y, task.Train.Shares, task.Workers)
	if err != nil {
		return nil, err
	}
	if parts := task.Train.Parts; parts != nil {
		for i := range parts.Len() {
			loop.stream.Parts = append(loop.stream.Parts, parts.Rows(i))
		}
	}
	loop.Observe = task.Observe
	if task.Dev.X != nil {
		loop.Evaluate = task.evaluate
	}
	return loop, nil
}

func (t HeadTask) check() error {
	if err := t.Config.Check(); err != nil {
		return err
	}
	if err := CheckFeatures(t.Labels, t.Classifier, t.Train, t.Dev); err != nil {
		return err
	}
	for _, p := range t.Classifier.Params() {
		if len(p.Value) != p.Size() {
			return fmt.Errorf("tensor %q: %d values for shape %v", p.Name, len(p.Value), p.Shape)
		}
	}
	return nil
}

// CheckFeatures returns an error for shapes that do not belong together: of the label names, of the head c [labels, hidden] and of
// the features [rows, hidden] with their label cells [rows, labels]. dev.X may be nil.
func CheckFeatures(labels []string, c *layers.Classifier, train, dev Features) error {
	if train.X == nil && train.Parts == nil || c == nil {
		return fmt.Errorf("head training needs features and a classifier")
	}
	n, hidden := c.Weights.Shape[0], c.Weights.Shape[1]
	if len(labels) != n {
		return fmt.Errorf("%d label names for a head of %d labels", len(labels), n)
	}
	for name, f := range map[string]Features{"training": train, "dev": dev} {
		texts, width := f.Texts(), f.Width()
		if f.First != nil && (f.X == nil || len(f.First) < 2 || f.First[0] != 0 || f.First[len(f.First)-1] != f.X.Rows || !increases(f.First)) {
			return fmt.Errorf("%s features [%d, %d] of windows that do not begin with 0, end with the rows and grow", name, texts, width)
		}
		unread := f.Parts != nil && f.Y == nil
		if texts+width > 0 && (width != hidden || len(f.Y) != texts*n && !unread) {
			return fmt.Errorf("%s features [%d, %d] with %d label cells, want width %d and %d labels a row", name, texts, width, len(f.Y),
				hidden, n)
		}
		if f.Shares != nil && len(f.Shares) != len(f.Y) {
			return fmt.Errorf("%s features with %d shares for %d label cells", name, len(f.Shares), len(f.Y))
		}
	}
	return nil
}

// increases reports whether each number is greater than the one before it: no text is without windows.
func increases(first []int) bool {
	for i := range first[1:] {
		if first[i+1] <= first[i] {
			return false
		}
	}
	return true
}

// evaluate scores the dev features at a threshold of 0.5.
func (t HeadTask) evaluate(context.Context) (*metrics.Report, error) {
	_, p := t.Dev.Score(t.Classifier)
	return metrics.Evaluate(metrics.Data{Labels: t.Labels, Truth: t.Dev.Y, Scores: p.Data}, []float32{0.5})
}

// pooledSite is the site of dropout on the pooled output. Those of the encoder count from 1.
const pooledSite = 0

// head is the Model of a HeadTask.
type head struct {
	classifier *layers.Classifier
	features   *tensor.Tensor // [rows, hidden]; nil where parts has them
	parts      *partRows
	first      []int // of Features
	loss       layers.Loss
	dropout    layers.Dropout
	workers    *tensor.Workers

	batch Batch
	rows  []int          // of features that the texts of the batch have, [batch rows]
	at    []layers.Place // where they stand in the stream
	begin []int          // with first: of each text in them, [batch+1]

	x       tensor.Tensor // [batch rows, hidden], features after dropout
	logits  tensor.Tensor // [batch rows, labels]
	dlogits tensor.Tensor // [batch rows, labels]

	texts, dtexts tensor.Tensor // with first: the logits of the texts, and the gradient by them, [batch, labels]
}

func newHead(t HeadTask) *head {
	h := &head{
		classifier: t.Classifier,
		features:   t.Train.X,
		first:      t.Train.First,
		loss:       t.Loss,
		dropout:    layers.NewDropout(t.Config.Dropout, t.Config.Seed, pooledSite),
		workers:    t.Workers,
	}
	if t.Train.Parts != nil {
		h.parts = newPartRows(t.Train.Parts)
	}
	if h.loss == nil {
		h.loss = layers.SigmoidCrossEntropy{}
	}
	return h
}

// Params implements Model.
func (h *head) Params() []*tensor.Param { return h.classifier.Params() }

// SparseSquares implements Model.
func (h *head) SparseSquares() map[string]float64 { return nil }

// AddGradient implements Model.
func (h *head) AddGradient(b Batch) (float64, error) {
	h.batch = b
	h.list()
	rows, labels := len(h.rows), h.classifier.Labels()
	h.x.Resize(rows, h.classifier.Weights.Shape[1])
	h.logits.Resize(rows, labels)
	h.dlogits.Resize(rows, labels)

	if h.parts != nil {
		for i, row := range b.Rows {
			features, err := h.parts.row(row)
			if err != nil {
				return 0, err
			}
			copy(h.x.Row(i), features)
		}
	}
	h.workers.Do(rows, gather{h})
	h.workers.Do(labels, forward{h})
	loss := h.textLoss()
	if !finite(loss) {
		return 0, h.blame(loss)
	}
	h.workers.Do(labels, backward{h})
	return loss, nil
}

// list sets rows, at and begin to those of the batch. Dropout takes the windows of a text for its tokens, so that it differs between them.
func (h *head) list() {
	h.rows, h.at, h.begin = h.rows[:0], h.at[:0], append(h.begin[:0], 0)
	for i, text := range h.batch.Rows {
		first, end := rowsOf(h.first, text)
		for row := first; row < end; row++ {
			h.rows = append(h.rows, row)
			h.at = append(h.at, layers.Place{Example: h.batch.First + uint64(i), Token: uint32(row - first)})
		}
		h.begin = append(h.begin, len(h.rows))
	}
}

// textLoss returns the loss of the logits, and sets dlogits to its gradient.
func (h *head) textLoss() float64 {
	b := &h.batch
	if h.first == nil {
		return layers.MeanSoftLoss(h.loss, &h.dlogits, &h.logits, b.Labels, b.Shares, b.Cells)
	}
	h.texts.Resize(len(b.Rows), h.logits.Cols)
	h.dtexts.Resize(len(b.Rows), h.logits.Cols)
	layers.NoisyOrRows(&h.texts, &h.logits, h.begin)
	loss := layers.MeanSoftLoss(h.loss, &h.dtexts, &h.texts, b.Labels, b.Shares, b.Cells)
	layers.NoisyOrRowsBackward(&h.dlogits, &h.logits, &h.dtexts, h.begin)
	return loss
}

// inputGradient overwrites dfeatures [batch rows, hidden] with the gradient of the last AddGradient's sum by its features.
func (h *head) inputGradient(dfeatures *tensor.Tensor) {
	h.classifier.BackwardInput(dfeatures, &h.dlogits) // logits = x·Wᵀ + b
	for i := range dfeatures.Rows {                   // x = dropout(features)
		row := dfeatures.Row(i)
		h.dropout.Row(row, row, h.at[i])
	}
}

// The three loops of AddGradient. Rows and labels are split among workers, a sum never is.
type (
	gather   struct{ *head } // over rows: x = dropout(features)
	forward  struct{ *head } // over labels: logits = x·Wᵀ + b
	backward struct{ *head } // over labels: dW and db
)

func (h gather) Run(_, i int) {
	features := h.x.Row(i) // of parts they are there already
	if h.features != nil {
		features = h.features.Row(h.rows[i])
	}
	h.dropout.Row(h.x.Row(i), features, h.at[i])
}

func (h forward) Run(_, l int) { h.classifier.ForwardLabels(&h.logits, &h.x, l, l+1) }

func (h backward) Run(_, l int) { h.classifier.BackwardLabels(&h.dlogits, &h.x, l, l+1) }

// blame names the tensor because of which the loss is not finite.
func (h *head) blame(loss float64) error {
	for _, row := range h.rows {
		if h.features == nil {
			break // parts have none that are not finite
		}
		if err, ok := diverged("features", []int{1, h.features.Cols}, h.features.Row(row)).(*DivergedError); ok {
			err.Index[0] = row
			return err
		}
	}
	for _, p := range h.Params() {
		if err := diverged(p.Name, p.Shape, p.Value); err != nil {
			return err
		}
	}
	if err := diverged("logits", []int{h.logits.Rows, h.logits.Cols}, h.logits.Data); err != nil {
		return err
	}
	return &DivergedError{Tensor: "loss", Value: loss}
}
