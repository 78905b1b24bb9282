package traincmd

import (
	"context"
	"errors"
	"slices"
	"strings"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/fit"
	"bertlabel/train/record"

	"github.com/spf13/cobra"
)

// NewLabels returns the verb labels.
func NewLabels(a *cli.App) *cobra.Command {
	return newLabels(func(ctx context.Context, e *editing) error { return (&labelsRun{a: a, said: e}).run(ctx) })
}

// newLabels declares the verb; run gets what a command line says.
func newLabels(run func(ctx context.Context, e *editing) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "labels add|drop|rename|merge",
		Short: "Change the labels of a trained model; the scores of the other labels keep their bits",
		Example: "  bertlabel labels add --model model --names sarcasm --train new.csv --dev dev.csv --output model2\n" +
			"  bertlabel labels drop --model model --names other,misc --output model2\n" +
			"  bertlabel labels rename --model model --names anoyance --into annoyance --output model2\n" +
			"  bertlabel labels merge --model model --names grief,sadness --into sorrow --train train.csv --output model2",
		Long: `The encoder stays as it is, also one that was trained for the other labels, and each label is a unit of its own above it: what
happens to one does not move the others. A new label is found from the rows of --train that say 1 or 0 for it, by the exact solver
(train --solver lbfgs), of a model by --window-pooling noisy-or by gradient steps; other labels in that file do not matter. A merged
label is true where one of the old ones is, and is found in the same way. Thresholds and calibration of the other labels stay;
--tune-thresholds and --calibrate are for the new ones.`,
		Args: func(_ *cobra.Command, args []string) error {
			switch actions := []string{"add", "drop", "rename", "merge"}; {
			case len(args) != 1:
				return cli.Usagef("labels needs one of add, drop, rename, merge")
			case !slices.Contains(actions, args[0]):
				return cli.Usagef("labels %q: want add, drop, rename, merge%s", args[0], cli.DidYouMean(args[0], "", actions))
			}
			return nil
		},
	}
	e := addLabelsFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		parsed, err := e.editing(args[0], func(flag string) bool { return cli.OnCommandLine(cmd, flag) })
		if err != nil {
			return err
		}
		return run(cmd.Context(), parsed)
	}
	return cmd
}

// labelsFlags are the values of the flags of labels, as they were parsed.
type labelsFlags struct {
	model  *flags.Model
	rows   *flags.Data
	tuning flags.Tuning
	seed   uint64

	names              []string
	into               string
	train, dev, output string
	overwrite          bool
	cache              string
}

func addLabelsFlags(cmd *cobra.Command) *labelsFlags {
	e := &labelsFlags{}
	e.model, e.rows = flags.AddModel(cmd), flags.AddData(cmd, data.StopAtBadRow)
	flags.AddWindows(cmd, &e.model.Windows)
	f := cmd.Flags()
	f.StringSliceVar(&e.names, "names", nil, "`LABELS`, separated by commas; one with a comma in it in double quotes")
	f.StringVar(&e.into, "into", "", "`LABEL` that rename and merge make")
	f.StringVar(&e.train, "train", "", "`FILE` of labelled texts, for add and merge")
	f.StringVar(&e.dev, "dev", "", "`FILE` of labelled texts that the strength of the penalty is chosen on")
	f.StringVar(&e.output, "output", "", "`FOLDER` for the changed model")
	f.BoolVar(&e.overwrite, "overwrite", false, "write into an --output folder that is not empty, such as the model's own")
	f.Uint64Var(&e.seed, "seed", 42, "everything random hangs on it")
	f.StringVar(&e.cache, "features-cache", "", "`FOLDER` that keeps computed features for the next run")
	cli.Required(cmd, "model", "names", "output")
	flags.AddTuning(cmd, &e.tuning)
	return e
}

// editing is what a command line of labels says. Dev of its options has the name of its file only.
type editing struct {
	action    string
	model     flags.Source
	rows      flags.Data
	change    record.LabelChange
	output    string
	overwrite bool
	options   fit.Options
}

