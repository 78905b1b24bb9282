package data

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Example is one row.
type Example struct {
	Text    string
	Pair    string // the second text of a pair
	HasPair bool   // there is a column or key for it (it may be empty)
	ID      string
	HasID   bool
	// NumericID says that the id was a number in JSON; ID is how it was written.
	NumericID bool
	Labels    []int8    // [C] in the order of the label list: 1, 0 or Unknown; empty with IgnoreLabels
	Shares    []float32 // [C], with SoftLabels: what Labels counts; 0 where that is Unknown
	File      string    // as it was opened; "stdin" for "-"
	Line      int       // physical line on which the row starts, from 1; 0 in a section, where lines are not counted
	Offset    int64     // byte of the text at which the row starts, from 0: of the file, unless that is compressed or begins with a mark
	// Bad says, with ReportBadRows, why this row cannot be used; nil for a good one. A bad row has File and Line, and the id if it
	// could be read; its other fields mean nothing.
	Bad *RowError
}

// Stats counts what a reader has met.
type Stats struct {
	Rows        int // rows handed out
	Bad         int // rows skipped or reported
	InvalidUTF8 int // rows handed out with bytes in text or pair that are no UTF-8; the tokenizer drops those bytes
	CutTexts    int // texts cut at MaxText
}

// rows is a format: start reads what comes before the rows, next fills the fields of ex but the last two, and the label set.
type rows interface {
	start() error
	next(ex *Example) error
}

// Reader reads the rows of one file, one at a time. It holds one row, so a file may be of any length.
type Reader struct {
	options Options
	src     *source
	lines   *lines
	rows    rows
	set     *labelSet // nil with IgnoreLabels
	head    string    // with Options.KeepRaw, what comes before the rows
	stats   Stats
	unknown map[string]*UnknownLabel // names that the label list lacks, when they do not make a row bad
	lastBad *RowError
	section bool  // of a file, see OpenSection
	err     error // what every further Read returns
}

// Open opens a file, or standard input for "-". Errors are *OptionError, those of the file system, or match ErrRefused.
// Without a label list only a file with 0/1 columns under a header can be read row by row; [Load] gathers one from any.
func Open(path string, o Options) (*Reader, error) {
	return open(path, o, false)
}

// NewReader reads from r, and calls it name in errors. Its suffix names the format when o has none. Close does not close r.
func NewReader(r io.Reader, name string, o Options) (*Reader, error) {
	src, err := newSource(r, name)
	if err != nil {
		return nil, err
	}
	return newReader(src, o, false)
}

func open(path string, o Options, gather bool) (*Reader, error) {
	o, err := o.complete(path)
	if err != nil {
		return nil, err
	}
	src, err := openSource(path)
	if err != nil {
		return nil, err
	}
	r, err := newReader(src, o, gather)
	if err != nil {
		src.close()
	}
	return r, err
}

// newReader prepares the format and reads the header. With gather names that the label list lacks join it.
func newReader(src *source, o Options, gather bool) (*Reader, error) {
	o, err := o.complete(src.name)
	if err != nil {
		return nil, err
	}
	r := &Reader{options: o, src: src, lines: newLines(src.text), unknown: map[string]*UnknownLabel{}}
	if !o.IgnoreLabels {
		r.set = newLabelSet(o.Labels)
		r.set.tally, r.set.missing, r.set.binarize, r.set.soft = o.DropUnknown, o.Missing, o.Binarize, o.SoftLabels
	}
	switch o.Format {
	case CSV, TSV:
		r.rows = newTableRows(&r.options, r.lines, r.set)
	case JSONL:
		r.rows = newJSONRows(&r.options, r.lines, r.set)
	case Lines:
		r.rows = textRows{r.lines}
	default:
		r.rows = &fastTextRows{r.lines, r.set, o.LabelPrefix}
	}
	if err := r.rows.start(); err != nil {
		return nil, r.place(noHeader(err), r.lines.first)
	}
	if o.KeepRaw {
		r.head = src.mark + string(r.lines.row())
	}
	if r.set != nil && r.set.gather && !gather {
		return nil, &OptionError{"labels", "the label list is needed to read " + src.name + " row by row"}
	}
	return r, nil
}

