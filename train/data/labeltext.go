package data

import (
	"slices"
	"strings"
)

// text takes the labels of a cell of a column of names: names with the separator between them, a list, or a word for nothing. line is
// where the row stands.
func (s *labelSet) text(cell, separator string, line int) error {
	if place, there := s.list.places[cell]; there && !s.gather {
		return s.put(place, hard(1))
	}
	cell = strings.TrimSpace(cell)
	if cell == "" {
		return nil
	}
	if s.isNothing(cell) {
		return s.nothing(cell)
	}
	if items, list, err := parseItems(cell); list {
		if err != nil {
			return err
		}
		return s.items(items, cell)
	}
	s.names = splitNames(s.names[:0], cell, separator)
	for _, name := range s.names {
		if err := s.add(name, hard(1)); err != nil {
			return err
		}
	}
	if s.joins != nil {
		s.joins.cell(slices.DeleteFunc(s.names, s.isNamed), line)
	}
	return nil
}

// isNamed reports whether the label list that was given has the name.
func (s *labelSet) isNamed(name string) bool {
	_, there := s.list.lookup(name)
	return there && !s.gather
}

// isNothing reports whether a word stands for a missing value, and for no label.
func (s *labelSet) isNothing(word string) bool { return nothing[word] && !s.isNamed(word) }

// nothing takes a word for nothing that stands where the labels of the row should.
func (s *labelSet) nothing(word string) error {
	switch s.missing {
	case UnknownMissing:
		s.unknown = true
		return nil
	case NoneMissing:
		return nil
	}
	return &RowError{Value: word, Found: "the word for nothing", Expected: "labels, or nothing at all where the row has none",
		Hint: "say what it means: `missing_labels` unknown, or `missing_labels` none; if it is a label, list the labels by `labels`"}
}

// cell reads a cell of a column of zeros and ones, or of shares.
func (s *labelSet) cell(text string) (value, error) {
	cell, ok := ParseCell(text)
	if ok {
		return hard(cell), nil
	}
	share, isShare := ParseShare(text)
	if isShare && s.takesShares() {
		return s.counts(share), nil
	}
	bad := &RowError{Value: cut(text), Found: "the value", Expected: s.wanted("nothing"),
		Hint: "write 0 or 1; if this column is no label, name those that are: `label_columns`, or `labels_column`"}
	if isShare {
		bad.Hint = shareHint + "; if this column is no label, name those that are: `label_columns`, or `labels_column`"
	}
	if nothing[strings.TrimSpace(text)] {
		switch s.missing {
		case UnknownMissing:
			return hard(Unknown), nil
		case NoneMissing:
			return hard(0), nil
		}
		bad.Hint = "leave the cell empty, or say what it means: `missing_labels` unknown, or `missing_labels` none"
	}
	return value{}, bad
}

// items takes the elements of a list in a cell: names, in quotes or all of them bare, or numbers.
func (s *labelSet) items(items []labelItem, cell string) error {
	var list []number
	for _, item := range items {
		n, is := s.parse(item.text, -1)
		switch {
		case item.quoted:
		case is:
			list = append(list, n)
		case strings.ContainsRune("+-.0123456789", rune(item.text[0])):
			bad := badList(cell, "the number "+cut(item.text)+" in the list")
			if _, share := ParseShare(item.text); share {
				bad.Hint = shareHint
			}
			return bad
		}
	}
	switch {
	case len(list) == 0:
		for _, item := range items {
			if err := s.add(item.text, hard(1)); err != nil {
				return err
			}
		}
		return nil
	case len(list) < len(items):
		return badList(cell, "names and numbers in one list:")
	}
	return s.numbers(list)
}
