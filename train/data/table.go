package data

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// tableRows gives the fields of CSV and TSV rows their meaning.
type tableRows struct {
	records records
	options *Options
	lines   *lines
	set     *labelSet // nil: labels are not looked at

	header   []string       // nil without a header
	byHeader map[string]int // the column of each name, from 0
	width    int            // fields of every row; 0 until it is known
	text     int            // column of the text, from 0; as the others -1 when there is none
	pair     int
	id       int
	names    int   // labels by name
	columns  []int // labels as 0 and 1
	places   []int // columns[i] is label places[i]
	unnamed  []int // labels that `label_columns` leaves out: unknown in every row
	counter  counter
}

func newTableRows(o *Options, l *lines, set *labelSet) *tableRows {
	t := &tableRows{options: o, lines: l, set: set, pair: -1, id: -1, names: -1}
	if o.Format == TSV {
		t.records = &tsvRecords{lines: l, delimiter: o.Delimiter[0]}
	} else {
		t.records = &csvRecords{lines: l, delimiter: o.Delimiter[0]}
	}
	return t
}

// start reads the header, if there is one.
func (t *tableRows) start() error {
	if t.options.NoHeader {
		return nil
	}
	fields, err := t.records.next()
	for err == nil && t.blank() {
		fields, err = t.records.next()
	}
	if err != nil {
		return fatal(t.named(err))
	}
	t.byHeader = make(map[string]int, len(fields))
	for i, f := range fields {
		name := strings.TrimSpace(string(f))
		if first, twice := t.byHeader[name]; twice && name != "" {
			return fatal(&RowError{Column: name, Found: fmt.Sprintf("two columns of one name, %d and %d", first+1, i+1),
				Expected: "a name of its own for each column", Hint: "rename one of them"})
		}
		t.byHeader[name] = i
		t.header = append(t.header, name)
	}
	return t.resolve(len(fields))
}

// fatal marks a fault after which no row can be understood.
func fatal(err error) error {
	if bad, ok := err.(*RowError); ok {
		bad.fatal = true
	}
	return err
}

// next reads a row into ex and the label set.
func (t *tableRows) next(ex *Example) error {
	fields, err := t.row()
	if err != nil {
		if t.id >= 0 && t.id < min(t.text, len(fields)) { // no field before it is too many or missing: it is the row's own
			ex.ID, ex.HasID = t.optional(fields, t.id)
		}
		return err
	}
	if t.repeatsHeader(fields) {
		return &RowError{Found: "the header again:", Value: cut(list(t.header)), Expected: "a row",
			Hint: "take the line away, as where files were joined with their headers, or leave it out: `on_bad_row` skip"}
	}
	ex.ID, ex.HasID = t.optional(fields, t.id)
	ex.Text = string(fields[t.text])
	ex.Pair, ex.HasPair = t.optional(fields, t.pair)
	if t.set == nil {
		return nil
	}
	t.set.begin()
	if t.names >= 0 {
		return t.at(t.set.text(string(fields[t.names]), t.options.LabelSeparator, t.lines.first), t.names)
	}
	if err := t.counter.check(fields[0]); err != nil {
		return err
	}
	return t.byCell(fields)
}

// repeatsHeader reports whether a row is the header once more. In a file of one column it may be a text.
func (t *tableRows) repeatsHeader(fields [][]byte) bool {
	if len(t.header) < 2 {
		return false
	}
	for i, name := range t.header {
		if string(bytes.TrimSpace(fields[i])) != name {
			return false
		}
	}
	return true
}

// row returns the fields of the next row, as many as there are columns, or with an error what fields it has.
func (t *tableRows) row() ([][]byte, error) {
	for {
		fields, err := t.records.next()
		if err != nil {
			return nil, t.named(err)
		}
		if t.width != 1 && t.blank() {
			continue
		}
		if t.width == 0 {
			if err := t.resolve(len(fields)); err != nil {
				return nil, err
			}
		}
		if len(fields) != t.width {
			return fields, t.wrongCount(len(fields))
		}
		return fields, nil
	}
}

// blank reports whether the row just read is a line with nothing in it, which is no row unless there is but one column. A line of
// "" is none: it is one field that is empty.
func (t *tableRows) blank() bool { return len(trimLineEnd(t.lines.row())) == 0 }

// named gives the column of a fault its name.
func (t *tableRows) named(err error) error {
	if bad, ok := err.(*RowError); ok && bad.field > 0 {
		bad.Column = t.columnName(bad.field - 1)
	}
	return err
}

func (t *tableRows) wrongCount(n int) error {
	hint := "put a field that holds a comma in quotes"
	switch d := t.options.Delimiter; {
	case t.options.Format == TSV && d == "\t":
		hint = "replace a tab inside a text by a space, or use CSV or JSONL"
	case t.options.Format == TSV:
		hint = fmt.Sprintf("replace a %q inside a text, or use CSV or JSONL", d)
	case d != ",":
		hint = fmt.Sprintf("put a field that holds a %q in quotes", d)
	}
	if n < t.width {
		hint = "add what is missing"
	}
	expected := strconv.Itoa(t.width)
	if t.header != nil {
		expected += " (" + list(t.header) + ")"
	}
	return &RowError{Column: t.columnName(min(n, t.width)), Found: fmt.Sprintf("%d fields", n), Expected: expected, Hint: hint}
}

func (t *tableRows) optional(fields [][]byte, column int) (string, bool) {
	if column < 0 {
		return "", false
	}
	return string(fields[column]), true
}

// columnName returns the header's name of a column from 0, or its number from 1.
func (t *tableRows) columnName(i int) string {
	if i < len(t.header) && t.header[i] != "" {
		return t.header[i]
	}
	return strconv.Itoa(i + 1)
}

// byCell takes the labels of columns of 0 and 1; an empty cell is Unknown.
func (t *tableRows) byCell(fields [][]byte) error {
	for _, place := range t.unnamed {
		t.set.cells = append(t.set.cells, cell{place, hard(Unknown)})
	}
	for i, column := range t.columns {
		v, err := t.set.cell(string(fields[column]))
		if err != nil {
			return t.at(err, column)
		}
		if err := t.set.put(t.places[i], v); err != nil {
			return t.at(err, column)
		}
	}
	return nil
}

// at adds the column to a fault.
func (t *tableRows) at(err error, column int) error {
	if bad, ok := err.(*RowError); ok && bad.Column == "" {
		bad.Column = t.columnName(column)
	}
	return err
}
