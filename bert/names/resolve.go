package names

import (
	"fmt"
	"slices"
	"strings"
)

// Ignorable lists, for each layout, the stored variables that a model does without; * stands for anything. Prefixes of
// the model are taken off before.
func Ignorable(layout Layout) []string {
	switch layout {
	case Google:
		return []string{
			"cls/*",       // heads of pre-training
			"global_step", // of the optimizer, as what follows: slots of TensorFlow's own and of others, and their bookkeeping
			"*/adam_m", "*/adam_v",
			"*/Adam", "*/Adam_1", "*/AdamW", "*/AdamW_1", "*/AdamWeightDecayOptimizer", "*/AdamWeightDecayOptimizer_1",
			"*/lamb_m", "*/lamb_v", "*/LAMB", "*/LAMB_1", "*/Momentum", "*/Adagrad", "*/Adadelta", "*/Adadelta_1", "*/RMSProp", "*/RMSProp_1",
			"*/Ftrl", "*/Ftrl_1", "*/GradientDescent", "*/adafactor_v", "*/adafactor_vr", "*/adafactor_vc",
			"*/ExponentialMovingAverage", "*/accum_grad", "*/grad_accum",
			"beta1_power", "beta2_power", "*/beta1_power", "*/beta2_power", "beta1_power_1", "beta2_power_1",
			"loss_scale", "current_loss_scale", "good_steps", "bad_steps", "num_good_steps", "num_bad_steps",
			"*/loss_scale", "*/current_loss_scale", "*/good_steps", "*/bad_steps", "*/num_good_steps", "*/num_bad_steps",
			"learning_rate", "accum_step", "local_step", "*/local_step",
		}
	case TF2:
		return []string{
			"_CHECKPOINTABLE_OBJECT_GRAPH", "save_counter/*", // bookkeeping of tf.train.Checkpoint
			"global_step/*", "optimizer/*", "*/.OPTIMIZER_SLOT/*",
			"masked_lm/*", "next_sentence/*", "next_sentence..*", // heads of pre-training; the pooler is known by its name
		}
	}
	return []string{
		"embeddings.position_ids", // 0, 1, 2, …
		"cls.*",                   // heads of pre-training
	}
}

// Place is where a variable is stored.
type Place struct {
	Stored    string // name in the file
	Transpose bool   // the file has the transpose of Google's matrix
}

// Map says where the variables of a model are in a file.
type Map struct {
	Layout Layout
	// prefix that all names of the model had, such as "module/" before Google's "bert/"; "" or "bert." for Hugging Face
	Scope   string
	Places  map[string]Place // by Google's name
	Ignored []string         // stored names that are not needed, sorted
	Unknown []string         // stored names that are neither, sorted
}

// Resolve recognises the layout of the names of a file, by the word embeddings, and finds Google's names for them. It fails
// if two stored names mean the same variable. What matches one of the patterns of ignore is ignored, like what Ignorable lists, unless
// it is a variable of the model.
func Resolve(stored []string, ignore ...string) (Map, error) {
	m := Map{Places: map[string]Place{}}
	m.Layout, m.Scope = detect(stored)
	layers := 0
	for _, name := range stored {
		layers = max(layers, m.layerOf(name)+1)
	}
	for _, name := range slices.Sorted(slices.Values(stored)) {
		google, transpose, ok := m.google(name, layers)
		if !ok {
			if m.ignorable(name) || Matches(name, ignore) {
				m.Ignored = append(m.Ignored, name)
			} else {
				m.Unknown = append(m.Unknown, name)
			}
			continue
		}
		if first, twice := m.Places[google]; twice {
			return Map{}, fmt.Errorf("%q and %q are both %s", first.Stored, name, google)
		}
		m.Places[google] = Place{name, transpose}
	}
	return m, nil
}

// detect finds the layout and the scope before it.
func detect(stored []string) (Layout, string) {
	for _, name := range stored {
		for layout, word := range []string{
			Google:      "bert/embeddings/word_embeddings",
			TF2:         "layer_with_weights-0/embeddings" + valueSuffix,
			HuggingFace: "embeddings.word_embeddings.weight",
		} {
			scope, ok := strings.CutSuffix(name, word)
			if ok && (scope == "" || strings.HasSuffix(scope, "/") || strings.HasSuffix(scope, ".")) {
				return Layout(layout), scope
			}
		}
	}
	return Google, "" // a head alone, perhaps
}

