package model

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"strings"
	"unicode/utf8"

	"bertlabel/asm"
	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
	"bertlabel/layers"
	"bertlabel/tensor"
)

// Model is an opened model. Its methods are safe for concurrent use; the fields are not to be changed while they run.
type Model struct {
	Encoder   *bert.Model
	Tokenizer *tokenizer.Tokenizer

	// The head, and what belongs to it. Without one, Head is nil and Labels is empty.
	Head       *layers.Classifier // [labels, width of the features]
	Labels     []string           // in the order of the outputs
	Unnamed    bool               // Labels are made up, for a head that came without names
	Thresholds []float32          // probability above which a label is predicted, [labels]
	Pooling    bert.Pooling       // the features that the head reads

	MaxSeqLength int // tokens of a text, with [CLS] and [SEP]; longer ones are cut
	LowerCase    bool
	KeepTokens   []string // words that are one token each

	vocab    []byte          // vocab.txt
	training json.RawMessage // what bertlabel.json says of the run that made the head
	threads  int
	serial   passes // for one goroutine each
	parallel passes // for all threads together
}

// Open opens the model at path: a folder of Google's layout (bert_config.json, vocab.txt and a TensorFlow checkpoint), a folder
// that train wrote, or the prefix of a checkpoint beside the other two files. path may be empty if o names all three parts.
// Everything is checked; the error names file, tensor, what was found and what was expected.
func Open(path string, o *Options) (*Model, error) {
	if o == nil {
		o = &Options{}
	}
	f, err := find(path, o)
	if err != nil {
		return nil, err
	}
	m := &Model{threads: o.Threads, MaxSeqLength: DefaultMaxSeqLength, KeepTokens: o.KeepTokens}
	if m.threads <= 0 {
		m.threads = runtime.GOMAXPROCS(0)
	}
	config, err := readConfig(f.config, o)
	if err != nil {
		return nil, err
	}
	settings, err := readSettings(f.settings, o)
	if err != nil {
		return nil, err
	}
	if m.Encoder, err = bert.New(config); err != nil {
		return nil, err
	}
	if settings != nil {
		m.Pooling, _ = bert.ParsePooling(settings.Pooling) // readSettings has checked it
		if _, err := m.Encoder.PoolingWidth(m.Pooling); err != nil {
			return nil, fmt.Errorf("%s: %w", f.settings, err)
		}
	}
	tokenizerErr := make(chan error, 1) // the vocabulary is read while the weights are
	go func() { tokenizerErr <- m.openTokenizer(f, o, settings, &config) }()
	if err := errors.Join(m.loadWeights(f.checkpoint, o), <-tokenizerErr); err != nil {
		return nil, err
	}
	m.MaxSeqLength = min(m.MaxSeqLength, config.MaxPositionEmbeddings)
	if err := m.openHead(f, o, settings); err != nil {
		return nil, err
	}
	return m, nil
}

func readConfig(path string, o *Options) (bert.Config, error) {
	data, err := readFile(path, bert.MaxConfigBytes)
	if err != nil {
		return bert.Config{}, err
	}
	config, unknown, err := bert.ParseConfig(data)
	if err != nil {
		return config, fmt.Errorf("config %s: %w", path, err)
	}
	if len(unknown) > 0 {
		o.logf("config %s: ignored the unknown keys %s", path, strings.Join(unknown, ", "))
	}
	if o.HiddenAct != "" {
		config.HiddenAct = o.HiddenAct
		if err := config.Check(); err != nil {
			return config, err
		}
	}
	return config, nil
}

