package flags

import (
	"slices"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/train/data"
)

// formatFlags are the flags of data that mean something for some formats only, and those that are about labels, which some verbs do not
// read. It is the one table of both; a test holds every verb, format and flag against it.
var formatFlags = []struct {
	flag    string
	labels  bool // means nothing where labels are not read
	formats []data.Format
}{
	{"no-header", false, []data.Format{data.CSV, data.TSV}},
	{"delimiter", false, []data.Format{data.CSV, data.TSV}},
	{"text-column", false, []data.Format{data.CSV, data.TSV, data.JSONL}},
	{"text-pair-column", false, []data.Format{data.CSV, data.TSV, data.JSONL}},
	{"id-column", false, []data.Format{data.CSV, data.TSV, data.JSONL}},
	{"labels-column", true, []data.Format{data.CSV, data.TSV, data.JSONL}},
	{"label-columns", true, []data.Format{data.CSV, data.TSV, data.JSONL}},
	{"label-separator", true, []data.Format{data.CSV, data.TSV}},
	{"missing-labels", true, []data.Format{data.CSV, data.TSV, data.JSONL, data.FastText}},
	{"binarize", true, []data.Format{data.CSV, data.TSV, data.JSONL}},
	{"soft-labels", true, []data.Format{data.CSV, data.TSV, data.JSONL}},
	{"drop-unknown-labels", true, []data.Format{data.CSV, data.TSV, data.JSONL, data.FastText}},
	{"label-prefix", false, []data.Format{data.FastText}},
}

// RefuseLabels refuses --labels for a verb that neither reads nor writes labels by their list, or not here; where says where it does, or is
// "".
func (d *Data) RefuseLabels(where string) error {
	if !d.onLine("labels") {
		return nil
	}
	if where != "" {
		where = ": " + where
	}
	return cli.Usagef("--labels is about labels, which are not read here%s", where)
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
		case f.labels && r.Options.IgnoreLabels && r.onLine(f.flag):
			return cli.Usagef("--%s is about labels, which are not read here", f.flag)
		case slices.Contains(f.formats, format):
			r.acted[f.flag] = true
		case r.onLine(f.flag) && !r.acted[f.flag]:
			return cli.Usagef("%s: --%s means nothing for a file of format %s; it is for %s", path, f.flag, format, f.formats)
		}
	}
	return nil
}
