package metrics

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// WriteTable writes r for people: a line a label, the averages, and what labels they leave out. Values that do not exist are
// "-". Label names stand last in their line, so that columns stay aligned whatever width a terminal gives to a name; what
// cannot be printed is escaped, long names are cut.
func (r *Report) WriteTable(w io.Writer) error {
	var b bytes.Buffer // does not fail; one write at the end
	fmt.Fprintf(&b, "%8s %9s %9s %9s %9s %9s %9s %9s %9s  %s\n",
		"support", "precision", "recall", "f1", "roc_auc", "avg_prec", "threshold", "best_f1", "at", "label")
	for _, l := range r.PerLabel {
		fmt.Fprintf(&b, "%8d %9s %9s %9s %9s %9s %9.4g %9s %9.4g  %s\n", l.Support, short(l.Precision), short(l.Recall), short(l.F1),
			short(l.ROCAUC), short(l.AveragePrecision), l.Threshold, short(l.BestF1), l.BestF1Threshold, printable(l.Name))
	}
	r.writeAverages(&b)
	fmt.Fprintf(&b, "\n%d rows, %d labels", r.Rows, len(r.Labels))
	if n := len(r.Undefined.ROCAUC); n > 0 {
		fmt.Fprintf(&b, "; %d without both classes, left out of the averages of roc_auc", n)
	}
	if n := len(r.Undefined.AveragePrecision); n > 0 {
		fmt.Fprintf(&b, "; %d without positives, left out of those of average_precision and 0 in that of f1", n)
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}

// writeAverages writes the metrics that come as micro, macro … as one table, and the others below it.
func (r *Report) writeAverages(b *bytes.Buffer) {
	averages := []string{"micro", "macro", "weighted", "samples"}
	fmt.Fprintf(b, "\n%-18s%9s%9s%9s%9s\n", "", "micro", "macro", "weighted", "samples")
	shown := map[string]bool{}
	for _, kind := range []string{"precision", "recall", "f1", "jaccard", "roc_auc", "average_precision"} {
		line := fmt.Sprintf("%-18s", kind)
		for _, average := range averages {
			name, cell := kind+"_"+average, ""
			if v, ok := r.Get(name); ok {
				cell, shown[name] = short(v), true
			}
			line += fmt.Sprintf("%9s", cell)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	b.WriteByte('\n')
	for name, v := range r.All() {
		if !shown[name] {
			fmt.Fprintf(b, "%-32s%9s\n", name, short(v))
		}
	}
}

// short returns four decimals, or "-" for a value that does not exist.
func short(n Number) string {
	if !n.Defined() {
		return "-"
	}
	return fmt.Sprintf("%.4f", float64(n))
}

// printable returns a name that is safe to write to a terminal: control characters, text direction marks and broken UTF-8 as
// Go escapes, at most 60 characters, with "…" for the rest, and quotes around a name of spaces or nothing.
func printable(name string) string {
	const most = 60
	var b strings.Builder
	for n := 0; name != ""; n++ {
		if n == most {
			b.WriteString("…")
			break
		}
		r, size := utf8.DecodeRuneInString(name)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, name[0])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
		name = name[size:]
	}
	if s := b.String(); strings.TrimSpace(s) != s || s == "" {
		return strconv.Quote(s)
	}
	return b.String()
}
