package chart

import (
	"image/color"
	"math"
	"strconv"
)

const (
	Margin      = 4  // around a drawing: the outermost letters reach over the boxes that are reckoned with
	LabelSize   = 11 // of the names of axes
	TickSize    = 10 // of the texts at ticks and in legends
	tickLength  = 4
	gap         = 3 // between a tick and its text, and between that and the name of the axis
	legendLine  = 15
	legendSpace = 3 // below the legend
)

// Chart is a pair of axes with what is drawn between them.
type Chart struct {
	X, Y   Axis
	Legend []Entry
	Grid   bool
	Marks  []Mark  // in the order they are drawn
	Right  float64 // points kept free right of the axes
	// Ink is the colour of names, Muted that of axes, and GridColor that of the lines of the grid.
	Ink, Muted, GridColor color.NRGBA
}

// Axis is one direction of a chart.
type Axis struct {
	Name        string // "": none
	Least, Most float64
	Log         bool // logarithmic; Least is positive
	Ticks       []Tick
	Names       bool // the ticks are names: without strokes and without an axis, in the colour of names; below the chart they are turned
}

// Tick is a place on an axis with its text.
type Tick struct {
	Value float64
	Text  string
}

// Entry is a line or patch of colour with its meaning.
type Entry struct {
	Name  string
	Color color.NRGBA
	Patch bool
}

// Mark draws into a chart whose axes lie where x and y say, in points.
type Mark func(d *Drawing, x, y func(float64) float64)

// LineMark draws a curve in the units of the axes.
func LineMark(c Curve, s Stroke) Mark {
	return func(d *Drawing, x, y func(float64) float64) { d.Line(s, c.mapped(x, y)...) }
}

// DotMark draws a disc at each point of a curve.
func DotMark(c Curve, paint color.NRGBA, radius float64) Mark {
	return func(d *Drawing, x, y func(float64) float64) {
		for _, p := range c.mapped(x, y) {
			d.Disc(paint, p, radius)
		}
	}
}

// AreaMark fills an outline in the units of the axes.
func AreaMark(c Curve, paint color.NRGBA) Mark {
	return func(d *Drawing, x, y func(float64) float64) { d.Area(paint, c.mapped(x, y)) }
}

func (c Curve) mapped(x, y func(float64) float64) (points Curve) {
	for _, p := range c {
		points = append(points, Point{x(p.X), y(p.Y)})
	}
	return points
}

// Add adds marks above those there are.
func (c *Chart) Add(marks ...Mark) { c.Marks = append(c.Marks, marks...) }

// place returns where a value lies between the ends of the axis, as a share.
func (a *Axis) place(v float64) float64 {
	if a.Log {
		return math.Log(v/a.Least) / math.Log(a.Most/a.Least)
	}
	return (v - a.Least) / (a.Most - a.Least)
}

// Room returns the points that stand around the square between the axes in a drawing of a width.
func (c *Chart) Room(width float64) (left, top, right, bottom float64) {
	left, right, top, bottom = Margin+tickLength+gap, Margin+c.Right, Margin+TickSize/2, Margin+tickLength+gap
	widest, last := 0., 0.
	for _, t := range c.Y.Ticks {
		widest = max(widest, Width(t.Text, TickSize))
	}
	left += widest
	deep := float64(TickSize)
	for _, t := range c.X.Ticks {
		wide := Width(t.Text, TickSize)
		if c.X.Names {
			deep = max(deep, wide)
		} else if c.X.place(t.Value) > 0.5 {
			last = wide / 2
		}
	}
	bottom, right = bottom+deep, max(right, Margin+last)
	if c.X.Name != "" {
		bottom += gap + LabelSize
	}
	if c.Y.Name != "" {
		left += gap + LabelSize
	}
	return left, top + c.legend(&Drawing{W: width}), right, bottom
}

// Draw returns the chart as a drawing of a size: the legend in lines at the top, the axes below.
func (c *Chart) Draw(w, h float64) *Drawing {
	d := &Drawing{W: w, H: h}
	left, top, right, bottom := c.Room(w)
	c.legend(d)
	x := func(v float64) float64 { return left + c.X.place(v)*(w-left-right) }
	y := func(v float64) float64 { return h - bottom - c.Y.place(v)*(h-bottom-top) }
	if c.Grid {
		for _, t := range c.X.Ticks {
			d.Line(Stroke{Color: c.GridColor, Width: 0.5}, Point{x(t.Value), top}, Point{x(t.Value), h - bottom})
		}
		for _, t := range c.Y.Ticks {
			if !c.Y.Names {
				d.Line(Stroke{Color: c.GridColor, Width: 0.5}, Point{left, y(t.Value)}, Point{w - right, y(t.Value)})
			}
		}
	}
	for _, mark := range c.Marks {
		mark(d, x, y)
	}
	c.drawX(d, x, left, w-right, h-bottom)
	c.drawY(d, y, top, h-bottom, left)
	return d
}

