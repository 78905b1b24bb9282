package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"bertlabel/train/data"

	"github.com/spf13/cobra"
)

// dataFlags are the flags that say how labelled texts are read. Every verb that reads texts has the same ones.
type dataFlags struct {
	format               string
	noHeader             bool
	text, pair, id       string
	labelsColumn         string
	labelColumns         []string
	separator            string
	labels               string
	onBadRow, maxBadRows string
	badRows              string
	onLong               string
	strictUTF8           bool
	dropUnknown          bool

	bad badRowLog
}

// addDataFlags declares them for a verb; onBadRow is its default policy.
func addDataFlags(cmd *cobra.Command, onBadRow data.BadRows) *dataFlags {
	d := &dataFlags{}
	f := cmd.Flags()
	f.StringVar(&d.format, "format", "", "`FORMAT` of the data: csv, tsv, jsonl or fasttext (default: by the file's suffix; jsonl on stdin)")
	f.BoolVar(&d.noHeader, "no-header", false, "the first line of csv and tsv is a row; columns go by number from 1")
	f.StringVar(&d.text, "text-column", "", "`COLUMN` of the text (default: text)")
	f.StringVar(&d.pair, "text-pair-column", "", "`COLUMN` of the second text (default: text_pair or text_b, if there is one)")
	f.StringVar(&d.id, "id-column", "", "`COLUMN` of the id (default: id, if there is one)")
	f.StringVar(&d.labelsColumn, "labels-column", "", "`COLUMN` of label names (default: labels, if there is one)")
	f.StringSliceVar(&d.labelColumns, "label-columns", nil, "`COLUMNS` of 0 and 1, separated by commas (default: all that have no other role)")
	f.StringVar(&d.separator, "label-separator", "", "what stands between the names in the labels column (default: a comma)")
	f.StringVar(&d.labels, "labels", "", "`FILE` with the label list, one a line (default: gathered from the data)")
	f.StringVar(&d.onBadRow, "on-bad-row", string(onBadRow), "what a row that cannot be read does, `POLICY`: error, skip or report")
	f.StringVar(&d.maxBadRows, "max-bad-rows", "", "stop at more bad rows than `N`, or than N% of all (default: any number)")
	f.StringVar(&d.badRows, "bad-rows", "", "`FILE` to list the rows that were skipped or reported in, as JSON lines")
	f.StringVar(&d.onLong, "on-long", "truncate", "a text over --max-seq-length tokens, or 1 MiB: truncate, or error, which makes its row a bad one")
	f.BoolVar(&d.strictUTF8, "strict-utf8", false, "invalid UTF-8 makes a bad row (default: the bytes are dropped)")
	f.BoolVar(&d.dropUnknown, "drop-unknown-labels", false, "leave out labels that the label list lacks, and count them, instead of refusing the file")
	minor(cmd, "Data flags", "format", "no-header", "text-column", "text-pair-column", "id-column", "labels-column", "label-columns", "label-separator", "labels",
		"on-bad-row", "max-bad-rows", "bad-rows", "on-long", "strict-utf8", "drop-unknown-labels")
	return d
}

// options turns the flags into options of the reader, and reads the label list.
func (d *dataFlags) options(a *app) (data.Options, error) {
	o := data.Options{
		Format: data.Format(d.format), NoHeader: d.noHeader,
		TextColumn: d.text, PairColumn: d.pair, IDColumn: d.id,
		LabelsColumn: d.labelsColumn, LabelColumns: d.labelColumns, LabelSeparator: d.separator,
		OnBadRow: data.BadRows(d.onBadRow), OnLong: data.LongTexts(d.onLong), StrictUTF8: d.strictUTF8, DropUnknown: d.dropUnknown,
	}
	var err error
	if o.MaxBadRows, err = data.ParseLimit(d.maxBadRows); err != nil {
		return o, err
	}
	d.bad = badRowLog{path: d.badRows}
	o.OnBad = d.bad.add
	if d.labels == "" {
		return o, nil
	}
	if err := isInput(d.labels); err != nil {
		return o, err
	}
	o.Labels, err = data.ReadLabels(d.labels)
	return o, err
}

