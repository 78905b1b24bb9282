package data

import "bytes"

// labelPrefix begins a label in fastText's files, unless `label_prefix` says otherwise.
const labelPrefix = "__label__"

// fastTextRows reads lines of labels, each with the prefix __label__, and the text after them.
type fastTextRows struct {
	lines  *lines
	set    *labelSet // nil: labels are passed over
	prefix string    // of a label
}

func (r *fastTextRows) start() error { return nil }

func (r *fastTextRows) next(ex *Example) error {
	line, err := r.lines.single()
	if err != nil {
		return err
	}
	if r.set != nil {
		r.set.begin()
	}
	text := bytes.TrimLeft(line, " \t")
	for first := true; bytes.HasPrefix(text, []byte(r.prefix)); first = false {
		label := text
		if i := bytes.IndexAny(text, " \t"); i >= 0 {
			label = text[:i]
		}
		rest := bytes.TrimLeft(text[len(label):], " \t")
		only := first && !bytes.HasPrefix(rest, []byte(r.prefix))
		if err := r.label(string(label[len(r.prefix):]), only); err != nil {
			return r.at(err, len(line)-len(text))
		}
		text = rest
	}
	ex.Text = string(text)
	return r.noMoreLabels(line, text)
}

// label takes a label; only says that the row has no other.
func (r *fastTextRows) label(name string, only bool) error {
	switch {
	case r.set == nil:
		return nil
	case only && r.set.isNothing(name):
		return r.set.nothing(name)
	}
	return r.set.add(name, hard(1))
}

// noMoreLabels refuses a label inside the text, which fastText would take as one.
func (r *fastTextRows) noMoreLabels(line, text []byte) error {
	for _, space := range []string{" ", "\t"} {
		if i := bytes.Index(text, []byte(space+r.prefix)); i >= 0 && r.set != nil {
			return r.at(&RowError{Value: cut(string(text[i+1:])), Found: "a label behind the beginning of the text",
				Expected: "all labels before the text",
				Hint:     "move it to the front of the line"}, len(line)-len(text)+i+1)
		}
	}
	return nil
}

// at adds the place, a byte from 0, to a fault.
func (r *fastTextRows) at(err error, i int) error {
	if bad, ok := err.(*RowError); ok {
		bad.Column = "labels"
	}
	return atByte(err, i)
}
