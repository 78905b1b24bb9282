package data

import (
	"cmp"
	"fmt"
	"slices"
)

// jsonRows reads one object a line.
type jsonRows struct {
	lines            *lines
	options          *Options
	set              *labelSet // nil: labels are not looked at
	text, id, labels string    // keys
	json             jsonText
	keys             map[string]bool // of this row
}

func newJSONRows(o *Options, l *lines, set *labelSet) *jsonRows {
	r := &jsonRows{lines: l, options: o, set: set, keys: map[string]bool{},
		text: cmp.Or(o.TextColumn, "text"), id: cmp.Or(o.IDColumn, "id"), labels: cmp.Or(o.LabelsColumn, "labels")}
	if set != nil {
		set.column = r.labels
	}
	return r
}

func (r *jsonRows) start() error { return nil }

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
	if r.set != nil && !r.keys[r.labels] {
		return r.missing(r.labels, "a list of labels")
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

func (r *jsonRows) missing(key, what string) error {
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
	value := r.value()
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
	case key == r.labels && r.set != nil:
		err = r.readLabels()
	default:
		err = r.json.skip(1)
	}
	if bad, ok := err.(*RowError); ok {
		bad.Column = key
		if bad.Byte == 0 {
			bad.Byte = value + 1
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

// readLabels reads ["joy"], [0,1,null] or {"joy": 1}.
func (r *jsonRows) readLabels() error {
	j := &r.json
	switch j.peek() {
	case '{':
		return j.object(func(name string, at int) error {
			value, err := r.cell()
			if err != nil {
				return err
			}
			return atByte(r.set.add(name, value), at)
		})
	case '[':
		return r.readList()
	}
	return j.fault(j.at, j.found(), `names ["joy"], or 0, 1 and null for each label [0,1], or {"joy": 1}`, "no label is []")
}

// readList reads a list of names, or one of zeros and ones; the first element decides.
func (r *jsonRows) readList() error {
	j := &r.json
	var cells []int8
	names, open := 0, j.at
	err := j.array(func() error {
		if j.peek() == '"' && len(cells) == 0 {
			at := j.at
			name, err := j.str()
			if err != nil {
				return err
			}
			names++
			return atByte(r.set.add(string(name), 1), at)
		}
		if names > 0 {
			return j.fault(j.at, j.found(), "a label name in double quotes, as the others", "write all labels in one way")
		}
		value, err := r.cell()
		cells = append(cells, value)
		return err
	})
	if err != nil || len(cells) == 0 {
		return err
	}
	if err := r.set.number(len(cells)); err != nil {
		return atByte(err, open)
	}
	for place, value := range cells {
		if err := r.set.put(place, value); err != nil {
			return err
		}
	}
	return nil
}

// cell reads 0, 1 or null.
func (r *jsonRows) cell() (int8, error) {
	j := &r.json
	j.peek()
	switch string(j.word()) {
	case "0":
		j.at++
		return 0, nil
	case "1":
		j.at++
		return 1, nil
	case "null":
		j.at += len("null")
		return Unknown, nil
	}
	return 0, j.fault(j.at, j.found(), "0, 1 or null (unknown)", "write 0 or 1")
}

// atByte adds the byte, from 0, to a fault.
func atByte(err error, at int) error {
	if bad, ok := err.(*RowError); ok {
		bad.Byte = at + 1
	}
	return err
}
