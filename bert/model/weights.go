package model

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"bertlabel/asm"
	"bertlabel/bert"
	"bertlabel/bert/names"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/formats"
	"bertlabel/checkpoint/tfbundle"
	"bertlabel/layers"
	"bertlabel/tensor"
)

// loadWeights fills the encoder, and the head if the checkpoint has one, from the variables of the checkpoint.
func (m *Model) loadWeights(path string, o *Options, shared *sharing) error {
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
			return fmt.Errorf("checkpoint %s: %w", path, err)
		}
		return nil
	}
	pieces := func(p *tensor.Param, visit func(piece []float32) error) error {
		if err := v.pieces(p, visit); err != nil {
			return fmt.Errorf("checkpoint %s: %w", path, err)
		}
		return nil
	}
	load := loader{read, pieces}
	if m.Encoder.Rounds() {
		load = m.summed(load)
	}
	if err := m.loadEncoder(v, load, o, shared); err != nil {
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
	return nil
}

// loader reads the value of a parameter: what bert.Model.LoadPieces takes.
type loader struct {
	read   func(p *tensor.Param, dst []float32) error
	pieces func(p *tensor.Param, visit func(piece []float32) error) error
}

// summed is a loader that keeps the checksum of each value: of rounded weights it could not be found later.
func (m *Model) summed(l loader) loader {
	var mu sync.Mutex
	m.checksums = map[string]uint32{}
	keep := func(p *tensor.Param, sum uint32) {
		mu.Lock()
		defer mu.Unlock()
		m.checksums[p.Name] = sum
	}
	return loader{
		read: func(p *tensor.Param, dst []float32) error {
			if err := l.read(p, dst); err != nil {
				return err
			}
			keep(p, checksum(0, dst))
			return nil
		},
		pieces: func(p *tensor.Param, visit func(piece []float32) error) error {
			sum := uint32(0)
			if err := l.pieces(p, func(piece []float32) error {
				sum = checksum(sum, piece)
				return visit(piece)
			}); err != nil {
				return err
			}
			keep(p, sum)
			return nil
		},
	}
}

// variables finds the parameters in a checkpoint.
type variables struct {
	src   checkpoint.Source
	names names.Map
}

// read sets dst to the value of a parameter, transposed if the file has it the other way round.
func (v *variables) read(p *tensor.Param, dst []float32) error {
	place := v.names.Places[p.Name]
	stored := dst
	if place.Transpose {
		stored = make([]float32, len(dst))
	}
	if err := v.src.ReadFloat32(place.Stored, stored); err != nil {
		return err
	}
	if err := v.finite(place.Stored, 0, stored); err != nil {
		return err
	}
	if place.Transpose {
		transpose(dst, stored, p.Shape[0], p.Shape[1])
	}
	return nil
}

// pieces hands the value of a parameter to visit in order. A file has no embeddings the other way round; if it had, they would be one
// piece.
func (v *variables) pieces(p *tensor.Param, visit func(piece []float32) error) error {
	place, at := v.names.Places[p.Name], 0
	if place.Transpose {
		values := make([]float32, p.Size())
		if err := v.read(p, values); err != nil {
			return err
		}
		return visit(values)
	}
	return v.src.StreamFloat32(place.Stored, func(piece []float32) error {
		if err := v.finite(place.Stored, at, piece); err != nil {
			return err
		}
		at += len(piece)
		return visit(piece)
	})
}

// transpose sets y [rows, cols] to the transpose of x [cols, rows], by strips of y that stay in the cache.
func transpose(y, x []float32, rows, cols int) {
	const strip = 16
	for from := 0; from < rows; from += strip {
		to := min(from+strip, rows)
		for j := range cols {
			for i := from; i < to; i++ {
				y[i*cols+j] = x[j*rows+i]
			}
		}
	}
}

// finite refuses NaN and infinities among the elements of a tensor from number first on. The sum of squares in float64 is finite if and
// only if all float32 values are.
func (v *variables) finite(name string, first int, x []float32) error {
	if sum := asm.Best.SumSquares(x); !math.IsNaN(sum) && !math.IsInf(sum, 0) {
		return nil
	}
	at := tensor.NotFinite(x)
	info, _ := v.src.Lookup(name)
	index := make([]int, len(info.Shape))
	for axis, rest := len(index)-1, first+at; axis >= 0; axis-- {
		index[axis], rest = rest%info.Shape[axis], rest/info.Shape[axis]
	}
	return fmt.Errorf("tensor %s: element %v is %v, expected a finite number", checkpoint.Quote(name), index, x[at])
}

