package traincmd

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"bertlabel/checkpoint"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/cmd/bertlabel/internal/tensorboard"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/diagnosis"
	"bertlabel/train/features"
	"bertlabel/train/fit"
	"bertlabel/train/shard"

	"github.com/spf13/cobra"
)

// featuresFolder is the value of --features. Where it is given, --train is not missing.
type featuresFolder struct {
	cmd *cobra.Command
	dir string
}

// String, Set and Type implement pflag.Value.
func (f *featuresFolder) String() string { return f.dir }

func (f *featuresFolder) Set(s string) error {
	f.dir = s
	return notRequired(f.cmd, "train")
}

func (f *featuresFolder) Type() string { return "string" }

// judges names the flag of the rows to choose by.
func (t *trainFlags) judges() string {
	if t.features.dir != "" {
		return "--dev-features"
	}
	return "--dev"
}

// checkFeatures refuses flags that have no place beside --features, and --dev-features without it.
func (t *trainFlags) checkFeatures(given func(flag string) bool) error {
	switch {
	case t.features.dir == "" && t.devFeatures != "":
		return cli.Usagef("--dev-features are rows to choose by for a head on --features: give that")
	case t.features.dir == "":
		return nil
	case t.train != "":
		return cli.Usagef("--features are rows to train on, and so are those of --train: give one of them")
	case t.dev != "":
		return cli.Usagef("--dev is texts, and --features have none: give --dev-features")
	case t.tune != "" && t.tune != fit.Head.String():
		return cli.Usagef("--tune %s trains the encoder, which needs texts: --features are those of a frozen one", t.tune)
	}
	return cli.RefuseUnused(given,
		cli.Unused{If: true, Why: "--features have no texts, embed has read them and their labels",
			Flags: []string{"format", "no-header", "text-column", "text-pair-column", "id-column", "labels", "labels-column", "label-columns",
				"label-separator", "missing-labels", "label-prefix", "delimiter", "on-bad-row", "max-bad-rows", "bad-rows", "on-long",
				"strict-utf8", "drop-unknown-labels"}},
		cli.Unused{If: true, Why: "--features say how far their texts were read", Flags: []string{"max-seq-length", "windows", "window-overlap",
			"window-pooling"}},
		cli.Unused{If: true, Why: "--features are computed, embed says how", Flags: []string{"pooling", "precision", "features-cache"}},
		cli.Unused{If: true, Why: "it needs texts, and --features have none", Flags: []string{"refit", "refit-pooling", "folds"}},
		cli.Unused{If: t.baseline, Why: "TF-IDF needs texts, and --features have none", Flags: []string{"baseline"}},
		cli.Unused{If: true, Why: "nothing is held out of --features", Flags: []string{"no-holdout"}})
}

// aboutFeatures makes the refusal of options name the flag that rows to choose by have beside --features.
func (t *trainFlags) aboutFeatures(err error) error {
	if t.features.dir == "" {
		return err
	}
	list := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		list = joined.Unwrap()
	}
	for _, err := range list {
		if option := new(fit.OptionError); errors.As(err, &option) {
			option.Problem = strings.NewReplacer("`dev` or `folds`", "`dev_features`", "`dev`", "`dev_features`").Replace(option.Problem)
		} else if err, ok := err.(interface{ Unwrap() []error }); ok {
			t.aboutFeatures(errors.Join(err.Unwrap()...))
		}
	}
	return err
}

// onFeatures trains the head on --features.
func (r *trainRun) onFeatures(ctx context.Context, start time.Time) error {
	t := r.said
	rows, dev, err := r.openFeatures()
	if err != nil {
		return err
	}
	if t.choice.name != fit.Google {
		r.a.Log.Infof("recipe %s (--recipe help lists them): %s", t.choice.name, t.summary())
	}
	t.options.Folder.Overwrite = !t.options.Folder.Resume
	if err := r.inspectLabels(rows); err != nil {
		return featuresError(err)
	}
	if err := r.loadWeights(rows.Labels.Names()); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ear := &listener{a: r.a, config: t.options.Config, stop: cancel, fast: true, boundGarbage: true}
	ear.started = func() error { return r.trainBaseline(ctx) } // which takes away that of an earlier run
	t.options.Observer = ear.observer()
	r.m.ExactlyOne = t.exactlyOne
	result, err := fit.FromFeatures(ctx, r.m, rows, dev, t.options)
	r.a.Log.Done()
	if err != nil {
		return featuresError(memoryError(err, t.model.Path))
	}
	if err := tensorboard.Clear(r.eventsDir()); err != nil {
		return err
	}
	if dev != nil { // for the report
		judges := &data.Dataset{File: dev.Dir, Labels: dev.Labels}
		if judges.Y, judges.Shares, err = train.LabelsOf(dev); err != nil {
			return featuresError(err)
		}
		dev.Close()
		t.options.Dev = judges
	}
	t.train = t.features
	r.report(result, start)
	return nil
}

// openFeatures opens the folders, and says what is in them; the second is nil without --dev-features.
func (r *trainRun) openFeatures() (rows, dev *features.Set, err error) {
	t := r.said
	open := func(dir string) (*features.Set, error) {
		s, err := features.Open(dir, features.Options{Soft: t.rows.SoftLabels, Binarize: t.rows.Binarize})
		if err != nil {
			return nil, featuresError(err)
		}
		r.a.Log.Infof("%s: %d rows of %d features (%s, %s), %d labels, in %d parts", dir, s.Total(), s.Width(), s.Pooling, s.Lengths,
			s.Labels.Len(), s.Len())
		return s, nil
	}
	if rows, err = open(t.features); err != nil {
		return nil, nil, err
	}
	t.settled["pooling"], t.settled["max-seq-length"] = rows.Pooling.String(), strconv.Itoa(rows.Lengths.MaxSeqLength)
	if t.devFeatures != "" {
		dev, err = open(t.devFeatures)
	}
	return rows, dev, err
}

// inspectLabels says what looks wrong with the labels of rows to train on. It reads the cells of a part after the other.
func (r *trainRun) inspectLabels(rows *features.Set) error {
	defer rows.Close()
	tally, one := diagnosis.NewLabelTally(rows.Dir, rows.Labels), true
	for i := range rows.Len() {
		y, shares, err := rows.Cells(i)
		if err != nil {
			return err
		}
		tally.Add(y, shares)
		one = one && (len(y) == 0 || data.ExactlyOne(y, shares, rows.Labels.Len()))
	}
	flags.Found(r.a, tally.Findings()...)
	r.sayExactlyOne(rows.Dir, rows.Labels.Len(), one)
	return nil
}

// featuresError gives an error about features its exit code.
func featuresError(err error) error {
	var (
		of      *features.ModelError
		empty   *shard.EmptyError
		broken  *features.Error
		missing *shard.MissingError
		mixed   *shard.ConflictError
		format  *checkpoint.FormatError
	)
	switch {
	case errors.As(err, &of):
		return cli.WithCode(cli.ExitUsage, err)
	case errors.As(err, &empty):
		return cli.WithCode(cli.ExitUsage, errors.New(cli.AsFlags(empty.Error())))
	case errors.As(err, &mixed):
		return cli.WithCode(cli.ExitData, errors.New(cli.AsFlags(mixed.Mixed())))
	case errors.As(err, &broken), errors.As(err, &missing), errors.As(err, &format):
		return cli.WithCode(cli.ExitData, errors.New(cli.AsFlags(err.Error())))
	}
	return err
}
