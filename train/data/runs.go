package data

import "math"

// LabelRuns compares the runs of one label with those of a shuffled file (Wald and Wolfowitz 1940, "On a test whether two samples
// are from the same population"). A run is a longest stretch of rows that all have the label, or all lack it; a file that is
// sorted by label has few long ones. Rows where the label is unknown are passed over.
type LabelRuns struct {
	Name     string  `json:"name"`
	Runs     int     `json:"runs"`
	Expected float64 `json:"expected"` // the mean over all orders of the rows
	Z        float64 `json:"z"`        // (Runs − Expected) in standard deviations over all orders; 0 where there is but one
	InRuns   bool    `json:"in_runs"`
}

// A label comes in runs when there are less than half as many as expected, and when chance as good as never does that: five
// standard deviations, of a label on which the normal approximation holds because it has ten cells of each class.
const (
	fewRuns      = 0.5
	fewRunsZ     = -5
	fewRunsCells = 10
)

// FindRuns counts the runs of every label, in the order of the label list.
func FindRuns(d *Dataset) []LabelRuns {
	type sequence struct {
		runs int
		n    [2]int // cells that are 0, and 1
		last int8
	}
	labels := make([]sequence, d.Labels.Len())
	for i := range d.Rows() {
		for j, y := range d.Row(i) {
			s := &labels[j]
			if y == Unknown {
				continue
			}
			if s.n[0]+s.n[1] == 0 || y != s.last {
				s.runs++
			}
			s.last = y
			s.n[y]++
		}
	}
	found := make([]LabelRuns, len(labels))
	for j, s := range labels {
		mean, deviation := expectedRuns(s.n[0], s.n[1])
		r := LabelRuns{Name: d.Labels.Name(j), Runs: s.runs, Expected: mean}
		if deviation > 0 {
			r.Z = (float64(s.runs) - mean) / deviation
		}
		r.InRuns = min(s.n[0], s.n[1]) >= fewRunsCells && float64(s.runs) < fewRuns*mean && r.Z < fewRunsZ
		found[j] = r
	}
	return found
}

// expectedRuns returns the mean and the standard deviation of the number of runs over all orders of a zeros and b ones.
func expectedRuns(a, b int) (mean, deviation float64) {
	if a == 0 || b == 0 {
		return float64(min(a+b, 1)), 0
	}
	n, ab := float64(a+b), float64(a)*float64(b)
	mean = 2*ab/n + 1
	return mean, math.Sqrt((mean - 1) * (mean - 2) / (n - 1))
}
