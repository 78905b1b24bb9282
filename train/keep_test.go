package train

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"

	"bertlabel/checkpoint/atomic"
)

// memoryFS is a file system in memory of which one operation fails, and with broken every one behind it too.
type memoryFS struct {
	files   map[string]*bytes.Buffer // nil for a folder
	left    int                      // operations until the fault; 0 for none
	broken  bool
	faulted bool
}

func newMemoryFS() *memoryFS { return &memoryFS{files: map[string]*bytes.Buffer{".": nil}} }

// step counts an operation.
func (m *memoryFS) step(op, name string) error {
	fault := m.faulted && m.broken
	if m.left > 0 {
		m.left--
		fault = m.left == 0
	}
	if fault {
		m.faulted = true
		return &fs.PathError{Op: op, Path: name, Err: syscall.EIO}
	}
	return nil
}

func (m *memoryFS) add(op, name string, file *bytes.Buffer) error {
	name = filepath.ToSlash(name)
	if _, there := m.files[name]; there {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrExist}
	}
	if err := m.step(op, name); err != nil {
		return err
	}
	m.files[name] = file
	return nil
}

func (m *memoryFS) Create(name string) (atomic.File, error) {
	f := memoryFile{&bytes.Buffer{}, m, name}
	return f, m.add("create", name, f.Buffer)
}

func (m *memoryFS) Mkdir(name string) error { return m.add("mkdir", name, nil) }

func (m *memoryFS) Open(name string) (io.ReadCloser, error) {
	f := m.files[filepath.ToSlash(name)]
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return io.NopCloser(bytes.NewReader(f.Bytes())), nil
}

func (m *memoryFS) Rename(from, to string) error {
	if err := m.step("rename", to); err != nil {
		return err
	}
	from, to = filepath.ToSlash(from), filepath.ToSlash(to)
	for name, f := range maps.Clone(m.files) {
		if rest, ok := strings.CutPrefix(name, from); ok && (rest == "" || rest[0] == '/') {
			delete(m.files, name)
			m.files[to+rest] = f
		}
	}
	return nil
}

// RemoveAll goes file by file, and leaves what it has not come to when it fails.
func (m *memoryFS) RemoveAll(dir string) error {
	dir = filepath.ToSlash(dir)
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(m.files))) {
		if rest, ok := strings.CutPrefix(name, dir); ok && (rest == "" || rest[0] == '/') {
			if err := m.step("remove", name); err != nil {
				return err
			}
			delete(m.files, name)
		}
	}
	return nil
}

func (m *memoryFS) List(dir string) (names []string, err error) {
	for name := range m.files {
		if path.Dir(name) == filepath.ToSlash(dir) && name != "." {
			names = append(names, path.Base(name))
		}
	}
	return names, m.step("list", dir)
}

func (m *memoryFS) SyncDir(name string) error  { return m.step("sync", name) }
func (m *memoryFS) Free(string) (int64, error) { return 1 << 40, nil }

type memoryFile struct {
	*bytes.Buffer
	fs   *memoryFS
	name string
}

func (f memoryFile) Write(p []byte) (int, error) {
	if err := f.fs.step("write", f.name); err != nil {
		n, _ := f.Buffer.Write(p[:len(p)/2])
		return n, err
	}
	return f.Buffer.Write(p)
}

func (f memoryFile) Sync() error  { return f.fs.step("fsync", f.name) }
func (f memoryFile) Close() error { return f.fs.step("close", f.name) }

