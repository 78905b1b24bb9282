package data

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strings"
)

// Summary describes a data set in numbers.
type Summary struct {
	File             string         `json:"file"`
	SHA256           string         `json:"sha256"`
	Rows             int            `json:"rows"`
	BadRows          int            `json:"bad_rows"`
	InvalidUTF8      int            `json:"invalid_utf8"` // rows
	EmptyTexts       int            `json:"empty_texts"`  // rows whose text and second text hold white space at most
	Duplicates       Repeats        `json:"duplicates"`
	Labels           []LabelCount   `json:"labels"`
	WithoutPositives []string       `json:"labels_without_positives"`
	Runs             []LabelRuns    `json:"label_runs"`
	UnknownLabels    []UnknownLabel `json:"unknown_labels"` // names that the label list lacks
	LabelsPerRow     []int          `json:"labels_per_row"` // [k] is the number of rows with k labels
	CoOccurrence     []LabelPair    `json:"co_occurrence"`  // the most frequent first
}

// LabelCount counts the rows of one label.
type LabelCount struct {
	Name     string `json:"name"`
	Positive int    `json:"positive"`
	Unknown  int    `json:"unknown"`
	// With Options.SoftLabels: cells between 0 and 1, and the mean share of all known cells, 0 and 1 among them.
	Shares    int     `json:"shares,omitempty"`
	MeanShare float64 `json:"mean_share,omitempty"`
}

// LabelPair counts the rows that have two labels.
type LabelPair struct {
	Labels [2]string `json:"labels"`
	Rows   int       `json:"rows"`
}

// pairedLabels is the number of labels whose pairs are counted, the most frequent ones: their table has 16 MB.
const pairedLabels = 2000

// Summarize counts a data set with labels.
func Summarize(d *Dataset) *Summary {
	s := &Summary{File: d.File, SHA256: hex.EncodeToString(d.SHA256[:]), Rows: d.Rows(), BadRows: d.Stats.Bad,
		InvalidUTF8: d.Stats.InvalidUTF8,
		Duplicates:  FindRepeats(d), UnknownLabels: append([]UnknownLabel{}, d.Dropped...), WithoutPositives: []string{}, Runs: FindRuns(d)}
	s.Duplicates.Similar = similarRepeats(d)
	for i, text := range d.Texts {
		if strings.TrimSpace(text+d.Pair(i)) == "" {
			s.EmptyTexts++
		}
	}
	s.countLabels(d)
	s.countPairs(d)
	return s
}

// countLabels sets Labels, WithoutPositives and LabelsPerRow.
func (s *Summary) countLabels(d *Dataset) {
	s.Labels = make([]LabelCount, d.Labels.Len())
	for i := range s.Labels {
		s.Labels[i].Name = d.Labels.Name(i)
	}
	for i := range d.Rows() {
		n := 0
		for label, y := range d.Row(i) {
			switch y {
			case 1:
				s.Labels[label].Positive++
				n++
			case Unknown:
				s.Labels[label].Unknown++
			}
		}
		for len(s.LabelsPerRow) <= n {
			s.LabelsPerRow = append(s.LabelsPerRow, 0)
		}
		s.LabelsPerRow[n]++
	}
	s.countShares(d)
	for _, l := range s.Labels {
		if l.Positive == 0 && l.Shares == 0 {
			s.WithoutPositives = append(s.WithoutPositives, l.Name)
		}
	}
}

// countShares sets Shares and MeanShare of the labels.
func (s *Summary) countShares(d *Dataset) {
	for i, share := range d.Shares {
		l := &s.Labels[i%len(s.Labels)]
		l.MeanShare += float64(share)
		if share > 0 && share < 1 {
			l.Shares++
		}
	}
	for i := range s.Labels {
		s.Labels[i].MeanShare /= float64(max(1, d.Rows()-s.Labels[i].Unknown))
	}
}

// countPairs sets CoOccurrence.
func (s *Summary) countPairs(d *Dataset) {
	labels := make([]int, len(s.Labels)) // the frequent ones, in the order of the list
	for i := range labels {
		labels[i] = i
	}
	slices.SortStableFunc(labels, func(a, b int) int { return s.Labels[b].Positive - s.Labels[a].Positive })
	labels = labels[:min(len(labels), pairedLabels)]
	slices.Sort(labels)

	n := len(labels)
	counts := make([]int32, n*n) // [n, n], above the diagonal
	var present []int            // places in labels
	for i := range d.Rows() {
		present = present[:0]
		row := d.Row(i)
		for k, label := range labels {
			if row[label] == 1 {
				present = append(present, k)
			}
		}
		for i, a := range present {
			for _, b := range present[i+1:] {
				counts[a*n+b]++
			}
		}
	}
	s.CoOccurrence = []LabelPair{}
	for at, rows := range counts {
		if rows > 0 {
			a, b := labels[at/n], labels[at%n]
			s.CoOccurrence = append(s.CoOccurrence, LabelPair{[2]string{s.Labels[a].Name, s.Labels[b].Name}, int(rows)})
		}
	}
	slices.SortStableFunc(s.CoOccurrence, func(a, b LabelPair) int { return cmp.Compare(b.Rows, a.Rows) })
}
