package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Help is printed in two lengths. `VERB --help` fits a screen: examples, one line for each main flag, and the names and
// defaults of the rest. `help VERB` gives every flag its line.

// minorFlag annotates the flags that the short help lists by name and default only; its value is the paragraph they go to.
const minorFlag = "bertlabel_minor"

// Minor moves flags of cmd to a paragraph of the short help, such as "Data flags".
func Minor(cmd *cobra.Command, paragraph string, flags ...string) {
	for _, name := range flags {
		if err := cmd.Flags().SetAnnotation(name, minorFlag, []string{paragraph}); err != nil {
			panic(err)
		}
	}
}

// The verbs stand in the order of the work.
func init() { cobra.EnableCommandSorting = false }

const helpWidth = 110

// printHelp is the help function of every command: the short help.
func printHelp(cmd *cobra.Command, _ []string) { writeHelp(cmd.OutOrStdout(), cmd, false) }

// newHelpCmd is the verb that prints the long help.
func newHelpCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "help [VERB]",
		Short: "Every flag of a verb, with its meaning",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return Usagef("found %d arguments, want one verb", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			verb, rest, _ := cmd.Root().Find(args)
			if len(rest) > 0 {
				return unknownVerb(cmd.Root(), rest)
			}
			writeHelp(cmd.OutOrStdout(), verb, true)
			return nil
		},
	}
}

func writeHelp(w io.Writer, cmd *cobra.Command, long bool) {
	if cmd.Example != "" {
		fmt.Fprintf(w, "%s\n\n", strings.TrimRight(cmd.Example, "\n"))
	}
	fmt.Fprintf(w, "%s.\n", cmd.Short)
	if cmd.Long != "" && long {
		fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(cmd.Long))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\nVerbs:\n")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				fmt.Fprintf(w, "  %-11s %s\n", c.Name(), c.Short)
			}
		}
		fmt.Fprintf(w, "\nGlobal flags:\n")
		writeFlagLines(w, cmd.PersistentFlags(), func(*pflag.Flag) bool { return true })
		fmt.Fprintf(w, "\nEach flag has an environment twin: --max-seq-length is BERTLABEL_MAX_SEQ_LENGTH.\n")
		return
	}
	isMain := func(f *pflag.Flag) bool { return f.Name != "help" && (long || f.Annotations[minorFlag] == nil) }
	if cmd.HasAvailableLocalFlags() {
		fmt.Fprintln(w)
		writeFlagLines(w, cmd.LocalFlags(), isMain)
	}
	cmd.InheritedFlags().SortFlags = false
	if long {
		fmt.Fprintf(w, "\nGlobal flags:\n")
		writeFlagLines(w, cmd.InheritedFlags(), isMain)
		return
	}
	fmt.Fprintln(w)
	for _, p := range paragraphs(cmd) {
		last := len(p.flags) - 1
		for i := range p.flags[:last] {
			p.flags[i] += ","
		}
		fmt.Fprintf(w, "%s: %s\n", p.title, wrapped(p.flags, len(p.title)+2, 2))
	}
	fmt.Fprintf(w, "All flags with their meaning: bertlabel help %s\n", cmd.Name())
}

// writeFlagLines prints a line for each flag in the order of declaration: name, value, meaning, default.
func writeFlagLines(w io.Writer, flags *pflag.FlagSet, keep func(*pflag.Flag) bool) {
	width := 0
	var rows [][2]string
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || !keep(f) {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		if d := shownDefault(f); d != "" {
			usage += " (default " + d + ")"
		}
		row := [2]string{strings.TrimRight("--"+f.Name+" "+value, " "), usage}
		if values := f.Annotations[optionalValues]; values != nil {
			row[0] = "--" + f.Name + "[=" + strings.Join(values, "|") + "]"
		}
		width = max(width, len(row[0]))
		rows = append(rows, row)
	})
	for _, r := range rows {
		fmt.Fprintf(w, "  %-*s  %s\n", width, r[0], wrapped(strings.Fields(r[1]), width+4, width+4))
	}
}

// shownDefault returns the default that the help shows; it is empty for false, zero durations and empty strings.
func shownDefault(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "false", "[]":
		return ""
	}
	if strings.Contains(f.Usage, "(default") || strings.Contains(f.Usage, "(0:") {
		return "" // the usage text says it better
	}
	return f.DefValue
}

// paragraph is one wrapped list of minor flags.
type paragraph struct {
	title string
	flags []string // each with its default
}

func paragraphs(cmd *cobra.Command) (list []paragraph) {
	add := func(title string, f *pflag.Flag) {
		word := "--" + f.Name
		if d := shownDefault(f); d != "" {
			word += " " + d
		}
		for i := range list {
			if list[i].title == title {
				list[i].flags = append(list[i].flags, word)
				return
			}
		}
		list = append(list, paragraph{title, []string{word}})
	}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if t := f.Annotations[minorFlag]; t != nil {
			add(t[0], f)
		}
	})
	cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) { add("Global flags", f) })
	return list
}

// wrapped joins words by spaces into lines of at most helpWidth columns. The first line has used columns already; the others
// are indented.
func wrapped(words []string, used, indent int) string {
	var b strings.Builder
	for i, word := range words {
		switch {
		case i > 0 && used+1+utf8.RuneCountInString(word) > helpWidth:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			used = indent
		case i > 0:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += utf8.RuneCountInString(word)
	}
	return b.String()
}
