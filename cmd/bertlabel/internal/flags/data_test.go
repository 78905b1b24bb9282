package flags

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/train/data"

	"github.com/spf13/cobra"
)

// A label that the list lacks refuses a file, or is left out by flag, and what was left out is said.
func TestLeftOut(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f.csv")
	cmdtest.WriteFile(t, path, "text,labels\na\xff,\"joy,hate\"\nb,\"joy,joy\"\n"+strings.Repeat("c", 1<<20+1)+",joy\n")
	list, err := data.NewLabelList([]string{"joy"}, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--on-bad-row", "skip"}, "2 of 3 rows could not be read and were left out; the first: " + path + ":2: column labels"},
		{[]string{"--on-bad-row", "skip"}, "1 texts were longer than 1 MiB"},
		{[]string{"--on-bad-row", "skip", "--drop-unknown-labels"}, `label "hate" is not in the list and was left out of 1 rows`},
		{[]string{"--on-bad-row", "skip", "--drop-unknown-labels"}, "1 rows hold bytes that are no UTF-8"},
	} {
		var stderr bytes.Buffer
		a, cmd := cli.New(cli.Process{}, nil, nil, io.Discard, &stderr), &cobra.Command{Use: "verb"}
		rows := AddData(cmd, data.StopAtBadRow)
		if err := cmd.ParseFlags(c.args); err != nil {
			t.Fatal(err)
		}
		files, err := rows.Read(a)
		if err == nil {
			files.Options.Labels = list
			_, err = files.Load(path)
		}
		if err != nil || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%v: %v\n%s\nwant %s", c.args, err, &stderr, c.want)
		}
	}
}
