package bert

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"bertlabel/asm"
	"bertlabel/layers"
	"bertlabel/tensor"
)

// Precision says in how many bits the dense products of the layers are computed, and their kernels held. The zero Precision is FP32.
// Other values come from ParsePrecision: fp32, bf16, int8 or auto. docs/precision.md says which to take.
//
//	       dense products  attention's  all else: embeddings, LayerNorm, softmax, GELU, pooler, head
//	FP32   float32         float32      float32
//	BF16   bf16            bf16         float32
//	Int8   int8            bf16         float32
type Precision = tensor.Precision

// The precisions. Auto is BF16 where this CPU is faster in it, else FP32: never Int8, which moves decisions.
const (
	FP32 = tensor.FP32
	BF16 = tensor.BF16
	Int8 = tensor.Int8
	Auto = tensor.Auto
)

// ParsePrecision reads a precision as Precision.String writes it.
func ParsePrecision(s string) (Precision, error) { return tensor.ParsePrecision(s) }

// SetPrecision makes Load or Init, which must come after it, hold the weights of the layers in p, and passes compute in it. A model in
// a low precision holds its weights once; it cannot be trained.
func (m *Model) SetPrecision(p Precision) {
	m.precision = p.Resolve()
	for _, l := range m.Layers {
		l.Attention.BF16 = m.precision != FP32
	}
}

// Precision returns FP32, BF16 or Int8.
func (m *Model) Precision() Precision { return m.precision }

// SetEmbeddings makes Load or Init, which must come after it, hold the table of word embeddings in p: FP32 or Int8, a scale for each row
// (layers.Embedding). The other tables are small, and stay float32. It panics for another precision.
func (m *Model) SetEmbeddings(p Precision) {
	if p != FP32 && p != Int8 {
		panic("bert: word embeddings in " + p.String())
	}
	m.embeddings = p
}

// EmbeddingsPrecision returns FP32 or Int8.
func (m *Model) EmbeddingsPrecision() Precision { return m.embeddings }

// Rounds reports whether m holds any weight in fewer bits than it was loaded from: it can be neither saved nor trained.
func (m *Model) Rounds() bool { return m.precision != FP32 || m.embeddings != FP32 }

// OutlierCount returns how many of k input channels of a product int8 holds in bf16: 8 of 384, 16 from 768 on. docs/precision.md
// shows what they are worth.
func OutlierCount(k int) int { return min(16, k/48&^1) }

// The texts that the outlier channels are chosen by: some that are as good as any, since what matters is which channels are large on
// all texts. They are the same for every model of a size of vocabulary.
const (
	outlierTexts  = 16
	outlierTokens = 32
	outlierSeed   = 16

	outlierTogether = 4 // texts of one pass: that changes nothing but the memory
)

// outlierBatch returns texts of random word pieces.
func outlierBatch(c *Config) *Batch {
	rng, b := rand.New(rand.NewPCG(outlierSeed, 0)), &Batch{}
	ids := make([]int32, min(outlierTokens, c.MaxPositionEmbeddings))
	for range outlierTexts {
		for i := range ids {
			ids[i] = int32(rng.IntN(c.VocabSize))
		}
		b.Append(ids, make([]int32, len(ids)))
	}
	return b
}

// loadInt8 is Load in int8. Which channels are outliers, the model says itself, in float32: layer by layer it is loaded in float32,
// run on outlierBatch, and held in int8 from then on, so that no more than one layer is in float32 at a time.
func (m *Model) loadInt8(threads int, read func(p *tensor.Param, dst []float32) error) error {
	arena := m.allocate()
	rest := m.Params()
	next := func(isNext func(p *tensor.Param) bool) (params []*tensor.Param) {
		n := slices.IndexFunc(rest, func(p *tensor.Param) bool { return !isNext(p) })
		if n < 0 {
			n = len(rest)
		}
		params, rest = rest[:n], rest[n:]
		return params
	}
	first := m.Layers[0].Query.Kernel
	if err := m.loadParams(threads, next(func(p *tensor.Param) bool { return p != first }), read, false); err != nil {
		return err
	}
	w := tensor.NewWorkers(threads)
	w.Start()
	defer w.Stop()
	ws, b := NewWorkspace(w), outlierBatch(&m.Config)
	x := tensor.New(b.Tokens(), m.Config.HiddenSize)
	m.Embeddings.Forward(x, b)
	packed := tensor.NewOperandArena(FP32, m.Layers[0].packedBytes(FP32))
	var values [][]float32 // row-major
	for _, d := range m.Layers[0].dense() {
		values = append(values, make([]float32, d.Kernel.Size()))
	}
	for _, l := range m.Layers {
		memory := *packed // the same for every layer
		l.allocate(&memory, FP32, [layerProducts][]int{})
		for i, d := range l.dense() {
			d.Kernel.Value = values[i]
		}
		if err := m.loadParams(threads, next(func(p *tensor.Param) bool { return l.has(p) }), read, true); err != nil {
			return err
		}
		l.toInt8(ws, x, b, arena)
	}
	return m.loadParams(threads, rest, read, false)
}

