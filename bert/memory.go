package bert

import (
	"bertlabel/layers"
	"bertlabel/tensor"
)

// BatchSize is the largest of each among the batches that pass through a model: what the memory of a pass depends on.
type BatchSize struct {
	Tokens  int // of a batch
	Texts   int // sequences of a batch: texts, or their windows
	Longest int // tokens of a sequence
}

// Memory is the bytes that a model and a Trainer of it take, by what they are for.
type Memory struct {
	Weights     int // all weights, in the order in which inference reads them; with it the tables, biases and norms
	Rounded     int // kernels of the layers in the low precision that they are trained in, beside
	Kernels     int // trained kernels in row-major order, which the optimizer steps
	Gradients   int // of what is trained
	Activations int // what the backward pass reads of the forward pass, and its gradients on the way down
	Workspace   int // packed operands, copies of blocks and partial sums of the products; attention's scratch
}

// Memory returns the bytes of m and of a Trainer made with o once it has seen batches of the given size, on so many workers. It
// needs the configuration only, not the weights, and allocates nothing to speak of. The error is that of NewTrainer.
//
// With R rows, T tokens, H hidden, I intermediate, a layer keeps 4·(8·R·H + 2·R·I) bytes where all of its rows go on, R = T: its
// input, query, key, value, context, a and two x̂, and the two of width I. The scores of the attention are not kept. The last
// layer under a head that reads [CLS] keeps x, key and value for all tokens, all else for the first of each text. With
// Recompute the inputs are kept for every layer, the rest for one.
func (m *Model) Memory(o TrainerOptions, size BatchSize, workers int) (Memory, error) {
	t, err := m.newTrainer(o, nil)
	if err != nil {
		return Memory{}, err
	}
	var kernels []*tensor.Param
	for _, d := range t.dense() {
		kernels = append(kernels, d.Kernel)
	}
	rounded := 0
	if o.Precision != FP32 {
		rounded, _ = m.RoundedMemory(o.Precision, workers)
	}
	return Memory{
		Weights:     m.WeightsMemory(),
		Rounded:     rounded,
		Kernels:     4 * elements(kernels),
		Gradients:   4 * elements(t.Params()),
		Activations: t.activationsMemory(size),
		Workspace:   t.workspaceMemory(size, max(1, workers)),
	}, nil
}

// FeaturesMemory returns the bytes of the workspace of one pass of inference over batches of the given size.
func (m *Model) FeaturesMemory(size BatchSize, workers int) int {
	h, i := m.Config.HiddenSize, m.Config.IntermediateSize
	rows := 4*size.Tokens*(h+3*h+h+h+i) + 4*size.Texts*(h+3*h+h) // x, qkv, context, attended, intermediate; cls, clsQuery, last
	attention := layers.Attention{Heads: m.Config.NumAttentionHeads, BF16: m.precision != FP32}
	if m.precision != FP32 {
		shared, scratch := tensor.LowProductMemory(m.precision, size.Tokens, max(h, i), OutlierCount(max(h, i)))
		pooler := tensor.ProductMemory(size.Texts, h, false)
		scratch += attention.ForwardMemory(size.Longest, size.Longest, h/attention.Heads)
		return rows + shared + workers*(scratch+pooler)
	}
	return rows + workers*(attention.ForwardMemory(size.Longest, size.Longest, h/attention.Heads)+
		tensor.ProductMemory(size.Tokens, max(h, i), false))
}

func elements(ps []*tensor.Param) (n int) {
	for _, p := range ps {
		n += p.Size()
	}
	return n
}

// WeightsMemory returns the bytes of the weights that a loaded model holds, in its precision. It needs the configuration only.
func (m *Model) WeightsMemory() int {
	floats, packed := elements(m.Params()), 0
	for _, l := range m.Layers {
		for _, bytes := range l.packedBytes(m.precision) {
			packed += bytes
		}
	}
	if m.Pooler != nil {
		packed += m.Pooler.Dense.PackedBytes(FP32, 0)
	}
	for _, d := range m.dense() {
		floats -= d.Kernel.Size() // packed only
	}
	if m.embeddings == Int8 {
		floats -= m.Embeddings.Word.Table.Size()
		packed += m.Embeddings.Word.Int8Bytes()
	}
	return 4*floats + packed + m.columnFactors()
}

