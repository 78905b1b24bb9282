package traincmd

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/train"
	"bertlabel/train/fit"

	"github.com/spf13/cobra"
)

// recipeHelp is the value of --recipe that lists the recipes.
const recipeHelp = "help"

// recipeName is the value of --recipe. Where it asks for the list, the flags that training needs are not missing.
type recipeName struct {
	cmd  *cobra.Command
	name string
}

// String, Set and Type implement pflag.Value.
func (r *recipeName) String() string { return r.name }

func (r *recipeName) Set(s string) error {
	if r.name = s; s == recipeHelp {
		return notRequired(r.cmd, "train", "output")
	}
	_, err := fit.Recipe(s, nil, nil)
	return err
}

// notRequired takes back that flags are required.
func notRequired(cmd *cobra.Command, flags ...string) error {
	for _, flag := range flags {
		if err := cmd.Flags().SetAnnotation(flag, cobra.BashCompOneRequiredFlag, []string{"false"}); err != nil {
			return err
		}
	}
	return nil
}

func (r *recipeName) Type() string { return "string" }

// list prints the recipes.
func (r *recipeName) list(w io.Writer) error {
	_, err := fmt.Fprintln(w, strings.Join(fit.Recipes(), "\n"))
	return err
}

// choice is the recipe that a command line asks for, or that stands for its silence.
type choice struct {
	name    string
	asked   bool
	holdOut bool // a tenth of the rows is to be held out, if there are enough
}

// chosen settles the recipe: what was asked for, else google where that is spelt or where there is nothing to choose by, else best, of
// features fast.
func (t *trainFlags) chosen(google bool) (choice, error) {
	c := choice{name: t.recipe.name, asked: t.recipe.name != ""}
	features := t.features.dir != ""
	judged := t.dev != "" || t.devFeatures != "" || t.folds > 0
	switch {
	case c.asked:
	case google || t.folds > 0 || !judged && (t.noHoldout || features):
		c.name = fit.Google
	case features:
		c.name = fit.Fast
	default:
		c.name = fit.Best
	}
	c.holdOut = c.name != fit.Google && !judged && !t.noHoldout && !features
	switch {
	case features && c.name == fit.Best:
		return c, cli.Usagef("--recipe best trains layers of the encoder, which needs texts: --features go with fast and google")
	case features && c.name == fit.Fast && !judged:
		return c, cli.Usagef("--recipe fast chooses by rows that are not trained on: give --dev-features")
	case c.asked && c.name != fit.Google && t.dev == "" && !c.holdOut && !features:
		return c, cli.Usagef("--recipe %s chooses by rows that are not trained on: give --dev, or neither --no-holdout nor --folds", c.name)
	case t.noHoldout && t.dev != "":
		return c, cli.Usagef("--no-holdout is for training without --dev: give one of them")
	}
	return c, nil
}

// apply gives the options what the recipe has and no flag says. base is what the recipe stands for; noisy-or has none of its exact heads.
func (t *trainFlags) apply(o *fit.Options, base *fit.Options, changed func(flag string) bool) (err error) {
	o.Recipe, o.Solver, o.Refit = base.Recipe, fit.Gradient, fit.Gradient
	if o.Tune = base.Tune; changed("tune") {
		o.Tune, err = fit.ParseTune(t.tune)
	} else if changed("solver") && t.solver != fit.Gradient.String() || changed("l2") || t.pooling == autoPooling || t.folds > 0 {
		o.Tune = fit.Head // only its heads are found so
	}
	if err != nil {
		return err
	}
	if changed("solver") {
		if o.Solver, err = fit.ParseSolver(t.solver); err != nil {
			return err
		}
	} else if o.Tune == fit.Head && o.WindowPooling != model.NoisyOr {
		o.Solver = base.Solver
	}
	judged := o.Dev != nil || o.Folds > 0
	if changed("refit") {
		if o.Refit, err = fit.ParseRefit(t.refit); err != nil {
			return err
		}
	} else if o.Tune != fit.Head && o.Dev != nil && t.refit == "" && o.WindowPooling != model.NoisyOr {
		o.Refit = base.Refit
	}
	if o.Tuning, err = t.tuning.Tuning(); err != nil {
		return err
	}
	if judged && !changed("tune-thresholds") {
		o.Tuning.Thresholds = base.Tuning.Thresholds
	}
	t.applyPooling(o, base)
	t.applyConfig(o.Config, o.Tune, base.Config)
	return nil
}

// applyPooling gives the head the features of the recipe, where --pooling says nothing.
func (t *trainFlags) applyPooling(o *fit.Options, base *fit.Options) {
	if t.pooling != "" {
		return
	}
	switch {
	case base.Solver == fit.Gradient:
		o.Pooling, o.Poolings = base.Pooling, nil
	case o.Solver == fit.Gradient:
		o.Pooling, o.Poolings = bert.Mean, nil // only the exact heads choose
	case base.Poolings != nil: // else those that setPooling has put there stand for them
		o.Pooling, o.Poolings = "", slices.Clone(base.Poolings)
	}
}

