package data

import (
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
}

func newTableRows(o *Options, l *lines, set *labelSet) *tableRows {
	t := &tableRows{options: o, lines: l, set: set, pair: -1, id: -1, names: -1}
	if o.Format == TSV {
		t.records = &tsvRecords{lines: l}
	} else {
		t.records = &csvRecords{lines: l}
	}
	return t
}

// start reads the header, if there is one.
func (t *tableRows) start() error {
	if t.options.NoHeader {
		return nil
	}
	fields, err := t.records.next()
	for err == nil && len(fields) == 1 && len(fields[0]) == 0 {
		fields, err = t.records.next() // blank lines of a TSV file
	}
	if err != nil {
		return fatal(t.named(err))
	}
	t.byHeader = make(map[string]int, len(fields))
	for i, f := range fields {
		name := string(f)
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
		return err
	}
	ex.ID, ex.HasID = t.optional(fields, t.id)
	ex.Text = string(fields[t.text])
	ex.Pair, ex.HasPair = t.optional(fields, t.pair)
	if t.set == nil {
		return nil
	}
	t.set.begin()
	if t.names >= 0 {
		return t.byName(fields[t.names])
	}
	return t.byCell(fields)
}

// row returns the fields of the next row, as many as there are columns.
func (t *tableRows) row() ([][]byte, error) {
	for {
		fields, err := t.records.next()
		if err != nil {
			return nil, t.named(err)
		}
		blank := len(fields) == 1 && len(fields[0]) == 0
		if blank && t.width != 1 {
			continue
		}
		if t.width == 0 {
			if err := t.resolve(len(fields)); err != nil {
				return nil, err
			}
		}
		if len(fields) != t.width {
			return nil, t.wrongCount(len(fields))
		}
		return fields, nil
	}
}

// named gives the column of a fault its name.
func (t *tableRows) named(err error) error {
	if bad, ok := err.(*RowError); ok && bad.field > 0 {
		bad.Column = t.columnName(bad.field - 1)
	}
	return err
}

func (t *tableRows) wrongCount(n int) error {
	hint := "put a field that holds a comma in quotes"
	if t.options.Format == TSV {
		hint = "replace a tab inside a text by a space, or use CSV or JSONL"
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

// byName takes the labels of a field such as "joy,love". An empty field has none.
func (t *tableRows) byName(field []byte) error {
	if len(field) == 0 {
		return nil
	}
	for name := range strings.SplitSeq(string(field), t.options.LabelSeparator) {
		if err := t.set.add(name, 1); err != nil {
			return t.at(err, t.names)
		}
	}
	return nil
}

// byCell takes the labels of columns of 0 and 1; an empty cell is Unknown.
func (t *tableRows) byCell(fields [][]byte) error {
	for i, column := range t.columns {
		var value int8
		switch string(fields[column]) {
		case "0":
		case "1":
			value = 1
		case "":
			value = Unknown
		default:
			return t.at(&RowError{Value: cut(string(fields[column])), Found: "the value", Expected: "0, 1 or nothing (unknown)",
				Hint: "write 0 or 1; if this column is no label, name those that are: `label_columns`, or `labels_column`"}, column)
		}
		if err := t.set.put(t.places[i], value); err != nil {
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
