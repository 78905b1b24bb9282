package data

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

// source is the text of one file: UTF-8 without byte order mark, unpacked when it is stored with gzip, while the bytes as
// they are stored are hashed.
type source struct {
	name   string
	text   *bufio.Reader
	stored io.Reader // what is read from the file; everything passes through sum
	sum    hash.Hash
	file   io.Closer // nil: not ours to close
	zipped bool
	mark   string // the byte order mark, which text is without
}

// openSource opens a file, or standard input for "-".
func openSource(path string) (*source, error) {
	if path == "-" {
		return newSource(os.Stdin, "stdin")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s, err := newSource(f, path)
	if err != nil {
		f.Close()
		return nil, err
	}
	s.file = f
	return s, nil
}

// newSource looks at the first bytes of r, whose errors are to call it name.
func newSource(r io.Reader, name string) (*source, error) {
	if r == nil {
		return nil, fmt.Errorf("%s: no reader (nil)", name)
	}
	s := &source{name: name, sum: sha256.New()}
	s.stored = io.TeeReader(r, s.sum)
	s.text = bufio.NewReader(s.stored)
	magic, err := s.text.Peek(2)
	if err != nil && err != io.EOF {
		return nil, s.fault(err, 1)
	}
	s.zipped = string(magic) == "\x1f\x8b"
	if s.zipped {
		unzip, err := gzip.NewReader(s.text)
		if err != nil {
			return nil, s.fault(err, 1)
		}
		s.text = bufio.NewReader(unzip)
	}
	return s, s.checkEncoding()
}

// checkEncoding passes over a byte order mark and refuses by name what is not UTF-8 text.
func (s *source) checkEncoding() error {
	s.text.Peek(4) // fills the buffer; an error comes back when the lines are read
	head, _ := s.text.Peek(min(s.text.Buffered(), 24))
	if mark := "\xef\xbb\xbf"; bytes.HasPrefix(head, []byte(mark)) {
		s.mark = mark
		s.text.Discard(len(s.mark))
		return nil
	}
	for _, f := range []struct{ magic, name, hint string }{
		{"\xff\xfe\x00\x00", "UTF-32 text (little-endian)", "convert it: iconv -f UTF-32 -t UTF-8"},
		{"\x00\x00\xfe\xff", "UTF-32 text (big-endian)", "convert it: iconv -f UTF-32 -t UTF-8"},
		{"\xff\xfe", "UTF-16 text (little-endian)", "convert it: iconv -f UTF-16 -t UTF-8"},
		{"\xfe\xff", "UTF-16 text (big-endian)", "convert it: iconv -f UTF-16 -t UTF-8"},
		{"PK\x03\x04", "a ZIP archive, perhaps an Excel or OpenDocument table", "save it as CSV (UTF-8)"},
		{"PAR1\x15", "a Parquet file", "convert it to JSONL"},
		{"version https://git-lfs", "a pointer of Git LFS, not the file itself", "fetch the file with git lfs pull"},
		{"<!DOCTYPE html", "a web page", "fetch the file by its own address: the download went wrong"},
		{"<!doctype html", "a web page", "fetch the file by its own address: the download went wrong"},
		{"<html", "a web page", "fetch the file by its own address: the download went wrong"},
		{"\x80\x04\x95", "a pickle of Python", "save the rows as JSONL or CSV"},
		{"\x80\x05\x95", "a pickle of Python", "save the rows as JSONL or CSV"},
		{"\x28\xb5\x2f\xfd", "zstd data", "unpack it, or compress it with gzip"},
		{"\xfd7zXZ\x00", "xz data", "unpack it, or compress it with gzip"},
		{"BZh91AY&SY", "bzip2 data", "unpack it, or compress it with gzip"},
	} {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return s.foreign(f.name, "UTF-8 text", f.hint)
		}
	}
	switch head = head[:min(len(head), 16)]; {
	case alternates(head, 1):
		return s.foreign("UTF-16 text (little-endian) without a byte order mark", "UTF-8 text", "convert it: iconv -f UTF-16LE -t UTF-8")
	case alternates(head, 0):
		return s.foreign("UTF-16 text (big-endian) without a byte order mark", "UTF-8 text", "convert it: iconv -f UTF-16BE -t UTF-8")
	}
	return nil
}

// alternates reports whether the bytes at even (zero = 0) or odd (1) places are all zero and the others are not: ASCII in UTF-16.
func alternates(head []byte, zero int) bool {
	for i, b := range head {
		if (b == 0) != (i%2 == zero) {
			return false
		}
	}
	return len(head) >= 4
}

func (s *source) foreign(found, expected, hint string) error {
	return &RowError{File: s.name, Line: 1, Found: found, Expected: expected, Hint: hint, fatal: true}
}

// fault makes an error of reading one that names the file and the line. Damaged gzip data are refused data; what the file
// system reports stays what it is.
func (s *source) fault(err error, line int) error {
	var corrupt flate.CorruptInputError
	damaged := errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &corrupt)
	if s.zipped && damaged {
		return &RowError{File: s.name, Line: line, Found: "damaged gzip data (" + err.Error() + ")", Expected: "a whole gzip file",
			Hint: "copy or compress the file again", Err: err, fatal: true}
	}
	return fmt.Errorf("%s:%d: %w", s.name, line, err)
}

// digest returns the SHA-256 of the whole file as it is stored, after reading what is left of it.
func (s *source) digest() ([sha256.Size]byte, error) {
	if _, err := io.Copy(io.Discard, s.stored); err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("%s: %w", s.name, err)
	}
	return [sha256.Size]byte(s.sum.Sum(nil)), nil
}

func (s *source) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
