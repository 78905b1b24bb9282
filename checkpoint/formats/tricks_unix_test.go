//go:build linux || darwin

package formats_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/formats"
)

// TestTricks puts pipes, devices, folders and dead links in the place of each file (RELIABILITY H13): all are refused, none
// is waited for.
func TestTricks(t *testing.T) {
	tricks := map[string]func(path string) error{
		"pipe":      func(path string) error { return unix.Mkfifo(path, 0o666) },
		"device":    func(path string) error { return os.Symlink("/dev/zero", path) },
		"folder":    func(path string) error { return os.Mkdir(path, 0o777) },
		"dead link": func(path string) error { return os.Symlink("nowhere", path) },
		"loop":      func(path string) error { return os.Symlink(filepath.Base(path), path) },
	}
	for _, c := range []struct{ open, file string }{
		{"m", "m.index"}, {"m", "m.data-00000-of-00001"}, {"model.safetensors", "model.safetensors"}, {"weights", "weights"},
		{".", "checkpoint"},
		{"model.safetensors.index.json", "model.safetensors.index.json"}, {"model.safetensors.index.json", "s1.safetensors"},
	} {
		for name, trick := range tricks {
			dir := t.TempDir()
			saveV2(t, dir+"/m")
			saveSafetensors(t, dir+"/s1.safetensors")
			write(t, dir+"/model.safetensors.index.json", `{"weight_map":{"s1.safetensors":"s1.safetensors"}}`)
			os.Remove(filepath.Join(dir, c.file))
			if err := trick(filepath.Join(dir, c.file)); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				_, err := formats.Open(filepath.Join(dir, c.open), checkpoint.Limits{})
				done <- err
			}()
			select {
			case err := <-done:
				var refused *checkpoint.FormatError
				if c.file == "checkpoint" && name == "dead link" && err == nil {
					continue // no state file
				}
				if !errors.As(err, &refused) || refused.File == "" {
					t.Errorf("%s as a %s: %v", c.file, name, err)
				}
			case <-time.After(5 * time.Second):
				t.Fatalf("%s as a %s: hangs", c.file, name)
			}
		}
	}
}
