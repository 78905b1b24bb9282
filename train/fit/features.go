package fit

import (
	"context"
	"fmt"

	"bertlabel/asm/machine"
	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/diagnosis"
	"bertlabel/train/features"
	"bertlabel/train/fit/note"
	"bertlabel/train/solver"
)

// FromFeatures is Model for a head on features that were computed before (package features), without texts and without a pass of the
// encoder: rows to train on, and dev, nil for none, in the place of Options.Dev. They have to be those of the encoder of m. The pooling and
// the lengths that texts are read up to are those of the features, and the finished m has them.
//
// The rows of dev are in memory, those to train on are not: LDA goes through them part by part, four times through each, LBFGS reads
// them twice a round, and Gradient once an epoch, of which it holds a part. With one part the head has the bits of one that Model finds on
// the same rows; of LBFGS it has them with any number. Of several parts LDA merges what it has measured, and Gradient shuffles the parts
// and the rows of each (data.Stream.Parts).
//
// What needs texts, or the encoder, is refused: Tune other than Head, Folds, Poolings, Pooling, Precision, Windows, noisy-or, Cache. Errors
// are those of Model, of the features, and a *features.ModelError.
func FromFeatures(ctx context.Context, m *model.Model, rows, dev *features.Set, o Options) (*Result, error) {
	if ctx == nil {
		return nil, errNoContext
	}
	h, err := newFeatureRun(m, rows, dev, &o)
	if err != nil {
		return nil, err
	}
	w := work{started: note.Started{Rows: rows.Total(), Labels: h.run.labels}, lengths: rows.Lengths,
		find: func(ctx context.Context) error { return h.fit(ctx, dev) }}
	if dev != nil {
		w.started.DevRows = dev.Total()
	}
	return h.run.do(ctx, w)
}

// featureRun is a head that is found on features of others.
type featureRun struct {
	headRun
	set *features.Set
}

