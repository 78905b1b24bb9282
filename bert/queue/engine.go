package queue

import (
	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
)

// Engine turns texts into features. A queue runs several passes of one at once, each on its own goroutine. Encoder makes one of a model;
// tests have one that sleeps.
type Engine interface {
	NewPass(threads int) Pass
	Width() int   // of a feature
	Longest() int // the most tokens that a text may have
}

// Pass runs batches one after the other, as model.Pass does for one pooling.
type Pass interface {
	Features(dst *tensor.Tensor, texts []tokenizer.Encoding) error
	Memory(tokens, texts, longest int) int // bytes that it comes to hold
}

// Encoder returns the encoder of m with a pooling as an engine. Models that share an encoder (model.OpenShared) have equal ones, so one
// target can serve them all; m itself is not kept.
func Encoder(m *model.Model, pooling bert.Pooling) Engine { return encoder{m.Encoder, pooling} }

type encoder struct {
	model   *bert.Model
	pooling bert.Pooling
}

func (e encoder) NewPass(threads int) Pass {
	return encoderPass{(&model.Model{Encoder: e.model}).NewPass(threads), e.pooling} // a pass needs nothing else of a model
}

func (e encoder) Width() int {
	width, _ := e.model.PoolingWidth(e.pooling) // an error shows in the first pass, that of NewTarget
	return width
}

func (e encoder) Longest() int { return e.model.Config.MaxPositionEmbeddings }

type encoderPass struct {
	*model.Pass
	pooling bert.Pooling
}

func (p encoderPass) Features(dst *tensor.Tensor, texts []tokenizer.Encoding) error {
	return p.Pass.Features(dst, texts, p.pooling)
}
