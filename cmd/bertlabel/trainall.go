package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/cmd/bertlabel/internal/tensorboard"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/metrics"
)

// encoderRun is one run of --tune all or last:N.
type encoderRun struct {
	*training
	m                *model.Model
	pooling          bert.Pooling
	trainSet, devSet *data.Dataset // devSet is nil for none
	texts, devTexts  []tokenizer.Encoding
	tokensPerText    float64
	classifier       *layers.Classifier
	loss             layers.Loss
	watch            lossWatch
	run              train.Run
	encoder          *train.Encoder
	metricsFile      *os.File
	log              *train.Log
	events           *tensorboard.Writer // nil with --tensorboard=false
	settings         runSettings
	firstStep        int64 // behind which this process began
	estimate         int   // of the run's memory, in bytes
}

// runSettings is what the bits of a run hang on, besides data, labels and model.
type runSettings struct {
	Tune             string  `json:"tune"`
	Pooling          string  `json:"pooling"`
	MaxSeqLength     int     `json:"max_seq_length"`
	HiddenDropout    float64 `json:"hidden_dropout"`
	AttentionDropout float64 `json:"attention_dropout"`
	RestoreSteps     int     `json:"restore_steps,omitempty"` // --save-checkpoints-steps, where --on-nan restore hangs on it
	lossFlags
	train.Config
}

// trainEncoder trains encoder and head, and writes the model.
func (t *training) trainEncoder(ctx context.Context, m *model.Model, pooling bert.Pooling, trainSet, devSet *data.Dataset) error {
	r := &encoderRun{training: t, m: m, pooling: pooling, trainSet: trainSet, devSet: devSet}
	if err := r.fit(ctx); err != nil || devSet == nil {
		return err
	}
	return t.tuneOnDev(ctx, pooling, devSet, r.devTexts) // nothing holds r any more: that makes room for the model in the folder
}

// fit trains and writes the model.
func (r *encoderRun) fit(ctx context.Context) error {
	if err := r.prepare(); err != nil {
		return err
	}
	defer r.encoder.Release()
	r.a.BoundGarbage(r.estimate)
	if err := r.begin(); err != nil {
		return err
	}
	defer r.closeLogs()
	r.a.Log.Progress("train", r.progressAt(r.firstStep))
	err := r.run.Do(ctx)
	r.a.Log.Done()
	if err != nil {
		return r.stopped(err)
	}
	if err := r.finish(); err != nil {
		return err
	}
	r.diagnoseLosses()
	return nil
}

// prepare tokenises the texts and makes loop and run.
func (r *encoderRun) prepare() (err error) {
	if err := r.settleModel(); err != nil {
		return err
	}
	onLong := r.rows.OnLong
	if r.texts, err = flags.Encode(r.a, r.m, r.trainSet, onLong); err != nil {
		return err
	}
	if r.devSet != nil {
		if r.devTexts, err = flags.Encode(r.a, r.m, r.devSet, onLong); err != nil {
			return err
		}
	}
	if r.classifier, err = r.startHead(); err != nil {
		return err
	}
	labels := r.trainSet.Labels.Names()
	if r.loss, err = r.lossFlags.make(r.a, labels, r.trainSet.Y); err != nil {
		return err
	}
	batch := &bert.Batch{}
	for i := range r.texts {
		batch.Append(r.texts[i].IDs, r.texts[i].Segments)
	}
	r.tokensPerText = float64(batch.Tokens()) / float64(batch.Texts())
	fingerprint := hex.EncodeToString(r.m.Fingerprint())
	task := train.EncoderTask{
		Config: r.config, Encoder: r.m.Encoder, Classifier: r.classifier, Loss: r.loss, Texts: batch, Y: r.trainSet.Y, Workers: tensor.NewWorkers(r.a.Threads),
		Tune: bert.TrainerOptions{Pooling: r.pooling, Layers: r.layers, Embeddings: r.embeddings,
			HiddenDropout: r.hiddenDropout, AttentionDropout: r.attentionDropout, Recompute: r.recompute},
		Observe: r.observe,
	}
	if r.devSet != nil {
		task.Evaluate = r.evaluate
	}
	if err := r.admit(&task); err != nil {
		return err
	}
	loop, encoder, err := train.NewEncoderLoop(task)
	if err != nil {
		return cli.WithCode(cli.ExitUsage, err)
	}
	r.encoder = encoder
	r.m.SetHead(r.classifier, labels, r.pooling)
	r.run = train.Run{
		Loop: loop, SaveSteps: r.saveSteps, Weights: r.m.Tensors, Flush: func() error { return r.metricsFile.Sync() },
		Checkpoints: &train.Checkpoints{Dir: filepath.Join(r.output, "checkpoints"), Keep: r.keep, Verify: r.verify,
			Warn: func(text string) { r.a.Log.Warnf("%s", text) }},
	}
	r.run.Identity, err = r.identity(fingerprint, labels)
	return err
}

// settleModel fills in what hangs on the model's configuration.
func (r *encoderRun) settleModel() error {
	c := &r.m.Encoder.Config
	if r.layers > c.NumHiddenLayers {
		return cli.Usagef("--tune %s: the model has %d layers", r.tune, c.NumHiddenLayers)
	}
	if r.embeddings {
		r.layers = c.NumHiddenLayers
	}
	if r.hiddenDropout < 0 {
		r.hiddenDropout, r.attentionDropout = c.HiddenDropoutProb, c.AttentionProbsDropoutProb
	}
	r.settings = runSettings{r.tune, r.pooling.String(), r.m.MaxSeqLength, r.hiddenDropout, r.attentionDropout, 0, r.lossFlags, r.config}
	if r.config.OnNaN == train.RestoreOnNaN {
		r.settings.RestoreSteps = r.saveSteps
	}
	return nil
}

