package data

import "slices"

// Repeats counts the texts (with their second texts, byte for byte) that a data set has more than once.
type Repeats struct {
	Texts       int `json:"texts"`       // different texts that stand in more than one row
	Rows        int `json:"rows"`        // rows that repeat the text of an earlier row
	Conflicting int `json:"conflicting"` // of Texts, those whose rows differ in their labels
}

// Overlap counts the texts that two data sets share.
type Overlap struct {
	Texts        int // different texts in both
	RowsA, RowsB int // rows of each that have one of them
}

// textKey is what makes two rows the same text.
type textKey struct{ text, pair string }

func (d *Dataset) key(i int) textKey { return textKey{d.Texts[i], d.Pair(i)} }

// FindRepeats counts the repeated texts of a data set. Without labels none are conflicting.
func FindRepeats(d *Dataset) Repeats {
	type seen struct {
		row             int
		again, conflict bool
	}
	first := make(map[textKey]*seen, d.Rows())
	var r Repeats
	for i := range d.Rows() {
		s := first[d.key(i)]
		if s == nil {
			first[d.key(i)] = &seen{row: i}
			continue
		}
		r.Rows++
		if !s.again {
			s.again = true
			r.Texts++
		}
		if d.Labels != nil && !s.conflict && !slices.Equal(d.Row(i), d.Row(s.row)) {
			s.conflict = true
			r.Conflicting++
		}
	}
	return r
}

// FindOverlap counts the texts that a and b share.
func FindOverlap(a, b *Dataset) Overlap {
	rows := make(map[textKey]int, a.Rows()) // of a
	for i := range a.Rows() {
		rows[a.key(i)]++
	}
	var o Overlap
	counted := map[textKey]bool{}
	for i := range b.Rows() {
		key := b.key(i)
		if rows[key] == 0 {
			continue
		}
		o.RowsB++
		if !counted[key] {
			counted[key] = true
			o.Texts++
			o.RowsA += rows[key]
		}
	}
	return o
}
