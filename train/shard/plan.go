package shard

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"bertlabel/asm"
	"bertlabel/bert/model"
	"bertlabel/checkpoint/atomic"
	"bertlabel/train/data"
	"bertlabel/train/score"
)

// Options say what is scored, and where the parts go.
type Options struct {
	// Input is a file whose rows are lines, which is cut by bytes; or a folder, whose files, of any format, are dealt whole.
	Input  string
	Output string // the folder of the parts, which is made
	Of     int    // shards, from 1 to MaxShards

	// Data is how the input is read. Labels are looked at where there is a list of them. OnBad is called for every bad row; MaxBadRows is for
	// each shard.
	Data  data.Options
	Score score.Options // what the model makes of a row
	// ModelPooling makes vectors those that the model's head reads, or its folder means, whatever Score.Pooling is.
	ModelPooling bool

	// Model is model.Stamp of the model that will be opened.
	Model []byte
	// Settings are all other options that change the bytes of the output, and only those: a run with others is refused. What Data and Score
	// say is added.
	Settings map[string]string
	Version  string // of the program, for the receipts

	// Suffix is that of the parts, lower-case letters, and NewWriter makes what writes them, jsonl and lines of JSON (score.Line{}) where
	// they are empty. first says that the part is the first one, in which the header of a table stands.
	Suffix    string
	NewWriter func(w io.Writer, m *model.Model, first bool) Writer
	// NeedIDs refuses an input whose rows have no ids: by the header, or where there is none by the first row of the file. A table without
	// ids numbers its rows, which a part cannot.
	NeedIDs bool

	// BadRows is a folder for files bad-00003-of-00128.jsonl, which list the bad rows of a shard that has some; "": they are not listed.
	BadRows string
	// ShowBad is how a bad row is shown in part and list; nil: as it is.
	ShowBad func(*data.RowError) *data.RowError

	Observer Observer
	FS       atomic.FS // nil: that of the machine
}

// Writer writes the rows of a part.
type Writer interface {
	Row(row *score.Row) error // in order; Err is set for one without a result
	Flush() error             // hands everything on to the writer below; it is called last
}

// Observer is told of a run, one call at a time. Functions that are nil are not called.
type Observer struct {
	Chunk func(shard int, rows []score.Row) // rows that have been written
	Note  func(message string)              // what was found in the folder, and left alone or made anew
}

// Planned is a job that is cut, before anything is read. It is for one goroutine at a time.
type Planned struct {
	options Options
	input   *input
	job     Job
	checked bool // the folder has no parts of another run

	fingerprinted *model.Model // whose fingerprint that is
	fingerprint   string
}

// Plan looks at the input and cuts it; it makes nothing. It does not open the model. Errors are *data.OptionError, or of the file system.
func Plan(o Options) (*Planned, error) {
	switch {
	case o.Of < 1 || o.Of > MaxShards:
		return nil, &data.OptionError{Option: "shard", Problem: fmt.Sprintf("%d shards: want from 1 to %d", o.Of, MaxShards)}
	case o.Output == "":
		return nil, &data.OptionError{Option: "output", Problem: "want the folder of the parts"}
	case len(o.Model) == 0:
		return nil, errors.New("shard: no stamp of the model (model.Stamp)")
	case (o.Suffix == "") != (o.NewWriter == nil):
		return nil, errors.New("shard: want both Suffix and NewWriter, or none")
	case o.Score.Result == score.Tokens:
		return nil, errors.New("shard: score.Tokens has nothing to write")
	}
	if o.Suffix == "" {
		o.Suffix = "jsonl"
		o.NewWriter = func(w io.Writer, m *model.Model, _ bool) Writer { return &jsonLines{w: w, m: m} }
	}
	if _, _, _, ok := parseName(name(0, 1, o.Suffix)); !ok || o.Suffix == receiptSuffix {
		return nil, fmt.Errorf("shard: suffix %q: want lower-case letters, and not those of a receipt", o.Suffix)
	}
	if o.ShowBad == nil {
		o.ShowBad = func(bad *data.RowError) *data.RowError { return bad }
	}
	if o.FS == nil {
		o.FS = atomic.OS{}
	}
	in, err := readInput(o.Input, o.Data)
	if err != nil {
		return nil, err
	}
	if a, errA := os.Stat(o.Input); errA == nil {
		if b, errB := os.Stat(o.Output); errB == nil && os.SameFile(a, b) {
			return nil, &data.OptionError{Option: "output", Problem: o.Output + " is the input: the parts need a folder of their own"}
		}
	}
	settings := maps.Clone(o.Settings)
	if settings == nil {
		settings = map[string]string{}
	}
	o.addSettings(settings)
	return &Planned{options: o, input: in,
		job: Job{Of: o.Of, Input: in.Input, Model: hex.EncodeToString(o.Model), Kernels: asm.Best.Name, Settings: settings}}, nil
}

// addSettings adds what Data and Score say that changes the output, by the keys of config files.
func (o *Options) addSettings(settings map[string]string) {
	d := &o.Data
	add := func(key, value string) {
		if value != "" {
			settings[key] = value
		}
	}
	flag := func(key string, value bool) {
		if value {
			settings[key] = strconv.FormatBool(value)
		}
	}
	add("output_format", o.Suffix)
	add("format", string(d.Format))
	flag("no_header", d.NoHeader)
	add("text_column", d.TextColumn)
	add("text_pair_column", d.PairColumn)
	add("id_column", d.IDColumn)
	add("delimiter", d.Delimiter)
	add("label_prefix", d.LabelPrefix)
	add("on_bad_row", string(d.OnBadRow))
	add("on_long", string(d.OnLong))
	flag("strict_utf8", d.StrictUTF8)
	if d.Labels != nil {
		add("labels", fmt.Sprintf("%q", d.Labels.Names()))
		add("labels_column", d.LabelsColumn)
		add("label_columns", strings.Join(d.LabelColumns, ","))
		add("label_separator", d.LabelSeparator)
		add("missing_labels", string(d.Missing))
		flag("drop_unknown_labels", d.DropUnknown)
		flag("soft_labels", d.SoftLabels)
		if d.Binarize > 0 {
			add("binarize", strconv.FormatFloat(d.Binarize, 'g', -1, 64))
		}
	}
	flag("windows_detail", o.Score.Windows)
	if o.Score.Result == score.Vectors && !o.ModelPooling {
		add("pooling", o.Score.Pooling.String())
	}
}

// Job returns what all receipts of the plan have alike.
func (p *Planned) Job() Job { return p.job }

// path returns the path of a file of shard i.
func (p *Planned) path(i int, suffix string) string {
	return filepath.Join(p.options.Output, name(i, p.job.Of, suffix))
}

func (p *Planned) note(format string, args ...any) {
	if p.options.Observer.Note != nil {
		p.options.Observer.Note(fmt.Sprintf(format, args...))
	}
}

// jsonLines writes lines of JSON.
type jsonLines struct {
	w    io.Writer
	m    *model.Model
	line []byte
}

func (j *jsonLines) Row(row *score.Row) error {
	j.line = score.AppendJSON(j.line[:0], j.m, row)
	_, err := j.w.Write(j.line)
	return err
}

func (j *jsonLines) Flush() error { return nil }

// seconds rounds a duration for a receipt.
func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// badName returns the name of the list of bad rows that belongs to a part.
func badName(i, of int) string { return strings.Replace(name(i, of, "jsonl"), "part-", "bad-", 1) }
