package data

import (
	"bytes"
	"fmt"
	"io"
)

// records reads rows of fields. The fields hold until the next call. A row that cannot be cut into fields is a *RowError whose
// field is the place from 1; the reader then stands on the row that comes next.
type records interface {
	next() ([][]byte, error)
}

// tsvRecords cuts lines at tabs, or another delimiter. There is no quoting: a quote is a character like any other (as in BERT's own
// data readers, run_classifier.py, _read_tsv without a quote character).
type tsvRecords struct {
	lines     *lines
	fields    [][]byte
	delimiter byte
}

func (t *tsvRecords) next() ([][]byte, error) {
	line, err := t.lines.single()
	if err != nil {
		return nil, err
	}
	t.fields = t.fields[:0]
	delimiter := []byte{t.delimiter}
	for {
		field, rest, more := bytes.Cut(line, delimiter)
		t.fields = append(t.fields, field)
		if len(t.fields) > MaxColumns {
			return nil, tooWide()
		}
		if !more {
			return t.fields, nil
		}
		line = rest
	}
}

func tooWide() error {
	return &RowError{field: MaxColumns + 1, Found: fmt.Sprintf("more than %d fields", MaxColumns), Expected: "at most that",
		Hint: "look for a missing line end"}
}

// csvRecords cuts rows as RFC 4180 has them, section 2: fields between commas, or another delimiter; a field in quotes may hold it,
// line breaks and, doubled, quotes; a quote anywhere else is an error. A blank
// line is one empty field.
type csvRecords struct {
	lines     *lines
	fields    [][]byte
	scratch   []byte // what quoted fields with quotes in them become
	delimiter byte
}

// next puts lines together until the quotes of the row are even, for a line break inside quotes has an odd number of them
// before it. Should that have been a mistake, the line after the row's first is the next row.
func (c *csvRecords) next() ([][]byte, error) {
	l := c.lines
	l.begin()
	err := l.line()
	if err == errRowTooLong {
		l.discard()
		return nil, tooLong("")
	}
	if err != nil {
		return nil, err
	}
	more := c.closeQuotes()
	if more != nil && more != io.EOF && more != errRowTooLong {
		return nil, more
	}
	if err := l.checkLineEnds(); err != nil {
		return nil, err
	}
	err = c.split(trimLineEnd(l.row()))
	if err == nil && more == errRowTooLong {
		err = tooLong("")
	}
	if err != nil {
		l.rewind()
		return nil, err
	}
	return c.fields, nil
}

// closeQuotes adds lines to the row while an odd number of quotes stands in it.
func (c *csvRecords) closeQuotes() error {
	l := c.lines
	odd := bytes.Count(l.row(), []byte{'"'})%2 == 1
	for odd {
		before := len(l.row())
		if err := l.line(); err != nil {
			return err
		}
		odd = bytes.Count(l.row()[before:], []byte{'"'})%2 == 0
	}
	return nil
}

// split sets fields from a row without its line end.
func (c *csvRecords) split(row []byte) error {
	c.fields, c.scratch = c.fields[:0], c.scratch[:0]
	for at := 0; ; at++ { // at is the first byte of a field
		var field []byte
		var err error
		start := at
		if at < len(row) && row[at] == '"' {
			field, at, err = c.quoted(row, at)
		} else {
			field, at, err = c.plain(row, at)
		}
		if err == nil && at < len(row) && row[at] != c.delimiter {
			err = c.fault(row[start:], "text behind the closing quote of", "a comma or the end of the row behind it")
		}
		if err != nil {
			return err
		}
		c.fields = append(c.fields, field)
		if len(c.fields) > MaxColumns {
			return tooWide()
		}
		if at == len(row) {
			return nil
		}
	}
}

// plain returns the field without quotes that starts at row[at], and the place after it.
func (c *csvRecords) plain(row []byte, at int) (field []byte, end int, err error) {
	end = len(row)
	if i := bytes.IndexByte(row[at:], c.delimiter); i >= 0 {
		end = at + i
	}
	if bytes.IndexByte(row[at:end], '"') >= 0 {
		return nil, end, c.fault(row[at:end], "a quote inside the unquoted field", "no quote, or the whole field in quotes")
	}
	return row[at:end], end, nil
}

// quoted returns what is between the quotes of the field that opens at row[at], and the place after the closing quote.
func (c *csvRecords) quoted(row []byte, at int) (field []byte, end int, err error) {
	open, from := at, len(c.scratch)
	for at++; ; {
		i := bytes.IndexByte(row[at:], '"')
		if i < 0 {
			return nil, at, c.unclosed(row, open)
		}
		end = at + i + 1
		if end == len(row) || row[end] != '"' {
			if from == len(c.scratch) {
				return row[at : end-1], end, nil // no doubled quotes: the field stands in the row as it is
			}
			c.scratch = append(c.scratch, row[at:end-1]...)
			return c.scratch[from:], end, nil
		}
		c.scratch = append(c.scratch, row[at:end]...) // with one of the two quotes
		at = end + 1
	}
}

func (c *csvRecords) fault(value []byte, found, expected string) error {
	value, _, _ = bytes.Cut(value, []byte{'\n'})
	return &RowError{field: len(c.fields) + 1, Value: cut(string(value)), Found: found, Expected: expected,
		Hint: `put the field in quotes and double the quotes inside: "say ""hi"""`}
}

func (c *csvRecords) unclosed(row []byte, open int) error {
	line := c.lines.first + bytes.Count(row[:open], []byte{'\n'})
	value, _, _ := bytes.Cut(row[open:], []byte{'\n'})
	return &RowError{field: len(c.fields) + 1, Value: cut(string(value)), Found: fmt.Sprintf("a quote that opens on line %d "+
		"and never closes:", line),
		Expected: "a closing quote before the end of the file and of 16 MiB",
		Hint:     `close it; a quote that is part of the text is doubled, in quotes: "say ""hi"""`}
}
