package flags

import (
	"encoding/json"
	"os"
	"path/filepath"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/train/data"

	"github.com/spf13/cobra"
)

// Data holds the flags that say how labelled texts are read. Every verb that reads texts has the same ones.
type Data struct {
	data.Options          // all but Labels, MaxBadRows and OnBad
	MaxBad       string   // --max-bad-rows: a number, or a share of all rows; "": any number
	LabelsFile   string   // --labels; "": the labels are gathered from the data
	BadRowsFile  string   // --bad-rows; "": bad rows are not listed
	Texts        []string // that are read instead of a file

	onLine func(flag string) bool // whether the command line itself has a flag
}

// AddData declares them for a verb; onBadRow is its default policy.
func AddData(cmd *cobra.Command, onBadRow data.BadRows) *Data {
	d := &Data{onLine: func(flag string) bool { return cli.OnCommandLine(cmd, flag) }}
	f := cmd.Flags()
	f.StringVar((*string)(&d.Format), "format", "",
		"`FORMAT` of the data: csv, tsv, jsonl, fasttext, or lines with one text each "+
			"(default: by the file's suffix; on stdin by its first line)")
	f.BoolVar(&d.NoHeader, "no-header", false, "the first line of csv and tsv is a row; columns go by number from 1")
	f.StringVar(&d.TextColumn, "text-column", "", "`COLUMN` of the text (default: text)")
	f.StringVar(&d.PairColumn, "text-pair-column", "", "`COLUMN` of the second text (default: text_pair or text_b, if there is one)")
	f.StringVar(&d.IDColumn, "id-column", "", "`COLUMN` of the id (default: id, if there is one)")
	f.StringVar(&d.LabelsFile, "labels", "", "`FILE` with the label list, one a line (default: gathered from the data)")
	f.StringVar(&d.LabelsColumn, "labels-column", "", "`COLUMN` of label names (default: labels, if there is one)")
	f.StringSliceVar(&d.LabelColumns, "label-columns", nil,
		"`COLUMNS` of 0 and 1, or keys of jsonl, separated by commas (default: all columns that have no other role)")
	f.StringVar(&d.LabelSeparator, "label-separator", "",
		"what stands between the names in the labels column, `TEXT` or tab (default: a comma)")
	f.Float64Var(&d.Binarize, "binarize", 0,
		"a number between 0 and 1 in place of 0 or 1, such as a share of annotators, is 1 from `T` on (default: it is refused)")
	f.StringVar((*string)(&d.Missing), "missing-labels", "", "what a word for nothing, such as nan, means in place of labels, `POLICY`: "+
		"unknown, none or error (default: error)")
	f.StringVar(&d.LabelPrefix, "label-prefix", "", "what begins a label in fasttext, `TEXT` (default: __label__)")
	f.StringVar(&d.Delimiter, "delimiter", "",
		"what stands between the fields of csv and tsv: one `CHARACTER`, or tab (default: a comma; a tab)")
	f.StringVar(&d.BadRowsFile, "bad-rows", "", "`FILE` to list the rows that were skipped or reported in, as JSON lines")
	f.StringVar((*string)(&d.OnBadRow), "on-bad-row", string(onBadRow),
		"what a row that cannot be read does, `POLICY`: error, skip or report")
	f.StringVar(&d.MaxBad, "max-bad-rows", "", "stop at more bad rows than `N`, or than N% of all (default: any number)")
	f.StringVar((*string)(&d.OnLong), "on-long", "truncate",
		"a text over --max-seq-length tokens, or 1 MiB: truncate, or error, which makes its row a bad one")
	f.BoolVar(&d.StrictUTF8, "strict-utf8", false, "invalid UTF-8 makes a bad row (default: the bytes are dropped)")
	f.BoolVar(&d.DropUnknown, "drop-unknown-labels", false,
		"leave out labels that the label list lacks, and count them, instead of refusing the file")
	cli.Minor(cmd, "Data flags", "format", "no-header", "text-column", "text-pair-column", "id-column", "labels-column", "label-columns",
		"label-separator", "missing-labels", "binarize", "label-prefix", "delimiter", "labels",
		"on-bad-row", "max-bad-rows", "bad-rows", "on-long", "strict-utf8", "drop-unknown-labels")
	return d
}