// noHeader makes the end of a file before its header a fault.
func noHeader(err error) error {
	if err == io.EOF {
		return &RowError{Found: "an empty file", Expected: "a header with the names of the columns"}
	}
	return err
}

// Labels returns the label list, nil with IgnoreLabels.
func (r *Reader) Labels() *LabelList {
	if r.set == nil {
		return nil
	}
	return r.set.list
}

// Note is something to know about how a file is read, and what to do about it; options in both are in backquotes.
type Note struct {
	Message string `json:"message"`
	Remedy  string `json:"remedy"`
}

// Notes returns what is to be known about how the rows so far were read.
func (r *Reader) Notes() []Note {
	if table, ok := r.rows.(*tableRows); ok {
		return table.counter.note()
	}
	return nil
}

// IDColumn reports whether the rows have ids where a header tells, or without one the options; known is false where only the rows do.
func (r *Reader) IDColumn() (has, known bool) {
	table, ok := r.rows.(*tableRows)
	return ok && table.id >= 0, ok || r.options.Format == FastText || r.options.Format == Lines
}

// NamesLabels reports whether the labels stand by their names in a column of a table.
func (r *Reader) NamesLabels() bool {
	table, ok := r.rows.(*tableRows)
	return ok && table.names >= 0
}

// Stats returns the counts so far.
func (r *Reader) Stats() Stats { return r.stats }

// Options returns how the file is read: what Open or NewReader was given, with the defaults filled in.
func (r *Reader) Options() Options { return r.options }

// Refuse makes the row that Read has handed out last a bad one, for a reason that only the caller can see, and does with it what
// OnBadRow says. With StopAtBadRow it returns bad, as every further Read does. With SkipBadRows skip is set: the row is to be left out.
// With ReportBadRows ex.Bad becomes bad. These two count it, show it to OnBad, and hold it against MaxBadRows, whose error comes from
// the next Read.
func (r *Reader) Refuse(ex *Example, bad *RowError) (skip bool, err error) {
	policy := r.options.OnBadRow
	if r.section {
		bad.Line, bad.Offset, bad.section = 0, ex.Offset, true
	}
	if policy != SkipBadRows && policy != ReportBadRows {
		r.err = bad
		return false, bad
	}
	r.stats.Rows--
	r.report(bad)
	if policy == ReportBadRows {
		ex.Bad = bad
	}
	return policy == SkipBadRows, nil
}

// report counts a bad row that does not end the reading.
func (r *Reader) report(bad *RowError) {
	r.stats.Bad++
	if r.options.OnBad != nil {
		r.options.OnBad(bad)
	}
	r.lastBad = bad
	r.checkLimit(false)
}

// Close closes the file, if Open opened one.
func (r *Reader) Close() error { return r.src.close() }

// Read reads the next row into ex, whose Labels and Shares it reuses. An error is always the end, and comes again at every further Read:
// io.EOF after the last row, a *RowError for a bad row that stops the reading, a *BadRowsError for too many of them, or one of reading.
// With ReportBadRows a bad row is no error: ex.Bad says what is wrong with it, and the next Read goes on with the row after it.
func (r *Reader) Read(ex *Example) error {
	for r.err == nil {
		err := r.read(ex)
		if err == nil {
			return nil
		}
		bad, ok := err.(*RowError)
		if !ok || bad.fatal || r.options.OnBadRow == StopAtBadRow || r.options.OnBadRow == "" {
			r.err = r.atEnd(err)
			break
		}
		r.report(bad)
		if r.options.OnBadRow == ReportBadRows {
			ex.Bad = bad
			return nil
		}
	}
	return r.err
}

// atEnd judges the share of bad rows at the end of the file.
func (r *Reader) atEnd(err error) error {
	if err == io.EOF {
		r.checkLimit(true)
	}
	if r.err != nil {
		return r.err
	}
	return err
}

// checkLimit sets err when there are more bad rows than the options allow.
func (r *Reader) checkLimit(end bool) {
	all := r.stats.Rows + r.stats.Bad
	if r.options.MaxBadRows.exceeded(r.stats.Bad, all, end) {
		r.err = &BadRowsError{r.src.name, r.stats.Bad, all, r.options.MaxBadRows, r.lastBad}
	}
}

