package fit

import (
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"syscall"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/checkpoint/atomic"
	"bertlabel/layers"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/metrics"
)

// Check returns every reason why the options cannot be used that needs neither model nor rows: *OptionErrors, joined. It changes
// nothing. Of Dev it only asks whether there is one.
func (o *Options) Check() error {
	return errors.Join(o.checkTune(), o.checkPrecision(), o.checkLoss(), o.checkSolver(), o.checkFolds(), o.checkTuning(), o.checkPoolings(),
		o.checkRefit(), o.checkWindows(), o.checkConfig())
}

// checkTune looks at what is trained, and at the folder.
func (o *Options) checkTune() error {
	f := &o.Folder
	switch {
	case o.Tune < All:
		return refuse("tune", " %s: want head, last:N with N of at least 1, or all", o.Tune)
	case o.Tune == Head && f.From != "":
		return refuse("resume_from", " goes on with a run that trained the encoder: give `tune` all or last:N")
	case o.Tune == Head && o.config().OnNaN == train.RestoreOnNaN:
		return refuse("on_nan", " restore goes back to a checkpoint, and `tune` head writes none: give stop or skip")
	case f.Path == "" && o.config().OnNaN == train.RestoreOnNaN:
		return refuse("on_nan", " restore goes back to a checkpoint, and without `output` there is none: give stop or skip")
	case f.Path == "" && (f.Resume || f.From != ""):
		return refuse("resume", " goes on with the run in `output`: give that")
	case f.SaveSteps < -1 || f.Keep < 0:
		return refuse("save_checkpoints_steps", " %d, `keep_checkpoints` %d: want at least 0 and 1", f.SaveSteps, f.Keep)
	case f.Resume && f.Overwrite:
		return refuse("resume", " goes on with the run in `output`, `overwrite` begins anew: give one of them")
	case o.EncoderDropout != nil && *o.EncoderDropout != o.config().Dropout && !(*o.EncoderDropout >= 0 && *o.EncoderDropout < 1):
		return refuse("dropout", " is %v, want at least 0 and below 1", *o.EncoderDropout)
	case o.MaxMemory < 0:
		return refuse("max_memory", " %d: want 0 (no limit) or more", o.MaxMemory)
	case !slices.Contains([]data.LongTexts{"", data.CutLongTexts, data.LongError}, o.OnLong):
		return refuse("on_long", ": %q is none of truncate, error", o.OnLong)
	}
	return nil
}

// checkPrecision looks at the bits of the products.
func (o *Options) checkPrecision() error {
	switch {
	case o.Precision > bert.Auto:
		return refuse("precision", " %d is none of fp32, bf16, int8, auto", o.Precision)
	case o.Precision == bert.Int8 && o.Folds > 0:
		return refuse("precision", " int8 is for the rows that judge, which with `folds` are those of training: give `dev`")
	}
	return nil
}

// checkLoss looks at what is minimised.
func (o *Options) checkLoss() error {
	switch l := o.Loss.(type) {
	case layers.LabelSmoothing:
		if !(l.Epsilon >= 0 && l.Epsilon < 1) {
			return refuse("label_smoothing", " %v: want at least 0 and below 1", l.Epsilon)
		}
	case layers.WeightedSigmoidCrossEntropy:
		for _, w := range l.PosWeight {
			if !(w > 0 && w <= maxPosWeight) {
				return refuse("pos_weight", " %v: want above 0, at most %g", w, float64(maxPosWeight))
			}
		}
	case layers.Focal:
		if !(l.Gamma >= 0 && l.Alpha >= 0 && l.Alpha <= 1) || math.IsInf(l.Gamma, 0) {
			return refuse("loss", " focal with γ %v and α %v: want γ from 0, α from 0 to 1", l.Gamma, l.Alpha)
		}
	case layers.Asymmetric:
		if !(l.GammaNeg >= 0 && l.GammaPos >= 0 && l.Clip >= 0 && l.Clip < 1) || math.IsInf(l.GammaNeg+l.GammaPos, 0) {
			return refuse("loss", " asymmetric with γ %v and %v and clip %v: want γ from 0, clip from 0 and below 1",
				l.GammaNeg, l.GammaPos, l.Clip)
		}
	case *layers.SigmoidCrossEntropy, *layers.WeightedSigmoidCrossEntropy, *layers.LabelSmoothing, *layers.Focal, *layers.Asymmetric:
		return refuse("loss", " is a %T: want the value, not its address", l)
	}
	switch {
	case o.Balance != 0 && o.Loss != nil:
		return refuse("pos_weight", " balanced is a loss of its own: it has no place beside `loss`")
	case o.Balance != 0 && !(o.Balance >= 1 && o.Balance <= maxPosWeight):
		return refuse("pos_weight_cap", " %v: want 1 to 1e6", o.Balance)
	}
	return nil
}

