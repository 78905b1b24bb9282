package train

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/formats"
	"bertlabel/checkpoint/tfbundle"
	"bertlabel/tensor"
)

// Run makes the steps of a loop such that a kill, a crash or a full disk costs no more than the steps since the last checkpoint.
// Loop, with its variables, and the checkpoints are all that it has: whoever keeps a log or a best model does so in
// Loop.Observe, which is called before the checkpoint of the same step is written.
type Run struct {
	Loop        *Loop
	Checkpoints *Checkpoints
	SaveSteps   int      // steps between two checkpoints; 0: only at the end, and when stopped
	Identity    Identity // written into each checkpoint, compared by Resume

	// Weights returns all variables of the model, the frozen ones too, at their present values.
	Weights func() []checkpoint.Tensor

	// Flush makes durable what Loop.Observe has written; nil for nothing. A checkpoint must not be ahead of the log.
	Flush func() error
}

// Resume puts the loop after the newest good checkpoint and returns its state; false if there is no checkpoint yet. A run that is
// no longer the same is a *ChangedError.
func (r *Run) Resume() (State, bool, error) {
	saved, err := r.Checkpoints.Newest()
	if err != nil || saved == nil {
		return State{}, false, err
	}
	changes, hints := r.Identity.Compare(saved.Run)
	if len(changes) > 0 {
		return State{}, false, &ChangedError{r.Checkpoints.Last(), changes}
	}
	for _, hint := range hints {
		r.Checkpoints.warn("since %s: %s", filepath.Base(r.Checkpoints.Last()), hint)
	}
	if err := r.read(saved.State.Step); err != nil {
		return State{}, false, err
	}
	r.Loop.Restore(saved.State)
	return saved.State, true, r.Checkpoints.settle(saved.State)
}

// read sets the variables of the loop to those of a checkpoint that has been verified.
func (r *Run) read(step int64) error {
	return ReadParams(r.Checkpoints.Prefix(step), r.Loop.Variables())
}

// goBack is read for a checkpoint that the run has written some time ago.
func (r *Run) goBack(step int64) error {
	if _, err := r.Checkpoints.verify(step); err != nil {
		return fmt.Errorf("going back to step %d: %w", step, err)
	}
	return r.read(step)
}

// Do makes the steps that are left. When ctx ends it writes a checkpoint before it returns the cause.
func (r *Run) Do(ctx context.Context) error {
	observe := r.Loop.Observe
	defer func() { r.Loop.Observe, r.Loop.goBack = observe, nil }()
	r.Loop.goBack = r.goBack
	r.Loop.Observe = func(p Progress) error {
		if observe != nil {
			if err := observe(p); err != nil {
				return err
			}
		}
		regular := r.SaveSteps > 0 && p.Step%int64(r.SaveSteps) == 0
		if regular {
			r.Loop.markRegular(p)
		}
		if regular || p.Last {
			return r.save()
		}
		return nil
	}
	err := r.Loop.Run(ctx)
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) && r.Loop.State().Step > 0 {
		err = errors.Join(err, r.save())
	}
	return err
}

func (r *Run) save() error {
	if r.Flush != nil {
		if err := r.Flush(); err != nil {
			return err
		}
	}
	variables := r.Weights()
	for _, p := range r.Loop.optimizer.State() {
		variables = append(variables, checkpoint.Float32Tensor(p.Name, p.Shape, p.Value))
	}
	return r.Checkpoints.Save(Saved{State: r.Loop.State(), Run: r.Identity}, variables)
}

// RestoreTF makes the loop go on from a training checkpoint of TensorFlow: adam_m and adam_v of each trained variable, and global_step.
// The weights are those that the model was opened with. stored gives the name of a moment in the file.
func (l *Loop) RestoreTF(prefix string, stored func(name string) string) error {
	src, err := formats.Open(prefix, checkpoint.Limits{})
	if err != nil {
		return err
	}
	defer src.Close()
	steps, err := src.ReadInt64(globalStep)
	if err != nil {
		return fmt.Errorf("%s is no training checkpoint: %w", prefix, err)
	}
	if len(steps) != 1 || steps[0] < 0 {
		return fmt.Errorf("%s: tensor %q is %v, want one number of steps", prefix, globalStep, steps)
	}
	if err := readVariables(src, l.optimizer.State(), stored); err != nil {
		return fmt.Errorf("checkpoint %s: %w", prefix, err)
	}
	l.Restore(State{Step: steps[0]})
	return nil
}

// ReadParams sets the values of params, which must be allocated, to those of the same names and shapes in a TensorFlow checkpoint; what
// else it holds is left alone. The error lists all that are missing or misshapen, or names one that is not finite.
func ReadParams(prefix string, params []*tensor.Param) error {
	src, err := tfbundle.Open(prefix, checkpoint.Limits{})
	if err != nil {
		return err
	}
	defer src.Close()
	if err := readVariables(src, params, func(name string) string { return name }); err != nil {
		return fmt.Errorf("checkpoint %s: %w", prefix, err)
	}
	return nil
}

// readVariables sets the values of params from src. The error lists all that are missing or misshapen.
func readVariables(src checkpoint.Source, params []*tensor.Param, stored func(name string) string) error {
	var errs []error
	for _, p := range params {
		name := stored(p.Name)
		info, ok := src.Lookup(name)
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("tensor %q is missing", name))
		case !slices.Equal(info.Shape, p.Shape):
			errs = append(errs, fmt.Errorf("tensor %q: shape %v, want %v", name, info.Shape, p.Shape))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for _, p := range params {
		if err := src.ReadFloat32(stored(p.Name), p.Value); err != nil {
			return err
		}
		if err := diverged(p.Name, p.Shape, p.Value); err != nil {
			return fmt.Errorf("tensor %q is not finite", p.Name)
		}
	}
	return nil
}
