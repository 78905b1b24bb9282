package bert

import (
	"fmt"

	"bertlabel/layers"
	"bertlabel/tensor"
)

// TrainerOptions says what of a model is trained, and how it drops out. The zero value trains nothing, and is refused; with Layers
// set, the other zeros are: the pooled output is read, the embeddings stay, nothing drops out.
type TrainerOptions struct {
	Pooling    Pooling // the features that the head reads; with Pooled the pooler is trained too
	Layers     int     // how many layers are trained, counted from the last; at least 1
	Embeddings bool    // train the embeddings too; needs all layers

	// Precision is that of the products of the layers, trained and frozen, forward and backward: FP32 or BF16. In BF16 the operands of each
	// product are rounded on their way, the products of attention included. What is stepped, W, stays float32, as do the sums of products and
	// the gradients by W, biases, embeddings, residual connections, LayerNorm, softmax, activations, pooler and their gradients. Rounded is
	// the model in BF16, whose frozen layers must be those of the model; nil: NewTrainer makes one. It is not used in FP32.
	Precision Precision
	Rounded   *Rounded

	HiddenDropout    float64 // hidden_dropout_prob: after the embeddings and the two dense outputs of each layer
	AttentionDropout float64 // attention_probs_dropout_prob
	Seed             uint64  // of dropout

	// OfWindows makes Forward set the features of each window of a text, and Backward take the gradient by them, [sequences, hidden], instead
	// of those of the texts, [texts, hidden].
	OfWindows bool

	// Recompute keeps of the forward pass no more than the input of each layer, and runs the layer again on the way back: the
	// same bits, for the activations of one layer instead of all and a third more time (Chen et al. 2016, arXiv:1604.06174, §4.1,
	// with a segment for each layer).
	Recompute bool
}

// Sites of dropout (layers.NewDropout). Site 0 is left to the head's.
const (
	embeddingsSite = 1
	firstLayerSite = 2 // layer n has the sites firstLayerSite + n·(heads + 2) and those after: its heads, its two outputs
)

// Trainer runs the encoder forward and backward. What it trains it reads from Params, where an optimizer may step it between
// two passes; layers below the trained ones run as in inference, without dropout, and are not differentiated. A Trainer and its
// memory serve one pass at a time. The activations that Backward needs are kept for real tokens only; in the steady state a
// pass allocates nothing.
//
// The same seed, texts and places in the stream give the same bits for any number of workers, and a text's features do not
// depend on the other texts of its batch.
type Trainer struct {
	model   *Model
	options TrainerOptions
	ws      *Workspace

	embeddings *embeddingsTraining // nil: frozen
	layers     []*layerTraining    // the trained ones
	pooler     *poolerTraining     // nil: not part of the features

	batch     *Batch
	hidden    []tensor.Tensor // hidden[i] is the input of layers[i]; the last one is what pooling reads
	rows      rowSet          // of all layers but perhaps the last
	last      rowSet          // of the last layer
	dx, dlast tensor.Tensor   // gradient on its way down: [tokens, hidden], [sequences, hidden]
	parts     tensor.Tensor   // features of windows, then the gradient by them, [sequences, hidden]
	join      poolingPlan     // of their features
	gradients layerGradients
}

// rowSet says which rows of a layer go on: all tokens, or, where nothing else is read, the first of each sequence.
type rowSet struct {
	first   bool
	queries []int          // sequence s has rows [queries[s], queries[s+1])
	keys    []int          // and tokens [keys[s], keys[s+1])
	at      []layers.Place // of the rows
}

// NewTrainer returns a trainer of m whose loops run on w, nil for the calling goroutine; w must have been started when Forward
// and Backward are called. It gives the trained parameters gradients of zero, and kernels their row-major values back. While it
// lives m is not to be packed or loaded; Pack brings inference up to date.
func (m *Model) NewTrainer(o TrainerOptions, w *tensor.Workers) (*Trainer, error) {
	if m.Rounds() {
		return nil, fmt.Errorf("a model held in %s, its word embeddings in %s, cannot be trained: its weights are rounded; open it in %s",
			m.precision, m.embeddings, FP32)
	}
	t, err := m.newTrainer(o, NewWorkspace(w))
	if err != nil {
		return nil, err
	}
	for _, d := range t.dense() {
		d.Kernel.Value = d.Values()
	}
	for _, l := range t.layers {
		for _, d := range l.dense() {
			d.Training = o.Precision
		}
	}
	if o.Precision == BF16 && o.Rounded == nil {
		t.options.Rounded = m.Rounded(BF16)
		t.options.Rounded.Follow(w.Count())
	}
	for _, p := range t.Params() {
		p.Grad = make([]float32, p.Size())
	}
	return t, nil
}

