// Command bertlabel trains, evaluates and runs multi-label text classifiers on BERT.
//
// Read internal/cli first: it is the frame that every verb depends on. A verb is a file with a constructor of its command, which verbs
// lists; most stand in a package below internal, named after what they are about: datacmd, modelcmd, scorecmd.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"bertlabel/cmd/bertlabel/internal/benchcmd"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/datacmd"
	"bertlabel/cmd/bertlabel/internal/democmd"
	"bertlabel/cmd/bertlabel/internal/modelcmd"
	"bertlabel/cmd/bertlabel/internal/scorecmd"
	"bertlabel/cmd/bertlabel/internal/servecmd"
	"bertlabel/cmd/bertlabel/internal/tracecmd"
	"bertlabel/cmd/bertlabel/internal/traincmd"

	"github.com/spf13/cobra"
)

// main holds the program's only os.Exit.
func main() {
	os.Exit(run(cli.ThisProcess(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run executes one command line and returns its exit code. It is the panic fence of the program (RELIABILITY R4).
func run(p cli.Process, args []string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(stderr, "bertlabel: internal error, please file: %v\n%s", p, debug.Stack())
			code = cli.ExitInternal
		}
	}()
	return cli.Main(p, verbs, args, stdin, stdout, stderr)
}

// verbs lists the verbs in the order of the help, which is that of the work.
func verbs(a *cli.App) []*cobra.Command {
	return []*cobra.Command{
		democmd.NewDemo(a),
		modelcmd.NewPull(a), // a model
		modelcmd.NewInspect(a),
		tracecmd.NewTrace(a),
		modelcmd.NewConvert(a),
		datacmd.NewCheckData(a), // data
		datacmd.NewSplit(a),
		datacmd.NewTokenize(a),
		traincmd.NewTrain(a),
		traincmd.NewTune(a),
		traincmd.NewLabels(a),
		scorecmd.NewEval(a), // what it is worth
		scorecmd.NewMetrics(a),
		scorecmd.NewPredict(a), // its use
		scorecmd.NewParts(a),
		servecmd.NewServe(a),
		scorecmd.NewEmbed(a),
		scorecmd.NewExplain(a),
		benchcmd.NewBench(a),
		cli.NewVersion(a),
		cli.NewCompletion(a),
	}
}
