package cmdtest

import (
	"os"
	"slices"
	"testing"
)

// WriteFile writes a file.
func WriteFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// OnlyFile checks that a folder holds these files and no others.
func OnlyFile(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	var found []string
	for _, e := range entries {
		found = append(found, e.Name())
	}
	if err != nil || !slices.Equal(found, names) {
		t.Errorf("%s holds %v, %v; want %v only", dir, found, err, names)
	}
}

// FastDir is a folder in memory where there is one: a test of many saves would wait for the disk most of its time.
func FastDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "bertlabel-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
