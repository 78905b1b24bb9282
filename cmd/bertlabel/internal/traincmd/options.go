package traincmd

import (
	"errors"
	"strconv"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/layers"
	"bertlabel/train/data"
	"bertlabel/train/fit"
)

// training is what a command line of train says. Of its options Dev and the labels of a weights file are still to be read, and auto
// poolings depend on the model: until then Dev has the name of its file only, and Poolings stand for some.
type training struct {
	model       flags.Source
	rows        flags.Data
	train       string // file of rows
	features    string // or the folder of their features
	devFeatures string
	options     fit.Options
	auto        bool   // --pooling auto
	ownPooling  bool   // without --pooling: what the folder of a model without a head says
	exactlyOne  bool   // the model predicts the most probable label only
	weights     string // JSON file of --pos-weight; "" for none
	baseline    bool
	tensorboard bool
	plots       string
	settled     map[string]string // flags whose values follow from others, for the report
	autoLength  bool              // the texts decide how many tokens of them are read

	choice  choice
	flags   *trainFlags
	changed func(flag string) bool
}

// training turns flags into options, and refuses what does not go together before anything is read. changed tells which flags were set,
// given which of these stand on the command line, google whether any was spelt as run_classifier.py has it.
func (t *trainFlags) training(changed, given func(flag string) bool, google bool) (*training, error) {
	if err := t.checkFeatures(given); err != nil {
		return nil, err
	}
	c, err := t.chosen(google)
	if err != nil {
		return nil, err
	}
	o, err := t.options(c, changed)
	if err != nil {
		return nil, cli.WithCode(cli.ExitUsage, err)
	}
	if err := t.unused(&o, c, given); err != nil {
		return nil, err
	}
	source, err := t.model.Source()
	if err != nil {
		return nil, err
	}
	r := &training{
		model: source, rows: *t.rows, train: t.train, options: o, auto: t.pooling == autoPooling, exactlyOne: t.exactlyOne,
		features: t.features.dir, devFeatures: t.devFeatures,
		baseline: t.baseline && (o.Dev != nil || o.Folds > 0) && t.features.dir == "", tensorboard: t.tensorboard, plots: t.plots,
		settled: map[string]string{}, choice: c, flags: t, changed: changed,
		autoLength: t.model.AutoLength || c.name != fit.Google && source.MaxSeqLength == nil,
	}
	r.settleFlags()
	if t.posWeight != "" && t.posWeight != balanced && t.posWeightNumber() == 0 {
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

// maxPosWeight is the most that a positive counts.
const maxPosWeight = 1e6

// isNumber reports whether a value is written as a number.
func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// What flags are set to that is no value of the library.
const (
	autoPooling = "auto"
	balanced    = "balanced"
)

// options returns the options that the flags say, and that the recipe has where they are silent, as far as they are known before model and
// rows are: the rows to choose by have no more than a name.
func (t *trainFlags) options(chosen choice, changed func(flag string) bool) (o fit.Options, err error) {
	c := t.config
	o = fit.Options{
		L2: t.l2, Config: &c, Recompute: t.recompute, Folds: t.folds, Cache: t.cache, OnLong: t.rows.OnLong,
		Folder: fit.Folder{Path: t.output, Resume: t.resume, Overwrite: t.overwrite, From: t.resumeFrom, SaveSteps: t.saveSteps,
			Keep: t.keep, NoVerify: !t.verify},
	}
	if t.saveSteps == 0 {
		o.Folder.SaveSteps = -1
	}
	if t.windowPooling != "" {
		if o.WindowPooling, err = model.ParseWindowPooling(t.windowPooling); err != nil {
			return o, cli.Usagef("--window-pooling: %v", err)
		}
	}
	switch {
	case t.dev != "":
		o.Dev = &data.Dataset{File: t.dev}
	case t.devFeatures != "":
		o.Dev = &data.Dataset{File: t.devFeatures}
	case chosen.holdOut:
		o.Dev = &data.Dataset{File: t.train + " (held out)"}
	}
	base, err := fit.Recipe(chosen.name, nil, nil)
	if err != nil {
		return o, err
	}
	var errs []error
	try := func(err error) { errs = append(errs, err) }
	try(t.setLoss(&o))
	if t.keep < 1 || t.saveSteps < 0 {
		try(cli.Usagef("--save-checkpoints-steps %d, --keep-checkpoints %d: want at least 0 and 1", t.saveSteps, t.keep))
	}
	if err := errors.Join(errs...); err != nil {
		return o, err
	}
	if err := t.setPooling(&o, chosen.name); err != nil {
		return o, err
	}
	if err := t.apply(&o, &base, changed); err != nil {
		return o, err
	}
	if t.features.dir != "" {
		o.Pooling, o.Poolings = "", nil // theirs
	}
	if o.Precision, err = flags.ParsePrecision("precision", t.precision); err != nil {
		return o, err
	}
	if t.dropout.set {
		o.EncoderDropout = &c.Dropout
	}
	if err := o.Check(); err != nil {
		return o, t.aboutFeatures(err)
	}
	if t.baseline && changed("baseline") && o.Dev == nil && o.Folds == 0 {
		return o, cli.Usagef("--baseline is compared with the model on rows that both do not know: give --dev or --folds")
	}
	return o, nil
}

// setPooling sets the features that the flags ask for. Which auto stands for depends on the model: until that is open two stand for all.
func (t *trainFlags) setPooling(o *fit.Options, recipe string) (err error) {
	switch {
	case t.pooling == autoPooling || t.pooling == "" && recipe == fit.Fast:
		o.Poolings = []bert.Pooling{bert.CLS, bert.Mean}
	case t.pooling != "":
		if o.Pooling, err = bert.ParsePooling(t.pooling); err != nil {
			return cli.Usagef("--pooling: %v", err)
		}
	}
	if t.refitPooling != "" {
		if o.RefitPooling, err = bert.ParsePooling(t.refitPooling); err != nil {
			return cli.Usagef("--refit-pooling: %v", err)
		}
	}
	return nil
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
	case isNumber(t.posWeight) && t.posWeightNumber() == 0:
		return cli.Usagef("--pos-weight %s: want a number above 0, at most 1e6, balanced, or a JSON file of label to number", t.posWeight)
	case !(t.posWeightCap >= 1 && t.posWeightCap <= maxPosWeight):
		return cli.Usagef("--pos-weight-cap %v: want 1 to 1e6", t.posWeightCap)
	case t.labelSmoothing > 0:
		o.Loss = layers.LabelSmoothing{Epsilon: t.labelSmoothing}
	case t.posWeight == balanced:
		o.Balance = t.posWeightCap
	case t.posWeight != "" && t.posWeightNumber() > 0:
		o.Loss = layers.WeightedSigmoidCrossEntropy{PosWeight: []float64{t.posWeightNumber()}}
	case t.posWeight != "":
		o.Loss, o.LossSource = layers.WeightedSigmoidCrossEntropy{}, t.posWeight
	}
	return nil
}

// posWeightNumber returns the number that --pos-weight is; 0 if it is none.
func (t *trainFlags) posWeightNumber() float64 {
	if w, err := strconv.ParseFloat(t.posWeight, 64); err == nil && w > 0 && w <= maxPosWeight {
		return w
	}
	return 0
}

// unused refuses flags that this kind of training has no use for. given tells which stand on the command line: those of config files and
// of the environment may be for other runs.
func (t *trainFlags) unused(o *fit.Options, c choice, given func(flag string) bool) error {
	head, exact := o.Tune == fit.Head, o.Tune == fit.Head && o.Solver != fit.Gradient
	calibrated := o.Tuning.Calibrate != fit.AsNeeded || o.Solver == fit.LDA && o.Dev != nil
	return cli.RefuseUnused(given,
		cli.Unused{If: exact, Why: "--solver " + o.Solver.String() + " takes no steps",
			Flags: []string{"learning-rate", "num-train-epochs", "max-steps", "train-batch-size", "gradient-accumulation-steps",
				"warmup-proportion", "weight-decay", "optimizer", "clip-norm", "dropout", "shuffle", "log-steps", "eval-steps", "early-stopping",
				"best-metric", "on-nan", "bias-init"}},
		cli.Unused{If: exact && !calibrated && !c.holdOut && o.Folds == 0 && (o.Solver == fit.LDA || o.Dev != nil || o.L2 > 0),
			Why: "nothing is drawn by lot", Flags: []string{"seed"}},
		cli.Unused{If: head, Why: "--tune head leaves the encoder as it is: --tune last:N or all uses it",
			Flags: []string{"recompute", "layerwise-lr-decay", "save-checkpoints-steps", "keep-checkpoints", "verify-save", "tensorboard"}},
		cli.Unused{If: !head, Why: "features are kept by --tune head only", Flags: []string{"features-cache"}},
		cli.Unused{If: o.Dev == nil && o.Precision == bert.Int8, Why: "int8 is what --dev is judged in, give that", Flags: []string{"precision"}},
		cli.Unused{If: o.Dev == nil, Why: "give " + t.judges() + " to evaluate on",
			Flags: []string{"eval-steps", "best-metric", "early-stopping"}},
		cli.Unused{If: t.config.MaxSteps > 0, Why: "--max-steps says how many steps there are", Flags: []string{"num-train-epochs"}},
		cli.Unused{If: t.posWeight != balanced, Why: "it bounds --pos-weight balanced", Flags: []string{"pos-weight-cap"}},
		cli.Unused{If: o.Tuning.Thresholds == fit.Half, Why: "it is what --tune-thresholds chooses for", Flags: []string{"threshold-objective"}})
}

// text writes a number as a flag has it.
func text(x float64) string { return (&number{set: true, value: x}).String() }