// applyConfig gives the steps the numbers of the recipe, else the defaults of what is trained. The rate of a recipe is for as many layers
// as it trains, not for all.
func (t *trainFlags) applyConfig(c *train.Config, tune fit.Tune, base *train.Config) {
	defaults := train.DefaultConfig()
	switch {
	case tune == fit.Head:
		defaults = train.DefaultHeadConfig()
	case base != nil && tune != fit.All:
		defaults = *base
	case base != nil:
		defaults.Epochs = base.Epochs
	}
	c.LearningRate, c.Epochs, c.Dropout = t.learningRate.or(defaults.LearningRate), t.epochs.or(defaults.Epochs),
		t.dropout.or(defaults.Dropout)
	if c.Optimizer = t.config.Optimizer; c.Optimizer == "" {
		c.Optimizer = defaults.Optimizer
	}
}

// settle makes the options final, once the model and the rows are known: it deals the rows, and asks the recipe again.
func (r *trainRun) settle() (err error) {
	t := r.said
	if t.choice.holdOut {
		rest, held := fit.HoldOut(r.rows, t.options.Config.Seed)
		if held == nil {
			r.a.Log.Infof("%s: %d rows are too few to hold some out; give --dev to choose by rows of its own", t.train, r.rows.Rows())
			if t.choice.asked {
				return cli.Usagef("--recipe %s chooses by rows that are not trained on, and %d rows are too few for that: give --dev",
					t.choice.name, r.rows.Rows())
			}
			t.choice.name, t.options.Dev, t.baseline, t.autoLength = fit.Google, nil, false, t.flags.model.AutoLength
		} else if held.Soft() && held.Binarize == 0 {
			return cli.Usagef("--soft-labels: rows of %s are to be held out to choose by: give --binarize T, the share from which on a label "+
				"counts there, or --no-holdout", t.train)
		} else {
			r.a.Log.Infof("%s: %d of %d rows are held out to choose by, and not trained on (--no-holdout trains on all)", t.train,
				held.Rows(),
				r.rows.Rows())
			r.rows, t.options.Dev = rest, held
		}
	}
	base, err := fit.Recipe(t.choice.name, r.m, r.rows)
	if err != nil {
		return err
	}
	if t.options.WindowPooling == "" && r.m.Windows.Several() {
		t.options.WindowPooling = r.m.WindowPooling
	}
	if err := t.flags.apply(&t.options, &base, t.changed); err != nil {
		return err
	}
	if t.auto {
		t.options.Poolings = fit.AutoPoolings(r.m)
	}
	if t.ownPooling && r.m.Head == nil && r.m.Pooling != bert.Pooled && len(t.options.Poolings) == 0 {
		t.options.Pooling = r.m.Pooling
	}
	if err := t.options.Check(); err != nil {
		return err
	}
	t.settleFlags()
	if t.choice.name != fit.Google {
		r.a.Log.Infof("recipe %s (--recipe help lists them): %s", t.choice.name, t.summary())
	}
	if t.autoLength {
		r.m.MaxSeqLength = fit.SeqLength(r.m, r.rows)
		t.settled["max-seq-length"] = fmt.Sprint(r.m.MaxSeqLength)
		why := "99 of 100 have no more"
		if r.m.MaxSeqLength == r.m.Encoder.Config.MaxPositionEmbeddings {
			why = "the model has no more positions"
		}
		r.a.Log.Infof("texts are read up to %d tokens: %s (--max-seq-length)", r.m.MaxSeqLength, why)
	}
	return nil
}

// settleFlags says what the flags are that were not given, for the report.
func (t *training) settleFlags() {
	o := &t.options
	t.settled["learning-rate"], t.settled["num-train-epochs"] = text(o.Config.LearningRate), text(o.Config.Epochs)
	t.settled["dropout"], t.settled["optimizer"] = text(o.Config.Dropout), o.Config.Optimizer
	t.settled["recipe"], t.settled["tune"] = t.choice.name, o.Tune.String()
	if t.settled["solver"] = ""; o.Tune == fit.Head {
		t.settled["solver"] = o.Solver.String()
	}
	if t.settled["refit"] = ""; o.Refit != fit.Gradient {
		t.settled["refit"] = o.Refit.String()
	}
	t.settled["window-pooling"] = string(o.WindowPooling)
	t.settled["tune-thresholds"] = o.Tuning.Thresholds.String()
	if t.settled["pooling"] = o.Pooling.String(); len(o.Poolings) > 0 {
		t.settled["pooling"] = autoPooling
	}
}

// summary says in flags what the recipe has come to.
func (t *training) summary() string {
	o, words := &t.options, []string{}
	for _, flag := range []string{"tune", "pooling", "solver", "optimizer", "learning-rate", "num-train-epochs", "refit",
		"window-pooling", "tune-thresholds"} {
		value := t.settled[flag]
		steps := slices.Contains([]string{"optimizer", "learning-rate", "num-train-epochs"}, flag)
		if value != "" && !(steps && o.Tune == fit.Head && o.Solver != fit.Gradient) {
			words = append(words, "--"+flag+" "+value)
		}
	}
	return strings.Join(words, " ")
}
