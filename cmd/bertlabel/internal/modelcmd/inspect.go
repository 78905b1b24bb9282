// Package modelcmd has the verbs that look at models and change their form: inspect, convert.
package modelcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"bertlabel/bert/names"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/formats"
	"bertlabel/checkpoint/inspect"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/cmd/bertlabel/internal/term"

	"github.com/spf13/cobra"
)

// inspectOptions say what is told of a checkpoint.
type inspectOptions struct {
	Path    string // a folder, a checkpoint, or a hub.Ref
	Offline bool
	inspect.Options
	JSON bool
}

// NewInspect returns the verb inspect.
func NewInspect(a *cli.App) *cobra.Command { return newInspectCmd(a, runInspect) }

func newInspectCmd(a *cli.App, run cli.Runner[inspectOptions]) *cobra.Command {
	var o inspectOptions
	cmd := &cobra.Command{
		Use:   "inspect PATH",
		Short: "List the tensors of a checkpoint, verify them, or say what is wrong with it",
		Example: "  bertlabel inspect uncased_L-12\n" +
			"  bertlabel inspect --verify --stats uncased_L-12/bert_model.ckpt\n" +
			"  bertlabel inspect --json model.safetensors",
		Long: `PATH is a model folder, a checkpoint prefix, an old single-file checkpoint, a safetensors file or its index. Without --verify or
--stats only the directory is read and checked, which is quick for files of any size. A checkpoint that is refused is exit code 4.`,
		Args: cli.OneArg("a folder or a checkpoint"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Path, o.Threads = args[0], a.Threads
			if err := flags.CheckRef(o.Path); err != nil {
				return err
			}
			return run(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.JSON, "json", false, "print one JSON object, also for a refusal")
	f.BoolVar(&o.Verify, "verify", false, "read everything, check every checksum, print the SHA-256 of each tensor")
	flags.AddOffline(cmd, &o.Offline)
	f.BoolVar(&o.Stats, "stats", false, "read everything, print mean, deviation, extremes, and counts of NaN and Inf")
	return cmd
}

func runInspect(_ context.Context, a *cli.App, o inspectOptions) error {
	path, err := flags.Local(a, o.Path, o.Offline)
	if err != nil {
		return err
	}
	report, err := describe(path, o.Options)
	switch {
	case err != nil && o.JSON:
		return errors.Join(err, writeRefusal(a.Stdout, err))
	case err != nil:
		return err
	}
	if other := foreign(report); other != "" {
		a.Log.Infof("these are the variables of %s, another architecture: bertlabel runs BERT only", other)
	}
	if o.JSON {
		return json.NewEncoder(a.Stdout).Encode(report)
	}
	return writeTensors(a.Stdout, report)
}

func describe(path string, o inspect.Options) (*inspect.Report, error) {
	src, err := formats.Open(path, checkpoint.Limits{})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	return inspect.Describe(src, o)
}

// foreign returns the name of the architecture that the tensors are of if it is known not to be BERT, else "".
func foreign(r *inspect.Report) string {
	stored := make([]string, len(r.Tensors))
	for i, t := range r.Tensors {
		stored[i] = t.Name
	}
	return names.Foreign(stored)
}

// refusal is what --json prints instead of a report.
type refusal struct {
	Error struct {
		Class   checkpoint.Class `json:"class"`
		File    string           `json:"file"`
		Tensor  string           `json:"tensor"`
		Message string           `json:"message"`
	} `json:"error"`
}

// writeRefusal prints a refusal; other errors are not the file's.
func writeRefusal(w io.Writer, err error) error {
	var refused *checkpoint.FormatError
	if !errors.As(err, &refused) {
		return nil
	}
	var r refusal
	r.Error.Class, r.Error.File, r.Error.Tensor, r.Error.Message = refused.Class, refused.File, refused.Tensor, err.Error()
	return json.NewEncoder(w).Encode(r)
}

// writeTensors prints the table for people.
func writeTensors(w io.Writer, r *inspect.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "name\tdtype\tshape\tbytes\tfile\toffset\tcrc32c")
	if len(r.Tensors) > 0 && r.Tensors[0].SHA256 != "" {
		fmt.Fprint(t, "\tsha256")
	}
	stats := false
	for _, tensor := range r.Tensors {
		stats = stats || tensor.Stats != nil
	}
	if stats {
		fmt.Fprint(t, "\tmean\tstd\tmin\tmax\tNaN\tInf")
	}
	fmt.Fprintln(t)
	elements, bytes := 0, int64(0)
	for _, tensor := range r.Tensors {
		n := 1
		for _, d := range tensor.Shape {
			n *= d
		}
		elements, bytes = elements+n, bytes+tensor.Bytes
		fmt.Fprintf(t, "%s\t%s\t%v\t%d\t%s\t%d\t%s", term.Printable(tensor.Name), tensor.DType, tensor.Shape, tensor.Bytes,
			term.Printable(tensor.File), tensor.Offset, tensor.CRC32C)
		if tensor.SHA256 != "" {
			fmt.Fprint(t, "\t", tensor.SHA256)
		}
		if s := tensor.Stats; s != nil {
			fmt.Fprintf(t, "\t%s\t%s\t%s\t%s\t%d\t%d", short(s.Mean), short(s.Std), short(s.Min), short(s.Max), s.NaN, s.Inf)
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s: %d tensors, %d elements, %d bytes\n", r.Format, len(r.Tensors), elements, bytes)
	return err
}

func short(x *float64) string {
	if x == nil {
		return "-"
	}
	return fmt.Sprintf("%.6g", *x)
}
