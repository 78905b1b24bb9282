package data

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Unknown is the label cell that is left out of the loss and of every metric. The others are 0 and 1.
const Unknown int8 = -1

// LabelList is the list of label names. Its order is the order of the outputs. It does not change once it is made.
type LabelList struct {
	names  []string
	places map[string]int
	from   string         // the file it is from, for messages; may be empty
	spaced map[string]int // the places of all names without the white space round them; nil when none has any
}

// NewLabelList checks and takes names: at least one, each not blank, valid UTF-8, on one line, and there only once.
// from is the file that messages name, or "".
func NewLabelList(names []string, from string) (*LabelList, error) {
	l := &LabelList{places: make(map[string]int, len(names)), from: from}
	for _, name := range names {
		if err := l.grow(name); err != nil {
			if row := new(RowError); errors.As(err, &row) {
				row.File = from
			}
			return nil, err
		}
	}
	if len(names) == 0 {
		return nil, &RowError{File: from, Found: "no label", Expected: "at least one label"}
	}
	if slices.ContainsFunc(names, func(name string) bool { return strings.TrimSpace(name) != name }) {
		l.spaced = make(map[string]int, len(names))
		for i, name := range slices.Backward(names) {
			l.spaced[strings.TrimSpace(name)] = i
		}
	}
	return l, nil
}

// ReadLabels reads a label list, one name a line, with the errors of NewLabelList at their lines. White space round a name is no part
// of it.
func ReadLabels(path string) (*LabelList, error) {
	src, err := openSource(path)
	if err != nil {
		return nil, err
	}
	defer src.close()
	return readLabels(src)
}

func readLabels(src *source) (*LabelList, error) {
	l := &LabelList{places: map[string]int{}, from: src.name}
	lines := newLines(src.text)
	for {
		line, err := lines.single()
		if err == nil {
			err = l.grow(strings.TrimSpace(string(line)))
		}
		switch bad, ok := err.(*RowError); {
		case err == io.EOF && l.Len() > 0:
			return l, nil
		case err == io.EOF:
			return nil, &RowError{File: src.name, Line: 1, Found: "no label", Expected: "one label a line"}
		case ok:
			bad.File, bad.Line = src.name, lines.first
			return nil, bad
		case err != nil:
			return nil, src.fault(err, lines.first)
		}
	}
}

// grow adds a name at the end.
func (l *LabelList) grow(name string) error {
	fault := func(found, hint string) error {
		return &RowError{Value: cut(name), Found: found, Expected: "a label name of its own", Hint: hint}
	}
	place, there := l.places[name]
	switch {
	case strings.TrimSpace(name) == "":
		return fault("a blank label name", "take the blank line or name away")
	case !utf8.ValidString(name):
		return fault("a label name that is not valid UTF-8", "save the file as UTF-8")
	case strings.ContainsAny(name, "\r\n"):
		return fault("a label name with a line break", "write the name on one line")
	case len(l.names) == MaxLabels:
		return &RowError{Found: fmt.Sprintf("more than %d labels", MaxLabels), Expected: "at most that",
			Hint: "check that this is the column of the labels"}
	case there:
		return fault(fmt.Sprintf("label %d again:", place+1), "keep one of the two")
	}
	l.places[name] = len(l.names)
	l.names = append(l.names, name)
	return nil
}

// Len is the number of labels, C.
func (l *LabelList) Len() int { return len(l.names) }

// Names returns a copy of the names in order.
func (l *LabelList) Names() []string { return slices.Clone(l.names) }

// Name returns the name of label i, from 0.
func (l *LabelList) Name(i int) string { return l.names[i] }

// Index returns the place of a name, from 0.
func (l *LabelList) Index(name string) (int, bool) {
	i, ok := l.places[name]
	return i, ok
}

// lookup is Index for a name as data have it: white space round it, or round the list's own name, does not count.
func (l *LabelList) lookup(name string) (int, bool) {
	if i, ok := l.places[name]; ok {
		return i, true
	}
	if name = strings.TrimSpace(name); l.spaced == nil {
		i, ok := l.places[name]
		return i, ok
	}
	i, ok := l.spaced[name]
	return i, ok
}

