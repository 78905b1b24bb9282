package fit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/checkpoint/atomic"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/diagnosis"
	"bertlabel/train/fit/note"
	"bertlabel/train/metrics"
	"bertlabel/train/refit"
)

// Result is how a run went. What it trained is in the model.
type Result struct {
	State  train.State     // of the gradient steps; zero for an exact head
	Dev    *metrics.Report // of Options.Dev, or of the rows out of fold, at the model's thresholds; nil without either
	Scores []float32       // probabilities of these rows, row-major [rows, labels]; nil without either
	Folds  *Folds          // nil without Options.Folds
	Record Record          // what the model says of its training
}

// Model trains m on rows and leaves it with head, labels, pooling, thresholds and the record of the run, which m.Save keeps; nobody may
// use m meanwhile. It starts from m's own head where that is for the same labels and features: two calls are a two-stage recipe.
//
// When ctx ends, the run stops between two steps, writes a checkpoint if it trains the encoder and has a folder, and returns the cause
// of ctx's end. After an error m is not to be used if its encoder was to be trained, unless the run was refused (*OptionError,
// *MemoryError); a frozen one is as it was, with its old head.
//
// Errors: *OptionError, *MemoryError, *CheckpointError, *train.DivergedError, *train.ChangedError, *data.RowError, the Observer's,
// those of the file system.
func Model(ctx context.Context, m *model.Model, rows *data.Dataset, o Options) (*Result, error) {
	if ctx == nil {
		return nil, errNoContext
	}
	r, err := newRun(m, rows, o)
	if err != nil {
		return nil, err
	}
	w := work{inspect: r.inspect, find: r.fitHead, started: note.Started{Rows: rows.Rows(), Labels: r.labels},
		lengths: tokenizer.Lengths{MaxSeqLength: m.MaxSeqLength, Windows: r.o.windows(m)}}
	if o.Dev != nil {
		w.started.DevRows = o.Dev.Rows()
	}
	if o.Tune != Head {
		w.find = r.fitEncoder
	}
	return r.do(ctx, w)
}

// work is what a run does from its checks to its end.
type work struct {
	inspect func() // says what is striking before the start; nil for nothing
	started note.Started
	lengths tokenizer.Lengths // that the finished model reads texts up to
	find    func(context.Context) error
}

// do does the work of a run that has been checked, and nothing once ctx has ended.
func (r *run) do(ctx context.Context, w work) (*Result, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	ctx, r.cancel = context.WithCancelCause(ctx)
	defer r.cancel(nil)
	r.watch.cancel = r.cancel
	if w.inspect != nil {
		w.inspect()
	}
	lock, err := r.enter()
	if err != nil {
		return nil, err
	}
	if lock != nil {
		defer lock.Release()
	}
	r.watch.note(w.started)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	finished := false
	defer r.keepHead(&finished)()
	r.m.MaxSeqLength, r.m.Windows, r.m.WindowPooling = w.lengths.MaxSeqLength, w.lengths.Windows, r.o.WindowPooling
	if err := w.find(ctx); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx) // the observer's error at the last step
	}
	finished = true
	return &r.result, r.sample(ctx)
}

// keepHead returns what gives the model its old head back unless the run finished, where its encoder stays as it is anyway.
func (r *run) keepHead(finished *bool) func() {
	m := r.m
	head, labels, unnamed, thresholds, pooling, training := m.Head, m.Labels, m.Unnamed, m.Thresholds, m.Pooling, m.Training()
	length, windows, join, calibration, samples := m.MaxSeqLength, m.Windows, m.WindowPooling, m.Calibration, m.Samples
	return func() {
		if !*finished && r.o.Tune == Head {
			m.Head, m.Labels, m.Unnamed, m.Thresholds, m.Pooling = head, labels, unnamed, thresholds, pooling
			m.MaxSeqLength, m.Windows, m.WindowPooling, m.Calibration = length, windows, join, calibration
			m.SetTraining(training)
			m.Samples = samples
		}
	}
}

// run is one call of Model or Plan, whatever it trains.
type run struct {
	m            *model.Model
	rows         *data.Dataset
	o            *Options
	config       train.Config
	pooling      bert.Pooling // that is computed: of several candidates the one that has the vectors of all
	width        int          // of its features
	refitPooling bert.Pooling // that the exact head of Refit reads
	refitWidth   int
	labels       []string
	fold         []int // of each row, with Options.Folds
	workers      *tensor.Workers
	before       model.WindowPooling // of the model, before the run
	watch        *watcher
	cancel       context.CancelCauseFunc

	frozen, frozenDev *bert.FrozenStates // of rows and Dev, for the refit and the judgements of the encoder; nil: all layers run again

	rounded *bert.Rounded // of the encoder, with a low Options.Precision
	low     *model.Model  // with that encoder

	texts, devTexts []tokenizer.Encoding
	cut             int // of these, longer than the model reads
	readings        map[*data.Dataset]diagnosis.Reading
	record          Record
	result          Result
}

