// Package cmdtest has what tests of several verbs need: tiny models and data, files, and a way to run one command line. Only tests
// import it.
package cmdtest

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// Main executes one command line and returns its exit code.
type Main func(args []string, stdin io.Reader, stdout, stderr io.Writer) int

// Run runs one command line in this process.
func Run(t *testing.T, main Main, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = main(args, strings.NewReader(stdin), &out, &errs)
	return out.String(), errs.String(), code
}