// resolve finds the variables by their names, or by the object graph's where the names are numbers.
func resolve(src checkpoint.Source, stored []string, o *Options) (names.Map, error) {
	if !names.Numbered(stored) {
		return names.Resolve(stored, o.IgnoreVariables...)
	}
	full, err := tfbundle.FullNames(src)
	if err != nil {
		return names.Map{}, err
	}
	return names.ResolveNumbered(stored, full, o.IgnoreVariables...)
}

// match finds the tensor of each parameter, drops the pooler if the checkpoint has none, and makes the head if it has one. The
// error lists every variable that is missing, unexpected or misshapen.
func (m *Model) match(src checkpoint.Source, o *Options) (*variables, error) {
	stored := storedNames(src)
	if err := foreignNames(stored); err != nil {
		return nil, err
	}
	resolved, err := resolve(src, stored, o)
	if err != nil {
		return nil, err
	}
	for _, pattern := range o.IgnoreVariables {
		named := func(name string) bool { return names.Matches(name, []string{pattern}) }
		if o.Unused != nil && !slices.ContainsFunc(slices.Concat(stored, resolved.Ignored, resolved.Unknown), named) {
			if err := o.Unused(pattern); err != nil {
				return nil, err
			}
		}
	}
	v := &variables{src, resolved}
	if resolved.Layout == names.TF2 {
		o.logf("the variables have the names of %s", resolved.Layout)
	}
	if resolved.Scope != "" && !(resolved.Layout == names.HuggingFace && resolved.Scope == "bert.") {
		o.logf("the scope %q is taken off the names of the variables", resolved.Scope)
	}
	v.sayIgnored(o)
	m.dropMissingPooler(v, o)
	params := append(m.Encoder.Params(), m.matchHead(v)...)

	var missing, misfits []error
	converted := map[string]int{}
	nearly := map[string]string{} // unknown names by their lower-case form
	for _, name := range v.names.Unknown {
		nearly[strings.ToLower(name)] = name
	}
	for _, p := range params {
		if _, ok := v.names.Places[p.Name]; !ok {
			missing = append(missing, fmt.Errorf("tensor %q %v is missing%s", p.Name, m.storedShape(v, p), letterCaseHint(nearly, p.Name)))
		} else if dtype, err := m.checkStored(v, p); err != nil {
			misfits = append(misfits, err)
		} else if dtype != checkpoint.Float32 {
			converted[dtype.String()]++
		}
	}
	for dtype, n := range converted {
		o.logf("%d tensors of dtype %s are converted to float32", n, dtype)
	}
	unexpected := v.unexpected(params, o.IgnoreVariables)
	all := slices.Concat(missing, misfits, unexpected)
	if len(all) == 0 {
		return v, nil
	}
	return nil, &MisfitError{len(missing), len(misfits), len(unexpected), all}
}

// MisfitError says that a checkpoint is not the model that its config describes.
type MisfitError struct {
	Missing, Misshapen, Unexpected int
	Variables                      []error // one for each of them, in this order
}

// shownVariables is how many variables the message lists.
const shownVariables = 20

func (e *MisfitError) Error() string {
	shown, more := slices.Clone(e.Variables), ""
	if n := len(shown) - shownVariables; n > 0 {
		shown, more = shown[:shownVariables], fmt.Sprintf("\n… and %d more", n)
	}
	sort.SliceStable(shown, func(i, j int) bool { return shown[i].Error() < shown[j].Error() })
	return fmt.Sprintf("does not fit the config: %d variables are missing, %d unexpected, %d of another shape or type:\n%v%s",
		e.Missing, e.Unexpected, e.Misshapen, errors.Join(shown...), more)
}

// Unwrap returns what is wrong with each variable.
func (e *MisfitError) Unwrap() []error { return e.Variables }