// newTrainer is NewTrainer without the memory.
func (m *Model) newTrainer(o TrainerOptions, ws *Workspace) (*Trainer, error) {
	if err := m.checkTrainer(&o); err != nil {
		return nil, err
	}
	t := &Trainer{model: m, options: o, ws: ws, hidden: make([]tensor.Tensor, o.Layers+1)}
	t.join = poolingPlan{model: m, parts: []poolingPart{{kind: o.Pooling}}}
	if o.Embeddings {
		t.embeddings = &embeddingsTraining{Embeddings: m.Embeddings}
		t.embeddings.dropout.Dropout = layers.NewDropout(o.HiddenDropout, o.Seed, embeddingsSite)
	}
	n := len(m.Layers)
	for i := n - o.Layers; i < n; i++ {
		t.layers = append(t.layers, newLayerTraining(m.Layers[i], i, &o))
		if o.Recompute {
			t.layers[len(t.layers)-1].layerActivations = t.layers[0].layerActivations
		}
	}
	if o.Pooling == Pooled {
		t.pooler = &poolerTraining{Pooler: m.Pooler}
	}
	return t, nil
}

// checkTrainer refuses options that do not fit the model.
func (m *Model) checkTrainer(o *TrainerOptions) error {
	n := len(m.Layers)
	switch {
	case o.Layers < 1 || o.Layers > n:
		return fmt.Errorf("%d layers to train, want 1 to %d, which the model has", o.Layers, n)
	case o.Precision != FP32 && o.Precision != BF16:
		return fmt.Errorf("layers cannot be trained in %s, only in %s or %s", o.Precision, FP32, BF16)
	case o.Rounded != nil && (o.Rounded.of != m || o.Rounded.precision != o.Precision):
		return fmt.Errorf("the rounded model is not one of this model in %s", o.Precision)
	case o.Embeddings && o.Layers < n:
		return fmt.Errorf("embeddings cannot be trained with %d of %d layers: all that is above them must be", o.Layers, n)
	case o.Pooling != Pooled && o.Pooling != CLS && o.Pooling != Mean:
		return fmt.Errorf("pooling %s is for a frozen encoder; with its layers pooled, cls and mean can be trained", o.Pooling)
	case o.Pooling == Pooled && m.Pooler == nil:
		return fmt.Errorf("pooling %s needs bert/pooler/dense, which the model does not have", o.Pooling)
	case !(o.HiddenDropout >= 0 && o.HiddenDropout < 1 && o.AttentionDropout >= 0 && o.AttentionDropout < 1):
		return fmt.Errorf("dropout of %v and %v (attention probs), want at least 0 and below 1", o.HiddenDropout, o.AttentionDropout)
	}
	return nil
}

// dense lists the trained layers whose kernels inference reads packed.
func (t *Trainer) dense() (ds []*layers.Dense) {
	for _, l := range t.layers {
		ds = append(ds, l.dense()...)
	}
	if t.pooler != nil {
		ds = append(ds, t.pooler.Dense)
	}
	return ds
}

// Params lists the trained parameters, always the same in the same order.
func (t *Trainer) Params() (ps []*tensor.Param) {
	if e := t.embeddings; e != nil {
		ps = append(ps, e.Word.Table, e.Position.Table, e.TokenType.Table)
		ps = append(ps, e.Norm.Params()...)
	}
	for _, l := range t.layers {
		for _, n := range l.norms() {
			ps = append(ps, n.Params()...)
		}
	}
	for _, d := range t.dense() {
		ps = append(ps, d.Params()...)
	}
	return ps
}

// Pack makes inference by the model see the present values of the parameters.
func (t *Trainer) Pack() {
	for _, d := range t.dense() {
		d.Pack()
	}
}

// Release packs, and lets go of the gradients and of the row-major kernels: the model is as it was after Load. The trainer is of
// no use after it.
func (t *Trainer) Release() {
	t.Pack()
	for _, d := range t.dense() {
		d.Kernel.Value, d.Training = nil, FP32
	}
	for _, p := range t.Params() {
		p.Grad = nil
	}
}