// newRun checks everything that can be checked without work.
func newRun(m *model.Model, rows *data.Dataset, o Options) (*run, error) {
	if err := checkInputs(m, rows, &o); err != nil {
		return nil, err
	}
	o.WindowPooling = o.windowPooling(m)
	if err := o.Check(); err != nil {
		return nil, err
	}
	r := &run{m: m, rows: rows, o: &o, config: o.config(), pooling: o.Pooling, labels: rows.Labels.Names(), before: m.WindowPooling,
		watch: &watcher{o: o.Observer}, readings: map[*data.Dataset]diagnosis.Reading{}}
	if err := r.o.checkLossFor(len(r.labels)); err != nil {
		return nil, err
	}
	var err error
	if len(o.Poolings) > 0 {
		if r.pooling, err = bert.JoinPoolings(o.Poolings...); err != nil {
			return nil, refuse("pooling", ": %v", err)
		}
	}
	if r.width, err = m.Encoder.PoolingWidth(r.pooling); err != nil {
		return nil, &OptionError{Option: "pooling", Err: err}
	}
	if layers := m.Encoder.Config.NumHiddenLayers; int(o.Tune) > layers {
		return nil, refuse("tune", " %s: the model has %d layers", o.Tune, layers)
	}
	if err := o.Folder.Check(); err != nil {
		return nil, err
	}
	if o.Folds > 0 {
		if r.fold, err = data.Folds(rows, o.Folds, r.config.Seed); err != nil {
			return nil, err
		}
	}
	r.workers = tensor.NewWorkers(m.Threads())
	if p := o.Precision.Resolve(); p != bert.FP32 {
		r.rounded = m.Encoder.Rounded(p)
		r.low = m.Beside(r.rounded.Model)
	}
	r.record = newRecord(m, &o, rows)
	if o.Refit != Gradient {
		if r.refitPooling, r.refitWidth, err = refit.Pooling(m.Encoder, o.RefitPooling, o.Pooling); err != nil {
			return nil, &OptionError{Option: "refit_pooling", Err: err}
		}
		r.record.Refit, r.record.RefitPooling = o.Refit.String(), r.refitPooling.String()
	}
	return r, nil
}

// enter makes the folder and keeps others out of it. It returns nil without a folder.
func (r *run) enter() (*atomic.Lock, error) {
	dir := r.o.Folder.Path
	if dir == "" {
		return nil, nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	lock, err := atomic.Acquire(dir)
	if errors.Is(err, atomic.ErrLocked) {
		return nil, &OptionError{Option: "output", Problem: fmt.Sprintf(" %v: give another, or wait for its end", err), Err: err}
	}
	if err != nil {
		return nil, err
	}
	if err := r.o.Folder.Check(); err != nil { // another run has come to its end between the first check and the lock
		lock.Release()
		return nil, err
	}
	return lock, nil
}

// removeFolds takes away what an earlier run in the folder has said of its folds.
func (r *run) removeFolds() error {
	if r.o.Folder.Path == "" {
		return nil
	}
	if err := os.Remove(filepath.Join(r.o.Folder.Path, foldsFile)); !os.IsNotExist(err) {
		return err
	}
	return nil
}

// encode tokenises the texts.
func (r *run) encode() (err error) {
	if r.texts, err = r.encodeSet(r.rows); err == nil && r.o.Dev != nil {
		r.devTexts, err = r.encodeSet(r.o.Dev)
	}
	return err
}

// sample has the finished model say something of fixed texts, by which a server sees that it is whole.
func (r *run) sample(ctx context.Context) error {
	if err := r.m.MakeSamples(ctx); err != nil || r.o.Folder.Path == "" {
		return err
	}
	return r.m.SaveSettings(r.o.Folder.Path)
}

// finish makes the record that of the model and of the result, and saves the model if the run has a folder.
func (r *run) finish() error {
	if err := r.record.Set(r.m); err != nil {
		return err
	}
	r.result.Record = r.record
	if r.o.Folder.Path == "" {
		return nil
	}
	if err := r.m.Save(r.o.Folder.Path, nil); err != nil {
		return err
	}
	r.watch.note(note.Saved{Folder: r.o.Folder.Path})
	return nil
}
