package train

import (
	"fmt"
	"strings"
)

// DivergedError reports the first number of a training step that is NaN or infinite. The parameters are those of the last good
// step, unless Tensor is itself a parameter.
type DivergedError struct {
	Step   int64   // the step that was being made, counted from 1; 0 outside of a run
	Tensor string  // "loss", "gradient of output_weights", "output_weights", …
	Index  []int   // of the element, one number per axis; empty for a scalar
	Value  float64 // NaN or ±Inf
}

func (e *DivergedError) Error() string {
	at := e.Tensor
	if len(e.Index) > 0 {
		at += strings.ReplaceAll(fmt.Sprint(e.Index), " ", ",")
	}
	return fmt.Sprintf("training diverged at step %d: %s is %v", e.Step, at, e.Value)
}

// diverged returns the error for the first element of x that is not finite, nil if all are. x is row-major of the given shape.
func diverged(name string, shape []int, x []float32) error {
	for i, v := range x {
		if finite(float64(v)) {
			continue
		}
		e := &DivergedError{Tensor: name, Index: make([]int, len(shape)), Value: float64(v)}
		for axis := len(shape) - 1; axis >= 0; axis-- {
			e.Index[axis], i = i%shape[axis], i/shape[axis]
		}
		return e
	}
	return nil
}

// finite reports whether x is neither NaN nor infinite.
func finite(x float64) bool { return x-x == 0 }
