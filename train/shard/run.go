package shard

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bertlabel/bert/model"
	"bertlabel/checkpoint/atomic"
	"bertlabel/train/data"
	"bertlabel/train/score"
)

// Run makes the part of shard i, from 0, unless it is there: a receipt that agrees with the plan, beside a part of its length, is returned
// with Found set, and open is not called. It is called once otherwise; nobody may use the model meanwhile.
//
// Errors: a *ConflictError where the folder has parts of another run, or the input is not as Plan has seen it; those of data.OpenSection,
// score.Chunks, the Writer, open, and of the file system. After an error nothing counts that did not count before, and what this process
// has begun is removed. What dead processes of this machine have begun is removed, too.
func Run(ctx context.Context, p *Planned, i int, open func() (*model.Model, error)) (*Receipt, error) {
	if i < 0 || i >= p.job.Of {
		return nil, &data.OptionError{Option: "shard", Problem: fmt.Sprintf("%d: shards of %d are 0 to %d", i, p.job.Of, p.job.Of-1)}
	}
	if err := makeFolder(p.options.Output); err != nil {
		return nil, err
	}
	if r, err := p.found(i, p.note); r != nil || err != nil {
		return r, err
	}
	if err := p.checkFolder(i); err != nil {
		return nil, err
	}
	pieces, err := p.input.pieces(i, p.job.Of)
	if err == nil && p.options.NeedIDs {
		err = p.checkIDs(pieces)
	}
	if err != nil {
		return nil, err
	}
	m, err := open()
	if err != nil {
		return nil, err
	}
	w := &working{p: p, shard: i, m: m, r: &Receipt{FormatVersion: receiptVersion, Shard: i, Job: p.job, Read: []Read{},
		Version: p.options.Version, Fingerprint: p.fingerprintOf(m)}}
	defer w.abort()
	began := time.Now()
	if err := w.score(ctx, pieces); err != nil {
		return nil, err
	}
	w.r.Seconds = seconds(time.Since(began))
	return w.commit()
}

// makeFolder makes the folder of the parts; others may be making it, too.
func makeFolder(dir string) error {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return &data.OptionError{Option: "output", Problem: dir + " is a file, want a folder"}
	}
	return os.MkdirAll(dir, 0o777)
}

// checkIDs refuses files whose rows have no ids.
func (p *Planned) checkIDs(pieces []piece) error {
	o := p.options.Data
	o.IgnoreLabels, o.OnBad, o.MaxBadRows = true, nil, data.Limit{}
	for _, piece := range pieces {
		has, err := hasIDs(piece.path, o)
		if err != nil {
			return err
		}
		if !has {
			return &data.OptionError{Option: "shard", Problem: piece.path + " has no ids, and a table would number its rows instead, which a part " +
				"cannot do: add ids (`id_column`), or give `output_format` jsonl"}
		}
	}
	return nil
}

func hasIDs(path string, o data.Options) (bool, error) {
	in, err := data.Open(path, o)
	if err != nil {
		return false, err
	}
	defer in.Close()
	if has, known := in.IDColumn(); known {
		return has, nil
	}
	var first data.Example
	err = in.Read(&first)
	if err == io.EOF {
		return true, nil // there is no row to number
	}
	return first.HasID, err
}

// fingerprintOf takes the fingerprint of a model once.
func (p *Planned) fingerprintOf(m *model.Model) string {
	if p.fingerprinted != m {
		p.fingerprinted, p.fingerprint = m, hex.EncodeToString(m.PredictionFingerprint())
	}
	return p.fingerprint
}

// checkFolder removes what dead processes have left of shard i, and refuses a folder with parts of another job, by one receipt of another
// shard.
func (p *Planned) checkFolder(i int) error {
	dir := p.options.Output
	names, err := p.options.FS.List(dir)
	if err != nil {
		return err
	}
	if err := p.removeDead(dir, names, i); err != nil {
		return err
	}
	for _, n := range names {
		other, of, suffix, ok := parseName(n)
		if !ok || suffix != receiptSuffix || of == p.job.Of && (p.checked || other == i) {
			continue
		}
		r, err := readReceipt(p.options.FS, dir, other, of)
		if absent(err) {
			continue
		}
		if err != nil {
			return err
		}
		if d := r.differences(&p.job); len(d) > 0 {
			return &ConflictError{filepath.Join(dir, n), d}
		}
		p.checked = true
	}
	return nil
}

// removeDead removes of names in dir the temporary files of shard i whose processes are no more.
func (p *Planned) removeDead(dir string, names []string, i int) error {
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		target, ok := atomic.SharedTarget(n)
		return !ok || !strings.HasPrefix(target, name(i, p.job.Of, "")) && target != badName(i, p.job.Of)
	})
	_, err := atomic.RemoveDead(p.options.FS, dir, names)
	return err
}