// columnFactors returns the bytes of what int8 holds for each column of a kernel: the sum of its integers, and their scale.
func (m *Model) columnFactors() int {
	if m.precision != Int8 {
		return 0
	}
	return 8 * len(m.Layers) * (3*m.Config.HiddenSize + m.Config.HiddenSize + m.Config.IntermediateSize + m.Config.HiddenSize)
}

// rowsMemory returns how many rows of trained layer i go on (rowsOf), and whether these are the first of each text.
func (t *Trainer) rowsMemory(i int, size BatchSize) (rows int, first bool) {
	if t.rowsOf(i) == &t.last {
		return size.Texts, true
	}
	return size.Tokens, false
}

// activationsMemory is that of Forward and Backward beside the workspace.
func (t *Trainer) activationsMemory(size BatchSize) int {
	h, inter := t.model.Config.HiddenSize, t.model.Config.IntermediateSize
	var kept, largest, down int // of layerActivations, all of them and the largest; of layerGradients
	hidden := 4 * size.Tokens * h
	for i := range t.layers {
		rows, first := t.rowsMemory(i, size)
		hidden += 4 * rows * h
		// key, value; query, context, a, x̂, x̂; inner, intermediate; rstd, ones, zeros
		n := 4*(2*size.Tokens*h+rows*(5*h+2*inter)) + 2*4*(rows+2*h)
		if first {
			n += 4 * size.Texts * h
		}
		kept, largest = kept+n, max(largest, n)
		down = max(down, 4*(2*size.Tokens*h+rows*(3*h+inter))) // dkey, dvalue; dquery, dh, dcontext; dintermediate
	}
	if t.options.Recompute {
		kept = largest
	}
	total := hidden + kept + down
	if len(t.layers) > 1 || t.embeddings != nil || t.options.Pooling == Mean {
		total += 4 * size.Tokens * h // dx
	}
	if t.options.Pooling != Mean {
		total += 4 * size.Texts * h // dlast
	}
	if t.pooler != nil {
		total += 2 * 4 * size.Texts * h // inner, dinner
	}
	if t.embeddings != nil {
		total += 4*(size.Tokens*h+size.Tokens+2*h) + 4*size.Tokens // x̂, rstd, ones, zeros; positions
	}
	const place, offset = 16, 8
	return total + size.Tokens*place + size.Texts*(place+offset) // rows.at; last.at, last.queries
}

// workspaceMemory is that of the products and of attention; and, where layers are frozen, of the rows of their inference.
func (t *Trainer) workspaceMemory(size BatchSize, workers int) int {
	h, inter := t.model.Config.HiddenSize, t.model.Config.IntermediateSize
	heads, low := t.model.Config.NumAttentionHeads, t.options.Precision == BF16
	attention, d := layers.Attention{Heads: heads, BF16: low}, h/heads
	operand, prepared, scratch, sums, forward, backward := 0, 0, 0, 0, 0, 0
	product := func(rows, in, out int) { // y [rows, out] = x [rows, in]·W, and its gradients
		packed, left, worker := tensor.FormsMemory(t.options.Precision, rows, in, out)
		operand, prepared, scratch = max(operand, packed), max(prepared, left), max(scratch, worker)
		sums = max(sums, tensor.SumMemory(rows, max(out, 2*h)))
	}
	for i := range t.layers {
		rows, first := t.rowsMemory(i, size)
		queries := size.Longest
		if first {
			queries = 1
		}
		forward = max(forward, attention.ForwardMemory(queries, size.Longest, d))
		backward = max(backward, attention.BackwardMemory(queries, size.Longest, d))
		product(size.Tokens, h, h)
		product(rows, h, inter)
		product(rows, inter, h)
	}
	rows := 0
	if len(t.layers) < len(t.model.Layers) {
		rows = 4 * size.Tokens * (3*h + h + h + inter) // qkv, context, attended, intermediate
		forward = attention.ForwardMemory(size.Longest, size.Longest, d)
		if low {
			left, _ := tensor.LowProductMemory(BF16, size.Tokens, max(h, inter), 0)
			prepared = max(prepared, left)
		}
	}
	if low && t.pooler != nil { // which is float32
		packed, _, worker := tensor.FormsMemory(FP32, size.Texts, h, h)
		rows, scratch = rows+packed, scratch+worker
	}
	return rows + operand + prepared + sums + workers*(scratch+forward+backward)
}

// KernelElements returns the number of elements of all kernels of dense layers: what inference has packed.
func (m *Model) KernelElements() (n int) {
	for _, d := range m.dense() {
		n += d.Kernel.Size()
	}
	return n
}
