package report

import (
	"cmp"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"

	"bertlabel/cmd/bertlabel/internal/chart"
	"bertlabel/cmd/bertlabel/internal/plaintext"
	"bertlabel/train/metrics"
)

const (
	figureWidth  = 370 // in points, about as many as a phone and a third of a screen have pixels
	figureHeight = 260
	nameColumns  = 22  // of a label in a figure; the tables have the whole name
	barsOfPanel  = 50  // labels of one figure of bars
	mostBars     = 300 // labels that get a bar
	mostCurves   = 40  // labels that get curves of their own
	mostPoints   = 400 // of a training curve
)

// figures returns the figures of a scored data set, in their order on the page.
func (a *analysis) figures() []figure {
	return drawn(append(a.bars(), a.prFigure(), a.rocFigure(), a.sweepFigure(), a.reliabilityFigure(), a.histogramFigure()))
}

// drawn leaves out figures that have nothing to show.
func drawn(all []figure) []figure {
	return slices.DeleteFunc(all, func(f figure) bool { return f.chart == nil })
}

// newChart returns an empty chart in the style of the page.
func newChart(x, y string) *chart.Chart {
	return &chart.Chart{X: chart.Axis{Name: x}, Y: chart.Axis{Name: y}, Ink: inkColor, Muted: mutedColor, GridColor: gridColor}
}

// newUnitChart returns a chart with a grid whose axes go from 0 to 1.
func newUnitChart(x, y string) *chart.Chart {
	c := newChart(x, y)
	c.Grid = true
	unit(&c.X)
	unit(&c.Y)
	return c
}

// unit makes an axis go from 0 to 1.
func unit(axis *chart.Axis) { axis.Most, axis.Ticks = 1, chart.Ticks(0, 1) }

func stroke(c color.NRGBA, width float64) chart.Stroke { return chart.Stroke{Color: c, Width: width} }

var dashes = chart.Stroke{Color: mutedColor, Width: 1, Dashes: []float64{4, 3}}

// diagonal is where a figure of two shares has equal ones.
var diagonal = chart.Curve{{X: 0, Y: 0}, {X: 1, Y: 1}}

// prFigure has precision over recall.
func (a *analysis) prFigure() figure {
	return a.curves(figure{name: "precision-recall", title: "Precision and recall",
		caption: "Each point is a threshold: how many of the predictions are right (precision) against how many of the true " +
			"labels are found " +
			"(recall). Up and right is better."},
		"recall", "precision", a.all.pr(), func(l *labelTally) chart.Curve { return l.pr },
		func(m *metrics.LabelReport) float64 { return float64(m.AveragePrecision) }, nil)
}

// rocFigure has the true over the false positive rate.
func (a *analysis) rocFigure() figure {
	return a.curves(figure{name: "roc", title: "ROC",
		caption: "The share of true labels found against the share of false alarms, for each threshold. Up and left is better; " +
			"the dashed " +
			"line is guessing."},
		"false positive rate", "true positive rate", a.all.roc(), func(l *labelTally) chart.Curve { return l.roc },
		func(m *metrics.LabelReport) float64 { return float64(m.ROCAUC) }, diagonal)
}

// curves draws one thick curve for all cells and a faint one a label, the best and the worst label in colour.
func (a *analysis) curves(f figure, x, y string, all chart.Curve, of func(*labelTally) chart.Curve, value func(*metrics.LabelReport) float64,
	chance chart.Curve) figure {
	if len(all) == 0 {
		return f
	}
	best, worst := -1, -1
	for i := range a.labels {
		if len(of(&a.labels[i])) == 0 {
			continue
		}
		if v := value(&a.Metrics.PerLabel[i]); best < 0 || v > value(&a.Metrics.PerLabel[best]) {
			best = i
		}
		if v := value(&a.Metrics.PerLabel[i]); worst < 0 || v < value(&a.Metrics.PerLabel[worst]) {
			worst = i
		}
	}
	f.w, f.h = figureWidth, figureHeight+20
	c := newUnitChart(x, y)
	c.Legend = []chart.Entry{{Name: "all labels (micro)", Color: blueColor}}
	c.Add(chart.LineMark(chance, dashes))
	for i := range a.labels {
		c.Add(chart.LineMark(of(&a.labels[i]), stroke(faded(mutedColor, 0.35), 0.7)))
	}
	if best != worst {
		c.Legend = append(c.Legend, chart.Entry{Name: "best: " + a.short(best), Color: greenColor},
			chart.Entry{Name: "worst: " + a.short(worst), Color: orangeColor})
		c.Add(chart.LineMark(of(&a.labels[best]), stroke(greenColor, 1.3)), chart.LineMark(of(&a.labels[worst]), stroke(orangeColor, 1.3)))
	}
	c.Add(chart.LineMark(all.Thinned(1./400), stroke(blueColor, 2.2)))
	f.chart = c
	return f
}

