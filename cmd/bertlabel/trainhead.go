package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/data"
)

// headRun is one run of --tune head.
type headRun struct {
	*training
	m                *model.Model
	pooling          bert.Pooling
	trainSet, devSet *data.Dataset // devSet is nil for none
	labels           []string
	loss             layers.Loss
	workers          *tensor.Workers
	texts, devTexts  []tokenizer.Encoding
	log              *train.Log
	estimate         int // of the run's memory, in bytes

	train, dev train.Features     // dev is zero for none
	folded     *foldsReport       // nil without --folds
	head       *layers.Classifier // the result
}

// trainHead computes the features, finds the head and writes the model.
func (t *training) trainHead(ctx context.Context, m *model.Model, pooling bert.Pooling, trainSet, devSet *data.Dataset) (err error) {
	r := &headRun{training: t, m: m, pooling: pooling, trainSet: trainSet, devSet: devSet, labels: trainSet.Labels.Names(), workers: tensor.NewWorkers(t.a.Threads)}
	if r.loss, err = t.lossFlags.make(t.a, r.labels, trainSet.Y); err != nil {
		return err
	}
	candidates := []bert.Pooling{pooling}
	if t.pooling == autoPooling {
		if candidates, r.pooling, err = r.autoPoolings(); err != nil {
			return err
		}
	}
	if err := r.encode(); err != nil {
		return err
	}
	if err := r.admit(); err != nil {
		return err
	}
	if !t.baseline && t.folds == 0 && t.pooling != autoPooling { // whose garbage is work in progress
		r.a.BoundGarbage(r.estimate)
	}
	if err := r.computeFeatures(ctx); err != nil {
		return err
	}
	if err := r.crossValidate(ctx); err != nil {
		return err
	}
	if err := t.clearEncoderRun(); err != nil {
		return err
	}
	metricsFile, err := os.Create(filepath.Join(t.output, "metrics.csv"))
	if err != nil {
		return err
	}
	defer metricsFile.Close()
	r.log = train.NewLog(metricsFile, t.config.LogSteps, devSet != nil)
	if err := r.log.Header(); err != nil {
		return err
	}
	if t.Solver != "gradient" {
		err = r.solve(ctx, candidates)
	} else {
		err = r.descend(ctx)
	}
	if err != nil {
		return err
	}
	m.SetHead(r.head, r.labels, r.pooling)
	if t.folds > 0 {
		m.Thresholds = t.devThresholds
	}
	if devSet != nil {
		if err := t.devTuning.apply(t.a, m, r.dev, t.config.Seed); err != nil {
			return err
		}
		if err := diagnoseDev(t.a, m, r.dev.X, devSet); err != nil {
			return err
		}
	}
	r.diagnoseLosses()
	settings, err := r.resolved()
	if err != nil {
		return err
	}
	if err := errors.Join(metricsFile.Sync(), m.Save(t.output, settings)); err != nil {
		return err
	}
	t.a.Log.Infof("wrote %s", t.output)
	return nil
}

// resolved returns the configuration of the run with all defaults filled in, for bertlabel.json.
func (r *headRun) resolved() (json.RawMessage, error) {
	return json.Marshal(struct {
		Tune    string `json:"tune"`
		Pooling string `json:"pooling"` // as it was asked for
		Model   string `json:"model"`
		Train   string `json:"train"`
		Dev     string `json:"dev,omitempty"`
		Folds   int    `json:"folds,omitempty"`
		solverFlags
		lossFlags
		flags.Tuning
		train.Config
	}{r.tune, r.training.pooling, r.models.Path, r.training.train, r.training.dev, r.folds, r.solverFlags, r.lossFlags, r.Tuning, r.config})
}

