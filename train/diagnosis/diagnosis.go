// Package diagnosis looks for the ways in which a model comes out useless without any error: weights that were never loaded, a loss
// that has learnt nothing but how often labels occur, scores that do not depend on the text. Statistics go in, findings come out,
// each with its remedy; docs/diagnosis.md lists them with their bounds. A bound is put where sound runs do not come, so a finding
// is worth reading, and no finding proves nothing.
package diagnosis

import (
	"fmt"
	"strings"
)

// Finding is something that is probably wrong.
type Finding struct {
	Kind   Kind   `json:"kind"`
	Found  string `json:"found"`  // what was seen: a sentence without its full stop
	Remedy string `json:"remedy"` // what to do about it, likewise; it names options by their keys, in backquotes: `learning_rate`
}

// Kind says what a finding is about.
type Kind string

// The kinds of findings.
const (
	UntrainedWeights    Kind = "untrained-weights"
	LearningRateRange   Kind = "learning-rate"
	StuckLoss           Kind = "stuck-loss"
	Overfitting         Kind = "overfitting"
	ConstantPredictions Kind = "constant-predictions"
	NeverPredicted      Kind = "never-predicted"
	AlwaysPredicted     Kind = "always-predicted"
	SoftmaxSums         Kind = "softmax-sums"
	CutTexts            Kind = "cut-texts"
	SplitsApart         Kind = "splits-apart"
	BehindBaseline      Kind = "behind-baseline"
	LabelsWithoutRows   Kind = "labels-without-rows"
	UnknownWords        Kind = "unknown-words"
	CasingApart         Kind = "casing"
)

// String returns the finding on one line.
func (f Finding) String() string { return f.Found + ". " + f.Remedy + "." }

// longestName is how many characters of a label's name a message has.
const longestName = 40

// listed returns the first names of a list, quoted, and how many more there are.
func listed(names []string) string {
	const most = 6
	var b strings.Builder
	for i, name := range names {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(names)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		if r := []rune(name); len(r) > longestName {
			name = string(r[:longestName]) + "…"
		}
		fmt.Fprintf(&b, "%q", name)
	}
	return b.String()
}
