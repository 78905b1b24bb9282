package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"bertlabel/checkpoint/atomic"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/tensorboard"
	"bertlabel/train"
)

func (r *encoderRun) eventsDir() string { return filepath.Join(r.output, "tensorboard") }

// clearEvents removes the event files of an earlier run.
func clearEvents(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, tensorboard.Prefix+"*"))
	errs := []error{err}
	for _, f := range files {
		errs = append(errs, os.Remove(f))
	}
	return errors.Join(errs...)
}

// openLogs opens metrics.csv and the event file. Of a run that goes on, rows behind the checkpoint are dropped: they come again.
func (r *encoderRun) openLogs(resumed bool) error {
	path := filepath.Join(r.output, "metrics.csv")
	old, err := os.Open(path)
	trimmed := resumed && err == nil
	if trimmed {
		err = atomic.WriteFile(atomic.OS{}, path, func(w io.Writer) error { return train.TrimLog(w, old, r.firstStep) })
	}
	if old != nil {
		old.Close()
	}
	if trimmed && err != nil {
		return err
	}
	flags := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if trimmed {
		flags = os.O_WRONLY | os.O_APPEND
	}
	if r.metricsFile, err = os.OpenFile(path, flags, 0o666); err != nil {
		return err
	}
	r.log = train.NewLog(r.metricsFile, r.config.LogSteps, r.devSet != nil)
	if !trimmed {
		if err := r.log.Header(); err != nil {
			return err
		}
	}
	if r.tuning.tensorboard {
		r.events, err = tensorboard.Create(r.eventsDir(), r.firstStep)
	}
	return err
}

func (r *encoderRun) closeLogs() {
	r.metricsFile.Close() // flushed by the last checkpoint
	if r.events != nil {
		r.events.Close()
	}
}

func (r *encoderRun) progressAt(step int64) cli.Progress {
	examples := int(step) * r.config.StepRows()
	return cli.Progress{Step: int(step), Steps: r.run.Loop.Schedule.Steps, Examples: examples, Tokens: int(float64(examples) * r.tokensPerText)}
}

// observe is called after every step, before its checkpoint.
func (r *encoderRun) observe(p train.Progress) error {
	if p.LeftOut == "" {
		r.watch.observe(p)
	}
	bar := r.progressAt(p.Step)
	bar.Epoch, bar.Loss, bar.LearningRate = p.Epoch, p.Loss, float64(p.LearningRate)
	r.a.Log.Progress("train", bar)
	if p.LeftOut != "" {
		r.a.Log.Warnf("%s: left out (--on-nan %s)", p.LeftOut, r.config.OnNaN)
	}
	if p.Dev != nil {
		value, _ := p.Dev.Get(r.config.BestMetric)
		r.a.Log.Infof("step %d, epoch %.2f: dev loss %.4f, %s %.4f", p.Step, p.Epoch, p.Dev.LogLoss, r.config.BestMetric, value)
	}
	if err := r.log.Observe(p); err != nil {
		return err
	}
	if err := r.plot(p); err != nil {
		return err
	}
	if p.Best {
		return r.saveModel(p.Step)
	}
	return nil
}

// plot writes the scalars of a step that has a row in metrics.csv.
func (r *encoderRun) plot(p train.Progress) error {
	logged := p.Last || p.Dev != nil || r.config.LogSteps > 0 && p.Step%int64(r.config.LogSteps) == 0
	if r.events == nil || !logged {
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
	return r.events.Scalars(p.Step, scalars)
}
