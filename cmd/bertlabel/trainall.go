package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"bertlabel/asm"
	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/names"
	"bertlabel/bert/tokenizer"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/atomic"
	"bertlabel/checkpoint/formats"
	"bertlabel/cmd/bertlabel/internal/tensorboard"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/metrics"

	"github.com/spf13/cobra"
)

// tuning holds the flags of `train` that only matter when the encoder is trained.
type tuning struct {
	resume      bool
	resumeFrom  string // prefix of a TensorFlow training checkpoint
	saveSteps   int
	keep        int
	verify      bool
	tensorboard bool
	recompute   bool

	layers           int  // trained layers, counted from the last; 0: the head only
	embeddings       bool // trained too
	hiddenDropout    float64
	attentionDropout float64
}

// addTuningFlags declares them.
func addTuningFlags(cmd *cobra.Command, t *training) {
	f, u := cmd.Flags(), &t.tuning
	f.BoolVar(&u.resume, "resume", false, "go on with the run in --output: the same bits as if it had never stopped")
	f.StringVar(&u.resumeFrom, "resume-from", "", "go on from a TensorFlow training checkpoint, `PREFIX`, with adam_m, adam_v and global_step")
	f.IntVar(&u.saveSteps, "save-checkpoints-steps", 1000, "steps between two checkpoints")
	f.IntVar(&u.keep, "keep-checkpoints", 3, "newest checkpoints that stay")
	f.BoolVar(&u.verify, "verify-save", true, "read every checkpoint back before it counts")
	f.BoolVar(&u.tensorboard, "tensorboard", true, "write event files for TensorBoard")
	f.BoolVar(&u.recompute, "recompute", false, "compute each layer again on the way back: the same bits in less memory and more time")
	f.Float64Var(&t.config.LayerDecay, "layerwise-lr-decay", 1, "factor of the learning rate from layer to layer downwards")
	minor(cmd, "Run flags", "overwrite", "resume", "resume-from", "save-checkpoints-steps", "keep-checkpoints", "verify-save", "tensorboard", "recompute", "layerwise-lr-decay", "features-cache", "baseline")
	f.Lookup("learning-rate").DefValue = "5e-05; head: 0.01"
	f.Lookup("num-train-epochs").DefValue = "3; head: 10"
	f.Lookup("dropout").DefValue = "the config's; features: 0.1"
}

// settleTuning reads --tune, and gives what nothing has set the defaults for training an encoder.
func (t *training) settleTuning(cmd *cobra.Command) error {
	u, changed := &t.tuning, cmd.Flags().Changed
	last, isLast := strings.CutPrefix(t.tune, "last:")
	n, err := strconv.Atoi(last)
	switch {
	case t.tune == "head":
		if u.resumeFrom != "" {
			return usagef("--resume-from goes on with a run that trained the encoder: give --tune all or last:N")
		}
		if t.config.OnNaN == train.RestoreOnNaN {
			return usagef("--on-nan restore goes back to a checkpoint, and --tune head writes none: give stop or skip")
		}
		return nil
	case t.tune == "all":
		u.layers, u.embeddings = -1, true // as many as there are
	case isLast && err == nil && n >= 1:
		u.layers = n
	default:
		return usagef("--tune %q: want head, last:N or all", t.tune)
	}
	if u.saveSteps < 0 || u.keep < 1 {
		return usagef("--save-checkpoints-steps %d, --keep-checkpoints %d: want at least 0 and 1", u.saveSteps, u.keep)
	}
	if u.resume && t.overwrite {
		return usagef("--resume goes on with the run in --output, --overwrite begins anew: give one of them")
	}
	if u.resumeFrom != "" && t.models.initCheckpoint != "" {
		return usagef("--resume-from brings the weights: --init-checkpoint has no place beside it")
	}
	defaults := train.DefaultConfig()
	if !changed("learning-rate") {
		t.config.LearningRate = defaults.LearningRate
	}
	if !changed("num-train-epochs") {
		t.config.Epochs = defaults.Epochs
	}
	u.hiddenDropout, u.attentionDropout = -1, -1 // the config's
	if changed("dropout") {
		u.hiddenDropout, u.attentionDropout = t.config.Dropout, t.config.Dropout
	}
	if u.resumeFrom != "" {
		t.models.initCheckpoint = u.resumeFrom
	}
	return nil
}

