package traincmd

import (
	"errors"
	"slices"
	"strings"

	"bertlabel/bert"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/layers"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/fit"
)

// training is what a command line of train says. Of its options Dev and the labels of a weights file are still to be read, and auto
// poolings depend on the model: until then Dev has the name of its file only, and Poolings stand for some.
type training struct {
	model       flags.Source
	rows        flags.Data
	train       string // file of rows
	options     fit.Options
	auto        bool   // --pooling auto
	weights     string // JSON file of --pos-weight; "" for none
	baseline    bool
	tensorboard bool
	plots       string
	unused      []string          // what was set and changes nothing, in words
	settled     map[string]string // flags whose values follow from others, for the report
}

// training turns flags into options, and refuses what does not go together before anything is read. changed tells which flags were set.
func (t *trainFlags) training(changed func(flag string) bool) (*training, error) {
	o, err := t.options()
	if err != nil {
		return nil, cli.WithCode(cli.ExitUsage, err)
	}
	source, err := t.model.Source()
	if err != nil {
		return nil, err
	}
	r := &training{
		model: source, rows: *t.rows, train: t.train, options: o, auto: t.pooling == autoPooling, baseline: t.baseline,
		tensorboard: t.tensorboard, plots: t.plots, unused: t.unused(changed),
		settled: map[string]string{"learning-rate": text(o.Config.LearningRate), "num-train-epochs": text(o.Config.Epochs),
			"dropout": text(o.Config.Dropout)},
	}
	if t.posWeight != "" && t.posWeight != balanced {
		r.weights = t.posWeight
	}
	if t.resumeFrom != "" {
		if t.model.InitCheckpoint != "" {
			return nil, cli.Usagef("--resume-from brings the weights: --init-checkpoint has no place beside it")
		}
		r.model.InitCheckpoint, r.settled["init-checkpoint"] = t.resumeFrom, t.resumeFrom
	}
	return r, nil
}

// What flags are set to that is no value of the library.
const (
	autoPooling = "auto"
	balanced    = "balanced"
)

// options returns the options that the flags say.
func (t *trainFlags) options() (o fit.Options, err error) {
	c := t.config
	o = fit.Options{
		L2: t.l2, Config: &c, Recompute: t.recompute, Folds: t.folds, Cache: t.cache, OnLong: t.rows.OnLong,
		Folder: fit.Folder{Path: t.output, Resume: t.resume, Overwrite: t.overwrite, From: t.resumeFrom, SaveSteps: t.saveSteps,
			Keep: t.keep, NoVerify: !t.verify},
	}
	if t.saveSteps == 0 {
		o.Folder.SaveSteps = -1
	}
	if t.dev != "" {
		o.Dev = &data.Dataset{File: t.dev}
	}
	if o.Tune, err = fit.ParseTune(t.tune); err != nil {
		return o, err
	}
	defaults := train.DefaultConfig()
	if o.Tune == fit.Head {
		defaults = train.DefaultHeadConfig()
	}
	c.LearningRate, c.Epochs, c.Dropout = t.learningRate.or(defaults.LearningRate), t.epochs.or(defaults.Epochs),
		t.dropout.or(defaults.Dropout)
	if t.dropout.set {
		o.EncoderDropout = &c.Dropout
	}
	var errs []error
	try := func(err error) { errs = append(errs, err) }
	try(t.setLoss(&o))
	o.Solver, err = fit.ParseSolver(t.solver)
	try(err)
	if t.refit != "" {
		o.Refit, err = fit.ParseRefit(t.refit)
		try(err)
	}
	o.Tuning, err = t.tuning.Tuning()
	try(err)
	if t.keep < 1 || t.saveSteps < 0 {
		try(cli.Usagef("--save-checkpoints-steps %d, --keep-checkpoints %d: want at least 0 and 1", t.saveSteps, t.keep))
	}
	if err := errors.Join(errs...); err != nil {
		return o, err
	}
	if t.pooling == autoPooling {
		o.Poolings = []bert.Pooling{bert.CLS, bert.Mean}
	} else if o.Pooling, err = bert.ParsePooling(t.pooling); err != nil {
		return o, cli.Usagef("--pooling: %v", err)
	}
	if t.refitPooling != "" {
		if o.RefitPooling, err = bert.ParsePooling(t.refitPooling); err != nil {
			return o, cli.Usagef("--refit-pooling: %v", err)
		}
	}
	if err := o.Check(); err != nil {
		return o, err
	}
	if t.baseline && o.Dev == nil && o.Folds == 0 {
		return o, cli.Usagef("--baseline is compared with the model on rows that both do not know: give --dev or --folds")
	}
	return o, nil
}

// setLoss sets what is minimised, and the bias that a new head starts from. A file of weights is read with the labels: until then its
// loss has none.
func (t *trainFlags) setLoss(o *fit.Options) (err error) {
	if o.Loss, err = fit.ParseLoss(t.loss); err != nil {
		return err
	}
	if err := cli.OneOf("bias-init", t.biasInit, "zero", "log-odds"); err != nil {
		return err
	}
	o.LogOddsBias = t.biasInit == "log-odds"
	given := 0
	for _, is := range []bool{o.Loss != nil, t.posWeight != "", t.labelSmoothing != 0} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return cli.Usagef("--loss %s, --pos-weight and --label-smoothing are losses of their own: give one of them", t.loss)
	case !(t.labelSmoothing >= 0 && t.labelSmoothing < 1):
		return cli.Usagef("--label-smoothing %v: want at least 0 and below 1", t.labelSmoothing)
	case !(t.posWeightCap >= 1 && t.posWeightCap <= 1e6):
		return cli.Usagef("--pos-weight-cap %v: want 1 to 1e6", t.posWeightCap)
	case t.labelSmoothing > 0:
		o.Loss = layers.LabelSmoothing{Epsilon: t.labelSmoothing}
	case t.posWeight == balanced:
		o.Balance = t.posWeightCap
	case t.posWeight != "":
		o.Loss, o.LossSource = layers.WeightedSigmoidCrossEntropy{}, t.posWeight
	}
	return nil
}

// unused tells of flags that were set and that this kind of training has no use for.
func (t *trainFlags) unused(changed func(flag string) bool) (lines []string) {
	say := func(why string, names ...string) {
		set := slices.DeleteFunc(names, func(name string) bool { return !changed(name) })
		if len(set) > 0 {
			lines = append(lines, why+", so --"+strings.Join(set, ", --")+" changes nothing")
		}
	}
	if t.solver != fit.Gradient.String() {
		say("--solver "+t.solver+" takes no steps", "learning-rate", "num-train-epochs", "max-steps", "train-batch-size",
			"gradient-accumulation-steps",
			"warmup-proportion", "weight-decay", "optimizer", "clip-norm", "dropout", "shuffle", "eval-steps", "early-stopping",
			"best-metric")
	}
	if t.tune == fit.Head.String() {
		say("--tune head leaves the encoder as it is", "recompute", "layerwise-lr-decay", "save-checkpoints-steps", "keep-checkpoints")
	}
	if t.dev == "" {
		say("there is no --dev to evaluate on", "eval-steps", "best-metric")
	}
	return lines
}

// text writes a number as a flag has it.
func text(x float64) string { return (&number{set: true, value: x}).String() }