// google returns Google's name of a stored variable of a model with that many layers.
func (m Map) google(stored string, layers int) (name string, transpose, ok bool) {
	switch m.Layout {
	case TF2:
		return m.fromTF2(stored, layers)
	case HuggingFace:
		return m.fromHuggingFace(stored)
	}
	name = strings.TrimPrefix(stored, m.Scope)
	_, _, ok = ToHuggingFace(name) // whether it is in the table
	return name, false, ok
}

// fromHuggingFace knows the names of transformers, and those of LayerNorm before its version 1: gamma and beta.
func (m Map) fromHuggingFace(stored string) (google string, transpose, ok bool) {
	switch m.besideModel(stored) {
	case "classifier.weight":
		return OutputWeights, false, true
	case "classifier.bias":
		return OutputBias, false, true
	}
	name, ok := strings.CutPrefix(stored, m.Scope)
	if !ok {
		return "", false, false
	}
	name = strings.Replace(name, "LayerNorm.gamma", "LayerNorm.weight", 1)
	name = strings.Replace(name, "LayerNorm.beta", "LayerNorm.bias", 1)
	for _, r := range modelRows {
		if r.hf == name {
			return "bert/" + r.google, r.transpose, true
		}
	}
	rest, ok := strings.CutPrefix(name, "encoder.layer.")
	i, rest, isIndex := cutIndex(rest, ".")
	for _, r := range layerRows {
		if ok && isIndex && r.hf == rest {
			return fmt.Sprintf("bert/encoder/layer_%d/%s", i, r.google), r.transpose, true
		}
	}
	return "", false, false
}

// besideModel takes off the part of a Hugging Face scope that a head shares: with "model.bert." before the encoder's names,
// "model." stands before the classifier's.
func (m Map) besideModel(stored string) string {
	return strings.TrimPrefix(stored, strings.TrimSuffix(m.Scope, "bert."))
}

// fromTF2 knows the two namings of tensorflow/models: layers in order, 0 to 3 the embeddings, then the encoder's, then the pooler.
func (m Map) fromTF2(stored string, layers int) (google string, transpose, ok bool) {
	key, ok := strings.CutSuffix(stored, valueSuffix)
	if !ok || strings.Contains(key, "/.OPTIMIZER_SLOT/") {
		return "", false, false
	}
	name, inModel := strings.CutPrefix(key, m.Scope)
	for _, r := range modelRows {
		if r.tf2 == name && inModel || r.tf2 == key {
			return "bert/" + r.google, false, true
		}
	}
	if i, rest, ok := tf2Layer(name); ok && inModel && i == layers {
		for _, r := range (module{pooler.google, "", ""}).dense() {
			if r.tf2 == "/"+rest {
				return "bert/" + r.google, false, true
			}
		}
	} else if ok && inModel {
		for _, r := range append(olderTF2.dense(), layerRows...) {
			if r.tf2 == rest {
				return fmt.Sprintf("bert/encoder/layer_%d/%s", i, r.google), false, true
			}
		}
	}
	return "", false, false
}

// tf2Layer cuts layer_with_weights-{4+i}/ from the front of a name.
func tf2Layer(name string) (i int, rest string, ok bool) {
	rest, isLayer := strings.CutPrefix(name, "layer_with_weights-")
	i, rest, ok = cutIndex(rest, "/")
	return i - 4, rest, ok && isLayer && i >= 4
}

// layerOf returns the number of the encoder layer of a TF2 key, −1 for other names.
func (m Map) layerOf(stored string) int {
	if i, rest, ok := tf2Layer(strings.TrimPrefix(stored, m.Scope)); m.Layout == TF2 && ok && strings.HasPrefix(rest, "_") {
		return i
	}
	return -1
}

// ignorable reports whether a stored name is on the list.
func (m Map) ignorable(stored string) bool {
	names := []string{stored, strings.TrimPrefix(stored, m.Scope), m.besideModel(stored)}
	for _, pattern := range Ignorable(m.Layout) {
		for _, name := range names {
			if match(pattern, name) {
				return true
			}
		}
	}
	return false
}

// Matches reports whether a name matches one of the patterns, in which * stands for anything.
func Matches(name string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return match(pattern, name) })
}

// match compares a name with a pattern, in which * stands for anything.
func match(pattern, name string) bool {
	first, rest, more := strings.Cut(pattern, "*")
	if !more {
		return name == pattern
	}
	name, ok := strings.CutPrefix(name, first)
	for ok {
		var part string
		if part, rest, more = strings.Cut(rest, "*"); !more {
			return strings.HasSuffix(name, part)
		}
		_, name, ok = strings.Cut(name, part)
	}
	return false
}
