package fit

import (
	"fmt"
	"slices"
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/train"
	"bertlabel/train/data"
)

// The names of recipes.
const (
	Best   = "best"
	Fast   = "fast"
	Google = "google"
)

// recipes is the table of [Recipe]. A nil model has any number of layers, nil rows are many.
var recipes = []struct {
	name, text string
	options    func(m *model.Model, rows *data.Dataset) Options
}{
	{Best, "the last two layers and the head by AdamW, 2 epochs (4 below 20,000 rows, 6 below 2,000), then an exact head on all layers, mixed " +
		"with the first as dev likes best; thresholds guarded for rare labels", best},
	{Fast, "a discriminant on the means and maxima of the frozen encoder's layers, as many as dev likes best; thresholds guarded for rare labels",
		func(m *model.Model, _ *data.Dataset) Options {
			return Options{Poolings: AutoPoolings(m), Solver: LDA, Tuning: Tuning{Thresholds: Guarded}}
		}},
	{Google, "create_model of run_classifier.py: a head on the pooled output of the frozen encoder, by Google's optimizer; thresholds of 0.5",
		func(*model.Model, *data.Dataset) Options { return Options{} }},
}

// best was the best of what docs/quality.md compares on GoEmotions, ValueEval and XED. Fewer rows need more epochs for as many steps.
func best(m *model.Model, rows *data.Dataset) Options {
	c := train.DefaultConfig()
	c.Optimizer, c.LearningRate, c.Epochs = "adamw", 3e-4, 2
	switch {
	case rows == nil:
	case rows.Rows() < 2000:
		c.Epochs = 6
	case rows.Rows() < 20000:
		c.Epochs = 4
	}
	layers := 2
	if m != nil {
		layers = min(layers, m.Encoder.Config.NumHiddenLayers)
	}
	return Options{Tune: Last(layers), Pooling: bert.Mean, Config: &c, Refit: LDA, Tuning: Tuning{Thresholds: Guarded}}
}

// Recipe returns the options that a name stands for, Best, Fast or Google, to train m on rows, of which only the number counts; what the
// caller changes in them goes first, and Best and Fast need his Dev. m or rows may be nil: the options are then what they are for a model
// with enough layers and many rows, but for Poolings, which are those of a model. The error is an *OptionError.
func Recipe(name string, m *model.Model, rows *data.Dataset) (Options, error) {
	var names []string
	for _, r := range recipes {
		if r.name == name {
			o := r.options(m, rows)
			o.Recipe = name
			return o, nil
		}
		names = append(names, r.name)
	}
	return Options{}, wants("recipe", name, strings.Join(names, ", "))
}

// Recipes returns the table of recipes, a line each: the name and what it does.
func Recipes() (lines []string) {
	for _, r := range recipes {
		lines = append(lines, fmt.Sprintf("%-8s%s", r.name, r.text))
	}
	return lines
}

// A tenth of the rows is held out to choose by where no other rows are given, and where that leaves enough: from holdOutFrom rows on.
const (
	holdOutShare = 0.1
	holdOutFrom  = 200
)

// HoldOut deals rows into those to train on and a tenth to choose by, stratified by label ([data.HoldOut]); held is nil, and rest is rows,
// below 200 rows, where a tenth says too little.
func HoldOut(rows *data.Dataset, seed uint64) (rest, held *data.Dataset) {
	if rows.Rows() < holdOutFrom {
		return rows, nil
	}
	rest, held = data.HoldOut(rows, holdOutShare, seed)
	held.File += " (held out)"
	return rest, held
}

// SeqLength returns a length for the texts of rows: so many tokens, with [CLS] and [SEP], that 99 of 100 are not cut, and no more than m
// has positions. The cost of a longer limit is that of the tokens which are there, as none are padding.
func SeqLength(m *model.Model, rows *data.Dataset) int {
	limit := m.Encoder.Config.MaxPositionEmbeddings
	lengths := make([]int, rows.Rows())
	for i, text := range m.Tokenizer.EncodeBatch(rows.Texts, rows.Pairs, limit) {
		lengths[i] = len(text.IDs)
	}
	slices.Sort(lengths)
	return min(limit, max(3, lengths[(len(lengths)-1)*99/100]))
}
