package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"bertlabel/asm"
	"bertlabel/bert/names"
	"bertlabel/bert/tokenizer"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/atomic"
	"bertlabel/checkpoint/formats"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/train"
	"bertlabel/train/data"
)

// identity returns what must not change when the run is resumed.
func (r *encoderRun) identity(fingerprint string, labels []string) (train.Identity, error) {
	settings, err := train.NewSettings(r.settings)
	if err != nil {
		return train.Identity{}, err
	}
	build := cli.ReadBuildInfo()
	id := train.Identity{
		Settings: settings, Labels: labels, Model: fingerprint, Train: dataHash(r.trainSet, r.texts),
		Version: build.Version + " " + build.Revision, Kernels: asm.Best.Name,
	}
	if r.devSet != nil {
		id.Dev = dataHash(r.devSet, r.devTexts)
	}
	return id, nil
}

func dataHash(set *data.Dataset, texts []tokenizer.Encoding) train.DataHash {
	h := sha256.New()
	io.WriteString(h, hashTokens(texts))
	for _, y := range set.Y {
		h.Write([]byte{byte(y)})
	}
	return train.DataHash{File: hex.EncodeToString(set.SHA256[:]), Rows: hex.EncodeToString(h.Sum(nil))}
}

// begin opens the run's folder: it goes on with what is there, or clears what an earlier run has left.
func (r *encoderRun) begin() error {
	if err := r.run.Checkpoints.Open(); err != nil {
		return err
	}
	resumed := false
	if r.resume {
		state, found, err := r.run.Resume()
		if err != nil {
			return resumeError(err)
		}
		if resumed = found; found {
			r.firstStep = state.Observed()
			r.a.Log.Infof("going on behind step %d, from %s", state.Step, r.run.Checkpoints.Last())
		} else {
			r.a.Log.Infof("no checkpoint in %s yet: the run begins", r.output)
		}
	}
	if !resumed {
		if err := errors.Join(r.run.Checkpoints.Clear(), clearEvents(r.eventsDir())); err != nil {
			return err
		}
		if err := r.restoreTF(); err != nil {
			return err
		}
	}
	return r.openLogs(resumed)
}

// clearEncoderRun removes what a run of the encoder has left in the output folder, so that --resume cannot take it for what stands
// there now.
func (t *training) clearEncoderRun() error {
	c := &train.Checkpoints{Dir: filepath.Join(t.output, "checkpoints"), FS: atomic.OS{}}
	if _, err := os.Stat(c.Dir); err != nil {
		return nil
	}
	return errors.Join(c.Clear(), clearEvents(filepath.Join(t.output, "tensorboard")))
}

// resumeError gives the refusal of a changed run its exit code.
func resumeError(err error) error {
	if errors.As(err, new(*train.ChangedError)) {
		return cli.WithCode(cli.ExitUsage, err)
	}
	return err
}

// restoreTF goes on from the checkpoint of --resume-from.
func (r *encoderRun) restoreTF() error {
	if r.resumeFrom == "" {
		return nil
	}
	stored, err := storedMoments(r.resumeFrom)
	if err != nil {
		return err
	}
	if err := r.run.Loop.RestoreTF(r.resumeFrom, stored); err != nil {
		return cli.WithCode(cli.ExitModel, err)
	}
	r.firstStep = r.run.Loop.State().Step
	if steps := r.run.Loop.Schedule.Steps; r.firstStep >= int64(steps) {
		return cli.Usagef("--resume-from %s: global_step is %d, and the run ends at step %d: raise --num-train-epochs or --max-steps", r.resumeFrom, r.firstStep, steps)
	}
	r.a.Log.Infof("going on behind step %d, from %s", r.firstStep, r.resumeFrom)
	return nil
}

// storedMoments returns how NAME/adam_m is called in a checkpoint whose variables may stand under a scope.
func storedMoments(prefix string) (func(name string) string, error) {
	src, err := formats.Open(prefix, checkpoint.Limits{})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	var stored []string
	for _, info := range src.Tensors() {
		stored = append(stored, info.Name)
	}
	resolved, err := names.Resolve(stored)
	return func(name string) string {
		i := strings.LastIndexByte(name, '/')
		return resolved.Places[name[:i]].Stored + name[i:]
	}, err
}
