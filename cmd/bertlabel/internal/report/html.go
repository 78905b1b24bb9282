package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"bertlabel/cmd/bertlabel/internal/plaintext"
	"bertlabel/train/metrics"
)

const (
	textRunes     = 1000 // of a text that is shown
	labelColumns  = 60   // of a label's name
	shownPairs    = 12   // pairs of labels that are confused
	leastSupport  = 10   // of the first of them
	explainedRuns = 400  // words of an explanation
)

//go:generate go run github.com/valyala/quicktemplate/qtc@v1.8.0 -file=page.qtpl

// visible returns a text with what hides in it made visible, cut where it is long.
func visible(s string) string { return plaintext.Excerpt(s, textRunes) }

// page is the Report as page.qtpl takes it: every name and text is already visible and of bounded length.
type page struct {
	Title         string
	Facts         []Pair
	Tiles         []tile
	Notes         []string
	Comparison    *comparison
	Figures, Heat []pageFigure
	Training      []pageFigure
	Confusions    []pageConfusion
	Wrong         []pageRow
	Explained     bool
	Missing       []pageRow
	Surplus       []pageRow
	Labels        []pageLabel
	Metrics       []Pair
	Timings       []pageTiming
	Settings      []Pair
	Command       string
	Version       string
}

type tile struct{ Name, Value, Hint string }

type pageFigure struct {
	Title, Caption string
	SVG            string // markup
	MinWidth       int    // in pixels: narrower it scrolls
	MaxWidth       int    // in pixels
}

type pageConfusion struct{ Given, Predicted, Share string }

type pageRow struct {
	ID, Text, Loss string
	Line           int
	Marks          []mark
	Explanations   []pageExplanation
}

// mark is a label of a row: missed, false (alarm), hit, or nothing of that.
type mark struct{ Name, P, Class string }

type pageExplanation struct {
	Label string
	Words []pageWord
}

type pageWord struct{ Text, Value, Class string }

type pageLabel struct {
	Name  string
	Cells []string
}

type pageTiming struct{ Name, Time string }

type comparison struct {
	Name string
	Rows []comparedMetric
}

type comparedMetric struct {
	Name, Model, Baseline, Difference string
	Better                            bool
}

// WriteHTML writes the page.
func (r *Report) WriteHTML(w io.Writer) error {
	p := page{Title: plaintext.Excerpt(r.Title, 200), Facts: r.Facts, Notes: r.Notes, Settings: r.Settings,
		Command: plaintext.Visible(r.Command), Version: r.Version}
	for _, t := range r.Timings {
		p.Timings = append(p.Timings, pageTiming{t.Name, rounded(t.Time)})
	}
	if r.Scored != nil {
		p.addScored(analyse(r.Scored), r.Baseline)
	}
	if r.History != nil {
		p.Training = pageFigures(r.History.figures())
	}
	_, err := io.WriteString(w, markup(&p))
	return err
}

func rounded(d time.Duration) string {
	if d >= time.Minute {
		return d.Round(time.Second).String()
	}
	return d.Round(time.Millisecond).String()
}

func (p *page) addScored(a *analysis, baseline *Baseline) {
	m := a.Metrics
	value := func(n metrics.Number) string { return short(float64(n)) }
	p.Tiles = []tile{
		{"F1, macro", value(m.F1Macro), "mean over the labels"},
		{"F1, micro", value(m.F1Micro), "all labels together"},
		{"average precision", value(m.AveragePrecisionMacro), "macro, any threshold"},
		{"ROC AUC", value(m.ROCAUCMacro), "macro, any threshold"},
		{"rows all right", percent(float64(m.SubsetAccuracy)), "every label of the row"},
		{"calibration error", value(m.ExpectedCalibrationError), "expected, lower is better"},
	}
	p.Figures, p.Heat = pageFigures(a.figures()), pageFigures(a.heatMaps())
	for _, c := range a.confusions(shownPairs, leastSupport) {
		p.Confusions = append(p.Confusions, pageConfusion{a.label(c.given), a.label(c.predicted), percent(c.share)})
	}
	for _, l := range m.PerLabel {
		p.Labels = append(p.Labels, pageLabel{plaintext.Fit(l.Name, labelColumns),
			[]string{strconv.Itoa(l.Support), value(l.Precision), value(l.Recall), value(l.F1),
				value(l.ROCAUC), value(l.AveragePrecision), short(float64(l.Threshold)), value(l.BestF1),
				short(float64(l.BestF1Threshold))}})
	}
	for name, v := range m.All() {
		p.Metrics = append(p.Metrics, Pair{name, value(v)})
	}
	p.Comparison = compare(m, baseline)
	if a.Texts != nil {
		p.addRows(a)
	}
}