// found returns the receipt of shard i, if it is there with its part; nil if the part is to be made. note is told of what does not count.
func (p *Planned) found(i int, note func(format string, args ...any)) (*Receipt, error) {
	r, err := readReceipt(p.options.FS, p.options.Output, i, p.job.Of)
	if errors.Is(err, errBroken) {
		note("%v; the part is made again", err)
	}
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if d := r.differences(&p.job); len(d) > 0 {
		return nil, &ConflictError{p.path(i, receiptSuffix), d}
	}
	info, err := os.Stat(filepath.Join(p.options.Output, r.Part.Name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		note("%s has a receipt and is not there; it is made again", r.Part.Name)
		return nil, nil
	case err != nil:
		return nil, err
	case info.Size() != r.Part.Bytes:
		note("%s has %d bytes, its receipt says %d; it is made again", r.Part.Name, info.Size(), r.Part.Bytes)
		return nil, nil
	}
	r.Found = true
	return r, nil
}

// unsaid is for what has been noted already.
func unsaid(string, ...any) {}

// working is a part in the making.
type working struct {
	p     *Planned
	shard int
	m     *model.Model
	r     *Receipt

	part *atomic.Shared
	sum  hash.Hash // of the part
	bad  *badList  // nil where bad rows are not listed
	last *data.RowError
}

// abort removes what was not committed.
func (w *working) abort() {
	if w.part != nil {
		w.part.Abort()
	}
	w.bad.abort()
}

// score writes the part under its temporary name.
func (w *working) score(ctx context.Context, pieces []piece) error {
	o := &w.p.options
	var err error
	if w.part, err = atomic.CreateShared(o.FS, w.p.path(w.shard, o.Suffix)); err != nil {
		return err
	}
	if o.BadRows != "" {
		w.bad = &badList{fs: o.FS, path: filepath.Join(o.BadRows, badName(w.shard, w.p.job.Of)), show: o.ShowBad}
	}
	w.sum = sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(w.part, w.sum, (*count)(&w.r.Part.Bytes)), 256<<10)
	rows := o.NewWriter(out, w.m, w.shard == 0)
	for _, piece := range pieces {
		if err := w.read(ctx, &piece, rows); err != nil {
			return err
		}
	}
	if limit := w.p.options.Data.MaxBadRows; limit != (data.Limit{}) && !w.r.Allows(limit) {
		return &data.BadRowsError{File: w.p.options.Input, Bad: w.r.Refused, Rows: w.r.Rows, Limit: limit, Last: w.last}
	}
	return errors.Join(rows.Flush(), out.Flush(), w.bad.failed())
}

// read scores the rows of a piece.
func (w *working) read(ctx context.Context, piece *piece, rows Writer) error {
	o := w.p.options.Data
	o.IgnoreLabels = o.Labels == nil
	if piece.whole {
		o.MaxBadRows = data.Limit{} // it is for all files of the shard together
	}
	o.OnBad = func(bad *data.RowError) {
		w.last = bad
		w.bad.add(bad)
		if w.p.options.Data.OnBad != nil {
			w.p.options.Data.OnBad(bad)
		}
	}
	in, err := piece.open(o)
	if err != nil {
		return err
	}
	defer in.Close()
	scoring := w.p.options.Score
	if w.p.options.ModelPooling {
		scoring.Pooling = w.m.Pooling
	}
	for chunk, err := range score.Chunks(ctx, w.m, in, scoring) {
		if err != nil {
			return err
		}
		if err := w.write(chunk, rows); err != nil {
			return err
		}
	}
	w.r.Refused += in.Stats().Bad
	sum, err := in.Digest()
	w.r.Read = append(w.r.Read, Read{piece.path, piece.start, piece.end, hex.EncodeToString(sum[:])})
	return err
}

func (w *working) write(chunk []score.Row, rows Writer) error {
	for i := range chunk {
		row := &chunk[i]
		if row.Bad != nil {
			row.Bad = w.p.options.ShowBad(row.Bad)
			row.Err = row.Bad
		} else if row.Tokens.Cut > 0 {
			w.r.Cut++
		}
		if err := rows.Row(row); err != nil {
			return err
		}
	}
	w.r.Rows += len(chunk)
	if w.p.options.Observer.Chunk != nil {
		w.p.options.Observer.Chunk(w.shard, chunk)
	}
	return nil
}

// commit gives the part its name, and then the receipt.
func (w *working) commit() (*Receipt, error) {
	o := &w.p.options
	if err := w.part.Close(); err != nil {
		return nil, err
	}
	if err := w.p.sameInput(); err != nil {
		return nil, err
	}
	w.r.Part.Name, w.r.Part.SHA256 = name(w.shard, w.p.job.Of, o.Suffix), hex.EncodeToString(w.sum.Sum(nil))
	if r, err := w.p.found(w.shard, unsaid); r != nil || err != nil {
		return r, err // another process was faster
	}
	err := w.bad.commit()
	if err == nil {
		err = w.part.Commit()
	}
	if err == nil {
		err = w.writeReceipt()
	}
	if errors.Is(err, fs.ErrNotExist) { // our temporary file is gone: whoever took it away has to have made the part
		if r, found := w.p.found(w.shard, unsaid); r != nil || found != nil {
			return r, found
		}
	}
	if err != nil {
		return nil, err
	}
	return w.r, nil
}

func (w *working) writeReceipt() error {
	text, err := json.MarshalIndent(w.r, "", "  ")
	if err != nil {
		return err
	}
	out, err := atomic.CreateShared(w.p.options.FS, w.p.path(w.shard, receiptSuffix))
	if err != nil {
		return err
	}
	defer out.Abort()
	if _, err := out.Write(append(text, '\n')); err != nil {
		return err
	}
	return out.Commit()
}

// sameInput refuses an input that is not as Plan has seen it.
func (p *Planned) sameInput() error {
	now, err := readInput(p.options.Input, p.options.Data)
	if err != nil {
		return err
	}
	job := p.job
	job.Input = now.Input
	if d := job.differences(&p.job); len(d) > 0 {
		return &ConflictError{p.options.Input, d}
	}
	return nil
}

// count counts what is written.
type count int64

func (c *count) Write(p []byte) (int, error) {
	*c += count(len(p))
	return len(p), nil
}
