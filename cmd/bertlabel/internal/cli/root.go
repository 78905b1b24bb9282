// Package cli is the frame of the program, which every verb depends on: streams, log and progress, files, flags with their environment
// twins and config files, help, exit codes, signals, and the switches of the process. It knows no verb.
//
// Read root.go first: App is what a verb is given.
package cli

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// App is what the verbs share: the three streams, the log and the global flags.
type App struct {
	Stdin  io.Reader
	Stdout io.Writer // data only
	Stderr io.Writer
	Log    *Log // everything else

	Threads   int // of matrix products; 0: all that the process has, see Parallel
	Quiet     bool
	LogFormat string   // text or json
	MaxMemory ByteSize // the memory budget in bytes; 0 if it is unknown

	kernels, config string // flags
	version         bool
	process         Process
	ctx             context.Context             // of the verb that runs
	verbs           func(*App) []*cobra.Command // in the order of the help
	memoryGiven     bool                        // MaxMemory, by --max-memory or its twins
}

// Runner does what a verb is for, with the options that its flags make. The constructor of a verb's command takes one, so that a test
// gets the options of a command line and nothing runs.
type Runner[O any] func(ctx context.Context, a *App, o O) error

// New returns the app of one command line. The verbs are made anew for each one: flags keep what they parsed.
func New(p Process, verbs func(*App) []*cobra.Command, stdin io.Reader, stdout, stderr io.Writer) *App {
	return &App{process: p, verbs: verbs, Stdin: stdin, Stdout: stdoutWriter{stdout}, Stderr: stderr,
		Log: newLog(stderr, false, "text", "dumb")}
}

// Main executes one command line and returns its exit code.
func Main(p Process, verbs func(*App) []*cobra.Command, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := withSignals(context.Background())
	defer stop()
	a := New(p, verbs, &interruptible{ctx: ctx, from: stdin}, stdout, stderr)
	root := a.Root()
	root.SetArgs(joinValues(root, args))
	cmd, err := root.ExecuteContextC(ctx)
	return a.finish(ctx, cmd, err)
}

// Run executes words as a command line of their own, with the global flags of this one but --config, and data to stdout.
func (a *App) Run(ctx context.Context, stdout io.Writer, words ...string) error {
	inner := *a
	inner.Stdout = stdout
	root := inner.Root()
	root.SetArgs(words)
	settings := map[string]string{"quiet": strconv.FormatBool(a.Quiet), "log-format": a.LogFormat, "threads": strconv.Itoa(a.Threads),
		"kernels": a.kernels, "config": ""}
	if a.memoryGiven { // else the inner command line settles it for itself
		settings["max-memory"] = a.MaxMemory.String()
	}
	for name, value := range settings { // as if given: the environment has had its say
		if err := root.PersistentFlags().Set(name, value); err != nil {
			return err
		}
	}
	_, err := root.ExecuteContextC(ctx)
	return err
}

// Context returns the context of the verb that runs: it ends with a signal. What only some models need takes it from here, such as a pull.
func (a *App) Context() context.Context {
	if a.ctx == nil {
		return context.Background()
	}
	return a.ctx
}

// Root builds the command tree. A verb's constructor only declares; setup resolves the flags before the verb's RunE runs.
func (a *App) Root() *cobra.Command {
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
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.version {
				return ReadBuildInfo().Print(a.Stdout)
			}
			return cmd.Help()
		},
	}
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetGlobalNormalizationFunc(watchSpelling(root))
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(printHelp)

	f := root.PersistentFlags()
	f.SortFlags = false
	f.IntVar(&a.Threads, "threads", 0, "`N` threads for matrix products (0: the container's CPU quota, else the CPUs)")
	f.BoolVar(&a.Quiet, "quiet", false, "print warnings and errors only")
	f.StringVar(&a.LogFormat, "log-format", "text", "`FORMAT` of messages: text, or json with one object a line")
	f.StringVar(&a.kernels, "kernels", "", "force a kernel `SET`: avx512, avx2, neon or generic (default: the best this CPU runs)")
	f.Var(&a.MaxMemory, "max-memory", "memory budget such as 3GiB (default: 80 % of RAM or of the container's limit)")
	f.StringVar(&a.config, "config", "", "JSON `FILE` of settings, keys with underscores")

	root.Flags().BoolVar(&a.version, "version", false, "print what the verb version prints")
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
func (a *App) setup(cmd *cobra.Command) error {
	a.ctx = cmd.Context()
	if err := resolveFlags(cmd, a.getenv); err != nil {
		return err
	}
	if err := cmd.ValidateRequiredFlags(); err != nil {
		return missingFlags(cmd)
	}
	if err := cmd.ValidateFlagGroups(); err != nil {
		return WithCode(ExitUsage, err)
	}
	if err := checkReplaced(cmd); err != nil {
		return err
	}
	if err := OneOf("log-format", a.LogFormat, "text", "json"); err != nil {
		return err
	}
	a.Log = newLog(a.Stderr, a.Quiet, a.LogFormat, a.getenv("TERM"))
	if a.Threads < 0 {
		return Usagef("--threads %d: want 0 (all that are allowed) or more", a.Threads)
	}
	a.memoryGiven = cmd.Flags().Changed("max-memory")
	return a.applySwitches()
}

// finish reports err on one line, points to the help after wrong usage, and returns the exit code.
func (a *App) finish(ctx context.Context, cmd *cobra.Command, err error) int {
	a.Log.Done()
	code := ExitCode(ctx, err)
	var coded *exitError
	if code == ExitOK || errors.As(err, &coded) && coded.err == nil {
		return code
	}
	a.Log.Error(code, cmd.CommandPath()+": "+strings.TrimRight(errorText(err), "\n"), cmd.CommandPath())
	return code
}

// noArgs is the Args of a verb that takes flags only; it is the default.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return Usagef("unexpected argument %q: %s takes flags only; the value of one that may stand alone follows =", args[0], cmd.Name())
	}
	return nil
}

// OneArg is the Args of a verb with exactly one argument, called what.
func OneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return Usagef("found %d arguments, want one: %s", len(args), what)
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
	return Usagef("unknown verb %q%s", args[0], DidYouMean(args[0], "", verbs))
}
