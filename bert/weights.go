package bert

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/tensor/parallel"
)

// The weights of a model: which there are, under which names; how they are read, drawn, and laid out in memory. Nothing here computes.

// dense lists the layers whose kernels are packed.
func (m *Model) dense() (ds []*layers.Dense) {
	for _, l := range m.Layers {
		ds = append(ds, l.dense()...)
	}
	if m.Pooler != nil {
		ds = append(ds, m.Pooler.Dense)
	}
	return ds
}

// norms lists the layer normalisations.
func (m *Model) norms() []*layers.LayerNorm {
	ns := []*layers.LayerNorm{m.Embeddings.Norm}
	for _, l := range m.Layers {
		ns = append(ns, l.norms()...)
	}
	return ns
}

// Params lists all parameters, under TensorFlow's names: tables, then normalisations, then dense layers.
func (m *Model) Params() []*tensor.Param {
	ps := []*tensor.Param{m.Embeddings.Word.Table, m.Embeddings.Position.Table, m.Embeddings.TokenType.Table}
	for _, n := range m.norms() {
		ps = append(ps, n.Params()...)
	}
	for _, d := range m.dense() {
		ps = append(ps, d.Params()...)
	}
	return ps
}

// Load fills every parameter by read, which sets dst, of length p.Size(), to the value of p; it is called by several
// goroutines at once. Each kernel is packed as soon as it has been read, and its row-major form dropped, so that a loaded
// model holds its weights once. The error is the first of read's.
func (m *Model) Load(threads int, read func(p *tensor.Param, dst []float32) error) error {
	return m.LoadPieces(threads, read, func(p *tensor.Param, visit func(piece []float32) error) error {
		values := make([]float32, p.Size())
		if err := read(p, values); err != nil {
			return err
		}
		return visit(values)
	})
}

// LoadPieces is Load that never has the table of SetEmbeddings(Int8) in float32: pieces hands the value of p to visit piece by piece, in
// order, and returns an error of visit.
func (m *Model) LoadPieces(threads int, read func(p *tensor.Param, dst []float32) error,
	pieces func(p *tensor.Param, visit func(piece []float32) error) error) error {
	return m.load(threads, func(p *tensor.Param, dst []float32) error {
		if m.inInt8(p) {
			return m.Embeddings.Word.SetPieces(func(visit func(piece []float32) error) error { return pieces(p, visit) })
		}
		return read(p, dst)
	})
}

// inInt8 reports whether p is the table of word embeddings, and held in int8.
func (m *Model) inInt8(p *tensor.Param) bool {
	return m.embeddings == Int8 && p == m.Embeddings.Word.Table
}

// load is Load; read is given nothing to fill for what is inInt8.
func (m *Model) load(threads int, read func(p *tensor.Param, dst []float32) error) error {
	if m.precision == Int8 {
		return m.loadInt8(threads, read)
	}
	arena := m.allocate()
	for _, l := range m.Layers {
		l.allocate(arena, m.precision, [layerProducts][]int{})
	}
	return m.loadParams(threads, m.Params(), read, false)
}

