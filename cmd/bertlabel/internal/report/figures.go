package report

import (
	"cmp"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"

	"bertlabel/cmd/bertlabel/internal/plaintext"
	"bertlabel/train/metrics"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
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
	return slices.DeleteFunc(all, func(f figure) bool { return f.plot == nil })
}

// newPlot returns an empty plot in the style of the page.
func newPlot(h handler, x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor, p.TextHandler = nil, h
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Color, axis.Tick.Color = mutedColor, mutedColor
		axis.Padding, axis.Tick.Length, axis.Tick.Width = 0, 4, 0.5
		axis.Label.TextStyle.Handler, axis.Tick.Label.Handler = h, h
		axis.Label.TextStyle.Font, axis.Tick.Label.Font = font.From(figureFont, labelSize), font.From(figureFont, tickSize)
		axis.Label.TextStyle.Color, axis.Tick.Label.Color = mutedColor, mutedColor
		axis.Label.Padding = 3
	}
	p.X.Label.Text, p.Y.Label.Text = x, y
	return p
}

// unit makes an axis go from 0 to 1.
func unit(axes ...*plot.Axis) {
	for _, axis := range axes {
		axis.Min, axis.Max = 0, 1
		axis.Tick.Marker = plot.ConstantTicks{{Value: 0, Label: "0"}, {Value: 0.2, Label: "0.2"}, {Value: 0.4, Label: "0.4"},
			{Value: 0.6, Label: "0.6"}, {Value: 0.8, Label: "0.8"}, {Value: 1, Label: "1"}}
	}
}

// addGrid adds lines at the ticks, below what is added later.
func addGrid(p *plot.Plot) {
	g := plotter.NewGrid()
	g.Vertical = draw.LineStyle{Color: gridColor, Width: 0.5}
	g.Horizontal = g.Vertical
	p.Add(g)
}

// Len and XY make a curve a plotter.XYer.
func (c curve) Len() int                { return len(c) }
func (c curve) XY(i int) (x, y float64) { return c[i].X, c[i].Y }

// addLine adds a curve, if it has points.
func addLine(p *plot.Plot, c curve, style draw.LineStyle) {
	if len(c) == 0 {
		return
	}
	line, err := plotter.NewLine(c)
	if err != nil {
		panic(err) // points that are not finite
	}
	line.LineStyle = style
	p.Add(line)
}

func dashed(c color.Color) draw.LineStyle {
	return draw.LineStyle{Color: c, Width: 1, Dashes: []vg.Length{4, 3}}
}

// diagonal is where a figure of two shares has equal ones.
var diagonal = curve{{0, 0}, {1, 1}}

// prFigure has precision over recall.
func (a *analysis) prFigure() figure {
	return a.curves(figure{name: "precision-recall", title: "Precision and recall",
		caption: "Each point is a threshold: how many of the predictions are right (precision) against how many of the true " +
			"labels are found " +
			"(recall). Up and right is better."},
		"recall", "precision", a.all.pr(), func(l *labelTally) curve { return l.pr },
		func(m *metrics.LabelReport) float64 { return float64(m.AveragePrecision) }, nil)
}

// rocFigure has the true over the false positive rate.
func (a *analysis) rocFigure() figure {
	return a.curves(figure{name: "roc", title: "ROC",
		caption: "The share of true labels found against the share of false alarms, for each threshold. Up and left is better; " +
			"the dashed " +
			"line is guessing."},
		"false positive rate", "true positive rate", a.all.roc(), func(l *labelTally) curve { return l.roc },
		func(m *metrics.LabelReport) float64 { return float64(m.ROCAUC) }, diagonal)
}

