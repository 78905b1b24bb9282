package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/solver"

	"github.com/spf13/cobra"
)

func newLabelsCmd(a *cli.App) *cobra.Command {
	e := &labelEditing{training: training{a: a}}
	cmd := &cobra.Command{
		Use:   "labels add|drop|rename|merge",
		Short: "Change the labels of a trained model; the scores of the other labels keep their bits",
		Example: "  bertlabel labels add --model model --names sarcasm --train new.csv --dev dev.csv --output model2\n" +
			"  bertlabel labels drop --model model --names other,misc --output model2\n" +
			"  bertlabel labels rename --model model --names anoyance --into annoyance --output model2\n" +
			"  bertlabel labels merge --model model --names grief,sadness --into sorrow --train train.csv --output model2",
		Long: `The encoder stays as it is, also one that was trained for the other labels, and each label is a unit of its own above it: what
happens to one does not move the others. A new label is found by the exact solver (train --solver lbfgs) from the rows of --train
that say 1 or 0 for it; other labels in that file do not matter. A merged label is true where one of the old ones is, and is found
in the same way. Thresholds and calibration of the other labels stay; --tune-thresholds and --calibrate are for the new ones.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.Usagef("labels needs one of add, drop, rename, merge")
			}
			return cli.OneOf("labels", args[0], "add", "drop", "rename", "merge")
		},
	}
	e.models, e.rows = flags.AddModel(cmd), flags.AddData(cmd, data.StopAtBadRow)
	f := cmd.Flags()
	f.StringSliceVar(&e.names, "names", nil, "`LABELS`, separated by commas; one with a comma in it in double quotes")
	f.StringVar(&e.into, "into", "", "`LABEL` that rename and merge make")
	f.StringVar(&e.train, "train", "", "`FILE` of labelled texts, for add and merge")
	f.StringVar(&e.dev, "dev", "", "`FILE` of labelled texts that the strength of the penalty is chosen on")
	f.StringVar(&e.output, "output", "", "`FOLDER` for the changed model")
	f.BoolVar(&e.overwrite, "overwrite", false, "write into an --output folder that is not empty, such as the model's own")
	f.Uint64Var(&e.config.Seed, "seed", 42, "everything random hangs on it")
	f.StringVar(&e.cache, "features-cache", "", "`FOLDER` that keeps computed features for the next run")
	cli.Required(cmd, "model", "names", "output")
	flags.AddTuning(cmd, &e.devTuning.Tuning)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return e.run(cmd.Context(), args[0]) }
	return cmd
}

// labelEditing is one run of the verb. Of a training it has the files, the data flags and the seed.
type labelEditing struct {
	training
	names []string
	into  string
}

func (e *labelEditing) run(ctx context.Context, action string) error {
	if err := e.check(action); err != nil {
		return err
	}
	source, err := e.models.Source()
	if err != nil {
		return err
	}
	m, err := source.OpenWithHead(e.a)
	if err != nil {
		return err
	}
	outputs := m.Outputs()
	if err := checkNames(action, e.names, e.into, m.Labels); err != nil {
		return err
	}
	place := func(name string) int { return slices.Index(m.Labels, name) }
	switch action {
	case "add":
		added, err := e.solve(ctx, m, e.names, nil)
		if err != nil {
			return err
		}
		outputs = append(outputs, added...)
	case "rename":
		outputs[place(e.names[0])].Label = e.into
	case "merge":
		merged, err := e.solve(ctx, m, []string{e.into}, e.names)
		if err != nil {
			return err
		}
		outputs[place(e.names[0])] = merged[0]
		outputs = without(outputs, e.names[1:])
	case "drop":
		outputs = without(outputs, e.names)
	}
	m.SetOutputs(outputs)
	record, err := e.record(m, action)
	if err != nil {
		return err
	}
	if err := m.Save(e.output, record); err != nil {
		return err
	}
	e.a.Log.Infof("%s %s: %d labels now; wrote %s", action, strings.Join(e.names, ", "), len(m.Labels), e.output)
	return nil
}

// check refuses flags that do not go with the action.
func (e *labelEditing) check(action string) error {
	solves := action == "add" || action == "merge"
	renames := action == "rename" || action == "merge"
	switch {
	case solves && e.train == "":
		return cli.Usagef("labels %s needs --train, rows that say 1 and 0", action)
	case !solves && (e.train != "" || e.dev != ""):
		return cli.Usagef("labels %s trains nothing and has no use for --train and --dev", action)
	case renames != (e.into != ""):
		return cli.Usagef("--into is the new name that rename and merge need, and the others have no use for")
	case action == "rename" && len(e.names) != 1:
		return cli.Usagef("labels rename takes one of --names, found %d", len(e.names))
	case action == "merge" && len(e.names) < 2:
		return cli.Usagef("labels merge takes two or more of --names, found %d", len(e.names))
	case !solves && e.devTuning.Changes():
		return cli.Usagef("labels %s makes no new label that --tune-thresholds and --calibrate could be for", action)
	}
	if err := e.devTuning.Check(e.dev); err != nil {
		return err
	}
	return cli.CheckOutputDir(e.output, false, e.overwrite)
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

// without returns the outputs but those with the given labels.
func without(outputs []model.Output, labels []string) []model.Output {
	return slices.DeleteFunc(outputs, func(o model.Output) bool { return slices.Contains(labels, o.Label) })
}

// solve finds the outputs of new labels. Where parts is not nil there is one, which is true where one of the parts is.
func (e *labelEditing) solve(ctx context.Context, m *model.Model, labels, parts []string) ([]model.Output, error) {
	trainSet, err := e.load(e.train, labels, parts)
	if err != nil {
		return nil, err
	}
	trainRows, err := e.features(ctx, m, m.Pooling, trainSet)
	if err != nil {
		return nil, err
	}
	var dev train.Features
	if e.dev != "" {
		devSet, err := e.load(e.dev, labels, parts)
		if err != nil {
			return nil, err
		}
		if dev, err = e.features(ctx, m, m.Pooling, devSet); err != nil {
			return nil, err
		}
	}
	head := layers.NewClassifier(len(labels), trainRows.X.Cols)
	solutions, err := solver.Head(ctx, solver.Task{
		Labels: labels, Train: trainRows, Dev: dev, Classifier: head, Seed: e.config.Seed, Workers: tensor.NewWorkers(e.a.Threads),
	})
	if err != nil {
		return nil, err
	}
	if old, err := flags.TuningOf(m); err == nil && old.Calibrate != "" && e.Calibrate == "" {
		e.a.Log.Infof("the model's probabilities are calibrated (%s), and those of %s are not: --calibrate with --dev does that", old.Calibrate, strings.Join(labels, ", "))
	}
	part := &model.Model{Encoder: m.Encoder} // only the new labels
	part.SetHead(head, labels, m.Pooling)
	if dev.X != nil {
		if err := e.devTuning.apply(e.a, part, dev, e.config.Seed); err != nil {
			return nil, err
		}
	}
	for l, label := range labels {
		n := count(trainRows.Y, l, len(labels))
		e.a.Log.Infof("%s: from %d rows that say 1 and %d that say 0; l2 %.2g, threshold %.4g", label, n[1], n[0], solutions[l].L2, part.Thresholds[l])
	}
	return part.Outputs(), nil
}

// count returns how many cells of a label are 0, and how many 1.
func count(y []int8, label, labels int) (n [2]int) {
	for i := label; i < len(y); i += labels {
		if y[i] != layers.Unknown {
			n[y[i]]++
		}
	}
	return n
}

// load reads the rows that say 1 or 0 for one of the labels, and refuses a file without rows of both kinds for each.
func (e *labelEditing) load(path string, labels, parts []string) (*data.Dataset, error) {
	files, err := e.rows.Read(e.a)
	if err != nil {
		return nil, err
	}
	options, wanted := &files.Options, labels
	if parts != nil {
		wanted = parts
	}
	if options.Labels == nil { // without --labels, whose names cells may say by index
		if options.Labels, err = data.NewLabelList(wanted, "--names"); err != nil {
			return nil, cli.WithCode(cli.ExitUsage, err)
		}
	}
	for _, name := range wanted {
		if _, found := options.Labels.Index(name); !found {
			return nil, cli.Usagef("--labels has no label %q%s", name, cli.DidYouMean(name, "", options.Labels.Names()))
		}
	}
	options.DropUnknown = true // what is not in the list is no concern of ours
	set, err := files.LoadQuietly(path)
	if err != nil {
		return nil, err
	}
	files.SayStats(path, set.Stats)
	files.SaySkipped(path, set.Stats.Bad, set.Stats.Rows+set.Stats.Bad)
	set.Y = columns(set.Y, options.Labels, wanted)
	if parts != nil {
		set.Y = anyOf(set.Y, len(parts))
	}
	for l, label := range labels {
		if n := count(set.Y, l, len(labels)); n[0] == 0 || n[1] == 0 {
			return nil, cli.Refused(path, 0, label, fmt.Sprintf("%d rows that say 1 and %d that say 0", n[1], n[0]), "some of both")
		}
	}
	return known(set, len(labels)), nil
}

// columns returns the cells of the wanted labels of a list, [rows, wanted], given those of all, [rows, list].
func columns(y []int8, list *data.LabelList, wanted []string) (cells []int8) {
	for row := range slices.Chunk(y, list.Len()) {
		for _, name := range wanted {
			l, _ := list.Index(name)
			cells = append(cells, row[l])
		}
	}
	return cells
}

// known returns the rows of a set that say something of one of the labels: the others need no features.
func known(set *data.Dataset, labels int) *data.Dataset {
	part := &data.Dataset{File: set.File}
	for i := range set.Texts {
		cells := set.Y[i*labels : (i+1)*labels]
		if slices.Max(cells) == layers.Unknown {
			continue
		}
		part.Texts, part.Pairs = append(part.Texts, set.Texts[i]), append(part.Pairs, set.Pair(i))
		part.Lines, part.Y = append(part.Lines, set.Lines[i]), append(part.Y, cells...)
	}
	return part
}

// anyOf returns one cell a row: 1 where one of its cells is, 0 where all are, else unknown.
func anyOf(y []int8, labels int) (merged []int8) {
	for row := range slices.Chunk(y, labels) {
		cell := slices.Max(row)
		if cell == layers.Negative && slices.Contains(row, layers.Unknown) {
			cell = layers.Unknown
		}
		merged = append(merged, cell)
	}
	return merged
}

// record adds the change to what the model says of its training.
func (e *labelEditing) record(m *model.Model, action string) (json.RawMessage, error) {
	object := map[string]json.RawMessage{}
	if m.Training() != nil {
		if err := json.Unmarshal(m.Training(), &object); err != nil {
			return nil, err
		}
	}
	type change struct {
		Action string   `json:"action"`
		Names  []string `json:"names"`
		Into   string   `json:"into,omitempty"`
		Train  string   `json:"train,omitempty"`
		Dev    string   `json:"dev,omitempty"`
		devTuning
	}
	var changes []change
	if object["label_changes"] != nil {
		if err := json.Unmarshal(object["label_changes"], &changes); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(append(changes, change{action, e.names, e.into, e.train, e.dev, e.devTuning}))
	if err != nil {
		return nil, err
	}
	object["label_changes"] = text
	return json.Marshal(object)
}