// descend trains the head by gradient steps.
func (r *headRun) descend(ctx context.Context) error {
	start := time.Now()
	r.head = r.startHead(r.m, r.labels, r.pooling, r.trainSet.Y)
	task := train.HeadTask{Config: r.config, Labels: r.labels, Train: r.train, Dev: r.dev, Classifier: r.head, Loss: r.loss, Workers: r.workers, Observe: r.observe}
	r.a.Log.Progress("train", cli.Progress{})
	state, err := train.TrainHead(ctx, task)
	r.a.Log.Done()
	if err != nil {
		return err
	}
	r.a.Log.Infof("head trained in %.1f s, %d steps", time.Since(start).Seconds(), state.Step)
	if state.BestStep > 0 {
		r.a.Log.Infof("kept the weights of step %d: %s %.4f on %s", state.BestStep, r.config.BestMetric, state.Best, r.training.dev)
	}
	return nil
}

// observe is told of every gradient step.
func (r *headRun) observe(p train.Progress) error {
	r.a.Log.Progress("train", cli.Progress{Step: int(p.Step), Steps: p.Steps, Examples: int(p.Step) * p.Rows, Epoch: p.Epoch,
		Loss: p.Loss, LearningRate: float64(p.LearningRate)})
	if p.LeftOut != "" {
		r.a.Log.Warnf("%s: left out (--on-nan %s)", p.LeftOut, r.config.OnNaN)
	}
	if p.Dev != nil {
		value, _ := p.Dev.Get(r.config.BestMetric)
		r.a.Log.Infof("step %d, epoch %.2f: dev loss %.4f, %s %.4f", p.Step, p.Epoch, p.Dev.LogLoss, r.config.BestMetric, value)
	}
	return r.log.Observe(p)
}

// encode tokenises the texts.
func (r *headRun) encode() (err error) {
	onLong := r.rows.OnLong
	if r.texts, err = flags.Encode(r.a, r.m, r.trainSet, onLong); err == nil && r.devSet != nil {
		r.devTexts, err = flags.Encode(r.a, r.m, r.devSet, onLong)
	}
	return err
}

// computeFeatures sets train and dev.
func (r *headRun) computeFeatures(ctx context.Context) (err error) {
	start, rows := time.Now(), fmt.Sprintf("%d rows", r.trainSet.Rows())
	if r.train, err = r.featuresOf(ctx, r.m, r.pooling, r.trainSet, r.texts); err != nil {
		return err
	}
	if r.devSet != nil {
		rows = fmt.Sprintf("%d + %d rows", r.trainSet.Rows(), r.devSet.Rows())
		if r.dev, err = r.featuresOf(ctx, r.m, r.pooling, r.devSet, r.devTexts); err != nil {
			return err
		}
	}
	r.a.Log.Infof("features of %s in %.1f s", rows, time.Since(start).Seconds())
	return nil
}

// features computes the features of a data set, or takes them from the cache.
func (t *training) features(ctx context.Context, m *model.Model, pooling bert.Pooling, set *data.Dataset) (train.Features, error) {
	encoded, err := flags.Encode(t.a, m, set, t.rows.OnLong)
	if err != nil {
		return train.Features{}, err
	}
	return t.featuresOf(ctx, m, pooling, set, encoded)
}

// featuresOf is features of a data set that has been tokenised.
func (t *training) featuresOf(ctx context.Context, m *model.Model, pooling bert.Pooling, set *data.Dataset, encoded []tokenizer.Encoding) (train.Features, error) {
	compute := func() (*tensor.Tensor, error) {
		work := "features of " + filepath.Base(set.File)
		t.a.Log.Progress(work, cli.Progress{Steps: len(encoded)})
		defer t.a.Log.Done()
		return m.Features(ctx, encoded, pooling, func(done int) {
			t.a.Log.Progress(work, cli.Progress{Step: done, Steps: len(encoded), Examples: done})
		})
	}
	if t.cache == "" {
		x, err := compute()
		return train.Features{X: x, Y: set.Y}, err
	}
	cache := train.FeatureCache{Dir: t.cache, Warn: func(s string) { t.a.Log.Warnf("%s", s) }}
	key := train.NewFeatureKey(string(m.Fingerprint()), pooling.String(), hashTokens(encoded))
	width, err := m.Encoder.PoolingWidth(pooling)
	if err != nil {
		return train.Features{}, err
	}
	x, err := cache.Features(key, len(encoded), width, compute)
	return train.Features{X: x, Y: set.Y}, err
}
