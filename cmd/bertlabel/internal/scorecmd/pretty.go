package scorecmd

import (
	"bufio"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/term"
	"bertlabel/train/data"
	"bertlabel/train/metrics"
	"bertlabel/train/score"
)

const (
	wideEnough   = 60 // columns; below it F1 stands without precision and recall
	prettyLabels = 3  // labels that predict shows at least
)

// writeReport draws the F1 of each label, the best on top, and the averages.
func writeReport(c *term.Canvas, r *metrics.Report) error {
	names := c.NameColumns(append(slices.Clone(r.Labels), "label"))
	heading := fmt.Sprintf("%7s  %5s  %5s  %5s  ", "rows", "prec.", "rec.", "F1")
	figures := func(l *metrics.LabelReport) string {
		return fmt.Sprintf("%7d  %5.3f  %5.3f  %5.3f  ", l.Support, l.Precision, l.Recall, l.F1)
	}
	if c.Columns < wideEnough {
		heading = fmt.Sprintf("%7s  %5s  ", "rows", "F1")
		figures = func(l *metrics.LabelReport) string { return fmt.Sprintf("%7d  %5.3f  ", l.Support, l.F1) }
	}
	columns := c.Columns - names - len(heading)
	b := bufio.NewWriter(c.W)
	fmt.Fprintln(b, c.In(term.Faint, term.Cell("label", names)+strings.TrimRight(heading, " ")))
	labels := slices.Clone(r.PerLabel)
	slices.SortStableFunc(labels, func(x, y metrics.LabelReport) int { return cmp.Compare(y.F1, x.F1) })
	for i := range labels {
		l := &labels[i]
		drawn, best := term.Bar(float64(l.F1), columns), ""
		if l.BestF1-l.F1 > 0.01 && term.Width(drawn) < columns {
			at := int(math.Round(float64(l.BestF1)*float64(columns))) - 1
			best = strings.Repeat(" ", max(0, at-term.Width(drawn))) + "╷"
		}
		fmt.Fprintln(b, term.Cell(l.Name, names)+figures(l)+c.In(term.Cyan, drawn)+c.In(term.Faint, best))
	}
	fmt.Fprintln(b)
	for _, line := range []struct{ name, metric string }{{"F1, macro", "f1_macro"}, {"F1, micro", "f1_micro"},
		{"average precision, macro", "average_precision_macro"},
		{"ROC AUC, macro", "roc_auc_macro"}, {"rows all right", "subset_accuracy"}, {"calibration error", "expected_calibration_error"}} {
		if v, _ := r.Get(line.metric); v.Defined() {
			fmt.Fprintf(b, "%-25s%s\n", line.name, c.In(term.Bold, fmt.Sprintf("%.4f", float64(v))))
		}
	}
	const legend = "%d rows, %d labels; ╷ is the F1 of a label's best threshold; --pretty=false prints JSON, --report makes a page"
	fmt.Fprintln(b, c.In(term.Faint, fmt.Sprintf(legend, r.Rows, len(r.Labels))))
	return b.Flush()
}

// prettyPredictions writes predictions for people: the text, and below it a bar for each label that is predicted, or one of the most
// probable.
type prettyPredictions struct {
	*term.Canvas
	b     *bufio.Writer
	m     *model.Model
	topK  int // labels shown; 0: those predicted, and at least prettyLabels
	names int // columns
}

func newPrettyPredictions(c *term.Canvas, m *model.Model, topK int) *prettyPredictions {
	return &prettyPredictions{Canvas: c, b: bufio.NewWriter(c.W), m: m, topK: topK, names: c.NameColumns(m.Labels)}
}

// Flush hands everything on to the terminal.
func (p *prettyPredictions) Flush() error { return p.b.Flush() }

// row is part of rowWriter.
func (p *prettyPredictions) row(row *score.Row) error {
	p.text(&row.Example)
	if row.Bad != nil {
		fmt.Fprintln(p.b, "  "+term.Printable(row.Bad.Error()))
		return nil
	}
	pred := row.Prediction
	top, order := p.m.Top(pred.Probabilities), make([]int, len(pred.Probabilities))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(pred.Probabilities[j], pred.Probabilities[i]) })
	for rank, i := range order {
		v := pred.Probabilities[i]
		predicted := i == top || top < 0 && p.m.Predicts(i, v)
		if p.topK > 0 && rank >= p.topK || p.topK == 0 && rank >= prettyLabels && !predicted {
			continue
		}
		p.label(i, v, predicted)
	}
	return nil
}

// label writes the line of a label.
func (p *prettyPredictions) label(i int, v float32, predicted bool) {
	mark, colour, name := "  ", term.Faint, term.Cell(p.m.Labels[i], p.names)
	if predicted {
		mark, colour, name = p.In(term.Green, "✓ "), term.Cyan, p.In(term.Bold, term.Cell(p.m.Labels[i], p.names))
	}
	columns := max(5, p.Columns-p.names-len("    0.000  "))
	fmt.Fprintf(p.b, "  %s%s %.3f  %s\n", mark, name, v, p.In(colour, term.Bar(float64(v), columns)))
}

// text writes id and text, on one line.
func (p *prettyPredictions) text(ex *data.Example) {
	id, text := "", ex.Text
	if ex.HasID {
		id = term.Clipped(ex.ID, p.Columns/term.NameShare) + "  "
	}
	if ex.Pair != "" {
		text += " ‖ " + ex.Pair
	}
	fmt.Fprintln(p.b, p.In(term.Faint, id)+term.Clipped(strings.Join(strings.Fields(text), " "), p.Columns-term.Width(id)))
}
