package metrics

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"

	"bertlabel/tensor/parallel"
)

// Aim is what a threshold is chosen for: it maps counts to a value of which more is better. The zero Aim is F(1).
type Aim struct {
	name string // "" for the zero Aim
	of   func(Counts) float64
}

// value returns what counts are worth.
func (a Aim) value(c Counts) float64 {
	if a.of == nil {
		return c.F1()
	}
	return a.of(c)
}

// F returns the aim of the highest F-measure with that β: F(1) weighs precision and recall alike, F(2) recall more.
func F(beta float64) Aim {
	if beta == 1 {
		return Aim{}
	}
	return Aim{fmt.Sprintf("f%g", beta), func(c Counts) float64 { return c.FBeta(beta) }}
}

// PrecisionAt returns the aim of the highest recall among thresholds with at least that precision; where none has it, of the
// highest precision.
func PrecisionAt(least float64) Aim {
	return Aim{fmt.Sprintf("precision@%g", least), func(c Counts) float64 { return reach(c.Precision(), least, c.Recall()) }}
}

// RecallAt returns the aim of the highest precision among thresholds with at least that recall; where none has it, of the
// highest recall.
func RecallAt(least float64) Aim {
	return Aim{fmt.Sprintf("recall@%g", least), func(c Counts) float64 { return reach(c.Recall(), least, c.Precision()) }}
}

// reach is value while that is below least, and 1 + then from there on: first reach least, then raise the other one.
func reach(value, least, then float64) float64 {
	if value < least {
		return value
	}
	return 1 + then
}

// ParseAim reads "f1", "f2", "f0.5" (any β > 0), "precision@0.9" or "recall@0.8" (from 0 to 1).
func ParseAim(s string) (Aim, error) {
	kind, number, at := strings.Cut(s, "@")
	if !at && strings.HasPrefix(s, "f") {
		kind, number = "f", s[1:]
	}
	v, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil || !(v >= 0): // NaN too
	case kind == "f" && !at && v > 0 && v <= 1e3: // beyond that it is recall alone
		return F(v), nil
	case kind == "precision" && v <= 1:
		return PrecisionAt(v), nil
	case kind == "recall" && v <= 1:
		return RecallAt(v), nil
	}
	return Aim{}, fmt.Errorf("aim %q, want f1, f2, f0.5, precision@P or recall@P with P from 0 to 1", s)
}

// String returns the name that ParseAim reads.
func (a Aim) String() string { return cmp.Or(a.name, "f1") }

// defaultThreshold is the threshold of a label that gives no reason for another.
const defaultThreshold = 0.5

// Choice is a chosen threshold and the counts it gives on the data it was chosen on.
type Choice struct {
	Threshold float32
	Counts
}

// TuneEach chooses a threshold for each label by its known cells: the best of all, exactly.
//
// With d₀ < d₁ < … the distinct values of {0} and the label's scores, the candidates are the float32 of (dᵢ + dᵢ₊₁)/2, or dᵢ
// when that rounds to dᵢ₊₁: together, every way to part the scores above 0. Of candidates with the same value the lowest wins.
// A label without positives, or with all scores 0, gets 0.5. Errors are those of Evaluate.
func TuneEach(d Data, aim Aim) ([]Choice, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	choices := make([]Choice, len(d.Labels))
	parallel.For(len(choices), func(i int) { choices[i] = aim.best(d.sortedLabel(i)) })
	return choices, nil
}

// TuneGlobal chooses one threshold for all labels, as TuneEach does for one, taking all known cells as one label.
func TuneGlobal(d Data, aim Aim) (Choice, error) {
	if err := d.check(); err != nil {
		return Choice{}, err
	}
	return aim.best(sortedCells(d.Truth, d.Scores, 1)), nil
}

// Tuned are thresholds that were chosen on one data set. On that they look a little better than they are.
type Tuned struct {
	Thresholds []float32 // of TuneEach, one per label
	Global     float32   // of TuneGlobal
	Guarded    []float32 // between the two, see Guard; one per label
}

// Tune chooses thresholds in all three ways.
func Tune(d Data, aim Aim) (*Tuned, error) {
	global, err := TuneGlobal(d, aim)
	if err != nil {
		return nil, err
	}
	each, err := TuneEach(d, aim)
	if err != nil {
		return nil, err
	}
	t := &Tuned{Global: global.Threshold}
	for _, c := range each {
		t.Thresholds = append(t.Thresholds, c.Threshold)
		t.Guarded = append(t.Guarded, Guard(c.Threshold, t.Global, c.Support()))
	}
	return t, nil
}

// guardPositives is how many positives a label needs for its own threshold to count as much as the one for all.
const guardPositives = 5

// Guard pulls a label's own threshold towards the one for all labels, the more the fewer positives it was chosen on:
//
//	logit(guarded) = w·logit(own) + (1 − w)·logit(global)    w = positives/(positives + 5)
//
// With F(1) the one for all is that of the best micro F1; a label without positives gets it. The 5 is a rule of thumb, of no paper;
// docs/quality.md has what it gives. Both thresholds are from 0 to 1. 0 and 1, whose log-odds are not finite, count as their float32
// neighbours: 2⁻¹⁴⁹ and 1 − 2⁻²⁴. Equal thresholds stay as they are.
func Guard(own, global float32, positives int) float32 {
	if positives <= 0 || own == global {
		return global
	}
	w := float64(positives) / (float64(positives) + guardPositives)
	z := w*logOdds(own) + (1-w)*logOdds(global)
	return float32(1 / (1 + math.Exp(-z)))
}

// logOdds returns ln(p/(1 − p)) of the nearest p above 0 and below 1.
func logOdds(p float32) float64 {
	q := float64(min(max(p, math.SmallestNonzeroFloat32), 1-0x1p-24))
	return math.Log(q) - math.Log1p(-q)
}

// best returns the best of the candidates for one label.
func (a Aim) best(sorted []key) Choice {
	best, value := Choice{defaultThreshold, countsAbove(sorted, defaultThreshold)}, 0.0
	if best.Support() == 0 {
		return best
	}
	for c := range candidates(sorted) {
		if v := a.value(c.Counts); v >= value { // on ties the later one, which is lower
			best, value = c, v
		}
	}
	return best
}

// candidates yields every threshold between two neighbours among {0} and the scores, from the highest down.
func candidates(sorted []key) iter.Seq[Choice] {
	return func(yield func(Choice) bool) {
		c := countsAbove(sorted, 1) // nothing predicted
		lowest := float32(0)        // of the scores that are predicted
		for t := range ties(sorted) {
			if lowest > 0 && !yield(Choice{between(t.score, lowest), c}) {
				return
			}
			c.TP, c.FN = c.TP+t.pos, c.FN-t.pos
			c.FP, c.TN = c.FP+t.neg, c.TN-t.neg
			lowest = t.score
		}
		if lowest > 0 {
			yield(Choice{between(0, lowest), c})
		}
	}
}

// between returns the float32 of the middle of a < b, or a where that rounds to b.
func between(a, b float32) float32 {
	if m := float32((float64(a) + float64(b)) / 2); m != b {
		return m
	}
	return a
}
