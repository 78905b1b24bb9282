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

	vocab    []byte          // vocab.txt
	training json.RawMessage // what bertlabel.json says of the run that made the head
	threads  int
	serial   passes // for one goroutine each
	parallel passes // for all threads together
}

// Open opens the model at path: a folder of Google's layout (bert_config.json, vocab.txt and a TensorFlow checkpoint) or of Hugging
// Face's (config.json, model.safetensors, and vocab.txt or tokenizer.json), a folder that train wrote, or a checkpoint beside
// the other two files. path may be empty if o names all three parts. Everything is checked; the error names file, tensor, what
// was found and what was expected, and lists all variables that do not fit at once.
func Open(path string, o *Options) (*Model, error) {
	if o == nil {
		o = &Options{}
	}
	f, err := find(path, o)
	if err != nil {
		return nil, err
	}
	m := &Model{threads: o.Threads, MaxSeqLength: DefaultMaxSeqLength}
	if m.threads <= 0 {
		m.threads = runtime.GOMAXPROCS(0)
	}
	var config modelConfig
	if f.config != "" {
		if config, err = readConfig(f.config, o); err != nil {
			return nil, err
		}
	}
	if err := f.missing(config.huggingFace); err != nil {
		return nil, err
	}
	settings, err := readSettings(f.settings, o)
	if err != nil {
		return nil, err
	}
	if m.Encoder, err = bert.New(config.Config); err != nil {
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
	if err := m.openHead(f, o, settings, config.labels); err != nil {
		return nil, err
	}
	return m, nil
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

// Limits of a vocabulary, those of the tokenizer.
const (
	maxVocabBytes = 32 << 20
	maxVocabLines = 1_000_000
)

// openTokenizer reads the vocabulary and settles how text is read.
func (m *Model) openTokenizer(f files, o *Options, s *Settings, config *modelConfig) (err error) {
	var hf hfTokenizer
	if config.huggingFace {
		if hf, err = readHFTokenizer(f.hfTokenizerConfig, f.hfTokenizer); err != nil {
			return err
		}
	}
	vocab, err := m.openVocab(f, o, &hf)
	if err != nil {
		return err
	}
	switch n := vocab.Size(); {
	case n > config.VocabSize:
		return fmt.Errorf("vocabulary %s: %d tokens, but vocab_size of %s is %d: they do not belong together", f.vocabulary(), n, f.config, config.VocabSize)
	case n < config.VocabSize:
		o.logf("vocabulary %s: %d tokens for %d rows of the word embeddings; the last rows stay unused", f.vocabulary(), n, config.VocabSize)
	}
	options := hf.options
	if s != nil {
		options = s.tokenizerOptions()
	}
	if o.KeepTokens != nil {
		options.KeepTokens = o.KeepTokens
	}
	options.LowerCase = lowerCase(f, o, s, hf.lower, vocab)
	if m.Tokenizer, err = tokenizer.New(vocab, canonical(options)); err != nil {
		return fmt.Errorf("vocabulary %s: %w", f.vocabulary(), err)
	}
	return nil
}

// openVocab reads vocab.txt, or the vocabulary of tokenizer.json, and completes it by the tokens that hf adds.
func (m *Model) openVocab(f files, o *Options, hf *hfTokenizer) (vocab *tokenizer.Vocab, err error) {
	if f.vocab != "" {
		m.vocab, err = readFile(f.vocab, maxVocabBytes)
	} else if m.vocab, err = hf.vocabText(); err != nil {
		err = fmt.Errorf("%s: %w", f.hfTokenizer, err)
	}
	if err != nil {
		return nil, err
	}
	if vocab, err = tokenizer.ReadVocab(bytes.NewReader(m.vocab), f.vocabulary()); err != nil {
		return nil, err
	}
	if hf.vocab != nil && o.VocabFile == "" {
		err = hf.checkVocab(vocab)
	}
	before := len(m.vocab)
	if err == nil {
		m.vocab, err = hf.addTokens(m.vocab, vocab)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", first(f.hfTokenizer, f.hfTokenizerConfig), err)
	}
	if len(m.vocab) == before {
		return vocab, nil
	}
	return tokenizer.ReadVocab(bytes.NewReader(m.vocab), f.vocabulary())
}

// canonical leaves out of options what is said by default, so that what is the same looks the same.
func canonical(o tokenizer.Options) tokenizer.Options {
	if o.StripAccents != nil && *o.StripAccents == o.LowerCase {
		o.StripAccents = nil
	}
	if o.TokenizeChinese != nil && *o.TokenizeChinese {
		o.TokenizeChinese = nil
	}
	if o.MaxWordChars == tokenizer.GoogleMaxWordChars {
		o.MaxWordChars = 0
	}
	return o
}

// lowerCase returns do_lower_case: what the caller says, else what the model's own settings say, else a guess, which is logged.
func lowerCase(f files, o *Options, s *Settings, hf *bool, vocab *tokenizer.Vocab) bool {
	switch {
	case o.LowerCase != nil:
		return *o.LowerCase
	case s != nil:
		return s.DoLowerCase
	case hf != nil:
		return *hf
	}
	path, err := filepath.Abs(f.vocabulary())
	if err != nil {
		path = f.vocabulary()
	}
	lower, why := tokenizer.GuessLowerCase(vocab, path)
	o.logf("do_lower_case is %t, guessed %s", lower, why)
	return lower
}

// openHead gives the head, which loadWeights has found or not, its labels (those of the config, if it names any), thresholds and
// pooling.
func (m *Model) openHead(f files, o *Options, s *Settings, labels []string) error {
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
	if err := m.openLabels(f, o, labels); err != nil {
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

// openLabels settles the names of the outputs: those of config.json, else of labels.txt, one for each.
func (m *Model) openLabels(f files, o *Options, labels []string) error {
	n, from := m.Head.Labels(), f.config
	switch {
	case n == 0:
		return fmt.Errorf("checkpoint %s: tensor \"output_bias\": no labels", f.checkpoint)
	case labels == nil && f.labels == "":
		for i := range n {
			m.Labels = append(m.Labels, fmt.Sprintf("label_%d", i))
		}
		m.Unnamed = true
		o.logf("checkpoint %s has a head of %d labels, but there is no labels.txt: they are called label_0 to label_%d", f.checkpoint, n, n-1)
		return nil
	case labels == nil:
		from = f.labels
		data, err := readFile(f.labels, maxVocabBytes)
		if err != nil {
			return err
		}
		if labels, err = ParseLabels(data); err != nil {
			return fmt.Errorf("%s:%w", f.labels, err)
		}
	}
	if len(labels) != n {
		return fmt.Errorf("%s: %d labels, but the head of checkpoint %s has %d outputs", from, len(labels), f.checkpoint, n)
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