// lockOutput makes the output folder and keeps other processes out of it until the process ends.
func (t *training) lockOutput() (*atomic.Lock, error) {
	if err := os.MkdirAll(t.output, 0o777); err != nil {
		return nil, err
	}
	return atomic.Acquire(t.output)
}

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
	boundGarbage(r.estimate)
	if err := r.begin(); err != nil {
		return err
	}
	defer r.closeLogs()
	r.a.log.Progress("train", r.progressAt(r.firstStep))
	err := r.run.Do(ctx)
	r.a.log.Done()
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
	onLong := data.LongTexts(r.rows.onLong)
	if r.texts, err = encode(r.a, r.m, r.trainSet, onLong); err != nil {
		return err
	}
	if r.devSet != nil {
		if r.devTexts, err = encode(r.a, r.m, r.devSet, onLong); err != nil {
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
		Config: r.config, Encoder: r.m.Encoder, Classifier: r.classifier, Loss: r.loss, Texts: batch, Y: r.trainSet.Y, Workers: tensor.NewWorkers(r.a.threads),
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
		return withCode(exitUsage, err)
	}
	r.encoder = encoder
	r.m.SetHead(r.classifier, labels, r.pooling)
	r.run = train.Run{
		Loop: loop, SaveSteps: r.saveSteps, Weights: r.m.Tensors, Flush: func() error { return r.metricsFile.Sync() },
		Checkpoints: &train.Checkpoints{Dir: filepath.Join(r.output, "checkpoints"), Keep: r.keep, Verify: r.verify,
			Warn: func(text string) { r.a.log.Warnf("%s", text) }},
	}
	r.run.Identity, err = r.identity(fingerprint, labels)
	return err
}

// settleModel fills in what hangs on the model's configuration.
func (r *encoderRun) settleModel() error {
	c := &r.m.Encoder.Config
	if r.layers > c.NumHiddenLayers {
		return usagef("--tune %s: the model has %d layers", r.tune, c.NumHiddenLayers)
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
		return nil, withCode(exitModel, fmt.Errorf("checkpoint %s has no head (output_weights, output_bias)", r.resumeFrom))
	case r.m.Head.Labels() != len(labels):
		return nil, withCode(exitModel, fmt.Errorf("checkpoint %s: output_bias has %d labels, the data have %d", r.resumeFrom, r.m.Head.Labels(), len(labels)))
	}
	for i, label := range labels {
		if sameSet(r.m.Labels, labels) && r.m.Labels[i] != label {
			return nil, withCode(exitModel, fmt.Errorf("checkpoint %s: label %d is %q, in the data it is %q: give --labels in the order of the checkpoint", r.resumeFrom, i, r.m.Labels[i], label))
		}
	}
	return r.m.Head, nil
}

