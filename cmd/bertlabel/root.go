package main

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"bertlabel/asm/machine"

	"github.com/spf13/cobra"
)

// app is what the verbs share: the three streams, the global flags and the log.
type app struct {
	stdin  io.Reader
	stdout io.Writer // data only
	stderr io.Writer
	log    *reporter // everything else

	threads   int
	quiet     bool
	logFormat string
	kernels   string
	maxMemory byteSize // the memory budget in bytes; 0 if it is unknown
	config    string
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *app {
	return &app{stdin: stdin, stdout: stdoutWriter{stdout}, stderr: stderr, log: newReporter(stderr, false, "text")}
}

// newRoot builds the command tree. A verb's constructor only declares; setup resolves the flags before the verb's RunE runs.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:               "bertlabel",
		Short:             "Train and run multi-label text classifiers on BERT: one static binary, no Python",
		Example:           "  bertlabel demo                                          # see it work, in under a minute\n  bertlabel train --model uncased_L-12 --train train.csv --output model\n  bertlabel predict --model model --input texts.csv",
		SilenceUsage:      true,
		SilenceErrors:     true,
		Args:              func(cmd *cobra.Command, args []string) error { return unknownVerb(cmd, args) },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.setup(cmd) },
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetGlobalNormalizationFunc(normalizeFlag)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(printHelp)

	f := root.PersistentFlags()
	f.SortFlags = false
	f.IntVar(&a.threads, "threads", 0, "`N` threads for matrix products (0: the container's CPU quota, else the CPUs)")
	f.BoolVar(&a.quiet, "quiet", false, "print warnings and errors only")
	f.StringVar(&a.logFormat, "log-format", "text", "`FORMAT` of messages: text, or json with one object a line")
	f.StringVar(&a.kernels, "kernels", "", "force a kernel `SET`: avx512, avx2, neon or generic (default: the best this CPU runs)")
	f.Var(&a.maxMemory, "max-memory", "memory budget such as 3GiB (default: 80 % of RAM or of the container's limit)")
	f.StringVar(&a.config, "config", "", "JSON `FILE` of settings, keys with underscores")

	root.AddCommand(
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
	)
	root.SetHelpCommand(newHelpCmd())
	for _, verb := range root.Commands() {
		verb.Flags().SortFlags = false
		if verb.Args == nil {
			verb.Args = noArgs
		}
	}
	return root
}

// setup resolves the flags (command line, environment, config file, default) and applies the global ones.
func (a *app) setup(cmd *cobra.Command) error {
	if err := resolveFlags(cmd); err != nil {
		return err
	}
	if err := cmd.ValidateRequiredFlags(); err != nil {
		return missingFlags(cmd)
	}
	if err := cmd.ValidateFlagGroups(); err != nil {
		return withCode(exitUsage, err)
	}
	if err := oneOf("log-format", a.logFormat, "text", "json"); err != nil {
		return err
	}
	a.log = newReporter(a.stderr, a.quiet, a.logFormat)
	if a.threads < 0 {
		return usagef("--threads %d: want 0 (all that are allowed) or more", a.threads)
	}
	if a.threads > 0 {
		runtime.GOMAXPROCS(a.threads)
	}
	if err := selectKernels(a.kernels); err != nil {
		return withCode(exitUsage, err)
	}
	return a.limitMemory(cmd.Flags().Changed("max-memory"))
}

// limitMemory settles the memory budget and hands it to the garbage collector as a soft limit, unless GOMEMLIMIT has set one.
func (a *app) limitMemory(explicit bool) error {
	if explicit && a.maxMemory == 0 {
		return usagef("--max-memory 0: want a positive size")
	}
	if !explicit {
		a.maxMemory = byteSize(float64(machine.TotalMemory()) * 0.8)
	}
	if a.maxMemory > 0 && (explicit || os.Getenv("GOMEMLIMIT") == "") {
		debug.SetMemoryLimit(int64(a.maxMemory))
	}
	return nil
}

// finish reports err on one line, points to the help after wrong usage, and returns the exit code.
func (a *app) finish(ctx context.Context, cmd *cobra.Command, err error) int {
	a.log.Done()
	code := exitCode(ctx, err)
	var coded *exitError
	if code == exitOK || errors.As(err, &coded) && coded.err == nil {
		return code
	}
	a.log.Error(code, cmd.CommandPath()+": "+strings.TrimRight(errorText(err), "\n"), cmd.CommandPath())
	return code
}

// noArgs is the Args of a verb that takes flags only; it is the default.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q: %s takes flags only; the value of one that may stand alone follows =", args[0], cmd.Name())
	}
	return nil
}

// oneArg is the Args of a verb with exactly one argument, called what.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("found %d arguments, want one: %s", len(args), what)
		}
		return nil
	}
}

// unknownVerb refuses the arguments of the root command, which are misspelt verbs.
func unknownVerb(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var verbs []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			verbs = append(verbs, c.Name())
		}
	}
	return usagef("unknown verb %q%s", args[0], didYouMean(args[0], "", verbs))
}
