package datacmd

import (
	"fmt"
	"io"
	"strings"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/term"
	"bertlabel/train/data"
)

// The table shows this many of a long list, and columns of a long name.
const (
	shownLabels  = 100
	shownPairs   = 10
	shownPerRow  = 10
	shownColumns = 60
)

// writeTable prints the report for people.
func (r *checkReport) writeTable(w io.Writer) error {
	b := new(strings.Builder)
	r.writeFiles(b)
	r.writeLabels(b)
	r.writePairs(b)
	r.writeWarnings(b)
	_, err := io.WriteString(w, b.String())
	return err
}

// writeWarnings prints what looks wrong, and what to do about it.
func (r *checkReport) writeWarnings(b *strings.Builder) {
	flood := cli.NewFlood(nil)
	for i, w := range r.Warnings {
		where := ""
		if w.File != "" {
			where = w.File + ": "
		}
		kind := w.File + w.Code
		if !flood.First(kind) {
			if last := i+1 == len(r.Warnings) || r.Warnings[i+1].File+r.Warnings[i+1].Code != kind; last {
				fmt.Fprintf(b, "\nwarning: %s%d more of the same kind (%s); --json lists them\n", where, flood.More(kind), w.Code)
			}
			continue
		}
		fmt.Fprintf(b, "\nwarning: %s%s\n  remedy: %s\n", where, w.Message, w.Remedy)
	}
}

// writeFiles prints a column of figures for each file.
func (r *checkReport) writeFiles(b *strings.Builder) {
	line := func(name string, value func(f checkedFile) string) {
		fmt.Fprintf(b, "%-34s", name)
		for _, f := range r.Files {
			fmt.Fprintf(b, " %12s", value(f))
		}
		b.WriteString("\n")
	}
	count := func(name string, value func(f checkedFile) int) {
		line(name, func(f checkedFile) string { return fmt.Sprint(value(f)) })
	}
	line("", func(f checkedFile) string { return f.Role })
	count("rows", func(f checkedFile) int { return f.Rows })
	count("rows that cannot be read", func(f checkedFile) int { return f.BadRows })
	count("rows with invalid UTF-8", func(f checkedFile) int { return f.InvalidUTF8 })
	count("empty texts", func(f checkedFile) int { return f.EmptyTexts })
	count("rows that repeat a text", func(f checkedFile) int { return f.Duplicates.Rows })
	count("  but for case and white space", func(f checkedFile) int { return f.Duplicates.Similar })
	count("texts in more than one row", func(f checkedFile) int { return f.Duplicates.Texts })
	count("  with different labels", func(f checkedFile) int { return f.Duplicates.Conflicting })
	for i := range r.Files[1:] {
		count("rows with a text of "+r.Files[i].Role, func(f checkedFile) int { return r.similar(r.Files[i].Role, f.Role) })
	}
	count("labels without positives", func(f checkedFile) int { return len(f.WithoutPositives) })
	count("labels in runs (not shuffled)", func(f checkedFile) int { return countRuns(f.Runs) })
	most := 0
	for _, f := range r.Files {
		most = max(most, len(f.LabelsPerRow))
	}
	for k := range min(most, shownPerRow) {
		count(fmt.Sprintf("rows with %d labels", k), func(f checkedFile) int { return at(f.LabelsPerRow, k) })
	}
	if r.Files[0].Tokens != nil {
		r.writeTokens(line, count)
	}
}

// similar counts the rows of a file that share their text with an earlier one.
func (r *checkReport) similar(role, with string) int {
	for _, s := range r.Shared {
		if s.Roles == [2]string{role, with} {
			return s.Similar
		}
	}
	return 0
}

func countRuns(runs []data.LabelRuns) (n int) {
	for _, r := range runs {
		if r.InRuns {
			n++
		}
	}
	return n
}

