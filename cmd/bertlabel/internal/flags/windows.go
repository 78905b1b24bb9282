package flags

import (
	"fmt"
	"strconv"

	"bertlabel/bert/tokenizer"
	"bertlabel/cmd/bertlabel/internal/cli"

	"github.com/spf13/cobra"
)

// Windows is what flags say of texts that are longer than a row. The zero value is what the model says.
type Windows struct {
	Most    int      // of tokenizer.Windows; 0: the model's
	Overlap *float64 // share of a row; nil: the model's, else a quarter
}

// AddWindows declares the flags for a verb that reads long texts in windows.
func AddWindows(cmd *cobra.Command, w *Windows) {
	cmd.Flags().Var((*mostWindows)(w), "windows", "rows of --max-seq-length tokens that a text may have, `N` or all: the head reads what "+
		"all of them say together (default: as the model was trained, else 1)")
	cmd.Flags().Var((*windowOverlap)(w), "window-overlap",
		"`SHARE` of a row that the next one has, too, for --windows (default: the model's, else 0.25)")
	cli.Minor(cmd, "Model flags", "windows", "window-overlap")
}

// mostWindows is --windows.
type mostWindows Windows

// String, Set and Type implement pflag.Value.
func (w *mostWindows) String() string {
	if w.Most == 0 {
		return ""
	}
	return tokenizer.Windows{Most: w.Most}.MostText()
}

func (w *mostWindows) Set(s string) (err error) {
	w.Most, err = tokenizer.ParseMost(s)
	return err
}

func (w *mostWindows) Type() string { return "string" }

// windowOverlap is --window-overlap.
type windowOverlap Windows

// String, Set and Type implement pflag.Value.
func (w *windowOverlap) String() string {
	if w.Overlap == nil {
		return ""
	}
	return strconv.FormatFloat(*w.Overlap, 'g', -1, 64)
}

func (w *windowOverlap) Set(s string) error {
	share, err := strconv.ParseFloat(s, 64)
	if err != nil || !(share >= 0 && share <= tokenizer.MaxOverlap) {
		return fmt.Errorf("found %q, want 0 to %v", s, tokenizer.MaxOverlap)
	}
	w.Overlap = &share
	return nil
}

func (w *windowOverlap) Type() string { return "float64" }

// Apply makes l what the flags say; what they do not say stays.
func (w *Windows) Apply(l *tokenizer.Lengths) error {
	if w.Most != 0 {
		l.Windows.Most = w.Most
	}
	if w.Overlap != nil {
		if !l.Windows.Several() {
			return cli.Usagef("--window-overlap would change nothing: --windows is 1")
		}
		if l.Windows.Overlap = *w.Overlap; *w.Overlap == 0 {
			l.Windows.Overlap = tokenizer.NoOverlap
		}
	}
	if l.Windows.Several() && l.MaxSeqLength < 3 {
		return cli.Usagef("--windows %s: a row of --max-seq-length %d tokens has no room for any", l.Windows.MostText(), l.MaxSeqLength)
	}
	return nil
}
