package fit

import (
	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/train/data"
	"bertlabel/train/record"
)

// Record is what a model says of its training.
type Record = record.Record

// RecordOf returns what a model says of its training; the zero Record if it says nothing.
func RecordOf(m *model.Model) (Record, error) { return record.Of(m) }

// Record returns the record of t, for a record.LabelChange.
func (t Tuning) Record() record.TuningSettings {
	return record.TuningSettings{Calibrate: t.Calibrate.String(), Thresholds: t.Thresholds.String(), Objective: t.Aim.String()}
}

// newRecord returns the record of a run as far as the options say it.
func newRecord(m *model.Model, o *Options, rows *data.Dataset) Record {
	r := Record{
		Model: m.Path(), Train: rows.File, SoftLabels: rows.Soft(), Recipe: o.Recipe, Tune: o.Tune.String(), Pooling: o.Pooling.String(),
		LossSettings: o.describeLoss(), Config: o.config(),
	}
	if p := o.Precision.Resolve(); p != bert.FP32 {
		r.Precision = p.String()
	}
	if o.WindowPooling == model.NoisyOr {
		r.WindowPooling = o.WindowPooling.String()
	}
	if len(o.Poolings) > 0 {
		r.Pooling = "auto"
	}
	if o.Dev != nil {
		r.Dev = o.Dev.File
	}
	if o.Tune == Head {
		r.Folds, r.Solver, r.L2 = o.Folds, o.Solver.String(), o.L2
		r.TuningSettings = o.tuningRecord()
	}
	return r
}

// tuningRecord returns the record of what is done to the finished head.
func (o *Options) tuningRecord() record.TuningSettings {
	t := o.Tuning
	t.Calibrate = o.calibration()
	return t.Record()
}
