package cli_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// What CreateOutput writes, OpenInput reads: plain, compressed, from a file and from stdin.
func TestFiles(t *testing.T) {
	t.Parallel()
	a := cli.New(cli.Process{}, nil, strings.NewReader(""), io.Discard, io.Discard)
	for _, name := range []string{"rows.jsonl", "rows.jsonl.gz"} {
		path := filepath.Join(t.TempDir(), name)
		cmdtest.WriteFile(t, path, "old")
		out, err := a.CreateOutput(path)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(out, "new\n")
		if text, _ := os.ReadFile(path); string(text) != "old" {
			t.Errorf("%s holds %q before Commit", name, text)
		}
		if err := out.Commit(); err != nil {
			t.Fatal(err)
		}
		out.Discard() // nothing after Commit
		stored, _ := os.ReadFile(path)
		if _, err := gzip.NewReader(bytes.NewReader(stored)); (err == nil) != strings.HasSuffix(name, ".gz") {
			t.Errorf("%s: compressed or not is wrong: %q", name, stored)
		}
		a.Stdin = bytes.NewReader(stored)
		for _, from := range []string{path, "-"} {
			in, err := a.OpenInput(from)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(in); err != nil || string(text) != "new\n" {
				t.Errorf("%s read from %s: %q, %v", name, from, text, err)
			}
			in.Close()
		}
		if strings.HasSuffix(name, ".gz") {
			a.Stdin = bytes.NewReader(stored[:len(stored)-9])
			in, _ := a.OpenInput("-")
			if _, err := io.ReadAll(in); cli.ExitCode(t.Context(), err) != cli.ExitData {
				t.Errorf("a stream cut short: %v, want exit %d", err, cli.ExitData)
			}
		}
		cmdtest.OnlyFile(t, filepath.Dir(path), name)
	}
}

// An output that is not committed leaves the old file, and no other.
func TestDiscard(t *testing.T) {
	t.Parallel()
	a := cli.New(cli.Process{}, nil, nil, io.Discard, io.Discard)
	path := filepath.Join(t.TempDir(), "scores.csv")
	cmdtest.WriteFile(t, path, "old")
	out, err := a.CreateOutput(path)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(out, "new")
	out.Discard()
	if text, _ := os.ReadFile(path); string(text) != "old" {
		t.Errorf("after Discard: %q", text)
	}
	cmdtest.OnlyFile(t, filepath.Dir(path), "scores.csv")
}

func TestInputRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cut := filepath.Join(dir, "cut.gz")
	cmdtest.WriteFile(t, cut, "\x1f\x8b\x08")
	a := cli.New(cli.Process{}, nil, nil, io.Discard, io.Discard)
	for path, want := range map[string]int{filepath.Join(dir, "none.csv"): cli.ExitUsage, dir: cli.ExitUsage, cut: cli.ExitData} {
		if _, err := a.OpenInput(path); cli.ExitCode(t.Context(), err) != want {
			t.Errorf("openInput(%s): %v, exit %d, want %d", path, err, cli.ExitCode(t.Context(), err), want)
		}
	}
}

func TestCheckOutputDir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	full := filepath.Join(dir, "full")
	if err := os.Mkdir(full, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := cli.CheckOutputDir(full, false, false); err != nil {
		t.Errorf("an empty folder is refused: %v", err)
	}
	if err := cli.CheckOutputDir(filepath.Join(dir, "new"), false, false); err != nil {
		t.Errorf("a new folder is refused: %v", err)
	}
	file := filepath.Join(full, "file")
	cmdtest.WriteFile(t, file, "")
	for _, path := range []string{full, file} {
		if err := cli.CheckOutputDir(path, false, false); cli.ExitCode(t.Context(), err) != cli.ExitUsage {
			t.Errorf("checkOutputDir(%s) = %v, want wrong usage", path, err)
		}
	}
	if err := errors.Join(cli.CheckOutputDir(full, true, false), cli.CheckOutputDir(full, false, true)); err != nil {
		t.Errorf("--resume or --overwrite is refused: %v", err)
	}
}
