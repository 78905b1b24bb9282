package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

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

// Precision returns the precision that the model computes in: FP32, BF16 or Int8.
func (m *Model) Precision() bert.Precision { return m.Encoder.Precision() }

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

// Training returns what the model's bertlabel.json says of the run that made its head; nil if there is nothing.
func (m *Model) Training() json.RawMessage { return m.training }

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