// sayIgnored counts what an optimizer has left beside the weights, and what was to be ignored.
func (v *variables) sayIgnored(o *Options) {
	slots, asked := 0, 0
	for _, name := range v.names.Ignored {
		switch {
		case names.Matches(name, o.IgnoreVariables):
			asked++
		case v.names.Layout == names.Google && !strings.Contains(name, "cls/") && !strings.HasSuffix(name, "global_step"):
			slots++
		}
	}
	if slots > 0 {
		o.logf("%d variables that an optimizer keeps beside the weights are no part of the model and are passed over", slots)
	}
	if asked > 0 {
		o.logf("%d variables are ignored, as was asked for", asked)
	}
}

func storedNames(src checkpoint.Source) (stored []string) {
	for _, info := range src.Tensors() {
		stored = append(stored, info.Name)
	}
	return stored
}

// foreignNames refuses the variables of another architecture.
func foreignNames(stored []string) error {
	if other := names.Foreign(stored); other != "" {
		return fmt.Errorf("these are the variables of %s, another architecture; bertlabel runs BERT only", other)
	}
	return nil
}

// foreign refuses a checkpoint of another architecture, or a file of a format that is never read. What cannot be opened for
// another reason is for others to report.
func foreign(path string) error {
	src, err := formats.Open(path, checkpoint.Limits{})
	var refused *checkpoint.FormatError
	if errors.As(err, &refused) && refused.Class == checkpoint.BadMagic {
		return err
	}
	if err != nil {
		return nil
	}
	defer src.Close()
	if err := foreignNames(storedNames(src)); err != nil {
		return fmt.Errorf("checkpoint %s: %w", path, err)
	}
	return nil
}

// letterCaseHint names the tensor whose name differs from the one that is missing in letter case only.
func letterCaseHint(nearly map[string]string, missing string) string {
	other, ok := nearly[strings.ToLower(missing)]
	if !ok {
		return ""
	}
	return fmt.Sprintf(" (there is %s, which differs in letter case)", checkpoint.Quote(other))
}

// storedShape returns the shape that the tensor of a parameter must have.
func (m *Model) storedShape(v *variables, p *tensor.Param) []int {
	return names.StoredShape(v.names.Layout, p.Name, p.Shape, m.Encoder.Config.NumAttentionHeads)
}

// checkStored compares dtype and shape of a parameter's tensor with what the config asks for.
func (m *Model) checkStored(v *variables, p *tensor.Param) (checkpoint.DType, error) {
	info, _ := v.src.Lookup(v.names.Places[p.Name].Stored)
	switch info.DType {
	case checkpoint.Float32, checkpoint.Float64, checkpoint.Float16, checkpoint.BFloat16:
	default:
		return 0, fmt.Errorf("tensor %q: dtype %v, expected float32", info.Name, info.DType)
	}
	if want := m.storedShape(v, p); !slices.Equal(info.Shape, want) {
		return 0, fmt.Errorf("tensor %q: shape %v, expected %v by the config", info.Name, info.Shape, want)
	}
	return info.DType, nil
}

// unexpected returns an error for each tensor that is neither a parameter nor on the list of those that may be ignored.
// What matches a pattern of ignore is left out.
func (v *variables) unexpected(params []*tensor.Param, ignore []string) (errs []error) {
	extra := slices.Clone(v.names.Unknown)
	wanted := map[string]bool{}
	for _, p := range params {
		wanted[p.Name] = true
	}
	for google, place := range v.names.Places {
		if !wanted[google] && !names.Matches(place.Stored, ignore) {
			extra = append(extra, place.Stored)
		}
	}
	for _, name := range extra {
		info, _ := v.src.Lookup(name)
		errs = append(errs, fmt.Errorf("tensor %s %v is unexpected: the model has no such variable", checkpoint.Quote(name), info.Shape))
	}
	return errs
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
	labels := 1
	switch {
	case !hasWeights && !hasBias:
		return nil
	case hasWeights && len(weights.Shape) > 0:
		labels = weights.Shape[0]
	case hasBias && len(bias.Shape) > 0:
		labels = bias.Shape[0]
	}
	width, err := m.Encoder.PoolingWidth(m.Pooling)
	if err != nil {
		width = m.Encoder.Config.HiddenSize // openHead says what is wrong
	}
	m.Head = layers.NewClassifier(labels, width)
	return m.Head.Params()
}

