package shard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/atomic"
	"bertlabel/train/data"
)

const (
	receiptVersion = 1
	receiptBytes   = 4 << 20 // the longest that is read: of a folder of files it names each
)

// Receipt stands beside a part, part-00003-of-00128.json, and makes it count.
type Receipt struct {
	FormatVersion int `json:"format_version"` // 1
	Shard         int `json:"shard"`          // from 0
	Job               // what all receipts of a job have alike

	Read    []Read `json:"read"`    // what was read, in order
	Rows    int    `json:"rows"`    // in the part
	Refused int    `json:"refused"` // rows that could not be read: in the part with their errors, or left out
	Cut     int    `json:"cut"`     // rows with more tokens than the model takes
	Part    Part   `json:"part"`

	Fingerprint string  `json:"fingerprint"` // of the model as it was opened: model.Model.PredictionFingerprint
	Version     string  `json:"version"`     // of the program
	Seconds     float64 `json:"seconds"`     // from the first row read to the part on the disk, without opening the model

	// Found says that the part was there already, and was not made by this run.
	Found bool `json:"-"`
}

// Allows reports whether a run may end as if no row had been refused: none was, limit allows them, or without a limit they were to be left
// out (data.SkipBadRows).
func (r *Receipt) Allows(limit data.Limit) bool {
	skipped := r.Settings["on_bad_row"] == string(data.SkipBadRows)
	all := r.Rows
	if skipped {
		all += r.Refused
	}
	return r.Refused == 0 || limit.Allows(r.Refused, all) || skipped && limit == (data.Limit{})
}

// Job is what decides the bytes of all parts. A receipt whose job differs is of another run.
type Job struct {
	Of       int               `json:"of"` // shards
	Input    Input             `json:"input"`
	Model    string            `json:"model"`    // model.Stamp
	Kernels  string            `json:"kernels"`  // kernel set
	Settings map[string]string `json:"settings"` // all else that changes bits, by option
}

// Read is a part of a file that was read.
type Read struct {
	File   string `json:"file"`
	Start  int64  `json:"start"` // bytes [start, end)
	End    int64  `json:"end"`
	SHA256 string `json:"sha256"` // of these bytes as they are stored
}

// Part is the file of a part.
type Part struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// ConflictError says that a folder has parts of another run, or that the input has changed since the run began.
type ConflictError struct {
	Path        string // of the receipt, or of the input
	Differences []Difference
}

// Difference is a fact that is not as it has to be.
type Difference struct{ What, Found, Want string }

func (e *ConflictError) Error() string {
	var facts []string
	for _, d := range e.Differences {
		facts = append(facts, fmt.Sprintf("%s: found %s, this run has %s", d.What, d.Found, d.Want))
	}
	return fmt.Sprintf("%s is of another run: %s; take another folder for `output`, or run with what it has", e.Path,
		strings.Join(facts, "; "))
}

// Mixed says what the receipt differs in from one before it in the same folder.
func (e *ConflictError) Mixed() string {
	var facts []string
	for _, d := range e.Differences {
		facts = append(facts, fmt.Sprintf("%s %s and %s", d.What, d.Found, d.Want))
	}
	return fmt.Sprintf("the parts are of different runs: %s differs from a receipt before it in %s", e.Path, strings.Join(facts, ", "))
}

// facts lists what two jobs have to agree on, in the order in which differences are told.
func (j *Job) facts() (facts [][2]string) {
	add := func(what, value string) { facts = append(facts, [2]string{what, value}) }
	add("shards", strconv.Itoa(j.Of))
	add("bytes of the input", strconv.FormatInt(j.Input.Bytes, 10))
	add("time of the input", j.Input.Modified)
	add("files of the input", j.Input.Listing)
	add("model", j.Model)
	add("kernels", j.Kernels)
	return facts
}

// differences returns what in j is not as it is in want.
func (j *Job) differences(want *Job) (all []Difference) {
	compare := func(what, found, want string) {
		if found != want {
			all = append(all, Difference{what, shown(found), shown(want)})
		}
	}
	theirs := want.facts()
	for i, fact := range j.facts() {
		compare(fact[0], fact[1], theirs[i][1])
	}
	keys := map[string]bool{}
	for _, settings := range []map[string]string{j.Settings, want.Settings} {
		for key := range settings {
			keys[key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		compare("`"+key+"`", j.Settings[key], want.Settings[key])
	}
	return all
}

// shown returns a value as a message has it, and one that is not there.
func shown(s string) string {
	if s == "" {
		return "none"
	}
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

var namePattern = regexp.MustCompile(`^part-([0-9]{5})-of-([0-9]{5,6})\.([a-z]+)$`)

// name returns the name of a file of shard i: part-00003-of-00128.jsonl.
func name(i, of int, suffix string) string { return fmt.Sprintf("part-%05d-of-%05d.%s", i, of, suffix) }

// parseName is the reverse of name.
func parseName(s string) (i, of int, suffix string, ok bool) {
	if !strings.HasPrefix(s, "part-") {
		return 0, 0, "", false
	}
	match := namePattern.FindStringSubmatch(s)
	if match == nil {
		return 0, 0, "", false
	}
	i, _ = strconv.Atoi(match[1]) // digits
	of, _ = strconv.Atoi(match[2])
	return i, of, match[3], i < of && name(i, of, match[3]) == s
}

// receiptSuffix is that of receipts, and so none of parts.
const receiptSuffix = "json"

// errBroken says that a receipt cannot be read as one: it counts as none.
var errBroken = errors.New("no receipt")

// readReceipt reads a receipt. The error matches fs.ErrNotExist or errBroken where there is none.
func readReceipt(fs atomic.FS, dir string, i, of int) (*Receipt, error) {
	path := filepath.Join(dir, name(i, of, receiptSuffix))
	f, err := fs.Open(path)
	if refused := new(checkpoint.FormatError); errors.As(err, &refused) && refused.Err != nil {
		return nil, fmt.Errorf("%s: %w", path, refused.Err) // a receipt is no file of a model
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, receiptBytes+1))
	if err != nil {
		return nil, err
	}
	r := &Receipt{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, errBroken, err)
	}
	if _, _, suffix, ok := parseName(r.Part.Name); r.FormatVersion < 1 || r.Shard != i || r.Of != of || !ok ||
		r.Part.Name != name(i, of, suffix) {
		return nil, fmt.Errorf("%s: %w: it says format_version %d, shard %d of %d and part %.80q", path, errBroken, r.FormatVersion, r.Shard,
			r.Of, r.Part.Name)
	}
	if r.FormatVersion > receiptVersion {
		return nil, fmt.Errorf("%s: format_version %d, this program reads 1 to %d", path, r.FormatVersion, receiptVersion)
	}
	return r, nil
}

// absent reports whether an error says that there is no receipt.
func absent(err error) bool { return errors.Is(err, errBroken) || errors.Is(err, fs.ErrNotExist) }
