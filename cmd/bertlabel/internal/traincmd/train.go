// Package traincmd has the verbs train and labels. Each is flags → options (options.go, labels.go: pure functions), one call of
// train/fit, and an observer that says what happens (say.go). What only the command line has is beside it: the baseline, TensorBoard's
// event files, the report.
package traincmd

import (
	"context"
	"strconv"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/train"
	"bertlabel/train/data"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// NewTrain returns the verb train.
func NewTrain(a *cli.App) *cobra.Command {
	return newTrain(func(ctx context.Context, cmd *cobra.Command, t *training) error {
		return (&trainRun{a: a, cmd: cmd, said: t}).run(ctx)
	})
}

// newTrain declares the verb; run gets what a command line says.
func newTrain(run func(ctx context.Context, cmd *cobra.Command, t *training) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "train",
		Short:   "Train a multi-label head on a BERT model: pooled output, dropout, sigmoid cross-entropy",
		Example: "  bertlabel train --model uncased_L-12_H-768_A-12 --train train.csv --output model",
	}
	t := addTrainFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if t.recipe.name == recipeHelp {
			return t.recipe.list(cmd.OutOrStdout())
		}
		given := func(flag string) bool { return cli.OnCommandLine(cmd, flag) }
		parsed, err := t.training(cmd.Flags().Changed, given, cli.GoogleSpelling(cmd))
		if err != nil {
			return err
		}
		parsed.ownPooling = !cmd.Flags().Changed("pooling")
		return run(cmd.Context(), cmd, parsed)
	}
	return cmd
}

// trainFlags are the values of the flags of train, as they were parsed.
type trainFlags struct {
	model  *flags.Model
	rows   *flags.Data
	config train.Config
	tuning flags.Tuning

	recipe               recipeName
	noHoldout            bool
	train, dev, output   string
	features             featuresFolder
	devFeatures          string
	tune, pooling, cache string
	precision            string
	exactlyOne           bool
	overwrite, baseline  bool
	folds                int
	plots                string

	learningRate, epochs, dropout number // what they are unset depends on --tune

	solver              string
	l2                  float64
	refit, refitPooling string
	windowPooling       string

	loss, posWeight              string
	posWeightCap, labelSmoothing float64
	biasInit                     string

	resume, verify, tensorboard, recompute bool
	resumeFrom                             string
	saveSteps, keep                        int
}