// read reads one row, good or bad.
func (r *Reader) read(ex *Example) error {
	*ex = Example{Labels: ex.Labels[:0], Shares: ex.Shares[:0], File: r.src.name}
	err := r.rows.next(ex)
	if ex.Offset = r.lines.at(); !r.section {
		ex.Line = r.lines.first
	}
	if err == nil {
		err = r.checkTexts(ex)
	}
	if err != nil {
		if r.set != nil {
			r.set.undo()
		}
		return r.place(err, ex.Line)
	}
	if r.set != nil {
		r.takeLabels(ex)
	}
	r.stats.Rows++
	return nil
}

// takeLabels writes the labels into ex; while the list is being gathered its length is not known yet.
func (r *Reader) takeLabels(ex *Example) {
	r.set.keep()
	r.countUnknown(ex.Line)
	if r.set.gather {
		return
	}
	ex.Labels = r.set.dense(ex.Labels)
	if r.set.soft {
		ex.Shares = r.set.denseShares(ex.Shares)
	}
}

// countUnknown counts the names of the row that the label list lacks.
func (r *Reader) countUnknown(line int) {
	for _, name := range r.set.missed {
		u := r.unknown[name]
		if u == nil {
			u = &UnknownLabel{Name: name, Line: line, Where: r.set.column}
			r.unknown[name] = u
		}
		u.Rows++
	}
}

// Unknown returns the labels that DropUnknown has left out so far, the most frequent first.
func (r *Reader) Unknown() []UnknownLabel {
	var labels []UnknownLabel
	for _, u := range r.unknown {
		labels = append(labels, *u)
	}
	slices.SortFunc(labels, func(a, b UnknownLabel) int {
		return cmp.Or(b.Rows-a.Rows, a.Line-b.Line, strings.Compare(a.Name, b.Name))
	})
	for i := range min(len(labels), shownLabels) {
		labels[i].Near = r.set.list.Near(labels[i].Name)
	}
	return labels
}

// place adds file and line to an error.
func (r *Reader) place(err error, line int) error {
	switch bad, ok := err.(*RowError); {
	case ok && r.section:
		bad.File, bad.Offset, bad.section = r.src.name, r.lines.at(), true
		return bad
	case ok:
		bad.File, bad.Line = r.src.name, max(line, 1)
		return bad
	case err == io.EOF:
		return err
	case r.section:
		return fmt.Errorf("%s: byte %d: %w", r.src.name, r.lines.at(), err)
	}
	return r.src.fault(err, max(line, 1))
}

// checkTexts holds text and pair to the rules for length and encoding.
func (r *Reader) checkTexts(ex *Example) error {
	invalid := false
	for _, t := range []struct {
		text *string
		name string
	}{{&ex.Text, cmp.Or(r.options.TextColumn, "text")}, {&ex.Pair, cmp.Or(r.options.PairColumn, "text_pair")}} {
		if len(*t.text) > MaxText {
			if r.options.OnLong == LongError {
				return &RowError{Column: t.name, Value: cut(*t.text), Found: fmt.Sprintf("a text of %d bytes:", len(*t.text)),
					Expected: fmt.Sprintf("at most %d", MaxText), Hint: "cut it, or let it be cut: `on_long` truncate"}
			}
			*t.text = cutText(*t.text)
			r.stats.CutTexts++
		}
		if !utf8.ValidString(*t.text) {
			if r.options.StrictUTF8 {
				return &RowError{Column: t.name, Value: cut(*t.text),
					Found:    fmt.Sprintf("invalid UTF-8 at byte %d of", firstInvalid(*t.text)+1),
					Expected: "UTF-8", Hint: "save the file as UTF-8, or leave out `strict_utf8`: the bytes are then dropped"}
			}
			invalid = true
		}
	}
	if invalid {
		r.stats.InvalidUTF8++
	}
	return nil
}

// cutText returns the first MaxText bytes of s, or up to three fewer so that no character is cut.
func cutText(s string) string {
	end := MaxText
	for end > MaxText-utf8.UTFMax+1 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// firstInvalid returns the place of the first byte that is no UTF-8.
func firstInvalid(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return i
			}
		}
	}
	return len(s)
}
