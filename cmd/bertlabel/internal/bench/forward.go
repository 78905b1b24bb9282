package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/layers"
)

var layersByHidden = regexp.MustCompile(`^(\d{1,4})x(\d{1,5})$`)

// ParseModel returns the configuration of a model of random weights: "base" (12 layers, hidden 768), "minilm" (6, 384), or
// layers and hidden size as in "4x256". There are 12 heads for hidden sizes 384 and 768, else heads of width 64; vocabulary and
// activation are those of Hugging Face's BertConfig. ok is false if name is none of these.
func ParseModel(name string) (c bert.Config, ok bool) {
	c = bert.DefaultConfig()
	c.VocabSize, c.TypeVocabSize, c.HiddenAct = 30522, 2, "gelu_erf"
	switch parts := layersByHidden.FindStringSubmatch(name); {
	case name == "base":
	case name == "minilm":
		c.NumHiddenLayers, c.HiddenSize = 6, 384
	case parts != nil:
		c.NumHiddenLayers, _ = strconv.Atoi(parts[1])
		c.HiddenSize, _ = strconv.Atoi(parts[2])
		if c.HiddenSize != 384 && c.HiddenSize != 768 {
			c.NumAttentionHeads = c.HiddenSize / 64
		}
	default:
		return c, false
	}
	c.IntermediateSize = 4 * c.HiddenSize
	return c, true
}

// Bytes estimates the memory of a model of random weights: in float32 it has them twice, row-major and packed.
func Bytes(c *bert.Config, p, embeddings bert.Precision) float64 {
	if p.Resolve() != bert.FP32 || embeddings != bert.FP32 {
		bytes, _ := model.OpenMemory(*c, &model.Options{Precision: p, Embeddings: embeddings, Threads: 1}) // c has been checked
		return float64(bytes)
	}
	h := float64(c.HiddenSize)
	tables := float64(c.VocabSize+c.MaxPositionEmbeddings+c.TypeVocabSize) * h
	return 4*tables + 8*float64(c.NumHiddenLayers)*(4*h*h+2*h*float64(c.IntermediateSize))
}

// NewModel returns a model of random weights, made with o, whose vocabulary is good for nothing.
func NewModel(c bert.Config, labels int, o *model.Options) (*model.Model, error) {
	m, err := model.New(c, []byte("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"), 1, o)
	if err != nil {
		return nil, err
	}
	AddHead(m, labels)
	return m, nil
}

// AddHead gives m a head of random weights.
func AddHead(m *model.Model, labels int) {
	head := layers.NewClassifier(labels, m.Encoder.Config.HiddenSize)
	for _, p := range head.Params() {
		p.Value = make([]float32, p.Size())
	}
	bert.TruncatedNormal(rand.New(rand.NewPCG(2, 0)), head.Weights.Value, m.Encoder.Config.InitializerRange)
	names := make([]string, labels)
	for i := range names {
		names[i] = fmt.Sprintf("label_%d", i)
	}
	pooling := bert.Pooled
	if m.Encoder.Pooler == nil {
		pooling = bert.CLS
	}
	m.SetHead(head, names, pooling)
}

// Texts returns texts of random tokens with the given lengths.
func Texts(c *bert.Config, lengths []int) []tokenizer.Encoding {
	rng := rand.New(rand.NewPCG(3, 4))
	texts := make([]tokenizer.Encoding, len(lengths))
	for i, n := range lengths {
		texts[i] = tokenizer.Encoding{IDs: make([]int32, n), Segments: make([]int32, n)}
		for j := range n {
			texts[i].IDs[j] = rng.Int32N(int32(c.VocabSize))
		}
	}
	return texts
}

// Forward times m from tokens to logits, the way predict does it.
func Forward(ctx context.Context, m *model.Model, texts []tokenizer.Encoding, runs int) (Times, error) {
	return measure(ctx, runs, func() error {
		_, err := m.PredictEncoded(ctx, texts)
		return err
	})
}

// ForwardFLOP counts the matrix products of the encoder for texts of the given lengths S:
//
//	layers · Σ (S·(8·hidden² + 4·hidden·intermediate) + 4·S²·hidden)
//
// as if every layer computed every token, which the last one need not. It is the work, not the operations of one program.
func ForwardFLOP(c *bert.Config, lengths []int) (flop float64) {
	h, i := float64(c.HiddenSize), float64(c.IntermediateSize)
	for _, length := range lengths {
		s := float64(length)
		flop += s*(8*h*h+4*h*i) + 4*s*s*h
	}
	return float64(c.NumHiddenLayers) * flop
}
