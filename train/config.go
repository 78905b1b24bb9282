package train

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"bertlabel/train/metrics"
)

// Config is what a training run depends on besides model and data. Its JSON keys are the flags of `bertlabel train`.
//
// A Config is taken to the letter: zero is a number like others for rates, decay, dropout and the seed. So the zero Config is none
// (Check refuses it, by its BatchSize and Epochs); begin with DefaultConfig or DefaultHeadConfig. Where a *Config is an option, nil is
// one of those.
type Config struct {
	BatchSize         int     `json:"train_batch_size"`            // rows whose activations are held at once; at least 1
	AccumulationSteps int     `json:"gradient_accumulation_steps"` // batches that make one step; 0 is 1
	Epochs            float64 `json:"num_train_epochs"`            // may be fractional; more than 0 unless there are MaxSteps
	MaxSteps          int     `json:"max_steps"`                   // instead of Epochs; 0 for none

	Optimizer        string  `json:"optimizer"` // Google or AdamW; "" is Google
	LearningRate     float64 `json:"learning_rate"`
	WarmupProportion float64 `json:"warmup_proportion"` // of all steps
	WeightDecay      float64 `json:"weight_decay"`      // none on LayerNorm and bias
	ClipNorm         float64 `json:"clip_norm"`         // by global norm; 0 for none
	LayerDecay       float64 `json:"layer_decay"`       // factor of the rate from layer to layer downwards; 0 is 1, the same rate for all
	Dropout          float64 `json:"dropout"`           // on the pooled output; 0 for none

	Seed    uint64 `json:"seed"`
	Shuffle bool   `json:"shuffle"` // a new permutation each epoch; false: the rows in their order

	OnNaN string `json:"on_nan"` // StopOnNaN, SkipOnNaN or RestoreOnNaN; "" is StopOnNaN

	LogSteps int `json:"log_steps"` // steps between two rows of metrics.csv; 0: the last step only
	// steps between two evaluations; 0: at the end of each epoch. The last step always evaluates
	EvalSteps     int    `json:"eval_steps"`
	BestMetric    string `json:"best_metric"`    // a name of metrics.Summary; "" is f1_macro
	EarlyStopping int    `json:"early_stopping"` // evaluations in a row without a better one that end the run; 0: never
}

// maxStepRows is beyond any batch of use, and keeps every size that is made from it far from overflow.
const maxStepRows = 1 << 24

// DefaultConfig returns the defaults for training encoder and head together.
func DefaultConfig() Config {
	return Config{
		BatchSize: 32, AccumulationSteps: 1, Epochs: 3,
		Optimizer: Google, LearningRate: 5e-5, WarmupProportion: 0.1, WeightDecay: 0.01, ClipNorm: 1, LayerDecay: 1, Dropout: 0.1,
		Seed: 42, Shuffle: true, OnNaN: StopOnNaN, LogSteps: 10, BestMetric: "f1_macro",
	}
}

// DefaultHeadConfig returns the defaults for training the head alone. Nothing below it has to be kept from harm, and at the
// rates for an encoder it would learn next to nothing.
func DefaultHeadConfig() Config {
	c := DefaultConfig()
	c.Epochs, c.LearningRate = 10, 1e-2
	return c
}

// withDefaults returns c with the documented meaning in place of zero fields.
func (c Config) withDefaults() Config {
	if c.AccumulationSteps == 0 {
		c.AccumulationSteps = 1
	}
	if c.Optimizer == "" {
		c.Optimizer = Google
	}
	if c.LayerDecay == 0 {
		c.LayerDecay = 1
	}
	if c.OnNaN == "" {
		c.OnNaN = StopOnNaN
	}
	if c.BestMetric == "" {
		c.BestMetric = "f1_macro"
	}
	return c
}

