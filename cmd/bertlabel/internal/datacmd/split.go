package datacmd

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/cmd/bertlabel/internal/term"
	"bertlabel/train/data"

	"github.com/spf13/cobra"
)

// splitOptions say how a file is dealt.
type splitOptions struct {
	Rows          *flags.Data
	Input, Output string // Output is a folder, or a file for each part, separated by commas
	Parts         []splitPart
	Seed          uint64
	JSON          bool
	Overwrite     bool
}

// NewSplit returns the verb split.
func NewSplit(a *cli.App) *cobra.Command { return newSplitCmd(a, runSplit) }

func newSplitCmd(a *cli.App, run cli.Runner[splitOptions]) *cobra.Command {
	var o splitOptions
	var parts []string
	cmd := &cobra.Command{
		Use:   "split",
		Short: "Deal labelled texts into train, dev and test parts in which every label has its share",
		Example: "  bertlabel split --input all.csv --output parts\n" +
			"  bertlabel split --input all.jsonl.gz --output train.jsonl,dev.jsonl --parts train=0.9,dev=0.1 --seed 7\n" +
			"  bertlabel split --input all.tsv --output parts --no-header --text-column 1 --labels-column 2",
		Long: "Iterative stratification for several labels a text (Sechidis et al. 2011): the rarest label is dealt first. " +
			"Rows with the\n" +
			"same text, but for case and white space, go to one part, so that no part knows the texts of another. Rows keep " +
			"their bytes and\n" +
			"their order, every part has the header, and the same seed makes the same parts. --output is a folder, in which " +
			"the parts get\n" +
			"their names and the ending of the input, or a file for each part, separated by commas. JSON goes to stdout, a " +
			"table to stderr.",
	}
	f := cmd.Flags()
	f.StringVar(&o.Input, "input", "", "`FILE` of labelled texts; - is stdin")
	f.StringVar(&o.Output, "output", "", "`FOLDER` for the parts, or a file for each of them, by commas; .gz is compressed")
	f.StringSliceVar(&parts, "parts", []string{"train=0.8", "dev=0.1", "test=0.1"}, "`NAMES` of the parts and their shares of the rows")
	f.Uint64Var(&o.Seed, "seed", 42, "what is drawn by lot hangs on it")
	f.BoolVar(&o.Overwrite, "overwrite", false, "replace parts that are there")
	f.BoolVar(&o.JSON, "json", false, "print JSON and no table")
	o.Rows = flags.AddData(cmd, data.StopAtBadRow)
	cli.Required(cmd, "input", "output")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if o.Parts, err = parseParts(parts); err != nil {
			return err
		}
		if err := o.nameFiles(); err != nil {
			return err
		}
		return run(cmd.Context(), a, o)
	}
	return cmd
}

// splitReport is the output of the verb.
type splitReport struct {
	Input  string       `json:"input"`
	Seed   uint64       `json:"seed"`
	Rows   int          `json:"rows"`
	Texts  int          `json:"texts"`               // different ones, but for case and white space
	LD     float64      `json:"labels_distribution"` // the measure of Sechidis et al.; 0 is perfect
	Parts  []splitPart  `json:"parts"`
	Labels []splitLabel `json:"labels"`
}

type splitPart struct {
	Name  string  `json:"name"`
	File  string  `json:"file"`
	Share float64 `json:"share"` // as it was asked for
	Rows  int     `json:"rows"`
}

type splitLabel struct {
	Name     string `json:"name"`
	Positive int    `json:"positive"`
	Parts    []int  `json:"parts"` // positives of each part
}

