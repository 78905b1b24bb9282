package shard

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bertlabel/train/data"
)

// Input says what is read, so that another state of it is seen: in a receipt, and in a plan.
type Input struct {
	Path     string `json:"path"` // as it was named; not compared, machines may see it elsewhere
	Bytes    int64  `json:"bytes"`
	Modified string `json:"modified"`          // of a folder that of the file changed last; RFC 3339, UTC
	Files    int    `json:"files,omitempty"`   // of a folder
	Listing  string `json:"listing,omitempty"` // of a folder: SHA-256 of names, sizes and times of its files
}

// input is an opened-up Input: the files that are read, in order.
type input struct {
	Input
	folder bool
	files  []inputFile
}

type inputFile struct {
	path  string
	bytes int64
	at    int64 // where it begins when all files stand one after the other
}

// piece is a part of a file that a shard reads.
type piece struct {
	path       string
	start, end int64
	whole      bool // the file is read as it is, whatever its format
}

// optionError refuses an input by the name of the option.
func optionError(format string, args ...any) error {
	return &data.OptionError{Option: "input", Problem: fmt.Sprintf(format, args...)}
}

// readInput looks at what is to be cut.
func readInput(path string, o data.Options) (*input, error) {
	if path == "" || path == "-" {
		return nil, optionError("a stream cannot be cut into shards: write it into a file")
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	in := &input{Input: Input{Path: path}}
	if info.IsDir() {
		in.folder = true
		return in, in.readFolder(o)
	}
	if !info.Mode().IsRegular() {
		return nil, optionError("%s is no file that can be cut: write what comes from it into one", path)
	}
	in.add(path, info)
	return in, in.checkLines(o)
}

// add adds a file.
func (in *input) add(path string, info os.FileInfo) {
	in.files = append(in.files, inputFile{path, info.Size(), in.Bytes})
	in.Bytes += info.Size()
	in.Modified = max(in.Modified, info.ModTime().UTC().Format("2006-01-02T15:04:05.000000000Z07:00"))
}

// readFolder lists the files of a folder in the order of their names. Those that begin with a dot or an underscore are none, as for Hadoop.
func (in *input) readFolder(o data.Options) error {
	entries, err := os.ReadDir(in.Path)
	if err != nil {
		return err
	}
	listing := sha256.New()
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || strings.HasPrefix(e.Name(), "_") {
			continue
		}
		path := filepath.Join(in.Path, e.Name())
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return optionError("%s is no file; of a folder the files are read", path)
		}
		if _, err := data.FormatOf(path); o.Format == "" && err != nil {
			return err
		}
		in.add(path, info)
		fmt.Fprintf(listing, "%q %d %s\n", e.Name(), info.Size(), info.ModTime().UTC().Format(time.RFC3339Nano))
	}
	if len(in.files) == 0 {
		return optionError("%s is a folder without files", in.Path)
	}
	in.Files, in.Listing = len(in.files), hex.EncodeToString(listing.Sum(nil))
	return nil
}

// checkLines refuses a file whose rows are not lines.
func (in *input) checkLines(o data.Options) error {
	const remedy = "; or cut it into files yourself and name their folder: whole files are then dealt to the shards"
	format, path := o.Format, in.Path
	if format == "" {
		var err error
		if format, err = data.FormatOf(path); err != nil {
			return err
		}
	}
	if format == data.CSV {
		return optionError("%s is csv, in which a line break may stand inside quotes, so that it cannot be cut by bytes: convert it to "+
			"jsonl or tsv%s", path, remedy)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	magic := make([]byte, 2)
	if n, err := f.ReadAt(magic, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	} else if string(magic[:n]) == "\x1f\x8b" {
		return optionError("%s is compressed by gzip, which cannot be read from its middle: unpack it%s", path, remedy)
	}
	return nil
}

// pieces returns what shard i of n reads: the lines of the file, or the files of the folder, that begin in bytes
// [size·i/n, size·(i+1)/n).
func (in *input) pieces(i, of int) (pieces []piece, err error) {
	from, to := border(in.Bytes, i, of), border(in.Bytes, i+1, of)
	if in.folder {
		for k, f := range in.files {
			// An empty file stands where the one after it does; at the very end it is the last shard's.
			if f.at >= from && f.at < to || f.at == in.Bytes && i == of-1 {
				pieces = append(pieces, piece{in.files[k].path, 0, f.bytes, true})
			}
		}
		return pieces, nil
	}
	f, err := os.Open(in.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	start, err := lineStart(f, in.Bytes, from)
	if err != nil {
		return nil, err
	}
	end, err := lineStart(f, in.Bytes, to)
	if err == nil && i == of-1 {
		end = in.Bytes
	}
	return []piece{{in.Path, start, end, false}}, err
}

// open opens a piece.
func (p *piece) open(o data.Options) (*data.Reader, error) {
	if p.whole {
		return data.Open(p.path, o)
	}
	return data.OpenSection(p.path, p.start, p.end, o)
}
