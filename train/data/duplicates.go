package data

import (
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Repeats counts the texts (with their second texts, byte for byte) that a data set has more than once.
type Repeats struct {
	Texts       int `json:"texts"`       // different texts that stand in more than one row
	Rows        int `json:"rows"`        // rows that repeat the text of an earlier row
	Similar     int `json:"similar"`     // rows that do so when case, white space and Unicode form do not count; Rows are among them
	Conflicting int `json:"conflicting"` // of Texts, those whose rows differ in their labels
	// FirstConflict are the lines of the first two rows that differ so; zeros when none do.
	FirstConflict [2]int `json:"first_conflict"`
}

// Overlap counts the texts that two data sets share.
type Overlap struct {
	Texts        int // different texts in both, byte for byte
	RowsA, RowsB int // rows of each that have one of them
}

// textKey is what makes two rows the same text.
type textKey struct{ text, pair string }

func (d *Dataset) key(i int) textKey { return textKey{d.Texts[i], d.Pair(i)} }

// similarKey is the same for texts that a reader would call the same.
func (d *Dataset) similarKey(i int) textKey {
	return textKey{Normalize(d.Texts[i]), Normalize(d.Pair(i))}
}

// Normalize returns a text in lower case, in Unicode's normalisation form KC, with one space for each stretch of white space and
// none at the ends. Two texts with the same result are one text to a reader, and nearly so to an uncased model.
func Normalize(text string) string {
	return strings.Join(strings.Fields(strings.ToLower(norm.NFKC.String(text))), " ")
}

// Groups numbers the texts: rows have the same number when theirs are the same but for what Normalize takes away, from 0 in the
// order of the first rows.
func Groups(d *Dataset) (group []int, groups int) {
	numbers := make(map[textKey]int, d.Rows())
	group = make([]int, d.Rows())
	for i := range group {
		key := d.similarKey(i)
		n, there := numbers[key]
		if !there {
			n = groups
			numbers[key] = n
			groups++
		}
		group[i] = n
	}
	return group, groups
}

// FindRepeats counts the repeated texts of a data set, all but Similar. Without labels none are conflicting.
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
			if r.Conflicting == 1 {
				r.FirstConflict = [2]int{d.Line(s.row), d.Line(i)}
			}
		}
	}
	return r
}

// similarRepeats counts the rows whose text is in an earlier row, too, when case, white space and Unicode form do not count.
func similarRepeats(d *Dataset) int {
	_, groups := Groups(d)
	return d.Rows() - groups
}

// FindSimilar counts the rows of b whose text is in a, too, when case, white space and Unicode form do not count.
func FindSimilar(a, b *Dataset) (rows int) {
	there := make(map[textKey]bool, a.Rows())
	for i := range a.Rows() {
		there[a.similarKey(i)] = true
	}
	for i := range b.Rows() {
		if there[b.similarKey(i)] {
			rows++
		}
	}
	return rows
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
