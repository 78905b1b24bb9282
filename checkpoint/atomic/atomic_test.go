package atomic

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"bertlabel/checkpoint"
)

// saveFolder writes a small folder.
func saveFolder(fs FS, target string, step int64) error {
	f, err := NewFolder(fs, target, 1000)
	if err != nil {
		return err
	}
	defer f.Abort()
	for _, name := range []string{"model.data", "model.index"} {
		if err := writeThrough(f.Create, name, fmt.Sprint(name, " of step ", step)); err != nil {
			return err
		}
	}
	return f.Commit(step, true)
}

// saveFiles writes an index and its data into a folder, where older ones may be.
func saveFiles(fs FS, dir, generation string) error {
	f, err := NewFiles(fs, dir, 1000)
	if err != nil {
		return err
	}
	defer f.Abort()
	for _, name := range []string{"data", "index"} {
		if err := writeThrough(f.Create, name, name+generation); err != nil {
			return err
		}
	}
	return f.Commit()
}

func writeThrough(create func(string) (io.WriteCloser, error), name, text string) error {
	w, err := create(name)
	if err != nil {
		return err
	}
	for _, part := range []string{text[:2], text[2:]} {
		if _, err := io.WriteString(w, part); err != nil {
			w.Close()
			return err
		}
	}
	return w.Close()
}

func read(fs FS, path string) string {
	r, err := fs.Open(path)
	if err != nil {
		return ""
	}
	defer r.Close()
	text, _ := io.ReadAll(r)
	return string(text)
}

// faulty fails the n-th operation.
type faulty struct {
	FS
	left  int
	err   error
	short bool // a failing write has written half
}

func (f *faulty) fail(op, name string) error {
	if f.left--; f.left == 0 {
		return &os.PathError{Op: op, Path: name, Err: f.err}
	}
	return nil
}

func (f *faulty) Create(name string) (File, error) {
	if err := f.fail("create", name); err != nil {
		return nil, err
	}
	file, err := f.FS.Create(name)
	return &faultyFile{file, f, name}, err
}

func (f *faulty) Open(name string) (io.ReadCloser, error) {
	if err := f.fail("open", name); err != nil {
		return nil, err
	}
	return f.FS.Open(name)
}

func (f *faulty) Mkdir(name string) error {
	if err := f.fail("mkdir", name); err != nil {
		return err
	}
	return f.FS.Mkdir(name)
}

func (f *faulty) Rename(from, to string) error {
	if err := f.fail("rename", to); err != nil {
		return err
	}
	return f.FS.Rename(from, to)
}

func (f *faulty) SyncDir(name string) error {
	if err := f.fail("sync", name); err != nil {
		return err
	}
	return f.FS.SyncDir(name)
}

func (f *faulty) Free(name string) (int64, error) {
	if err := f.fail("statfs", name); err != nil {
		return 0, err
	}
	return f.FS.Free(name)
}

type faultyFile struct {
	File
	f    *faulty
	name string
}

func (w *faultyFile) Write(p []byte) (int, error) {
	if err := w.f.fail("write", w.name); err != nil {
		if w.f.short {
			n, _ := w.File.Write(p[:len(p)/2])
			return n, err
		}
		return 0, err
	}
	return w.File.Write(p)
}

func (w *faultyFile) Sync() error {
	if err := w.f.fail("fsync", w.name); err != nil {
		return err
	}
	return w.File.Sync()
}

func (w *faultyFile) Close() error {
	err := w.f.fail("close", w.name)
	return errors.Join(err, w.File.Close())
}