// short returns the name of a label as figures have it.
func (s *Scored) short(label int) string { return plaintext.Fit(s.Labels[label], nameColumns) }

// sweepFigure has what one threshold for all labels would give.
func (a *analysis) sweepFigure() figure {
	lines := []struct {
		chart.Entry
		at func(k int) float64
	}{
		{chart.Entry{Name: "F1, micro", Color: blueColor}, func(k int) float64 { return a.all.counts(k).F1() }},
		{chart.Entry{Name: "F1, macro", Color: purpleColor}, a.macroF1},
		{chart.Entry{Name: "precision, micro", Color: greenColor}, func(k int) float64 { return a.all.counts(k).Precision() }},
		{chart.Entry{Name: "recall, micro", Color: orangeColor}, func(k int) float64 { return a.all.counts(k).Recall() }},
	}
	best := 0
	for k := range sweepSteps + 1 {
		if a.macroF1(k) > a.macroF1(best) {
			best = k
		}
	}
	c := newUnitChart("threshold", "")
	at := float64(sweepAt(best))
	c.Add(chart.LineMark(chart.Curve{{X: at, Y: 0}, {X: at, Y: 1}}, dashes))
	for _, l := range slices.Backward(lines) {
		var points chart.Curve
		for k := range sweepSteps + 1 {
			points = append(points, chart.Point{X: float64(k) / sweepSteps, Y: l.at(k)})
		}
		c.Add(chart.LineMark(points, stroke(l.Color, 1.7)))
	}
	for _, l := range lines {
		c.Legend = append(c.Legend, l.Entry)
	}
	return figure{name: "threshold-sweep", title: "One threshold for all labels", w: figureWidth, h: figureHeight + 20, chart: c,
		caption: fmt.Sprintf("What a label would need to be predicted, from any probability (left) to certainty (right). Macro F1 is "+
			"highest at %g, where it is %.4f.", sweepAt(best), a.macroF1(best))}
}

func (a *analysis) macroF1(k int) (f1 float64) {
	for i := range a.labels {
		f1 += a.labels[i].f1[k]
	}
	return f1 / float64(len(a.labels))
}

// reliabilityFigure has how often what the model gives a probability is true.
func (a *analysis) reliabilityFigure() figure {
	f := figure{name: "reliability", title: "Reliability", w: figureWidth, h: figureHeight,
		caption: "Of all labels that were given about this probability, the share that is true, with a 95 % interval. On the dashed line " +
			"probabilities mean what they say; below it the model is too sure of a label, above it not sure enough."}
	c := newUnitChart("probability", "share that is true")
	c.Add(chart.LineMark(diagonal, dashes))
	var points chart.Curve
	for _, b := range a.all.reliable {
		if b.cells > 0 {
			x := b.scores.over(b.cells)
			low, high := wilson(b.positive, b.cells)
			c.Add(chart.LineMark(chart.Curve{{X: x, Y: low}, {X: x, Y: high}}, stroke(faded(blueColor, 0.45), 4)))
			points = append(points, chart.Point{X: x, Y: float64(b.positive) / float64(b.cells)})
		}
	}
	c.Add(chart.LineMark(points, stroke(blueColor, 1.5)), chart.DotMark(points, blueColor, 3))
	f.chart = c
	return f
}

