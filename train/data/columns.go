package data

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// resolve finds the columns of a table of n columns.
func (t *tableRows) resolve(n int) (err error) {
	t.width = n
	o := t.options
	if t.text, err = t.find("text_column", o.TextColumn, "text"); err != nil {
		return fatal(err)
	}
	if t.text < 0 || t.isJoined() {
		return fatal(t.missing("text_column", cmp.Or(o.TextColumn, "text")))
	}
	if t.pair, err = t.find("text_pair_column", o.PairColumn, "text_pair", "text_b"); err != nil {
		return fatal(err)
	}
	if t.id, err = t.find("id_column", o.IDColumn, "id"); err != nil {
		return fatal(err)
	}
	if t.set == nil {
		return nil
	}
	if err = t.resolveLabels(); err == nil {
		err = t.checkRoles()
	}
	return fatal(err)
}

// find returns the column of the given name, or without one that of the first default there is, or -1.
func (t *tableRows) find(option, given string, defaults ...string) (int, error) {
	if given != "" {
		if i := t.lookup(given); i >= 0 {
			return i, nil
		}
		return -1, t.missing(option, given)
	}
	for _, name := range defaults {
		if i, ok := t.byHeader[name]; ok {
			return i, nil
		}
	}
	return -1, nil
}

// lookup returns the column of a name, or without a header of a number from 1, or -1.
func (t *tableRows) lookup(name string) int {
	if t.header != nil {
		if i, ok := t.byHeader[strings.TrimSpace(name)]; ok {
			return i
		}
		return -1
	}
	n, err := strconv.Atoi(name)
	if err != nil || n < 1 || n > t.width {
		return -1
	}
	return n - 1
}

// missing says that a column is not there.
func (t *tableRows) missing(option, name string) error {
	if t.header == nil {
		return &RowError{Column: name, Found: fmt.Sprintf("%d columns", t.width), Expected: "a column " + name,
			Hint: "`" + option + "` counts columns from 1"}
	}
	if d := t.otherDelimiter(); d != "" {
		return &RowError{Column: name, Value: cut(t.header[0]), Found: "one column", Expected: fmt.Sprintf("a column %q, and %q between columns",
			name, t.options.Delimiter), Hint: "the file seems to be separated by " + strconv.Quote(d) + ": give `delimiter` " + separatorWord(d)}
	}
	hint := fmt.Sprintf("name it by `%s`, or give `no_header` and the numbers of the columns when the file has no header", option)
	if near := nearest(name, t.header); near != "" {
		hint = fmt.Sprintf("did you mean %q? Then give `%s` %s, or rename the column", near, option, near)
	}
	return &RowError{Column: name, Found: "the columns " + list(t.header), Expected: fmt.Sprintf("a column %q", name), Hint: hint}
}

// otherDelimiter returns what seems to stand between the fields of a file whose header is one field; "" for nothing.
func (t *tableRows) otherDelimiter() string {
	if len(t.header) != 1 {
		return ""
	}
	most, best := 0, ""
	for _, d := range []string{"\t", ";", "|", ","} {
		if n := strings.Count(t.header[0], d); n > most && d != t.options.Delimiter {
			most, best = n, d
		}
	}
	return best
}

// isJoined reports whether the header is one field of which a part, but for another delimiter, would be a column of ours: also when the
// whole was named as the text.
func (t *tableRows) isJoined() bool {
	d := t.otherDelimiter()
	return d != "" && slices.ContainsFunc(strings.Split(t.header[0], d), func(part string) bool {
		return slices.Contains([]string{"text", "text_pair", "text_b", "id", "labels"}, strings.TrimSpace(part))
	})
}

// list writes names for a message, in at most a line or two.
func list(names []string) string {
	const most = 12
	more := ""
	if len(names) > most {
		more = fmt.Sprintf(" … %d more", len(names)-most)
		names = names[:most]
	}
	short := make([]string, len(names))
	for i, n := range names {
		short[i] = cut(n)
	}
	return strings.Join(short, ", ") + more
}

