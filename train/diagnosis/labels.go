package diagnosis

import (
	"fmt"

	"bertlabel/train/data"
)

// LabelRows names the labels that nothing can be learnt of: those that no row has, and those of which no row says anything.
func LabelRows(d *data.Dataset) (found []Finding) {
	var without, unknown []string
	for l := range d.Labels.Len() {
		switch positive, known := positives(d, l); {
		case known == 0:
			unknown = append(unknown, d.Labels.Name(l))
		case positive == 0 && !hasShares(d, l):
			without = append(without, d.Labels.Name(l))
		}
	}
	if len(without) > 0 {
		found = append(found, Finding{LabelsWithoutRows,
			fmt.Sprintf("%s: no row has %d of %d labels: %s", d.File, len(without), d.Labels.Len(),
				listed(without)), "The model learns to deny them: find rows for these labels, or take them off the label list"})
	}
	if len(unknown) > 0 {
		found = append(found, Finding{LabelsWithoutRows,
			fmt.Sprintf("%s: no row says anything of %d of %d labels: %s", d.File, len(unknown),
				d.Labels.Len(), listed(unknown)), "Their scores mean nothing: fill in the cells, or take them off the label list"})
	}
	return found
}

// hasShares reports whether a row gives a label a share above 0, although none counts.
func hasShares(d *data.Dataset, label int) bool {
	for i := label; i < len(d.Shares); i += d.Labels.Len() {
		if d.Shares[i] > 0 {
			return true
		}
	}
	return false
}