// readSettings returns the contents of bertlabel.json, or nil if the folder has none.
func readSettings(path string, o *Options) (*Settings, error) {
	if path == "" {
		return nil, nil
	}
	data, err := readFile(path, bert.MaxConfigBytes)
	if err != nil {
		return nil, err
	}
	s, unknown, err := parseSettings(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(unknown) > 0 {
		o.logf("%s: ignored the unknown keys %s", path, strings.Join(unknown, ", "))
	}
	return s, nil
}

const maxVocabBytes = 32 << 20 // that of the tokenizer

// openTokenizer reads the vocabulary and settles whether text is lower-cased.
func (m *Model) openTokenizer(f files, o *Options, s *Settings, config *bert.Config) (err error) {
	if m.vocab, err = readFile(f.vocab, maxVocabBytes); err != nil {
		return err
	}
	vocab, err := tokenizer.ReadVocab(bytes.NewReader(m.vocab), f.vocab)
	if err != nil {
		return err
	}
	switch n := vocab.Size(); {
	case n > config.VocabSize:
		return fmt.Errorf("vocabulary %s: %d tokens, but vocab_size of %s is %d: they do not belong together", f.vocab, n, f.config, config.VocabSize)
	case n < config.VocabSize:
		o.logf("vocabulary %s: %d tokens for %d rows of the word embeddings; the last rows stay unused", f.vocab, n, config.VocabSize)
	}
	if s != nil && m.KeepTokens == nil {
		m.KeepTokens = s.KeepTokens
	}
	m.LowerCase = lowerCase(f, o, s, vocab)
	m.Tokenizer, err = tokenizer.New(vocab, tokenizer.Options{LowerCase: m.LowerCase, KeepTokens: m.KeepTokens})
	if err != nil {
		return fmt.Errorf("vocabulary %s: %w", f.vocab, err)
	}
	return nil
}

// lowerCase returns do_lower_case: what the caller says, else what the model's own settings say, else a guess, which is logged.
func lowerCase(f files, o *Options, s *Settings, vocab *tokenizer.Vocab) bool {
	if o.LowerCase != nil {
		return *o.LowerCase
	}
	if s != nil {
		return s.DoLowerCase
	}
	path, err := filepath.Abs(f.vocab)
	if err != nil {
		path = f.vocab
	}
	lower, why := tokenizer.GuessLowerCase(vocab, path)
	o.logf("do_lower_case is %t, guessed %s", lower, why)
	return lower
}

// openHead gives the head, which loadWeights has found or not, its labels, thresholds and pooling.
func (m *Model) openHead(f files, o *Options, s *Settings) error {
	if s != nil {
		m.MaxSeqLength, m.training = s.MaxSeqLength, s.Training
	}
	if s != nil && s.MaxSeqLength > m.Encoder.Config.MaxPositionEmbeddings {
		return fmt.Errorf("%s: max_seq_length is %d, over max_position_embeddings, %d", f.settings, s.MaxSeqLength, m.Encoder.Config.MaxPositionEmbeddings)
	}
	if m.Head == nil {
		return nil
	}
	if _, err := m.Encoder.PoolingWidth(m.Pooling); err != nil {
		return fmt.Errorf("checkpoint %s: the head reads the pooled output, but the tensors bert/pooler/dense/kernel and bias are missing", f.checkpoint)
	}
	if err := m.openLabels(f, o); err != nil {
		return err
	}
	if s == nil {
		s = &Settings{}
	}
	thresholds, err := s.thresholdsFor(m.Labels)
	if err != nil {
		return fmt.Errorf("%s: %w", f.settings, err)
	}
	m.Thresholds = thresholds
	return nil
}

// openLabels reads labels.txt, which must have a line for each output.
func (m *Model) openLabels(f files, o *Options) error {
	n := m.Head.Labels()
	if n == 0 {
		return fmt.Errorf("checkpoint %s: tensor \"output_bias\": no labels", f.checkpoint)
	}
	if f.labels == "" {
		for i := range n {
			m.Labels = append(m.Labels, fmt.Sprintf("label_%d", i))
		}
		m.Unnamed = true
		o.logf("checkpoint %s has a head of %d labels, but there is no labels.txt: they are called label_0 to label_%d", f.checkpoint, n, n-1)
		return nil
	}
	data, err := readFile(f.labels, maxVocabBytes)
	if err != nil {
		return err
	}
	labels, err := ParseLabels(data)
	if err != nil {
		return fmt.Errorf("%s:%w", f.labels, err)
	}
	if len(labels) != n {
		return fmt.Errorf("%s: %d labels, but output_weights of checkpoint %s has %d rows", f.labels, len(labels), f.checkpoint, n)
	}
	m.Labels = labels
	return nil
}

// ParseLabels reads a list of labels, one a line: UTF-8, LF or CRLF. A blank line and a label that comes twice are errors, which
// begin with the line's number.
func ParseLabels(data []byte) ([]string, error) {
	var labels []string
	lines := map[string]int{} // of each label
	for text := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		line, label := len(labels)+1, strings.TrimRight(text, "\r\n")
		switch {
		case !utf8.ValidString(label):
			return nil, fmt.Errorf("%d: label %.80q is not UTF-8", line, label)
		case strings.TrimSpace(label) == "":
			return nil, fmt.Errorf("%d: blank line, expected a label", line)
		case lines[label] > 0:
			return nil, fmt.Errorf("%d: label %.80q stands on line %d too", line, label, lines[label])
		}
		lines[label] = line
		labels = append(labels, label)
	}
	if len(labels) == 0 {
		return nil, errors.New("1: no labels")
	}
	return labels, nil
}