// open opens a file, or stdin for "-", to be read row by row.
func (d *dataFlags) open(a *app, path string, o data.Options) (*data.Reader, error) {
	if path == "-" {
		o, err := onStdin(o)
		if err != nil {
			return nil, err
		}
		return data.NewReader(a.stdin, "stdin", o)
	}
	if err := isInput(path); err != nil {
		return nil, err
	}
	return data.Open(path, o)
}

// load reads a whole file, or stdin for "-", and says what was left out.
func (d *dataFlags) load(a *app, path string, o data.Options) (*data.Dataset, error) {
	set, err := d.loadQuietly(a, path, o)
	if err == nil {
		d.sayLeftOut(a, set)
	}
	return set, err
}

func (d *dataFlags) loadQuietly(a *app, path string, o data.Options) (set *data.Dataset, err error) {
	d.bad.first = nil
	if path == "-" {
		if o, err = onStdin(o); err == nil {
			set, err = data.LoadFrom(a.stdin, "stdin", o)
		}
	} else if err = isInput(path); err == nil {
		set, err = data.Load(path, o)
	}
	if err != nil {
		return nil, err
	}
	return set, d.bad.err
}

// sayLeftOut reports what a file had that was not used.
func (d *dataFlags) sayLeftOut(a *app, set *data.Dataset) {
	d.sayStats(a, set.File, set.Stats)
	d.saySkipped(a, set.File, set.Stats.Bad, set.Stats.Rows+set.Stats.Bad)
	for _, u := range set.Dropped {
		a.log.Warnf("%s: label %q is not in the list and was left out of %d rows", set.File, u.Name, u.Rows)
	}
}

// saySkipped reports rows that were left out.
func (d *dataFlags) saySkipped(a *app, file string, skipped, of int) {
	if skipped > 0 {
		a.log.Warnf("%s: %d of %d rows could not be read and were left out; the first: %v", file, skipped, of, d.bad.first)
	}
}

// sayStats reports what was left out of the rows of a file.
func (d *dataFlags) sayStats(a *app, file string, s data.Stats) {
	if s.CutTexts > 0 {
		a.log.Warnf("%s: %d texts were longer than %d MiB and were cut there", file, s.CutTexts, data.MaxText>>20)
	}
	if s.InvalidUTF8 > 0 {
		a.log.Warnf("%s: %d rows hold bytes that are no UTF-8, which are dropped", file, s.InvalidUTF8)
	}
}

// onStdin fixes the format of stdin, which has no suffix.
func onStdin(o data.Options) (data.Options, error) {
	var err error
	if o.Format == "" {
		o.Format, err = data.FormatOf("-")
	}
	return o, err
}

// isInput says that a file to be read is not there, or is a folder: wrong usage both.
func isInput(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return withCode(exitUsage, err)
	case err == nil && info.IsDir():
		return usagef("%s is a folder, want a file", path)
	}
	return err
}

// badRowLog keeps the first bad row, and writes all of them to the file at path, which it makes at the first one.
type badRowLog struct {
	path  string
	file  *os.File
	first *data.RowError
	err   error // the first failure to write
}

func (l *badRowLog) add(bad *data.RowError) {
	bad = flaggedRow(bad)
	if l.first == nil {
		l.first = bad
	}
	if l.path == "" || l.err != nil {
		return
	}
	if l.file == nil {
		if l.err = os.MkdirAll(filepath.Dir(l.path), 0o755); l.err == nil {
			l.file, l.err = os.Create(l.path)
		}
	}
	if l.err == nil {
		l.err = json.NewEncoder(l.file).Encode(bad)
	}
}
