package fit

import (
	"path/filepath"
	"slices"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/fit/note"
	"bertlabel/train/record"
)

// What the folder of a run holds besides its model (docs/training.md).
const (
	metricsFile    = "metrics.csv"
	checkpointsDir = "checkpoints"
	settingsFile   = "bertlabel.json"
)

// begin opens the run's folder: it goes on with what is there, or clears what an earlier run has left. Without a folder it does nothing.
func (e *encoderRun) begin(fingerprint string) (err error) {
	r, f := e.run, &e.run.o.Folder
	if f.Path == "" {
		return nil
	}
	e.keeper = &train.Run{
		Loop: e.loop, SaveSteps: f.saveSteps(), Weights: r.m.Tensors, Flush: func() error { return e.csv.Sync() },
		Checkpoints: &train.Checkpoints{Dir: filepath.Join(f.Path, checkpointsDir), Keep: f.keep(), Verify: !f.NoVerify, Warn: r.warn},
	}
	if e.keeper.Identity, err = r.identity(fingerprint); err != nil {
		return err
	}
	if err := e.keeper.Checkpoints.Open(); err != nil {
		return err
	}
	if f.Resume {
		if e.resumed, err = e.resume(); err != nil {
			return err
		}
	}
	if !e.resumed {
		if err := e.keeper.Checkpoints.Clear(); err != nil {
			return err
		}
		if f.From != "" {
			if err := e.restoreTF(f.From); err != nil {
				return err
			}
		}
	}
	return e.openLog()
}

// resume puts the loop after the newest good checkpoint, if there is one.
func (e *encoderRun) resume() (found bool, err error) {
	state, found, err := e.keeper.Resume()
	if err != nil {
		return false, err
	}
	if !found {
		e.run.watch.note(note.Resumed{From: e.run.o.Folder.Path})
		return false, nil
	}
	e.first = state.Observed()
	e.run.watch.note(note.Resumed{Step: e.first, From: e.keeper.Checkpoints.Last()})
	return true, nil
}

// openLog opens metrics.csv. Of a run that goes on, rows after the checkpoint are dropped: they come again.
func (e *encoderRun) openLog() (err error) {
	r, after := e.run, int64(0)
	if e.resumed {
		after = e.first
	}
	e.log, e.csv, err = train.OpenLog(filepath.Join(r.o.Folder.Path, metricsFile), after, r.config.LogSteps, r.o.Dev != nil)
	return err
}

// save makes the present weights, those of a step, the model in the folder.
func (e *encoderRun) save(step int64) error {
	r := e.run
	r.record.Step = step
	if err := r.record.Set(r.m); err != nil {
		return err
	}
	return r.m.Save(r.o.Folder.Path, nil)
}

// readBest puts the weights of the best step, which stand in the folder, into the model, and returns what was done to them on Dev
// already: then thresholds, and of a head that was refit its pooling, come from there, too.
func (e *encoderRun) readBest(state train.State) (saved Record, err error) {
	r, dir := e.run, e.run.o.Folder.Path
	settings, err := model.ReadSettings(filepath.Join(dir, settingsFile))
	if err == nil {
		saved, err = record.Parse(settings.Training)
	}
	if err != nil || saved.Step != state.BestStep {
		return saved, broken(dir, "%s: the weights of step %d, the best by %s, are gone (found step %d): begin anew with `overwrite`",
			dir, state.BestStep, r.bestMetric(), saved.Step)
	}
	if state.BestStep == state.Step && !settled(&saved) {
		return saved, nil // they are those of the last step
	}
	params := e.encoder.Params()
	if pooling := bert.Pooling(settings.Pooling); saved.RefitShare != nil && *saved.RefitShare < 1 { // a head that was refit, on other features
		head := layers.ZeroClassifier(len(r.labels), r.refitWidth)
		old := r.m.Head.Params()
		params = slices.DeleteFunc(slices.Clone(params), func(p *tensor.Param) bool { return slices.Contains(old, p) })
		params = append(params, head.Params()...)
		r.m.SetHead(head, r.labels, pooling)
	}
	if err := train.ReadParams(filepath.Join(dir, model.CheckpointName), params); err != nil {
		return saved, &CheckpointError{Path: dir, Err: err}
	}
	if settled(&saved) {
		r.record.TuningSettings, r.record.RefitShare = saved.TuningSettings, saved.RefitShare
		for i, label := range r.labels {
			if t, ok := settings.Thresholds[label]; ok {
				r.m.Thresholds[i] = t
			}
			if c, ok := settings.Calibration[label]; ok {
				if r.m.Calibration == nil {
					r.m.Calibration = make([]model.Calibration, len(r.labels))
				}
				r.m.Calibration[i] = c
			}
		}
	}
	return saved, nil
}

// settled reports whether a run's model is finished: its head was refit on Dev, calibrated, or given thresholds.
func settled(r *Record) bool { return r.TuningSettings.Changes() || r.RefitShare != nil }

// stopped tells where the run can go on.
func (e *encoderRun) stopped() {
	if e.keeper == nil {
		return
	}
	if last := e.keeper.Checkpoints.Last(); last != "" {
		e.run.watch.note(note.Stopped{Step: e.loop.State().Step, Checkpoint: last})
	}
}

// encoderHead returns the head that training starts from. With Folder.From it is that of the checkpoint, as it stands: its moments are
// in the same order.
func (r *run) encoderHead() (*layers.Classifier, error) {
	from, m := r.o.Folder.From, r.m
	switch {
	case from == "":
		return r.startHead(r.pooling, r.width), nil
	case m.Head == nil:
		return nil, broken(from, "checkpoint %s has no head (output_weights, output_bias)", from)
	case m.Head.Labels() != len(r.labels):
		return nil, broken(from, "checkpoint %s: output_bias has %d labels, the data have %d", from, m.Head.Labels(), len(r.labels))
	}
	for i, label := range r.labels {
		if sameSet(m.Labels, r.labels) && m.Labels[i] != label {
			return nil, broken(from, "checkpoint %s: label %d is %q, in the data it is %q: give `labels` in the order of the checkpoint",
				from, i, m.Labels[i], label)
		}
	}
	return m.Head, nil
}
