// Package cmdtest has what tests of several verbs need: tiny models and data, files, and ways to run a command line. Only tests import it.
package cmdtest

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"bertlabel/cmd/bertlabel/internal/cli"

	"github.com/spf13/cobra"
)

// Main executes one command line and returns its exit code.
type Main func(args []string, stdin io.Reader, stdout, stderr io.Writer) int

// Verbs returns a Main for some verbs, which leaves the process as it is.
func Verbs(verbs ...func(*cli.App) *cobra.Command) Main {
	all := func(a *cli.App) (cmds []*cobra.Command) {
		for _, verb := range verbs {
			cmds = append(cmds, verb(a))
		}
		return cmds
	}
	return func(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
		return cli.Main(cli.Process{}, all, args, stdin, stdout, stderr)
	}
}

// Run runs one command line.
func (m Main) Run(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = m(args, strings.NewReader(stdin), &out, &errs)
	return out.String(), errs.String(), code
}

// Options returns the options that a command line of a verb makes, nil if it is refused, with stderr and exit code. The verb does not
// run.
func Options[O any](t *testing.T, verb func(*cli.App, cli.Runner[O]) *cobra.Command, args ...string) (options *O, stderr string, code int) {
	t.Helper()
	m := Verbs(func(a *cli.App) *cobra.Command {
		return verb(a, func(_ context.Context, _ *cli.App, o O) error {
			options = &o
			return nil
		})
	})
	_, stderr, code = m.Run(t, "", args...)
	return options, stderr, code
}
