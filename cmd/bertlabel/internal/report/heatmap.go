package report

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"bertlabel/cmd/bertlabel/internal/chart"
)

const (
	mostHeat    = 40   // labels of a heat map
	numbersUpTo = 12   // labels up to which the cells have numbers
	shades      = 12   // of a heat map
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
	cell := float64(min(34, max(11, 300/n)))
	c := newChart("", "")
	c.X.Names, c.Y.Names = true, true
	for i, label := range labels {
		c.Y.Ticks = append(c.Y.Ticks, chart.Tick{Value: float64(n - 1 - i), Text: a.short(label)})
		c.X.Ticks = append(c.X.Ticks, chart.Tick{Value: float64(i), Text: a.short(label)})
	}
	for _, axis := range []*chart.Axis{&c.X, &c.Y} {
		axis.Least, axis.Most = -0.5, float64(n)-0.5
	}
	for _, share := range []float64{0.05, 0.25, 0.5, 0.75, 1} {
		c.Legend = append(c.Legend, chart.Entry{Name: fmt.Sprintf("%.0f %%", 100*share), Color: shadeColor(shade(share)), Patch: true})
	}
	c.Add(heatMark(m, a.positions(labels)))
	left, _, right, _ := c.Room(0)
	w := left + cell*float64(n) + right
	_, top, _, bottom := c.Room(w) // the legend takes more lines in a narrow figure
	return figure{name: name, title: title, caption: caption, w: w, h: top + cell*float64(n) + bottom, chart: c}
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

// shadeColor returns the colour of a shade.
func shadeColor(shade int) color.NRGBA {
	if shade == 0 {
		return faded(gridColor, 0.4)
	}
	return faded(blueColor, 0.95*float64(shade)/shades)
}

// heatMark draws the cells of a matrix, all of one shade as one area. at has the positions of the labels in it.
func heatMark(m matrix, at []int) chart.Mark {
	return func(d *chart.Drawing, x, y func(float64) float64) {
		const gap = 0.3
		var cells [shades + 1][]chart.Curve
		for i, row := range at {
			for j, column := range at {
				k, left, bottom := shade(m[row][column]), float64(j)-0.5, float64(len(at)-1-i)-0.5
				cells[k] = append(cells[k], chart.Rectangle(x(left)+gap, y(bottom+1)+gap, x(left+1)-gap, y(bottom)-gap))
			}
		}
		for k, outlines := range cells {
			if len(outlines) > 0 {
				d.Area(shadeColor(k), outlines...)
			}
		}
		if len(at) <= numbersUpTo {
			heatNumbers(d, x, y, m, at)
		}
	}
}

// heatNumbers writes the shares into the cells, in per cent.
func heatNumbers(d *chart.Drawing, x, y func(float64) float64, m matrix, at []int) {
	for i, row := range at {
		for j, column := range at {
			k, ink := shade(m[row][column]), inkColor
			if k > shades/2 {
				ink = paperColor
			}
			if k > 0 {
				d.Text(chart.Text{Text: fmt.Sprintf("%.0f", 100*m[row][column]), At: chart.Point{X: x(float64(j)), Y: y(float64(len(at) - 1 - i))},
					Size: chart.TickSize, Color: ink, Anchor: 0.5})
			}
		}
	}
}
