package fit

import (
	"fmt"
	"strconv"
	"strings"

	"bertlabel/train/metrics"
)

// Tune says what of a model is trained. The zero value is Head.
type Tune int

// What is trained besides [Last].
const (
	Head Tune = 0  // the head, on features of a frozen encoder that are computed once
	All  Tune = -1 // embeddings, all layers, the pooler and the head
	none Tune = -2 // Last of no layer
)

// Last returns the tuning of the last n encoder layers, the pooler and the head; n is at least 1, and Options.Check refuses what
// Last gives for less.
func Last(n int) Tune {
	if n < 1 {
		return none
	}
	return Tune(n)
}

// Layers returns how many encoder layers are trained of a model that has so many, counted from the last one.
func (t Tune) Layers(of int) int {
	if t == All {
		return of
	}
	return max(0, int(t))
}

// String returns what ParseTune reads: head, last:N, or all.
func (t Tune) String() string {
	switch t {
	case Head:
		return "head"
	case All:
		return "all"
	case none:
		return "last:0"
	}
	return fmt.Sprintf("last:%d", int(t))
}

// ParseTune reads head, last:N with N from 1, or all. The error is an *OptionError.
func ParseTune(s string) (Tune, error) {
	last, isLast := strings.CutPrefix(s, "last:")
	n, err := strconv.Atoi(last)
	switch {
	case s == "head":
		return Head, nil
	case s == "all":
		return All, nil
	case isLast && err == nil && n >= 1:
		return Last(n), nil
	}
	return Head, wants("tune", s, "head, last:N or all")
}

// Solver says how a head is found on features of a frozen encoder. The zero value is Gradient.
type Solver int

// The solvers.
const (
	Gradient Solver = iota // steps of Google's optimizer (package train)
	LBFGS                  // the optimum of the convex loss with an L2 penalty (solver.Head)
	LDA                    // Fisher's discriminant (solver.Discriminant)
)

var solverNames = []string{"gradient", "lbfgs", "lda"}

// String returns what ParseSolver reads.
func (s Solver) String() string { return nameOf(solverNames, int(s)) }

// ParseSolver reads gradient, lbfgs or lda. The error is an *OptionError.
func ParseSolver(s string) (Solver, error) { return parse[Solver]("solver", solverNames, s) }

// ParseRefit reads lbfgs, lda, or none, which is Gradient, for Options.Refit. The error is an *OptionError.
func ParseRefit(s string) (Solver, error) {
	return parse[Solver]("refit", append([]string{"none"}, solverNames[LBFGS:]...), s)
}

// Calibration says whether a head is made to give probabilities that mean what they say, on Options.Dev. The zero value is AsNeeded.
type Calibration int

// The calibrations; see metrics.Calibrate.
const (
	AsNeeded    Calibration = iota // Platt for LDA with Dev, whose logits are too sure of themselves, else none
	Temperature                    // one factor for each label
	Platt                          // a factor and an intercept for each label
)

var calibrationNames = []string{"", "temperature", "platt"}

// String returns what ParseCalibration reads; it is empty for AsNeeded.
func (c Calibration) String() string { return nameOf(calibrationNames, int(c)) }

// ParseCalibration reads temperature or platt, and nothing for AsNeeded. The error is an *OptionError.
func ParseCalibration(s string) (Calibration, error) {
	return parse[Calibration]("calibrate", calibrationNames, s)
}

func (c Calibration) method() metrics.Method {
	if c == Temperature {
		return metrics.Temperature
	}
	return metrics.Platt
}

// Thresholds says which thresholds a model keeps. The zero value is Half.
type Thresholds int

// The choices; see metrics.Tune.
const (
	Half     Thresholds = iota // 0.5 for every label
	PerLabel                   // for each label the one that is best on the rows that judge
	Global                     // one for all labels, the best on the rows that judge
	Guarded                    // for each label between its own and the one for all, nearer to its own the more positives it has
)

var thresholdNames = []string{"", "per-label", "global", "guarded"}

// String returns what ParseThresholds reads; it is empty for Half.
func (t Thresholds) String() string { return nameOf(thresholdNames, int(t)) }

// ParseThresholds reads per-label, global or guarded, and nothing or none for Half. The error is an *OptionError.
func ParseThresholds(s string) (Thresholds, error) {
	if s == "none" {
		return Half, nil
	}
	return parse[Thresholds]("tune_thresholds", thresholdNames, s)
}

// nameOf returns the name of a choice, or its number if it is none.
func nameOf(names []string, i int) string {
	if i < 0 || i >= len(names) {
		return strconv.Itoa(i)
	}
	return names[i]
}

// parse returns the choice that is called s.
func parse[T ~int](option string, names []string, s string) (T, error) {
	var known []string
	for i, name := range names {
		if name == s {
			return T(i), nil
		}
		if name != "" {
			known = append(known, name)
		}
	}
	return 0, wants(option, s, strings.Join(known, ", "))
}
