package scorecmd

import (
	"io"
	"testing"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"

	"github.com/spf13/cobra"
)

// run executes one command line of these verbs.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	verbs := func(a *cli.App) []*cobra.Command {
		return []*cobra.Command{NewPredictCmd(a), NewEvalCmd(a), NewExplainCmd(a)}
	}
	return cli.Main(cli.Process{}, verbs, args, stdin, stdout, stderr)
}

// bertlabel runs one command line in this process.
func bertlabel(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return cmdtest.Run(t, run, stdin, args...)
}
