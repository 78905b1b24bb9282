package traincmd

import (
	"bertlabel/cmd/bertlabel/internal/tensorboard"
	"bertlabel/train"
	"bertlabel/train/fit/note"
)

// events writes the steps of a run for TensorBoard.
type events struct {
	dir      string
	logSteps int
	w        *tensorboard.Writer // nil before open
}

// open begins the file of this process. The files of an earlier run go, unless this one goes on with it.
func (e *events) open(begun note.Begun) (err error) {
	if !begun.Resumed {
		if err := tensorboard.Clear(e.dir); err != nil {
			return err
		}
	}
	e.w, err = tensorboard.Create(e.dir, int64(begun.Step))
	return err
}

// step writes the scalars of a step that has a row in metrics.csv.
func (e *events) step(p train.Progress) error {
	logged := p.Last || p.Dev != nil || e.logSteps > 0 && p.Step%int64(e.logSteps) == 0
	if !logged {
		return nil
	}
	scalars := []tensorboard.Scalar{{Tag: "learning_rate", Value: float64(p.LearningRate)}, {Tag: "epoch", Value: p.Epoch}}
	if p.LeftOut == "" {
		scalars = append(scalars, tensorboard.Scalar{Tag: "loss", Value: p.Loss}, tensorboard.Scalar{Tag: "grad_norm", Value: p.GradNorm})
	}
	if p.Dev != nil {
		for name, value := range p.Dev.All() {
			if value.Defined() {
				scalars = append(scalars, tensorboard.Scalar{Tag: "dev/" + name, Value: float64(value)})
			}
		}
	}
	return e.w.Scalars(p.Step, scalars)
}

func (e *events) close() {
	if e.w != nil {
		e.w.Close()
	}
}
