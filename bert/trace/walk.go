// Package trace makes every stage of a text's way through a model visible: Walk has the stages of the engine, Summarize what a reader wants
// to know of them, and Alter what becomes of them when one thing is changed, which package plain computes.
package trace

import (
	"errors"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
)

// Names of what Walk adds to bert.Model.Stages.
const (
	InputIDs      = "input_ids"     // [1, S], whole numbers
	SegmentIDs    = "segment_ids"   // [1, S], whole numbers
	Features      = "features"      // [1, width], what the head reads
	Logits        = "logits"        // [1, labels]
	Probabilities = "probabilities" // [1, labels]
)

// Walk runs a text of S tokens through m and shows visit every stage in the order of the computation: input_ids and segment_ids, those of
// bert.Model.Stages, and where m has a head, features, logits and probabilities, with the bits of m.Predict. visit must not keep x. The
// error is that of visit, or says what is wrong with the text or with the pooling.
func Walk(m *model.Model, text tokenizer.Encoding, visit func(name string, x *tensor.Tensor) error) error {
	if err := errors.Join(visit(InputIDs, row(text.IDs)), visit(SegmentIDs, row(text.Segments))); err != nil {
		return err
	}
	var b bert.Batch
	b.Append(text.IDs, text.Segments)
	ws := bert.NewWorkspace(tensor.NewWorkers(m.Threads()))
	if err := m.Encoder.Stages(ws, &b, visit); err != nil || m.Head == nil {
		return err
	}
	width, err := m.Encoder.PoolingWidth(m.Pooling)
	if err != nil {
		return err
	}
	features := tensor.New(1, width)
	if err := m.Encoder.Features(ws, features, &b, m.Pooling); err != nil {
		return err
	}
	logits, probabilities := m.Score(features)
	for _, stage := range []struct {
		name string
		x    *tensor.Tensor
	}{{Features, features}, {Logits, logits}, {Probabilities, probabilities}} {
		if err := visit(stage.name, stage.x); err != nil {
			return err
		}
	}
	return nil
}

// row is whole numbers below 2²⁴ as a tensor, [1, len(x)].
func row(x []int32) *tensor.Tensor {
	y := tensor.New(1, len(x))
	for i, v := range x {
		y.Data[i] = float32(v)
	}
	return y
}
