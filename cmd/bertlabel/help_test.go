package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"bertlabel/cmd/bertlabel/internal/cli"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// screenColumns is how wide the help may be.
const screenColumns = 110

// The short help of every verb fits a screen, opens with examples whose verbs and flags exist, and names each flag of the verb.
func TestHelp(t *testing.T) {
	t.Parallel()
	root := cli.New(cli.Process{}, verbs, nil, nil, nil).Root()
	for _, cmd := range root.Commands() {
		if !cmd.IsAvailableCommand() || cmd.Name() == "help" {
			continue
		}
		text, stderr, code := bertlabel(t, "", cmd.Name(), "--help")
		if code != cli.ExitOK || stderr != "" {
			t.Errorf("%s --help: exit %d, stderr %q", cmd.Name(), code, stderr)
		}
		lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
		if len(lines) > 30 || slices.ContainsFunc(lines, func(l string) bool { return utf8.RuneCountInString(l) > screenColumns }) {
			t.Errorf("%s --help: %d lines, want at most 30 of at most %d columns:\n%s", cmd.Name(), len(lines), screenColumns, text)
		}
		if !strings.Contains(lines[0], "bertlabel "+cmd.Name()) {
			t.Errorf("%s --help opens with %q, want an example", cmd.Name(), lines[0])
		}
		for _, name := range namesOf(cmd) {
			if name != "help" && !strings.Contains(text, "--"+name) {
				t.Errorf("%s --help does not name --%s", cmd.Name(), name)
			}
		}
	}
}

// shellWord is a word of a command line; quotes stay on it.
var shellWord = regexp.MustCompile(`"[^"]*"|\S+`)

// Every verb and flag of the examples exists, and each flag has its line in the long help.
func TestExamples(t *testing.T) {
	t.Parallel()
	root := cli.New(cli.Process{}, verbs, nil, nil, nil).Root()
	for _, cmd := range append(root.Commands(), root) {
		for line := range strings.Lines(cmd.Example) {
			line, _, _ = strings.Cut(line, "#")
			for _, part := range strings.FieldsFunc(line, func(r rune) bool { return r == '|' || r == '(' || r == ')' || r == '>' }) {
				checkExample(t, cmd.Name(), shellWord.FindAllString(part, -1))
			}
		}
		if cmd == root {
			continue
		}
		long, _, code := bertlabel(t, "", "help", cmd.Name())
		if code != cli.ExitOK {
			t.Errorf("help %s: exit %d", cmd.Name(), code)
		}
		for _, name := range namesOf(cmd) {
			if name != "help" && !strings.Contains(strings.ReplaceAll(long, "[=", " "), "\n  --"+name+" ") {
				t.Errorf("help %s has no line for --%s", cmd.Name(), name)
			}
		}
	}
}

// checkExample parses one command of an example; words before "bertlabel" are another program's.
func checkExample(t *testing.T, of string, words []string) {
	t.Helper()
	at := slices.Index(words, "bertlabel")
	if at < 0 {
		return
	}
	root := cli.New(cli.Process{}, verbs, nil, nil, nil).Root() // flags keep what they parsed
	cmd, args, err := root.Find(words[at+1:])
	if err == nil {
		err = cmd.ParseFlags(args)
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err != nil || cmd == root {
		t.Errorf("an example of %s, %q: %v", of, strings.Join(words, " "), err)
	}
}

// namesOf returns the flags of a verb.
func namesOf(cmd *cobra.Command) (names []string) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}