func addTrainFlags(cmd *cobra.Command) *trainFlags {
	t := &trainFlags{config: train.DefaultConfig()}
	t.model, t.rows = flags.AddModel(cmd), flags.AddData(cmd, data.StopAtBadRow)
	flags.AddSoftLabels(cmd, t.rows)
	flags.AddAutoLength(cmd, t.model)
	flags.AddWindows(cmd, &t.model.Windows)
	f := cmd.Flags()
	f.StringVar(&t.train, "train", "", "`FILE` of labelled texts to train on")
	f.StringVar(&t.dev, "dev", "", "`FILE` of labelled texts to choose by (default: a tenth of --train, if that has 200)")
	t.features.cmd = cmd
	f.Var(&t.features, "features", "instead of --train: `FOLDER` of vectors and labels that embed --shard has written")
	f.StringVar(&t.devFeatures, "dev-features", "", "`FOLDER` of such vectors to choose by, with --features")
	f.StringVar(&t.output, "output", "", "`FOLDER` for the trained model")
	f.BoolVar(&t.overwrite, "overwrite", false, "write into an --output folder that is not empty")
	t.recipe.cmd = cmd
	f.Var(&t.recipe, "recipe", "what the options below are if not given: best, fast or google; help lists them")
	f.BoolVar(&t.noHoldout, "no-holdout", false, "train on all rows of --train where there is no --dev")
	f.StringVar(&t.tune, "tune", "", "what is trained: head (frozen encoder), last:N (layers too), or all")
	f.StringVar(&t.pooling, "pooling", "", "features: pooled, cls, mean, max, mean:-1..-3, concat:cls,mean, auto")
	flags.AddPrecision(cmd, &t.precision)
	f.Lookup("precision").Usage = "bits of the matrix products: fp32; bf16; int8, in which --dev is judged, trained in fp32; auto"
	f.StringVar(&t.cache, "features-cache", "", "`FOLDER` that keeps computed features for the next run")
	f.BoolVar(&t.baseline, "baseline", true, "also train TF-IDF with logistic regression, to see on held-out rows what BERT is worth")
	f.IntVar(&t.folds, "folds", 0, "evaluate the head on `K` stratified folds of --train, each scored by a head of the others; 0: none")
	t.addStepFlags(f)
	cli.Minor(cmd, "Training flags", "train-batch-size", "max-steps", "warmup-proportion", "weight-decay", "optimizer", "clip-norm",
		"dropout",
		"gradient-accumulation-steps", "seed", "shuffle", "log-steps", "eval-steps", "best-metric", "early-stopping", "on-nan")
	cli.Required(cmd, "train", "output")
	flags.AddTuning(cmd, &t.tuning)
	flags.AddExactlyOne(cmd, &t.exactlyOne)
	t.addHeadFlags(f)
	cli.Minor(cmd, "Model flags", "window-pooling", "exactly-one")
	cli.Minor(cmd, "Head flags", "solver", "l2", "refit", "refit-pooling", "loss", "pos-weight", "pos-weight-cap",
		"label-smoothing",
		"bias-init", "folds")
	t.addRunFlags(f)
	cli.Minor(cmd, "Run flags", "overwrite", "resume", "resume-from", "save-checkpoints-steps", "keep-checkpoints", "verify-save",
		"tensorboard",
		"recompute", "layerwise-lr-decay", "features-cache", "baseline", "no-holdout", "precision")
	flags.AddPlots(cmd, &t.plots)
	cli.Minor(cmd, "Run flags", "plots")
	cli.Minor(cmd, "Run flags", "features", "dev-features")
	return t
}

// addStepFlags declares those of gradient steps.
func (t *trainFlags) addStepFlags(f *pflag.FlagSet) {
	c := &t.config
	t.learningRate, t.epochs, t.dropout = number{shown: "the recipe's"}, number{shown: "the recipe's"},
		number{shown: "the config's"}
	f.IntVar(&c.BatchSize, "train-batch-size", c.BatchSize, "rows of a batch")
	f.Var(&t.learningRate, "learning-rate", "peak learning rate")
	f.Var(&t.epochs, "num-train-epochs", "passes over the data; may be fractional")
	f.IntVar(&c.MaxSteps, "max-steps", 0, "steps, instead of --num-train-epochs")
	f.Float64Var(&c.WarmupProportion, "warmup-proportion", c.WarmupProportion, "share of the steps in which the rate rises")
	f.Float64Var(&c.WeightDecay, "weight-decay", c.WeightDecay, "decoupled weight decay; none on bias")
	f.StringVar(&c.Optimizer, "optimizer", "", "google (AdamWeightDecay of optimization.py) or adamw (bias-corrected)")
	f.Float64Var(&c.ClipNorm, "clip-norm", c.ClipNorm, "largest global norm of the gradient; 0: any")
	f.Var(&t.dropout, "dropout", "dropout, of features that are computed once 0.1; 0: none")
	f.IntVar(&c.AccumulationSteps, "gradient-accumulation-steps", c.AccumulationSteps, "batches that make one step")
	f.Uint64Var(&c.Seed, "seed", c.Seed, "everything random hangs on it")
	f.BoolVar(&c.Shuffle, "shuffle", c.Shuffle, "a new order of the rows each epoch; false: file order")
	f.IntVar(&c.LogSteps, "log-steps", c.LogSteps, "steps between two rows of metrics.csv")
	f.IntVar(&c.EvalSteps, "eval-steps", 0, "steps between two evaluations on --dev; 0: each epoch")
	f.StringVar(&c.BestMetric, "best-metric", c.BestMetric, "metric on --dev by which weights are kept")
	f.IntVar(&c.EarlyStopping, "early-stopping", 0, "stop after so many evaluations without a better one; 0: never")
	f.StringVar(&c.OnNaN, "on-nan", c.OnNaN, "at a NaN or infinity: stop (exit 5), skip that update, or restore the last checkpoint")
}

