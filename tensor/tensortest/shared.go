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
	root := os.Getenv("BERTLABEL_SHARED")
	if root == "" {
		root = filepath.Join(moduleRoot(t), "..", "shared")
	}
	full := filepath.Join(root, filepath.FromSlash(path))
	if _, err := os.Stat(full); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("shared file %s is missing: %v", path, err)
		}
		t.Skipf("shared file %s is not here (set BERTLABEL_SHARED to the folder that holds it)", path)
	}
	return full
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