// Near returns the name that is spelt most like this one, or "".
func (l *LabelList) Near(name string) string { return nearest(name, l.names) }

// String describes the list for a message: "one of the 28 labels of labels.txt".
func (l *LabelList) String() string {
	s := "one of the " + strconv.Itoa(l.Len()) + " labels"
	if l.from != "" {
		s += " of " + l.from
	}
	return s
}

// LookAlikes returns the groups of names that differ only in case, spaces, '_' and '-': probably one label spelt in several ways.
func (l *LabelList) LookAlikes() [][]string {
	groups := map[string][]string{}
	var order []string
	for _, name := range l.names {
		key := string(fold(name))
		if len(groups[key]) == 1 {
			order = append(order, key)
		}
		groups[key] = append(groups[key], name)
	}
	var alike [][]string
	for _, key := range order {
		alike = append(alike, groups[key])
	}
	return alike
}

// sorted returns the list in the order of its names' bytes, and for each place of l the place there.
func (l *LabelList) sorted() (*LabelList, []int) {
	s := &LabelList{names: slices.Sorted(slices.Values(l.names)), places: make(map[string]int, l.Len()), from: l.from}
	to := make([]int, l.Len())
	for place, name := range s.names {
		s.places[name] = place
		to[l.places[name]] = place
	}
	return s, to
}

