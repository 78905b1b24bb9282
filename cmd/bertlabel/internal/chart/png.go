package chart

import (
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// raster is a picture that shapes are painted on.
type raster struct {
	picture *image.RGBA
	scale   float64 // pixels a point
	pen     *vector.Rasterizer
}

// WritePNG writes the drawing as pixels, scale of them a point, on a ground of a colour.
func (d *Drawing) WritePNG(w io.Writer, paper color.NRGBA, scale float64) error {
	width, height := int(math.Ceil(scale*d.W)), int(math.Ceil(scale*d.H))
	r := &raster{image.NewRGBA(image.Rect(0, 0, width, height)), scale, vector.NewRasterizer(width, height)}
	draw.Draw(r.picture, r.picture.Rect, image.NewUniform(paper), image.Point{}, draw.Src)
	for _, shape := range d.shapes {
		shape.paint(r)
	}
	return png.Encode(w, r.picture)
}

// outline adds what a curve encloses to what the pen has. Two that overlap are one area if they go round in the same sense.
func (r *raster) outline(points Curve) {
	for i, p := range points {
		x, y := float32(r.scale*p.X), float32(r.scale*p.Y)
		if i == 0 {
			r.pen.MoveTo(x, y)
		} else {
			r.pen.LineTo(x, y)
		}
	}
	r.pen.ClosePath()
}

// fill paints what the pen has.
func (r *raster) fill(c color.NRGBA) {
	r.pen.Draw(r.picture, r.picture.Rect, image.NewUniform(c), image.Point{})
	r.pen.Reset(r.picture.Rect.Dx(), r.picture.Rect.Dy())
}

func (a *area) paint(r *raster) {
	for _, outline := range a.outlines {
		r.outline(outline)
	}
	r.fill(a.color)
}

// circle returns an outline of corners many enough for the few points of radius that figures have; it goes round as Rectangle does.
func circle(center Point, radius float64) (c Curve) {
	const corners = 24
	for i := range corners {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / corners)
		c = append(c, Point{center.X + radius*cos, center.Y + radius*sin})
	}
	return c
}

func (d *disc) paint(r *raster) {
	r.outline(circle(d.center, d.radius))
	r.fill(d.color)
}

// paint draws each segment as a rectangle and rounds the corners between two.
func (l *line) paint(r *raster) {
	for _, dash := range l.dashed() {
		for i := 1; i < len(dash); i++ {
			a, b := dash[i-1], dash[i]
			length := math.Hypot(b.X-a.X, b.Y-a.Y)
			if length == 0 {
				continue
			}
			// (nx, ny) is half the width across the segment; the four corners go round as those of Rectangle.
			nx, ny := (b.Y-a.Y)/length*l.Width/2, -(b.X-a.X)/length*l.Width/2
			r.outline(Curve{{a.X + nx, a.Y + ny}, {b.X + nx, b.Y + ny}, {b.X - nx, b.Y - ny}, {a.X - nx, a.Y - ny}})
			if i > 1 {
				r.outline(circle(a, l.Width/2))
			}
		}
	}
	r.fill(l.Color)
}

// dashed returns the parts of a line that are drawn.
func (l *line) dashed() (parts []Curve) {
	if l.Dashes == nil {
		return []Curve{l.points}
	}
	part, k, left := Curve{l.points[0]}, 0, l.Dashes[0] // left of dash or gap k
	for i := 1; i < len(l.points); i++ {
		a, b := l.points[i-1], l.points[i]
		length := math.Hypot(b.X-a.X, b.Y-a.Y)
		for at := 0.; at < length; {
			step := min(left, length-at)
			at, left = at+step, left-step
			p := Point{a.X + (b.X-a.X)*at/length, a.Y + (b.Y-a.Y)*at/length}
			if part = append(part, p); left > 0 {
				continue
			}
			if k%2 == 0 {
				parts = append(parts, part)
			}
			k++
			part, left = Curve{p}, l.Dashes[k%len(l.Dashes)]
		}
	}
	if k%2 == 0 {
		parts = append(parts, part)
	}
	return parts
}

func (t *Text) paint(r *raster) {
	face, err := opentype.NewFace(typeface(), &opentype.FaceOptions{Size: t.Size * r.scale, DPI: 72})
	if err != nil {
		panic(err) // the font is part of the program
	}
	defer face.Close()
	// The text is written upright on a strip of its own, with an em of room on all sides, and laid on the picture from there.
	room := int(math.Ceil(t.Size * r.scale))
	strip := image.NewAlpha(image.Rect(0, 0, font.MeasureString(face, t.Text).Ceil()+2*room, 3*room))
	d := font.Drawer{Dst: strip, Src: image.Opaque, Face: face, Dot: fixed.P(room, 2*room)}
	d.DrawString(t.Text)
	begin, at := t.start(), Point{r.scale * t.At.X, r.scale * t.At.Y}
	left, top := int(math.Round(r.scale*begin.X))-room, int(math.Round(r.scale*begin.Y))-2*room
	if t.Turned {
		// A quarter turn about At: what lay right of it is above, what lay below is right of it.
		right, below := float64(left)-at.X, float64(top)-at.Y
		strip = turned(strip)
		left, top = int(math.Round(at.X+below)), int(math.Round(at.Y-right))-strip.Rect.Dy()
	}
	draw.DrawMask(r.picture, strip.Rect.Add(image.Pt(left, top)), image.NewUniform(t.Color), image.Point{}, strip, image.Point{}, draw.Over)
}

// turned returns a strip turned to read upwards.
func turned(strip *image.Alpha) *image.Alpha {
	w, h := strip.Rect.Dx(), strip.Rect.Dy()
	up := image.NewAlpha(image.Rect(0, 0, h, w))
	for y := range h {
		for x := range w {
			up.Pix[up.PixOffset(y, w-1-x)] = strip.Pix[strip.PixOffset(x, y)]
		}
	}
	return up
}