// curves draws one thick curve for all cells and a faint one a label, the best and the worst label in colour.
func (a *analysis) curves(f figure, x, y string, all curve, of func(*labelTally) curve, value func(*metrics.LabelReport) float64,
	chance curve) figure {
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
	f.legend = []legendEntry{{name: "all labels (micro)", color: blueColor}}
	if best != worst {
		f.legend = append(f.legend, legendEntry{name: "best: " + a.short(best), color: greenColor},
			legendEntry{name: "worst: " + a.short(worst), color: orangeColor})
	}
	f.plot = func(h handler) *plot.Plot {
		p := newPlot(h, x, y)
		unit(&p.X, &p.Y)
		addGrid(p)
		addLine(p, chance, dashed(mutedColor))
		for i := range a.labels {
			addLine(p, of(&a.labels[i]), draw.LineStyle{Color: faded(mutedColor, 0.35), Width: 0.7})
		}
		if best != worst {
			addLine(p, of(&a.labels[best]), draw.LineStyle{Color: greenColor, Width: 1.3})
			addLine(p, of(&a.labels[worst]), draw.LineStyle{Color: orangeColor, Width: 1.3})
		}
		addLine(p, all.thinned(1./400), draw.LineStyle{Color: blueColor, Width: 2.2})
		return p
	}
	return f
}

// short returns the name of a label as figures have it.
func (s *Scored) short(label int) string { return plaintext.Fit(s.Labels[label], nameColumns) }

// sweepFigure has what one threshold for all labels would give.
func (a *analysis) sweepFigure() figure {
	lines := []struct {
		legendEntry
		at func(k int) float64
	}{
		{legendEntry{name: "F1, micro", color: blueColor}, func(k int) float64 { return a.all.counts(k).F1() }},
		{legendEntry{name: "F1, macro", color: purpleColor}, a.macroF1},
		{legendEntry{name: "precision, micro", color: greenColor}, func(k int) float64 { return a.all.counts(k).Precision() }},
		{legendEntry{name: "recall, micro", color: orangeColor}, func(k int) float64 { return a.all.counts(k).Recall() }},
	}
	f := figure{name: "threshold-sweep", title: "One threshold for all labels", w: figureWidth, h: figureHeight + 20}
	best := 0
	for k := range sweepSteps + 1 {
		if a.macroF1(k) > a.macroF1(best) {
			best = k
		}
	}
	f.caption = fmt.Sprintf("What a label would need to be predicted, from any probability (left) to certainty (right). Macro F1 is "+
		"highest at %g, where it is %.4f.", sweepAt(best), a.macroF1(best))
	for _, l := range lines {
		f.legend = append(f.legend, l.legendEntry)
	}
	f.plot = func(h handler) *plot.Plot {
		p := newPlot(h, "threshold", "")
		unit(&p.X, &p.Y)
		addGrid(p)
		addLine(p, curve{{float64(sweepAt(best)), 0}, {float64(sweepAt(best)), 1}}, dashed(mutedColor))
		for _, l := range slices.Backward(lines) {
			var c curve
			for k := range sweepSteps + 1 {
				c = append(c, point{float64(k) / sweepSteps, l.at(k)})
			}
			addLine(p, c, draw.LineStyle{Color: l.color, Width: 1.7})
		}
		return p
	}
	return f
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
	var points curve
	for _, b := range a.all.reliable {
		if b.cells > 0 {
			points = append(points, point{b.scores.over(b.cells), float64(b.positive) / float64(b.cells)})
		}
	}
	f.plot = func(h handler) *plot.Plot {
		p := newPlot(h, "probability", "share that is true")
		unit(&p.X, &p.Y)
		addGrid(p)
		addLine(p, diagonal, dashed(mutedColor))
		for _, b := range a.all.reliable {
			if b.cells > 0 {
				low, high := wilson(b.positive, b.cells)
				x := b.scores.over(b.cells)
				addLine(p, curve{{x, low}, {x, high}}, draw.LineStyle{Color: faded(blueColor, 0.45), Width: 4})
			}
		}
		addLine(p, points, draw.LineStyle{Color: blueColor, Width: 1.5})
		dots, err := plotter.NewScatter(points)
		if err != nil {
			panic(err) // there is at least one cell, so one point
		}
		dots.GlyphStyle = draw.GlyphStyle{Color: blueColor, Radius: 3, Shape: draw.CircleGlyph{}}
		p.Add(dots)
		return p
	}
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
	entries := classes[legendEntry]{{"label is not given", orangeColor, true}, {"label is given", blueColor, true}}
	return figure{name: "scores", title: "Probabilities given", w: figureWidth, h: figureHeight + 20, legend: entries[:],
		caption: "How many labels of how many rows were given each probability. The further the two lie apart, the better the " +
			"model knows; " +
			"where they overlap, it errs.",
		plot: func(h handler) *plot.Plot {
			p := newPlot(h, "probability", "rows × labels")
			unit(&p.X)
			p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, powersOfTen{}
			p.Y.Min, p.Y.Max = floor, math.Pow(10, math.Ceil(math.Log10(float64(most)+1)))
			addGrid(p)
			for y, e := range entries {
				outline := curve{{0, floor}}
				for bin, n := range a.all.histogram[y] {
					height := max(float64(n), floor)
					outline = append(outline, point{float64(bin) / histogramBins, height}, point{float64(bin+1) / histogramBins, height})
				}
				outline = append(outline, point{1, floor})
				area, err := plotter.NewPolygon(outline)
				if err != nil {
					panic(err) // heights are finite
				}
				area.Color, area.LineStyle = faded(e.color, 0.3), draw.LineStyle{}
				p.Add(area)
				addLine(p, outline, draw.LineStyle{Color: e.color, Width: 1.2})
			}
			return p
		}}
}