// TestPruneKeeps: whatever the order of saves, of best steps and of steps to go back to, the newest checkpoints and these two stay, and
// nothing else; and whatever operation fails in between, the newest one that was written and these two stay whole (C10).
func TestPruneKeeps(t *testing.T) {
	sequences := 10_000
	if testing.Short() {
		sequences = 500
	}
	defer debug.SetGCPercent(debug.SetGCPercent(1000)) // buffers for large files, thousands of times
	faults := 0
	for n := range sequences {
		rng := rand.New(rand.NewPCG(5, uint64(n)))
		s := &saveSequence{t: t, rng: rng, fs: newMemoryFS()}
		s.checkpoints = &Checkpoints{Dir: "c", Keep: rng.IntN(4), Verify: rng.IntN(8) == 0, FS: s.fs}
		if err := s.checkpoints.Open(); err != nil {
			t.Fatal(err)
		}
		for range 2 + rng.IntN(4) {
			if s.fs.left, s.fs.broken, s.fs.faulted = 0, rng.IntN(2) == 0, false; rng.IntN(3) == 0 {
				s.fs.left = 1 + rng.IntN(40)
			}
			if s.save(); t.Failed() {
				t.Fatalf("sequence %d, keeping %d", n, s.checkpoints.Keep)
			}
			if s.fs.faulted {
				faults++
				s.reopen()
			}
		}
	}
	if faults < sequences/4 {
		t.Errorf("only %d faults in %d sequences", faults, sequences)
	}
}

// saveSequence is a run of which only the saves are left.
type saveSequence struct {
	t           *testing.T
	rng         *rand.Rand
	fs          *memoryFS
	checkpoints *Checkpoints
	state       State
	saved       []int64 // that must be there
}

// save saves the next step and compares what is there with what should be.
func (s *saveSequence) save() {
	s.state.Step += 1 + s.rng.Int64N(3)
	for _, needed := range []*int64{&s.state.BestStep, &s.state.RestoreStep} {
		if s.rng.IntN(3) == 0 {
			*needed = s.state.Step
		}
	}
	err := s.checkpoints.Save(Saved{State: s.state}, nil)
	s.fs.left = 0
	if err != nil && !s.fs.faulted {
		s.t.Errorf("step %d: %v without a fault", s.state.Step, err)
	}
	if s.fs.faulted {
		return
	}
	s.saved = append(s.saved, s.state.Step)
	s.saved = slices.DeleteFunc(s.saved, func(step int64) bool { return !s.needed(step) })
	if got, err := s.checkpoints.steps(); err != nil || !slices.Equal(got, s.saved) {
		s.t.Errorf("step %d, best %d, to go back to %d: %v are there, %v; want %v", s.state.Step, s.state.BestStep, s.state.RestoreStep,
			got, err, s.saved)
	}
}

// needed reports whether a step in saved is to stay.
func (s *saveSequence) needed(step int64) bool {
	newest := s.saved[max(0, len(s.saved)-max(1, s.checkpoints.Keep)):]
	return slices.Contains(newest, step) || step == s.state.BestStep || step == s.state.RestoreStep
}

// reopen goes on behind a fault as a new process does, with the newest checkpoint: no older one than before.
func (s *saveSequence) reopen() {
	s.fs.left, s.fs.faulted = 0, false
	s.checkpoints = &Checkpoints{Dir: "c", Keep: s.checkpoints.Keep, Verify: s.checkpoints.Verify, FS: s.fs}
	if err := s.checkpoints.Open(); err != nil {
		s.t.Fatal(err)
	}
	newest, err := s.checkpoints.Newest()
	before := append([]int64{0}, s.saved...)
	last := before[len(before)-1]
	switch {
	case err != nil && !(last == 0 && errors.As(err, new(*fs.PathError))):
		s.t.Fatal(err)
	case newest == nil && last == 0:
	case newest == nil || newest.State.Step != last && newest.State.Step != s.state.Step:
		s.t.Fatalf("behind a fault in the save of step %d the newest is %+v, want step %d", s.state.Step, newest, last)
	}
	for _, step := range s.saved {
		if _, err := s.checkpoints.verify(step); err != nil && (step == s.state.BestStep || step == s.state.RestoreStep) {
			s.t.Fatalf("behind a fault in the save of step %d that of step %d, which is needed, is lost: %v", s.state.Step, step, err)
		}
	}
	s.saved = s.saved[:0]
	if steps, err := s.checkpoints.steps(); err != nil {
		s.t.Fatal(err)
	} else {
		s.saved = append(s.saved, steps...)
	}
	if newest != nil {
		s.state = newest.State
	} else {
		s.state = State{}
	}
}