// checkSolver looks at how the head is found.
func (o *Options) checkSolver() error {
	exact := o.Solver != Gradient
	_, convex := o.loss(nil, nil, 0).(layers.CrossEntropy)
	_, plain := o.Loss.(layers.SigmoidCrossEntropy)
	switch {
	case o.Solver < Gradient || o.Solver > LDA:
		return refuse("solver", " %s: want %s", o.Solver, strings.Join(solverNames, ", "))
	case exact && o.Tune != Head:
		return refuse("solver", " %s finds a head on a frozen encoder: give `tune` head", o.Solver)
	case exact && !convex:
		return refuse("solver", " %s has no use for `loss` %s, which is not convex", o.Solver, o.describeLoss().Loss)
	case o.Solver == LDA && (o.Balance != 0 || o.Loss != nil && !plain):
		return refuse("solver", " lda has no loss that `pos_weight` or `label_smoothing` could change")
	case o.Solver == LDA && o.Dev == nil && o.L2 == 0:
		return refuse("solver", " lda chooses its strength on `dev`: give that, or `l2`")
	case !(o.L2 >= 0) || math.IsInf(o.L2, 0):
		return refuse("l2", " %v: want 0 (chosen) or more", o.L2)
	case o.L2 > 0 && !exact:
		return refuse("l2", " is for `solver` lbfgs and lda; the gradient has `weight_decay`")
	}
	return nil
}

// checkFolds looks at cross-validation.
func (o *Options) checkFolds() error {
	switch {
	case o.Folds == 0:
		return nil
	case o.Folds < 2:
		return refuse("folds", " %d: want 2 or more, or 0 for none", o.Folds)
	case o.Tune != Head:
		return refuse("folds", " trains a head for every fold on features that are computed once: give `tune` head")
	case o.Dev != nil:
		return refuse("folds", " takes the place of `dev`: give one of them")
	case o.Tuning.Calibrate != AsNeeded:
		return refuse("calibrate", " needs `dev`")
	}
	return nil
}

// checkTuning looks at what is done to a finished head.
func (o *Options) checkTuning() error {
	t := o.Tuning
	_, err := metrics.ParseAim(t.Aim.String()) // a number of it may be out of range, or none
	switch {
	case t.Thresholds < Half || t.Thresholds > Guarded:
		return refuse("tune_thresholds", " %s: want per-label, global or guarded", t.Thresholds)
	case t.Calibrate < AsNeeded || t.Calibrate > Platt:
		return refuse("calibrate", " %s: want temperature or platt", t.Calibrate)
	case err != nil:
		return refuse("threshold_objective", " %s: want f1, f2, f0.5, precision@P or recall@P with P from 0 to 1", t.Aim)
	case o.Dev == nil && o.Folds == 0 && (t.Thresholds != Half || t.Calibrate != AsNeeded):
		return refuse("tune_thresholds", " needs `dev` or `folds`, `calibrate` needs `dev`")
	}
	return nil
}

// checkPoolings looks at choices among poolings, and at when a run ends.
func (o *Options) checkPoolings() error {
	switch {
	case len(o.Poolings) > 0 && (o.Dev == nil || !o.exact()):
		return refuse("pooling", " auto is chosen by the exact heads on `dev`: give `dev` and `solver` lbfgs or lda")
	case len(o.Poolings) > 0 && o.Pooling != "":
		return refuse("pooling", " %s has no place beside several to choose from: give one of Pooling and Poolings", o.Pooling)
	case o.config().EarlyStopping > 0 && o.Dev == nil:
		return refuse("early_stopping", " stops when `dev` gets no better: give `dev`")
	}
	return nil
}

// checkRefit looks at the exact head that follows the steps.
func (o *Options) checkRefit() error {
	_, convex := o.loss(nil, nil, 0).(layers.CrossEntropy)
	switch {
	case o.Refit < Gradient || o.Refit > LDA:
		return refuse("refit", " %s: want lbfgs or lda", o.Refit)
	case o.Refit == Gradient && o.RefitPooling != "":
		return refuse("refit_pooling", " is what the head of `refit` reads: give `refit` lbfgs or lda")
	case o.Refit != Gradient && (o.Tune == Head || o.Dev == nil):
		return refuse("refit", " %s follows the steps of `tune` last:N or all, and `dev` chooses its share: give both", o.Refit)
	case o.Refit == LBFGS && !convex:
		return refuse("refit", " lbfgs has no use for `loss` %s, which is not convex", o.describeLoss().Loss)
	}
	return nil
}

// checkWindows looks at how long texts are read.
func (o *Options) checkWindows() error {
	if err := (tokenizer.Windows{Most: o.Windows}).Check(); err != nil {
		return refuse("windows", ": %v", err)
	}
	if err := (tokenizer.Windows{Overlap: o.WindowOverlap}).Check(); err != nil {
		return refuse("window_overlap", ": %v", err)
	}
	if o.WindowPooling != "" {
		if _, err := model.ParseWindowPooling(string(o.WindowPooling)); err != nil {
			return refuse("window_pooling", ": %v", err)
		}
	}
	return o.checkNoisyOr()
}