// addHeadFlags declares those that say how the head is found, what is minimised, and where the bias starts.
func (t *trainFlags) addHeadFlags(f *pflag.FlagSet) {
	f.StringVar(&t.solver, "solver", "", "head by gradient (Google's), lbfgs (exact), lda (discriminant)")
	f.Float64Var(&t.l2, "l2", 0, "strength of the L2 penalty of --solver lbfgs and lda, on standardised features; 0: chosen on --dev, "+
		"by lbfgs for each label and without --dev on a fifth of the rows")
	f.StringVar(&t.refit, "refit", "",
		"after --tune last:N or all also find an exact head, lbfgs or lda, and keep what --dev likes best of the two and their mixtures; "+
			"or none")
	f.StringVar(&t.refitPooling, "refit-pooling", "", "`FEATURES` of --refit, as --pooling has them (default: mean and max of all layers)")
	f.StringVar(&t.windowPooling, "window-pooling", "", "what the head reads of the --windows of a text: features of all of them, or each by "+
		"itself for noisy-or, 1 − Π(1 − p), for labels that hang on one passage (default: as the model was trained, else features)")
	f.StringVar(&t.loss, "loss", "bce", "bce (sigmoid cross-entropy), focal (gamma 2, alpha 0.25) or asymmetric (gamma 4 and 1, clip 0.05)")
	f.StringVar(&t.posWeight, "pos-weight", "",
		"how often a positive counts: a number, balanced (negatives over positives), or a JSON `FILE` of label to number")
	f.Float64Var(&t.posWeightCap, "pos-weight-cap", 20, "most that balanced gives a label")
	f.Float64Var(&t.labelSmoothing, "label-smoothing", 0, "epsilon: labels count as 1 − ε/2 and ε/2")
	f.StringVar(&t.biasInit, "bias-init", "zero", "bias of a new head: zero, or log-odds of each label's frequency")
}

// addRunFlags declares those of a run's folder.
func (t *trainFlags) addRunFlags(f *pflag.FlagSet) {
	f.BoolVar(&t.resume, "resume", false, "go on with the run in --output: the same bits as if it had never stopped")
	f.StringVar(&t.resumeFrom, "resume-from", "",
		"go on from a TensorFlow training checkpoint, `PREFIX`, with adam_m, adam_v and global_step")
	f.IntVar(&t.saveSteps, "save-checkpoints-steps", 1000, "steps between two checkpoints")
	f.IntVar(&t.keep, "keep-checkpoints", 3, "newest checkpoints that stay")
	f.BoolVar(&t.verify, "verify-save", true, "read every checkpoint back before it counts")
	f.BoolVar(&t.tensorboard, "tensorboard", true, "write event files for TensorBoard")
	f.BoolVar(&t.recompute, "recompute", false, "compute each layer again on the way back: the same bits in less memory and more time")
	f.Float64Var(&t.config.LayerDecay, "layerwise-lr-decay", 1, "factor of the learning rate from layer to layer downwards")
}

// number is a flag's number whose default depends on other flags.
type number struct {
	shown string // the default, for the help
	set   bool
	value float64
}

// String, Set and Type implement pflag.Value.
func (n *number) String() string {
	if !n.set {
		return n.shown
	}
	return strconv.FormatFloat(n.value, 'g', -1, 64)
}

func (n *number) Set(s string) (err error) {
	n.value, err = strconv.ParseFloat(s, 64)
	n.set = err == nil
	return err
}

func (n *number) Type() string { return "float64" }

// or returns the number, or another if it is not set.
func (n *number) or(other float64) float64 {
	if n.set {
		return n.value
	}
	return other
}
