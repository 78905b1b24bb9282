package traincmd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"bertlabel/asm/machine"
	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/cmd/bertlabel/internal/tensorboard"
	"bertlabel/layers"
	"bertlabel/train/baseline"
	"bertlabel/train/data"
	"bertlabel/train/diagnosis"
	"bertlabel/train/fit"

	"github.com/spf13/cobra"
)

// trainRun is one run of the verb train.
type trainRun struct {
	a    *cli.App
	cmd  *cobra.Command
	said *training

	m      *model.Model
	rows   *data.Dataset
	linear *baseline.Report // nil without --baseline
}

func (r *trainRun) run(ctx context.Context) error {
	start, t := time.Now(), r.said
	if err := t.options.Folder.Check(); err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	if t.features != "" {
		return r.onFeatures(ctx, start)
	}
	if err := r.load(); err != nil {
		return err
	}
	if err := r.settle(); err != nil {
		return err
	}
	// The folder has passed Check: what is in it by now, such as the list of bad rows, is of this run.
	t.options.Folder.Overwrite = !t.options.Folder.Resume
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	layers := t.options.Tune != fit.Head
	ear := &listener{a: r.a, config: t.options.Config, stop: cancel}
	ear.fast = !layers
	ear.boundGarbage = layers || !t.baseline && t.options.Folds == 0 && len(t.options.Poolings) == 0 // whose garbage is work in progress
	if t.tensorboard && layers {
		ear.events = &events{dir: r.eventsDir(), logSteps: t.options.Config.LogSteps}
		defer ear.events.close()
	}
	ear.started = func() error { return r.trainBaseline(ctx) }
	t.options.Observer = ear.observer()
	r.m.ExactlyOne = t.exactlyOne
	result, err := fit.Model(ctx, r.m, r.rows, t.options)
	r.a.Log.Done()
	if err != nil {
		return memoryError(err, t.model.Path)
	}
	if !layers {
		if err := tensorboard.Clear(r.eventsDir()); err != nil {
			return err
		}
	}
	if !ear.judged { // --resume found a run at its end, and dev has said all already
		result.Dev, result.Scores = nil, nil
	}
	r.compareBaseline(result.Dev)
	r.report(result, start)
	return nil
}

func (r *trainRun) eventsDir() string {
	return filepath.Join(r.said.options.Folder.Path, "tensorboard")
}

// open opens the model, whose weights must fit into the memory budget.
func (r *trainRun) open() (err error) {
	t := r.said
	t.options.MaxMemory = int64(r.a.MaxMemory)
	if config, err := t.model.ReadConfig(r.a); err == nil { // else opening the model says what is wrong with it
		if err := fit.CheckWeights(config, &t.options); err != nil {
			return memoryError(err, t.model.Path)
		}
	}
	if r.m, err = t.model.Open(r.a); err != nil {
		return err
	}
	sayPrecision(r.a, t.options.Precision)
	if len(t.options.Poolings) > 0 || t.features != "" {
		return nil
	}
	if err := flags.CheckPooling(r.m, t.options.Pooling); err != nil {
		return err
	}
	if t.options.Pooling == bert.Pooled && t.options.Tune == fit.Head {
		r.a.Log.Infof("features are the pooled output; under a frozen encoder --pooling mean or cls usually serves better")
	}
	return nil
}

// load reads the two files and the weights, and says what looks wrong with them.
func (r *trainRun) load() error {
	t, rows := r.said, &r.said.rows
	if rows.BadRowsFile == "" {
		rows.BadRowsFile = filepath.Join(t.options.Folder.Path, "bad_rows.jsonl")
		t.settled["bad-rows"] = rows.BadRowsFile
	}
	if t.options.Dev == nil || t.choice.holdOut {
		if err := rows.RefuseDropUnknown(); err != nil {
			return err
		}
	}
	files, err := rows.Read(r.a)
	if err != nil {
		return err
	}
	if r.rows, err = files.Load(t.train); err != nil {
		return err
	}
	r.a.Log.Infof("%s: %d rows, %d labels", t.train, r.rows.Rows(), r.rows.Labels.Len())
	if rows.SoftLabels && !r.rows.Soft() {
		r.a.Log.Warnf("%s: --soft-labels changes nothing: every cell is 0, 1 or unknown", t.train)
	}
	if repeats := data.FindRepeats(r.rows); repeats.Conflicting > 0 {
		r.a.Log.Warnf("%s: %d texts stand in several rows with different labels", t.train, repeats.Conflicting)
	}
	flags.Found(r.a, diagnosis.LabelRows(r.rows)...)
	r.sayExactlyOne(t.train, r.rows.Labels.Len(), r.rows.ExactlyOne())
	if t.options.Dev != nil && !t.choice.holdOut {
		files.Options.Labels = r.rows.Labels
		dev := t.options.Dev.File
		if t.options.Dev, err = files.Load(dev); err != nil {
			return err
		}
		if shared := data.FindOverlap(r.rows, t.options.Dev); shared.Texts > 0 {
			r.a.Log.Warnf("%d of %d rows of %s have a text that is in %s too: figures on them say little", shared.RowsB,
				t.options.Dev.Rows(), dev, t.train)
		}
	}
	return r.loadWeights(r.rows.Labels.Names())
}

// sayExactlyOne says what looks wrong with --exactly-one, given or not, where every row has exactly one label, or not.
func (r *trainRun) sayExactlyOne(file string, labels int, exactlyOne bool) {
	switch {
	case r.said.exactlyOne && !exactlyOne:
		r.a.Log.Warnf("%s: --exactly-one, but not every row has exactly one label", file)
	case !r.said.exactlyOne && exactlyOne:
		flags.SayExactlyOne(r.a, file, labels)
	}
}

// loadWeights reads the file of --pos-weight: a JSON object of label → number above 0. Labels that it does not name have 1.
func (r *trainRun) loadWeights(labels []string) error {
	path := r.said.weights
	if path == "" {
		return nil
	}
	if err := cli.CheckInput(path); err != nil {
		return cli.WithCode(cli.ExitUsage,
			fmt.Errorf("--pos-weight %s: %w; want a number, balanced, or a JSON file of label to number", path, err))
	}
	in, err := r.a.OpenInput(path)
	if err != nil {
		return err
	}
	defer in.Close()
	weights, err := readWeights(in, path, labels)
	r.said.options.Loss = layers.WeightedSigmoidCrossEntropy{PosWeight: weights}
	return err
}

// memoryError gives the refusal of a run that is too large its sentences; other errors are left as they are.
func memoryError(err error, modelPath string) error {
	var refused *fit.MemoryError
	if !errors.As(err, &refused) {
		return err
	}
	const budget = "(--max-memory; else 80 %% of what the machine or its container has):\n  %s"
	total, limit, smaller := machine.Bytes(refused.Need.Total()), machine.Bytes(refused.Limit),
		cli.AsFlags(strings.Join(refused.Smaller, "\n  "))
	if refused.Alone != "" {
		return cli.WithCode(cli.ExitResources,
			fmt.Errorf("--model %s: %s alone take %s, the memory budget is %s "+budget, modelPath, refused.Alone, total, limit, smaller))
	}
	return cli.WithCode(cli.ExitResources,
		fmt.Errorf("training needs about %s, %s more than the memory budget of %s "+budget, total, total-limit, limit, smaller))
}
