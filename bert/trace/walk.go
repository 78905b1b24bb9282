// Package trace shows what a model computes on its way from one text to its labels. [Walk] hands out every intermediate result, [Summarize]
// boils them down to what fits a screen, and [Vary] says what becomes of them when one thing in the model is another. It is for people who
// look: a walk costs about two passes, and nothing of it is in the way of those that are fast.
package trace

import (
	"context"
	"errors"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
)

// Walk runs a text through the encoder and the head, if the model has one, and shows visit every stage in the order of the computation:
// those of bert.Model.Stages, then features [1, width], logits and probabilities [1, labels]. All have the bits of Predict. x lasts until visit
// returns; its rows may lie apart. The error is the cause of ctx's end, that of visit, or says that the text has no tokens of this model.
func Walk(ctx context.Context, m *model.Model, text tokenizer.Encoding, visit func(name string, x *tensor.Tensor) error) error {
	b := &bert.Batch{}
	b.Append(text.IDs, text.Segments)
	ws := bert.NewWorkspace(tensor.NewWorkers(m.Threads()))
	err := m.Encoder.Stages(ws, b, func(name string, x *tensor.Tensor) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return visit(name, x)
	})
	if err != nil || m.Head == nil {
		return err
	}
	width, err := m.Encoder.PoolingWidth(m.Pooling)
	if err != nil {
		return err
	}
	features := tensor.New(1, width)
	if err := m.Encoder.Features(ws, features, b, m.Pooling); err != nil {
		return err
	}
	logits, probabilities := m.Score(features)
	return errors.Join(visit("features", features), visit("logits", logits), visit("probabilities", probabilities))
}

// Bytes returns how many bytes the stages of a text of so many tokens have together, in float32: 4·L·S·(16·H + 2·A·S) and the little that is
// outside the layers, for an intermediate size of 4·H.
func Bytes(c bert.Config, tokens int) int {
	layer := tokens*(10*c.HiddenSize+2*c.IntermediateSize) + 2*c.NumAttentionHeads*tokens*tokens // with layer_N beside output/LayerNorm
	return 4 * (c.NumHiddenLayers*layer + 5*tokens*c.HiddenSize + 3*c.HiddenSize)
}
