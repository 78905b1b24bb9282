package data

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// jsonRows reads one object a line.
type jsonRows struct {
	lines            *lines
	options          *Options
	set              *labelSet // nil: labels are not looked at
	text, id, labels string    // keys
	json             jsonText
	keys             map[string]bool // of this row
	columns          map[string]int  // keys that are labels, with `label_columns`: their places, -1 for one that is left out
	unnamed          []int           // labels that `label_columns` leaves out: unknown in every row
}

func newJSONRows(o *Options, l *lines, set *labelSet) *jsonRows {
	r := &jsonRows{lines: l, options: o, set: set, keys: map[string]bool{},
		text: cmp.Or(o.TextColumn, "text"), id: cmp.Or(o.IDColumn, "id"), labels: cmp.Or(o.LabelsColumn, "labels")}
	if set != nil {
		set.column = r.labels
	}
	return r
}

// start finds the places of the keys that `label_columns` names.
func (r *jsonRows) start() error {
	if r.set == nil || len(r.options.LabelColumns) == 0 {
		return nil
	}
	gather := r.set.gather
	r.columns = map[string]int{}
	for _, key := range r.options.LabelColumns {
		place, err := r.set.place(key)
		if _, twice := r.columns[key]; twice || place < 0 && err == nil && !r.options.DropUnknown {
			return &OptionError{"label_columns", fmt.Sprintf("%q is there twice, or not %s", key, r.set.list)}
		}
		if err != nil {
			return err
		}
		r.columns[key] = place
	}
	if gather {
		r.set.gather, r.set.ordered = false, true
	}
	named := map[int]bool{}
	for _, place := range r.columns {
		named[place] = true
	}
	for place := range r.set.list.Len() {
		if !named[place] {
			r.unnamed = append(r.unnamed, place)
		}
	}
	return nil
}

func (r *jsonRows) next(ex *Example) error {
	var line []byte
	for blank := true; blank; {
		var err error
		if line, err = r.lines.single(); err != nil {
			return err
		}
		r.json = jsonText{b: line}
		blank = r.json.peek() == 0 && r.json.at == len(line)
	}
	if r.set != nil {
		r.set.begin()
	}
	err := r.row(ex)
	if err != nil && !ex.HasID {
		r.rescueID(ex, line)
	}
	return err
}

// row reads the object.
func (r *jsonRows) row(ex *Example) error {
	clear(r.keys)
	if err := r.json.object(func(key string, at int) error { return r.member(ex, key, at) }); err != nil {
		return err
	}
	if err := r.json.end(); err != nil {
		return err
	}
	if !r.keys[r.text] {
		return r.missing(r.text, "a string")
	}
	if r.set == nil {
		return nil
	}
	for _, key := range r.options.LabelColumns {
		if !r.keys[key] {
			return r.missing(key, "0, 1 or null")
		}
	}
	if r.columns == nil && !r.keys[r.labels] {
		bad := r.missing(r.labels, "a list of labels")
		others := 0
		for key := range r.keys {
			if key != r.text && key != r.id && !r.isPair(key) {
				others++
			}
		}
		if others > 0 && bad.Hint == "add the key" {
			bad.Hint = "add the key; where each label has a key of its own, name them by `label_columns`"
		}
		return bad
	}
	for _, place := range r.unnamed {
		r.set.cells = append(r.set.cells, cell{place, hard(Unknown)})
	}
	return nil
}

// rescueID looks for the id of a bad row, so that a report can name it. It stops where the line is no JSON any more.
func (r *jsonRows) rescueID(ex *Example, line []byte) {
	r.json = jsonText{b: line}
	r.json.object(func(key string, _ int) error {
		if key == r.id && !ex.HasID {
			return r.readID(ex)
		}
		return r.json.skip(1)
	})
}