// Text is one input: a text, or a pair of texts.
type Text struct {
	A, B string // B is the second text of a pair; empty: there is none
}

// Encode tokenises texts, on all processors, each cut to m.MaxSeqLength tokens.
func (m *Model) Encode(texts []Text) []tokenizer.Encoding {
	a, b := make([]string, len(texts)), make([]string, len(texts))
	for i, t := range texts {
		a[i], b[i] = t.A, t.B
	}
	return m.Tokenizer.EncodeBatch(a, b, m.MaxSeqLength)
}

// Embed returns the features of texts, [len(texts), width], in their order; Encoder.PoolingWidth has the width.
func (m *Model) Embed(ctx context.Context, texts []Text, pooling bert.Pooling) (*tensor.Tensor, error) {
	return m.Features(ctx, m.Encode(texts), pooling, nil)
}

// Prediction is what the model says of one text.
type Prediction struct {
	Logits        []float32 // [labels]
	Probabilities []float32 // sigmoid of the logits, [labels]
}

// Predict runs encoder and head on texts. The predictions come in the order of texts; a text has the same bits whatever the
// others are. The error says that the model has no head, is ctx's, or names a score that is no finite number.
func (m *Model) Predict(ctx context.Context, texts []Text) ([]Prediction, error) {
	return m.PredictEncoded(ctx, m.Encode(texts))
}

// PredictEncoded is Predict for texts that Encode has tokenised.
func (m *Model) PredictEncoded(ctx context.Context, texts []tokenizer.Encoding) ([]Prediction, error) {
	if m.Head == nil {
		return nil, errors.New("the model has no head (output_weights, output_bias): train one first")
	}
	features, err := m.Features(ctx, texts, m.Pooling, nil)
	if err != nil {
		return nil, err
	}
	logits, probabilities := m.Score(features)
	predictions := make([]Prediction, len(texts))
	for i := range predictions {
		if j := notFinite(logits.Row(i)); j >= 0 {
			return nil, fmt.Errorf("the logit of label %q is %v for text %d: the weights are broken", m.Labels[j], logits.Row(i)[j], i)
		}
		predictions[i] = Prediction{logits.Row(i), probabilities.Row(i)}
	}
	return predictions, nil
}

// Score runs the head on features [texts, hidden] and returns logits and probabilities, both [texts, labels].
func (m *Model) Score(features *tensor.Tensor) (logits, probabilities *tensor.Tensor) {
	logits, probabilities = tensor.New(features.Rows, m.Head.Labels()), tensor.New(features.Rows, m.Head.Labels())
	m.Head.Forward(logits, features)
	asm.Best.Sigmoid(probabilities.Data, logits.Data)
	return logits, probabilities
}

// Predicted returns the labels whose probability is above their threshold, in label order.
func (m *Model) Predicted(p Prediction) []string {
	labels := []string{}
	for i, v := range p.Probabilities {
		if v > m.Thresholds[i] {
			labels = append(labels, m.Labels[i])
		}
	}
	return labels
}

// notFinite returns the index of the first NaN or infinity in x, or −1.
func notFinite(x []float32) int {
	for i, v := range x {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return i
		}
	}
	return -1
}

// SetHead gives the model a head that reads the features of pooling, with one name for each of its outputs and thresholds of 0.5.
// It panics unless head reads features of that width and has as many outputs as there are labels.
func (m *Model) SetHead(head *layers.Classifier, labels []string, pooling bert.Pooling) {
	if width, err := m.Encoder.PoolingWidth(pooling); err != nil || head.Labels() != len(labels) || head.Weights.Shape[1] != width {
		panic(fmt.Sprintf("model.SetHead: a head of shape %v for %d labels and pooling %s of width %d (%v)", head.Weights.Shape, len(labels), pooling, width, err))
	}
	m.Head, m.Labels, m.Unnamed, m.Pooling = head, labels, false, pooling
	m.Thresholds = make([]float32, len(labels))
	for i := range m.Thresholds {
		m.Thresholds[i] = DefaultThreshold
	}
}
