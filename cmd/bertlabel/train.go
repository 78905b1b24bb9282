package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/layers"
	"bertlabel/train"
	"bertlabel/train/data"

	"github.com/spf13/cobra"
)

func newTrainCmd(a *cli.App) *cobra.Command {
	t := &training{a: a, config: train.DefaultHeadConfig()}
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Train a multi-label head on a BERT model: pooled output, dropout, sigmoid cross-entropy",
		Example: "  bertlabel train --model uncased_L-12_H-768_A-12 --train train.csv --output model\n" +
			"  bertlabel train --model minilm --train a.csv --dev b.csv --pooling mean:-1..-3 --solver lbfgs --output model",
	}
	t.models, t.rows = flags.AddModel(cmd), flags.AddData(cmd, data.StopAtBadRow)
	f := cmd.Flags()
	f.StringVar(&t.train, "train", "", "`FILE` of labelled texts to train on")
	f.StringVar(&t.dev, "dev", "", "`FILE` of labelled texts to choose the best weights by")
	f.StringVar(&t.output, "output", "", "`FOLDER` for the trained model")
	f.BoolVar(&t.overwrite, "overwrite", false, "write into an --output folder that is not empty")
	f.StringVar(&t.tune, "tune", "head", "what is trained: head (frozen encoder), last:N (layers too), or all")
	f.StringVar(&t.pooling, "pooling", "pooled", "features: pooled (default), cls, mean, max, mean:-1..-3, concat:cls,mean, auto")
	f.StringVar(&t.cache, "features-cache", "", "`FOLDER` that keeps computed features for the next run")
	f.BoolVar(&t.baseline, "baseline", false, "also train TF-IDF with logistic regression, to see on --dev or --folds what BERT is worth")
	f.IntVar(&t.folds, "folds", 0, "evaluate the head on `K` stratified folds of --train, each scored by a head of the others; 0: none")
	c := &t.config
	f.IntVar(&c.BatchSize, "train-batch-size", c.BatchSize, "rows of a batch")
	f.Float64Var(&c.LearningRate, "learning-rate", c.LearningRate, "peak learning rate")
	f.Float64Var(&c.Epochs, "num-train-epochs", c.Epochs, "passes over the data; may be fractional")
	f.IntVar(&c.MaxSteps, "max-steps", 0, "steps, instead of --num-train-epochs")
	f.Float64Var(&c.WarmupProportion, "warmup-proportion", c.WarmupProportion, "share of the steps in which the rate rises")
	f.Float64Var(&c.WeightDecay, "weight-decay", c.WeightDecay, "decoupled weight decay; none on bias")
	f.StringVar(&c.Optimizer, "optimizer", c.Optimizer, "google (AdamWeightDecay of optimization.py) or adamw (bias-corrected)")
	f.Float64Var(&c.ClipNorm, "clip-norm", c.ClipNorm, "largest global norm of the gradient; 0: any")
	f.Float64Var(&c.Dropout, "dropout", c.Dropout, "dropout on the features; 0: none")
	f.IntVar(&c.AccumulationSteps, "gradient-accumulation-steps", c.AccumulationSteps, "batches that make one step")
	f.Uint64Var(&c.Seed, "seed", c.Seed, "everything random hangs on it")
	f.BoolVar(&c.Shuffle, "shuffle", c.Shuffle, "a new order of the rows each epoch; false: file order")
	f.IntVar(&c.LogSteps, "log-steps", c.LogSteps, "steps between two rows of metrics.csv")
	f.IntVar(&c.EvalSteps, "eval-steps", 0, "steps between two evaluations on --dev; 0: each epoch")
	f.StringVar(&c.BestMetric, "best-metric", c.BestMetric, "metric on --dev by which weights are kept")
	f.IntVar(&c.EarlyStopping, "early-stopping", 0, "stop after so many evaluations without a better one; 0: never")
	f.StringVar(&c.OnNaN, "on-nan", c.OnNaN, "at a NaN or infinity: stop (exit 5), skip that update, or restore the last checkpoint")
	cli.Minor(cmd, "Training flags", "max-steps", "warmup-proportion", "weight-decay", "optimizer", "clip-norm", "dropout", "gradient-accumulation-steps",
		"seed", "shuffle", "log-steps", "eval-steps", "best-metric", "early-stopping", "on-nan")
	cli.Required(cmd, "train", "output")
	flags.AddTuning(cmd, &t.devTuning.Tuning)
	addSolverFlags(cmd, &t.solverFlags)
	addLossFlags(cmd, &t.lossFlags)
	cli.Minor(cmd, "Head flags", "folds")
	addTuningFlags(cmd, t)
	flags.AddPlots(cmd, &t.plots)
	cli.Minor(cmd, "Run flags", "plots")
	t.cmd = cmd
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := t.settleTuning(cmd); err != nil {
			return err
		}
		return t.run(cmd.Context())
	}
	return cmd
}