// Forward sets features [texts, hidden] (OfWindows: [sequences, hidden]) to the vectors that stand for the texts of b, after dropout within
// the encoder. Text i of b is example first + i of the endless stream of training texts. b must stay as it is until Backward. The error
// says that b does not fit the model.
func (t *Trainer) Forward(features *tensor.Tensor, b *Batch, first uint64) error {
	return t.ForwardKept(features, b, first, nil, nil)
}

// ForwardKept is Forward, bit for bit, of those texts of a training set whose frozen states kept has room for: it runs the frozen layers
// only if it has not seen one of them yet. A nil kept keeps nothing.
func (t *Trainer) ForwardKept(features *tensor.Tensor, b *Batch, first uint64, kept *FrozenStates, texts []int) error {
	if err := b.Check(&t.model.Config); err != nil {
		return err
	}
	rows := b.Texts()
	if t.options.OfWindows {
		rows = b.Sequences()
	}
	if features.Rows != rows || features.Cols != t.model.Config.HiddenSize {
		panic(fmt.Sprintf("bert.Trainer.Forward: features [%d, %d] of %d texts", features.Rows, features.Cols, rows))
	}
	t.begin(b, first)
	x := &t.hidden[0]
	x.Resize(b.Tokens(), features.Cols)
	if !kept.load(x, texts) {
		t.forwardFrozen(kept)
		kept.store(x, texts, b)
	}
	for i, l := range t.layers {
		rows := t.rowsOf(i)
		t.hidden[i+1].Resize(len(rows.at), features.Cols)
		l.forward(t.ws, &t.hidden[i+1], &t.hidden[i], rows)
	}
	if !t.joins() {
		t.pool(features)
		return nil
	}
	t.parts.Resize(b.Sequences(), features.Cols)
	t.pool(&t.parts)
	for text := range features.Rows {
		parts, kept := t.windows(text)
		t.join.join(features.Row(text), &parts, kept)
	}
	return nil
}

// joins reports whether texts have features of several windows.
func (t *Trainer) joins() bool { return t.batch.windowed() && !t.options.OfWindows }

// pool sets y [sequences, hidden].
func (t *Trainer) pool(y *tensor.Tensor) {
	top := &t.hidden[len(t.layers)]
	switch {
	case t.options.Pooling == Mean:
		meanRows(y, top, t.batch.Offsets, t.batch.Kept)
	case t.pooler != nil:
		t.pooler.forward(&t.ws.Workspace, y, top)
	default:
		copy(y.Data, top.Data)
	}
}

// windows returns the rows of parts that are a text's, and which tokens count in each of its windows.
func (t *Trainer) windows(text int) (parts tensor.Tensor, kept []Range) {
	first, end := t.batch.sequencesOf(text)
	return t.parts.SliceRows(first, end), t.batch.Kept[first:end]
}

// begin says where the rows of the batch stand.
func (t *Trainer) begin(b *Batch, first uint64) {
	t.batch = b
	t.rows.queries, t.rows.keys, t.rows.at = b.Offsets, b.Offsets, t.rows.at[:0]
	t.last.first, t.last.keys, t.last.queries, t.last.at = true, b.Offsets, t.last.queries[:0], t.last.at[:0]
	for text := range b.Texts() {
		start, end := b.Text(text)
		for token := range end - start { // counted on from window to window, so that dropout differs between them
			t.rows.at = append(t.rows.at, layers.Place{Example: first + uint64(text), Token: uint32(token)})
		}
		window, last := b.sequencesOf(text)
		for ; window < last; window++ {
			t.last.queries = append(t.last.queries, window)
			t.last.at = append(t.last.at, t.rows.at[b.Offsets[window]])
		}
	}
	t.last.queries = append(t.last.queries, b.Sequences())
}

// rowsOf returns the rows of trained layer i that go on.
func (t *Trainer) rowsOf(i int) *rowSet {
	if i == len(t.layers)-1 && t.options.Pooling != Mean {
		return &t.last
	}
	return &t.rows
}

// forwardFrozen sets hidden[0], the input of the first trained layer, and lets kept pool what is below.
func (t *Trainer) forwardFrozen(kept *FrozenStates) {
	x := &t.hidden[0]
	if t.embeddings != nil {
		t.embeddings.forward(&t.ws.Workspace, x, t.batch, t.rows.at)
		return
	}
	t.model.Embeddings.Forward(x, t.batch)
	kept.pool(t.ws, x, -1, t.batch)
	inference := t.model
	if t.options.Precision == BF16 {
		inference = t.options.Rounded.Model
	}
	for i := range len(t.model.Layers) - len(t.layers) {
		inference.Layers[i].Forward(t.ws, x, x, t.batch.Offsets)
		kept.pool(t.ws, x, i, t.batch)
	}
}