// TestEveryFault makes each single operation of a save fail in turn (RELIABILITY C1, C11): the error names path and errno, the old
// folder is unharmed, the new one is absent or verifies, nothing temporary is left.
func TestEveryFault(t *testing.T) {
	for _, kind := range []struct {
		err   error
		short bool
	}{{syscall.EIO, false}, {syscall.ENOSPC, true}, {syscall.EINTR, false}} {
		faults := 0
		for n := 1; ; n++ {
			dir := t.TempDir()
			if err := saveFolder(OS{}, filepath.Join(dir, "ckpt-1"), 1); err != nil {
				t.Fatal(err)
			}
			fs := &faulty{FS: OS{}, left: n, err: kind.err, short: kind.short}
			err := saveFolder(fs, filepath.Join(dir, "ckpt-2"), 2)
			if fs.left > 0 { // n is more than the operations there are
				if err != nil {
					t.Fatalf("without a fault: %v", err)
				}
				break
			}
			faults++
			if !errors.Is(err, kind.err) || !strings.Contains(err.Error(), dir) {
				t.Errorf("fault %d: error %v, want one with a path and %v", n, err, kind.err)
			}
			if _, err := VerifyFolder(OS{}, filepath.Join(dir, "ckpt-1")); err != nil {
				t.Errorf("fault %d: the old folder: %v", n, err)
			}
			if _, err := VerifyFolder(OS{}, filepath.Join(dir, "ckpt-2")); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("fault %d: the new folder: %v", n, err)
			}
			if names, _ := (OS{}).List(dir); !slices.Equal(names, []string{"ckpt-1"}) &&
				!slices.Equal(names, []string{"ckpt-1", "ckpt-2"}) {
				t.Errorf("fault %d leaves %v", n, names)
			}
		}
		if faults < 20 {
			t.Errorf("only %d operations were made to fail", faults)
		}
	}
}

// TestEveryFaultOfFiles is the same for an index and data that replace older ones: an index never stands beside the data
// of another generation.
func TestEveryFaultOfFiles(t *testing.T) {
	for n := 1; ; n++ {
		dir := t.TempDir()
		if err := saveFiles(OS{}, dir, "-old"); err != nil {
			t.Fatal(err)
		}
		fs := &faulty{FS: OS{}, left: n, err: syscall.EIO}
		err := saveFiles(fs, dir, "-new")
		done := fs.left > 0
		if (err == nil) != done {
			t.Errorf("fault %d: error %v", n, err)
		}
		checkPair(t, fmt.Sprint("fault ", n), OS{}, dir)
		if names, _ := (OS{}).List(dir); len(names) > 2 {
			t.Errorf("fault %d leaves %v", n, names)
		}
		if done {
			if read(OS{}, filepath.Join(dir, "index")) != "index-new" {
				t.Error("the new files are not there")
			}
			return
		}
	}
}

func checkPair(t *testing.T, when string, fs FS, dir string) {
	t.Helper()
	data, index := read(fs, filepath.Join(dir, "data")), read(fs, filepath.Join(dir, "index"))
	switch {
	case index == "": // no checkpoint: what data stands there means nothing
	case index == "index-old" && data == "data-old", index == "index-new" && data == "data-new":
	default:
		t.Errorf("%s: index %q beside data %q", when, index, data)
	}
}

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "labels.txt")
	write := func(text string, err error) error {
		return WriteFile(OS{}, path, func(w io.Writer) error {
			io.WriteString(w, text)
			return err
		})
	}
	if err := write("old", nil); err != nil || read(OS{}, path) != "old" {
		t.Fatalf("%v, file %q", err, read(OS{}, path))
	}
	if err := write("half", io.ErrUnexpectedEOF); !errors.Is(err, io.ErrUnexpectedEOF) || read(OS{}, path) != "old" {
		t.Errorf("a failed write: %v, file %q, want the old one", err, read(OS{}, path))
	}
	if err := write("new", nil); err != nil || read(OS{}, path) != "new" {
		t.Errorf("%v, file %q", err, read(OS{}, path))
	}
	if names, _ := (OS{}).List(filepath.Dir(path)); len(names) != 1 {
		t.Errorf("left %v", names)
	}
}

