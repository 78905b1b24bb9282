package report

import (
	"cmp"
	"slices"
	"time"

	"bertlabel/train/metrics"
)

// Report is all that the page shows. What is zero is left out.
type Report struct {
	Title    string
	Facts    []Pair // what was evaluated with what
	Notes    []string
	Scored   *Scored  // nil: training only
	History  *History // nil: no training
	Baseline *Baseline
	Timings  []Timing
	Settings []Pair
	Command  string // to repeat it, quoted for a shell
	Version  string
}

// Pair is a name with its value.
type Pair struct{ Name, Value string }

// Timing is how long a part of the work took.
type Timing struct {
	Name string
	Time time.Duration
}

// Scored is a data set with the probabilities of a model, and what metrics.Evaluate says of them.
type Scored struct {
	metrics.Data
	Metrics *metrics.Report
	Texts   []string // [rows]; nil: not shown
	IDs     []string // [rows], or nil
	Lines   []int    // [rows], or nil: where the rows stand in the file

	// Explanations has for a row what the words of its text contributed to some labels.
	Explanations map[int][]Explanation
}

// Explanation is how much each word of a text contributed to a label.
type Explanation struct {
	Label string
	Words []Word // in the order of the text
}

// Word is a word with its contribution to a logit.
type Word struct {
	Text         string
	Contribution float64
}

// History is the course of a training run.
type History struct {
	Steps []Step
	// BestStep is the step that was best on dev, whose weights were kept; 0: none, the last ones were.
	BestStep float64
}

// Step is a row of metrics.csv. NaN stands for a value that the row lacks.
type Step struct {
	Step, Loss, LearningRate    float64
	DevLoss, DevMacro, DevMicro float64
}

// Baseline is what a linear model scores on the same rows, by the names of metrics.Summary.
type Baseline struct {
	Name   string
	Values map[string]float64
}

// analysis is a scored data set with what is counted over it.
type analysis struct {
	*Scored
	*tallies
	pairs pairs
}

func analyse(s *Scored) *analysis {
	return &analysis{s, newTallies(s.Data, s.frequent(mostCurves)), s.countPairs()}
}

func (s *Scored) rows() int { return len(s.Truth) / len(s.Labels) }

// frequent returns the n labels with the most support, in label order.
func (s *Scored) frequent(n int) []int {
	labels := make([]int, len(s.Labels))
	for i := range labels {
		labels[i] = i
	}
	slices.SortStableFunc(labels, func(a, b int) int {
		return cmp.Compare(s.Metrics.PerLabel[b].Support, s.Metrics.PerLabel[a].Support)
	})
	labels = labels[:min(n, len(labels))]
	slices.Sort(labels)
	return labels
}