// LoadMemory returns the bytes that Load takes, beside the weights, on so many threads: row-major kernels on their way, and in int8 a
// layer in float32 and its passes.
func (m *Model) LoadMemory(threads int) int {
	h, i := m.Config.HiddenSize, m.Config.IntermediateSize
	if m.precision != Int8 {
		return max(1, threads) * 4 * h * i
	}
	bytes := 0
	for _, operand := range m.Layers[0].packedBytes(FP32) {
		bytes += operand
	}
	for _, d := range m.Layers[0].dense() {
		bytes += 4 * d.Kernel.Size()
	}
	return bytes + m.outlierPassMemory(threads)
}

// outlierPassMemory returns the bytes of the passes that choose the outlier channels.
func (m *Model) outlierPassMemory(threads int) int {
	tokens := min(outlierTokens, m.Config.MaxPositionEmbeddings)
	float := &Model{Config: m.Config}
	size := BatchSize{Tokens: outlierTogether * tokens, Texts: outlierTogether, Longest: tokens}
	return 4*outlierTexts*tokens*m.Config.HiddenSize + float.FeaturesMemory(size, max(1, threads))
}

// has reports whether p is a kernel or a bias of l.
func (l *Layer) has(p *tensor.Param) bool {
	return slices.ContainsFunc(l.dense(), func(d *layers.Dense) bool { return d.Kernel == p || d.Bias == p })
}

// toInt8 runs l, which is in float32, from x to x, and packs it anew in int8, with the outlier channels that x brings to light.
func (l *Layer) toInt8(ws *Workspace, x *tensor.Tensor, b *Batch, arena *tensor.Arena) {
	l.Attention.BF16 = false
	outliers := l.outliers(ws, x, b)
	l.Attention.BF16 = true
	l.allocate(arena, Int8, outliers)
	ws.Workers.Do(len(l.dense()), eachDense{l.dense(), func(d *layers.Dense) { d.Pack(); d.Kernel.Value = nil }})
}

// outliers runs l, which is in float32, from x to x, and returns the channels of the input of each product that x and the kernels bring
// to light.
func (l *Layer) outliers(ws *Workspace, x *tensor.Tensor, b *Batch) (outliers [layerProducts][]int) {
	before := fuse(&ws.Workspace)
	defer func() { ws.Fused = before }()
	var inputs [layerProducts][]float32
	for t := 0; t < b.Texts(); t += outlierTogether {
		first := b.Offsets[t]
		offsets := make([]int, 0, outlierTogether+1)
		for _, offset := range b.Offsets[t : t+outlierTogether+1] {
			offsets = append(offsets, offset-first)
		}
		part := x.SliceRows(first, first+offsets[outlierTogether])
		inputs[0] = columnMaxima(inputs[0], &part)
		l.Forward(ws, &part, &part, offsets)
		for i, input := range []*tensor.Tensor{&ws.context, &ws.attended, &ws.intermediate} {
			inputs[i+1] = columnMaxima(inputs[i+1], input)
		}
	}
	dense := l.dense()
	products := [layerProducts][]*layers.Dense{dense[:3], dense[3:4], dense[4:5], dense[5:]}
	for i, product := range products {
		weights := make([]float32, len(inputs[i]))
		for _, d := range product {
			w := tensor.From(d.Values(), d.Kernel.Shape[0], d.Kernel.Shape[1])
			for row := range weights {
				weights[row] = max(weights[row], largest(w.Row(row)))
			}
		}
		outliers[i] = chooseOutliers(weights, inputs[i])
	}
	return outliers
}

// eachDense is a loop over some layers.
type eachDense struct {
	dense []*layers.Dense
	do    func(d *layers.Dense)
}

func (e eachDense) Run(_, turn int) { e.do(e.dense[turn]) }

// chooseOutliers returns the channels with the largest weights or inputs, each in units of its median, in ascending order.
func chooseOutliers(weights, inputs []float32) []int {
	w, x := median(weights), median(inputs)
	scores := make([]float32, len(weights))
	channels := make([]int, len(weights))
	for i := range scores {
		channels[i] = i
		scores[i] = asm.RoundBF16(max(weights[i]/w, inputs[i]/x)) // what differs by rounding only is equal, and the first one counts
	}
	slices.SortStableFunc(channels, func(i, j int) int { return cmp.Compare(scores[j], scores[i]) })
	channels = channels[:OutlierCount(len(channels))]
	slices.Sort(channels)
	return channels
}

// median returns the median of x, all ≥ 0, or 1 where that is 0.
func median(x []float32) float32 {
	sorted := slices.Sorted(slices.Values(x))
	if m := sorted[len(sorted)/2]; m > 0 {
		return m
	}
	return 1
}

// columnMaxima returns y, nil for zeros, or the largest magnitude in a column of x where that is more.
func columnMaxima(y []float32, x *tensor.Tensor) []float32 {
	if y == nil {
		y = make([]float32, x.Cols)
	}
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			y[j] = max(y[j], v, -v)
		}
	}
	return y
}

// largest returns the largest magnitude in x.
func largest(x []float32) float32 {
	lo, hi := asm.Best.Int8.Range(x)
	return max(hi, -lo)
}