// training is one run of the verb.
type training struct {
	a      *cli.App
	cmd    *cobra.Command
	models *flags.Model
	rows   *flags.Data
	config train.Config

	train, dev, output   string
	tune, pooling, cache string
	overwrite, baseline  bool
	folds                int
	tuning
	solverFlags
	lossFlags
	devTuning
	plots string
}

// autoPooling is the value of --pooling that has one chosen on dev.
const autoPooling = "auto"

// check refuses flags that do not go together, before anything is read, and returns the pooling.
func (t *training) check() (pooling bert.Pooling, err error) {
	if err := errors.Join(t.lossFlags.check(), t.solverFlags.check(t), t.checkFolds(), t.devTuning.Check(t.heldOut())); err != nil {
		return "", cli.WithCode(cli.ExitUsage, err)
	}
	switch pooling, err = bert.ParsePooling(t.pooling); {
	case t.pooling == autoPooling && (t.dev == "" || t.Solver == "gradient"):
		return "", cli.Usagef("--pooling auto is chosen by the exact heads on --dev: give --dev and --solver lbfgs or lda")
	case err != nil && t.pooling != autoPooling:
		return "", cli.Usagef("--pooling: %v", err)
	case t.config.EarlyStopping > 0 && t.dev == "":
		return "", cli.Usagef("--early-stopping stops when --dev gets no better: give --dev")
	case t.baseline && t.heldOut() == "":
		return "", cli.Usagef("--baseline is compared with the model on rows that both do not know: give --dev or --folds")
	}
	t.sayUnused()
	return pooling, cli.WithCode(cli.ExitUsage, t.config.Check())
}

// sayUnused warns of flags that were set and that this kind of training has no use for.
func (t *training) sayUnused() {
	say := func(why string, names ...string) {
		set := slices.DeleteFunc(names, func(name string) bool { return !t.cmd.Flags().Changed(name) })
		if len(set) > 0 {
			t.a.Log.Warnf("%s, so --%s changes nothing", why, strings.Join(set, ", --"))
		}
	}
	if t.Solver != "gradient" {
		say("--solver "+t.Solver+" takes no steps", "learning-rate", "num-train-epochs", "max-steps", "train-batch-size", "gradient-accumulation-steps",
			"warmup-proportion", "weight-decay", "optimizer", "clip-norm", "dropout", "shuffle", "eval-steps", "early-stopping", "best-metric")
	}
	if t.tune == "head" {
		say("--tune head leaves the encoder as it is", "recompute", "layerwise-lr-decay", "save-checkpoints-steps", "keep-checkpoints")
	}
	if t.dev == "" {
		say("there is no --dev to evaluate on", "eval-steps", "best-metric")
	}
}

// heldOut says what thresholds are chosen on; it is empty for nothing.
func (t *training) heldOut() string {
	if t.folds > 0 {
		return "the folds"
	}
	return t.dev
}

