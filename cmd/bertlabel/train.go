package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/data"

	"github.com/spf13/cobra"
)

func newTrainCmd(a *app) *cobra.Command {
	t := &training{a: a, config: train.DefaultHeadConfig()}
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Train a multi-label head on a BERT model: pooled output, dropout, sigmoid cross-entropy",
		Example: "  bertlabel train --model uncased_L-12_H-768_A-12 --train train.csv --output model\n" +
			"  bertlabel train --model minilm --train train.csv --dev dev.csv --pooling mean --output model",
	}
	t.models, t.rows = addModelFlags(cmd), addDataFlags(cmd, data.StopAtBadRow)
	f := cmd.Flags()
	f.StringVar(&t.train, "train", "", "`FILE` of labelled texts to train on")
	f.StringVar(&t.dev, "dev", "", "`FILE` of labelled texts to choose the best weights by")
	f.StringVar(&t.output, "output", "", "`FOLDER` for the trained model")
	f.BoolVar(&t.overwrite, "overwrite", false, "write into an --output folder that is not empty")
	f.StringVar(&t.tune, "tune", "head", "what is trained: head (encoder frozen, features computed once), last:N (that many layers too), or all")
	f.StringVar(&t.pooling, "pooling", "pooled", "features the head reads: pooled (tanh pooler on [CLS]), cls, mean (over all tokens), max, mean:-1..-3 (layers side by side), concat:cls,mean")
	f.StringVar(&t.cache, "features-cache", "", "`FOLDER` that keeps computed features for the next run")
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
	minor(cmd, "Training flags", "max-steps", "warmup-proportion", "weight-decay", "optimizer", "clip-norm", "dropout", "gradient-accumulation-steps",
		"seed", "shuffle", "log-steps", "eval-steps", "best-metric", "early-stopping")
	required(cmd, "train", "output")
	addTuningFlags(cmd, t)
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
	a      *app
	models *modelFlags
	rows   *dataFlags
	config train.Config

	train, dev, output   string
	tune, pooling, cache string
	overwrite            bool
	tuning
}

func (t *training) run(ctx context.Context) error {
	pooling, err := bert.ParsePooling(t.pooling)
	if err != nil {
		return usagef("--pooling: %v", err)
	}
	if err := t.config.Check(); err != nil {
		return withCode(exitUsage, err)
	}
	if err := checkOutputDir(t.output, t.resume, t.overwrite); err != nil {
		return err
	}
	m, err := t.models.open(t.a)
	if err != nil {
		return err
	}
	if err := poolingError(m, pooling); err != nil {
		return err
	}
	if pooling == bert.Pooled && t.tune == "head" {
		t.a.log.Infof("features are the pooled output; under a frozen encoder --pooling mean or cls usually serves better")
	}
	trainSet, devSet, err := t.load()
	if err != nil {
		return err
	}
	lock, err := t.lockOutput()
	if err != nil {
		return err
	}
	defer lock.Release()
	if t.tune != "head" {
		return t.trainEncoder(ctx, m, pooling, trainSet, devSet)
	}
	return t.trainHead(ctx, m, pooling, trainSet, devSet)
}

// load reads the two files, and says what looks wrong with them.
func (t *training) load() (trainSet, devSet *data.Dataset, err error) {
	if t.rows.badRows == "" {
		t.rows.badRows = filepath.Join(t.output, "bad_rows.jsonl")
	}
	options, err := t.rows.options(t.a)
	if err != nil {
		return nil, nil, err
	}
	if trainSet, err = t.rows.load(t.a, t.train, options); err != nil {
		return nil, nil, err
	}
	t.a.log.Infof("%s: %d rows, %d labels", t.train, trainSet.Rows(), trainSet.Labels.Len())
	if r := data.FindRepeats(trainSet); r.Conflicting > 0 {
		t.a.log.Warnf("%s: %d texts stand in several rows with different labels", t.train, r.Conflicting)
	}
	if t.dev == "" {
		return trainSet, nil, nil
	}
	options.Labels = trainSet.Labels
	if devSet, err = t.rows.load(t.a, t.dev, options); err != nil {
		return nil, nil, err
	}
	if shared := data.FindOverlap(trainSet, devSet); shared.Texts > 0 {
		t.a.log.Warnf("%d of %d rows of %s have a text that is in %s too: figures on them say little", shared.RowsB, devSet.Rows(), t.dev, t.train)
	}
	return trainSet, devSet, nil
}