// resolveLabels finds the columns of the labels: the ones that are named, else "labels", else all without another role.
func (t *tableRows) resolveLabels() (err error) {
	o := t.options
	if len(o.LabelColumns) > 0 {
		for _, name := range o.LabelColumns {
			i, err := t.find("label_columns", name)
			if err != nil {
				return err
			}
			t.columns = append(t.columns, i)
		}
		return t.nameColumns()
	}
	if t.names, err = t.find("labels_column", o.LabelsColumn, "labels"); err != nil {
		return err
	}
	if t.names >= 0 {
		t.set.column = t.columnName(t.names)
		t.set.joins = newSeparatorCheck(o.LabelSeparator)
		return t.checkSeparator()
	}
	t.counter.there = t.header != nil && isIndexName(t.header[0]) && t.text > 0 && t.pair != 0 && t.id != 0
	for i := range t.width {
		if i == 0 && t.counter.there {
			continue
		}
		if i != t.text && i != t.pair && i != t.id {
			t.columns = append(t.columns, i)
		}
	}
	if len(t.columns) == 0 {
		return t.missing("labels_column", "labels")
	}
	return t.nameColumns()
}

// checkSeparator refuses a label that a field of separated names could never hold.
func (t *tableRows) checkSeparator() error {
	for _, name := range t.set.list.names {
		if strings.Contains(name, t.options.LabelSeparator) {
			return &RowError{Column: t.columnName(t.names), Value: cut(name), Found: "a label list with",
				Expected: fmt.Sprintf("no separator %q inside a name", t.options.LabelSeparator),
				Hint:     "choose another by `label_separator`"}
		}
	}
	return nil
}

// nameColumns gives each column of zeros and ones its label. Without a label list the header is the list, in its order;
// without a header the columns are the labels in the order they were given.
func (t *tableRows) nameColumns() error {
	if t.header == nil {
		return t.numberColumns()
	}
	slices.Sort(t.columns)
	if t.set.gather {
		t.set.gather, t.set.ordered = false, true
		for _, column := range t.columns {
			if err := t.set.list.grow(t.header[column]); err != nil {
				return t.at(err, column)
			}
		}
	}
	return t.matchColumns()
}

// numberColumns is nameColumns without a header.
func (t *tableRows) numberColumns() error {
	if err := t.set.number(len(t.columns)); err != nil {
		return &RowError{Column: t.columnName(t.columns[0]), Found: fmt.Sprintf("%d columns of labels", len(t.columns)),
			Expected: fmt.Sprintf("one for each of the %d labels", t.set.list.Len()),
			Hint:     "name the columns of the labels by `label_columns`, or the one column of their names by `labels_column`"}
	}
	for i := range t.columns {
		t.places = append(t.places, i)
	}
	return nil
}

// matchColumns finds the header's names in the label list, and every label of the list in the header.
func (t *tableRows) matchColumns() error {
	var labels []int
	var others []string
	for _, column := range t.columns {
		place, err := t.set.place(t.header[column])
		if err != nil {
			return t.at(err, column)
		}
		if place < 0 {
			others = append(others, t.columnName(column))
			continue
		}
		labels = append(labels, column)
		t.places = append(t.places, place)
	}
	t.columns = labels
	if len(others) > 0 && !t.options.DropUnknown {
		return t.notLabels(others)
	}
	there := make([]bool, t.set.list.Len())
	for _, place := range t.places {
		there[place] = true
	}
	for place, is := range there {
		if !is && len(t.options.LabelColumns) == 0 {
			return t.missing("label_columns", t.set.list.names[place])
		}
		if !is {
			t.unnamed = append(t.unnamed, place)
		}
	}
	return nil
}

// notLabels says that columns taken for labels are not in the label list.
func (t *tableRows) notLabels(columns []string) error {
	hint := "name the columns of labels by `label_columns`"
	if near := t.set.list.Near(columns[0]); near != "" {
		hint = fmt.Sprintf("did you mean %q? Else %s", near, hint)
	}
	return &RowError{Column: columns[0], Found: "columns that are no labels: " + list(columns), Expected: t.set.list.String(), Hint: hint}
}

// checkRoles refuses a column that is to be two things at once.
func (t *tableRows) checkRoles() error {
	taken := map[int]bool{}
	for _, c := range append([]int{t.text, t.pair, t.id, t.names}, t.columns...) {
		if c < 0 {
			continue
		}
		if taken[c] {
			return &RowError{Column: t.columnName(c), Found: "one column for two things",
				Expected: "a column each for text, text pair, id and labels",
				Hint:     "correct `text_column`, `text_pair_column`, `id_column`, `labels_column` or `label_columns`"}
		}
		taken[c] = true
	}
	return nil
}
