package diagnosis

import (
	"fmt"

	"bertlabel/train/data"
)

// LabelRows names the labels that nothing can be learnt of: those that no row has, and those of which no row says anything.
func LabelRows(d *data.Dataset) []Finding {
	t := NewLabelTally(d.File, d.Labels)
	t.Add(d.Y, d.Shares)
	return t.Findings()
}

// LabelTally counts what rows say of each label, some rows after the other: LabelRows of rows that need not be in memory together.
type LabelTally struct {
	file   string
	labels *data.LabelList
	has    []bool // [labels], a row has the label, or a share of it
	known  []bool // [labels], a row says something of it
}

// NewLabelTally begins a tally of the rows of a file, or folder.
func NewLabelTally(file string, labels *data.LabelList) *LabelTally {
	return &LabelTally{file, labels, make([]bool, labels.Len()), make([]bool, labels.Len())}
}

// Add counts rows: their cells y, [rows, labels], and the shares that these count, of the same shape or nil.
func (t *LabelTally) Add(y []int8, shares []float32) {
	for i, cell := range y {
		l := i % t.labels.Len()
		t.has[l] = t.has[l] || cell == 1 || shares != nil && shares[i] > 0
		t.known[l] = t.known[l] || cell != data.Unknown
	}
}

// Findings returns what LabelRows would of all these rows.
func (t *LabelTally) Findings() (found []Finding) {
	var without, unknown []string
	for l, name := range t.labels.Names() {
		if !t.known[l] {
			unknown = append(unknown, name)
		} else if !t.has[l] {
			without = append(without, name)
		}
	}
	if len(without) > 0 {
		found = append(found, Finding{LabelsWithoutRows,
			fmt.Sprintf("%s: no row has %d of %d labels: %s", t.file, len(without), t.labels.Len(), listed(without)),
			"The model learns to deny them: find rows for these labels, or take them off the label list"})
	}
	if len(unknown) > 0 {
		found = append(found, Finding{LabelsWithoutRows,
			fmt.Sprintf("%s: no row says anything of %d of %d labels: %s", t.file, len(unknown), t.labels.Len(), listed(unknown)),
			"Their scores mean nothing: fill in the cells, or take them off the label list"})
	}
	return found
}
