package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"bertlabel/bert/model"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/metrics"

	"github.com/spf13/cobra"
)

func newLabelsCmd(a *app) *cobra.Command {
	e := &labelEditing{training: training{a: a}}
	cmd := &cobra.Command{
		Use:   "labels add|drop|rename|merge",
		Short: "Change the labels of a trained model; the scores of the other labels keep their bits",
		Example: "  bertlabel labels add --model model --names sarcasm --train new.csv --dev dev.csv --output model2\n" +
			"  bertlabel labels drop --model model --names other,misc --output model2\n" +
			"  bertlabel labels rename --model model --names anoyance --into annoyance --output model2\n" +
			"  bertlabel labels merge --model model --names grief,sadness --into sorrow --train train.csv --output model2",
		Long: `The encoder stays as it is, and each label is a unit of its own above it: what happens to one does not move the others. A new
label is found by the exact solver (train --solver lbfgs) from the rows of --train that say 1 or 0 for it; other labels in that file
do not matter. A merged label is true where one of the old ones is, and is found in the same way.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("labels needs one of add, drop, rename, merge")
			}
			return oneOf("labels", args[0], "add", "drop", "rename", "merge")
		},
	}
	e.models, e.rows = addModelFlags(cmd), addDataFlags(cmd, data.StopAtBadRow)
	f := cmd.Flags()
	f.StringSliceVar(&e.names, "names", nil, "`LABELS`, separated by commas; one with a comma in it in double quotes")
	f.StringVar(&e.into, "into", "", "`LABEL` that rename and merge make")
	f.StringVar(&e.train, "train", "", "`FILE` of labelled texts, for add and merge")
	f.StringVar(&e.dev, "dev", "", "`FILE` of labelled texts that the strength of the penalty is chosen on")
	f.StringVar(&e.output, "output", "", "`FOLDER` for the changed model")
	f.BoolVar(&e.overwrite, "overwrite", false, "write into an --output folder that is not empty, such as the model's own")
	f.BoolVar(&e.tuneThresholds, "tune-thresholds", false, "choose the thresholds of new labels on --dev, by F1")
	f.Uint64Var(&e.config.Seed, "seed", 42, "everything random hangs on it")
	f.StringVar(&e.cache, "features-cache", "", "`FOLDER` that keeps computed features for the next run")
	required(cmd, "model", "names", "output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return e.run(cmd.Context(), args[0]) }
	return cmd
}

// labelEditing is one run of the verb. Of a training it has the files, the data flags and the seed.
type labelEditing struct {
	training
	names          []string
	into           string
	tuneThresholds bool
}

func (e *labelEditing) run(ctx context.Context, action string) error {
	if err := e.check(action); err != nil {
		return err
	}
	m, err := e.models.openWithHead(e.a)
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
	e.a.log.Infof("%s %s: %d labels now; wrote %s", action, strings.Join(e.names, ", "), len(m.Labels), e.output)
	return nil
}

// check refuses flags that do not go with the action.
func (e *labelEditing) check(action string) error {
	solves := action == "add" || action == "merge"
	renames := action == "rename" || action == "merge"
	switch {
	case solves && e.train == "":
		return usagef("labels %s needs --train, rows that say 1 and 0", action)
	case !solves && (e.train != "" || e.dev != ""):
		return usagef("labels %s trains nothing and has no use for --train and --dev", action)
	case renames != (e.into != ""):
		return usagef("--into is the new name that rename and merge need, and the others have no use for")
	case action == "rename" && len(e.names) != 1:
		return usagef("labels rename takes one of --names, found %d", len(e.names))
	case action == "merge" && len(e.names) < 2:
		return usagef("labels merge takes two or more of --names, found %d", len(e.names))
	case e.tuneThresholds && e.dev == "":
		return usagef("--tune-thresholds needs --dev")
	}
	return checkOutputDir(e.output, false, e.overwrite)
}

// checkNames refuses names that are not there, or are there already.
func checkNames(action string, names []string, into string, labels []string) error {
	var errs []error
	for i, name := range names {
		has := slices.Contains(labels, name)
		switch {
		case slices.Contains(names[:i], name):
			errs = append(errs, usagef("--names has %q twice", name))
		case action == "add" && has:
			errs = append(errs, usagef("the model has a label %q already", name))
		case action != "add" && !has:
			errs = append(errs, usagef("the model has no label %q%s", name, didYouMean(name, "", labels)))
		}
	}
	if slices.Contains(labels, into) && !(action == "merge" && slices.Contains(names, into)) {
		errs = append(errs, usagef("the model has a label %q already", into))
	}
	if action == "drop" && len(names) >= len(labels) && errs == nil {
		errs = append(errs, usagef("labels drop: no label would be left"))
	}
	return withCode(exitUsage, errors.Join(errs...))
}

// without returns the outputs but those with the given labels.
func without(outputs []model.Output, labels []string) []model.Output {
	return slices.DeleteFunc(outputs, func(o model.Output) bool { return slices.Contains(labels, o.Label) })
}

// solve finds the outputs of new labels. Where parts is not nil there is one, which is true where one of the parts is.
func (e *labelEditing) solve(ctx context.Context, m *model.Model, labels, parts []string) ([]model.Output, error) {
	trainRows, err := e.load(ctx, m, e.train, labels, parts)
	if err != nil {
		return nil, err
	}
	var dev train.Features
	if e.dev != "" {
		if dev, err = e.load(ctx, m, e.dev, labels, parts); err != nil {
			return nil, err
		}
	}
	for l, label := range labels {
		if n := count(trainRows.Y, l, len(labels)); n[0] == 0 || n[1] == 0 {
			return nil, refused(e.train, 0, label, fmt.Sprintf("%d rows that say 1 and %d that say 0", n[1], n[0]), "some of both")
		}
	}
	head := layers.NewClassifier(len(labels), trainRows.X.Cols)
	solutions, err := train.SolveHead(ctx, train.SolveTask{
		Labels: labels, Train: trainRows, Dev: dev, Classifier: head, Seed: e.config.Seed, Workers: tensor.NewWorkers(e.a.threads),
	})
	if err != nil {
		return nil, err
	}
	thresholds, err := e.thresholds(head, labels, dev)
	if err != nil {
		return nil, err
	}
	var outputs []model.Output
	for l, label := range labels {
		n := count(trainRows.Y, l, len(labels))
		e.a.log.Infof("%s: from %d rows that say 1 and %d that say 0; l2 %.2g, threshold %.4g", label, n[1], n[0], solutions[l].L2, thresholds[l])
		outputs = append(outputs, model.Output{Label: label, Weights: head.Weights.Value[l*trainRows.X.Cols : (l+1)*trainRows.X.Cols], Bias: head.Bias.Value[l], Threshold: thresholds[l]})
	}
	return outputs, nil
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

// load reads the cells of some labels, leaving others out, and computes the features that the head reads.
func (e *labelEditing) load(ctx context.Context, m *model.Model, path string, labels, parts []string) (train.Features, error) {
	options, err := e.rows.options(e.a)
	if err != nil {
		return train.Features{}, err
	}
	wanted := labels
	if parts != nil {
		wanted = parts
	}
	if options.Labels, err = data.NewLabelList(wanted, "--names"); err != nil {
		return train.Features{}, withCode(exitUsage, err)
	}
	options.DropUnknown = true
	set, err := e.rows.loadQuietly(e.a, path, options)
	if err != nil {
		return train.Features{}, err
	}
	e.rows.sayStats(e.a, path, set.Stats)
	e.rows.saySkipped(e.a, path, set.Stats.Bad, set.Stats.Rows+set.Stats.Bad)
	f, err := e.features(ctx, m, m.Pooling, set)
	if parts != nil {
		f.Y = anyOf(f.Y, len(parts))
	}
	return f, err
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

// thresholds returns those of the new labels: 0.5, or with --tune-thresholds what dev says.
func (e *labelEditing) thresholds(head *layers.Classifier, labels []string, dev train.Features) ([]float32, error) {
	if !e.tuneThresholds {
		return slices.Repeat([]float32{model.DefaultThreshold}, len(labels)), nil
	}
	rows := metrics.Data{Labels: labels, Truth: dev.Y, Scores: probabilities(head, dev.X)}
	tuned, err := metrics.TuneGuarded(rows, metrics.F(1), rand.New(rand.NewPCG(e.config.Seed, thresholdStream)))
	if err != nil {
		return nil, err
	}
	return tuned.Thresholds, nil
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
	}
	var changes []change
	if object["label_changes"] != nil {
		if err := json.Unmarshal(object["label_changes"], &changes); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(append(changes, change{action, e.names, e.into, e.train, e.dev}))
	if err != nil {
		return nil, err
	}
	object["label_changes"] = text
	return json.Marshal(object)
}