func runSplit(_ context.Context, a *cli.App, o splitOptions) error {
	if err := o.checkFiles(); err != nil {
		return err
	}
	if err := o.Rows.RefuseDropUnknown(); err != nil {
		return err
	}
	files, err := o.Rows.Read(a)
	if err != nil {
		return err
	}
	files.Options.KeepRaw = true
	set, err := files.Load(o.Input)
	if err != nil {
		return err
	}
	shares := make([]float64, len(o.Parts))
	for j, p := range o.Parts {
		shares[j] = p.Share
	}
	labels := set.Positives()
	group, texts := data.Groups(set)
	part := data.Stratify(labels, group, shares, o.Seed)
	report := newSplitReport(set, labels, part, o.Parts)
	report.Input, report.Seed, report.Texts = o.Input, o.Seed, texts
	for _, p := range report.Parts {
		if p.Rows == 0 {
			found := fmt.Sprintf("%d rows of %d texts, none of them for %s", set.Rows(), texts, p.Name)
			return cli.Refused(set.File, 0, "", found, "a row for each part")
		}
	}
	if err := o.write(a, set, part); err != nil {
		return err
	}
	report.sayMissing(a)
	return printFindings(a, report, o.JSON)
}

// parseParts reads names and shares.
func parseParts(words []string) (parts []splitPart, err error) {
	sum := 0.0
	for _, word := range words {
		name, number, _ := strings.Cut(word, "=")
		name = strings.TrimSpace(name)
		share, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		switch {
		case err != nil || !(share > 0 && share < 1):
			return nil, cli.Usagef("--parts: found %q, want a name and a share between 0 and 1, such as dev=0.1", word)
		case name == "" || name != filepath.Base(name) || strings.HasPrefix(name, "."):
			return nil, cli.Usagef("--parts: %q is no name for a file", name)
		case slices.ContainsFunc(parts, func(p splitPart) bool { return p.Name == name }):
			return nil, cli.Usagef("--parts: two parts are called %q", name)
		}
		sum += share
		parts = append(parts, splitPart{Name: name, Share: share})
	}
	if !(math.Abs(sum-1) <= 1e-9) {
		return nil, cli.Usagef("--parts: the shares have a sum of %v, want 1", math.Round(sum*1e9)/1e9)
	}
	return parts, nil
}

// nameFiles gives the parts their files.
func (o *splitOptions) nameFiles() error {
	if !o.filesNamed() {
		for j := range o.Parts {
			o.Parts[j].File = filepath.Join(o.Output, o.Parts[j].Name+o.ending())
		}
		return nil
	}
	files := strings.Split(o.Output, ",")
	if len(files) != len(o.Parts) {
		return cli.Usagef("--output: found %d files, want one for each of the %d parts", len(files), len(o.Parts))
	}
	for j, file := range files {
		if slices.Contains(files[:j], file) || file == "" || file == "-" {
			return cli.Usagef("--output: found %q, want a file of its own for each part", file)
		}
		o.Parts[j].File = file
	}
	return nil
}

// filesNamed reports whether Output names a file for each part.
func (o *splitOptions) filesNamed() bool { return strings.Contains(o.Output, ",") }

// checkFiles refuses to replace a file, unless that was asked for.
func (o *splitOptions) checkFiles() error {
	for _, p := range o.Parts {
		if cli.SameFile(p.File, o.Input) || o.Rows.LabelsFile != "" && cli.SameFile(p.File, o.Rows.LabelsFile) {
			return cli.Usagef("part %s would replace %s, which is read: give another --output", p.Name, p.File)
		}
		if _, err := os.Stat(p.File); !errors.Is(err, os.ErrNotExist) && !o.Overwrite {
			return cmp.Or(err, cli.Usagef("%s is there already: give --overwrite to replace it", p.File))
		}
	}
	return nil
}

// ending returns that of the input's name, such as ".csv.gz".
func (o *splitOptions) ending() string {
	if o.Input == "-" {
		return "." + string(cmp.Or(o.Rows.Format, data.JSONL))
	}
	if strings.HasSuffix(o.Input, "/") || filepath.Ext(o.Input) == "" {
		return "." + string(o.Rows.Format) // without a format, too, the reader refuses it
	}
	name := filepath.Base(o.Input)
	zip := ""
	if strings.EqualFold(filepath.Ext(name), ".gz") {
		name, zip = name[:len(name)-len(".gz")], ".gz"
	}
	return filepath.Ext(name) + zip
}

