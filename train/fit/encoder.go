package fit

import (
	"context"
	"encoding/hex"
	"errors"
	"math"
	"os"
	"slices"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/layers"
	"bertlabel/train"
	"bertlabel/train/diagnosis"
	"bertlabel/train/fit/note"
	"bertlabel/train/metrics"
)

// encoderRun trains layers of the encoder together with the head.
type encoderRun struct {
	run     *run
	loss    layers.Loss
	task    train.EncoderTask
	loop    *train.Loop
	encoder *train.Encoder
	losses  diagnosis.Course
	keepDev bool // what frozen layers give for Dev

	// With a folder; see folder.go.
	keeper  *train.Run
	csv     *os.File
	log     *train.Log
	resumed bool  // the run goes on with what is in the folder
	first   int64 // the last step before those of this process

	best [][]float32 // without a folder: the trained values of the best step
}

// fitEncoder trains and finishes the model.
func (r *run) fitEncoder(ctx context.Context) error {
	if err := r.encode(); err != nil {
		return err
	}
	head, err := r.encoderHead()
	if err != nil {
		return err
	}
	e := r.newEncoderRun(head)
	need, err := e.settleMemory()
	if err != nil {
		return err
	}
	if err := r.admit(need, func() []string { return e.smaller(need) }); err != nil {
		return err
	}
	return e.fit(ctx)
}

// fit makes the steps and finishes the model.
func (e *encoderRun) fit(ctx context.Context) error {
	r := e.run
	r.follow()
	if err := e.expect(ctx); err != nil {
		return err
	}
	if err := e.keepDevStates(); err != nil {
		return err
	}
	before, err := e.train(ctx)
	if err != nil || r.o.Dev == nil {
		return err
	}
	if err = r.settleEncoder(ctx, &before); ctx.Err() != nil {
		e.stopped()
	}
	return err
}

// expect tells how long the run will take.
func (e *encoderRun) expect(ctx context.Context) error {
	schedule, err := e.task.Config.Schedule(e.task.Texts.Texts())
	if err != nil {
		return err
	}
	p := passes{epochs: float64(schedule.Steps) * float64(e.task.Config.StepRows()) / float64(e.task.Texts.Texts())}
	p.evaluations = math.Ceil(p.epochs)
	if n := e.task.Config.EvalSteps; n > 0 {
		p.evaluations = math.Ceil(float64(schedule.Steps) / float64(n))
	}
	p.frozen, p.frozenDev, p.refit = p.epochs, p.evaluations, 1
	if e.task.KeepFrozen {
		p.frozen = 1
	}
	if e.keepDev {
		p.frozenDev = 1
	}
	if e.task.KeepFeatures != "" {
		p.refit = 0
	}
	return e.run.expect(ctx, p)
}

// newEncoderRun says what is trained, without allocating anything for it.
func (r *run) newEncoderRun(head *layers.Classifier) *encoderRun {
	e := &encoderRun{run: r, loss: r.o.loss(r.rows.Y, r.rows.Shares, len(r.labels))}
	c := &r.m.Encoder.Config
	e.task = train.EncoderTask{
		Config: r.config, Encoder: r.m.Encoder, Classifier: head, Loss: e.loss, Texts: batchOf(r.texts), Y: r.rows.Y, Shares: r.rows.Shares,
		Workers: r.workers,
		Tune: bert.TrainerOptions{Pooling: r.pooling, Layers: r.o.Tune.Layers(c.NumHiddenLayers), Embeddings: r.o.Tune == All,
			HiddenDropout: c.HiddenDropoutProb, AttentionDropout: c.AttentionProbsDropoutProb, Recompute: r.o.Recompute,
			OfWindows: r.noisyOr()},
		Observe: e.observe,
	}
	if r.rounded != nil && r.rounded.Precision() == bert.BF16 {
		e.task.Tune.Precision, e.task.Tune.Rounded = bert.BF16, r.rounded
	}
	if p := r.o.EncoderDropout; p != nil {
		e.task.Tune.HiddenDropout, e.task.Tune.AttentionDropout = *p, *p
	}
	if r.o.Dev != nil {
		e.task.Evaluate = e.evaluate
	}
	hidden, attention := e.task.Tune.HiddenDropout, e.task.Tune.AttentionDropout
	if r.m.Windows.Several() {
		r.record.Windows = r.m.Windows.String()
	}
	r.record.MaxSeqLength, r.record.HiddenDropout, r.record.AttentionDropout = r.m.MaxSeqLength, &hidden, &attention
	if r.config.OnNaN == train.RestoreOnNaN {
		r.record.RestoreSteps = r.o.Folder.saveSteps()
	}
	return e
}

