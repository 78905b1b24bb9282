package bert_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bertlabel/asm"
	"bertlabel/bert"
	"bertlabel/layers"
	"bertlabel/tensor"
)

// A setCase is some whole passes: texts through a model of random weights, or through the committed tiny one, and a head.
type setCase struct {
	name       string
	layers     int // 0: the tiny model
	hidden     int // most are multiples of no tile
	heads      int
	act        string
	embeddings bert.Precision
	lengths    []int // of the texts
	long       bool  // left out of short tests
	digests    [3]string
}

// setCases have the digests of their features, logits and probabilities in FP32, BF16 and Int8, on every kernel set and architecture. A
// changed formula, weight initialiser or order of a sum changes them, and then the scores of all users.
var setCases = []setCase{
	{name: "tiny", lengths: []int{1, 2, 5, 8},
		digests: [3]string{"a76b19603c3cdbc9", "f1ae694c4ff6e75a", "6db6ad862ae1c7cc"}},
	{name: "gelu", layers: 2, hidden: 36, heads: 3, act: "gelu", lengths: []int{1, 2, 3, 15, 16, 17, 33, 63, 64, 65},
		digests: [3]string{"8ab9fff33ba292af", "6052bce83a5324b8", "5439a3bb0a97f09c"}},
	{name: "gelu_erf", layers: 1, hidden: 66, heads: 2, act: "gelu_erf", lengths: []int{1, 7, 31, 48, 100},
		digests: [3]string{"cb0e3ff60f6f0979", "7c4e9dba2db9752c", "c2d4ebcc45d5b194"}},
	{name: "relu", layers: 1, hidden: 40, heads: 1, act: "relu", lengths: []int{1, 5, 70}, embeddings: bert.Int8,
		digests: [3]string{"a1cba624083e4fa2", "2a8393f33e931455", "f80178db84ac0def"}},
	{name: "tanh", layers: 2, hidden: 45, heads: 5, act: "tanh", lengths: []int{1, 9, 66},
		digests: [3]string{"5508b0d71dd006af", "9850f94dd6d024fd", "31c0a33c6697601d"}},
	{name: "linear", layers: 1, hidden: 33, heads: 3, act: "linear", lengths: []int{1, 4, 12},
		digests: [3]string{"31247b32762b628a", "5dd6fd497cc3c334", "1252e31126399b89"}},
	{name: "long", layers: 1, hidden: 192, heads: 3, act: "gelu", lengths: []int{128, 129, 511, 512}, long: true,
		digests: [3]string{"e53875a34a593a2b", "d0c9e5d53595669b", "d5227d7b3ac1f2af"}},
}

// TestKernelSets: whole passes have the same bits on all kernel sets, and all architectures, in every precision; but for FP32 on generic,
// whose products round twice.
func TestKernelSets(t *testing.T) {
	best := asm.Best
	defer func() { asm.Best = best }()
	for _, set := range asm.Sets() {
		asm.Best = set
		for _, c := range setCases {
			for i, p := range []bert.Precision{bert.FP32, bert.BF16, bert.Int8} {
				if p == bert.FP32 && set.Name == "generic" || c.long && testing.Short() {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%v", set.Name, c.name, p), func(t *testing.T) {
					if got := c.digest(t, p); got != c.digests[i] {
						t.Errorf("digest %q, want %q", got, c.digests[i])
					}
				})
			}
		}
	}
}

// digest returns a checksum of the bits of all that the passes of c in precision p give.
func (c *setCase) digest(t *testing.T, p bert.Precision) string {
	m := c.model(t, p)
	rng, b := rand.New(rand.NewPCG(3, 4)), &bert.Batch{}
	for _, n := range c.lengths {
		ids, segments := make([]int32, n), make([]int32, n)
		for i := range ids {
			ids[i], segments[i] = rng.Int32N(int32(m.Config.VocabSize)), int32(2*i/n)
		}
		b.Append(ids, segments)
	}
	hash := sha256.New()
	for _, name := range []string{"pooled", "concat:pooled,cls,mean,max,mean:-2,max:-2"} {
		pooling, err := bert.ParsePooling(name)
		if err != nil {
			t.Fatal(err)
		}
		width, err := m.PoolingWidth(pooling)
		if err != nil {
			t.Fatal(err)
		}
		features := tensor.New(b.Texts(), width)
		if err := m.Features(bert.NewWorkspace(tensor.NewWorkers(2)), features, b, pooling); err != nil {
			t.Fatal(err)
		}
		head := layers.NewClassifier(7, width)
		for _, p := range head.Params() {
			p.Value = make([]float32, p.Size())
			bert.TruncatedNormal(rng, p.Value, 0.3)
		}
		logits, probabilities := head.Score(features)
		for _, v := range slices.Concat(features.Data, logits.Data, probabilities.Data) {
			if v != v {
				t.Fatal("a result is NaN")
			}
			hash.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
		}
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}

// model returns the model of c, held in precision p.
func (c *setCase) model(t *testing.T, p bert.Precision) *bert.Model {
	if c.layers == 0 {
		m, _ := openGoldenIn(t, tinyModel, p)
		return m
	}
	config := bert.DefaultConfig()
	config.VocabSize, config.TypeVocabSize, config.MaxPositionEmbeddings = 500, 2, 512
	config.NumHiddenLayers, config.HiddenSize, config.NumAttentionHeads, config.IntermediateSize = c.layers, c.hidden, c.heads, 4*c.hidden
	config.InitializerRange, config.HiddenAct = 0.2, c.act // large enough that the layers are far from linear
	m, err := bert.New(config)
	if err != nil {
		t.Fatal(err)
	}
	m.SetPrecision(p)
	m.SetEmbeddings(c.embeddings)
	m.Init(rand.New(rand.NewPCG(1, 2)))
	return m
}