// allDigits reports whether every name is a number. A number that is not among them is then no index, but an unknown name.
func (l *LabelList) allDigits() bool {
	return !slices.ContainsFunc(l.names, func(name string) bool { return !allDigits(name) })
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// cell is one label of one row that is not 0.
type cell struct {
	label int
	value
}

// labelSet collects the labels of one row after the other, as the cells that are not 0.
type labelSet struct {
	list    *LabelList
	gather  bool   // a name that the list lacks joins it
	ordered bool   // the gathered list has an order of its own (a header's) and is not sorted
	tally   bool   // a name that the list lacks is put into missed; else it makes the row bad
	column  string // where the names stand, for messages

	missing  MissingLabels
	binarize float64         // Options.Binarize
	soft     bool            // Options.SoftLabels
	whole    bool            // the file is read whole: what single rows leave open is decided behind the last
	madeUp   bool            // the list has numbers for names
	way      way             // how lists of numbers are read
	joins    *separatorCheck // nil where names are not separated

	names   []string // of the cell that was read last
	cells   []cell
	missed  []string // of this row
	unknown bool     // nothing is known of the labels of this row but what is in cells
	either  []int8   // a list of this row that is cells or places; decide tells which
	rowOf   []int    // the last row that named the label, to see a label named twice
	row     int
	kept    int // names in the list that good rows have put there
}

// newLabelSet reads labels of the given list, or gathers one when it is nil.
func newLabelSet(list *LabelList) *labelSet {
	if list == nil {
		return &labelSet{list: &LabelList{places: map[string]int{}}, gather: true, column: "labels"}
	}
	return &labelSet{list: list, column: "labels"}
}

// begin forgets the labels of the row before.
func (s *labelSet) begin() {
	s.row++
	s.cells, s.missed, s.either, s.unknown = s.cells[:0], s.missed[:0], s.either[:0], false
}

// undo takes out of a gathered list what a bad row has put in, unlike keep.
func (s *labelSet) undo() {
	if !s.gather {
		return
	}
	for _, name := range s.list.names[s.kept:] {
		delete(s.list.places, name)
	}
	s.list.names = s.list.names[:s.kept]
}

func (s *labelSet) keep() { s.kept = s.list.Len() }

// place returns the place of a label given by its name, or, when that is a number and no name, by its index from 0; -1 when
// the list lacks it. Errors are *RowError without a place in the file.
func (s *labelSet) place(name string) (int, error) {
	if !s.gather {
		if place, ok := s.list.lookup(name); ok {
			return place, nil
		}
	} else if place, ok := s.list.places[name]; ok {
		return place, nil
	} else if strings.TrimSpace(name) == "" {
		return -1, nil // add says what is wrong with it
	} else {
		err := s.list.grow(name)
		return s.list.Len() - 1, err
	}
	if !allDigits(name) || s.list.allDigits() {
		return -1, nil
	}
	i, err := strconv.Atoi(name)
	if err != nil || i >= s.list.Len() {
		return -1, &RowError{Value: cut(name), Found: "the label index", Expected: fmt.Sprintf("an index from 0 to %d, or a "+
			"name of the list", s.list.Len()-1),
			Hint: "check that the label list is the one that the file was made with"}
	}
	return i, nil
}

// add takes a label of the row.
func (s *labelSet) add(name string, v value) error {
	place, err := s.place(name)
	if err != nil {
		return err
	}
	if place < 0 {
		return s.miss(name)
	}
	return s.put(place, v)
}

// miss deals with a name that the list lacks.
func (s *labelSet) miss(name string) error {
	if strings.TrimSpace(name) == "" {
		expected := s.list.String()
		if s.gather {
			expected = "a name"
		}
		return &RowError{Found: "an empty label name", Expected: expected,
			Hint: "take the surplus separator or the empty name away; no label at all is an empty field"}
	}
	if s.tally {
		s.missed = append(s.missed, name)
		return nil
	}
	hint := "correct it, or add it to the label list"
	if near := s.list.Near(name); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	for _, separator := range separators {
		if s.joins != nil && joins(name, separator, s.list) {
			hint = "give `label_separator` " + separatorWord(separator)
		}
	}
	return &RowError{Value: cut(name), Found: "the unknown label", Expected: s.list.String(), Hint: hint}
}

// put takes a label by its place in the list.
func (s *labelSet) put(place int, v value) error {
	for len(s.rowOf) <= place {
		s.rowOf = append(s.rowOf, 0)
	}
	if s.rowOf[place] == s.row {
		return &RowError{Value: cut(s.list.names[place]), Found: "twice the label", Expected: "each label once a row",
			Hint: "take one away"}
	}
	s.rowOf[place] = s.row
	if v != hard(0) {
		s.cells = append(s.cells, cell{place, v})
	}
	return nil
}

// number names the labels of a file that has only lists of n zeros and ones: "0", "1", … in this order.
func (s *labelSet) number(n int) error {
	if s.gather && s.list.Len() == 0 && n > 0 {
		for i := range n {
			if err := s.list.grow(strconv.Itoa(i)); err != nil {
				return err
			}
		}
		s.gather, s.ordered = false, true
	}
	if n != s.list.Len() || s.gather {
		return s.wrongLength(n)
	}
	return nil
}

// wrongLength refuses a list of n numbers.
func (s *labelSet) wrongLength(n int) error {
	return &RowError{Found: fmt.Sprintf("a list of %d numbers", n),
		Expected: fmt.Sprintf("0, 1 or null for each of the %d labels", s.list.Len()),
		Hint:     "give the label list by `labels`, or write the names of the labels"}
}

// dense writes the row as one cell per label, 1, 0 or Unknown, into dst, which it grows to [C].
func (s *labelSet) dense(dst []int8) []int8 {
	n := s.list.Len()
	dst = slices.Grow(dst[:0], n)[:n]
	clear(dst)
	if s.unknown {
		allUnknown(dst)
	}
	for _, c := range s.cells {
		dst[c.label] = c.cell
	}
	return dst
}

// denseShares is dense for the shares, with 0 where the cell is Unknown.
func (s *labelSet) denseShares(dst []float32) []float32 {
	n := s.list.Len()
	dst = slices.Grow(dst[:0], n)[:n]
	clear(dst)
	for _, c := range s.cells {
		dst[c.label] = c.share
	}
	return dst
}

// allUnknown sets all cells of a row.
func allUnknown(row []int8) {
	for i := range row {
		row[i] = Unknown
	}
}
