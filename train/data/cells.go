package data

import (
	"fmt"
	"math"
	"slices"
)

// Classes returns how many rows say 0 for a label, and how many 1; label is its place in the list. No row says anything of a place that
// is not in the list.
func (d *Dataset) Classes(label int) (n [2]int) {
	c := d.Labels.Len()
	if label < 0 || label >= c {
		return n
	}
	for i := label; i < len(d.Y); i += c {
		if d.Y[i] != Unknown {
			n[d.Y[i]]++
		}
	}
	return n
}

// CheckClasses refuses a data set, with a *RowError, unless its rows say both 1 and 0 of each label.
func (d *Dataset) CheckClasses() error {
	for l, label := range d.Labels.Names() {
		if n := d.Classes(l); n[0] == 0 || n[1] == 0 {
			return &RowError{File: d.File, Column: label, Found: fmt.Sprintf("%d rows that say 1 and %d that say 0", n[1], n[0]),
				Expected: "some of both"}
		}
	}
	return nil
}

// ExactlyOne reports whether every row has exactly one of two labels or more, and no cell is unknown: the labels may exclude each other. Of
// soft labels it asks that the shares of a row add up to 1, but for what three shares lose that are written with two digits.
func (d *Dataset) ExactlyOne() bool {
	return d.Labels != nil && ExactlyOne(d.Y, d.Shares, d.Labels.Len())
}

// ExactlyOne is Dataset.ExactlyOne for cells y and shares, nil for none, both [rows, labels].
func ExactlyOne(y []int8, shares []float32, labels int) bool {
	if labels < 2 || len(y) == 0 {
		return false
	}
	for ; len(y) > 0; y = y[labels:] {
		ones, sum := 0, 0.0
		for l, cell := range y[:labels] {
			if cell == Unknown {
				return false
			}
			if ones += int(cell); shares != nil {
				sum += float64(shares[l])
			}
		}
		if shares != nil {
			if !(math.Abs(sum-1) <= 0.015) {
				return false
			}
			shares = shares[labels:]
		} else if ones != 1 {
			return false
		}
	}
	return true
}

// Columns returns the data set with the given labels only, in that order. Texts and all that is not of labels are shared with d. The
// error names a label that d lacks.
func (d *Dataset) Columns(names ...string) (*Dataset, error) {
	list, err := NewLabelList(names, "the columns")
	if err != nil {
		return nil, err
	}
	if d.Labels == nil {
		return nil, fmt.Errorf("%s was read without its labels", d.File)
	}
	places := make([]int, len(names))
	for i, name := range names {
		place, found := d.Labels.Index(name)
		if !found {
			return nil, fmt.Errorf("%s: no label %q", d.File, name)
		}
		places[i] = place
	}
	part := *d
	part.Labels, part.Y, part.Shares = list, make([]int8, 0, d.Rows()*len(names)), nil
	for i := range d.Rows() {
		row := d.Row(i)
		for _, place := range places {
			part.Y = append(part.Y, row[place])
			if d.Shares != nil {
				part.Shares = append(part.Shares, d.Shares[i*len(row)+place])
			}
		}
	}
	return &part, nil
}

// AnyOf returns the data set with one label, called name: 1 where a label of d is, 0 where all are, else unknown. It has no Shares: that of
// any of several labels does not follow from theirs. Texts and all that is not of labels are shared with d.
func (d *Dataset) AnyOf(name string) (*Dataset, error) {
	list, err := NewLabelList([]string{name}, "the label")
	if err != nil {
		return nil, err
	}
	if d.Labels == nil {
		return nil, fmt.Errorf("%s was read without its labels", d.File)
	}
	merged := *d
	merged.Labels, merged.Y, merged.Shares = list, make([]int8, 0, d.Rows()), nil
	for i := range d.Rows() {
		row := d.Row(i)
		cell := slices.Max(row)
		if cell == 0 && slices.Contains(row, Unknown) {
			cell = Unknown
		}
		merged.Y = append(merged.Y, cell)
	}
	return &merged, nil
}

// Known returns the rows that say something of one of the labels, in their order.
func (d *Dataset) Known() *Dataset {
	var known []int
	for i := range d.Rows() {
		if slices.Max(d.Row(i)) != Unknown {
			known = append(known, i)
		}
	}
	return d.Select(known)
}

// keep appends element i of a list that may be nil.
func keep(to *[]string, from []string, i int) {
	if from != nil {
		*to = append(*to, from[i])
	}
}
