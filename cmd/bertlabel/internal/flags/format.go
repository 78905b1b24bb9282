package flags

import (
	"slices"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/train/data"
)

// formatFlags are the flags that mean something for some formats only, with these.
var formatFlags = []struct {
	flag    string
	formats []data.Format
}{
	{"no-header", []data.Format{data.CSV, data.TSV}},
	{"delimiter", []data.Format{data.CSV, data.TSV}},
	{"text-column", []data.Format{data.CSV, data.TSV, data.JSONL}},
	{"text-pair-column", []data.Format{data.CSV, data.TSV, data.JSONL}},
	{"id-column", []data.Format{data.CSV, data.TSV, data.JSONL}},
	{"labels-column", []data.Format{data.CSV, data.TSV, data.JSONL}},
	{"label-columns", []data.Format{data.CSV, data.TSV, data.JSONL}},
	{"label-separator", []data.Format{data.CSV, data.TSV}},
	{"label-prefix", []data.Format{data.FastText}},
}

// checkFormat refuses flags of the command line that mean nothing for the format of a file, nor for that of one before it.
func (r *Reading) checkFormat(path string) error {
	format := r.Options.Format
	if format == "" {
		var err error
		if format, err = data.FormatOf(path); err != nil {
			return nil // the reader says so
		}
	}
	for _, f := range formatFlags {
		switch {
		case slices.Contains(f.formats, format):
			r.acted[f.flag] = true
		case r.onLine(f.flag) && !r.acted[f.flag]:
			return cli.Usagef("%s: --%s means nothing for a file of format %s; it is for %s", path, f.flag, format, f.formats)
		}
	}
	return nil
}
