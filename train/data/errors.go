package data

import (
	"errors"
	"fmt"
	"strings"
)

// ErrRefused matches (errors.Is) every error that means: the data are refused. Other errors are of the options
// (*OptionError) or of the file system.
var ErrRefused = errors.New("data refused")

// RowError is a place in a file that cannot be used, and what would be right there. Its text is
//
//	FILE:LINE: column NAME: found FOUND "VALUE", expected EXPECTED; fix: HINT
//
// where JSONL and fastText, which have byte positions, say "column BYTE (NAME)". Of a row of a section, whose lines are not counted, it
// begins FILE: byte OFFSET.
type RowError struct {
	File     string `json:"file"`
	Line     int    `json:"line,omitempty"`   // physical line on which the row starts, from 1; 0 in a section
	Offset   int64  `json:"-"`                // in a section, the byte of the file at which the row starts, from 0
	Byte     int    `json:"byte,omitempty"`   // in JSONL and fastText, the byte in that line, from 1
	Column   string `json:"column,omitempty"` // name of the column or key; its number from 1 without a header
	Value    string `json:"value,omitempty"`  // what stands there, at most 80 characters
	Found    string `json:"found"`
	Expected string `json:"expected"`
	Hint     string `json:"fix,omitempty"` // names options by their keys, in backquotes: `on_long`
	Err      error  `json:"-"`             // the cause, if there is one

	field   int  // the column by number from 1, for a reader that does not know its name
	fatal   bool // the rest of the file cannot be read
	section bool // of a section of a file
}

// valueLength is the number of characters of a value that a message shows.
const valueLength = 80

func (e *RowError) Error() string {
	switch {
	case e.Line > 0:
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Fault())
	case e.section:
		return fmt.Sprintf("%s: byte %d: %s", e.File, e.Offset, e.Fault())
	}
	return e.File + ": " + e.Fault()
}

// Fault returns the text of the error without file and line: what is wrong with the row, wherever it stands.
func (e *RowError) Fault() string {
	var b strings.Builder
	switch {
	case e.Byte > 0 && e.Column != "":
		fmt.Fprintf(&b, "column %d (%s): ", e.Byte, cut(e.Column))
	case e.Byte > 0:
		fmt.Fprintf(&b, "column %d: ", e.Byte)
	case e.Column != "":
		fmt.Fprintf(&b, "column %s: ", cut(e.Column))
	}
	b.WriteString("found " + e.Found)
	if e.Value != "" {
		fmt.Fprintf(&b, " %q", e.Value)
	}
	b.WriteString(", expected " + e.Expected)
	if e.Hint != "" {
		b.WriteString("; fix: " + e.Hint)
	}
	return b.String()
}

// Is makes every RowError match ErrRefused.
func (e *RowError) Is(target error) bool { return target == ErrRefused }

// Unwrap returns the cause.
func (e *RowError) Unwrap() error { return e.Err }

// cut returns the first 80 characters of s.
func cut(s string) string {
	n := 0
	for i := range s {
		if n++; n > valueLength {
			return s[:i] + "…"
		}
	}
	return s
}

// BadRowsError says that more rows were bad than Options.MaxBadRows allows.
type BadRowsError struct {
	File      string
	Bad, Rows int   // bad rows, and all rows up to there
	Limit     Limit // Options.MaxBadRows
	Last      *RowError
}

func (e *BadRowsError) Error() string {
	return fmt.Sprintf("%s: found %d bad rows among %d, expected at most %s; the last one: %v", e.File, e.Bad, e.Rows, e.Limit, e.Last)
}

// Is makes a BadRowsError match ErrRefused.
func (e *BadRowsError) Is(target error) bool { return target == ErrRefused }

// UnknownLabel is a name that the label list lacks.
type UnknownLabel struct {
	Name  string `json:"name"`
	Rows  int    `json:"rows"` // that have it
	Line  int    `json:"line"` // of the first of them
	Where string `json:"column"`
	Near  string `json:"near,omitempty"` // of the first 20: a name of the list that is spelt alike, or empty
}

// UnknownLabelsError lists all labels of a file that the label list lacks, the most frequent first.
type UnknownLabelsError struct {
	File   string
	List   *LabelList
	Labels []UnknownLabel
}

// shownLabels is the number of unknown labels that a message lists.
const shownLabels = 20

func (e *UnknownLabelsError) Error() string {
	first := e.Labels[0]
	for _, l := range e.Labels {
		if l.Line < first.Line {
			first = l
		}
	}
	b := new(strings.Builder)
	fmt.Fprintf(b, "%s:%d: column %s: found %q, expected %s", e.File, first.Line, first.Where, cut(first.Name), e.List)
	fmt.Fprintf(b, "\n  labels that are not in the list: %d", len(e.Labels))
	for i, l := range e.Labels {
		if i == shownLabels {
			fmt.Fprintf(b, "\n  … and %d more", len(e.Labels)-i)
			break
		}
		fmt.Fprintf(b, "\n  %q in %d rows, first on line %d", cut(l.Name), l.Rows, l.Line)
		if l.Near != "" {
			fmt.Fprintf(b, " (did you mean %q?)", l.Near)
		}
	}
	return b.String()
}

// Is makes an UnknownLabelsError match ErrRefused.
func (e *UnknownLabelsError) Is(target error) bool { return target == ErrRefused }
