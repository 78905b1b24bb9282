package modelcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"text/tabwriter"

	"bertlabel/bert/hub"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"

	"github.com/spf13/cobra"
)

// pullOptions say what is pulled.
type pullOptions struct {
	Ref     hub.Ref
	List    bool   // only say what Google has
	Folder  string // for the model; "": the cache
	Offline bool
}

// NewPull returns the verb pull.
func NewPull(a *cli.App) *cobra.Command { return newPullCmd(a, runPull) }

func newPullCmd(a *cli.App, run cli.Runner[pullOptions]) *cobra.Command {
	var o pullOptions
	cmd := &cobra.Command{
		Use:   "pull NAME",
		Short: "Download a model: one of Google's releases, or a folder of Hugging Face's hub",
		Example: "  bertlabel pull google:                              # the list\n" +
			"  bertlabel pull google:cased_L-12_H-768_A-12 --output cased\n" +
			"  bertlabel pull hf:sentence-transformers/all-MiniLM-L6-v2\n" +
			"  bertlabel predict --model hf:org/name@v1.0 --input texts.csv",
		Long: `Prints the model's folder on stdout. Every file is compared with the hash that its host names, the weights are read once, and only
then does the folder get its name; pull.json in it says where it is from. A pull that was stopped goes on where it was. Without
--output the model goes to the cache, from which --model google:… and hf:… of every verb take it.

BERTLABEL_HOME is the cache (else ~/.cache/bertlabel), HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE and HF_HUB_CACHE are those of Hugging
Face's own client, BERTLABEL_GOOGLE_ENDPOINT is Google's bucket. Pickles are never pulled.`,
		Args: cli.OneArg("google:NAME, hf:ORG/NAME[@REVISION], or google: for the list"),
	}
	f := cmd.Flags()
	f.StringVar(&o.Folder, "output", "", "new `FOLDER` for the model, always downloaded (default: the cache)")
	f.BoolVar(&o.Offline, "offline", false, "download nothing: say where the model is, if it is in a cache")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if o.List = args[0] == "google:"; !o.List {
			if o.Ref, err = hub.ParseRef(args[0]); err != nil {
				return cli.WithCode(cli.ExitUsage, err)
			}
		}
		if o.Offline && o.Folder != "" {
			return cli.Usagef("--output always downloads, --offline forbids it")
		}
		return run(cmd.Context(), a, o)
	}
	return cmd
}

func runPull(ctx context.Context, a *cli.App, o pullOptions) error {
	if o.List {
		return writeReleases(a.Stdout)
	}
	c, err := flags.NewHub(a, o.Offline)
	if err != nil {
		return err
	}
	folder := o.Folder
	switch {
	case c.Offline && folder == "":
		folder, err = c.Folder(ctx, o.Ref)
	case folder == "":
		folder, err = c.Update(ctx, o.Ref)
	default:
		err = pullInto(ctx, c, o)
	}
	a.Log.Done()
	if errors.As(err, new(*hub.OfflineError)) {
		return cli.WithCode(cli.ExitUsage, err)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.Stdout, folder)
	return err
}

func pullInto(ctx context.Context, c *hub.Client, o pullOptions) error {
	if err := os.MkdirAll(filepath.Dir(filepath.Clean(o.Folder)), 0o777); err != nil {
		return err
	}
	_, err := c.Pull(ctx, o.Ref, o.Folder)
	if errors.Is(err, fs.ErrExist) {
		return cli.Usagef("--output %s is not empty: give another folder, or remove what is in it", o.Folder)
	}
	return err
}

// writeReleases lists what google: stands for. A name that comes twice needs its date, as the second one is shown.
func writeReleases(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tLAYERS\tHIDDEN\tWEIGHTS\tCASED\t")
	seen := map[string]bool{}
	for _, r := range hub.Releases() {
		name, cased := r.Name, "no"
		if seen[name] {
			name = r.Path()
		}
		if seen[r.Name] = true; r.Cased {
			cased = "yes"
		}
		fmt.Fprintf(w, "google:%s\t%d\t%d\t%d MB\t%s\t%s\n", name, r.Layers, r.Hidden, r.Megabytes(), cased, r.About)
	}
	return w.Flush()
}