// trainHead computes the features, trains the head and writes the model.
func (t *training) trainHead(ctx context.Context, m *model.Model, pooling bert.Pooling, trainSet, devSet *data.Dataset) error {
	start := time.Now()
	task := train.HeadTask{
		Config: t.config, Labels: trainSet.Labels.Names(), Classifier: startHead(t.a, m, trainSet.Labels.Names(), pooling, t.config.Seed),
		Workers: tensor.NewWorkers(t.a.threads),
	}
	var err error
	if task.Train, err = t.features(ctx, m, pooling, trainSet); err != nil {
		return err
	}
	if devSet != nil {
		if task.Dev, err = t.features(ctx, m, pooling, devSet); err != nil {
			return err
		}
	}
	t.a.log.Infof("features of %s in %.1f s", rowsOf(trainSet, devSet), time.Since(start).Seconds())
	if err := os.MkdirAll(t.output, 0o777); err != nil {
		return err
	}
	metricsFile, err := os.Create(filepath.Join(t.output, "metrics.csv"))
	if err != nil {
		return err
	}
	defer metricsFile.Close()
	log := train.NewLog(metricsFile, t.config.LogSteps, devSet != nil)
	if err := log.Header(); err != nil {
		return err
	}
	start = time.Now()
	t.a.log.Progress("train", progress{})
	task.Observe = func(p train.Progress) error {
		t.a.log.Progress("train", progress{Step: int(p.Step), Steps: p.Steps, Examples: int(p.Step) * p.Rows, Epoch: p.Epoch,
			Loss: p.Loss, LearningRate: float64(p.LearningRate)})
		if p.Dev != nil {
			value, _ := p.Dev.Get(t.config.BestMetric)
			t.a.log.Infof("step %d, epoch %.2f: dev loss %.4f, %s %.4f", p.Step, p.Epoch, p.Dev.LogLoss, t.config.BestMetric, value)
		}
		return log.Observe(p)
	}
	state, err := train.TrainHead(ctx, task)
	t.a.log.Done()
	if err != nil {
		return err
	}
	t.a.log.Infof("head trained in %.1f s, %d steps", time.Since(start).Seconds(), state.Step)
	if state.BestStep > 0 {
		t.a.log.Infof("kept the weights of step %d: %s %.4f on %s", state.BestStep, t.config.BestMetric, state.Best, t.dev)
	}
	m.SetHead(task.Classifier, task.Labels, pooling)
	settings, err := t.resolved(m)
	if err != nil {
		return err
	}
	if err := errors.Join(metricsFile.Sync(), m.Save(t.output, settings)); err != nil {
		return err
	}
	t.a.log.Infof("wrote %s", t.output)
	return nil
}

// resolved returns the configuration of the run with all defaults filled in, for bertlabel.json.
func (t *training) resolved(m *model.Model) (json.RawMessage, error) {
	return json.Marshal(struct {
		Tune  string `json:"tune"`
		Model string `json:"model"`
		Train string `json:"train"`
		Dev   string `json:"dev,omitempty"`
		train.Config
	}{t.tune, t.models.path, t.train, t.dev, t.config})
}

// startHead returns the head that training starts from: the model's own if it is for the same labels and features, its rows in
// the order of labels, else a new one.
func startHead(a *app, m *model.Model, labels []string, pooling bert.Pooling, seed uint64) *layers.Classifier {
	width, err := m.Encoder.PoolingWidth(pooling)
	if err != nil {
		panic(err) // run has checked it
	}
	head := layers.NewClassifier(len(labels), width)
	train.InitClassifier(head, seed)
	if m.Head == nil {
		return head
	}
	if m.Unnamed && len(m.Labels) == len(labels) {
		m.Labels = labels // in their order, as there is no other
	}
	if !sameSet(m.Labels, labels) || m.Pooling != pooling {
		a.log.Infof("the model's own head is for other labels or features: training starts from a new one")
		return head
	}
	for i, label := range labels {
		j := slices.Index(m.Labels, label)
		copy(head.Weights.Value[i*width:(i+1)*width], m.Head.Weights.Value[j*width:(j+1)*width])
		head.Bias.Value[i] = m.Head.Bias.Value[j]
	}
	a.log.Infof("training starts from the model's own head")
	return head
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// features computes the features of a data set, or takes them from the cache.
func (t *training) features(ctx context.Context, m *model.Model, pooling bert.Pooling, set *data.Dataset) (train.Features, error) {
	encoded, err := encode(t.a, m, set, data.LongTexts(t.rows.onLong))
	if err != nil {
		return train.Features{}, err
	}
	compute := func() (*tensor.Tensor, error) {
		work := "features of " + filepath.Base(set.File)
		t.a.log.Progress(work, progress{Steps: len(encoded)})
		defer t.a.log.Done()
		return m.Features(ctx, encoded, pooling, func(done int) {
			t.a.log.Progress(work, progress{Step: done, Steps: len(encoded), Examples: done})
		})
	}
	if t.cache == "" {
		x, err := compute()
		return train.Features{X: x, Y: set.Y}, err
	}
	cache := train.FeatureCache{Dir: t.cache, Warn: func(s string) { t.a.log.Warnf("%s", s) }}
	key := train.NewFeatureKey(string(m.Fingerprint()), pooling.String(), hashTokens(encoded))
	width, err := m.Encoder.PoolingWidth(pooling)
	if err != nil {
		return train.Features{}, err
	}
	x, err := cache.Features(key, len(encoded), width, compute)
	return train.Features{X: x, Y: set.Y}, err
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

// encode tokenises the texts of a data set, and says how many were cut; with --on-long error the first one is refused.
func encode(a *app, m *model.Model, set *data.Dataset, onLong data.LongTexts) ([]tokenizer.Encoding, error) {
	texts := make([]model.Text, set.Rows())
	for i := range texts {
		texts[i] = model.Text{A: set.Texts[i], B: set.Pair(i)}
	}
	encoded := m.Encode(texts)
	cut := 0
	for i := range encoded {
		if err := tooLong(onLong, &encoded[i], set.File, set.Lines[i], m.MaxSeqLength); err != nil {
			return nil, err
		}
		if encoded[i].Cut > 0 {
			cut++
		}
	}
	if cut > 0 {
		a.log.Infof("%s: %d of %d texts (%.1f %%) were longer than %d tokens and were cut", set.File, cut, len(encoded), 100*float64(cut)/float64(len(encoded)), m.MaxSeqLength)
	}
	return encoded, nil
}

func rowsOf(trainSet, devSet *data.Dataset) string {
	if devSet == nil {
		return fmt.Sprintf("%d rows", trainSet.Rows())
	}
	return fmt.Sprintf("%d + %d rows", trainSet.Rows(), devSet.Rows())
}