// editing turns flags into options, and refuses those that do not go with the action.
func (e *labelsFlags) editing(action string, given func(flag string) bool) (*editing, error) {
	tuning, err := e.tuning.Tuning()
	solves := action == "add" || action == "merge"
	renames := action == "rename" || action == "merge"
	switch {
	case solves && e.train == "":
		return nil, cli.Usagef("labels %s needs --train, rows that say 1 and 0", action)
	case !solves && (e.train != "" || e.dev != ""):
		return nil, cli.Usagef("labels %s trains nothing and has no use for --train and --dev", action)
	case renames != (e.into != ""):
		return nil, cli.Usagef("--into is the new name that rename and merge need, and the others have no use for")
	case action == "rename" && len(e.names) != 1:
		return nil, cli.Usagef("labels rename takes one of --names, found %d", len(e.names))
	case action == "merge" && len(e.names) < 2:
		return nil, cli.Usagef("labels merge takes two or more of --names, found %d", len(e.names))
	case !solves && (e.tuning.Calibrate != "" || e.tuning.Thresholds != ""):
		return nil, cli.Usagef("labels %s makes no new label that --tune-thresholds and --calibrate could be for", action)
	case !solves && (given("seed") || given("features-cache")):
		return nil, cli.Usagef("labels %s trains nothing and has no use for --seed and --features-cache", action)
	case given("threshold-objective") && e.tuning.Thresholds == "":
		return nil, cli.Usagef("--threshold-objective would change nothing: it is what --tune-thresholds chooses for")
	case given("seed") && e.dev != "" && e.tuning.Calibrate == "":
		return nil, cli.Usagef("--seed would change nothing: it draws the rows that --dev takes the place of, or the folds of --calibrate")
	case given("drop-unknown-labels"):
		return nil, cli.Usagef("--drop-unknown-labels would change nothing: labels %s looks at no other labels than its own", action)
	case err != nil:
		return nil, cli.WithCode(cli.ExitUsage, err)
	}
	if !solves {
		if err := e.rows.RefuseFlags("labels " + action + ", which reads no rows"); err != nil {
			return nil, err
		}
	}
	source, err := e.model.Source()
	if err != nil {
		return nil, err
	}
	config := train.DefaultHeadConfig()
	config.Seed = e.seed
	o := fit.Options{Solver: fit.LBFGS, Config: &config, Tuning: tuning, Cache: e.cache, OnLong: e.rows.OnLong}
	if e.dev != "" {
		o.Dev = &data.Dataset{File: e.dev}
	}
	if err := o.Check(); err != nil {
		return nil, cli.WithCode(cli.ExitUsage, err)
	}
	change := record.LabelChange{Action: action, Names: e.names, Into: strings.TrimSpace(e.into), Train: e.train, Dev: e.dev,
		TuningSettings: tuning.Record()}
	return &editing{action, source, *e.rows, change, e.output, e.overwrite, o}, nil
}

// labelsRun is one run of the verb labels.
type labelsRun struct {
	a    *cli.App
	said *editing
}

func (r *labelsRun) run(ctx context.Context) error {
	e, change := r.said, r.said.change
	if err := cli.CheckOutputDir(e.output, false, e.overwrite); err != nil {
		return err
	}
	m, err := e.model.OpenWithHead(r.a)
	if err != nil {
		return err
	}
	for i, name := range change.Names { // white space round a name is no part of it, unless the model has it so
		if !slices.Contains(m.Labels, name) {
			change.Names[i] = strings.TrimSpace(name)
		}
	}
	if err := checkNames(e.action, change.Names, change.Into, m.Labels); err != nil {
		return err
	}
	outputs, err := r.outputs(ctx, m)
	if err != nil {
		return err
	}
	said, err := record.Of(m)
	if err != nil {
		return err
	}
	sampled := len(m.Samples) > 0
	m.SetOutputs(outputs)
	said.Changes = append(said.Changes, change)
	err = said.Set(m)
	if err == nil && sampled {
		err = m.MakeSamples(ctx)
	}
	if err == nil {
		err = m.Save(e.output, nil)
	}
	if err != nil {
		return err
	}
	r.a.Log.Infof("%s %s: %d labels now; wrote %s", e.action, strings.Join(change.Names, ", "), len(m.Labels), e.output)
	return nil
}