// powersOfTen marks 1, 10, 100 …
type powersOfTen struct{}

func (powersOfTen) Ticks(least, most float64) (ticks []plot.Tick) {
	for v := 1.; v <= most; v *= 10 {
		ticks = append(ticks, plot.Tick{Value: v, Label: count(v)})
	}
	return ticks
}

// count writes a large number short.
func count(v float64) string {
	switch {
	case v >= 1e9:
		return fmt.Sprintf("%.3gG", v/1e9)
	case v >= 1e6:
		return fmt.Sprintf("%.3gM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.3gk", v/1e3)
	}
	return fmt.Sprintf("%.6g", v)
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
		f := figure{name: "f1", title: "F1 of each label", w: figureWidth, h: vg.Length(60 + barHeight(len(part))*len(part)),
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
		f.plot = func(h handler) *plot.Plot { return a.barPlot(h, part) }
		panels = append(panels, f)
	}
	return panels
}

// barHeight returns the points that each of n bars takes.
func barHeight(n int) int { return min(22, max(14, 200/n)) }

func (a *analysis) barPlot(h handler, labels []int) *plot.Plot {
	p := newPlot(h, "F1", "")
	unit(&p.X)
	addGrid(p)
	bars := barPlotter{right: font.From(figureFont, tickSize), h: h}
	names := make(plot.ConstantTicks, len(labels))
	for i, label := range labels {
		m := &a.Metrics.PerLabel[label]
		y := float64(len(labels) - 1 - i)
		names[i] = plot.Tick{Value: y, Label: a.short(label)}
		bars.bars = append(bars.bars, bar{y: y, f1: float64(m.F1), best: float64(m.BestF1), support: strconv.Itoa(m.Support)})
	}
	p.Y.Tick.Marker, p.Y.Tick.Length, p.Y.Tick.Label.Color = names, 0, inkColor
	p.Y.Min, p.Y.Max = -0.6, float64(len(labels))-0.4
	p.Y.Width = 0
	p.Add(bars)
	return p
}

// bar is a line of barPlotter.
type bar struct {
	y, f1, best float64
	support     string
}

// barPlotter draws horizontal bars with a number right of the end of the axis.
type barPlotter struct {
	bars  []bar
	right font.Font
	h     handler
}

// Plot is part of plot.Plotter.
func (b barPlotter) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := draw.TextStyle{Color: mutedColor, Font: b.right, XAlign: draw.XLeft, YAlign: draw.YCenter, Handler: b.h}
	half := (y(1) - y(0)) * 0.36
	var bars, ticks vg.Path
	for _, bar := range b.bars {
		middle := y(bar.y)
		rectangle(&bars, x(0), middle-half, x(bar.f1), middle+half)
		rectangle(&ticks, x(bar.best)-0.9, middle-half-0.8, x(bar.best)+0.9, middle+half+0.8)
		c.FillText(style, vg.Point{X: x(1) + 6, Y: middle}, bar.support)
	}
	c.SetColor(faded(blueColor, 0.8))
	c.Fill(bars)
	c.SetColor(orangeColor)
	c.Fill(ticks)
}