// identity returns what must not change when the run is resumed.
func (r *encoderRun) identity(fingerprint string, labels []string) (train.Identity, error) {
	settings, err := train.NewSettings(r.settings)
	if err != nil {
		return train.Identity{}, err
	}
	build := readBuildInfo()
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
			r.a.log.Infof("going on behind step %d, from %s", state.Step, r.run.Checkpoints.Last())
		} else {
			r.a.log.Infof("no checkpoint in %s yet: the run begins", r.output)
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

// resumeError gives the refusal of a changed run its exit code.
func resumeError(err error) error {
	if errors.As(err, new(*train.ChangedError)) {
		return withCode(exitUsage, err)
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
		return withCode(exitModel, err)
	}
	r.firstStep = r.run.Loop.State().Step
	if steps := r.run.Loop.Schedule.Steps; r.firstStep >= int64(steps) {
		return usagef("--resume-from %s: global_step is %d, and the run ends at step %d: raise --num-train-epochs or --max-steps", r.resumeFrom, r.firstStep, steps)
	}
	r.a.log.Infof("going on behind step %d, from %s", r.firstStep, r.resumeFrom)
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

// evaluate scores the dev texts at a threshold of 0.5.
func (r *encoderRun) evaluate(ctx context.Context) (*metrics.Report, error) {
	features, err := r.m.Features(ctx, r.devTexts, r.pooling, nil)
	if errors.Is(err, model.ErrNotFinite) {
		return nil, withCode(exitDiverged, err)
	}
	if err != nil {
		return nil, err
	}
	_, probabilities := r.m.Score(features)
	return metrics.Evaluate(metrics.Data{Labels: r.m.Labels, Truth: r.devSet.Y, Scores: probabilities.Data}, []float32{model.DefaultThreshold})
}

func (r *encoderRun) progressAt(step int64) progress {
	examples := int(step) * r.config.StepRows()
	return progress{Step: int(step), Steps: r.run.Loop.Schedule.Steps, Examples: examples, Tokens: int(float64(examples) * r.tokensPerText)}
}

// observe is called after every step, before its checkpoint.
func (r *encoderRun) observe(p train.Progress) error {
	if p.LeftOut == "" {
		r.watch.observe(p)
	}
	bar := r.progressAt(p.Step)
	bar.Epoch, bar.Loss, bar.LearningRate = p.Epoch, p.Loss, float64(p.LearningRate)
	r.a.log.Progress("train", bar)
	if p.LeftOut != "" {
		r.a.log.Warnf("%s: left out (--on-nan %s)", p.LeftOut, r.config.OnNaN)
	}
	if p.Dev != nil {
		value, _ := p.Dev.Get(r.config.BestMetric)
		r.a.log.Infof("step %d, epoch %.2f: dev loss %.4f, %s %.4f", p.Step, p.Epoch, p.Dev.LogLoss, r.config.BestMetric, value)
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

// saveModel makes the weights of a step those of the output folder.
func (r *encoderRun) saveModel(step int64) error {
	training, err := json.Marshal(struct {
		Model string `json:"model"`
		Train string `json:"train"`
		Dev   string `json:"dev,omitempty"`
		Step  int64  `json:"step"` // whose weights these are
		runSettings
	}{r.models.path, r.training.train, r.dev, step, r.settings})
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
		r.a.log.Warnf("stopped after step %d; the last good checkpoint is %s; --resume goes on from it", r.run.Loop.State().Step, last)
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
		return withCode(exitModel, fmt.Errorf("%s: the weights of step %d, the best by %s, are gone (found step %d): begin anew with --overwrite",
			r.output, state.BestStep, r.config.BestMetric, at))
	} else {
		r.a.log.Infof("kept the weights of step %d: %s %.4f on %s", state.BestStep, r.config.BestMetric, state.Best, r.dev)
	}
	if state.LeftOut > 0 {
		r.a.log.Warnf("%d of %d steps made no update: something in them was not finite", state.LeftOut, state.Step)
	}
	r.a.log.Infof("trained %d steps; wrote %s", state.Step, r.output)
	return nil
}

// tuneOnDev does to the model in the output folder what --calibrate and --tune-thresholds say, once.
func (t *training) tuneOnDev(ctx context.Context, pooling bert.Pooling, devSet *data.Dataset, devTexts []tokenizer.Encoding) error {
	m, err := model.Open(t.output, &model.Options{Threads: t.a.threads})
	if err != nil {
		return withCode(exitModel, err)
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
	if err := t.a.diagnoseDev(m, features, devSet); err != nil || !t.devTuning.changes() {
		return err
	}
	training, err := t.devTuning.addTo(m.Training())
	if err != nil {
		return err
	}
	return m.Save(t.output, training)
}
