package model

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"bertlabel/asm"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/formats"
	"bertlabel/layers"
	"bertlabel/tensor"
)

// loadWeights fills the encoder, and the head if the checkpoint has one, from the variables of the checkpoint.
func (m *Model) loadWeights(path string, o *Options) error {
	src, err := formats.Open(path, checkpoint.Limits{})
	if err != nil {
		return err
	}
	defer src.Close()
	v, err := m.match(src, o)
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", path, err)
	}
	read := func(p *tensor.Param, dst []float32) error {
		if err := src.ReadFloat32(v.stored[p.Name].Name, dst); err != nil {
			return err
		}
		return finite(path, v.stored[p.Name], dst)
	}
	if err := m.Encoder.Load(m.threads, read); err != nil {
		return err
	}
	if m.Head != nil {
		for _, p := range m.Head.Params() {
			p.Value = make([]float32, p.Size())
			if err := read(p, p.Value); err != nil {
				return err
			}
		}
	}
	m.fingerprint, err = m.hashWeights(src, v)
	return err
}

// finite refuses a tensor with NaN or infinity. The sum of squares in float64 is finite if and only if all float32 values are.
func finite(path string, info checkpoint.Info, x []float32) error {
	if sum := asm.Best.SumSquares(x); !math.IsNaN(sum) && !math.IsInf(sum, 0) {
		return nil
	}
	i := notFinite(x)
	return fmt.Errorf("checkpoint %s: tensor %s: element %d is %v, expected a finite number", path, checkpoint.Quote(info.Name), i, x[i])
}

// variables maps the names of parameters to the tensors of a checkpoint.
type variables struct {
	stored map[string]checkpoint.Info
}

// ignorable says whether a variable may be in a checkpoint without being a parameter of the model: the heads of pre-training,
// and what optimizers and TensorFlow's bookkeeping leave behind. All others are an error.
func ignorable(name string) bool {
	return strings.HasPrefix(name, "cls/") || name == "global_step" ||
		strings.HasSuffix(name, "/adam_m") || strings.HasSuffix(name, "/adam_v") ||
		name == "_CHECKPOINTABLE_OBJECT_GRAPH" || strings.HasPrefix(name, "save_counter/")
}

// match finds the tensor of each parameter, drops the pooler if the checkpoint has none, and makes the head if it has one. The
// error lists every variable that is missing, unexpected or misshapen.
func (m *Model) match(src checkpoint.Source, o *Options) (*variables, error) {
	v := &variables{stored: map[string]checkpoint.Info{}}
	scope := commonScope(src.Tensors())
	if scope != "" {
		o.logf("the scope %q before bert/ is taken off the names of the variables", scope)
	}
	converted := map[string]int{}
	for _, info := range src.Tensors() {
		v.stored[strings.TrimPrefix(info.Name, scope)] = info
	}
	m.dropMissingPooler(v, o)
	params := m.Encoder.Params()
	params = append(params, m.matchHead(v)...)

	var errs []error
	used := map[string]bool{}
	for _, p := range params {
		used[p.Name] = true
		info, ok := v.stored[p.Name]
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("tensor %q %v is missing%s", p.Name, p.Shape, v.nearName(p.Name)))
		case !slices.Equal(info.Shape, p.Shape):
			errs = append(errs, fmt.Errorf("tensor %q: shape %v, expected %v by the config", info.Name, info.Shape, p.Shape))
		case !isFloat(info.DType):
			errs = append(errs, fmt.Errorf("tensor %q: dtype %v, expected float32", info.Name, info.DType))
		case info.DType != checkpoint.Float32:
			converted[info.DType.String()]++
		}
	}
	for name, info := range v.stored {
		if !used[name] && !ignorable(name) {
			errs = append(errs, fmt.Errorf("tensor %s %v is unexpected: the model has no such variable", checkpoint.Quote(info.Name), info.Shape))
		}
	}
	for dtype, n := range converted {
		o.logf("%d tensors of dtype %s are converted to float32", n, dtype)
	}
	sort.Slice(errs, func(i, j int) bool { return errs[i].Error() < errs[j].Error() })
	return v, errors.Join(errs...)
}

