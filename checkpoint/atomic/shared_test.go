package atomic

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// saveShared writes a file as Shared does, over one that may be there.
func saveShared(fs FS, path string) error {
	s, err := CreateShared(fs, path)
	if err != nil {
		return err
	}
	defer s.Abort()
	for range 2 {
		if _, err := io.WriteString(s, "part"); err != nil {
			return err
		}
	}
	return s.Commit()
}

// TestEveryFaultOfShared makes each single operation fail in turn: the file is absent or whole, and nothing temporary is left.
func TestEveryFaultOfShared(t *testing.T) {
	for n := 1; ; n++ {
		path := filepath.Join(t.TempDir(), "part")
		faults := &faulty{FS: OS{}, left: n, err: syscall.ENOSPC, short: true}
		err := saveShared(faults, path)
		done := faults.left > 0
		if (err == nil) != done || err != nil && (!errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), filepath.Dir(path))) {
			t.Errorf("fault %d: %v", n, err)
		}
		if text := read(OS{}, path); text != "partpart" && (text != "" || done) {
			t.Errorf("fault %d: %q", n, text)
		}
		if names, _ := (OS{}).List(filepath.Dir(path)); slices.ContainsFunc(names, func(name string) bool { return name != "part" }) {
			t.Errorf("fault %d leaves %v", n, names)
		}
		if done {
			if n < 7 {
				t.Errorf("only %d operations were made to fail", n-1)
			}
			return
		}
	}
}

// Two that write one file at the same time both commit it; one whose temporary file is gone says so.
func TestSharedTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "part")
	a, err := CreateShared(OS{}, path)
	b, err2 := CreateShared(OS{}, path)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	for i, s := range []*Shared{a, b} {
		if _, err := io.WriteString(s, "same"); err != nil {
			t.Fatal(err)
		}
		if err := s.Commit(); err != nil || read(OS{}, path) != "same" {
			t.Errorf("%d: %v", i, err)
		}
		if err := s.Abort(); err != nil || read(OS{}, path) != "same" {
			t.Errorf("abort after commit: %v", err)
		}
	}
	c, err := CreateShared(OS{}, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(c.temp); err != nil {
		t.Fatal(err)
	}
	if err := c.Commit(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without the temporary file: %v", err)
	}
}

// Only temporary files of dead processes of this machine are removed.
func TestRemoveDead(t *testing.T) {
	dir := t.TempDir()
	live, err := CreateShared(OS{}, filepath.Join(dir, "part"))
	if err != nil {
		t.Fatal(err)
	}
	defer live.Abort()
	name := func(host string, pid int, process string) string {
		return fmt.Sprintf(".part-1.jsonl.tmp-%s-%d-%s00112233", host, pid, process)
	}
	const noPID = 1<<22 + 1 // over the largest that Linux gives, PID_MAX_LIMIT
	stays := []string{name(host(), os.Getppid(), "01234567"), name("another-host", noPID, "01234567"), "part-1.jsonl", ".hidden"}
	gone := []string{name(host(), os.Getpid(), "01234567"), name(host(), noPID, "89abcdef")}
	for _, n := range append(stays, gone...) {
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	names, err := (OS{}).List(dir)
	if err != nil {
		t.Fatal(err)
	}
	removed, err := RemoveDead(OS{}, dir, names)
	slices.Sort(removed)
	slices.Sort(gone)
	if err != nil || !slices.Equal(removed, gone) {
		t.Errorf("removed %v, %v, want %v", removed, err, gone)
	}
	left, _ := (OS{}).List(dir)
	want := append(stays, filepath.Base(live.temp))
	slices.Sort(want)
	if !slices.Equal(left, want) {
		t.Errorf("left %v, want %v", left, want)
	}
	if target, ok := SharedTarget(gone[0]); !ok || target != "part-1.jsonl" {
		t.Errorf("target %q, %v", target, ok)
	}
	if _, ok := SharedTarget("part-1.jsonl"); ok {
		t.Error("a part is no temporary file")
	}
}
