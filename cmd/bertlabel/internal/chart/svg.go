package chart

import (
	"fmt"
	"html"
	"image/color"
	"io"
	"math"
	"strconv"
	"strings"
)

// exactFrom is the number of characters from which a text is drawn in exactly the width that was reserved for it.
const exactFrom = 3

// svg collects markup.
type svg struct {
	strings.Builder
	name func(color.NRGBA) string // of an opaque colour
}

// Hex writes a colour as SVG and CSS do, without its opacity.
func Hex(c color.NRGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// Inline returns the drawing as an element of a page: no ids, no fonts of its own, each colour as name has it, and each text in the
// width reserved for it, whatever font the page gives it. title is its name for those who cannot see it.
func (d *Drawing) Inline(title string, name func(color.NRGBA) string) string {
	s := svg{name: name}
	fmt.Fprintf(&s, `<svg viewBox="0 0 %s %s" role="img" aria-label="%s">`, short(d.W), short(d.H), html.EscapeString(title))
	s.shapes(d)
	return s.String()
}

// WriteSVG writes the drawing as a file of its own, on a ground of a colour.
func (d *Drawing) WriteSVG(w io.Writer, paper color.NRGBA) error {
	s := svg{name: Hex}
	s.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" width="%[1]spt" height="%[2]spt" viewBox="0 0 %[1]s %[2]s" `+
		`font-family="Liberation Sans, Arial, Helvetica, sans-serif">`+"\n", short(d.W), short(d.H))
	(&area{paper, []Curve{Rectangle(0, 0, d.W, d.H)}}).markup(&s)
	s.shapes(d)
	_, err := io.WriteString(w, s.String()+"\n")
	return err
}

func (s *svg) shapes(d *Drawing) {
	for _, shape := range d.shapes {
		shape.markup(s)
		s.WriteByte('\n')
	}
	s.WriteString("</svg>")
}

// short writes a length: a hundredth of a point is less than can be seen.
func short(v float64) string { return strconv.FormatFloat(math.Round(100*v)/100, 'f', -1, 64) }

// style returns the style of a property, fill or stroke, of a colour.
func (s *svg) style(property string, c color.NRGBA) string {
	style := property + ":" + s.name(color.NRGBA{c.R, c.G, c.B, 0xFF})
	if c.A != 0xFF {
		style += ";" + property + "-opacity:" + short(float64(c.A)/0xFF)
	}
	return style
}

// path writes the data of a path.
func (s *svg) path(points Curve, end string) {
	for i, p := range points {
		s.WriteByte("M "[min(i, 1)])
		s.WriteString(short(p.X) + " " + short(p.Y))
	}
	s.WriteString(end)
}

func (a *area) markup(s *svg) {
	fmt.Fprintf(s, `<path style="%s" d="`, s.style("fill", a.color))
	for _, outline := range a.outlines {
		s.path(outline, "z")
	}
	s.WriteString(`"/>`)
}

func (l *line) markup(s *svg) {
	fmt.Fprintf(s, `<path style="fill:none;%s;stroke-width:%s`, s.style("stroke", l.Color), short(l.Width))
	for i, length := range l.Dashes {
		s.WriteString([]string{";stroke-dasharray:", " "}[min(i, 1)] + short(length))
	}
	s.WriteString(`" d="`)
	s.path(l.points, `"/>`)
}

func (d *disc) markup(s *svg) {
	fmt.Fprintf(s, `<circle style="%s" cx="%s" cy="%s" r="%s"/>`, s.style("fill", d.color), short(d.center.X), short(d.center.Y),
		short(d.radius))
}

func (t *Text) markup(s *svg) {
	at := t.start()
	fmt.Fprintf(s, `<text x="%s" y="%s" font-size="%s" style="%s"`, short(at.X), short(at.Y), short(t.Size), s.style("fill", t.Color))
	if t.Turned {
		fmt.Fprintf(s, ` transform="rotate(-90 %s %s)"`, short(t.At.X), short(t.At.Y))
	}
	if len(t.Text) >= exactFrom {
		fmt.Fprintf(s, ` textLength="%s" lengthAdjust="spacingAndGlyphs"`, short(Width(t.Text, t.Size)))
	}
	s.WriteString(">" + html.EscapeString(t.Text) + "</text>")
}
