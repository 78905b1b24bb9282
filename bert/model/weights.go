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
	"bertlabel/bert/names"
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
		if err := v.read(p, dst); err != nil {
			return err
		}
		return finite(path, v.stored(p), dst)
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
	m.fingerprint, err = m.hashWeights(v)
	return err
}

// finite refuses a tensor with NaN or infinity. The sum of squares in float64 is finite if and only if all float32 values are.
func finite(path, name string, x []float32) error {
	if sum := asm.Best.SumSquares(x); !math.IsNaN(sum) && !math.IsInf(sum, 0) {
		return nil
	}
	i := notFinite(x)
	return fmt.Errorf("checkpoint %s: tensor %s: element %d is %v, expected a finite number", path, checkpoint.Quote(name), i, x[i])
}

// variables finds the parameters in a checkpoint.
type variables struct {
	src   checkpoint.Source
	names names.Map
}

// stored returns the name of a parameter in the file.
func (v *variables) stored(p *tensor.Param) string { return v.names.Places[p.Name].Stored }

// read sets dst to the value of a parameter, transposed if the file has it the other way round.
func (v *variables) read(p *tensor.Param, dst []float32) error {
	place := v.names.Places[p.Name]
	if !place.Transpose {
		return v.src.ReadFloat32(place.Stored, dst)
	}
	transposed := make([]float32, len(dst))
	if err := v.src.ReadFloat32(place.Stored, transposed); err != nil {
		return err
	}
	rows, cols := p.Shape[0], p.Shape[1]
	for i := range rows {
		for j := range cols {
			dst[i*cols+j] = transposed[j*rows+i]
		}
	}
	return nil
}

// match finds the tensor of each parameter, drops the pooler if the checkpoint has none, and makes the head if it has one. The
// error lists every variable that is missing, unexpected or misshapen.
func (m *Model) match(src checkpoint.Source, o *Options) (*variables, error) {
	var stored []string
	for _, info := range src.Tensors() {
		stored = append(stored, info.Name)
	}
	resolved, err := names.Resolve(stored)
	if err != nil {
		return nil, err
	}
	v := &variables{src, resolved}
	if resolved.Layout != names.Google {
		o.logf("the variables have the names of %s", resolved.Layout)
	}
	if resolved.Scope != "" {
		o.logf("the scope %q is taken off the names of the variables", resolved.Scope)
	}
	m.dropMissingPooler(v, o)
	params := append(m.Encoder.Params(), m.matchHead(v)...)

	var errs []error
	converted := map[string]int{}
	for _, p := range params {
		dtype, err := m.checkStored(v, p)
		if err != nil {
			errs = append(errs, err)
		} else if dtype != checkpoint.Float32 {
			converted[dtype.String()]++
		}
	}
	errs = append(errs, v.unexpected(params)...)
	for dtype, n := range converted {
		o.logf("%d tensors of dtype %s are converted to float32", n, dtype)
	}
	sort.Slice(errs, func(i, j int) bool { return errs[i].Error() < errs[j].Error() })
	return v, errors.Join(errs...)
}

// checkStored compares dtype and shape of a parameter's tensor with what the config asks for.
func (m *Model) checkStored(v *variables, p *tensor.Param) (checkpoint.DType, error) {
	place, ok := v.names.Places[p.Name]
	want := names.StoredShape(v.names.Layout, p.Name, p.Shape, m.Encoder.Config.NumAttentionHeads)
	if !ok {
		return 0, fmt.Errorf("tensor %q %v is missing%s", p.Name, want, v.nearName(p.Name))
	}
	info, _ := v.src.Lookup(place.Stored)
	switch info.DType {
	case checkpoint.Float32, checkpoint.Float64, checkpoint.Float16, checkpoint.BFloat16:
	default:
		return 0, fmt.Errorf("tensor %q: dtype %v, expected float32", info.Name, info.DType)
	}
	if !slices.Equal(info.Shape, want) {
		return 0, fmt.Errorf("tensor %q: shape %v, expected %v by the config", info.Name, info.Shape, want)
	}
	return info.DType, nil
}

// unexpected returns an error for each tensor that is neither a parameter nor on the list of those that may be ignored.
func (v *variables) unexpected(params []*tensor.Param) (errs []error) {
	extra := slices.Clone(v.names.Unknown)
	for google, place := range v.names.Places {
		if !slices.ContainsFunc(params, func(p *tensor.Param) bool { return p.Name == google }) {
			extra = append(extra, place.Stored)
		}
	}
	for _, name := range extra {
		info, _ := v.src.Lookup(name)
		errs = append(errs, fmt.Errorf("tensor %s %v is unexpected: the model has no such variable", checkpoint.Quote(name), info.Shape))
	}
	return errs
}

// nearName returns a hint if a stored name differs from name in letter case only.
func (v *variables) nearName(name string) string {
	for _, other := range v.names.Unknown {
		if strings.EqualFold(other, name) {
			return fmt.Sprintf(" (there is %q, which differs in letter case)", other)
		}
	}
	return ""
}

// dropMissingPooler removes the pooler from the model if the checkpoint has nothing of it.
func (m *Model) dropMissingPooler(v *variables, o *Options) {
	for _, p := range m.Encoder.Pooler.Dense.Params() {
		if _, ok := v.names.Places[p.Name]; ok {
			return
		}
	}
	m.Encoder.DropPooler()
	o.logf("the checkpoint has no pooler: pooling \"pooled\" is not possible with it")
}

// matchHead makes the head if the checkpoint has output_weights or output_bias, and returns its parameters.
func (m *Model) matchHead(v *variables) []*tensor.Param {
	weights, hasWeights := v.src.Lookup(v.names.Places[names.OutputWeights].Stored)
	bias, hasBias := v.src.Lookup(v.names.Places[names.OutputBias].Stored)
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
func (m *Model) hashWeights(v *variables) ([]byte, error) {
	h := sha256.New()
	for _, p := range m.Encoder.Params() {
		info, _ := v.src.Lookup(v.stored(p))
		fmt.Fprintf(h, "%q %v ", p.Name, p.Shape)
		if info.CRC32C != 0 {
			binary.Write(h, binary.LittleEndian, info.CRC32C)
		} else if err := v.src.Stream(info.Name, func(piece []byte) error { h.Write(piece); return nil }); err != nil {
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
