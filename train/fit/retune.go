package fit

import (
	"context"

	"bertlabel/bert/model"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/diagnosis"
	"bertlabel/train/record"
)

// Retune calibrates the head of a finished model and chooses its thresholds on held-out rows, as far as o.Tuning says: what Model does at
// its end, for a model that is there already, trained here or elsewhere. m gets thresholds, the rescaled head, and an entry in its record;
// m.Save writes it. The result has what the rows say of it. The labels of rows are those of the model, in its order.
//
// Of the options Tuning, Cache, OnLong, the seed of Config and Observer count. Errors are those of Model.
func Retune(ctx context.Context, m *model.Model, rows *data.Dataset, o Options) (*Result, error) {
	if ctx == nil {
		return nil, errNoContext
	}
	if err := checkInputs(m, rows, &o); err != nil {
		return nil, err
	}
	if err := checkCounted("dev", rows); err != nil {
		return nil, err
	}
	if m.Head == nil {
		return nil, refuse("model", " has no head whose thresholds could be chosen: train one first")
	}
	r := &run{m: m, rows: rows, o: &o, config: o.config(), pooling: m.Pooling, labels: m.Labels,
		workers: tensor.NewWorkers(m.Threads()), watch: &watcher{o: o.Observer}, readings: map[*data.Dataset]diagnosis.Reading{}}
	ctx, r.cancel = context.WithCancelCause(ctx)
	defer r.cancel(nil)
	r.watch.cancel = r.cancel
	texts, err := r.encodeSet(rows)
	if err != nil {
		return nil, err
	}
	features, err := r.features(ctx, m.Pooling, rows, texts)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return r.retune(features)
}

// retune settles the head on features and records it.
func (r *run) retune(rows train.Features) (*Result, error) {
	m, set := r.m, r.rows
	said, err := RecordOf(m)
	if err != nil {
		return nil, err
	}
	judged, err := r.settle(m, rows, nil)
	if err != nil {
		return nil, err
	}
	done := r.o.Tuning.Record()
	said.Changes = append(said.Changes, record.LabelChange{Action: "tune", Dev: set.File, TuningSettings: done})
	said.Thresholds, said.Objective = done.Thresholds, done.Objective
	if done.Calibrate != "" {
		said.Calibrate = done.Calibrate
	}
	if err := said.Set(m); err != nil {
		return nil, err
	}
	r.result.Scores, r.result.Record = judged.Scores, said
	if r.result.Dev, err = judged.at(m.Thresholds); err != nil {
		return nil, err
	}
	r.watch.findings(diagnosis.Predictions(set, r.result.Dev, judged.Scores, r.readings[set])...)
	return &r.result, nil
}
