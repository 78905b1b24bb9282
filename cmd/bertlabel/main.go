// Command bertlabel trains, evaluates and runs multi-label text classifiers on BERT.
//
// Read root.go first: it holds the frame that every verb depends on. Each verb has a file of its own with a constructor
// newXxxCmd(*app) *cobra.Command that verbs lists.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// main holds the program's only os.Exit.
func main() {
	os.Exit(run(thisProcess(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run executes one command line and returns its exit code. It is the panic fence of the program (RELIABILITY R4).
func run(p process, args []string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(stderr, "bertlabel: internal error, please file: %v\n%s", p, debug.Stack())
			code = exitInternal
		}
	}()
	return runApp(p, verbs, args, stdin, stdout, stderr)
}

// verbs lists the verbs in the order of the help.
func verbs(a *app) []*cobra.Command {
	return []*cobra.Command{
		newDemoCmd(a),
		newTrainCmd(a),
		newEvalCmd(a),
		newPredictCmd(a),
		newExplainCmd(a),
		newEmbedCmd(a),
		newLabelsCmd(a),
		newConvertCmd(a),
		newCheckDataCmd(a),
		newSplitCmd(a),
		newMetricsCmd(a),
		newTokenizeCmd(a),
		newInspectCmd(a),
		newBenchCmd(a),
		newVersionCmd(a),
		newCompletionCmd(a),
	}
}
