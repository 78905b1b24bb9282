package data

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a file from outside. A row over MaxRow is a bad row; a text over MaxText is cut, or a bad row with LongError.
const (
	MaxRow  = 16 << 20 // bytes of one row with its line ends
	MaxText = 1 << 20  // bytes of one text

	MaxColumns = 1 << 16 // fields of one row
	MaxLabels  = 1 << 16 // names in a label list
)

// Format is the layout of a data file.
type Format string

// The formats. The empty Format stands for the one that FormatOf takes from the file's name.
const (
	CSV      Format = "csv"      // RFC 4180: commas, quotes, line breaks inside quotes
	TSV      Format = "tsv"      // tabs, no quoting at all
	JSONL    Format = "jsonl"    // one JSON object a line
	FastText Format = "fasttext" // labels with the prefix __label__, then the text
	Lines    Format = "lines"    // one text a line, and nothing else
)

// FormatOf returns the format that a file's suffix stands for: .csv, .tsv, .jsonl (also .ndjson, .json), .fasttext (also .ft), .txt
// (lines), each also with .gz after it. Standard input, "-", is JSONL. Any other name is an *OptionError.
func FormatOf(path string) (Format, error) {
	if path == "-" {
		return JSONL, nil
	}
	name := strings.TrimSuffix(strings.ToLower(filepath.Base(path)), ".gz")
	switch filepath.Ext(name) {
	case ".csv":
		return CSV, nil
	case ".tsv":
		return TSV, nil
	case ".jsonl", ".ndjson", ".json":
		return JSONL, nil
	case ".fasttext", ".ft":
		return FastText, nil
	case ".txt":
		return Lines, nil
	}
	return "", &OptionError{"format", fmt.Sprintf("%s has no suffix that names its format; give csv, tsv, jsonl, fasttext or lines", path)}
}

// BadRows says what a row that cannot be read does.
type BadRows string

// The policies. The empty BadRows is StopAtBadRow.
const (
	StopAtBadRow  BadRows = "error"  // the first bad row ends the reading
	SkipBadRows   BadRows = "skip"   // it is left out, counted, and shown to Options.OnBad
	ReportBadRows BadRows = "report" // Read hands it out, with Example.Bad
)

// LongTexts says what a text over MaxText bytes does.
type LongTexts string

// The choices. The empty LongTexts is CutLongTexts.
const (
	CutLongTexts LongTexts = "truncate" // it is cut at a character's border and counted
	LongError    LongTexts = "error"    // its row is a bad row
)

// Options say how a file is to be read. The zero value reads columns text, text_pair, id and labels, gathers the label list,
// and stops at the first bad row. The key that stands for a field in config files, and in errors, is beside it.
type Options struct {
	Format   Format // `format`; empty: by the suffix
	NoHeader bool   // `no_header`; csv, tsv: the first line is a row, and columns go by number from 1

	TextColumn     string   // `text_column`; empty: text
	PairColumn     string   // `text_pair_column`; empty: text_pair or text_b, if there is one
	IDColumn       string   // `id_column`; empty: id, if there is one
	LabelsColumn   string   // `labels_column`, with names; empty: labels, if there is one
	LabelColumns   []string // `label_columns`, with 0 and 1; empty: every column that has no other role
	LabelSeparator string   // `label_separator` between names in the labels column; empty: a comma; tab stands for one
	LabelPrefix    string   // `label_prefix` of a label in fastText's files; empty: __label__
	Delimiter      string   // `delimiter` between the fields of csv and tsv, one character, or tab; empty: a comma, and a tab

	Labels       *LabelList    // `labels`; nil: gathered from the file, or from its header
	Missing      MissingLabels // `missing_labels`: what a word for nothing, such as nan, means in place of labels
	Binarize     float64       // `binarize`: a number between 0 and 1 in place of 0 or 1 is 1 from here on; 0: such numbers are refused
	SoftLabels   bool          // `soft_labels`: such a number is kept as it is, in Dataset.Shares; what counts goes by Binarize, or a half
	IgnoreLabels bool          // labels are not looked at, Example.Labels stays empty (predict)
	DropUnknown  bool          // `drop_unknown_labels`: names that the label list lacks are left out and counted, instead of refused

	OnBadRow   BadRows         // `on_bad_row`
	MaxBadRows Limit           // `max_bad_rows` with skip and report
	OnBad      func(*RowError) // is called for every bad row of skip and report, in order
	OnLong     LongTexts       // `on_long`
	StrictUTF8 bool            // `strict_utf8`: a text with invalid UTF-8 is a bad row; else the tokenizer drops the bytes
	KeepRaw    bool            // Dataset.Raw and Head keep the bytes of the file; no option of config files
}

// OptionError is an option that cannot be used: wrong usage, not wrong data.
type OptionError struct {
	Option  string // its key: "on_bad_row"
	Problem string // other options in it are in backquotes
}

func (e *OptionError) Error() string { return e.Option + ": " + e.Problem }

