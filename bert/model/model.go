package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

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
	Pooling    bert.Pooling       // the features that the head reads; without one those that the folder means its vectors to be
	ExactlyOne bool               // the labels exclude each other: the most probable one is predicted, whatever the thresholds are

	// NoPooling says what makes the vectors of a sentence-transformers folder that Pooling cannot; "" elsewhere.
	NoPooling string

	Samples []Sample // texts with what the model says of them (bertlabel.json)

	MaxSeqLength int               // tokens of a text, or of a window of it, with [CLS] and [SEP]; longer ones are cut
	Windows      tokenizer.Windows // how longer texts are read: by default cut

	WindowPooling WindowPooling // how the head reads texts of several windows; "" is PoolFeatures
	Calibration   []Calibration // of the logits of texts, with NoisyOr, [labels]; nil for none

	path     string          // as Open was given it
	vocab    []byte          // vocab.txt
	training json.RawMessage // what bertlabel.json says of the run that made the head
	threads  int

	huggingFace bool // opened from a folder of that layout
	zipped      bool // opened from a zip file

	checksums map[string]uint32 // of the encoder's values as they were read, by their names, in a low precision: PredictionFingerprint

	serial   passes // for one goroutine each
	parallel passes // for all threads together

	shared *sharedEncoder // of a model from OpenShared
}

// Precision returns the precision that the model computes in: FP32, BF16 or Int8.
func (m *Model) Precision() bert.Precision { return m.Encoder.Precision() }

// Text is one input: a text, or a pair of texts.
type Text struct {
	A, B string // B is the second text of a pair; empty: there is none
}

// Encode tokenises texts[i] with the second text pairs[i], on all processors, in rows of up to m.MaxSeqLength tokens and as many of them as
// m.Windows says; the rest is cut. The texts are what a data.Dataset has. pairs is nil where no text has a second one; else it panics
// unless pairs is as long as texts.
func (m *Model) Encode(texts, pairs []string) []tokenizer.Encoding {
	return m.Tokenizer.EncodeBatchWindows(texts, pairs, m.MaxSeqLength, m.Windows)
}

// encode is Encode for texts that have their pairs with them.
func (m *Model) encode(texts []Text) []tokenizer.Encoding {
	a, b := make([]string, len(texts)), make([]string, len(texts))
	for i, t := range texts {
		a[i], b[i] = t.A, t.B
	}
	return m.Encode(a, b)
}

// Embed returns the features of texts, [len(texts), width], in their order; Encoder.PoolingWidth has the width.
func (m *Model) Embed(ctx context.Context, texts []Text, pooling bert.Pooling) (*tensor.Tensor, error) {
	return m.Features(ctx, m.encode(texts), pooling, nil)
}

// Prediction is what the model says of one text.
type Prediction struct {
	Logits        []float32 // [labels]
	Probabilities []float32 // sigmoid of the logits, [labels]
}

// Predict runs encoder and head on texts. The predictions come in the order of texts; a text has the same bits whatever the
// others are. The error says that the model has no head, is the cause of ctx's end, a *LogitError or a *FeatureError.
func (m *Model) Predict(ctx context.Context, texts []Text) ([]Prediction, error) {
	return m.PredictEncoded(ctx, m.encode(texts))
}

// PredictEncoded is Predict for texts that Encode has tokenised.
func (m *Model) PredictEncoded(ctx context.Context, texts []tokenizer.Encoding) ([]Prediction, error) {
	if m.Head == nil {
		return nil, errNoHead
	}
	_, logits, probabilities, err := m.ScoreEncoded(ctx, texts, nil)
	if err != nil {
		return nil, err
	}
	return m.predictions(logits, probabilities)
}

// errNoHead refuses to predict.
var errNoHead = errors.New("the model has no head (output_weights, output_bias): train one first")

// predictions makes predictions of logits and probabilities, both [texts, labels], that are numbers.
func (m *Model) predictions(logits, probabilities *tensor.Tensor) ([]Prediction, error) {
	if err := m.CheckLogits(logits); err != nil {
		return nil, err
	}
	predictions := make([]Prediction, logits.Rows)
	for i := range predictions {
		predictions[i] = Prediction{logits.Row(i), probabilities.Row(i)}
	}
	return predictions, nil
}

// HuggingFace reports whether the model was opened from a folder of Hugging Face's layout.
func (m *Model) HuggingFace() bool { return m.huggingFace }