// loadParams loads some parameters, whose memory has been allocated. With keep, kernels have memory for their row-major form, too, and
// keep it.
func (m *Model) loadParams(threads int, params []*tensor.Param, read func(p *tensor.Param, dst []float32) error, keep bool) error {
	packs := map[*tensor.Param]*layers.Dense{}
	largest := 0
	for _, d := range m.dense() {
		packs[d.Kernel] = d
		if !keep && slices.Contains(params, d.Kernel) {
			largest = max(largest, d.Kernel.Size())
		}
	}
	var next atomic.Int64
	errs := make([]error, max(1, threads))
	var wg parallel.Group
	for worker := range errs {
		wg.Go(func() {
			var scratch []float32
			if !keep {
				scratch = make([]float32, largest)
			}
			for i := int(next.Add(1) - 1); i < len(params) && errs[worker] == nil; i = int(next.Add(1) - 1) {
				if m.inInt8(params[i]) {
					errs[worker] = read(params[i], nil)
					continue
				}
				errs[worker] = load(params[i], packs[params[i]], scratch, read)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// allocate takes all memory of the loaded weights as one block, the packed kernels and the tables, and returns what is left of it for
// the layers. The pooler stays float32 in every precision.
func (m *Model) allocate() *tensor.Arena {
	var operands, floats []int
	for _, l := range m.Layers {
		operands = append(operands, l.packedBytes(m.precision)...)
	}
	if m.Pooler != nil {
		floats = append(floats, m.Pooler.Dense.PackedBytes(FP32, 0)/4)
	}
	tables := []*tensor.Param{m.Embeddings.Word.Table, m.Embeddings.Position.Table, m.Embeddings.TokenType.Table}
	if m.embeddings == Int8 {
		m.Embeddings.Word.AllocateInt8()
		tables = tables[1:]
	}
	for _, p := range tables {
		floats = append(floats, p.Size())
	}
	arena := tensor.NewOperandArena(m.precision, operands, floats...)
	if m.Pooler != nil {
		m.Pooler.Dense.Allocate(arena, FP32, nil)
	}
	for _, p := range tables {
		p.Value = arena.Take(p.Size())
	}
	return arena
}

// load reads one parameter into its own memory, a kernel into scratch unless that is nil, and packs a kernel.
func load(p *tensor.Param, d *layers.Dense, scratch []float32, read func(*tensor.Param, []float32) error) error {
	switch {
	case d != nil && scratch != nil:
		p.Value = scratch[:p.Size()]
		defer func() { p.Value = nil }()
	case p.Value == nil:
		p.Value = make([]float32, p.Size())
	}
	if err := read(p, p.Value); err != nil {
		return err
	}
	if d != nil {
		d.Pack()
	}
	return nil
}

// Init draws all weights as modeling.py does before training: kernels and tables from a truncated normal of standard deviation
// initializer_range, redrawn beyond two; biases and beta zero, gamma one. Values stay in Params, unless the model Rounds.
func (m *Model) Init(rng *rand.Rand) {
	draw := func(p *tensor.Param, dst []float32) error {
		switch {
		case len(p.Shape) == 2:
			TruncatedNormal(rng, dst, m.Config.InitializerRange)
		case slices.ContainsFunc(m.norms(), func(n *layers.LayerNorm) bool { return n.Gamma == p }):
			for i := range dst {
				dst[i] = 1
			}
		default:
			clear(dst)
		}
		return nil
	}
	if m.Rounds() {
		m.Load(1, draw) // in the order of Params; draw gives no error
		return
	}
	arena := m.allocate()
	for _, l := range m.Layers {
		l.allocate(arena, FP32, [layerProducts][]int{})
	}
	for _, p := range m.Params() {
		if p.Value == nil {
			p.Value = make([]float32, p.Size())
		}
		draw(p, p.Value)
	}
	m.Pack()
}

// TruncatedNormal fills x with draws from a normal distribution of mean 0 and standard deviation sigma, redrawn beyond two
// sigma (tf.truncated_normal_initializer).
func TruncatedNormal(rng *rand.Rand, x []float32, sigma float64) {
	for i := range x {
		z := rng.NormFloat64()
		for z < -2 || z > 2 {
			z = rng.NormFloat64()
		}
		x[i] = float32(z * sigma)
	}
}

// Pack copies the kernels, whose values are in Params, into the order in which products read them. It is for models in float32.
func (m *Model) Pack() {
	for _, d := range m.dense() {
		d.Pack()
	}
}

// Value returns the value of p, one of Params, row-major: the parameter's own memory, or a copy of a packed kernel, or of word embeddings
// in int8, as it is held, in a low precision rounded.
func (m *Model) Value(p *tensor.Param) []float32 {
	if p.Value != nil {
		return p.Value
	}
	if m.inInt8(p) {
		return m.Embeddings.Word.Values()
	}
	for _, d := range m.dense() {
		if d.Kernel == p {
			return d.Values()
		}
	}
	panic("bert: parameter " + p.Name + " has no value")
}

// layerProducts is the number of dense products of a layer: query, key and value together, and its other three.
const layerProducts = 4

// allocate takes the memory of the packed kernels, in precision p, from the arena: query, key and value side by side, the others
// alone. newLayer does not: a config alone must not cost memory. outliers are the channels of each product's input that int8 holds
// in bf16.
func (l *Layer) allocate(a *tensor.Arena, p Precision, outliers [layerProducts][]int) {
	h := l.Query.Kernel.Shape[0]
	l.qkv = tensor.NewOperandIn(a, p, h, 3*h, outliers[0])
	if l.qkvBias == nil {
		l.qkvBias = make([]float32, 3*h)
	}
	for i, d := range l.dense() {
		if i >= 3 {
			d.Allocate(a, p, outliers[i-2])
			continue
		}
		d.Share(l.qkv, i*h)
		d.Bias.Value = l.qkvBias[i*h : (i+1)*h : (i+1)*h]
	}
}

// packedBytes returns the bytes of each operand that allocate makes.
func (l *Layer) packedBytes(p Precision) []int {
	h := l.Query.Kernel.Shape[0]
	sizes := []int{tensor.OperandBytes(p, h, 3*h, OutlierCount(h))}
	for _, d := range l.dense()[3:] {
		sizes = append(sizes, d.PackedBytes(p, OutlierCount(d.Kernel.Shape[0])))
	}
	return sizes
}