// addRows adds the rows that are worth a look.
func (p *page) addRows(a *analysis) {
	for _, r := range a.mostWrong(shownWrong) {
		row := a.row(r.row)
		row.Loss, row.Marks = fmt.Sprintf("%.2f", r.loss), a.marks(r.row)
		for _, e := range a.Explanations[r.row] {
			row.Explanations = append(row.Explanations, shaded(e))
		}
		p.Wrong, p.Explained = append(p.Wrong, row), p.Explained || row.Explanations != nil
	}
	missing, surplus := a.suspects()
	for _, list := range []struct {
		from []suspect
		to   *[]pageRow
		mark string
	}{{missing, &p.Missing, "false"}, {surplus, &p.Surplus, "missed"}} {
		for _, s := range list.from[:min(shownSuspects, len(list.from))] {
			row := a.row(s.row)
			row.Marks = []mark{{a.label(s.label), probability(s.p), list.mark}}
			*list.to = append(*list.to, row)
		}
	}
}

// row returns where a row stands and its text.
func (s *Scored) row(i int) (r pageRow) {
	r.Text = plaintext.Excerpt(s.Texts[i], textRunes)
	if s.IDs != nil {
		r.ID = plaintext.Fit(s.IDs[i], labelColumns)
	}
	if s.Lines != nil {
		r.Line = s.Lines[i]
	}
	return r
}

// label returns the name of a label as the page has it.
func (s *Scored) label(i int) string { return plaintext.Fit(s.Labels[i], labelColumns) }

// marks returns the labels of a row that are given or predicted.
func (s *Scored) marks(row int) (all []mark) {
	c := len(s.Labels)
	for i, y := range s.Truth[row*c : (row+1)*c] {
		class := ""
		switch predicted := s.predicted(row, i); {
		case y == 1 && predicted:
			class = "hit"
		case y == 1:
			class = "missed"
		case y == 0 && predicted:
			class = "false"
		default:
			continue
		}
		all = append(all, mark{s.label(i), probability(float64(s.Scores[row*c+i])), class})
	}
	return all
}

// wordShades is the number of shades of a word's contribution, in each direction.
const wordShades = 6

// shaded gives words the shade of their contribution, relative to the largest of the text.
func shaded(e Explanation) pageExplanation {
	out := pageExplanation{Label: plaintext.Fit(e.Label, labelColumns)}
	words := e.Words[:min(len(e.Words), explainedRuns)]
	most := 0.
	for _, w := range words {
		most = max(most, math.Abs(w.Contribution))
	}
	for _, w := range words {
		class := ""
		if k := int(math.Round(wordShades * math.Abs(w.Contribution) / most)); k >= 1 && w.Contribution > 0 {
			class = "up" + strconv.Itoa(k)
		} else if k >= 1 && w.Contribution < 0 {
			class = "down" + strconv.Itoa(k)
		}
		out.Words = append(out.Words, pageWord{plaintext.Fit(w.Text, labelColumns), fmt.Sprintf("%+.3f", w.Contribution), class})
	}
	return out
}

// compared are the metrics that stand beside those of a baseline.
var compared = []string{"f1_macro", "f1_micro", "precision_macro", "recall_macro", "average_precision_macro", "roc_auc_macro",
	"subset_accuracy", "log_loss", "expected_calibration_error"}

func compare(m *metrics.Report, baseline *Baseline) *comparison {
	if baseline == nil {
		return nil
	}
	c := &comparison{Name: baseline.Name}
	for _, name := range compared {
		theirs, there := baseline.Values[name]
		ours, known := m.Get(name)
		if !there || !known || !ours.Defined() {
			continue
		}
		difference := float64(ours) - theirs
		c.Rows = append(c.Rows, comparedMetric{name, short(float64(ours)), short(theirs), fmt.Sprintf("%+.4f", difference),
			(difference >= 0) != metrics.LowerIsBetter(name)})
	}
	if c.Rows == nil {
		return nil
	}
	return c
}

// short writes four decimals, "–" for a value that does not exist.
func short(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return strconv.FormatFloat(v, 'f', 4, 64)
}

func percent(share float64) string {
	if math.IsNaN(share) {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*share)
}

// probability writes a probability so that 0.9997 is no 1.
func probability(p float64) string {
	if p > 0.01 && p < 0.99 {
		return strconv.FormatFloat(p, 'f', 2, 64)
	}
	return strconv.FormatFloat(p, 'g', 3, 32)
}

func pageFigures(figures []figure) (all []pageFigure) {
	for i := range figures {
		f := &figures[i]
		all = append(all, pageFigure{f.title, f.caption, f.svg(), int(leastScale * f.w),
			int(mostScale * f.w)})
	}
	return slices.Clip(all)
}

// How many pixels a point of a figure takes: text of 10 points can be read, and is not larger than that around it.
const (
	leastScale = 0.8
	mostScale  = 1.35
)
