package shard

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bertlabel/checkpoint/atomic"
)

// Report says what is in a folder of parts.
type Report struct {
	Dir      string `json:"dir"`
	Complete bool   `json:"complete"` // every part is there and whole, and they are of one job
	Of       int    `json:"of"`       // shards
	Done     int    `json:"done"`     // parts that are there and whole

	Missing       []int    `json:"-"`              // shards without a part, or with a damaged one
	MissingArray  string   `json:"missing"`        // the same in the syntax of sbatch --array: 3,5-9
	MissingShards []string `json:"missing_shards"` // and in that of Parse: 3/128, 5-9/128

	Rows    int64   `json:"rows"` // these five of the parts that are there and whole
	Refused int64   `json:"refused"`
	Cut     int64   `json:"cut"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"` // of all processes together

	Damaged   []Damage `json:"damaged"`   // parts that are not what their receipts say
	Temporary []string `json:"temporary"` // files of processes that run, or were killed
	Strays    []string `json:"strays"`    // parts that do not count: without a receipt, or of another number of shards
	Versions  []string `json:"versions"`  // of the program that made the parts
	Job       *Job     `json:"job"`       // of all; nil where there is no receipt
	Names     []string `json:"-"`         // of the parts that are there and whole, in order
}

// Damage is a part that is there, and is not what its receipt says.
type Damage struct {
	Shard int    `json:"shard"`
	What  string `json:"what"`
}

// VerifyOptions say how thoroughly Verify looks.
type VerifyOptions struct {
	Input    string    // the input, or "": what every part was made from is read again and compared with the hashes of the receipts
	Progress func(int) // unless nil, is told how many parts have been looked at
	FS       atomic.FS // nil: that of the machine
}

// Verify looks at a folder of parts: reads every receipt and every part, and compares lengths and SHA-256. What is missing or damaged is no
// error but stands in the report. Errors are a *ConflictError where receipts are of different jobs, and those of the file system, such as a
// folder without any receipt.
func Verify(dir string, o VerifyOptions) (*Report, error) {
	if o.FS == nil {
		o.FS = atomic.OS{}
	}
	names, err := o.FS.List(dir)
	if err != nil {
		return nil, err
	}
	r := &Report{Dir: dir, Damaged: []Damage{}, Temporary: []string{}, Strays: []string{}, Versions: []string{},
		MissingShards: []string{}}
	receipts, err := r.list(names)
	if err != nil {
		return nil, err
	}
	for i := range r.Of {
		if receipts[i] {
			if err := r.look(i, &o); err != nil {
				return nil, err
			}
		} else {
			r.Missing = append(r.Missing, i)
		}
		if o.Progress != nil {
			o.Progress(i + 1)
		}
	}
	r.Complete = len(r.Missing) == 0
	r.MissingArray, r.MissingShards = ranges(r.Missing), Shards(r.Missing, r.Of)
	slices.Sort(r.Versions)
	r.findStrays(names)
	return r, nil
}

// Receipts returns the receipts of all parts of a folder, in order. It reads no part: their lengths are compared, Verify compares their
// bytes, too. Errors are an *EmptyError without any part, a *MissingError while parts are missing, a *ConflictError where receipts are of
// different jobs, and those of the file system.
func Receipts(dir string) ([]*Receipt, error) {
	files := atomic.OS{}
	names, err := files.List(dir)
	if err != nil {
		return nil, err
	}
	report := &Report{Dir: dir}
	there, err := report.list(names)
	if err != nil {
		return nil, err
	}
	all, missing := make([]*Receipt, report.Of), &MissingError{Dir: dir, Of: report.Of}
	for i := range all {
		if !there[i] {
			missing.Shards = append(missing.Shards, i)
			continue
		}
		r, err := readReceipt(files, dir, i, report.Of)
		what := ""
		if err == nil {
			what, err = r.compareLength(dir)
		} else if errors.Is(err, errBroken) {
			what, err = err.Error(), nil
		}
		if err != nil {
			return nil, err
		}
		if what != "" {
			missing.Shards, missing.Damaged = append(missing.Shards, i), append(missing.Damaged, what)
			continue
		}
		if report.Job == nil {
			report.Job = &r.Job
		} else if d := r.differences(report.Job); len(d) > 0 {
			return nil, &ConflictError{filepath.Join(dir, name(i, report.Of, receiptSuffix)), d}
		}
		all[i] = r
	}
	if len(missing.Shards) > 0 {
		return nil, missing
	}
	return all, nil
}

