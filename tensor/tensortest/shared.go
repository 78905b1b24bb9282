// Package tensortest holds what tests of several packages need: the finder of the shared golden files, closeness, gradient
// checks. Only tests import it.
package tensortest

import (
	"os"
	"path/filepath"
	"testing"
)

// Shared returns the path of a file or folder below the shared folder of goldens, data and weights: $BERTLABEL_SHARED, else
// a folder "shared" beside the module's root. Without it the test is skipped, saying so; with CI=true that is a failure.
func Shared(t testing.TB, path string) string {
	t.Helper()
	full, ok := shared(t, path)
	if !ok {
		t.Skipf("shared file %s is not here (set BERTLABEL_SHARED to the folder that holds it)", path)
	}
	return full
}

// SharedToo is Shared for a test that has other cases besides: without the file it goes on with these, saying so, and ok is false.
func SharedToo(t testing.TB, path string) (full string, ok bool) {
	t.Helper()
	if full, ok = shared(t, path); !ok {
		t.Logf("shared file %s is not here: fewer cases", path)
	}
	return full, ok
}

func shared(t testing.TB, path string) (full string, ok bool) {
	t.Helper()
	root := os.Getenv("BERTLABEL_SHARED")
	if root == "" {
		root = filepath.Join(moduleRoot(t), "..", "shared")
	}
	full = filepath.Join(root, filepath.FromSlash(path))
	_, err := os.Stat(full)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("shared file %s is missing: %v", path, err)
	}
	return full, err == nil
}

// moduleRoot returns the folder of go.mod: tests run in the folder of their package, somewhere below it.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the working directory")
		}
		dir = parent
	}
}
