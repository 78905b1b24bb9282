package datacmd

import (
	"io"

	"bertlabel/cmd/bertlabel/internal/cli"
)

// printFindings writes an object to stdout, unless a person looks at it there, and its table to stderr. With onlyJSON there is the
// object and no table.
func printFindings(a *cli.App, object interface{ writeTable(io.Writer) error }, onlyJSON bool) error {
	if onlyJSON || !a.OnTerminal() {
		if err := cli.WriteIndented(a.Stdout, object); err != nil {
			return err
		}
	}
	if onlyJSON || a.Quiet || a.LogFormat == "json" {
		return nil
	}
	return object.writeTable(a.Stderr)
}
