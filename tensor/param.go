package tensor

// Param is one variable of the model. A slice []*Param is the whole contract between bert, which lists its parameters,
// checkpoint, which fills them by name, and train, which steps them.
type Param struct {
	Name  string    // TensorFlow's variable name, for example "bert/pooler/dense/kernel"
	Shape []int     // one or two axes
	Value []float32 // row-major, len = Size(); nil before loading, and after a layer has packed it and let it go
	Grad  []float32 // gradient of the loss, as long as Value; nil unless the parameter is trained
}

// NewParam returns a parameter without value or gradient.
func NewParam(name string, shape ...int) *Param { return &Param{Name: name, Shape: shape} }

// Size returns the number of elements, the product of Shape.
func (p *Param) Size() int {
	n := 1
	for _, d := range p.Shape {
		n *= d
	}
	return n
}
