package atomic

import (
	"io"
	"os"

	"bertlabel/checkpoint"
)

// FS is what saving needs of a file system. Errors name the path.
type FS interface {
	Create(name string) (File, error) // a new file: an error if it exists
	Open(name string) (io.ReadCloser, error)
	Mkdir(name string) error
	Rename(from, to string) error // a file replaces an older one; a folder does not
	RemoveAll(name string) error  // nil if there is nothing
	List(dir string) ([]string, error)
	SyncDir(dir string) error // makes the names in a folder durable
	Free(dir string) (int64, error)
}

// File is a file being written. Sync makes its bytes durable.
type File interface {
	io.WriteCloser
	Sync() error
}

// OS is the file system of the machine.
type OS struct{}

// Create implements FS.
func (OS) Create(name string) (File, error) {
	return os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
}

// Open implements FS, for regular files.
func (OS) Open(name string) (io.ReadCloser, error) {
	f, err := checkpoint.OpenFile(name)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{f.Reader(), f}, nil
}

// Mkdir implements FS.
func (OS) Mkdir(name string) error { return os.Mkdir(name, 0o777) }

// Rename implements FS.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// RemoveAll implements FS.
func (OS) RemoveAll(name string) error { return os.RemoveAll(name) }

// List implements FS.
func (OS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

// SyncDir implements FS.
func (OS) SyncDir(dir string) error { return syncDir(dir) }

// Free implements FS: the bytes that this user may still write to the disk of a folder.
func (OS) Free(dir string) (int64, error) { return freeBytes(dir) }
