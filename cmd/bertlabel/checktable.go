package main

import (
	"fmt"
	"io"
	"strings"
)

// The table shows this many of a long list.
const (
	shownLabels = 100
	shownPairs  = 10
	shownPerRow = 10
)

// writeTable prints the report for people.
func (r *checkReport) writeTable(w io.Writer) error {
	b := new(strings.Builder)
	r.writeFiles(b)
	r.writeLabels(b)
	r.writePairs(b)
	r.writeFindings(b)
	_, err := io.WriteString(w, b.String())
	return err
}

// writeFindings prints a line for each thing that looks wrong.
func (r *checkReport) writeFindings(b *strings.Builder) {
	for _, s := range r.Shared {
		if s.Texts > 0 {
			fmt.Fprintf(b, "\n%d rows of %s have a text that is in %s too (%d texts): figures on them say little\n", s.Rows[1], s.Roles[1], s.Roles[0], s.Texts)
		}
	}
	for _, group := range r.LookAlikes {
		fmt.Fprintf(b, "\nlabels that look alike: %q\n", group)
	}
	for _, f := range r.Files {
		for _, u := range f.UnknownLabels[:min(len(f.UnknownLabels), shownLabels)] {
			hint := ""
			if u.Near != "" {
				hint = fmt.Sprintf("; did you mean %q?", u.Near)
			}
			fmt.Fprintf(b, "\n%s:%d: label %q is not in the list, rows that have it: %d%s\n", f.File, u.Line, u.Name, u.Rows, hint)
		}
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
	count("texts in more than one row", func(f checkedFile) int { return f.Duplicates.Texts })
	count("  with different labels", func(f checkedFile) int { return f.Duplicates.Conflicting })
	count("labels without positives", func(f checkedFile) int { return len(f.WithoutPositives) })
	most := 0
	for _, f := range r.Files {
		most = max(most, len(f.LabelsPerRow))
	}
	for k := range min(most, shownPerRow) {
		count(fmt.Sprintf("rows with %d labels", k), func(f checkedFile) int { return at(f.LabelsPerRow, k) })
	}
	if r.Files[0].Tokens == nil {
		return
	}
	count("tokens, median", func(f checkedFile) int { return f.Tokens.P50 })
	count("tokens, 90th percentile", func(f checkedFile) int { return f.Tokens.P90 })
	count("tokens, 95th percentile", func(f checkedFile) int { return f.Tokens.P95 })
	count("tokens, 99th percentile", func(f checkedFile) int { return f.Tokens.P99 })
	count("tokens, most", func(f checkedFile) int { return f.Tokens.Max })
	line(fmt.Sprintf("texts over %d tokens", r.Files[0].Tokens.MaxSeqLength), func(f checkedFile) string {
		return fmt.Sprintf("%d (%.1f %%)", f.Tokens.Cut, 100*f.Tokens.CutShare)
	})
}

// at returns the element at i, or 0 behind the end.
func at(x []int, i int) int {
	if i < len(x) {
		return x[i]
	}
	return 0
}

// writeLabels prints the rows of each label in each file.
func (r *checkReport) writeLabels(b *strings.Builder) {
	fmt.Fprintf(b, "\nlabel\n")
	for i, label := range r.Files[0].Labels {
		if i == shownLabels {
			fmt.Fprintf(b, "… and %d labels more: see --json\n", len(r.Files[0].Labels)-i)
			break
		}
		fmt.Fprintf(b, "%-34.34s", label.Name)
		for _, f := range r.Files {
			fmt.Fprintf(b, " %12d", f.Labels[i].Positive)
			if n := f.Labels[i].Unknown; n > 0 {
				fmt.Fprintf(b, " (%d unknown)", n)
			}
		}
		b.WriteString("\n")
	}
}

// writePairs prints the labels of the training file that stand together most often.
func (r *checkReport) writePairs(b *strings.Builder) {
	pairs := r.Files[0].CoOccurrence
	if len(pairs) > 0 {
		fmt.Fprintf(b, "\nlabels that stand together in %s\n", r.Files[0].Role)
	}
	for _, p := range pairs[:min(len(pairs), shownPairs)] {
		fmt.Fprintf(b, "%-34.80s %12d\n", p.Labels[0]+" + "+p.Labels[1], p.Rows)
	}
}
