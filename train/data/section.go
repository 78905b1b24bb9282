package data

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"os"
)

// OpenSection opens those rows of a file that begin in bytes [start, end). Both have to be places where a line begins, or the end of the
// file (package shard finds them); the file is of a format whose rows are lines, and not compressed. What comes before the first row of
// the file, a byte order mark and the header, is read from the file's beginning for every section, and the first row too where it says how
// many columns there are. So the sections of a file, one after the other, give the rows that Open gives.
//
// Lines are not counted: Example.Line and RowError.Line are 0, and Offset says where a row stands. Errors are those of Open; an
// *OptionError names the format where its rows are not lines.
func OpenSection(path string, start, end int64, o Options) (*Reader, error) {
	o, err := o.complete(path)
	if err != nil {
		return nil, err
	}
	if o.Format == CSV {
		return nil, &OptionError{"format", path + " is csv, in which a line break may stand inside quotes: a part of it cannot be read"}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r, err := newSection(f, path, start, end, o)
	if err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

func newSection(f *os.File, path string, start, end int64, o Options) (*Reader, error) {
	src, err := newSource(f, path)
	if err != nil {
		return nil, err
	}
	if src.zipped {
		return nil, &OptionError{"format", path + " is compressed by gzip: a part of it cannot be read"}
	}
	src.file = f
	r, err := newReader(src, o, false)
	if err != nil {
		return nil, err
	}
	if table, ok := r.rows.(*tableRows); ok {
		if err := table.settleWidth(); err != nil && err != io.EOF {
			return nil, r.place(err, r.lines.first)
		}
	}
	r.narrow(f, start, end)
	return r, nil
}

// settleWidth reads the first row of a table without a header, which says how many columns there are.
func (t *tableRows) settleWidth() error {
	for t.width == 0 {
		_, err := t.row()
		if bad, ok := err.(*RowError); err != nil && (!ok || bad.fatal) {
			return err
		}
	}
	return nil
}

// narrow makes r, which has read what comes before the first row, read a section.
func (r *Reader) narrow(f io.ReaderAt, start, end int64) {
	first := int64(len(r.src.mark)) // where the first row of the file begins
	if !r.options.NoHeader && r.options.isTable() {
		first += r.lines.offset + int64(r.lines.next)
	}
	begin := min(max(start, first), max(start, end))
	sum := sha256.New()
	io.Copy(sum, io.NewSectionReader(f, start, begin-start)) // an error comes again
	stored := io.TeeReader(io.NewSectionReader(f, begin, max(0, end-begin)), sum)
	r.src = &source{name: r.src.name, text: bufio.NewReader(stored), stored: stored, sum: sum, file: r.src.file}
	*r.lines = lines{src: r.src.text, buf: r.lines.buf, offset: begin}
	if begin > first || r.options.isTable() {
		r.lines.count = 1 // this is not the first line of the file, or what is asked of that one has been asked
	}
	if table, ok := r.rows.(*tableRows); ok && begin > first {
		table.counter.rows, table.counter.last = 1, math.MinInt // it does not begin here
	}
	r.section = true
}

// Digest returns the SHA-256 of the bytes that were read, as they are stored, after reading what is left: of the whole file, or of the
// section [start, end).
func (r *Reader) Digest() ([sha256.Size]byte, error) { return r.src.digest() }

// Place returns where a row stands: FILE:LINE, or of a section FILE: byte OFFSET.
func (ex *Example) Place() string {
	if ex.Line > 0 {
		return fmt.Sprintf("%s:%d", ex.File, ex.Line)
	}
	return fmt.Sprintf("%s: byte %d", ex.File, ex.Offset)
}
