package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bertlabel/checkpoint"
	"bertlabel/train"
	"bertlabel/train/data"
)

// bertlabel runs one command line in this process.
func bertlabel(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(args, strings.NewReader(stdin), &out, &errs)
	return out.String(), errs.String(), code
}

func TestWrongUsage(t *testing.T) {
	config := filepath.Join(t.TempDir(), "c.json")
	writeFile(t, config, `{"quite": true}`)
	for _, c := range []struct{ args, want string }{
		{"versoin", "did you mean version?"},
		{"versoin --model x", "unknown verb \"versoin\""},
		{"help versoin", "did you mean version?"},
		{"version --jsno", "did you mean --json?"},
		{"version --log_fromat text", "did you mean --log-format?"},
		{"version --threads", "needs an argument"},
		{"version --threads x", "--threads"},
		{"version --threads=-1", "want 0"},
		{"version --max-memory much", "3GiB"},
		{"version --log-format xml", "want text, json"},
		{"version --do_train", "bertlabel train"},
		{"version extra", "unexpected argument \"extra\""},
		{"version --config " + config, "did you mean quiet?"},
		{"version --config nowhere.json", "nowhere.json"},
		{"completion tcsh", "want bash"},
	} {
		stdout, stderr, code := bertlabel(t, "", strings.Fields(c.args)...)
		lines := strings.Split(strings.TrimSpace(stderr), "\n")
		if code != exitUsage || stdout != "" || len(lines) != 2 || !strings.Contains(lines[0], c.want) || !strings.Contains(lines[1], "--help") {
			t.Errorf("bertlabel %s: exit %d, stdout %q, stderr:\n%s\nwant exit 2 and one line with %q, then the pointer to --help", c.args, code, stdout, stderr, c.want)
		}
	}
}

type failingWriter struct{ err error }

func (f failingWriter) Write([]byte) (int, error) { return 0, f.err }

// When the reader of stdout has gone, the program ends quietly; when the disk behind it is full, it says so.
func TestStdoutFails(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
	}{
		{&os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE}, exitOK},
		{&os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}, exitResources},
		{errors.New("other"), exitFailure},
	} {
		var stderr bytes.Buffer
		code := run([]string{"version"}, strings.NewReader(""), failingWriter{c.err}, &stderr)
		if code != c.code || (stderr.Len() == 0) != (c.code == exitOK) {
			t.Errorf("stdout fails with %v: exit %d, want %d; stderr %q", c.err, code, c.code, stderr.String())
		}
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Each kind of error has its exit code, however it is wrapped.
func TestExitCodes(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(signalError{syscall.SIGTERM})
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("other"), 1},
		{usagef("no"), 2},
		{&data.OptionError{Option: "format"}, 2},
		{os.ErrNotExist, 2},
		{&data.RowError{}, 3},
		{&checkpoint.FormatError{Err: os.ErrNotExist}, 4},
		{&train.DivergedError{}, 5},
		{&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, 6},
		{context.Canceled, 143},
		{withCode(exitData, context.Canceled), 143}, // a signal explains whatever it cut short
	} {
		err := c.err
		if err != nil {
			err = fmt.Errorf("wrapped: %w", errors.Join(errors.New("also"), c.err))
		}
		if got := exitCode(ctx, err); got != c.want {
			t.Errorf("exitCode(%v) = %d, want %d", err, got, c.want)
		}
	}
}