// GlyphBoxes is part of plot.GlyphBoxer: it keeps room for the numbers.
func (b barPlotter) GlyphBoxes(p *plot.Plot) (boxes []plot.GlyphBox) {
	width := vg.Length(0)
	for _, bar := range b.bars {
		width = max(width, b.h.width(bar.support, b.right))
	}
	return []plot.GlyphBox{{X: 1, Y: 0.5, Rectangle: vg.Rectangle{Max: vg.Point{X: width + 8, Y: 1}}}}
}

func rectangle(path *vg.Path, left, bottom, right, top vg.Length) {
	path.Move(vg.Point{X: left, Y: bottom})
	path.Line(vg.Point{X: right, Y: bottom})
	path.Line(vg.Point{X: right, Y: top})
	path.Line(vg.Point{X: left, Y: top})
	path.Close()
}

// figures has the curves of a training run: those of which there are two points.
func (h *History) figures() []figure {
	of := func(value func(*Step) float64) (c curve) {
		for i := range h.Steps {
			if y := value(&h.Steps[i]); y-y == 0 {
				c = append(c, point{h.Steps[i].Step, y})
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
	curve curve
}

// historyFigure draws values over steps. best is marked, unless 0.
func historyFigure(name, title, caption string, best float64, lines ...historyLine) figure {
	f := figure{name: name, title: title, caption: caption, w: figureWidth, h: figureHeight}
	lines = slices.DeleteFunc(lines, func(l historyLine) bool { return len(l.curve) < 2 })
	if len(lines) == 0 {
		return f
	}
	if len(lines) > 1 {
		f.h += 20
		for _, l := range lines {
			f.legend = append(f.legend, legendEntry{name: l.name, color: l.color})
		}
	}
	top := 0.
	for i := range lines {
		lines[i].curve = lines[i].curve.averaged(mostPoints)
		for _, p := range lines[i].curve {
			top = max(top, p.Y)
		}
	}
	if best > 0 {
		f.caption += fmt.Sprintf(" The dashed line is at step %.0f, whose weights were kept.", best)
	}
	f.plot = func(h handler) *plot.Plot {
		p := newPlot(h, "step", "")
		p.Y.Tick.Marker, p.X.Tick.Marker = shortTicks{}, shortTicks{}
		addGrid(p)
		for _, l := range slices.Backward(lines) {
			addLine(p, l.curve, draw.LineStyle{Color: l.color, Width: 1.7})
			if len(l.curve) <= 30 {
				dots, err := plotter.NewScatter(l.curve)
				if err != nil {
					panic(err) // it has points, all finite
				}
				dots.GlyphStyle = draw.GlyphStyle{Color: l.color, Radius: 2.5, Shape: draw.CircleGlyph{}}
				p.Add(dots)
			}
		}
		p.X.Min, p.Y.Min, p.Y.Max = 0, 0, top*1.05
		if best > 0 {
			addLine(p, curve{{best, 0}, {best, p.Y.Max}}, dashed(mutedColor))
		}
		return p
	}
	return f
}

// averaged returns a curve of at most most points: means of as many neighbours each as it takes.
func (c curve) averaged(most int) (few curve) {
	group := (len(c) + most - 1) / most
	if group < 2 {
		return c
	}
	for part := range slices.Chunk(c, group) {
		var mean point
		for _, p := range part {
			mean.X += p.X / float64(len(part))
			mean.Y += p.Y / float64(len(part))
		}
		few = append(few, mean)
	}
	return few
}

// shortTicks are gonum's with short labels.
type shortTicks struct{}

func (shortTicks) Ticks(least, most float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(least, most)
	for i := range ticks {
		if ticks[i].Label != "" {
			ticks[i].Label = count(ticks[i].Value)
		}
	}
	return ticks
}
