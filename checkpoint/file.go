package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// File is an open regular file and its length when it was opened.
type File struct {
	io.ReaderAt
	io.Closer
	Path string // for messages
	Size int64
}

// Reader returns a reader of the whole file.
func (f *File) Reader() io.Reader { return io.NewSectionReader(f, 0, f.Size) }

// OpenFile opens a file that the user named. Anything but a regular file is refused without opening it: opening a FIFO
// may block, reading a device may never end. So is what shows by its first bytes that it is no file of a model (Foreign).
func OpenFile(path string) (*File, error) { return openRegular(path, path, os.Stat, os.Open) }

// OpenIn opens a file whose name stands inside another file. The name is resolved below root: absolute names, "..", and
// symbolic links that lead out are refused, but for those of the hub's cache (hub.go).
func OpenIn(root *os.Root, name string) (*File, error) {
	path := filepath.Join(root.Name(), name)
	if _, err := root.Stat(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		f, errLink := openLink(root, name)
		if f != nil || errLink != nil {
			return f, errLink
		}
		if info, errLink := root.Lstat(name); errLink == nil && info.Mode()&fs.ModeSymlink != 0 {
			return nil, missing(path, fmt.Errorf("is a link that leads out of the folder: put the file there in its place (cp -L): %w", err))
		}
	}
	return openRegular(name, path, root.Stat, root.Open)
}

func openRegular(name, path string, stat func(string) (fs.FileInfo, error), open func(string) (*os.File, error)) (*File, error) {
	info, err := stat(name)
	if err != nil {
		return nil, missing(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, missing(path, fmt.Errorf("is no regular file but a %s", kind(info.Mode())))
	}
	f, err := open(name)
	if err != nil {
		return nil, missing(path, err)
	}
	if info, err = f.Stat(); err != nil {
		f.Close()
		return nil, missing(path, err)
	}
	file := &File{f, f, path, info.Size()}
	if err := file.recognize(); err != nil {
		f.Close()
		return nil, err
	}
	return file, nil
}

func missing(path string, err error) error {
	what := err.Error()
	var p *fs.PathError
	if errors.As(err, &p) {
		what = p.Err.Error() // the path is in File already
	}
	return &FormatError{File: path, Offset: -1, Class: MissingFile, What: what, Err: err}
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "folder"
	case m&fs.ModeNamedPipe != 0:
		return "pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	}
	return "device"
}