// drawX draws the horizontal axis from left to right, at a height.
func (c *Chart) drawX(d *Drawing, x func(float64) float64, left, right, at float64) {
	if c.X.Names {
		for _, t := range c.X.Ticks {
			d.Text(Text{Text: t.Text, At: Point{x(t.Value), at + gap + 2}, Size: TickSize, Color: c.Ink, Anchor: 1, Turned: true})
		}
		return
	}
	axis := Stroke{Color: c.Muted, Width: 0.5}
	d.Line(axis, Point{left, at}, Point{right, at})
	for _, t := range c.X.Ticks {
		d.Line(axis, Point{x(t.Value), at}, Point{x(t.Value), at + tickLength})
		d.Text(Text{Text: t.Text, At: Point{x(t.Value), at + tickLength + gap + TickSize/2.}, Size: TickSize, Color: c.Muted, Anchor: 0.5})
	}
	d.Text(Text{Text: c.X.Name, At: Point{(left + right) / 2, at + tickLength + 2*gap + TickSize + LabelSize/2.}, Size: LabelSize,
		Color: c.Muted, Anchor: 0.5})
}

// drawY draws the vertical axis from top to bottom, at a distance from the left.
func (c *Chart) drawY(d *Drawing, y func(float64) float64, top, bottom, at float64) {
	axis, text := Stroke{Color: c.Muted, Width: 0.5}, c.Muted
	if c.Y.Names {
		text = c.Ink
	} else {
		d.Line(axis, Point{at, top}, Point{at, bottom})
	}
	for _, t := range c.Y.Ticks {
		if !c.Y.Names {
			d.Line(axis, Point{at - tickLength, y(t.Value)}, Point{at, y(t.Value)})
		}
		d.Text(Text{Text: t.Text, At: Point{at - tickLength - gap, y(t.Value)}, Size: TickSize, Color: text, Anchor: 1})
	}
	d.Text(Text{Text: c.Y.Name, At: Point{Margin + LabelSize/2., (top + bottom) / 2}, Size: LabelSize, Color: c.Muted, Anchor: 0.5,
		Turned: true})
}

// legend draws the legend, in as many lines as the width of the drawing takes, and returns the height of it.
func (c *Chart) legend(d *Drawing) float64 {
	const swatch, space = 14, 5
	if len(c.Legend) == 0 {
		return 0
	}
	left, x, y := Margin+2., Margin+2., Margin+legendLine/2.
	for _, e := range c.Legend {
		width := swatch + space + Width(e.Name, TickSize)
		if x > left && x+width > d.W-Margin {
			x, y = left, y+legendLine
		}
		if e.Patch {
			d.Area(e.Color, Rectangle(x, y-4, x+swatch, y+4))
		} else {
			d.Line(Stroke{Color: e.Color, Width: 2}, Point{x, y}, Point{x + swatch, y})
		}
		d.Text(Text{Text: e.Name, At: Point{x + swatch + space, y}, Size: TickSize, Color: c.Ink})
		x += width + 2*space
	}
	return y + legendLine/2. + legendSpace - Margin
}

// Ticks returns some five round values from least to most, each 1, 2 or 5 times a power of ten after the one before, with their texts
// (Heckbert, Nice Numbers for Graph Labels, Graphics Gems, 1990).
func Ticks(least, most float64) (ticks []Tick) {
	const wanted = 5
	raw := (most - least) / wanted
	if !(raw > 0) || math.IsInf(raw, 0) {
		return []Tick{{least, Number(least)}}
	}
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	step := 10 * power
	for _, nice := range []struct{ below, step float64 }{{7, 5}, {3, 2}, {1.5, 1}} {
		if raw < nice.below*power {
			step = nice.step * power
		}
	}
	for k := int(math.Ceil(least/step - 1e-9)); float64(k)*step <= most+1e-9*step; k++ {
		ticks = append(ticks, Tick{float64(k) * step, Number(float64(k) * step)})
	}
	return ticks
}

// PowersOfTen returns 1, 10, 100 … up to most.
func PowersOfTen(most float64) (ticks []Tick) {
	for v := 1.; v <= most; v *= 10 {
		ticks = append(ticks, Tick{v, Number(v)})
	}
	return ticks
}

// Number writes a number short, in thousands, millions or billions where it is large.
func Number(v float64) string {
	format := func(v float64, digits int) string { return strconv.FormatFloat(v, 'g', digits, 64) }
	switch {
	case v >= 1e9:
		return format(v/1e9, 3) + "G"
	case v >= 1e6:
		return format(v/1e6, 3) + "M"
	case v >= 1e4:
		return format(v/1e3, 3) + "k"
	}
	return format(v, 6)
}
