package fit

import (
	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/layers"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/metrics"
)

// Options say how a model is trained. Those of the zero value train a head on the pooled output of the frozen encoder with Google's
// optimizer and without held-out rows, in memory: the recipe of create_model in google-research/bert's run_classifier.py.
type Options struct {
	Recipe string // what the record says that the options come from; Recipe sets it

	// Dev are held-out rows, with the labels of the training rows in the same order: they choose steps, strengths, calibration and
	// thresholds. nil: nothing is chosen.
	Dev *data.Dataset

	Tune     Tune           // what is trained: Head, Last(n) or All
	Pooling  bert.Pooling   // the features that the head reads; for Last and All one vector of the last layer
	Poolings []bert.Pooling // instead of Pooling: an exact solver keeps the best of them on Dev; AutoPoolings proposes some
	Solver   Solver         // how the head on a frozen encoder is found: Gradient, LBFGS or LDA
	L2       float64        // strength of the penalty of LBFGS and LDA, on standardised features; 0: chosen
	Config   *train.Config  // of gradient steps, to the letter; nil: train.DefaultHeadConfig() for Head, else train.DefaultConfig()

	// Refit, LBFGS or LDA, finds an exact head on features of the encoder that Last or All has trained, after the last step; Dev then keeps
	// the tuned head, that one, or a mixture (package refit), whichever has the best average_precision_macro. Gradient (zero): none. An
	// LDA head is calibrated first. RefitPooling is what the exact head reads; "": means and maxima of all layers (refit.Pooling). What
	// Pooling has beyond it is appended.
	Refit        Solver
	RefitPooling bert.Pooling

	// Precision of the run. BF16: the passes of training and of the features that heads are found on and judged by are in bf16
	// (bert.TrainerOptions). Int8: training is as in FP32, and Dev is judged in int8, so that steps, thresholds and calibration are chosen by
	// what the model says in that precision. Weights are float32 in all of them, in m, in the folder and in checkpoints. Auto is resolved.
	Precision bert.Precision

	// Windows is how many rows of m.MaxSeqLength tokens a text may have, in training and afterwards (package tokenizer): 1, more, or
	// tokenizer.AllWindows; 0: as m has it. Two neighbours have the share WindowOverlap of a row in common; 0: as m has it, else a quarter,
	// tokenizer.NoOverlap: none. All rows of a text are one example: its features are those of all of them together, and the gradient goes
	// to all.
	Windows       int
	WindowOverlap float64

	// WindowPooling says how a head comes from the windows of a text to its logits; "": as m has it, model.PoolFeatures of one that has none.
	// With model.NoisyOr it is found by gradient steps, through what each window says: the exact heads of Solver and Refit fit one row of
	// features a text, and are refused. A new head begins with a bias with which a text of as many windows as those of the rows have on
	// average says what it would say with one window.
	WindowPooling model.WindowPooling

	Recompute bool // keep the activations of one layer instead of all: the same bits, less memory, more time

	// EncoderDropout is the probability of dropout inside the encoder while its layers are trained; nil: those of bert_config.json.
	EncoderDropout *float64

	Loss        layers.Loss // nil: layers.SigmoidCrossEntropy
	LossSource  string      // what the record says that a layers.WeightedSigmoidCrossEntropy has its weights from, such as a file
	Balance     float64     // > 0, without Loss: a positive counts negatives/positives times (of the rows trained on), at most so often
	LogOddsBias bool        // a new head starts from the labels' frequencies, not from 0

	// Folds ≥ 2, instead of Dev: besides the head on all rows, as many are trained that each leave out a part of the rows, and every
	// row is judged by the one that does not know it. The parts are stratified by label; rows of one text stay together.
	Folds int

	Tuning Tuning

	Folder    Folder         // where the run lives; zero: nothing is written, the best weights wait in memory (a copy of what is trained)
	Cache     string         // folder of a train.FeatureCache for the features of a frozen encoder; "": none
	OnLong    data.LongTexts // a text over the model's MaxSeqLength tokens is cut (""), or data.LongError: refused
	MaxMemory int64          // bytes; 0: no limit. A run that does not fit is a *MemoryError before its first step
	Observer  Observer
}

// Tuning says what is done to a finished head on the rows that judge it: those of Dev, or for thresholds those out of fold.
type Tuning struct {
	Calibrate  Calibration // AsNeeded, Temperature or Platt; on Dev only
	Thresholds Thresholds  // Half, PerLabel, Global or Guarded
	Aim        metrics.Aim // what thresholds are chosen for; zero: metrics.F(1)
}

// Folder makes a run survive kills and full disks. In Path are the finished model, metrics.csv, and for a run that trains the encoder
// its checkpoints (train.Checkpoints); one process at a time writes there. docs/training.md describes it.
type Folder struct {
	Path      string // "": none
	Resume    bool   // go on with the run in Path, with the bits of one that was never stopped; where nothing is, begin
	Overwrite bool   // begin anew in a folder that is not empty: what an earlier run has left is replaced, other files stay
	From      string // prefix of a TensorFlow training checkpoint that the run goes on from: the moments and the step are taken from it
	SaveSteps int    // steps between two checkpoints; 0: 1000, −1: at the end and when stopped only
	Keep      int    // newest checkpoints that stay; 0: 3
	NoVerify  bool   // a checkpoint counts without having been read back
}

// The defaults of Folder.
const (
	defaultSaveSteps = 1000
	defaultKeep      = 3
)

// saveSteps returns what train.Run takes: 0 for none between the first step and the last.
func (f *Folder) saveSteps() int {
	switch f.SaveSteps {
	case 0:
		return defaultSaveSteps
	case -1:
		return 0
	}
	return f.SaveSteps
}

func (f *Folder) keep() int {
	if f.Keep == 0 {
		return defaultKeep
	}
	return f.Keep
}

// windows returns how m reads long texts with these options.
func (o *Options) windows(m *model.Model) tokenizer.Windows {
	w := m.Windows
	if o.Windows != 0 {
		w.Most = o.Windows
	}
	if o.WindowOverlap != 0 {
		w.Overlap = o.WindowOverlap
	}
	return w
}

// windowPooling returns how m's head reads windows with these options.
func (o *Options) windowPooling(m *model.Model) model.WindowPooling {
	switch {
	case o.WindowPooling != "":
		return o.WindowPooling
	case m.WindowPooling == model.NoisyOr && o.windows(m).Several():
		return model.NoisyOr
	}
	return model.PoolFeatures
}

// config returns the configuration of gradient steps.
func (o *Options) config() train.Config {
	switch {
	case o.Config != nil:
		return *o.Config
	case o.Tune == Head:
		return train.DefaultHeadConfig()
	}
	return train.DefaultConfig()
}

// exact reports whether the head is solved, without steps.
func (o *Options) exact() bool { return o.Tune == Head && o.Solver != Gradient }

// calibration returns what AsNeeded stands for: AsNeeded itself for none.
func (o *Options) calibration() Calibration {
	if o.Tuning.Calibrate == AsNeeded && o.exact() && o.Solver == LDA && o.Dev != nil {
		return Platt
	}
	return o.Tuning.Calibrate
}
