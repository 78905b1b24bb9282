package bert

import (
	"fmt"

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
	p.Dense.Forward(&ws.Workspace, pooled, cls, layers.Tanh)
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
	p.Dense.ForwardTraining(ws, &p.inner, cls, nil)
	ws.Map(pooled, &p.inner, layers.Tanh.Kernel())
}

// backward overwrites dcls and adds to the gradients of the parameters.
func (p *poolerTraining) backward(ws *tensor.Workspace, dcls, dpooled, cls *tensor.Tensor) {
	p.dinner.Resize(cls.Rows, cls.Cols)
	ws.MapGradient(&p.dinner, dpooled, &p.inner, layers.Tanh.Gradient()) // pooled = tanh(inner)
	p.Dense.Backward(ws, dcls, &p.dinner, cls, nil)                      // inner = cls·W + b
}

// Pooling says which vector stands for a text.
type Pooling uint8

// The poolings.
const (
	Pooled Pooling = iota // the tanh pooler over [CLS], as create_model of run_classifier.py has it
	CLS                   // the last layer's [CLS] row
	Mean                  // the mean of the last layer over the real tokens, [CLS] and [SEP] included
)

var poolingNames = [...]string{Pooled: "pooled", CLS: "cls", Mean: "mean"}

// ParsePooling returns the pooling called name.
func ParsePooling(name string) (Pooling, error) {
	for p, n := range poolingNames {
		if n == name {
			return Pooling(p), nil
		}
	}
	return 0, fmt.Errorf("unknown pooling %q, expected one of %q", name, poolingNames)
}

// String returns the pooling's name.
func (p Pooling) String() string { return poolingNames[p] }
