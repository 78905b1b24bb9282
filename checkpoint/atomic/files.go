package atomic

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
)

// WriteFile replaces the file at path by what write writes, or leaves it as it was.
func WriteFile(fs FS, path string, write func(w io.Writer) error) error {
	files, err := NewFiles(fs, filepath.Dir(path), 0)
	if err != nil {
		return err
	}
	defer files.Abort()
	f, err := files.Create(filepath.Base(path))
	if err != nil {
		return err
	}
	err = write(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = files.Commit()
	}
	return err
}

// Files are files of one folder that belong together, the last of which makes the others count: a checkpoint's data file,
// then its index. Until Commit they have temporary names.
type Files struct {
	fs      FS
	dir     string
	pending []pending
	open    int // files created and not closed
}

type pending struct{ temp, target string }

// NewFiles begins to write files into an existing folder, of need bytes all together.
func NewFiles(fs FS, dir string, need int64) (*Files, error) {
	if err := CheckSpace(fs, dir, need); err != nil {
		return nil, err
	}
	return &Files{fs: fs, dir: dir}, nil
}

// Create begins the next file; close it before Commit.
func (f *Files) Create(name string) (io.WriteCloser, error) {
	if err := checkPlain(name); err != nil {
		return nil, err
	}
	p := pending{tempName(filepath.Join(f.dir, name)), filepath.Join(f.dir, name)}
	out, err := f.fs.Create(p.temp)
	if err != nil {
		return nil, err
	}
	f.pending = append(f.pending, p)
	f.open++
	return &file{File: out, closed: func(*file) { f.open-- }}, nil
}

// Commit gives the files their names, in the order of Create. Of older files with these names all but the first are taken
// away before, last first: at no moment does an old index stand beside new data.
func (f *Files) Commit() error {
	if f.open > 0 {
		return fmt.Errorf("atomic: %d files in %s are not written or not closed", f.open, f.dir)
	}
	for i := len(f.pending) - 1; i > 0; i-- {
		if err := f.fs.RemoveAll(f.pending[i].target); err != nil {
			return err
		}
		if err := f.fs.SyncDir(f.dir); err != nil {
			return err
		}
	}
	for len(f.pending) > 0 {
		if err := f.fs.Rename(f.pending[0].temp, f.pending[0].target); err != nil {
			return err
		}
		f.pending = f.pending[1:]
		if err := f.fs.SyncDir(f.dir); err != nil {
			return err
		}
	}
	return nil
}

// Abort removes what was not committed; after Commit it does nothing. Defer it.
func (f *Files) Abort() error {
	var errs []error
	for _, p := range f.pending {
		errs = append(errs, f.fs.RemoveAll(p.temp))
	}
	f.pending = nil
	return errors.Join(errs...)
}