// complete fills in the defaults and checks what can be checked without the file.
func (o Options) complete(path string) (Options, error) {
	if o.Format == "" {
		format, err := FormatOf(path)
		if err != nil {
			return o, err
		}
		o.Format = format
	}
	o.LabelSeparator = cmp.Or(fromWord(o.LabelSeparator), ",")
	o.LabelPrefix = cmp.Or(o.LabelPrefix, labelPrefix)
	o.LabelColumns = slices.Clone(o.LabelColumns)
	for i, name := range o.LabelColumns {
		o.LabelColumns[i] = strings.TrimSpace(name)
	}
	choices := []struct {
		option, value string
		among         []string
	}{
		{"format", string(o.Format), []string{"csv", "tsv", "jsonl", "fasttext", "lines"}},
		{"on_bad_row", string(o.OnBadRow), []string{"", "error", "skip", "report"}},
		{"on_long", string(o.OnLong), []string{"", "truncate", "error"}},
		{"missing_labels", string(o.Missing), []string{"", "unknown", "none", "error"}},
	}
	for _, c := range choices {
		if !slices.Contains(c.among, c.value) {
			return o, &OptionError{c.option, fmt.Sprintf("%q is none of %s", c.value,
				strings.TrimPrefix(strings.Join(c.among, ", "), ", "))}
		}
	}
	if !(o.Binarize >= 0 && o.Binarize <= 1) {
		return o, &OptionError{"binarize", fmt.Sprintf("%v is not between 0 and 1", o.Binarize)}
	}
	if o.Format == Lines && !o.IgnoreLabels {
		return o, &OptionError{"format", path + " is of one text a line, without labels; give csv, tsv, jsonl or fasttext"}
	}
	if o.SoftLabels && o.Format == FastText && !o.IgnoreLabels {
		return o, &OptionError{"soft_labels", "takes numbers between 0 and 1, and fasttext has names only; give csv, tsv or jsonl"}
	}
	if o.LabelsColumn != "" && len(o.LabelColumns) > 0 {
		return o, &OptionError{"labels_column", "cannot be given together with `label_columns`"}
	}
	if err := o.setDelimiter(); err != nil {
		return o, err
	}
	return o, o.checkNumbers()
}

// setDelimiter fills in the default of the format, and checks what was given.
func (o *Options) setDelimiter() error {
	o.Delimiter = fromWord(o.Delimiter)
	if o.Delimiter == "" {
		o.Delimiter = ","
		if o.Format == TSV {
			o.Delimiter = "\t"
		}
	}
	if len(o.Delimiter) != 1 || o.Delimiter[0] >= utf8.RuneSelf || strings.ContainsAny(o.Delimiter, "\"\r\n") {
		return &OptionError{"delimiter", fmt.Sprintf("%q is not one ASCII character that may stand between fields, or tab", o.Delimiter)}
	}
	return nil
}

// isTable reports whether the file has columns.
func (o *Options) isTable() bool { return o.Format == CSV || o.Format == TSV }

// checkNumbers checks that a file without a header has its columns given by number.
func (o *Options) checkNumbers() error {
	if !o.NoHeader || !o.isTable() {
		return nil
	}
	if o.TextColumn == "" {
		return &OptionError{"no_header", "needs `text_column` N, counted from 1"}
	}
	type column struct{ option, value string }
	columns := []column{
		{"text_column", o.TextColumn},
		{"text_pair_column", o.PairColumn},
		{"id_column", o.IDColumn},
		{"labels_column", o.LabelsColumn},
	}
	for _, c := range o.LabelColumns {
		columns = append(columns, column{"label_columns", c})
	}
	for _, c := range columns {
		if n, err := strconv.Atoi(c.value); c.value != "" && (err != nil || n < 1) {
			return &OptionError{c.option, fmt.Sprintf("%q is no column number; with `no_header` columns are counted from 1", c.value)}
		}
	}
	return nil
}

// Limit bounds the bad rows of a file: by their number, or by their share of all rows. The zero Limit bounds nothing.
type Limit struct {
	set     bool
	percent bool
	value   float64
}

// AtMost returns the limit of so many rows; 0 is a limit, too.
func AtMost(rows int) Limit { return Limit{set: true, value: float64(max(0, rows))} }

// AtMostPercent returns the limit of so many percent of all rows, which can be judged at the end of the file only.
func AtMostPercent(percent float64) Limit {
	return Limit{set: true, percent: true, value: max(0, percent)}
}

// ParseLimit reads "100", or "1.5%" of all rows; "" is the zero Limit. The error is an *OptionError.
func ParseLimit(s string) (Limit, error) {
	if s == "" {
		return Limit{}, nil
	}
	digits, percent := strings.CutSuffix(s, "%")
	value, err := strconv.ParseFloat(digits, 64)
	whole := value == float64(int64(value))
	if err != nil || !(value >= 0) || percent && value > 100 || !percent && !whole {
		return Limit{}, &OptionError{"max_bad_rows", fmt.Sprintf("%q is neither a number of rows nor a percentage such as 1%%", s)}
	}
	return Limit{true, percent, value}, nil
}

// String returns what ParseLimit reads.
func (l Limit) String() string {
	switch {
	case !l.set:
		return ""
	case l.percent:
		return strconv.FormatFloat(l.value, 'f', -1, 64) + "%"
	}
	return strconv.FormatFloat(l.value, 'f', -1, 64)
}

// Allows reports whether a limit was set, and bad rows of all are within it.
func (l Limit) Allows(bad, all int) bool { return l.set && !l.exceeded(bad, all, true) }

// exceeded reports whether bad rows of all are too many. A percentage is judged at the end of the file only.
func (l Limit) exceeded(bad, all int, end bool) bool {
	if !l.set {
		return false
	}
	if l.percent {
		return end && float64(bad)*100 > l.value*float64(all)
	}
	return float64(bad) > l.value
}