func TestFolderExists(t *testing.T) {
	target := filepath.Join(t.TempDir(), "ckpt-1")
	for i := range 2 {
		if err := saveFolder(OS{}, target, int64(i)); (err == nil) != (i == 0) {
			t.Errorf("save %d: %v", i, err)
		}
	}
	if m, err := VerifyFolder(OS{}, target); err != nil || m.Step != 0 || len(m.Files) != 2 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestNames(t *testing.T) {
	f, err := NewFolder(OS{}, filepath.Join(t.TempDir(), "x"), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Abort()
	for _, name := range []string{"", ".", "..", "a/b", "../a", "/a", `a\b`, ManifestName} {
		if _, err := f.Create(name); err == nil {
			t.Errorf("made %q", name)
		}
	}
}

func TestUnclosed(t *testing.T) {
	dir := t.TempDir()
	folder, _ := NewFolder(OS{}, filepath.Join(dir, "x"), 0)
	files, _ := NewFiles(OS{}, dir, 0)
	for _, s := range []struct {
		create func(string) (io.WriteCloser, error)
		commit func() error
		abort  func() error
	}{{folder.Create, func() error { return folder.Commit(0, false) }, folder.Abort}, {files.Create, files.Commit, files.Abort}} {
		w, err := s.create("a")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.commit(); err == nil {
			t.Error("committed a file that is not closed")
		}
		w.Close()
		if err := s.abort(); err != nil {
			t.Error(err)
		}
	}
	if names, _ := (OS{}).List(dir); len(names) > 0 {
		t.Errorf("left %v", names)
	}
}

func TestVerifyFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ckpt")
	if err := saveFolder(OS{}, dir, 7); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"model.data", "model.index", ManifestName} {
		path := filepath.Join(dir, name)
		good, _ := os.ReadFile(path)
		for i := range good {
			bad := slices.Clone(good)
			bad[i] ^= 1
			os.WriteFile(path, bad, 0o666)
			var refused *checkpoint.FormatError
			if m, err := VerifyFolder(OS{}, dir); err == nil && name != ManifestName {
				t.Errorf("%s: byte %d flipped and verified", name, i)
			} else if err == nil && m.Step == 7 && !strings.Contains(string(bad), `"step": 7`) {
				t.Errorf("%s: byte %d flipped and not noticed", name, i)
			} else if err != nil && !errors.As(err, &refused) {
				t.Errorf("%s: byte %d flipped: %v is no FormatError", name, i, err)
			}
		}
		for n := range len(good) {
			os.WriteFile(path, good[:n], 0o666)
			if _, err := VerifyFolder(OS{}, dir); err == nil && n < len(good)-1 { // the last byte of the manifest is a line feed
				t.Errorf("%s cut to %d bytes and verified", name, n)
			}
		}
		os.WriteFile(path, append(slices.Clone(good), '!'), 0o666)
		if _, err := VerifyFolder(OS{}, dir); err == nil {
			t.Errorf("%s: a byte more and verified", name)
		}
		os.Remove(path)
		if _, err := VerifyFolder(OS{}, dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s removed: %v", name, err)
		}
		os.WriteFile(path, good, 0o666)
	}
}

func TestNoSpace(t *testing.T) {
	_, err := NewFolder(OS{}, filepath.Join(t.TempDir(), "x"), 1<<60)
	if !NoSpace(err) {
		t.Errorf("an exabyte: %v", err)
	}
	if NoSpace(io.EOF) || NoSpace(nil) {
		t.Error("says a disk is full when it is not")
	}
}

func TestRemoveStale(t *testing.T) {
	dead := exec.Command(os.Args[0], "-test.run=^$")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	stale := []string{fmt.Sprintf("a.tmp-%d-0123abcd", dead.Process.Pid), fmt.Sprintf("b.tmp-%d-00000000", os.Getpid())}
	kept := []string{fmt.Sprintf("c.tmp-%d-0123abcd", os.Getppid()), "d.tmp-1-12", "e"}
	for _, name := range append(slices.Clone(stale), kept...) {
		if err := os.Mkdir(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	removed, err := RemoveStale(OS{}, dir)
	if slices.Sort(removed); err != nil || !slices.Equal(removed, stale) {
		t.Errorf("removed %v, %v, want %v", removed, err, stale)
	}
	if names, _ := (OS{}).List(dir); len(names) != len(kept) {
		t.Errorf("kept %v, want %v", names, kept)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	lock, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(dir); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("a second lock: %v, want ErrLocked with the process", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := Acquire(dir)
	if err != nil {
		t.Fatalf("after Release: %v", err)
	}
	again.Release()
}

// roomy is a disk with so much room.
type roomy struct {
	FS
	free int64
}

func (r roomy) Free(string) (int64, error) { return r.free, nil }

// TestCheckSpace: a tenth more than the bytes to write must be free, for a disk that is full to the last byte serves nobody.
func TestCheckSpace(t *testing.T) {
	if err := CheckSpace(roomy{OS{}, 1100}, ".", 1000); err != nil {
		t.Error(err)
	}
	if err := CheckSpace(roomy{OS{}, 1099}, ".", 1000); !NoSpace(err) {
		t.Errorf("1,000 bytes on a disk with 1,099 free: %v", err)
	}
}
