package bert

import (
	"bertlabel/layers"
	"bertlabel/tensor"
)

// Pooler is tanh(x·W + b) over the [CLS] row of the last layer (modeling.py, BertModel, scope "pooler").
type Pooler struct {
	Dense *layers.Dense // [hidden, hidden]
}

func newPooler(c *Config) *Pooler {
	return &Pooler{layers.NewDense("bert/pooler/dense", c.HiddenSize, c.HiddenSize)}
}

// Forward sets pooled from cls, both [texts, hidden]. They must not share memory.
func (p *Pooler) Forward(ws *Workspace, pooled, cls *tensor.Tensor) {
	before := fuse(&ws.Workspace)
	p.Dense.Forward(&ws.Workspace, pooled, cls, layers.Tanh)
	ws.Fused = before
}

// fuse gives float32 products of ws the same bits on all kernel sets: those that a pass in a low precision depends on. It returns what
// ws.Fused was, for the caller to put back.
func fuse(ws *tensor.Workspace) (before bool) {
	before, ws.Fused = ws.Fused, true
	return before
}

// poolerTraining is a pass of training through the pooler.
type poolerTraining struct {
	*Pooler
	inner  tensor.Tensor // x·W + b, [texts, hidden]
	dinner tensor.Tensor
}

// forward sets pooled from cls, both [texts, hidden].
func (p *poolerTraining) forward(ws *tensor.Workspace, pooled, cls *tensor.Tensor) {
	p.inner.Resize(cls.Rows, cls.Cols)
	before := fuse(ws)
	p.Dense.ForwardTraining(ws, &p.inner, cls, nil)
	ws.Fused = before
	ws.Map(pooled, &p.inner, layers.Tanh.Kernel())
}

// backward overwrites dcls and adds to the gradients of the parameters.
func (p *poolerTraining) backward(ws *tensor.Workspace, dcls, dpooled, cls *tensor.Tensor) {
	p.dinner.Resize(cls.Rows, cls.Cols)
	ws.MapGradient(&p.dinner, dpooled, &p.inner, layers.Tanh.Gradient()) // pooled = tanh(inner)
	p.Dense.Backward(ws, dcls, &p.dinner, cls, nil)                      // inner = cls·W + b
}