func isFloat(d checkpoint.DType) bool {
	switch d {
	case checkpoint.Float32, checkpoint.Float64, checkpoint.Float16, checkpoint.BFloat16:
		return true
	}
	return false
}

// commonScope returns what stands before "bert/" in the name of the word embeddings.
func commonScope(tensors []checkpoint.Info) string {
	for _, info := range tensors {
		if scope, ok := strings.CutSuffix(info.Name, "bert/embeddings/word_embeddings"); ok {
			return scope
		}
	}
	return ""
}

// nearName returns a hint if a variable differs from name in letter case only.
func (v *variables) nearName(name string) string {
	for other := range v.stored {
		if strings.EqualFold(other, name) {
			return fmt.Sprintf(" (there is %q, which differs in letter case)", other)
		}
	}
	return ""
}

// dropMissingPooler removes the pooler from the model if the checkpoint has nothing of it.
func (m *Model) dropMissingPooler(v *variables, o *Options) {
	for _, p := range m.Encoder.Pooler.Dense.Params() {
		if _, ok := v.stored[p.Name]; ok {
			return
		}
	}
	m.Encoder.DropPooler()
	o.logf("the checkpoint has no pooler: pooling \"pooled\" is not possible with it")
}

// matchHead makes the head if the checkpoint has output_weights or output_bias, and returns its parameters.
func (m *Model) matchHead(v *variables) []*tensor.Param {
	weights, hasWeights := v.stored["output_weights"]
	bias, hasBias := v.stored["output_bias"]
	var labels int
	switch {
	case hasBias && len(bias.Shape) == 1:
		labels = bias.Shape[0]
	case hasWeights && len(weights.Shape) == 2:
		labels = weights.Shape[0]
	case !hasWeights && !hasBias:
		return nil
	}
	m.Head = layers.NewClassifier(labels, m.Encoder.Config.HiddenSize)
	return m.Head.Params()
}

// hashWeights returns SHA-256 over the names, shapes and checksums of the encoder's tensors, and of the bytes of those whose
// format has no checksums.
func (m *Model) hashWeights(src checkpoint.Source, v *variables) ([]byte, error) {
	h := sha256.New()
	for _, p := range m.Encoder.Params() {
		info := v.stored[p.Name]
		fmt.Fprintf(h, "%q %v ", p.Name, p.Shape)
		if info.CRC32C != 0 {
			binary.Write(h, binary.LittleEndian, info.CRC32C)
		} else if err := src.Stream(info.Name, func(piece []byte) error { h.Write(piece); return nil }); err != nil {
			return nil, err
		}
	}
	return h.Sum(nil), nil
}

// Fingerprint returns SHA-256 over all that decides the features of a text: configuration, vocabulary, how text is tokenised,
// and the encoder's weights, by the checksums of their tensors. Two models with the same fingerprint give the same features
// for the same pooling and MaxSeqLength.
func (m *Model) Fingerprint() []byte {
	config, err := json.Marshal(m.Encoder.Config)
	if err != nil {
		panic(err) // numbers and strings only
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s %t %q ", config, m.LowerCase, m.KeepTokens)
	h.Write(m.vocab)
	h.Write(m.fingerprint)
	return h.Sum(nil)
}

// Params lists the parameters of encoder and head.
func (m *Model) Params() []*tensor.Param {
	params := m.Encoder.Params()
	if m.Head != nil {
		params = append(params, m.Head.Params()...)
	}
	return params
}

// value returns a parameter's value, row-major.
func (m *Model) value(p *tensor.Param) []float32 {
	if m.Head != nil && slices.Contains(m.Head.Params(), p) {
		return p.Value
	}
	return m.Encoder.Value(p)
}