// AddSoftLabels declares --soft-labels, for the verbs that have a use for shares as they are.
func AddSoftLabels(cmd *cobra.Command, d *Data) {
	cmd.Flags().BoolVar(&d.SoftLabels, "soft-labels", false,
		"numbers between 0 and 1 in place of 0 and 1 are taken as they are; what is counted, on --dev too, goes by --binarize")
	cli.Minor(cmd, "Data flags", "soft-labels")
}

// Reading reads files as the flags say, and keeps account of their bad rows.
type Reading struct {
	Options data.Options // for the files that are still to be read

	app    *cli.App
	bad    badRowLog
	texts  []string // that Open reads instead of a file
	onLine func(flag string) bool
	acted  map[string]bool // flags that some file so far has had a use for
}

// check refuses flags of the command line that change nothing.
func (d *Data) check() error {
	switch {
	case d.onLine("binarize") && d.Binarize == 0:
		return cli.Usagef("--binarize 0: want a number above 0, at most 1")
	case d.OnBadRow != "" && d.OnBadRow != data.StopAtBadRow:
		return nil
	}
	for _, flag := range []string{"max-bad-rows", "bad-rows"} {
		if d.onLine(flag) {
			return cli.Usagef("--%s needs --on-bad-row skip or report: now the first bad row ends the reading", flag)
		}
	}
	return nil
}

// NoPlaceForBadRows says that an output has no place for a row that cannot be read: such a row ends the reading unless it is skipped.
func (d *Data) NoPlaceForBadRows(output string) error {
	if d.OnBadRow != data.ReportBadRows {
		return nil
	}
	if d.onLine("on-bad-row") {
		return cli.Usagef("--on-bad-row report has no place in %s: give error or skip", output)
	}
	d.OnBadRow = data.StopAtBadRow
	return nil
}

// RefuseDropUnknown refuses --drop-unknown-labels where the labels are gathered from all that is read.
func (d *Data) RefuseDropUnknown() error {
	if d.onLine("drop-unknown-labels") && d.LabelsFile == "" {
		return cli.Usagef("--drop-unknown-labels leaves out what a label list lacks, and here the file makes the list: give --labels FILE")
	}
	return nil
}

// Read reads the label list, if the flags name one, and returns a Reading.
func (d *Data) Read(a *cli.App) (*Reading, error) {
	r := &Reading{Options: d.Options, app: a, bad: badRowLog{path: d.BadRowsFile}, texts: d.Texts, onLine: d.onLine, acted: map[string]bool{}}
	r.Options.OnBad = r.bad.add
	if err := d.check(); err != nil {
		return nil, err
	}
	var err error
	if r.Options.MaxBadRows, err = data.ParseLimit(d.MaxBad); err != nil {
		return nil, err
	}
	if d.LabelsFile == "" {
		return r, nil
	}
	r.Options.Labels, err = d.ReadLabels()
	return r, err
}

// ReadLabels reads the label list that the flags name.
func (d *Data) ReadLabels() (*data.LabelList, error) {
	if err := cli.CheckInput(d.LabelsFile); err != nil {
		return nil, err
	}
	return data.ReadLabels(d.LabelsFile)
}

// NameOutputs returns the labels of a model as a list that data can be read by. --labels gives a head without names its names; a list that
// is not the model's, in its order, is wrong usage.
func (d *Data) NameOutputs(m *model.Model) (*data.LabelList, error) {
	if d.LabelsFile != "" {
		if err := cli.CheckInput(d.LabelsFile); err != nil {
			return nil, err
		}
		list, err := data.ReadLabels(d.LabelsFile)
		if err != nil {
			return nil, err
		}
		switch names := list.Names(); {
		case len(names) != len(m.Labels):
			return nil, cli.Usagef("--labels %s has %d labels, the model %d", d.LabelsFile, len(names), len(m.Labels))
		case m.Unnamed:
			m.Labels, m.Unnamed = names, false
		default:
			for i, name := range names {
				if name != m.Labels[i] {
					return nil, cli.Usagef("--labels %s has %q as label %d, the model %q: its names are its own (labels rename changes them)",
						d.LabelsFile, name, i+1, m.Labels[i])
				}
			}
		}
	}
	list, err := data.NewLabelList(m.Labels, "the model's labels")
	return list, cli.WithCode(cli.ExitModel, err)
}