// wilson returns the 95 % interval of a share (Wilson 1927).
func wilson(positive, n int) (low, high float64) {
	const z = 1.959964
	share, m := float64(positive)/float64(n), float64(n)
	middle := (share + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(share*(1-share)/m+z*z/(4*m*m))
	return max(0, middle-half), min(1, middle+half)
}

// histogramFigure has how many cells were given each probability.
func (a *analysis) histogramFigure() figure {
	const floor = 0.5 // where a count of 0 is drawn, on a logarithmic axis
	most := slices.Max(append(a.all.histogram[0][:], a.all.histogram[1][:]...))
	entries := classes[chart.Entry]{{Name: "label is not given", Color: orangeColor, Patch: true},
		{Name: "label is given", Color: blueColor, Patch: true}}
	c := newChart("probability", "rows × labels")
	c.Grid, c.Legend = true, entries[:]
	unit(&c.X)
	c.Y.Log, c.Y.Least, c.Y.Most = true, floor, math.Pow(10, math.Ceil(math.Log10(float64(most)+1)))
	c.Y.Ticks = chart.PowersOfTen(c.Y.Most)
	for y, e := range entries {
		outline := chart.Curve{{X: 0, Y: floor}}
		for bin, n := range a.all.histogram[y] {
			height := max(float64(n), floor)
			outline = append(outline, chart.Point{X: float64(bin) / histogramBins, Y: height},
				chart.Point{X: float64(bin+1) / histogramBins, Y: height})
		}
		outline = append(outline, chart.Point{X: 1, Y: floor})
		c.Add(chart.AreaMark(outline, faded(e.Color, 0.3)), chart.LineMark(outline, stroke(e.Color, 1.2)))
	}
	return figure{name: "scores", title: "Probabilities given", w: figureWidth, h: figureHeight + 20, chart: c,
		caption: "How many labels of how many rows were given each probability. The further the two lie apart, the better the " +
			"model knows; where they overlap, it errs."}
}

// bars has the F1 of each label, the best on top, in figures of barsOfPanel.
func (a *analysis) bars() (panels []figure) {
	labels := a.frequent(mostBars)
	slices.SortStableFunc(labels, func(i, j int) int {
		x, y := &a.Metrics.PerLabel[i], &a.Metrics.PerLabel[j]
		return cmp.Or(cmp.Compare(y.F1, x.F1), cmp.Compare(y.Support, x.Support))
	})
	rest := len(a.Labels) - len(labels)
	n := (len(labels) + barsOfPanel - 1) / barsOfPanel
	for i := range n {
		part := labels[i*len(labels)/n : (i+1)*len(labels)/n]
		f := figure{name: "f1", title: "F1 of each label", w: figureWidth, h: float64(60 + barHeight(len(part))*len(part)),
			caption: "At the thresholds in use; the tick shows what the best threshold of each label would give on these rows. " +
				"On the right " +
				"stands the number of rows that have the label."}
		if n > 1 {
			f.name = fmt.Sprintf("f1-%d", i+1)
			f.title = fmt.Sprintf("F1 of labels %d to %d of %d", i*len(labels)/n+1, (i+1)*len(labels)/n, len(labels))
			if i > 0 {
				f.caption = ""
			} else if rest > 0 {
				f.caption += fmt.Sprintf(" %d labels with fewer rows are in the table only.", rest)
			}
		}
		f.chart = a.barChart(part)
		panels = append(panels, f)
	}
	return panels
}

// barHeight returns the points that each of n bars takes.
func barHeight(n int) int { return min(22, max(14, 200/n)) }

// barChart has a horizontal bar for each label, with the number of its rows right of the axis.
func (a *analysis) barChart(labels []int) *chart.Chart {
	c := newChart("F1", "")
	unit(&c.X)
	c.Grid, c.Y.Names = true, true
	c.Y.Least, c.Y.Most = -0.6, float64(len(labels))-0.4
	for i, label := range labels {
		c.Y.Ticks = append(c.Y.Ticks, chart.Tick{Value: float64(len(labels) - 1 - i), Text: a.short(label)})
		c.Right = max(c.Right, 6+chart.Width(strconv.Itoa(a.Metrics.PerLabel[label].Support), chart.TickSize))
	}
	c.Add(func(d *chart.Drawing, x, y func(float64) float64) {
		half := (y(0) - y(1)) * 0.36
		var bars, ticks []chart.Curve
		for i, label := range labels {
			m, middle := &a.Metrics.PerLabel[label], y(float64(len(labels)-1-i))
			best := x(float64(m.BestF1))
			bars = append(bars, chart.Rectangle(x(0), middle-half, x(float64(m.F1)), middle+half))
			ticks = append(ticks, chart.Rectangle(best-0.9, middle-half-0.8, best+0.9, middle+half+0.8))
			d.Text(chart.Text{Text: strconv.Itoa(m.Support), At: chart.Point{X: x(1) + 6, Y: middle}, Size: chart.TickSize, Color: mutedColor})
		}
		d.Area(faded(blueColor, 0.8), bars...)
		d.Area(orangeColor, ticks...)
	})
	return c
}

// figures has the curves of a training run: those of which there are two points.
func (h *History) figures() []figure {
	of := func(value func(*Step) float64) (c chart.Curve) {
		for i := range h.Steps {
			if y := value(&h.Steps[i]); y-y == 0 {
				c = append(c, chart.Point{X: h.Steps[i].Step, Y: y})
			}
		}
		return c
	}
	devLoss := of(func(s *Step) float64 { return s.DevLoss })
	return drawn([]figure{
		historyFigure("loss", "Loss", "The mean cross-entropy of the batches of each step, and of the dev rows. Where training "+
			"goes down and "+
			"dev goes up, the model learns rows by heart.", h.BestStep,
			historyLine{"training", blueColor, of(func(s *Step) float64 { return s.Loss })}, historyLine{"dev", orangeColor, devLoss}),
		historyFigure("dev-f1", "F1 on dev", "At a threshold of 0.5, each time that dev was evaluated.", h.BestStep,
			historyLine{"macro", purpleColor, of(func(s *Step) float64 { return s.DevMacro })},
			historyLine{"micro", blueColor, of(func(s *Step) float64 { return s.DevMicro })}),
		historyFigure("learning-rate", "Learning rate", "It rises during the warm-up and falls to 0 at the last step.", 0,
			historyLine{"learning rate", blueColor, of(func(s *Step) float64 { return s.LearningRate })}),
	})
}

type historyLine struct {
	name  string
	color color.NRGBA
	curve chart.Curve
}

// historyFigure draws values over steps. best is marked, unless 0.
func historyFigure(name, title, caption string, best float64, lines ...historyLine) figure {
	f := figure{name: name, title: title, caption: caption, w: figureWidth, h: figureHeight}
	lines = slices.DeleteFunc(lines, func(l historyLine) bool { return len(l.curve) < 2 })
	if len(lines) == 0 {
		return f
	}
	c := newChart("step", "")
	c.Grid = true
	if len(lines) > 1 {
		f.h += 20
	}
	top, last := 0., 0.
	for _, l := range slices.Backward(lines) {
		points := l.curve.Averaged(mostPoints)
		for _, p := range points {
			top, last = max(top, p.Y), max(last, p.X)
		}
		c.Add(chart.LineMark(points, stroke(l.color, 1.7)))
		if len(points) <= 30 {
			c.Add(chart.DotMark(points, l.color, 2.5))
		}
	}
	if top == 0 {
		top = 1 // a line along the axis
	}
	c.X.Most, c.X.Ticks = last, chart.Ticks(0, last)
	c.Y.Most, c.Y.Ticks = 1.05*top, chart.Ticks(0, 1.05*top)
	for _, l := range lines {
		if len(lines) > 1 {
			c.Legend = append(c.Legend, chart.Entry{Name: l.name, Color: l.color})
		}
	}
	if best > 0 {
		f.caption += fmt.Sprintf(" The dashed line is at step %.0f, whose weights were kept.", best)
		c.Add(chart.LineMark(chart.Curve{{X: best, Y: 0}, {X: best, Y: c.Y.Most}}, dashes))
	}
	f.chart = c
	return f
}