// checkNoisyOr refuses exact heads where the head reads windows: they minimise a loss that is convex in the features of a text, and that
// by noisy-or is not; a head fitted to whole texts has another prior than one of their windows.
func (o *Options) checkNoisyOr() error {
	switch noisy := o.WindowPooling == model.NoisyOr; {
	case noisy && o.exact():
		return refuse("window_pooling", " noisy-or has no exact head, as `solver` %s finds it on features of whole texts: give "+
			"`solver` gradient, or `window_pooling` features", o.Solver)
	case noisy && o.Refit != Gradient:
		return refuse("window_pooling", " noisy-or has no exact head, as `refit` %s finds it on features of whole texts: give `refit` none, or "+
			"`window_pooling` features", o.Refit)
	}
	return nil
}

// checkConfig gives each complaint of the configuration its option.
func (o *Options) checkConfig() error {
	err := o.config().Check()
	if err == nil {
		return nil
	}
	list := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		list = joined.Unwrap()
	}
	for i, err := range list {
		option, problem, _ := strings.Cut(err.Error(), " ")
		list[i] = &OptionError{Option: option, Problem: " " + problem}
	}
	return errors.Join(list...)
}

// Check refuses a folder with something in it, unless the run is to resume or to overwrite: an *OptionError. A lock file is nothing: a
// run that ended before its first result has left it.
func (f *Folder) Check() error {
	if f.Path == "" {
		return nil
	}
	entries, err := os.ReadDir(f.Path)
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return e.Name() == atomic.LockName })
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case errors.Is(err, syscall.ENOTDIR):
		return refuse("output", " %s is a file, want a folder", f.Path)
	case err != nil:
		return err
	case len(entries) > 0 && !f.Resume && !f.Overwrite:
		return refuse("output", " %s is not empty: give another, or `overwrite` (a stopped run of train goes on with `resume`)", f.Path)
	}
	return nil
}

// checkInputs refuses a model and rows that nothing can be trained with, or that do not go with the options.
func checkInputs(m *model.Model, rows *data.Dataset, o *Options) error {
	if m == nil || m.Encoder == nil || m.Tokenizer == nil {
		return refuse("model", " is nil: want one that model.Open or model.New has made")
	}
	if n, limit := m.MaxSeqLength, m.Encoder.Config.MaxPositionEmbeddings; n < 2 || n > limit {
		return refuse("max_seq_length", " %d: want from 2 to the %d positions of the model", n, limit)
	}
	if w := o.windows(m); w.Several() && m.MaxSeqLength < 3 {
		return refuse("windows", " %s: a row of `max_seq_length` %d tokens has no room for any", w.MostText(), m.MaxSeqLength)
	} else if err := m.Windows.Check(); err != nil {
		return refuse("windows", " of the model: %v", err)
	} else if o.WindowPooling == model.NoisyOr && !w.Several() {
		return refuse("window_pooling", " noisy-or is for texts of several windows: give `windows` all, or their number")
	}
	switch e := m.Encoder; {
	case e.Rounds() && (o.Tune != Head || o.Folder.Path != ""):
		return refuse("precision", " %s, word embeddings in %s: rounded weights can be neither trained nor saved, want fp32",
			e.Precision(), e.EmbeddingsPrecision())
	case e.Rounds() && o.Precision.Resolve() != bert.FP32:
		return refuse("precision", " %s is beside a model in float32: this one is in %s, its word embeddings in %s", o.Precision,
			e.Precision(), e.EmbeddingsPrecision())
	}
	if err := checkRows("train", rows); err != nil {
		return err
	}
	if o.Folds > 0 {
		return checkCounted("train", rows)
	}
	if o.Dev == nil {
		return nil
	}
	if err := checkRows("dev", o.Dev); err != nil {
		return err
	}
	if now, want := o.Dev.Labels.Names(), rows.Labels.Names(); !slices.Equal(now, want) {
		return refuse("dev", " has the labels %q, want those of the training rows in their order, %q: give data.Options.Labels", now, want)
	}
	return checkCounted("dev", o.Dev)
}

// checkCounted refuses shares as the labels of rows that judge, unless it was said from which on they count.
func checkCounted(option string, rows *data.Dataset) error {
	if rows.Soft() && rows.Binarize == 0 {
		return refuse("binarize", " says from which share on a label counts: `%s` %s has shares between 0 and 1, and metrics, thresholds and the "+
			"choice of what is kept take labels that are there or not: give `binarize` 0.5, or what counts for you",
			option, rows.File)
	}
	return nil
}

// checkRows refuses a data set without rows, or without their labels.
func checkRows(option string, rows *data.Dataset) error {
	switch {
	case rows == nil || rows.Rows() == 0:
		return refuse(option, " has no rows: want at least one")
	case rows.Labels == nil || rows.Labels.Len() == 0:
		return refuse(option, " has no labels: want at least one, and no data.Options.IgnoreLabels")
	}
	if err := rows.Check(); err != nil {
		return refuse(option, " %v", err)
	}
	return nil
}

// checkLossFor refuses weights that are not one for each label.
func (o *Options) checkLossFor(labels int) error {
	if l, ok := o.Loss.(layers.WeightedSigmoidCrossEntropy); ok && len(l.PosWeight) != 1 && len(l.PosWeight) != labels {
		return refuse("pos_weight", " has %d weights, want 1, or one for each of %d labels", len(l.PosWeight), labels)
	}
	return nil
}
