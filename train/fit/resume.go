package fit

import (
	"bertlabel/asm"
	"bertlabel/bert/model"
	"bertlabel/train"
	"bertlabel/train/fit/note"
)

// identity returns what must not change when the run is resumed.
func (r *run) identity(fingerprint string) (id train.Identity, err error) {
	id = train.Identity{
		Labels: r.labels, Model: fingerprint, Train: train.HashData(r.rows, r.texts), Version: train.Program(), Kernels: asm.Best.Name,
	}
	if r.o.Dev != nil {
		id.Dev = train.HashData(r.o.Dev, r.devTexts)
	}
	id.Settings, err = r.record.Settings()
	return id, err
}

// restoreTF goes on from a training checkpoint of TensorFlow, whose weights the model has been opened with.
func (e *encoderRun) restoreTF(prefix string) error {
	stored, err := model.StoredNames(prefix)
	if err != nil {
		return err
	}
	if err := e.loop.RestoreTF(prefix, stored); err != nil {
		return &CheckpointError{Path: prefix, Err: err}
	}
	e.first = e.loop.State().Step
	if steps := e.loop.Schedule.Steps; e.first >= int64(steps) {
		return refuse("resume_from", " %s: global_step is %d, and the run ends at step %d: raise `num_train_epochs` or `max_steps`",
			prefix, e.first, steps)
	}
	e.run.watch.note(note.Resumed{Step: e.first, From: prefix})
	return nil
}