// Path returns the folder or prefix that the model was opened from, as Open was given it; empty for a model that was made.
func (m *Model) Path() string { return m.path }

// Folder returns the folder in which files that belong to the model lie: the one that it was opened from, or that of its checkpoint; empty
// for a model that was made, or opened from a zip file, or opened from files named one by one.
func (m *Model) Folder() string {
	if m.zipped {
		return ""
	}
	if m.path == "" || isFolder(m.path) {
		return m.path
	}
	return filepath.Dir(m.path)
}

// Threads returns how many goroutines share the model's work: Options.Threads, or what 0 stands for there.
func (m *Model) Threads() int { return m.threads }

// SetThreads changes that for what begins from now on; n is 1 or more. Nobody may use m meanwhile. A server opens a model on all threads
// and lets an explainer have one.
func (m *Model) SetThreads(n int) { m.threads = n }

// SetTraining makes text, a JSON value, what bertlabel.json will say of the run that made the model's head; nil for nothing. m keeps
// the slice. Samples are dropped: they are of the head before.
func (m *Model) SetTraining(text json.RawMessage) { m.training, m.Samples = text, nil }

// Training returns what the model's bertlabel.json says of the run that made its head; nil if there is nothing.
func (m *Model) Training() json.RawMessage { return m.training }

// Score runs the head, which the model must have, on features [texts, width], each of a whole text, and returns logits and probabilities,
// both new and [texts, labels]: Head.Score, and m.Calibration. CheckLogits says whether they can be used.
func (m *Model) Score(features *tensor.Tensor) (logits, probabilities *tensor.Tensor) {
	return m.ScoreWindows(features, nil)
}

// LogitError says that a text has a logit that is no finite number.
type LogitError struct {
	Text  int // its place among the texts, from 0
	Label string
	Logit float32 // NaN or infinite
}

func (e *LogitError) Error() string {
	return fmt.Sprintf("the logit of label %q is %v for text %d: the weights are broken", e.Label, e.Logit, e.Text)
}

// CheckLogits returns a *LogitError for the first of logits [texts, labels] that is NaN or infinite, nil when all are numbers.
func (m *Model) CheckLogits(logits *tensor.Tensor) error {
	for i := range logits.Rows {
		if j := tensor.NotFinite(logits.Row(i)); j >= 0 {
			return &LogitError{i, m.Labels[j], logits.Row(i)[j]}
		}
	}
	return nil
}

// Predicts reports whether a probability of the label at that place is one at which it is predicted: above the label's threshold.
// Where labels exclude each other (ExactlyOne) Top decides.
func (m *Model) Predicts(label int, probability float32) bool {
	return probability > m.Thresholds[label]
}

// Top returns the place of the most probable label, the first of equals, where the model predicts exactly one; else −1.
func (m *Model) Top(probabilities []float32) int {
	if !m.ExactlyOne || len(probabilities) == 0 {
		return -1
	}
	top := 0
	for i, p := range probabilities {
		if p > probabilities[top] {
			top = i
		}
	}
	return top
}

// Predicted returns the labels that are predicted, in label order.
func (m *Model) Predicted(p Prediction) []string {
	labels, top := []string{}, m.Top(p.Probabilities)
	for i, v := range p.Probabilities {
		if i == top || top < 0 && m.Predicts(i, v) {
			labels = append(labels, m.Labels[i])
		}
	}
	return labels
}

// SetHead gives the model a head that reads the features of pooling, with one name for each of its outputs, thresholds of 0.5 and no
// calibration. WindowPooling stays. It panics unless head reads features of that width and has as many outputs as there are labels.
func (m *Model) SetHead(head *layers.Classifier, labels []string, pooling bert.Pooling) {
	if width, err := m.Encoder.PoolingWidth(pooling); err != nil || head.Labels() != len(labels) || head.Weights.Shape[1] != width {
		panic(fmt.Sprintf("model.SetHead: a head of shape %v for %d labels and pooling %s of width %d (%v)", head.Weights.Shape,
			len(labels), pooling, width, err))
	}
	m.Head, m.Labels, m.Unnamed, m.Pooling, m.Samples = head, labels, false, pooling, nil
	m.Thresholds, m.Calibration = make([]float32, len(labels)), nil
	for i := range m.Thresholds {
		m.Thresholds[i] = DefaultThreshold
	}
}