// newFeatureRun checks everything that can be checked without reading the features.
func newFeatureRun(m *model.Model, rows, dev *features.Set, o *Options) (*featureRun, error) {
	if m == nil || m.Encoder == nil || m.Tokenizer == nil {
		return nil, refuse("model", " is nil: want one that model.Open or model.New has made")
	}
	if rows == nil {
		return nil, refuse("features", " are nil: want those that features.Open has opened")
	}
	if err := checkFeatures(m, rows, dev, o); err != nil {
		return nil, err
	}
	o.Pooling, o.WindowPooling, o.Dev = rows.Pooling, model.PoolFeatures, nil
	if dev != nil {
		o.Dev = &data.Dataset{File: dev.Dir, Labels: dev.Labels}
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	r := &run{m: m, rows: &data.Dataset{File: rows.Dir, Labels: rows.Labels}, o: o, config: o.config(), pooling: rows.Pooling,
		width: rows.Width(), labels: rows.Labels.Names(), before: m.WindowPooling, watch: &watcher{o: o.Observer},
		workers:  tensor.NewWorkers(m.Threads()),
		readings: map[*data.Dataset]diagnosis.Reading{}}
	if err := o.checkLossFor(len(r.labels)); err != nil {
		return nil, err
	}
	if err := o.Folder.Check(); err != nil {
		return nil, err
	}
	r.record = newRecord(m, o, r.rows)
	if r.record.SoftLabels = rows.Soft; rows.Precision != bert.FP32.String() {
		r.record.Precision = rows.Precision
	}
	return &featureRun{headRun{run: r, pooling: rows.Pooling}, rows}, nil
}

// checkFeatures refuses features that are not those of the model, dev that is not as they are, and options that need texts.
func checkFeatures(m *model.Model, rows, dev *features.Set, o *Options) error {
	const texts = " needs texts, and features have none: give `train`"
	switch {
	case o.Tune != Head:
		return refuse("tune", " %s"+texts, o.Tune)
	case o.Folds > 0:
		return refuse("folds", texts)
	case o.Refit != Gradient:
		return refuse("refit", texts)
	case o.Windows != 0 || o.WindowOverlap != 0:
		return refuse("windows", " are those that the features were made with")
	case o.WindowPooling == model.NoisyOr:
		return refuse("window_pooling", " noisy-or has a row for each window, and features have one for each text")
	case len(o.Poolings) > 0 || o.Pooling != "" && o.Pooling != rows.Pooling:
		return refuse("pooling", " is that of the features, %s", rows.Pooling)
	case o.Precision != bert.FP32:
		return refuse("precision", " is that of the features, %s", rows.Precision)
	case o.Cache != "":
		return refuse("features_cache", " keeps features of texts: these are there already")
	case m.Encoder.Rounds():
		return refuse("precision", " %s: rounded weights cannot be saved, want fp32", m.Encoder.Precision())
	}
	if err := rows.Check(m); err != nil {
		return err
	}
	if dev == nil {
		return nil
	}
	if err := dev.Check(m); err != nil {
		return err
	}
	if dev.Soft && dev.Binarize == 0 {
		return refuse("binarize", " says from which share on a label counts: %s has shares, and metrics and thresholds take labels that "+
			"are there or not: give 0.5, or what counts for you", dev.Dir)
	}
	return rows.Alike(dev)
}

// fit reads what has to be in memory, finds the head and finishes the model.
func (h *featureRun) fit(ctx context.Context, dev *features.Set) (err error) {
	r := h.run
	defer h.set.Close()
	if err := r.admit(h.memory(dev), h.smaller); err != nil {
		return err
	}
	h.train.Parts = h.set
	if r.o.Solver != LDA {
		if h.train.Y, h.train.Shares, err = train.LabelsOf(h.set); err != nil {
			return err
		}
		r.rows.Y, r.rows.Shares = h.train.Y, h.train.Shares
	}
	if dev != nil {
		defer dev.Close()
		if h.dev, err = train.Load(dev); err != nil {
			return err
		}
		r.o.Dev.Y, r.o.Dev.Shares = h.dev.Y, h.dev.Shares
	}
	h.loss = r.o.loss(h.train.Y, h.train.Shares, len(r.labels))
	return h.finish(ctx)
}

// memory estimates what the run takes at its largest.
func (h *featureRun) memory(dev *features.Set) (need train.Memory) {
	r, rows, judging := h.run, h.set.Total(), 0
	if dev != nil {
		judging = dev.Total()
	}
	weights, err := r.m.Encoder.Memory(bert.TrainerOptions{Pooling: bert.CLS, Layers: 1}, bert.BatchSize{}, 1)
	if err != nil {
		return need
	}
	largest := 0 // rows of a part
	for i := range h.set.Len() {
		largest = max(largest, h.set.Rows(i))
	}
	width, labels := h.set.Width(), len(r.labels)
	switch {
	case r.o.Solver == LDA && rows < width:
		need.Features = solver.DiscriminantMemory(rows, judging, width, labels)
	case r.o.Solver == LDA:
		need.Features = solver.PartsMemory(h.set.Len(), largest, judging, width, labels)
	case r.o.Solver == LBFGS:
		need.Features = solver.Memory(rows, judging, width, labels) - solver.SavedByParts(rows, width) + rows*labels
	default:
		need.Features = train.HeadMemory(largest, judging, width, labels, r.config.BatchSize) + rows*(labels+8)
	}
	need.Model.Weights = weights.Weights
	if r.o.Folder.Path != "" {
		need.Saving = max(0, 4*r.m.Encoder.KernelElements()-need.Features) // which make room for it
	}
	need.Other = max(0, machine.Held()-weights.Weights)
	return need
}

// smaller says what makes the run smaller.
func (h *featureRun) smaller() []string {
	return append([]string{
		fmt.Sprintf("features of a narrower `pooling` than %s, which are %d numbers a text", h.pooling, h.set.Width()),
		"`solver` lda, which has the fewest rows in memory", fmt.Sprintf("more parts than %d (`shard`), of fewer rows each", h.set.Len()),
	}, smallerTune(Head)...)
}