// Backward adds the gradients of the batch of the last Forward to those of the parameters, given dfeatures [texts, hidden], the
// gradient of the loss by its features.
func (t *Trainer) Backward(dfeatures *tensor.Tensor) { t.BackwardObserved(dfeatures, nil) }

// BackwardObserved is Backward that shows the gradient on its way down: that by the output of the last layer, of the rows that pooling
// reads, then that by the output of each layer below, "layer_N", and by "embedding_output" where the embeddings are trained. observe, nil
// for nobody, must not keep it.
func (t *Trainer) BackwardObserved(dfeatures *tensor.Tensor, observe func(name string, dx *tensor.Tensor)) {
	n, below := len(t.layers), len(t.model.Layers)-len(t.layers)
	show := func(i int, dx *tensor.Tensor) { // by the input of trained layer i
		switch {
		case observe == nil || dx == nil:
		case below+i == 0:
			observe("embedding_output", dx)
		default:
			observe(fmt.Sprintf("layer_%d", below+i-1), dx)
		}
	}
	dy := t.backwardPooling(dfeatures)
	show(n, dy)
	for i := n - 1; i >= 0; i-- {
		dx := &t.dx
		if i == 0 && t.embeddings == nil {
			dx = nil // nothing below is trained
		} else {
			dx.Resize(t.batch.Tokens(), dfeatures.Cols)
		}
		if t.options.Recompute && i < n-1 { // the activations are those of the layer above
			t.layers[i].forward(t.ws, &t.hidden[i+1], &t.hidden[i], t.rowsOf(i))
		}
		t.layers[i].backward(t.ws, &t.gradients, dx, dy, t.rowsOf(i))
		dy = dx
		show(i, dy)
	}
	if t.embeddings != nil {
		t.embeddings.backward(&t.ws.Workspace, dy)
	}
}

// backwardPooling returns the gradient by what pooling read.
func (t *Trainer) backwardPooling(dfeatures *tensor.Tensor) *tensor.Tensor {
	if t.joins() {
		dfeatures = t.backwardJoin(dfeatures)
	}
	top := &t.hidden[len(t.layers)]
	dtop := &t.dlast
	if t.options.Pooling == Mean {
		dtop = &t.dx // in which the layers below go on
	}
	dtop.Resize(top.Rows, top.Cols)
	switch {
	case t.options.Pooling == Mean:
		meanRowsBackward(dtop, dfeatures, t.batch.Offsets, t.batch.Kept)
	case t.pooler == nil:
		copy(dtop.Data, dfeatures.Data)
	default:
		t.pooler.backward(&t.ws.Workspace, dtop, dfeatures, top)
	}
	return dtop
}

// backwardJoin returns the gradient by the features of the windows, [sequences, hidden]: each has its share of that by the text's.
func (t *Trainer) backwardJoin(dfeatures *tensor.Tensor) *tensor.Tensor {
	for text := range dfeatures.Rows {
		parts, kept := t.windows(text)
		t.join.joinBackward(&parts, nil, dfeatures.Row(text), kept)
	}
	return &t.parts
}

// SparseSquares returns the sum of squares of the gradients by single tokens' word embeddings, before those of the same word are
// added up, over all calls of Backward since the last one of SparseSquares; false if the embeddings are not trained. It is what
// TensorFlow's global norm has in place of the squares of the table's gradient.
func (t *Trainer) SparseSquares() (name string, squares float64, ok bool) {
	e := t.embeddings
	if e == nil {
		return "", 0, false
	}
	squares, e.squares = e.squares, 0
	return e.Word.Table.Name, squares, true
}

// Activations calls f with the hidden states of the last Forward from below: the input of each trained layer, by the name of what
// gave it, "embedding_output" or "layer_N", and at last what pooling read.
func (t *Trainer) Activations(f func(name string, x *tensor.Tensor)) {
	below := len(t.model.Layers) - len(t.layers) - 1 // the layer that gave hidden[0], −1 for the embeddings
	for i := range t.hidden {
		name := "embedding_output"
		if below+i >= 0 {
			name = fmt.Sprintf("layer_%d", below+i)
		}
		f(name, &t.hidden[i])
	}
}
