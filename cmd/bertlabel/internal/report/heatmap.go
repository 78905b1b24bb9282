package report

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const (
	mostHeat    = 40   // labels of a heat map
	numbersUpTo = 12   // labels up to which the cells have numbers
	shades      = 12   // of a heat map
	heatPadding = 4    // between names and cells
	leastShade  = 0.01 // share from which a cell has colour
)

// heatMaps has the labels that stand together, and those that the model takes for each other.
func (a *analysis) heatMaps() []figure {
	labels := a.frequent(mostHeat)
	if len(labels) < 2 {
		return nil
	}
	of := ""
	if len(labels) < len(a.Labels) {
		of = fmt.Sprintf(" Shown are the %d labels with the most rows.", len(labels))
	}
	return []figure{
		a.heatMap("co-occurrence", "Labels that stand together",
			"Of the rows with the label on the left, the share that has the label below, too."+of, labels, a.pairs.together),
		a.heatMap("confusion", "Labels that are confused",
			"Of the rows with the label on the left, the share for which the label below is predicted. On the diagonal that is right (its "+
				"recall); elsewhere the label is not given."+of, labels, a.pairs.confused),
	}
}

func (a *analysis) heatMap(name, title, caption string, labels []int, m matrix) figure {
	n := len(labels)
	cell := vg.Length(min(34, max(11, 300/n)))
	names := vg.Length(0)
	h := newHandler(nil)
	for _, label := range labels {
		names = max(names, h.width(a.short(label), font.From(figureFont, tickSize)))
	}
	side := names + 2*margin + 2*heatPadding + cell*vg.Length(n)
	f := figure{name: name, title: title, caption: caption, w: side, h: side + 22}
	f.plot = func(h handler) *plot.Plot {
		p := newPlot(h, "", "")
		rows, columns := make(plot.ConstantTicks, n), make(plot.ConstantTicks, n)
		for i, label := range labels {
			rows[i] = plot.Tick{Value: float64(n - 1 - i), Label: a.short(label)}
			columns[i] = plot.Tick{Value: float64(i), Label: a.short(label)}
		}
		p.X.Tick.Marker, p.Y.Tick.Marker = columns, rows
		for _, axis := range []*plot.Axis{&p.X, &p.Y} {
			axis.Min, axis.Max = -0.5, float64(n)-0.5
			axis.Width, axis.Tick.Length, axis.Tick.Label.Color, axis.Padding = 0, 0, inkColor, heatPadding
		}
		p.X.Tick.Label.Rotation, p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = math.Pi/2, draw.XRight, draw.YCenter
		p.Add(heatPlotter{at: a.positions(labels), m: m, h: h})
		return p
	}
	for _, share := range []float64{0.05, 0.25, 0.5, 0.75, 1} {
		f.legend = append(f.legend, legendEntry{name: fmt.Sprintf("%.0f %%", 100*share), color: faded(blueColor, opacity(shade(share))),
			patch: true})
	}
	return f
}

// positions returns where some labels stand in pairs.
func (a *analysis) positions(labels []int) (at []int) {
	for _, label := range labels {
		at = append(at, slices.Index(a.pairs.labels, label))
	}
	return at
}

// shade returns the shade of a share, 0 for none. The square root tells small shares apart.
func shade(share float64) int {
	if !(share >= leastShade) {
		return 0
	}
	return max(1, int(math.Round(math.Sqrt(share)*shades)))
}

func opacity(shade int) float64 { return 0.95 * float64(shade) / shades }

// heatPlotter draws the cells of a matrix, all of one shade as one path.
type heatPlotter struct {
	at []int // positions of the labels in m
	m  matrix
	h  handler
}

// Plot is part of plot.Plotter.
func (m heatPlotter) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	n := len(m.at)
	const gap = 0.3
	var paths [shades + 1]vg.Path
	for i, row := range m.at {
		for j, column := range m.at {
			left, bottom := float64(j)-0.5, float64(n-1-i)-0.5
			rectangle(&paths[shade(m.m[row][column])], x(left)+gap, y(bottom)+gap, x(left+1)-gap, y(bottom+1)-gap)
		}
	}
	c.SetColor(faded(gridColor, 0.4))
	c.Fill(paths[0])
	for k := 1; k <= shades; k++ {
		if len(paths[k]) > 0 {
			c.SetColor(faded(blueColor, opacity(k)))
			c.Fill(paths[k])
		}
	}
	if n <= numbersUpTo {
		m.numbers(c, p)
	}
}

// numbers writes the shares into the cells, in per cent.
func (m heatPlotter) numbers(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := draw.TextStyle{Font: font.From(figureFont, tickSize), XAlign: draw.XCenter, YAlign: draw.YCenter, Handler: m.h}
	for i, row := range m.at {
		for j, column := range m.at {
			share := m.m[row][column]
			if style.Color = inkColor; shade(share) > shades/2 {
				style.Color = paperColor
			}
			if shade(share) > 0 {
				c.FillText(style, vg.Point{X: x(float64(j)), Y: y(float64(len(m.at) - 1 - i))}, fmt.Sprintf("%.0f", 100*share))
			}
		}
	}
}