// EmptyError says that a folder has no parts at all: it is another than the one that they were written to, or none is done yet.
type EmptyError struct{ Dir string }

func (e *EmptyError) Error() string {
	return e.Dir + " has no parts (part-00000-of-….json): name the folder that `output` named"
}

// MissingError says that parts of a folder are missing.
type MissingError struct {
	Dir     string
	Of      int      // shards
	Shards  []int    // that are missing or damaged
	Damaged []string // what is wrong with parts that are there
}

func (e *MissingError) Error() string {
	text := fmt.Sprintf("%s is not complete: %d of %d parts are missing, shards %s", e.Dir, len(e.Shards), e.Of,
		strings.Join(Shards(e.Shards, e.Of), ", "))
	return strings.Join(append([]string{text}, e.Damaged...), "; ")
}

// list finds the temporary files, how many shards there are, and which of them have a receipt.
func (r *Report) list(names []string) (receipts map[int]bool, err error) {
	receipts = map[int]bool{}
	parts := 0
	for _, n := range names {
		if _, ok := atomic.SharedTarget(n); ok {
			r.Temporary = append(r.Temporary, n)
			continue
		}
		i, of, suffix, ok := parseName(n)
		if !ok {
			continue
		}
		if parts = max(parts, of); suffix != receiptSuffix {
			continue
		}
		if r.Of != 0 && of != r.Of {
			return nil, &ConflictError{filepath.Join(r.Dir, n), []Difference{{"shards", strconv.Itoa(of), strconv.Itoa(r.Of)}}}
		}
		r.Of, receipts[i] = of, true
	}
	if r.Of == 0 {
		r.Of = parts
	}
	if r.Of == 0 {
		return nil, &EmptyError{r.Dir}
	}
	return receipts, nil
}