// startHead returns the head that training starts from. With --resume-from it is that of the checkpoint, as it stands: its moments
// are in the same order.
func (r *encoderRun) startHead() (*layers.Classifier, error) {
	labels := r.trainSet.Labels.Names()
	if r.resumeFrom == "" {
		return r.training.startHead(r.m, labels, r.pooling, r.trainSet.Y), nil
	}
	switch {
	case r.m.Head == nil:
		return nil, cli.WithCode(cli.ExitModel, fmt.Errorf("checkpoint %s has no head (output_weights, output_bias)", r.resumeFrom))
	case r.m.Head.Labels() != len(labels):
		return nil, cli.WithCode(cli.ExitModel, fmt.Errorf("checkpoint %s: output_bias has %d labels, the data have %d", r.resumeFrom, r.m.Head.Labels(), len(labels)))
	}
	for i, label := range labels {
		if sameSet(r.m.Labels, labels) && r.m.Labels[i] != label {
			return nil, cli.WithCode(cli.ExitModel, fmt.Errorf("checkpoint %s: label %d is %q, in the data it is %q: give --labels in the order of the checkpoint", r.resumeFrom, i, r.m.Labels[i], label))
		}
	}
	return r.m.Head, nil
}

// evaluate scores the dev texts at a threshold of 0.5.
func (r *encoderRun) evaluate(ctx context.Context) (*metrics.Report, error) {
	features, err := r.m.Features(ctx, r.devTexts, r.pooling, nil)
	if errors.Is(err, model.ErrNotFinite) {
		return nil, cli.WithCode(cli.ExitDiverged, err)
	}
	if err != nil {
		return nil, err
	}
	_, probabilities := r.m.Score(features)
	return metrics.Evaluate(metrics.Data{Labels: r.m.Labels, Truth: r.devSet.Y, Scores: probabilities.Data}, []float32{model.DefaultThreshold})
}

// saveModel makes the weights of a step those of the output folder.
func (r *encoderRun) saveModel(step int64) error {
	training, err := json.Marshal(struct {
		Model string `json:"model"`
		Train string `json:"train"`
		Dev   string `json:"dev,omitempty"`
		Step  int64  `json:"step"` // whose weights these are
		runSettings
	}{r.models.Path, r.training.train, r.dev, step, r.settings})
	if err != nil {
		return err
	}
	return r.m.Save(r.output, training)
}

// savedStep returns the step whose weights stand in the output folder, 0 if none do.
func (r *encoderRun) savedStep() int64 {
	var settings struct {
		Training struct {
			Step int64 `json:"step"`
		} `json:"training"`
	}
	text, err := os.ReadFile(filepath.Join(r.output, "bertlabel.json"))
	if err == nil {
		err = json.Unmarshal(text, &settings)
	}
	if err != nil {
		return 0
	}
	return settings.Training.Step
}

// stopped says where the run can go on.
func (r *encoderRun) stopped(err error) error {
	if last := r.run.Checkpoints.Last(); last != "" {
		r.a.Log.Warnf("stopped after step %d; the last good checkpoint is %s; --resume goes on from it", r.run.Loop.State().Step, last)
	}
	return err
}

// finish leaves the model in the output folder: the best by dev, which stands there already, or that of the last step.
func (r *encoderRun) finish() error {
	state := r.run.Loop.State()
	if state.BestStep == 0 {
		if err := r.saveModel(state.Step); err != nil {
			return err
		}
	} else if at := r.savedStep(); at != state.BestStep {
		return cli.WithCode(cli.ExitModel, fmt.Errorf("%s: the weights of step %d, the best by %s, are gone (found step %d): begin anew with --overwrite",
			r.output, state.BestStep, r.config.BestMetric, at))
	} else {
		r.a.Log.Infof("kept the weights of step %d: %s %.4f on %s", state.BestStep, r.config.BestMetric, state.Best, r.dev)
	}
	if state.LeftOut > 0 {
		r.a.Log.Warnf("%d of %d steps made no update: something in them was not finite", state.LeftOut, state.Step)
	}
	r.a.Log.Infof("trained %d steps; wrote %s", state.Step, r.output)
	return nil
}

// tuneOnDev does to the model in the output folder what --calibrate and --tune-thresholds say, once.
func (t *training) tuneOnDev(ctx context.Context, pooling bert.Pooling, devSet *data.Dataset, devTexts []tokenizer.Encoding) error {
	m, err := model.Open(t.output, &model.Options{Threads: t.a.Threads})
	if err != nil {
		return cli.WithCode(cli.ExitModel, err)
	}
	if done, err := tuned(m); err != nil || done {
		return err
	}
	features, err := m.Features(ctx, devTexts, pooling, nil)
	if err != nil {
		return err
	}
	if err := t.devTuning.apply(t.a, m, train.Features{X: features, Y: devSet.Y}, t.config.Seed); err != nil {
		return err
	}
	if err := diagnoseDev(t.a, m, features, devSet); err != nil || !t.devTuning.Changes() {
		return err
	}
	training, err := t.devTuning.addTo(m.Training())
	if err != nil {
		return err
	}
	return m.Save(t.output, training)
}
