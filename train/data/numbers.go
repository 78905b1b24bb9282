package data

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Lists of numbers say labels in two ways: one 0/1 cell for each label, or the places of the row's labels in the list. One row of three
// labels or more can be one of the two only; which of them it is holds for the whole file. With one or two labels a row such as [0, 1]
// can be both, and the other rows decide: all lists of the file are cells only if every row has one number for each label.

// number is an element of such a list.
type number struct {
	word string
	value
	at int // its byte in the line, from 0, or -1
}

// value is what a cell says: 0, 1, Unknown or, of a number that is none such as 27, noCell; and with Options.SoftLabels the share.
type value struct {
	cell  int8
	share float32 // that it was read from; else 1 where cell is, and 0
}

// noCell is the cell of a number that is none, such as 27.
const noCell int8 = 2

// hard is the value of a cell that is no share.
func hard(cell int8) value {
	if cell == 1 {
		return value{1, 1}
	}
	return value{cell, 0}
}

// isIndex reports whether the number can be the place of a label.
func (n number) isIndex() bool { return allDigits(n.word) }

// parseNumber reads an element as Python, numpy and JSON print it.
func parseNumber(word string, at int) (number, bool) {
	if word == "null" || nothing[word] {
		return number{word, hard(Unknown), at}, true
	}
	if cell, ok := ParseCell(word); ok && word != "" {
		return number{word, hard(cell), at}, true
	}
	return number{word, hard(noCell), at}, allDigits(word)
}

func isNumberWord(word string) bool {
	_, ok := parseNumber(word, -1)
	_, share := ParseShare(word)
	return ok || share
}

// ParseShare reads a number between 0 and 1, such as the share of annotators that saw a label. White space round it does not count.
func ParseShare(word string) (share float64, ok bool) {
	word = strings.TrimSpace(word)
	if strings.Trim(word, "0123456789.eE-+") != "" {
		return 0, false
	}
	share, err := strconv.ParseFloat(word, 64)
	return share, err == nil && share >= 0 && share <= 1
}

// parse is parseNumber, and reads a share by Options.Binarize and SoftLabels.
func (s *labelSet) parse(word string, at int) (number, bool) {
	n, ok := parseNumber(word, at)
	if share, is := ParseShare(word); is && s.takesShares() && (!ok || n.cell == noCell) {
		return number{word, s.counts(share), at}, true
	}
	return n, ok
}

// takesShares reports whether a number between 0 and 1 is a cell.
func (s *labelSet) takesShares() bool { return s.binarize > 0 || s.soft }

// wanted says what a cell may be; unknown is how an unknown one is written.
func (s *labelSet) wanted(unknown string) string {
	if s.takesShares() {
		return "0, 1, a number between them or " + unknown + " (unknown)"
	}
	return "0, 1 or " + unknown + " (unknown)"
}

// counts returns what a share says: 1 from Options.Binarize on, with SoftLabels alone from a half.
func (s *labelSet) counts(share float64) value {
	v := hard(0)
	if share >= cmp.Or(s.binarize, 0.5) {
		v = hard(1)
	}
	if s.soft {
		v.share = float32(share)
	}
	return v
}

// way is how the lists of numbers of a file are read.
type way int8

const (
	undecided way = iota
	asCells
	asIndices
)

// numbers takes a row's list of numbers.
func (s *labelSet) numbers(list []number) error {
	if len(list) == 1 && list[0].cell == Unknown && (s.gather || s.list.Len() != 1) {
		return s.nothing(list[0].word)
	}
	if s.gather {
		if i := slices.IndexFunc(list, func(n number) bool { return n.cell == noCell }); i >= 0 {
			bad := list[i].fault(s)
			bad.Hint = "write 0 or 1; places in a list of labels need that list: give it by `labels`, or write the names"
			return bad
		}
		if err := s.number(len(list)); err != nil {
			return err
		}
		s.madeUp = true
	}
	cells := len(list) == s.list.Len() && !slices.ContainsFunc(list, func(n number) bool { return n.cell == noCell })
	indices := !s.madeUp && (!cells || len(list) <= 2) && areIndices(list, s.list.Len())
	switch {
	case cells && indices && s.way == undecided && s.whole:
		s.either = s.either[:0]
		for _, n := range list {
			s.either = append(s.either, n.cell)
		}
		return nil
	case cells && (!indices || s.way != asIndices):
		return s.asCells(list)
	case indices:
		return s.asIndices(list)
	}
	return s.misfit(list)
}

// areIndices reports whether all are places, each there once. In a list of one label 1 is no place.
func areIndices(list []number, labels int) bool {
	if labels == 1 && list[0].cell == 1 {
		return false
	}
	seen := make(map[string]bool, len(list))
	for _, n := range list {
		if !n.isIndex() || seen[n.word] {
			return false
		}
		seen[n.word] = true
	}
	return true
}

func (s *labelSet) asCells(list []number) error {
	if s.way == asIndices {
		return &RowError{Found: "0, 1 or null for each label", Expected: "the places of labels, as in the rows before",
			Hint: "write all rows in one way"}
	}
	s.way = asCells
	for place, n := range list {
		if err := s.put(place, n.value); err != nil {
			return err
		}
	}
	return nil
}

func (s *labelSet) asIndices(list []number) error {
	if s.way == asCells {
		return s.misfit(list)
	}
	for _, n := range list {
		if err := s.add(n.word, hard(1)); err != nil {
			return atNumber(err, n)
		}
	}
	s.way = asIndices
	return nil
}

// misfit says why a list is neither cells nor places.
func (s *labelSet) misfit(list []number) error {
	if len(list) == s.list.Len() {
		if i := slices.IndexFunc(list, func(n number) bool { return n.cell == noCell }); i >= 0 {
			return list[i].fault(s)
		}
	}
	return s.wrongLength(len(list))
}

// fault says that a number is no cell.
func (n number) fault(s *labelSet) *RowError {
	bad := &RowError{Found: "the number " + cut(n.word), Expected: s.wanted("null"), Hint: "write 0 or 1"}
	atNumber(bad, n)
	return bad
}

// atNumber adds the byte of a number to a fault.
func atNumber(err error, n number) error {
	if bad, ok := err.(*RowError); ok && n.at >= 0 {
		bad.Byte = n.at + 1
	}
	return err
}

// decide settles how the rows that could be both are read: as cells only if no row has anything else.
func (s *labelSet) decide(rows, all int) way {
	switch {
	case s.way != undecided:
		return s.way
	case rows == all || s.madeUp:
		return asCells
	}
	return asIndices
}

// eitherNote says how lists that could be both were read.
func (s *labelSet) eitherNote(w way) Note {
	if w == asCells {
		return Note{fmt.Sprintf("every row has a list of %d numbers, which were read as 0 or 1 for each label; they could be places in the list "+
			"of labels, too", s.list.Len()), "If they are places, write the names of the labels"}
	}
	return Note{"the lists of numbers were read as places in the list of labels",
		"If they are 0 or 1 for each label, give every row as many as there are labels"}
}
