package train

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"bertlabel/tensor"
)

// What a run does when a number is not finite.
const (
	StopOnNaN    = "stop"    // it ends with a *DivergedError
	SkipOnNaN    = "skip"    // the step makes no update; the run goes on with the next
	RestoreOnNaN = "restore" // so it does, from the weights and moments of the last regular checkpoint (Run.SaveSteps)
)

// maxLeftOut is how often in a row a run puts up with what is not finite. Behind that it is the weights, not a batch.
const maxLeftOut = 10

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

// FeaturesDiverged makes err, which says that features are not finite, a *DivergedError to errors.As: the weights have come to where
// they are not.
func FeaturesDiverged(err error) error { return featuresDiverged{err} }

type featuresDiverged struct{ error }

func (e featuresDiverged) Unwrap() error { return e.error }

// As implements the interface of errors.As.
func (e featuresDiverged) As(target any) bool {
	d, ok := target.(**DivergedError)
	if ok {
		*d = &DivergedError{Tensor: "features", Value: math.NaN()}
	}
	return ok
}

// diverged returns the error for the first element of x that is not finite, nil if all are. x is row-major of the given shape.
func diverged(name string, shape []int, x []float32) error {
	i := tensor.NotFinite(x)
	if i < 0 {
		return nil
	}
	e := &DivergedError{Tensor: name, Index: make([]int, len(shape)), Value: float64(x[i])}
	for axis := len(shape) - 1; axis >= 0; axis-- {
		e.Index[axis], i = i%shape[axis], i/shape[axis]
	}
	return e
}

// finite reports whether x is neither NaN nor infinite.
func finite(x float64) bool { return x-x == 0 }

// leaveOut makes the step that was being made one without an update, if the configuration says so and it can be done; else it
// returns d, with the reason why it cannot.
func (l *Loop) leaveOut(d *DivergedError) error {
	switch {
	case l.Config.OnNaN != SkipOnNaN && l.Config.OnNaN != RestoreOnNaN:
		return d
	case l.state.LeftOutInARow == maxLeftOut:
		return fmt.Errorf("%w: the %dth time in a row", d, maxLeftOut+1)
	case l.Config.OnNaN == RestoreOnNaN:
		if l.goBack == nil || l.state.RestoreStep == 0 {
			return fmt.Errorf("%w, and there is no checkpoint to go back to yet", d)
		}
		if err := l.goBack(l.state.RestoreStep); err != nil {
			return errors.Join(d, err)
		}
	}
	for _, p := range l.model.Params() {
		if diverged(p.Name, p.Shape, p.Value) != nil {
			return fmt.Errorf("%w: leaving the step out does not undo that", d)
		}
		clear(p.Grad)
	}
	l.model.SparseSquares() // forgets those of this step
	l.state.LeftOut++
	l.state.LeftOutInARow++
	return nil
}

// markRegular makes the variables after step p those to go back to: its regular checkpoint is about to be written. One that a
// signal asks for is none, or where a run goes back to would depend on when it was stopped.
func (l *Loop) markRegular(p Progress) {
	if l.Config.OnNaN != RestoreOnNaN {
		return
	}
	l.state.RestoreStep = p.Step
	if p.LeftOut == "" {
		l.state.LeftOutInARow = 0
	}
}
