//go:build man

package main

import (
	"os"
	"strings"

	"bertlabel/cmd/bertlabel/internal/cli"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// With the tag man the program is another one, which writes man pages, a page for each verb: go run -tags man ./cmd/bertlabel FOLDER.
// So what makes them weighs nothing in the program itself. Their date is SOURCE_DATE_EPOCH's.
func init() {
	if len(os.Args) != 2 {
		panic("usage: go run -tags man ./cmd/bertlabel FOLDER")
	}
	root := cli.New(cli.Process{}, verbs, nil, os.Stdout, os.Stderr).Root()
	root.DisableAutoGenTag = true
	escape(root)
	if err := doc.GenManTree(root, &doc.GenManHeader{Title: "BERTLABEL", Section: "1", Source: "bertlabel"}, os.Args[1]); err != nil {
		panic(err)
	}
	os.Exit(0)
}

// escape keeps what our texts say from being read as Markdown, through which cobra makes its pages.
func escape(cmd *cobra.Command) {
	markdown := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `_`, `\_`, `[`, `\[`, `]`, `\]`, `<`, `\<`, `>`, `\>`)
	cmd.Short, cmd.Long = markdown.Replace(cmd.Short), markdown.Replace(cmd.Long)
	usage := func(f *pflag.Flag) { f.Usage = markdown.Replace(f.Usage) }
	cmd.LocalNonPersistentFlags().VisitAll(usage)
	cmd.PersistentFlags().VisitAll(usage)
	for _, verb := range cmd.Commands() {
		escape(verb)
	}
}
