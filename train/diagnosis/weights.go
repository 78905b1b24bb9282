package diagnosis

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"bertlabel/bert"
	"bertlabel/layers"
)

// Encoder says which parts of an encoder no training has touched.
type Encoder struct {
	Parts     int      // the embeddings, each layer, and the pooler if it is used
	Untrained []string // of these "embeddings", "layer_0", …, "pooler"
	First     string   // the first tensor that shows it
	Tiny      bool     // a kernel of H×H has fewer than minKernel numbers: what they were drawn from cannot be told
}

// InspectEncoder looks at the weights of m; pooler says whether the pooler is used. A part is untrained when one of its tensors
// stands as modeling.py, or PyTorch's BertModel, leaves it before training:
//
//   - a LayerNorm with every gamma exactly 1 and every beta exactly 0;
//   - a dense layer with every bias exactly 0, and a kernel that is one number throughout or has the spread and the tails of
//     initializer_range's normal distribution, cut at two deviations or not;
//   - a table of word embeddings of the same kind.
//
// The exact ones and zeros do not survive a single step of training, so weights trained from scratch are not taken for untrained.
func InspectEncoder(m *bert.Model, pooler bool) Encoder {
	e := Encoder{Tiny: m.Config.HiddenSize*m.Config.HiddenSize < minKernel}
	sigma := m.Config.InitializerRange
	e.add("embeddings", freshTable(m.Embeddings.Word, sigma), freshNorm(m.Embeddings.Norm))
	for i, l := range m.Layers {
		e.add(fmt.Sprintf("layer_%d", i), freshDense(l.Query, sigma), freshDense(l.Key, sigma), freshDense(l.Value, sigma),
			freshDense(l.AttentionOutput, sigma), freshNorm(l.AttentionNorm), freshDense(l.Intermediate, sigma),
			freshDense(l.Output, sigma), freshNorm(l.OutputNorm))
	}
	if pooler && m.Pooler != nil {
		e.add("pooler", freshDense(m.Pooler.Dense, sigma))
	}
	return e
}

// add takes in a part with the names of its fresh tensors, each empty if the tensor has been trained.
func (e *Encoder) add(part string, fresh ...string) {
	e.Parts++
	if name := strings.Join(fresh, ""); name == "" {
		return
	}
	e.Untrained = append(e.Untrained, part)
	if e.First == "" {
		e.First = fresh[slices.IndexFunc(fresh, func(name string) bool { return name != "" })]
	}
}

// Scratch reports whether nothing of the encoder has been trained.
func (e Encoder) Scratch() bool { return len(e.Untrained) == e.Parts }

// Findings returns what is wrong when the encoder is used as it is or, if all says so, is about to be trained throughout: then
// starting from scratch is a way to go, but starting from half a model is not.
func (e Encoder) Findings(all bool) []Finding {
	switch {
	case len(e.Untrained) == 0 || all && e.Scratch():
		return nil
	case e.Tiny && !e.Scratch(): // a part may have biases of 0 and a kernel whose spread is anybody's, and be trained: half is no word for it
		return nil
	case e.Scratch():
		return []Finding{{UntrainedWeights, "the encoder's weights are those before any training: its features are noise",
			"Give the pre-trained checkpoint by `model` or `init_checkpoint`; bertlabel inspect --stats shows what a checkpoint holds"}}
	}
	return []Finding{{UntrainedWeights,
		fmt.Sprintf("%d of the encoder's %d parts are as before any training (%s; such as %s)", len(e.Untrained), e.Parts,
			strings.Join(e.Untrained, ", "), e.First),
		"The checkpoint was made from weights that were loaded by half: make it again from the original one; bertlabel inspect --stats " +
			"shows its tensors"}}
}

// freshNorm returns the name of gamma if it is 1 and beta 0 throughout.
func freshNorm(n *layers.LayerNorm) string {
	if !all(n.Gamma.Value, 1) || !all(n.Beta.Value, 0) {
		return ""
	}
	return n.Gamma.Name
}

// freshDense returns the name of the kernel if it is as drawn and the bias 0 throughout.
func freshDense(d *layers.Dense, sigma float64) string {
	if !all(d.Bias.Value, 0) {
		return ""
	}
	kernel := d.Kernel.Value
	if kernel == nil {
		kernel = d.Unpack()
	}
	if !drawn(kernel, sigma) {
		return ""
	}
	return d.Kernel.Name
}

// tableSample is how many numbers of a table are looked at: whole rows, evenly spread.
const tableSample = 1 << 20

// minTable is the least size of a table that is judged: it has no bias whose zeros would tell.
const minTable = 10000

// minKernel is the least size of kernels that tell whole from half: of fewer numbers, what drawn allows for deviation and kurtosis is
// nearly anything, and biases of 0 and norms of 1 are what a small checkpoint may well have.
const minKernel = 1000

// freshTable returns the name of the table if it is as drawn.
func freshTable(e *layers.Embedding, sigma float64) string {
	rows, hidden := e.Table.Shape[0], e.Table.Shape[1]
	if rows*hidden < minTable {
		return ""
	}
	var sample []float32
	step := max(1, rows*hidden/tableSample)
	row := make([]float32, hidden)
	for i := 0; i < rows; i += step {
		e.Read(row, i)
		sample = append(sample, row...)
	}
	if !drawn(sample, sigma) {
		return ""
	}
	return e.Table.Name
}

func all(x []float32, value float32) bool {
	return !slices.ContainsFunc(x, func(v float32) bool { return v != value })
}

// Moments of the normal distribution cut at two deviations, in those of the normal one: the standard deviation
// √(1 − 4φ(2)/(2Φ(2) − 1)) and the kurtosis.
const (
	truncatedDeviation = 0.879626
	truncatedKurtosis  = 2.3656
)

// drawn reports whether x is one number throughout, or cannot be told from draws of modeling.py's initializer or PyTorch's: its
// deviation is within 1 % and its kurtosis within 0.05, or both within five standard errors where those are larger. Kernels that
// were trained have other deviations and, because of a few large weights, a kurtosis well over 3.
func drawn(x []float32, sigma float64) bool {
	if all(x, x[0]) {
		return true
	}
	n := float64(len(x))
	var mean, m2, m4 float64
	for _, v := range x {
		mean += float64(v)
	}
	mean /= n
	for _, v := range x {
		d := float64(v) - mean
		m2 += d * d
		m4 += d * d * d * d
	}
	deviation, kurtosis := math.Sqrt(m2/n), n*m4/(m2*m2)
	near := func(wantDeviation, wantKurtosis float64) bool {
		return math.Abs(deviation/wantDeviation-1) <= max(0.01, 5/math.Sqrt(2*n)) &&
			math.Abs(kurtosis-wantKurtosis) <= max(0.05, 5*math.Sqrt(24/n))
	}
	return near(sigma, 3) || near(sigma*truncatedDeviation, truncatedKurtosis)
}