// Fingerprint returns SHA-256 over all that decides the features of a text: configuration, vocabulary, how text is tokenised,
// the precision, and the encoder's weights as they are held. Two models with the same fingerprint give the same features for the same
// pooling, MaxSeqLength and Windows.
func (m *Model) Fingerprint() []byte {
	head := m.fingerprintHead()
	if m.shared == nil {
		return m.fingerprint(head)
	}
	return m.shared.fingerprint(head, func() []byte { return m.fingerprint(head) })
}

// PredictionFingerprint returns SHA-256 over all that decides what the model predicts, but for its precision: what Fingerprint counts, the
// length at which texts are cut, and the head with pooling, labels, thresholds, ExactlyOne, NoisyOr and its calibration, where it has one.
// The weights of the encoder count by the CRC-32C of their float32 values. Of a model in a low precision, whose weights are rounded, these
// are taken while it is opened: it has the fingerprint of the same model in fp32 and costs no time.
func (m *Model) PredictionFingerprint() []byte {
	h := m.hashEncoder()
	fmt.Fprintf(h, "%s %s %q %x ", m.lengths(), m.Pooling, m.Labels, m.Thresholds)
	if m.ExactlyOne {
		io.WriteString(h, "exactly one ")
	}
	if m.noisyOr() {
		fmt.Fprintf(h, "%s %x ", m.WindowPooling, m.Calibration)
	}
	if m.Head != nil {
		for _, p := range m.Head.Params() {
			fmt.Fprintf(h, "%q %v %08x ", p.Name, p.Shape, checksum(0, p.Value))
		}
	}
	return h.Sum(nil)
}

// EncoderFingerprint is the part of PredictionFingerprint that is about the encoder: SHA-256 over configuration, vocabulary, how text is
// tokenised, and the weights. Two models that have it in common give the same features for the same pooling, lengths and precision,
// whatever their heads are.
func (m *Model) EncoderFingerprint() []byte { return m.hashEncoder().Sum(nil) }

// hashEncoder hashes what the fingerprints of any precision say of the encoder.
func (m *Model) hashEncoder() hash.Hash {
	h := sha256.New()
	h.Write(m.reading())
	for _, p := range m.Encoder.Params() {
		sum, found := m.checksums[p.Name]
		if !found {
			sum = checksum(0, m.Encoder.Value(p))
		}
		fmt.Fprintf(h, "%q %v %08x ", p.Name, p.Shape, sum)
	}
	return h
}

// lengths says how much of a text is read.
func (m *Model) lengths() string {
	if !m.Windows.Several() {
		return strconv.Itoa(m.MaxSeqLength)
	}
	return fmt.Sprintf("%d, windows %s", m.MaxSeqLength, m.Windows)
}

// fingerprintHead is what Fingerprint hashes before the weights.
func (m *Model) fingerprintHead() []byte {
	h := m.reading()
	if p := m.Precision(); p != bert.FP32 {
		h = fmt.Appendf(h, "%s ", p)
	}
	if p := m.Encoder.EmbeddingsPrecision(); p != bert.FP32 {
		h = fmt.Appendf(h, "embeddings %s ", p)
	}
	return h
}

// fingerprint hashes head and the encoder's weights.
func (m *Model) fingerprint(head []byte) []byte {
	h := sha256.New()
	h.Write(head)
	for _, p := range m.Encoder.Params() {
		fmt.Fprintf(h, "%q %v ", p.Name, p.Shape)
		h.Write(checkpoint.Float32Tensor(p.Name, p.Shape, m.Encoder.Value(p)).Bytes)
	}
	return h.Sum(nil)
}

// reading is what the fingerprints hash of configuration, vocabulary, and how text is tokenised.
func (m *Model) reading() []byte {
	config, err := json.Marshal(m.Encoder.Config)
	if err != nil {
		panic(err) // numbers and strings only
	}
	reading, err := json.Marshal(m.Tokenizer.Options())
	if err != nil {
		panic(err) // strings, numbers and flags only
	}
	h := fmt.Appendf(nil, "%s %s ", config, reading)
	vocab := m.Tokenizer.Vocab()
	for id := range vocab.Size() {
		h = append(append(h, vocab.Token(int32(id))...), '\n')
	}
	return h
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum returns the CRC-32C of a parameter's value, little-endian, in pieces: sum is that of those before, 0 for none.
func checksum(sum uint32, piece []float32) uint32 {
	return crc32.Update(sum, castagnoli, checkpoint.Float32Tensor("", []int{len(piece)}, piece).Bytes)
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