func (r *jsonRows) missing(key, what string) *RowError {
	var keys []string
	for k := range r.keys {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	e := &RowError{Column: key, Found: "no such key, but " + list(keys), Expected: fmt.Sprintf("%q with %s", key, what),
		Hint: "add the key"}
	if len(keys) == 0 {
		e.Found = "an object without keys"
	}
	if near := nearest(key, keys); near != "" {
		e.Hint = fmt.Sprintf("did you mean %q?", near)
	}
	return e
}

// member reads the value of one key.
func (r *jsonRows) member(ex *Example, key string, at int) (err error) {
	if r.keys[key] {
		return r.json.fault(at, fmt.Sprintf("the key %q again", cut(key)), "each key once", "take one away")
	}
	r.keys[key] = true
	begin := r.value()
	place, isLabel := r.columns[key]
	switch {
	case key == r.text:
		ex.Text, _, err = r.str(false)
	case r.isPair(key):
		if ex.HasPair {
			return r.json.fault(at, "a second text pair", "text_pair or text_b", "take one away")
		}
		ex.Pair, ex.HasPair, err = r.str(true)
	case key == r.id:
		err = r.readID(ex)
	case isLabel && place >= 0:
		var v value
		if v, err = r.cell(); err == nil {
			err = r.set.put(place, v)
		}
	case key == r.labels && r.set != nil && r.columns == nil:
		err = r.readLabels()
	default:
		err = r.json.skip(1)
	}
	if bad, ok := err.(*RowError); ok {
		bad.Column = key
		if bad.Byte == 0 {
			bad.Byte = begin + 1
		}
	}
	return err
}

// value returns where the next value begins.
func (r *jsonRows) value() int {
	r.json.peek()
	return r.json.at
}

func (r *jsonRows) isPair(key string) bool {
	if r.options.PairColumn != "" {
		return key == r.options.PairColumn
	}
	return key == "text_pair" || key == "text_b"
}

// str reads a text. With optional a null is an absent one.
func (r *jsonRows) str(optional bool) (string, bool, error) {
	j := &r.json
	if optional && j.peek() == 'n' {
		_, err := j.literal()
		return "", false, err
	}
	if j.peek() != '"' {
		return "", false, j.fault(j.at, j.found(), "a string", "put the text in double quotes")
	}
	s, err := j.str()
	return string(s), true, err
}

// readID reads a string or a number; null is no id.
func (r *jsonRows) readID(ex *Example) error {
	j := &r.json
	switch c := j.peek(); {
	case c == '"' || c == 'n':
		var err error
		ex.ID, ex.HasID, err = r.str(true)
		return err
	case c == '-' || c >= '0' && c <= '9':
		number, err := j.literal()
		ex.ID, ex.HasID, ex.NumericID = string(number), true, true
		return err
	}
	return j.fault(j.at, j.found(), "a string or a number", "write the id as a string")
}

// readLabels reads ["joy"], [0,1,null], [27], {"joy": 1}, or such a list as a program has printed it into a string.
func (r *jsonRows) readLabels() error {
	j := &r.json
	open := j.at
	switch j.peek() {
	case '{':
		return j.object(func(name string, at int) error {
			v, err := r.cell()
			if err != nil {
				return err
			}
			return atByte(r.set.add(name, v), at)
		})
	case '[':
		return r.readList()
	case 'n':
		if string(j.word()) == "null" {
			j.at += len("null")
			return r.set.nothing("null")
		}
	case '"':
		text, err := j.str()
		if err != nil {
			return err
		}
		word := strings.TrimSpace(string(text))
		if r.set.isNothing(word) {
			return r.set.nothing(word)
		}
		if items, list, err := parseItems(word); list && err == nil {
			return r.set.items(items, word)
		}
		j.at = open
	}
	return j.fault(j.at, j.found(), `names ["joy"], or 0, 1 and null for each label [0,1], or {"joy": 1}`, "no label is []")
}

// readList reads a list of names, or one of numbers; the first element decides.
func (r *jsonRows) readList() error {
	j := &r.json
	var list []number
	names, open := 0, j.at
	err := j.array(func() error {
		if j.peek() == '"' && len(list) == 0 {
			at := j.at
			name, err := j.str()
			if err != nil {
				return err
			}
			names++
			return atByte(r.set.add(string(name), hard(1)), at)
		}
		if names > 0 {
			return j.fault(j.at, j.found(), "a label name in double quotes, as the others", "write all labels in one way")
		}
		n, err := r.number()
		list = append(list, n)
		return err
	})
	if err != nil || len(list) == 0 {
		return err
	}
	err = r.set.numbers(list)
	if bad, ok := err.(*RowError); ok && bad.Byte == 0 {
		return atByte(err, open)
	}
	return err
}

// number reads an element of a list that is no name.
func (r *jsonRows) number() (number, error) {
	j := &r.json
	j.peek()
	word := string(j.word())
	if isNumber([]byte(word)) || word == "true" || word == "false" || word == "null" {
		if n, ok := r.set.parse(word, j.at); ok {
			j.at += len(word)
			return n, nil
		}
	}
	hint := "write 0 or 1"
	if _, share := ParseShare(word); share {
		hint = shareHint
	}
	return number{}, j.fault(j.at, j.found(), r.set.wanted("null"), hint)
}

// shareHint is what can be done with a number between 0 and 1.
const shareHint = "write 0 or 1, or say from which share on a label counts: `binarize` 0.5 " +
	"(train and embed take shares as they are with `soft_labels`)"

// cell reads 0, 1, a share or null.
func (r *jsonRows) cell() (value, error) {
	n, err := r.number()
	if err == nil && n.cell == noCell {
		r.json.at -= len(n.word)
		err = r.json.fault(r.json.at, r.json.found(), r.set.wanted("null"), "write 0 or 1")
	}
	return n.value, err
}

// atByte adds the byte, from 0, to a fault.
func atByte(err error, at int) error {
	if bad, ok := err.(*RowError); ok {
		bad.Byte = at + 1
	}
	return err
}