func newSplitReport(set *data.Dataset, labels [][]int, part []int, parts []splitPart) *splitReport {
	r := &splitReport{Rows: set.Rows(), Parts: parts, LD: data.LabelsDistribution(labels, part, len(parts)), Labels: []splitLabel{}}
	for _, name := range set.Labels.Names() {
		r.Labels = append(r.Labels, splitLabel{name, 0, make([]int, len(parts))})
	}
	for i, j := range part {
		parts[j].Rows++
		for _, label := range labels[i] {
			r.Labels[label].Positive++
			r.Labels[label].Parts[j]++
		}
	}
	return r
}

// write writes every part beside its place, and then puts all of them in place.
func (o *splitOptions) write(a *cli.App, set *data.Dataset, part []int) error {
	if !o.filesNamed() {
		if err := os.MkdirAll(o.Output, 0o777); err != nil {
			return err
		}
	}
	outputs := make([]*cli.Output, len(o.Parts))
	for j, p := range o.Parts {
		out, err := a.CreateOutput(p.File)
		if err != nil {
			return err
		}
		defer out.Discard()
		outputs[j] = out
		if err := writePart(out, set, part, j); err != nil {
			return err
		}
	}
	for _, out := range outputs {
		if err := out.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// writePart writes the rows of part j as they were. The last row of the input, which may lack its line end, gets one.
func writePart(w io.Writer, set *data.Dataset, part []int, j int) error {
	out := bufio.NewWriterSize(w, 1<<16)
	out.WriteString(set.Head)
	for i, raw := range set.Raw {
		if part[i] != j {
			continue
		}
		out.WriteString(raw)
		if !strings.HasSuffix(raw, "\n") {
			out.WriteString(lineEnd(set))
		}
	}
	return out.Flush() // bufio keeps the first error
}

// lineEnd is that of the first line of a file.
func lineEnd(set *data.Dataset) string {
	first, _, _ := strings.Cut(cmp.Or(strings.TrimPrefix(set.Head, "\ufeff"), set.Raw[0]), "\n")
	if strings.HasSuffix(first, "\r") {
		return "\r\n"
	}
	return "\n"
}

// sayMissing warns of labels that a part has no row of.
func (r *splitReport) sayMissing(a *cli.App) {
	for j, p := range r.Parts {
		var missing []string
		for _, l := range r.Labels {
			if l.Parts[j] == 0 && l.Positive > 0 {
				missing = append(missing, l.Name)
			}
		}
		if len(missing) > 0 {
			a.Log.Warnf("%s has no row of %s: the labels are too rare; find more rows, or give the part a larger share",
				p.Name, term.QuotedNames(missing))
		}
	}
}

// writeTable prints how many rows of each label each part has, and the share of the label's rows that these are.
func (r *splitReport) writeTable(w io.Writer) error {
	b := new(strings.Builder)
	line := func(all int, parts []int, name string) {
		fmt.Fprintf(b, "%9d", all)
		for _, n := range parts {
			fmt.Fprintf(b, " %9d %6.2f %%", n, 100*float64(n)/float64(max(all, 1)))
		}
		fmt.Fprintf(b, "  %s\n", term.Clipped(name, shownColumns))
	}
	rows := make([]int, len(r.Parts))
	fmt.Fprintf(b, "%9s", "all")
	for j, p := range r.Parts {
		rows[j] = p.Rows
		fmt.Fprintf(b, " %18s", term.Clipped(p.Name, 18))
	}
	b.WriteString("\n")
	line(r.Rows, rows, "rows")
	for i, l := range r.Labels {
		if i == shownLabels {
			fmt.Fprintf(b, "… and %d labels more: see --json\n", len(r.Labels)-i)
			break
		}
		line(l.Positive, l.Parts, l.Name)
	}
	fmt.Fprintf(b, "\n%d rows, %d different texts; odds of a label differ by %.2g on average from those of all rows\n", r.Rows, r.Texts,
		r.LD)
	for _, p := range r.Parts {
		fmt.Fprintf(b, "wrote %s\n", term.Printable(p.File))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
