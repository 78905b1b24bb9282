// Package record has what a model's folder says beside the model itself: of its training (bertlabel.json's "training", which package fit
// fills in), and of what low precisions cost it (precision.json). Both are written and read here and nowhere else.
package record

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"bertlabel/bert/model"
	"bertlabel/train"
)

// Record is what a model's bertlabel.json says under "training" of how its head came to be, with all defaults filled in. It is
// written and read here only; fields that a kind of run does not have are left out.
type Record struct {
	Model string `json:"model"`         // what training started from, as it was opened
	Train string `json:"train"`         // data.Dataset.File of the rows
	Dev   string `json:"dev,omitempty"` // likewise
	// Train has shares between 0 and 1, which the loss took as they are.
	SoftLabels bool  `json:"soft_labels,omitempty"`
	Step       int64 `json:"step,omitempty"` // of a run of the encoder: whose weights these are

	Recipe string `json:"recipe,omitempty"` // that the options were taken from, whatever was changed in them

	Tune      string `json:"tune"`
	Pooling   string `json:"pooling"`             // as it was asked for; "auto" where one of several was chosen
	Precision string `json:"precision,omitempty"` // bf16, int8, or for fp32 nothing: fit.Options.Precision

	WindowPooling string `json:"window_pooling,omitempty"` // noisy-or, or for features nothing

	// Of a run of the encoder only.
	MaxSeqLength     int      `json:"max_seq_length,omitempty"`
	Windows          string   `json:"windows,omitempty"` // of a text that has several: most of them, and their overlap
	HiddenDropout    *float64 `json:"hidden_dropout,omitempty"`
	AttentionDropout *float64 `json:"attention_dropout,omitempty"`
	// steps between regular checkpoints, where going back to them changes the run
	RestoreSteps int `json:"restore_steps,omitempty"`

	// Of a run of the encoder with an exact head after it only.
	Refit        string   `json:"refit,omitempty"`         // lbfgs or lda
	RefitPooling string   `json:"refit_pooling,omitempty"` // that the exact head reads
	RefitShare   *float64 `json:"refit_share,omitempty"`   // of the tuned head in this one; nil: Dev has not chosen yet

	// Of a head on a frozen encoder only.
	Folds  int     `json:"folds,omitempty"`
	Solver string  `json:"solver,omitempty"`
	L2     float64 `json:"l2,omitempty"`

	LossSettings
	TuningSettings
	train.Config

	Changes []LabelChange `json:"label_changes,omitempty"` // since then, and of their thresholds, oldest first

	read map[string]json.RawMessage // as it was read: what this program does not know is kept
}

// LossSettings is what a record says of the loss and of the bias that a new head starts from.
type LossSettings struct {
	Loss           string  `json:"loss"`                 // bce, focal, asymmetric, or the Go value of another
	PosWeight      string  `json:"pos_weight,omitempty"` // balanced, or where the weights of positives come from
	PosWeightCap   float64 `json:"pos_weight_cap"`       // most that balanced gives a label
	LabelSmoothing float64 `json:"label_smoothing"`      // ε
	BiasInit       string  `json:"bias_init"`            // zero or log-odds
}

// TuningSettings is what was done to a finished head on held-out rows (fit.Tuning).
type TuningSettings struct {
	Calibrate  string `json:"calibrate,omitempty"`
	Thresholds string `json:"tune_thresholds,omitempty"`
	Objective  string `json:"threshold_objective,omitempty"`
}

// Changes reports whether that changes a model: a calibrated head is not to be calibrated again.
func (t TuningSettings) Changes() bool { return t.Calibrate != "" || t.Thresholds != "" }

// LabelChange is one change of a model's labels after its training.
type LabelChange struct {
	Action string   `json:"action"` // add, drop, rename, merge or tune
	Names  []string `json:"names,omitempty"`
	Into   string   `json:"into,omitempty"`
	Train  string   `json:"train,omitempty"`
	Dev    string   `json:"dev,omitempty"`
	TuningSettings
}

// Of returns what a model says of its training; the zero Record if it says nothing.
func Of(m *model.Model) (Record, error) { return Parse(m.Training()) }

// Parse reads a record, the value of "training" in bertlabel.json; nil is the zero Record.
func Parse(text json.RawMessage) (r Record, err error) {
	if text == nil {
		return r, nil
	}
	if err = json.Unmarshal(text, &r); err == nil {
		err = json.Unmarshal(text, &r.read)
	}
	if err != nil {
		return Record{}, fmt.Errorf("bertlabel.json: training: %w", err)
	}
	return r, nil
}

// Set makes r what m says of its training; m.Save writes it.
func (r Record) Set(m *model.Model) error {
	text, err := json.Marshal(r)
	if err == nil {
		m.SetTraining(text)
	}
	return err
}

// MarshalJSON writes the keys in their order. What was read with r and is not known here stays; a key that was not there comes with
// a value only.
func (r Record) MarshalJSON() ([]byte, error) {
	type plain Record
	text, err := json.Marshal(plain(r))
	if err != nil {
		return nil, err
	}
	var own map[string]json.RawMessage
	if err := json.Unmarshal(text, &own); err != nil {
		return nil, err
	}
	all := maps.Clone(r.read)
	if all == nil {
		all = map[string]json.RawMessage{}
	}
	for key, value := range own {
		empty := slices.Contains([]string{`""`, "0", "false", "null"}, string(value))
		if _, there := r.read[key]; there || !empty || r.Tune != "" && r.read == nil {
			all[key] = value
		}
	}
	return json.Marshal(all)
}

// besides are the keys of a record that the bits of a run do not depend on by themselves: files are told by their contents.
var besides = []string{"model", "train", "dev", "step", "recipe", "refit_share", "folds", "solver", "l2", "calibrate", "tune_thresholds", "threshold_objective",
	"label_changes"}

// Settings returns what must not change when a run of the encoder is resumed.
func (r Record) Settings() (train.Settings, error) {
	s, err := train.NewSettings(r)
	for _, key := range besides {
		delete(s, key)
	}
	return s, err
}