// Open opens a file, or stdin for "-", to be read row by row.
func (r *Reading) Open(path string) (*data.Reader, error) {
	if len(r.texts) > 0 {
		return r.openTexts()
	}
	if path == "-" && r.Options.Format == "" && r.Options.IgnoreLabels {
		r.lookAtStdin()
	}
	if err := r.checkFormat(path); err != nil {
		return nil, err
	}
	if path == "-" {
		o, err := onStdin(r.Options)
		if err != nil {
			return nil, err
		}
		return data.NewReader(r.app.Stdin, "stdin", o)
	}
	if err := cli.CheckInput(path); err != nil {
		return nil, err
	}
	return data.Open(path, r.Options)
}

// Check refuses flags of the command line that mean nothing for the format of a file that others open.
func (r *Reading) Check(path string) error { return r.checkFormat(path) }

// Load reads a whole file, or stdin for "-", and says what was left out.
func (r *Reading) Load(path string) (*data.Dataset, error) {
	set, err := r.LoadQuietly(path)
	if err == nil {
		r.sayLeftOut(set)
	}
	return set, err
}

// LoadQuietly is Load for a verb that says itself what was left out.
func (r *Reading) LoadQuietly(path string) (set *data.Dataset, err error) {
	r.bad.first = nil
	if err := r.checkFormat(path); err != nil {
		return nil, err
	}
	if path == "-" {
		var o data.Options
		if o, err = onStdin(r.Options); err == nil {
			set, err = data.LoadFrom(r.app.Stdin, "stdin", o)
		}
	} else if err = cli.CheckInput(path); err == nil {
		set, err = data.Load(path, r.Options)
	}
	if err != nil {
		return nil, err
	}
	if set.LabelCells && r.onLine("label-separator") {
		return nil, cli.Usagef("--label-separator means nothing for %s, whose labels are columns of 0 and 1 (--labels-column names one of names)",
			path)
	}
	return set, r.bad.err
}

// Err returns the first failure to write the list of bad rows.
func (r *Reading) Err() error { return r.bad.err }

// sayLeftOut reports what a file had that was not used.
func (r *Reading) sayLeftOut(set *data.Dataset) {
	r.SayStats(set.File, set.Stats)
	r.SaySkipped(set.File, set.Stats.Bad, set.Stats.Rows+set.Stats.Bad)
	for _, n := range set.Notes {
		r.app.Log.Warnf("%s: %s. %s.", set.File, cli.AsFlags(n.Message), cli.AsFlags(n.Remedy))
	}
	flood := cli.NewFlood(r.app.Log)
	for _, u := range set.Dropped {
		flood.Warnf("labels that were left out", "%s: label %q is not in the list and was left out of %d rows", set.File, u.Name, u.Rows)
	}
	flood.Done("; check-data --json counts them")
}

// SaySkipped reports rows that were left out.
func (r *Reading) SaySkipped(file string, skipped, of int) {
	if skipped > 0 {
		r.app.Log.Warnf("%s: %d of %d rows could not be read and were left out; the first: %v", file, skipped, of, r.bad.first)
	}
}

// SayStats reports what was left out of the rows of a file.
func (r *Reading) SayStats(file string, s data.Stats) {
	if s.CutTexts > 0 {
		r.app.Log.Warnf("%s: %d texts were longer than %d MiB and were cut there", file, s.CutTexts, data.MaxText>>20)
	}
	if s.InvalidUTF8 > 0 {
		r.app.Log.Warnf("%s: %d rows hold bytes that are no UTF-8, which are dropped", file, s.InvalidUTF8)
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

// badRowLog keeps the first bad row, and writes all of them to the file at path, which it makes at the first one.
type badRowLog struct {
	path  string
	file  *os.File
	first *data.RowError
	err   error // the first failure to write
}

func (l *badRowLog) add(bad *data.RowError) {
	bad = cli.FlaggedRow(bad)
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
