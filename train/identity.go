package train

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Identity is what a run depends on: with all of it unchanged, a resumed run has the bits of one that was never stopped.
type Identity struct {
	Settings Settings `json:"settings"` // all that was configured, defaults filled in
	Labels   []string `json:"labels"`   // in the order of the outputs
	Model    string   `json:"model"`    // fingerprint of configuration, vocabulary and weights that training started from
	Train    DataHash `json:"train"`
	Dev      DataHash `json:"dev"`     // of zero strings without dev data
	Version  string   `json:"version"` // of the program
	Kernels  string   `json:"kernels"` // the kernel set
}

// Settings are settings by name, as JSON text.
type Settings map[string]json.RawMessage

// NewSettings returns the fields of v, a struct with JSON tags whose values are numbers, strings and the like.
func NewSettings(v any) (Settings, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	s := Settings{}
	return s, json.Unmarshal(text, &s)
}

// DataHash tells one data set from another.
type DataHash struct {
	File string `json:"file_sha256"` // of the file as it is stored
	Rows string `json:"rows_sha256"` // of what is trained on: tokens and labels
}

// freeSettings may change in the middle of a run: they decide what is logged, when dev is looked at, and what follows on what is
// not finite, not the weights of a good step.
var freeSettings = []string{"log_steps", "eval_steps", "early_stopping", "on_nan", "restore_steps"}

// Compare compares the identity of a run with that of its checkpoint. changes are differences with which the run would no longer
// be the same: going on is refused. hints are differences to warn of: the bits may differ, or only what is logged does.
func (i Identity) Compare(saved Identity) (changes, hints []string) {
	differ := func(list *[]string, what, now, then string) {
		if now != then {
			*list = append(*list, fmt.Sprintf("%s was %s, is %s", what, orNone(then), orNone(now)))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(union(i.Settings, saved.Settings))) {
		list := &changes
		if slices.Contains(freeSettings, key) {
			list = &hints
		}
		differ(list, key, string(i.Settings[key]), string(saved.Settings[key]))
	}
	differ(&changes, "the list of labels", strings.Join(i.Labels, ","), strings.Join(saved.Labels, ","))
	differ(&changes, "the model to start from", short(i.Model), short(saved.Model))
	i.Train.compare("training", saved.Train, differ, &changes, &hints)
	i.Dev.compare("dev", saved.Dev, differ, &changes, &hints)
	differ(&hints, "the program", i.Version, saved.Version)
	differ(&hints, "the kernel set", i.Kernels, saved.Kernels)
	return changes, hints
}

// compare looks at the rows first: a file that was written anew with the same rows is worth a hint.
func (h DataHash) compare(name string, saved DataHash, differ func(list *[]string, what, now, then string), changes, hints *[]string) {
	if h.Rows != saved.Rows {
		differ(changes, "SHA-256 of the "+name+" rows", short(h.Rows), short(saved.Rows))
		return
	}
	differ(hints, "SHA-256 of the "+name+" file (the rows are the same)", short(h.File), short(saved.File))
}

// short returns the beginning of a hash.
func short(hash string) string { return hash[:min(12, len(hash))] }

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func union(a, b Settings) Settings {
	all := maps.Clone(a)
	if all == nil {
		all = Settings{}
	}
	maps.Copy(all, b)
	return all
}

// ChangedError refuses to go on with a run that is no longer the same. Its text names the option by its key, in backquotes.
type ChangedError struct {
	Checkpoint string
	Changes    []string
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s is of another run: %s; %s", e.Checkpoint, strings.Join(e.Changes, "; "), e.Remedy())
}

// Remedy is the end of the text, which names options. The learning rate of a step depends on how many there are, so a finished run is not made
// longer: its model is what a new one starts from.
func (e *ChangedError) Remedy() string {
	return "take back the change; for more epochs train the finished model on: `model` OLD `output` NEW"
}