// Check returns an error that names every field that is out of its range.
func (c Config) Check() error {
	c = c.withDefaults()
	var errs []error
	want := func(ok bool, field string, found any, expected string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s is %v, want %s", field, found, expected))
		}
	}
	nonNegative := func(x float64) bool { return x >= 0 && finite(x) }
	want(c.BatchSize >= 1 && c.BatchSize <= maxStepRows, "train_batch_size", c.BatchSize, fmt.Sprintf("from 1 to %d", maxStepRows))
	want(c.AccumulationSteps >= 1 && c.AccumulationSteps <= maxStepRows/max(1, c.BatchSize), "gradient_accumulation_steps",
		c.AccumulationSteps,
		fmt.Sprintf("at least 1, and at most %d rows a step", maxStepRows))
	want(c.MaxSteps >= 0 && c.MaxSteps <= math.MaxInt32, "max_steps", c.MaxSteps, fmt.Sprintf("at least 0, at most %d", math.MaxInt32))
	want((c.Epochs > 0 || c.Epochs == 0 && c.MaxSteps > 0) && finite(c.Epochs), "num_train_epochs", c.Epochs, "more than 0")
	want(c.Optimizer == Google || c.Optimizer == AdamW, "optimizer", c.Optimizer, Google+" or "+AdamW)
	want(nonNegative(c.LearningRate), "learning_rate", c.LearningRate, "at least 0")
	want(c.WarmupProportion >= 0 && c.WarmupProportion <= 1, "warmup_proportion", c.WarmupProportion, "from 0 to 1")
	want(nonNegative(c.WeightDecay), "weight_decay", c.WeightDecay, "at least 0")
	want(nonNegative(c.ClipNorm), "clip_norm", c.ClipNorm, "at least 0")
	want(c.LayerDecay > 0 && c.LayerDecay <= 1, "layer_decay", c.LayerDecay, "more than 0, at most 1")
	want(c.Dropout >= 0 && c.Dropout < 1, "dropout", c.Dropout, "at least 0 and below 1")
	want(c.OnNaN == StopOnNaN || c.OnNaN == SkipOnNaN || c.OnNaN == RestoreOnNaN, "on_nan", c.OnNaN,
		StopOnNaN+", "+SkipOnNaN+" or "+RestoreOnNaN)
	want(c.LogSteps >= 0, "log_steps", c.LogSteps, "at least 0")
	want(c.EvalSteps >= 0, "eval_steps", c.EvalSteps, "at least 0")
	want(c.EarlyStopping >= 0, "early_stopping", c.EarlyStopping, "at least 0")
	_, known := new(metrics.Summary).Get(c.BestMetric)
	want(known, "best_metric", c.BestMetric, wantedMetric(c.BestMetric))
	return errors.Join(errs...)
}

// StepRows returns the number of rows of one step.
func (c Config) StepRows() int { return c.BatchSize * c.withDefaults().AccumulationSteps }

// Schedule returns the schedule of a run over so many rows, or an error if that makes no step.
func (c Config) Schedule(rows int) (Schedule, error) {
	steps := c.MaxSteps
	if steps == 0 {
		if n := float64(rows) / float64(c.StepRows()) * c.Epochs; n > math.MaxInt32 {
			return Schedule{}, fmt.Errorf("%d rows in steps of %d for %v epochs are %.0f steps, the limit is %d", rows, c.StepRows(),
				c.Epochs, n, math.MaxInt32)
		}
		steps = TotalSteps(rows, c.StepRows(), c.Epochs)
	}
	if steps == 0 {
		return Schedule{}, fmt.Errorf("%d rows in steps of %d for %v epochs make no step: lower `train_batch_size` or raise `num_train_epochs`",
			rows, c.StepRows(), c.Epochs)
	}
	return Schedule{LearningRate: c.LearningRate, Steps: steps, WarmupSteps: WarmupSteps(steps, c.WarmupProportion)}, nil
}

// wantedMetric names the metric that a name is a misspelling of, such as macro_f1 for f1_macro, and lists all of them.
func wantedMetric(name string) string {
	words := func(s string) []string {
		w := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		slices.Sort(w)
		return w
	}
	var names []string
	near, most := "", 0
	for known := range new(metrics.Summary).All() {
		names = append(names, known)
		shared := 0
		for _, w := range words(name) {
			if slices.Contains(words(known), w) {
				shared++
			}
		}
		if shared > most {
			near, most = known, shared
		}
	}
	list := "one of " + strings.Join(names, ", ")
	if near != "" {
		list = near + " perhaps; there are " + strings.Join(names, ", ")
	}
	return list
}
