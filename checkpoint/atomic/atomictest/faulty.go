// Package atomictest has a disk that fails. Only tests import it.
package atomictest

import (
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"sync"

	"bertlabel/checkpoint/atomic"
)

// Never is a Left that no test comes to the end of.
const Never = math.MaxInt

// Faulty is a file system whose Left-th operation from now fails with Err, and with Broken every one after it too, as on a full disk. It
// does not wait for the disk: nothing of a test outlives it. Several goroutines may work on it, but not while the fields are looked at.
type Faulty struct {
	atomic.OS
	Left   int
	Broken bool
	Err    error

	mu sync.Mutex
}

func (f *Faulty) fail(op, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Left--
	if f.Left == 0 || f.Broken && f.Left < 0 {
		return &os.PathError{Op: op, Path: name, Err: f.Err}
	}
	return nil
}

// Create implements atomic.FS.
func (f *Faulty) Create(name string) (atomic.File, error) {
	if err := f.fail("create", name); err != nil {
		return nil, err
	}
	file, err := f.OS.Create(name)
	return faultyFile{file, f, name}, err
}

// Append is that of a disk that goes on with what was begun (package hub): a new file, or the end of one.
func (f *Faulty) Append(name string) (atomic.File, error) {
	if err := f.fail("append", name); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	return faultyFile{file, f, name}, err
}

// Open implements atomic.FS.
func (f *Faulty) Open(name string) (io.ReadCloser, error) {
	if err := f.fail("open", name); err != nil {
		return nil, err
	}
	return f.OS.Open(name)
}

// Mkdir implements atomic.FS.
func (f *Faulty) Mkdir(name string) error {
	return errors.Join(f.fail("mkdir", name), f.OS.Mkdir(name))
}

// Rename implements atomic.FS.
func (f *Faulty) Rename(from, to string) error {
	if err := f.fail("rename", to); err != nil {
		return err
	}
	return f.OS.Rename(from, to)
}

// RemoveAll implements atomic.FS. What is temporary can always be removed.
func (f *Faulty) RemoveAll(name string) error {
	if strings.Contains(name, ".tmp-") {
		return f.OS.RemoveAll(name)
	}
	if err := f.fail("remove", name); err != nil {
		return err
	}
	return f.OS.RemoveAll(name)
}

// SyncDir implements atomic.FS.
func (f *Faulty) SyncDir(name string) error { return f.fail("sync", name) }

// List implements atomic.FS.
func (f *Faulty) List(name string) ([]string, error) {
	if err := f.fail("list", name); err != nil {
		return nil, err
	}
	return f.OS.List(name)
}

// faultyFile is a file of one; a write that fails has written half.
type faultyFile struct {
	atomic.File
	fs   *Faulty
	name string
}

func (w faultyFile) Write(p []byte) (int, error) {
	if err := w.fs.fail("write", w.name); err != nil {
		n, _ := w.File.Write(p[:len(p)/2])
		return n, err
	}
	return w.File.Write(p)
}

func (w faultyFile) Sync() error { return w.fs.fail("fsync", w.name) }

func (w faultyFile) Close() error {
	return errors.Join(w.fs.fail("close", w.name), w.File.Close())
}