// train makes the steps and leaves the model with the weights of the best one. before says what was done to them on Dev before: by an
// earlier call that came to its end in this folder.
func (e *encoderRun) train(ctx context.Context) (before Record, err error) {
	r := e.run
	fingerprint := hex.EncodeToString(r.m.Fingerprint())
	if e.loop, e.encoder, err = train.NewEncoderLoop(e.task); err != nil {
		return before, &OptionError{Option: "tune", Err: err}
	}
	defer e.encoder.Release()
	r.m.SetHead(e.task.Classifier, slices.Clone(r.labels), r.pooling)
	if err := e.begin(fingerprint); err != nil {
		return before, err
	}
	defer e.csv.Close() // flushed by the last checkpoint
	r.watch.note(note.Begun{Step: int(e.first), Steps: e.loop.Schedule.Steps, Resumed: e.resumed, StepRows: r.config.StepRows(),
		TokensPerText: float64(e.task.Texts.Tokens()) / float64(e.task.Texts.Texts())})
	if e.keeper != nil {
		err = e.keeper.Do(ctx)
	} else {
		err = e.loop.Run(ctx)
	}
	r.result.State = e.loop.State()
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		e.stopped()
		return before, err
	}
	if e.task.KeepFeatures != "" {
		r.frozen = e.encoder.Frozen()
	}
	if before, err = e.finish(); err == nil {
		e.inspectLosses()
	}
	return before, err
}

// observe is told of every step, before its checkpoint. The row of metrics.csv and the best weights come first, so that they are there
// whatever the observer does.
func (e *encoderRun) observe(p train.Progress) error {
	if p.LeftOut == "" {
		e.losses.Add(p.Loss, p.Dev)
	}
	if e.log != nil {
		if err := e.log.Observe(p); err != nil {
			return err
		}
	}
	if p.Best {
		if err := e.keepBest(p.Step); err != nil {
			return err
		}
	}
	if err := e.run.watch.step(p); err != nil {
		e.run.cancel(err)
	}
	return nil
}

// keepBest makes the present weights those of the result: in the folder, else in memory.
func (e *encoderRun) keepBest(step int64) error {
	if e.run.o.Folder.Path != "" {
		return e.save(step)
	}
	params := e.encoder.Params()
	if e.best == nil {
		e.best = make([][]float32, len(params))
	}
	for i, p := range params {
		e.best[i] = append(e.best[i][:0], p.Value...)
	}
	return nil
}

// finish leaves the model with the weights of the best step by Dev, else of the last one.
func (e *encoderRun) finish() (before Record, err error) {
	r, state := e.run, e.loop.State()
	r.record.Step = state.Step
	switch {
	case state.BestStep == 0 && r.o.Folder.Path != "":
		err = e.save(state.Step)
	case state.BestStep > 0:
		r.record.Step = state.BestStep
		if r.o.Folder.Path != "" {
			before, err = e.readBest(state)
		} else {
			for i, p := range e.encoder.Params() {
				copy(p.Value, e.best[i])
			}
			e.best = nil
		}
		if err == nil {
			r.watch.note(note.Kept{Step: state.BestStep, Metric: r.bestMetric(), Value: state.Best, On: r.o.Dev.File})
		}
	}
	if err == nil {
		err = r.record.Set(r.m)
	}
	if err != nil {
		return before, err
	}
	r.result.Record = r.record
	r.watch.note(note.Trained{Steps: state.Step, LeftOut: state.LeftOut, Folder: r.o.Folder.Path})
	return before, nil
}

// settleEncoder refits the head of the trained model, calibrates it, chooses its thresholds, as far as the options say, and judges it.
// What was done to it in its folder before is not done again.
func (r *run) settleEncoder(ctx context.Context, before *Record) (err error) {
	r.follow()
	var dev train.Features
	if r.o.Refit != Gradient && !settled(before) {
		dev, err = r.refit(ctx)
	} else {
		dev, err = r.devFeatures(ctx, r.m.Pooling)
	}
	if err != nil {
		return err
	}
	if settled(before) {
		return r.report(r.m, r.judge(r.m, dev))
	}
	onDev, err := r.settle(r.m, dev, nil)
	if err != nil {
		return err
	}
	if r.o.tuningRecord().Changes() {
		r.record.TuningSettings = r.o.tuningRecord()
	}
	if err := r.report(r.m, onDev); err != nil || !settled(&r.record) {
		return err
	}
	if err := r.record.Set(r.m); err != nil {
		return err
	}
	r.result.Record = r.record
	if r.o.Folder.Path == "" {
		return nil
	}
	return r.m.Save(r.o.Folder.Path, nil)
}

// evaluate scores the dev texts at a threshold of 0.5.
func (e *encoderRun) evaluate(ctx context.Context) (*metrics.Report, error) {
	r := e.run
	r.follow()
	dev, err := r.devFeatures(ctx, r.pooling)
	if errors.Is(err, model.ErrNotFinite) {
		return nil, train.FeaturesDiverged(err)
	}
	if err != nil {
		return nil, err
	}
	return r.judge(r.m, dev).atHalf()
}