// writeTokens prints what the vocabulary makes of the texts.
func (r *checkReport) writeTokens(line func(string, func(checkedFile) string), count func(string, func(checkedFile) int)) {
	count("tokens, median", func(f checkedFile) int { return f.Tokens.P50 })
	count("tokens, 90th percentile", func(f checkedFile) int { return f.Tokens.P90 })
	count("tokens, 95th percentile", func(f checkedFile) int { return f.Tokens.P95 })
	count("tokens, 99th percentile", func(f checkedFile) int { return f.Tokens.P99 })
	count("tokens, most", func(f checkedFile) int { return f.Tokens.Max })
	if r.Files[0].Tokens.Windows != "" {
		line("windows of a text, mean", func(f checkedFile) string { return fmt.Sprintf("%.1f", f.Tokens.WindowsMean) })
		count("windows of a text, most", func(f checkedFile) int { return f.Tokens.WindowsMax })
	}
	line("texts over "+r.Files[0].Tokens.read.String(), func(f checkedFile) string {
		return fmt.Sprintf("%d (%.1f %%)", f.Tokens.Cut, 100*f.Tokens.CutShare)
	})
	line("[UNK] among the tokens", func(f checkedFile) string {
		return fmt.Sprintf("%d (%.1f %%)", f.Tokens.Unknown.Tokens, 100*f.Tokens.Unknown.Share)
	})
	count("texts with [UNK]", func(f checkedFile) int { return f.Tokens.Unknown.Texts })
	count("texts with upper-case letters", func(f checkedFile) int { return f.Tokens.Casing.WithUpper })
	count("texts in capitals", func(f checkedFile) int { return f.Tokens.Casing.AllUpper })
}

// at returns the element at i, or 0 after the end.
func at(x []int, i int) int {
	if i < len(x) {
		return x[i]
	}
	return 0
}

// writeLabels prints the rows of each label in each file. Names stand last, so that columns stay aligned whatever is in them.
func (r *checkReport) writeLabels(b *strings.Builder) {
	b.WriteString("\n")
	for _, f := range r.Files {
		fmt.Fprintf(b, "%12s %7s ", f.Role, "%")
	}
	b.WriteString(" label\n")
	for i, label := range r.Files[0].Labels {
		if i == shownLabels {
			fmt.Fprintf(b, "… and %d labels more: see --json\n", len(r.Files[0].Labels)-i)
			break
		}
		more := ""
		for _, f := range r.Files {
			fmt.Fprintf(b, "%12d %7.2f ", f.Labels[i].Positive, 100*float64(f.Labels[i].Positive)/float64(f.Rows))
			if n := f.Labels[i].Unknown; n > 0 {
				more += fmt.Sprintf(" (%d unknown in %s)", n, f.Role)
			}
			if n := f.Labels[i].Shares; n > 0 {
				more += fmt.Sprintf(" (%d shares in %s, mean %.3f)", n, f.Role, f.Labels[i].MeanShare)
			}
		}
		fmt.Fprintf(b, " %s%s\n", term.Clipped(label.Name, shownColumns), more)
	}
}

// writePairs prints the labels of the training file that stand together most often, and the words that the vocabulary lacks.
func (r *checkReport) writePairs(b *strings.Builder) {
	pairs := r.Files[0].CoOccurrence
	if len(pairs) > 0 {
		fmt.Fprintf(b, "\n%12s  labels that stand together\n", r.Files[0].Role)
	}
	for _, p := range pairs[:min(len(pairs), shownPairs)] {
		fmt.Fprintf(b, "%12d  %s + %s\n", p.Rows, term.Clipped(p.Labels[0], shownColumns), term.Clipped(p.Labels[1], shownColumns))
	}
	if t := r.Files[0].Tokens; t != nil && t.Unknown.Tokens > 0 {
		fmt.Fprintf(b, "\n%12s  words that become [UNK]\n", r.Files[0].Role)
		for _, w := range t.Unknown.Words[:min(len(t.Unknown.Words), shownPairs)] {
			fmt.Fprintf(b, "%12d  %s\n", w.Count, term.Clipped(w.Word, shownColumns))
		}
	}
}
