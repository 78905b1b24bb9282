package scorecmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/term"
	"bertlabel/train/shard"

	"github.com/spf13/cobra"
)

// partsOptions say which folder is looked at, and what becomes of it.
type partsOptions struct {
	Dir              string
	Input            string // read again and compared; "": it is not
	Cat, Clean, JSON bool
}

// NewParts returns the verb parts.
func NewParts(a *cli.App) *cobra.Command { return newPartsCmd(a, runParts) }

func newPartsCmd(a *cli.App, run cli.Runner[partsOptions]) *cobra.Command {
	var o partsOptions
	cmd := &cobra.Command{
		Use:   "parts DIR",
		Short: "Look at the parts that predict --shard and embed --shard have made: complete or not, and what is missing",
		Example: "  bertlabel parts DIR\n" +
			"  bertlabel parts DIR --cat > predictions.jsonl\n" +
			"  bertlabel parts DIR --json",
		Long: `Reads every part and compares its length and SHA-256 with its receipt. While parts are missing or damaged the exit code is 1,
and the shards to run again are named as sbatch --array and as --shard take them.`,
		Args: cli.OneArg("the folder of the parts"),
	}
	f := cmd.Flags()
	f.BoolVar(&o.Cat, "cat", false, "write all parts, one after the other, to stdout")
	f.BoolVar(&o.Clean, "clean", false,
		"remove damaged parts with their receipts, and temporary files of processes of this machine that are no more")
	f.BoolVar(&o.JSON, "json", false, "print one JSON object")
	f.StringVar(&o.Input, "input", "", "`FILE` or folder that was cut: compare it, too, with the SHA-256 of what was read")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.Dir = args[0]; o.Cat && o.JSON {
			return cli.Usagef("--cat and --json both write to stdout: want one of the two")
		}
		return run(cmd.Context(), a, o)
	}
	return cmd
}

func runParts(_ context.Context, a *cli.App, o partsOptions) error {
	a.Log.Progress("parts", cli.Progress{})
	r, err := shard.Verify(o.Dir, shard.VerifyOptions{Input: o.Input,
		Progress: func(parts int) { a.Log.Progress("parts", cli.Progress{Step: parts, Examples: parts}) }})
	a.Log.Done()
	if conflict := new(shard.ConflictError); errors.As(err, &conflict) {
		return cli.WithCode(cli.ExitFailure, errors.New(cli.AsFlags(conflict.Mixed())))
	}
	if empty := new(shard.EmptyError); errors.As(err, &empty) {
		return cli.WithCode(cli.ExitFailure, errors.New(cli.AsFlags(empty.Error())))
	}
	if err != nil {
		return err
	}
	if o.Clean {
		if err := cleanParts(a, r); err != nil {
			return err
		}
	}
	switch {
	case o.JSON:
		err = cli.WriteIndented(a.Stdout, r)
	case o.Cat && r.Complete:
		err = errors.Join(writeParts(a.Stderr, r, o.Clean), r.Cat(a.Stdout))
	case o.Cat:
		err = writeParts(a.Stderr, r, o.Clean)
	default:
		err = writeParts(a.Stdout, r, o.Clean)
	}
	if err != nil || r.Complete {
		return err
	}
	return cli.WithCode(cli.ExitFailure, fmt.Errorf("%s is not complete: %d of %d parts are missing", o.Dir, len(r.Missing), r.Of))
}

func cleanParts(a *cli.App, r *shard.Report) error {
	removed, err := r.Clean(nil)
	for _, name := range removed {
		a.Log.Infof("removed %s", name)
	}
	if len(r.Temporary) > 0 {
		a.Log.Infof("temporary files that stay are of running processes, or of other machines, which cannot be judged from here")
	}
	return err
}

// writeParts writes a report for people; damaged parts may have been removed.
func writeParts(w io.Writer, r *shard.Report, cleaned bool) error {
	var b strings.Builder
	state := "complete"
	if !r.Complete {
		state = "incomplete"
	}
	fmt.Fprintf(&b, "%s is %s: %d of %d parts are there and whole\n", r.Dir, state, r.Done, r.Of)
	fmt.Fprintf(&b, "rows %d, refused %d, cut %d; %s, every SHA-256 compared\n", r.Rows, r.Refused, r.Cut, term.Bytes(int(r.Bytes)))
	if len(r.Missing) > 0 {
		fmt.Fprintf(&b, "missing: sbatch --array=%s\n         --shard %s\n", r.MissingArray, strings.Join(r.MissingShards, ", "))
	}
	for _, d := range r.Damaged {
		fmt.Fprintf(&b, "damaged: shard %d: %s\n", d.Shard, d.What)
	}
	if len(r.Damaged) > 0 && !cleaned {
		b.WriteString("a damaged part is made again when --clean has removed it\n")
	}
	for _, name := range r.Temporary {
		fmt.Fprintf(&b, "temporary: %s\n", name)
	}
	for _, name := range r.Strays {
		fmt.Fprintf(&b, "does not count: %s\n", name)
	}
	if len(r.Versions) > 1 {
		fmt.Fprintf(&b, "made by different versions: %s\n", strings.Join(r.Versions, "; "))
	}
	_, err := io.WriteString(w, term.PrintableLines(b.String()))
	return err
}
