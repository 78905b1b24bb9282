package tfbundle

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/checkpoint"
)

func TestParseState(t *testing.T) {
	for text, want := range map[string]string{
		`model_checkpoint_path: "model.ckpt-7"`:                                       "model.ckpt-7",
		"# newest\n\n  model_checkpoint_path:\"a\"\nlast_preserved_timestamp: 1.5\n":  "a",
		"model_checkpoint_path: 'single'\r\nall_model_checkpoint_paths: \"b\"\r\n":    "single",
		`model_checkpoint_path: "variables/variables"`:                                "variables/variables",
		`model_checkpoint_path: "caf\303\251 \x41\"\'"`:                               `café A"'`,
		`model_checkpoint_path: "a\0418\x4G"`:                                         "a!8\x04G",
		"all_model_checkpoint_paths: \"/gone/a\"\nmodel_checkpoint_path: \"model\"\n": "model",
	} {
		if s, err := ParseState([]byte(text)); err != nil || s.Latest != want {
			t.Errorf("%q: %q, %v, want %q", text, s.Latest, err, want)
		}
	}
	for _, text := range []string{
		"", "\n", "model_checkpoint_path", "model_checkpoint_path:", `model_checkpoint_path: "`, `model_checkpoint_path: "a`,
		`model_checkpoint_path: a`,
		`model_checkpoint_path: ""`, `model_checkpoint_path: "a'`, `model_checkpoint_path: "a"b"`, `model_checkpoint_path: "a\"`,
		`model_checkpoint_path: "\q"`,
		`model_checkpoint_path: "\400"`, `model_checkpoint_path: "\8"`, `model_checkpoint_path: "\x"`,
		`model_checkpoint_path: "/etc/passwd"`, `model_checkpoint_path: "../a"`,
		`model_checkpoint_path: "a/../../b"`, `model_checkpoint_path: "\056\056/b"`, `model_checkpoint_path: "a\\b"`,
		`model_checkpoint_path: "a\000"`,
		"model_checkpoint_path: \"a\"\nmodel_checkpoint_path: \"b\"", "model_checkpoint_path: \"a\"\nall_model_checkpoint_paths: b", "\xff",
		`all_model_checkpoint_paths: "a"`, strings.Repeat("#", stateBytes+1),
	} {
		var refused *checkpoint.FormatError
		if s, err := ParseState([]byte(text)); !errors.As(err, &refused) || refused.Class != checkpoint.BadState {
			t.Errorf("%.60q: %q, %v, want a refusal", text, s.Latest, err)
		}
	}
}

func TestStateText(t *testing.T) {
	s := State{Latest: "model.ckpt-7", All: []string{"model.ckpt-3", "model.ckpt-7"}}
	const want = "model_checkpoint_path: \"model.ckpt-7\"\nall_model_checkpoint_paths: \"model.ckpt-3\"\nall_model_checkpoint_paths: \"model.ckpt-7\"\n"
	if string(s.Text()) != want {
		t.Errorf("%s, want %s", s.Text(), want)
	}
	odd := State{Latest: "café \"x\" 'y'\n", All: []string{"\\\x01"}}
	if got, err := ParseState(odd.Text()); err != nil || got.Latest != odd.Latest || !slices.Equal(got.All, odd.All) {
		t.Errorf("%q reads back as %q, %v", odd, got, err)
	}
}

// TestLatest has the tricks of RELIABILITY H13 that concern the state file.
func TestLatest(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(outside, "model.index"), "")
	write(filepath.Join(dir, "model.index"), "")
	state := filepath.Join(dir, StateFile)
	if _, err := Latest(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no state file: %v", err)
	}
	write(state, `model_checkpoint_path: "model"`)
	if prefix, err := Latest(dir); err != nil || prefix != filepath.Join(dir, "model") {
		t.Errorf("%q, %v", prefix, err)
	}
	write(filepath.Join(dir, "old"), "")
	write(state, `model_checkpoint_path: "old"`)
	if path, err := Latest(dir); err != nil || path != filepath.Join(dir, "old") {
		t.Errorf("a V1 file: %q, %v", path, err)
	}
	write(state, `model_checkpoint_path: "gone"`)
	if path, err := Latest(dir); err == nil || !strings.Contains(err.Error(), "gone.index") {
		t.Errorf("no checkpoint of that name: %q, %v", path, err)
	}
	write(state, `model_checkpoint_path: "link"`)
	if err := os.Symlink(filepath.Join(outside, "model.index"), filepath.Join(dir, "link.index")); err != nil {
		t.Skip(err)
	}
	if prefix, err := Latest(dir); err == nil {
		t.Errorf("a link that leads out was followed to %q", prefix)
	}
	os.Remove(state)
	os.Symlink(filepath.Join(outside, "model.index"), state)
	if prefix, err := Latest(dir); err == nil {
		t.Errorf("a state file that is a link that leads out was read: %q", prefix)
	}
	os.Remove(state)
	os.Mkdir(state, 0o777)
	if prefix, err := Latest(dir); err == nil {
		t.Errorf("a folder was read as state file: %q", prefix)
	}
}
