package formats_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/formats"
)

// TestV1Shards opens a V1 checkpoint of two shards by each of its names and by a state file; without one of them, or with one of them
// twice, it is refused.
func TestV1Shards(t *testing.T) {
	dir := t.TempDir()
	names := []string{"model.ckpt-00000-of-00002", "model.ckpt-00001-of-00002"}
	shards := map[string][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(committed, "good", "v1_sharded", name))
		if err != nil {
			t.Fatal(err)
		}
		shards[name] = data
		write(t, filepath.Join(dir, name), string(data))
	}
	for _, name := range append(names, "model.ckpt-?????-of-00002") {
		if err := readAll(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	write(t, filepath.Join(dir, "checkpoint"), "model_checkpoint_path: \"model.ckpt-?????-of-00002\"\n")
	if err := readAll(dir); err != nil {
		t.Errorf("by the state file: %v", err)
	}
	refused := func(what string, class checkpoint.Class) {
		t.Helper()
		_, err := formats.Open(filepath.Join(dir, names[0]), checkpoint.Limits{})
		var e *checkpoint.FormatError
		if !errors.As(err, &e) || e.Class != class || !strings.HasPrefix(e.File, dir) {
			t.Errorf("%s: %v, want class %s", what, err, class)
		}
	}
	write(t, filepath.Join(dir, names[1]), string(shards[names[0]]))
	refused("the first shard twice", checkpoint.BadSlices)
	if err := os.Remove(filepath.Join(dir, names[1])); err != nil {
		t.Fatal(err)
	}
	refused("a shard less", checkpoint.MissingFile)
	write(t, filepath.Join(dir, "x-00000-of-99999"), string(shards[names[0]]))
	_, err := formats.Open(filepath.Join(dir, "x-00000-of-99999"), checkpoint.Limits{})
	if err == nil || !strings.Contains(err.Error(), "99999 shards") {
		t.Errorf("99999 shards: %v", err)
	}
}
