package flags

import (
	"errors"

	"bertlabel/bert/hub"
	"bertlabel/cmd/bertlabel/internal/cli"

	"github.com/spf13/cobra"
)

// AddOffline declares --offline, for a verb that may be told google:… or hf:… where it takes a model.
func AddOffline(cmd *cobra.Command, value *bool) {
	cmd.Flags().BoolVar(value, "offline", false, "never pull a model: google:… and hf:… must be in a cache")
	cli.Minor(cmd, "Model flags", "offline")
}

// CheckRef refuses what begins as the name of a model on a host and is none. Any other path is for others to check.
func CheckRef(path string) error {
	if !hub.IsRef(path) {
		return nil
	}
	_, err := hub.ParseRef(path)
	return cli.WithCode(cli.ExitUsage, err)
}

// NewHub returns a client as the environment asks for it, whose messages and progress are the program's.
func NewHub(a *cli.App, offline bool) (*hub.Client, error) {
	c, err := hub.FromEnvironment(a.Getenv)
	if err != nil {
		return nil, cli.WithCode(cli.ExitUsage, err)
	}
	c.Offline = c.Offline || offline
	c.Log = func(message string) { a.Log.Infof("%s", message) }
	c.Progress = func(p hub.Progress) {
		if p.Interrupted {
			a.Log.Done() // the rate counts from here
		}
		a.Log.Progress("pull", cli.Progress{Bytes: p.Bytes, OfBytes: p.Of})
	}
	return c, nil
}

// Local returns the folder of a model that may be named by a host's name for it: in a cache, or pulled into ours. Any other path is
// returned as it is.
func Local(a *cli.App, path string, offline bool) (string, error) {
	if !hub.IsRef(path) {
		return path, nil
	}
	ref, err := hub.ParseRef(path)
	if err != nil {
		return "", cli.WithCode(cli.ExitUsage, err)
	}
	c, err := NewHub(a, offline)
	if err != nil {
		return "", err
	}
	dir, err := c.Folder(a.Context(), ref)
	a.Log.Done()
	if errors.As(err, new(*hub.OfflineError)) {
		return "", cli.WithCode(cli.ExitUsage, err)
	}
	return dir, err
}
