package main

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// app is what the verbs share: the three streams, the global flags and the log.
type app struct {
	process process
	verbs   func(*app) []*cobra.Command // in the order of the help
	stdin   io.Reader
	stdout  io.Writer // data only
	stderr  io.Writer
	log     *reporter // everything else

	threads   int
	quiet     bool
	logFormat string
	kernels   string
	maxMemory byteSize // the memory budget in bytes; 0 if it is unknown
	config    string
}

// newApp returns the app of one command line. The verbs are made anew for each one: flags keep what they parsed.
func newApp(p process, verbs func(*app) []*cobra.Command, stdin io.Reader, stdout, stderr io.Writer) *app {
	return &app{process: p, verbs: verbs, stdin: stdin, stdout: stdoutWriter{stdout}, stderr: stderr, log: newReporter(stderr, false, "text", "dumb")}
}

// runApp executes one command line and returns its exit code.
func runApp(p process, verbs func(*app) []*cobra.Command, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := withSignals(context.Background())
	defer stop()
	a := newApp(p, verbs, &interruptible{ctx: ctx, from: stdin}, stdout, stderr)
	root := a.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	return a.finish(ctx, cmd, err)
}

// run executes words as a command line of their own, with the global flags of this one, and data to stdout.
func (a *app) run(ctx context.Context, stdout io.Writer, words ...string) error {
	inner := *a
	inner.stdout = stdout
	root := inner.root() // its flags have their defaults
	root.SetArgs(words)
	inner.quiet, inner.logFormat, inner.threads, inner.kernels, inner.config = a.quiet, a.logFormat, a.threads, a.kernels, ""
	_, err := root.ExecuteContextC(ctx)
	return err
}

// root builds the command tree. A verb's constructor only declares; setup resolves the flags before the verb's RunE runs.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "bertlabel",
		Short: "Train and run multi-label text classifiers on BERT: one static binary, no Python",
		Example: "  bertlabel demo                                          # see it work, in under a minute\n" +
			"  bertlabel train --model uncased_L-12 --train train.csv --output model\n" +
			"  bertlabel predict --model model --input texts.csv",
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

	root.AddCommand(a.verbs(a)...)
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
	if err := resolveFlags(cmd, a.getenv); err != nil {
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
	a.log = newReporter(a.stderr, a.quiet, a.logFormat, a.getenv("TERM"))
	if a.threads < 0 {
		return usagef("--threads %d: want 0 (all that are allowed) or more", a.threads)
	}
	return a.applySwitches(cmd.Flags().Changed("max-memory"))
}

// finish reports err on one line, points to the help after wrong usage, and returns the exit code.
func (a *app) finish(ctx context.Context, cmd *cobra.Command, err error) int {
	a.log.Done()
	code := exitCode(ctx, err)
	var coded *exitError
	if code == exitOK || errors.As(err, &coded) && coded.err == nil {
		return code
	}
	a.log.Error(code, cmd.CommandPath()+": "+strings.TrimRight(err.Error(), "\n"), cmd.CommandPath())
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
