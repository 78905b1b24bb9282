package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"bertlabel/bert/model"
	"bertlabel/train/data"
	"bertlabel/train/metrics"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// canvas is a terminal that bars are drawn on, or what stands for one.
type canvas struct {
	w       io.Writer
	columns int
	colours bool
}

const (
	defaultColumns = 80  // where nobody says how wide the terminal is
	leastColumns   = 40  // narrower lines wrap
	mostColumns    = 110 // wider bars are no easier to compare
	wideEnough     = 60  // below it F1 stands without precision and recall
	nameShare      = 3   // a name takes at most one third of a line
	prettyLabels   = 3   // labels that predict shows at least
)

// addPrettyFlag declares --pretty.
func addPrettyFlag(cmd *cobra.Command, value *bool) {
	cmd.Flags().BoolVar(value, "pretty", false, "bars for people instead of JSON (default: on a terminal)")
}

// newCanvas returns the canvas of w: as wide as the terminal of stdout, in colour there unless NO_COLOR is set (no-color.org).
func (a *app) newCanvas(w io.Writer) *canvas {
	c := &canvas{w: w, columns: defaultColumns}
	if a.onTerminal() {
		f := a.stdout.(stdoutWriter).w.(*os.File)
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			c.columns = columns
		}
		c.colours = w == a.stdout && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	c.columns = min(max(c.columns, leastColumns), mostColumns)
	return c
}

// The colours of a canvas: Select Graphic Rendition of ECMA-48, §8.3.117, of the palette that people have chosen for their terminal.
const (
	bold  = "1"
	faint = "2"
	cyan  = "36"
	green = "32"
)

func (c *canvas) in(colour, s string) string {
	if !c.colours || s == "" {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// bar returns a bar of a share of columns, to an eighth of a column.
func bar(share float64, columns int) string {
	eighths := int(math.Round(share * float64(8*columns)))
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return s
}

// nameColumns returns the columns that names need, within a share of the line.
func (c *canvas) nameColumns(names []string) (columns int) {
	most := c.columns / nameShare
	for _, name := range names {
		if columns = max(columns, displayWidth(clipped(name, most))); columns >= most {
			return most
		}
	}
	return columns
}

// writeReport draws the F1 of each label, the best on top, and the averages.
func (c *canvas) writeReport(r *metrics.Report) error {
	names := c.nameColumns(append(slices.Clone(r.Labels), "label"))
	heading := fmt.Sprintf("%7s  %5s  %5s  %5s  ", "rows", "prec.", "rec.", "F1")
	figures := func(l *metrics.LabelReport) string {
		return fmt.Sprintf("%7d  %5.3f  %5.3f  %5.3f  ", l.Support, l.Precision, l.Recall, l.F1)
	}
	if c.columns < wideEnough {
		heading = fmt.Sprintf("%7s  %5s  ", "rows", "F1")
		figures = func(l *metrics.LabelReport) string { return fmt.Sprintf("%7d  %5.3f  ", l.Support, l.F1) }
	}
	columns := c.columns - names - len(heading)
	b := bufio.NewWriter(c.w)
	fmt.Fprintln(b, c.in(faint, cell("label", names)+strings.TrimRight(heading, " ")))
	labels := slices.Clone(r.PerLabel)
	slices.SortStableFunc(labels, func(x, y metrics.LabelReport) int { return cmp.Compare(y.F1, x.F1) })
	for i := range labels {
		l := &labels[i]
		drawn, best := bar(float64(l.F1), columns), ""
		if l.BestF1-l.F1 > 0.01 && displayWidth(drawn) < columns {
			at := int(math.Round(float64(l.BestF1)*float64(columns))) - 1
			best = strings.Repeat(" ", max(0, at-displayWidth(drawn))) + "╷"
		}
		fmt.Fprintln(b, cell(l.Name, names)+figures(l)+c.in(cyan, drawn)+c.in(faint, best))
	}
	fmt.Fprintln(b)
	for _, line := range []struct{ name, metric string }{{"F1, macro", "f1_macro"}, {"F1, micro", "f1_micro"}, {"average precision, macro", "average_precision_macro"},
		{"ROC AUC, macro", "roc_auc_macro"}, {"rows all right", "subset_accuracy"}, {"calibration error", "expected_calibration_error"}} {
		if v, _ := r.Get(line.metric); v.Defined() {
			fmt.Fprintf(b, "%-25s%s\n", line.name, c.in(bold, fmt.Sprintf("%.4f", float64(v))))
		}
	}
	fmt.Fprintln(b, c.in(faint, fmt.Sprintf("%d rows, %d labels; ╷ is the F1 of a label's best threshold; --pretty=false prints JSON, --report makes a page", r.Rows, len(r.Labels))))
	return b.Flush()
}

// prettyPredictions writes predictions for people: the text, and below it a bar for each label that is predicted, or one of the most
// probable.
type prettyPredictions struct {
	*canvas
	b     *bufio.Writer
	m     *model.Model
	topK  int // labels shown; 0: those predicted, and at least prettyLabels
	names int // columns
}

func newPrettyPredictions(c *canvas, m *model.Model, topK int) *prettyPredictions {
	return &prettyPredictions{canvas: c, b: bufio.NewWriter(c.w), m: m, topK: topK, names: c.nameColumns(m.Labels)}
}

// Flush hands everything on to the terminal.
func (p *prettyPredictions) Flush() error { return p.b.Flush() }

// row is part of rowWriter.
func (p *prettyPredictions) row(ex *data.Example, pred model.Prediction) error {
	p.text(ex)
	order := make([]int, len(pred.Probabilities))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(pred.Probabilities[j], pred.Probabilities[i]) })
	for rank, i := range order {
		v := pred.Probabilities[i]
		predicted := p.m.Predicts(i, v)
		if p.topK > 0 && rank >= p.topK || p.topK == 0 && rank >= prettyLabels && !predicted {
			continue
		}
		p.label(i, v, predicted)
	}
	return nil
}

// label writes the line of a label.
func (p *prettyPredictions) label(i int, v float32, predicted bool) {
	mark, colour, name := "  ", faint, cell(p.m.Labels[i], p.names)
	if predicted {
		mark, colour, name = p.in(green, "✓ "), cyan, p.in(bold, cell(p.m.Labels[i], p.names))
	}
	columns := max(5, p.columns-p.names-len("    0.000  "))
	fmt.Fprintf(p.b, "  %s%s %.3f  %s\n", mark, name, v, p.in(colour, bar(float64(v), columns)))
}

// refused is part of rowWriter.
func (p *prettyPredictions) refused(ex *data.Example, err error) error {
	p.text(ex)
	fmt.Fprintln(p.b, "  "+printable(err.Error()))
	return nil
}

// text writes id and text, on one line.
func (p *prettyPredictions) text(ex *data.Example) {
	id, text := "", ex.Text
	if ex.HasID {
		id = clipped(ex.ID, p.columns/nameShare) + "  "
	}
	if ex.Pair != "" {
		text += " ‖ " + ex.Pair
	}
	fmt.Fprintln(p.b, p.in(faint, id)+clipped(strings.Join(strings.Fields(text), " "), p.columns-displayWidth(id)))
}
