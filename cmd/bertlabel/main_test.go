package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// bertlabel runs one command line in this process, which it leaves as it is.
func bertlabel(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return bertlabelIn(t, nil, stdin, args...)
}

// plainTraining is the environment of the tests: most of those that train are of the recipe of run_classifier.py, and of what a flag
// changes in it. The command line of a test goes first.
var plainTraining = map[string]string{"BERTLABEL_RECIPE": "google", "BERTLABEL_BASELINE": "false"}

// bertlabelIn is bertlabel in an environment.
func bertlabelIn(t *testing.T, env map[string]string, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	p := cli.Process{Env: func(name string) string {
		if value, set := env[name]; set {
			return value
		}
		return plainTraining[name]
	}}
	m := cmdtest.Main(func(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
		return run(p, args, stdin, stdout, stderr)
	})
	return m.Run(t, stdin, args...)
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "c.json")
	cmdtest.WriteFile(t, config, `{"quite": true}`)
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
		if code != cli.ExitUsage || stdout != "" || len(lines) != 2 || !strings.Contains(lines[0], c.want) ||
			!strings.Contains(lines[1], "--help") {
			t.Errorf("bertlabel %s: exit %d, stdout %q, stderr:\n%s\nwant exit 2 and one line with %q, then the pointer to --help",
				c.args, code,
				stdout, stderr, c.want)
		}
	}
}

type failingWriter struct{ err error }

func (f failingWriter) Write([]byte) (int, error) { return 0, f.err }

// When the reader of stdout has gone, the program ends quietly; when the disk behind it is full, it says so.
func TestStdoutFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		code int
	}{
		{&os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE}, cli.ExitOK},
		{&os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}, cli.ExitResources},
		{errors.New("other"), cli.ExitFailure},
	} {
		var stderr bytes.Buffer
		code := run(cli.Process{}, []string{"version"}, strings.NewReader(""), failingWriter{c.err}, &stderr)
		if code != c.code || (stderr.Len() == 0) != (c.code == cli.ExitOK) {
			t.Errorf("stdout fails with %v: exit %d, want %d; stderr %q", c.err, code, c.code, stderr.String())
		}
	}
}