// look compares a part with its receipt.
func (r *Report) look(i int, o *VerifyOptions) error {
	receipt, err := readReceipt(o.FS, r.Dir, i, r.Of)
	if errors.Is(err, errBroken) {
		r.damaged(i, err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	if r.Job == nil {
		r.Job = &receipt.Job
	} else if d := receipt.differences(r.Job); len(d) > 0 {
		return &ConflictError{filepath.Join(r.Dir, name(i, r.Of, receiptSuffix)), d}
	}
	what, err := receipt.comparePart(o.FS, r.Dir)
	if err == nil && what == "" && o.Input != "" {
		what, err = receipt.compareInput(o.Input)
	}
	if err != nil {
		return err
	}
	if what != "" {
		r.damaged(i, what)
		return nil
	}
	r.Done++
	r.Rows += int64(receipt.Rows)
	r.Refused += int64(receipt.Refused)
	r.Cut += int64(receipt.Cut)
	r.Bytes += receipt.Part.Bytes
	r.Seconds += receipt.Seconds
	r.Names = append(r.Names, receipt.Part.Name)
	if !slices.Contains(r.Versions, receipt.Version) {
		r.Versions = append(r.Versions, receipt.Version)
	}
	return nil
}

func (r *Report) damaged(i int, what string) {
	r.Damaged = append(r.Damaged, Damage{i, what})
	r.Missing = append(r.Missing, i)
}

// compareLength says whether the part of a receipt is there in its length; "" if it is.
func (r *Receipt) compareLength(dir string) (what string, err error) {
	info, err := os.Stat(filepath.Join(dir, r.Part.Name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r.Part.Name + " is not there, only its receipt", nil
	case err != nil:
		return "", err
	case info.Size() != r.Part.Bytes:
		return fmt.Sprintf("%s has %d bytes, its receipt says %d", r.Part.Name, info.Size(), r.Part.Bytes), nil
	}
	return "", nil
}

// comparePart says what is wrong with the part of a receipt; "" for nothing.
func (r *Receipt) comparePart(files atomic.FS, dir string) (what string, err error) {
	f, err := os.Open(filepath.Join(dir, r.Part.Name))
	if errors.Is(err, fs.ErrNotExist) {
		return r.Part.Name + " is not there, only its receipt", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	switch got := hex.EncodeToString(sum.Sum(nil)); {
	case err != nil:
		return "", err
	case n != r.Part.Bytes:
		return fmt.Sprintf("%s has %d bytes, its receipt says %d", r.Part.Name, n, r.Part.Bytes), nil
	case got != r.Part.SHA256:
		return fmt.Sprintf("%s has the SHA-256 %.12s…, its receipt says %.12s…", r.Part.Name, got, r.Part.SHA256), nil
	}
	return "", nil
}

// compareInput says whether what a part was made from is not there any more; "" if it is. The files are looked for at path.
func (r *Receipt) compareInput(path string) (what string, err error) {
	for _, read := range r.Read {
		file := path
		if r.Input.Files > 0 {
			file = filepath.Join(path, filepath.Base(read.File))
		}
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		sum := sha256.New()
		_, err = io.Copy(sum, io.NewSectionReader(f, read.Start, read.End-read.Start))
		if err = errors.Join(err, f.Close()); err != nil {
			return "", err
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != read.SHA256 {
			return fmt.Sprintf("bytes %d to %d of %s have the SHA-256 %.12s…, the receipt of the part says %.12s…: the input has changed",
				read.Start, read.End, file, got, read.SHA256), nil
		}
	}
	return "", nil
}

// findStrays lists parts that do not count.
func (r *Report) findStrays(names []string) {
	for _, n := range names {
		if _, _, suffix, ok := parseName(n); ok && suffix != receiptSuffix && !slices.Contains(r.Names, n) &&
			!slices.ContainsFunc(r.Damaged, func(d Damage) bool { return strings.HasPrefix(n, name(d.Shard, r.Of, "")) }) {
			r.Strays = append(r.Strays, n)
		}
	}
}

// Cat writes all parts, one after the other, to w. An incomplete folder is an error, and nothing is written.
func (r *Report) Cat(w io.Writer) error {
	if !r.Complete {
		return fmt.Errorf("%s is not complete: %d of %d parts are missing", r.Dir, len(r.Missing), r.Of)
	}
	if r.Job.Settings["output_format"] == Tensors {
		return fmt.Errorf("the parts of %s are safetensors files, which cannot be joined: read them one by one", r.Dir)
	}
	for _, n := range r.Names {
		f, err := os.Open(filepath.Join(r.Dir, n))
		if err != nil {
			return err
		}
		_, err = io.Copy(w, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Clean removes what is of no use: temporary files of processes of this machine that are no more, and damaged parts with their receipts,
// so that another run makes them anew. It returns the names, and takes those of temporary files out of r.
func (r *Report) Clean(files atomic.FS) (removed []string, err error) {
	if files == nil {
		files = atomic.OS{}
	}
	removed, err = atomic.RemoveDead(files, r.Dir, r.Temporary)
	errs := []error{err}
	r.Temporary = slices.DeleteFunc(r.Temporary, func(n string) bool { return slices.Contains(removed, n) })
	names, err := files.List(r.Dir)
	errs = append(errs, err)
	for _, d := range r.Damaged { // the receipt first: without it the part counts no more
		for _, n := range append([]string{name(d.Shard, r.Of, receiptSuffix)}, names...) {
			if !strings.HasPrefix(n, name(d.Shard, r.Of, "")) || slices.Contains(removed, n) || !slices.Contains(names, n) {
				continue
			}
			if err := files.RemoveAll(filepath.Join(r.Dir, n)); err != nil {
				errs = append(errs, err)
				break
			}
			removed = append(removed, n)
		}
	}
	return removed, errors.Join(errs...)
}

// ranges writes rising numbers as sbatch --array takes them: 3,5-9.
func ranges(numbers []int) string {
	var b strings.Builder
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(numbers[i]))
		if j > i {
			b.WriteString("-" + strconv.Itoa(numbers[j]))
		}
		i = j + 1
	}
	return b.String()
}

// Shards writes rising numbers of shards as Parse takes them: 3/128, 5-9/128.
func Shards(numbers []int, of int) []string {
	shards := []string{}
	for r := range strings.SplitSeq(ranges(numbers), ",") {
		if r != "" {
			shards = append(shards, r+"/"+strconv.Itoa(of))
		}
	}
	return shards
}
