package model

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	"bertlabel/checkpoint"
	"bertlabel/tensor"
)

// OpenShared is Open for several models over one encoder, and for opening a model anew: where the files at path hold the encoder of one
// of have, the result uses that (Encoder == have[i].Encoder) and reads no weights but those of its head. Models that do not come from
// OpenShared, and nil, are passed over. The encoders are the same if configuration and precisions are, and the variables by what the files
// say: a TensorFlow checkpoint by its CRC32C, other files by SHA-256 over the values, which takes reading them. What is not known to be the
// same is loaded, so files of two formats never share. A tokenizer of the same vocabulary and options is shared, too; head, labels and
// thresholds are always those of path. Neither encoder nor tokenizer of such a model may be changed; Fingerprint goes over the weights once
// for all that share them.
func OpenShared(path string, o *Options, have ...*Model) (*Model, error) {
	m, err := openModel(path, o, &sharing{have})
	if err == nil {
		m.shareTokenizer(have)
	}
	return m, err
}

// shareTokenizer takes the tokenizer of one of have that is the same: that of 30,000 pieces holds some 2 MB.
func (m *Model) shareTokenizer(have []*Model) {
	for _, h := range have {
		if h != nil && h.shared != nil && bytes.Equal(h.vocab, m.vocab) && reflect.DeepEqual(h.Tokenizer.Options(), m.Tokenizer.Options()) {
			m.Tokenizer, m.vocab = h.Tokenizer, h.vocab
			return
		}
	}
}

// sharing is what OpenShared asks of loadEncoder.
type sharing struct{ have []*Model }

// sharedEncoder is what is known of an encoder that several models may use.
type sharedEncoder struct {
	sums      map[string]string // what the files say of the value of each parameter, by its name
	checksums map[string]uint32 // Model.checksums

	mu     sync.Mutex
	prints map[[sha256.Size]byte][]byte // fingerprints, by SHA-256 of what goes before the weights
}

// fingerprint returns the fingerprint that begins with head; compute makes it when it is not known yet.
func (s *sharedEncoder) fingerprint(head []byte, compute func() []byte) []byte {
	key := sha256.Sum256(head)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.prints[key] == nil {
		if s.prints == nil {
			s.prints = map[[sha256.Size]byte][]byte{}
		}
		s.prints[key] = compute()
	}
	return bytes.Clone(s.prints[key])
}

// loadEncoder fills the encoder from a checkpoint, or takes one that has the same weights. s is nil for Open.
func (m *Model) loadEncoder(v *variables, l loader, o *Options, s *sharing) error {
	load := func() error {
		if o.Admit != nil {
			if err := o.Admit(m.Encoder.WeightsMemory() + m.Encoder.LoadMemory(m.threads)); err != nil {
				return err
			}
		}
		return m.Encoder.LoadPieces(m.threads, l.read, l.pieces)
	}
	if s == nil {
		return load()
	}
	sums, err := m.sums(v, l.read)
	if err != nil {
		return err
	}
	for _, have := range s.have {
		if have == nil || have.shared == nil {
			continue
		}
		same := have.Encoder.Config == m.Encoder.Config && have.Precision() == m.Precision() &&
			have.Encoder.EmbeddingsPrecision() == m.Encoder.EmbeddingsPrecision() && maps.Equal(have.shared.sums, sums)
		if same {
			m.Encoder, m.shared, m.checksums = have.Encoder, have.shared, have.shared.checksums
			return nil
		}
	}
	m.shared = &sharedEncoder{sums: sums, checksums: m.checksums}
	return load()
}

// sums returns what the files say of the encoder's variables.
func (m *Model) sums(v *variables, read func(p *tensor.Param, dst []float32) error) (map[string]string, error) {
	sums, values := map[string]string{}, []float32(nil)
	for _, p := range m.Encoder.Params() {
		place := v.names.Places[p.Name]
		if info, _ := v.src.Lookup(place.Stored); info.CRC32C != 0 {
			sums[p.Name] = fmt.Sprintf("crc32c %08x %v %v %t", info.CRC32C, info.DType, info.Shape, place.Transpose)
			continue
		}
		values = slices.Grow(values[:0], p.Size())[:p.Size()]
		if err := read(p, values); err != nil {
			return nil, err
		}
		sums[p.Name] = fmt.Sprintf("sha256 %x", sha256.Sum256(checkpoint.Float32Tensor(p.Name, p.Shape, values).Bytes))
	}
	return sums, nil
}

// Digest returns SHA-256 over all that decides what the model says of a text: Fingerprint, MaxSeqLength, Windows, and of a head its pooling
// and its outputs, each with label, weights, bias and threshold, and NoisyOr with its calibration. Precision is part of the fingerprint.
// Where the model came from, the number of threads and what is told of its training are part of neither. The same digest gives the same
// bits on all CPUs and kernel sets, with one exception: in float32 the last bits of the set generic differ from those of the others
// (asm.Best.Name).
func (m *Model) Digest() []byte {
	h := sha256.New()
	h.Write(m.Fingerprint())
	fmt.Fprintf(h, " %s ", m.lengths())
	if m.Head != nil {
		fmt.Fprintf(h, "%s %d ", m.Pooling, len(m.Labels))
		if m.noisyOr() {
			fmt.Fprintf(h, "%s %x ", m.WindowPooling, m.Calibration)
		}
		for _, o := range m.Outputs() {
			numbers := append(o.Weights, o.Bias, o.Threshold)
			fmt.Fprintf(h, "%q ", o.Label)
			h.Write(checkpoint.Float32Tensor(o.Label, []int{len(numbers)}, numbers).Bytes)
		}
	}
	return h.Sum(nil)
}
