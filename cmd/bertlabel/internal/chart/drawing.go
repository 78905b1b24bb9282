// Package chart draws figures: charts with two axes, as SVG markup and as PNG.
//
// A [Drawing] is a list of areas, lines, discs and texts; svg.go writes it as markup, png.go as pixels. chart.go lays out what stands
// between two axes, text.go measures. Colours are given as they are on white paper; a page may put its own in their place.
package chart

import (
	"image/color"
	"math"
)

// Point is a place in a drawing, in points of 1/72 inch from the upper left corner, or in the units of two axes.
type Point struct{ X, Y float64 }

// Curve is a line from point to point, or the outline of an area.
type Curve []Point

// Thinned leaves out points that are nearer than step, in both directions, to the one before. Both ends stay.
func (c Curve) Thinned(step float64) Curve {
	var kept Curve
	for i, p := range c {
		if last := len(kept) - 1; i > 0 && i < len(c)-1 && math.Abs(p.X-kept[last].X) < step && math.Abs(p.Y-kept[last].Y) < step {
			continue
		}
		kept = append(kept, p)
	}
	return kept
}

// Averaged returns a curve of at most most points: means of as many neighbours each as it takes.
func (c Curve) Averaged(most int) (few Curve) {
	group := (len(c) + most - 1) / most
	if group < 2 {
		return c
	}
	for i := 0; i < len(c); i += group {
		part := c[i:min(i+group, len(c))]
		var mean Point
		for _, p := range part {
			mean.X += p.X / float64(len(part))
			mean.Y += p.Y / float64(len(part))
		}
		few = append(few, mean)
	}
	return few
}

// Drawing is a picture of W × H points.
type Drawing struct {
	W, H   float64
	shapes []shape
}

// shape is one of *area, *line, *disc and *Text.
type shape interface {
	markup(s *svg)
	paint(r *raster)
}

// area is filled. All outlines have the same sense of rotation, or holes appear.
type area struct {
	color    color.NRGBA
	outlines []Curve
}

type line struct {
	Stroke
	points Curve
}

type disc struct {
	color  color.NRGBA
	center Point
	radius float64
}

// Stroke is how a line is drawn. Dashes has the lengths of dash and gap in turn; nil: the line is whole.
type Stroke struct {
	Color  color.NRGBA
	Width  float64
	Dashes []float64
}

// Text is one line of text. Its middle in height stands at At; Anchor says which part of its width does: 0 its begin, 1 its end. A
// turned text reads upwards.
type Text struct {
	Text   string
	At     Point
	Size   float64 // of an em
	Color  color.NRGBA
	Anchor float64
	Turned bool
}

// Area fills what some outlines enclose.
func (d *Drawing) Area(c color.NRGBA, outlines ...Curve) {
	d.shapes = append(d.shapes, &area{c, outlines})
}

// Line draws a line from point to point; of less than two it draws none.
func (d *Drawing) Line(s Stroke, points ...Point) {
	if len(points) > 1 {
		d.shapes = append(d.shapes, &line{s, points})
	}
}

// Disc draws a filled circle.
func (d *Drawing) Disc(c color.NRGBA, center Point, radius float64) {
	d.shapes = append(d.shapes, &disc{c, center, radius})
}

// Text writes a line of text, unless it is empty.
func (d *Drawing) Text(t Text) {
	if t.Text != "" {
		d.shapes = append(d.shapes, &t)
	}
}

// Rectangle returns an outline.
func Rectangle(left, top, right, bottom float64) Curve {
	return Curve{{left, top}, {right, top}, {right, bottom}, {left, bottom}}
}