func (t *training) run(ctx context.Context) error {
	start := time.Now()
	pooling, err := t.check()
	if err != nil {
		return err
	}
	if err := cli.CheckOutputDir(t.output, t.resume, t.overwrite); err != nil {
		return err
	}
	if err := t.admitWeights(); err != nil {
		return err
	}
	source, err := t.models.Source()
	if err != nil {
		return err
	}
	m, err := source.Open(t.a)
	if err != nil {
		return err
	}
	if err := flags.CheckPooling(m, pooling); err != nil {
		return err
	}
	if pooling == bert.Pooled && t.tune == "head" && t.pooling != autoPooling {
		t.a.Log.Infof("features are the pooled output; under a frozen encoder --pooling mean or cls usually serves better")
	}
	trainSet, devSet, err := t.load()
	if err != nil {
		return err
	}
	t.diagnoseStart(m, pooling, trainSet, devSet)
	lock, err := t.lockOutput()
	if err != nil {
		return err
	}
	defer lock.Release()
	if err := t.removeEarlier(); err != nil {
		return err
	}
	linear, err := t.trainBaseline(ctx, trainSet, devSet)
	if err != nil {
		return err
	}
	tune := t.trainHead
	if t.tune != "head" {
		tune = t.trainEncoder
	}
	if err := tune(ctx, m, pooling, trainSet, devSet); err != nil {
		return err
	}
	judges := devSet
	if t.folds > 0 {
		judges = trainSet
	}
	if err := t.compareBaseline(linear, judges); err != nil {
		return err
	}
	t.report(m, judges, start)
	return nil
}

// load reads the two files, and says what looks wrong with them.
func (t *training) load() (trainSet, devSet *data.Dataset, err error) {
	if t.rows.BadRowsFile == "" {
		t.rows.BadRowsFile = filepath.Join(t.output, "bad_rows.jsonl")
	}
	files, err := t.rows.Read(t.a)
	if err != nil {
		return nil, nil, err
	}
	if trainSet, err = files.Load(t.train); err != nil {
		return nil, nil, err
	}
	t.a.Log.Infof("%s: %d rows, %d labels", t.train, trainSet.Rows(), trainSet.Labels.Len())
	if r := data.FindRepeats(trainSet); r.Conflicting > 0 {
		t.a.Log.Warnf("%s: %d texts stand in several rows with different labels", t.train, r.Conflicting)
	}
	if t.dev == "" {
		return trainSet, nil, nil
	}
	files.Options.Labels = trainSet.Labels
	if devSet, err = files.Load(t.dev); err != nil {
		return nil, nil, err
	}
	if shared := data.FindOverlap(trainSet, devSet); shared.Texts > 0 {
		t.a.Log.Warnf("%d of %d rows of %s have a text that is in %s too: figures on them say little", shared.RowsB, devSet.Rows(), t.dev, t.train)
	}
	return trainSet, devSet, nil
}

// startHead returns the head that training starts from: the model's own if it is for the same labels and features, its rows in
// the order of labels, else a new one, whose bias y decides, the training cells.
func (t *training) startHead(m *model.Model, labels []string, pooling bert.Pooling, y []int8) *layers.Classifier {
	width, err := m.Encoder.PoolingWidth(pooling)
	if err != nil {
		panic(err) // run has checked it
	}
	head := layers.NewClassifier(len(labels), width)
	train.InitClassifier(head, t.config.Seed)
	if t.BiasInit == "log-odds" {
		train.LogOddsBias(head, y)
	}
	if m.Head == nil {
		return head
	}
	if m.Unnamed && len(m.Labels) == len(labels) {
		m.Labels = labels // in their order, as there is no other
	}
	if !sameSet(m.Labels, labels) || m.Pooling != pooling {
		t.a.Log.Infof("the model's own head is for other labels or features: training starts from a new one")
		return head
	}
	for i, label := range labels {
		j := slices.Index(m.Labels, label)
		copy(head.Weights.Value[i*width:(i+1)*width], m.Head.Weights.Value[j*width:(j+1)*width])
		head.Bias.Value[i] = m.Head.Bias.Value[j]
	}
	t.a.Log.Infof("training starts from the model's own head")
	return head
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// hashTokens returns SHA-256 over the tokens of all texts: with the weights, all that their features hang on.
func hashTokens(texts []tokenizer.Encoding) string {
	h := sha256.New()
	var b []byte
	for _, e := range texts {
		b = binary.LittleEndian.AppendUint32(b[:0], uint32(len(e.IDs)))
		for i := range e.IDs {
			b = binary.LittleEndian.AppendUint32(b, uint32(e.IDs[i]))
			b = append(b, byte(e.Segments[i]))
		}
		h.Write(b)
	}
	return string(h.Sum(nil))
}
