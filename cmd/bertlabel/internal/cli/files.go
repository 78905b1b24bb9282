package cli

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"bertlabel/checkpoint/atomic"
)

// errStdoutClosed says that the reader of stdout has gone (`predict … | head`): the program ends quietly with exit code 0.
var errStdoutClosed = errors.New("stdout is closed")

// stdoutWriter turns EPIPE into errStdoutClosed.
type stdoutWriter struct{ w io.Writer }

func (s stdoutWriter) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		err = errStdoutClosed
	}
	return n, err
}

// OpenInput opens a file, or stdin for "-". Gzip is recognised by its first bytes.
func (a *App) OpenInput(path string) (io.ReadCloser, error) {
	if path == "-" {
		return gunzipped(io.NopCloser(a.Stdin), "stdin")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		f.Close()
		return nil, Usagef("%s is a folder, want a file", path)
	}
	return gunzipped(f, path)
}

// input is a buffered file, decompressed if need be.
type input struct {
	io.Reader
	file io.Closer
}

func (i input) Close() error { return i.file.Close() }

func gunzipped(f io.ReadCloser, name string) (io.ReadCloser, error) {
	r := bufio.NewReaderSize(f, 1<<16)
	if magic, _ := r.Peek(2); string(magic) != "\x1f\x8b" {
		return input{r, f}, nil
	}
	z, err := gzip.NewReader(r)
	if err != nil {
		f.Close()
		return nil, WithCode(ExitData, fmt.Errorf("%s: %w", name, err))
	}
	return input{zipReader{z, name}, f}, nil
}

// zipReader names the file of a stream that is cut or damaged.
type zipReader struct {
	z    *gzip.Reader
	name string
}

func (r zipReader) Read(p []byte) (int, error) {
	n, err := r.z.Read(p)
	if err != nil && err != io.EOF {
		err = WithCode(ExitData, fmt.Errorf("%s: %w", r.name, err))
	}
	return n, err
}

// Output is a file that appears under its name when Commit succeeds, and not at all otherwise. A path that ends in .gz is
// compressed. "-" is stdout, and a path that is there and no regular file (a device, a FIFO) is written as it comes.
//
//	out, err := a.CreateOutput(path)
//	if err != nil { return err }
//	defer out.Discard()
//	…
//	return out.Commit()
type Output struct {
	io.Writer
	zip  *gzip.Writer // nil if not compressed
	file *os.File     // nil for stdout
	path string       // where Commit puts the file; empty if it is there already
}

// CreateOutput opens the output of a path.
func (a *App) CreateOutput(path string) (*Output, error) {
	if path == "-" {
		return &Output{Writer: a.Stdout}, nil
	}
	o := &Output{}
	var err error
	if info, e := os.Stat(path); e == nil && info.IsDir() {
		return nil, Usagef("--output %s is a folder, want a file", path)
	} else if e == nil && !info.Mode().IsRegular() {
		o.file, err = os.OpenFile(path, os.O_WRONLY, 0)
	} else {
		o.path = path
		o.file, err = os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".tmp-*")
	}
	if err != nil {
		return nil, err
	}
	o.Writer = o.file
	if strings.HasSuffix(path, ".gz") {
		o.zip = gzip.NewWriter(o.file)
		o.Writer = o.zip
	}
	return o, nil
}

// Commit completes the output: everything is on disk under its name when it returns nil.
func (o *Output) Commit() error {
	defer o.Discard()
	if o.zip != nil {
		if err := o.zip.Close(); err != nil {
			return err
		}
	}
	if o.file == nil {
		return nil
	}
	if o.path == "" {
		return o.close()
	}
	if err := errors.Join(o.file.Chmod(0o644), o.file.Sync()); err != nil {
		return err
	}
	temp := o.file.Name()
	if err := o.close(); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := os.Rename(temp, o.path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}

func (o *Output) close() error {
	f := o.file
	o.file = nil
	return f.Close()
}

// Discard removes what was written, unless Commit was called before.
func (o *Output) Discard() {
	if o.file == nil {
		return
	}
	temp := o.file.Name()
	o.close()
	if o.path != "" {
		os.Remove(temp)
	}
}

// CheckOutputDir refuses a folder with something in it, unless the run is to resume or to overwrite. A lock file is nothing: a run
// that ended before its first result has left it.
func CheckOutputDir(dir string, resume, overwrite bool) error {
	entries, err := os.ReadDir(dir)
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return e.Name() == atomic.LockName })
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case errors.Is(err, syscall.ENOTDIR):
		return Usagef("--output %s is a file, want a folder", dir)
	case err != nil:
		return err
	case len(entries) > 0 && !resume && !overwrite:
		return Usagef("--output %s is not empty: give another, or --overwrite (a stopped run of train goes on with --resume)", dir)
	}
	return nil
}

// CheckInput says that a file to be read is not there, or is a folder: wrong usage both.
func CheckInput(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return WithCode(ExitUsage, err)
	case err == nil && info.IsDir():
		return Usagef("%s is a folder, want a file", path)
	}
	return err
}