// outputs returns the outputs of the changed model.
func (r *labelsRun) outputs(ctx context.Context, m *model.Model) ([]model.Output, error) {
	outputs, change := m.Outputs(), r.said.change
	first := slices.Index(m.Labels, change.Names[0])
	switch r.said.action {
	case "add":
		added, err := r.solve(ctx, m, change.Names, "")
		return append(outputs, added...), err
	case "rename":
		outputs[first].Label = change.Into
	case "merge":
		merged, err := r.solve(ctx, m, change.Names, change.Into)
		if err != nil {
			return nil, err
		}
		outputs[first] = merged[0]
		outputs = without(outputs, change.Names[1:])
	case "drop":
		outputs = without(outputs, change.Names)
	}
	return outputs, nil
}

// without returns the outputs but those with the given labels.
func without(outputs []model.Output, labels []string) []model.Output {
	return slices.DeleteFunc(outputs, func(o model.Output) bool { return slices.Contains(labels, o.Label) })
}

// checkNames refuses names that are not there, or are there already.
func checkNames(action string, names []string, into string, labels []string) error {
	var errs []error
	if strings.ContainsAny(into+strings.Join(names, ""), "\r\n") {
		errs = append(errs, cli.Usagef("a label of --names or --into has a line end, and labels.txt has one label a line"))
	}
	for i, name := range names {
		has := slices.Contains(labels, name)
		switch {
		case slices.Contains(names[:i], name):
			errs = append(errs, cli.Usagef("--names has %q twice", name))
		case action == "add" && has:
			errs = append(errs, cli.Usagef("the model has a label %q already", name))
		case action != "add" && !has:
			errs = append(errs, cli.Usagef("the model has no label %q%s", name, cli.DidYouMean(name, "", labels)))
		}
	}
	if slices.Contains(labels, into) && !(action == "merge" && slices.Contains(names, into)) {
		errs = append(errs, cli.Usagef("the model has a label %q already", into))
	}
	if action == "drop" && len(names) >= len(labels) && errs == nil {
		errs = append(errs, cli.Usagef("labels drop: no label would be left"))
	}
	return cli.WithCode(cli.ExitUsage, errors.Join(errs...))
}

// solve finds the outputs of labels, or of the one that is true where one of them is, if into names it.
func (r *labelsRun) solve(ctx context.Context, m *model.Model, labels []string, into string) ([]model.Output, error) {
	files, err := r.said.rows.Read(r.a)
	if err != nil {
		return nil, err
	}
	if files.Options.Labels == nil { // without --labels, whose names cells may say by index
		if files.Options.Labels, err = data.NewLabelList(labels, "--names"); err != nil {
			return nil, cli.WithCode(cli.ExitUsage, err)
		}
	}
	for _, name := range labels {
		if _, found := files.Options.Labels.Index(name); !found {
			return nil, cli.Usagef("--labels has no label %q%s", name, cli.DidYouMean(name, "", files.Options.Labels.Names()))
		}
	}
	files.Options.DropUnknown = true // what is not in the list is no concern of ours
	rows, err := load(files, r.said.change.Train, labels, into)
	if err != nil {
		return nil, err
	}
	o := r.said.options
	if o.Dev != nil {
		if o.Dev, err = load(files, o.Dev.File, labels, into); err != nil {
			return nil, err
		}
	}
	o.Observer = (&listener{a: r.a, config: o.Config}).observer()
	return fit.Outputs(ctx, m, rows, o)
}

// load reads the cells of labels, or of the one that they are merged into.
func load(files *flags.Reading, path string, labels []string, into string) (*data.Dataset, error) {
	set, err := files.LoadQuietly(path)
	if err != nil {
		return nil, err
	}
	files.SayStats(path, set.Stats)
	files.SaySkipped(path, set.Stats.Bad, set.Stats.Rows+set.Stats.Bad)
	if set, err = set.Columns(labels...); err != nil || into == "" {
		return set, err
	}
	return set.AnyOf(into)
}
