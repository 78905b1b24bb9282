package report

import (
	"bytes"
	"fmt"
	"html"
	"image/color"
	"math"
	"regexp"
	"strings"

	"github.com/rivo/uniseg"
	"golang.org/x/image/font/sfnt"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The colours of figures, as they are on white. On the page each becomes the CSS variable of its name, which has another value in
// the dark. The hues are those of Okabe and Ito (2008), darkened for lines on white: people with any colour vision tell them apart.
var (
	inkColor    = color.NRGBA{0x24, 0x29, 0x2F, 0xFF}
	mutedColor  = color.NRGBA{0x65, 0x6D, 0x76, 0xFF}
	paperColor  = color.NRGBA{0xFE, 0xFE, 0xFE, 0xFF}
	gridColor   = color.NRGBA{0xE1, 0xE5, 0xEA, 0xFF}
	blueColor   = color.NRGBA{0x0B, 0x6B, 0xB8, 0xFF}
	orangeColor = color.NRGBA{0xC8, 0x55, 0x00, 0xFF}
	greenColor  = color.NRGBA{0x00, 0x80, 0x60, 0xFF}
	purpleColor = color.NRGBA{0xA8, 0x4C, 0x86, 0xFF}
)

// cssColors names their variables.
var cssColors = []struct {
	color color.NRGBA
	name  string
}{
	{inkColor, "ink"}, {mutedColor, "muted"}, {paperColor, "paper"}, {gridColor, "grid"},
	{blueColor, "blue"}, {orangeColor, "orange"}, {greenColor, "green"}, {purpleColor, "purple"},
}

func faded(c color.NRGBA, opacity float64) color.NRGBA {
	c.A = uint8(math.Round(255 * opacity))
	return c
}

var svgColor = regexp.MustCompile(`#[0-9A-F]{6}`)

// themed returns the variable of a colour. A colour with opacity comes back from vgsvg a little off: the nearest is meant.
func themed(hex string) string {
	var c color.NRGBA
	fmt.Sscanf(hex, "#%02X%02X%02X", &c.R, &c.G, &c.B) // svgColor has matched
	name, least := "", math.MaxInt
	square := func(a, b uint8) int { return (int(a) - int(b)) * (int(a) - int(b)) }
	for _, known := range cssColors {
		if d := square(c.R, known.color.R) + square(c.G, known.color.G) + square(c.B, known.color.B); d < least {
			name, least = known.name, d
		}
	}
	return "var(--" + name + ")"
}

// The font of figures. The page's style sheet names it with others of the same widths after it.
var figureFont = font.Font{Typeface: "Liberation", Variant: "Sans"}

const (
	fontOfSVG     = "font-family:Liberation Sans;font-variant:normal;font-weight:normal;font-style:normal;"
	margin        = 4  // around a figure: the outermost letters reach over the boxes that are reckoned with
	labelSize     = 11 // of the names of axes and of legends
	tickSize      = 10
	exactFrom     = 3   // characters from which a text is drawn in exactly the width that was reserved for it
	unknownGlyph  = 0.8 // ems reserved for a character that the font lacks
	unknownColumn = 0.7 // ems reserved for each of its columns, if it takes two
)

// handler measures texts. A character that the font lacks comes from a font of the browser's, whose width nobody knows here: it is
// estimated, and widths tells the browser what was reserved.
type handler struct {
	text.Plain
	widths *[]vg.Length // of the texts drawn, in order; nil: not wanted
}

func newHandler(widths *[]vg.Length) handler {
	return handler{text.Plain{Fonts: font.DefaultCache}, widths}
}

// Box is part of text.Handler.
func (h handler) Box(txt string, f font.Font) (width, height, depth vg.Length) {
	_, height, depth = h.Plain.Box(txt, f)
	return h.width(txt, f), height, depth
}

func (h handler) width(txt string, f font.Font) (width vg.Length) {
	face := h.Fonts.Lookup(f, f.Size)
	var known strings.Builder
	var buffer sfnt.Buffer
	for g := uniseg.NewGraphemes(txt); g.Next(); {
		r := g.Runes()
		if glyph, err := face.Face.GlyphIndex(&buffer, r[0]); err == nil && glyph != 0 {
			known.WriteRune(r[0])
		} else if columns := g.Width(); columns > 1 {
			width += vg.Length(columns) * unknownColumn * f.Size
		} else {
			width += unknownGlyph * f.Size
		}
	}
	return width + face.Width(known.String())
}

// Draw is part of text.Handler. It is that of text.Plain for one line, but for its width.
func (h handler) Draw(c vg.Canvas, txt string, sty text.Style, pt vg.Point) {
	if txt == "" {
		return
	}
	face := h.Fonts.Lookup(sty.Font, sty.Font.Size)
	width := h.width(txt, sty.Font)
	if h.widths != nil {
		*h.widths = append(*h.widths, width)
	}
	sin, cos := math.Sincos(sty.Rotation)
	c.Push()
	defer c.Pop()
	c.SetColor(sty.Color)
	c.Rotate(sty.Rotation)
	c.FillString(face, vg.Point{
		X: vg.Length(cos)*pt.X + vg.Length(sin)*pt.Y + vg.Length(sty.XAlign)*width,
		Y: vg.Length(cos)*pt.Y - vg.Length(sin)*pt.X + vg.Length(sty.YAlign)*sty.Height(txt) + sty.Height(txt) - face.Extents().Ascent,
	}, txt)
}

// figure is a drawing with what stands around it.
type figure struct {
	name, title, caption string // name is that of its file
	w, h                 vg.Length
	legend               []legendEntry
	plot                 func(h handler) *plot.Plot
}

// legendEntry is a line or patch of colour with its meaning.
type legendEntry struct {
	name  string
	color color.NRGBA
	patch bool
}

// draw draws the figure: the legend in lines at the top, the plot below.
func (f *figure) draw(c vg.Canvas, h handler) {
	area := draw.Crop(draw.NewCanvas(c, f.w, f.h), margin, -margin, margin, -margin)
	area.Max.Y -= f.drawLegend(area, h)
	f.plot(h).Draw(area)
}

// drawLegend returns the height that it takes.
func (f *figure) drawLegend(c draw.Canvas, h handler) vg.Length {
	const swatch, gap, line = 14, 5, 15
	style := text.Style{Color: inkColor, Font: font.From(figureFont, tickSize), YAlign: draw.YCenter, Handler: h}
	if len(f.legend) == 0 {
		return 0
	}
	x, y := c.Min.X+2, c.Max.Y-line/2
	for _, e := range f.legend {
		width := swatch + gap + style.Width(e.name)
		if x > c.Min.X+2 && x+width > c.Max.X {
			x, y = c.Min.X+2, y-line
		}
		if e.patch {
			c.FillPolygon(e.color, []vg.Point{{X: x, Y: y - 4}, {X: x + swatch, Y: y - 4}, {X: x + swatch, Y: y + 4}, {X: x, Y: y + 4}})
		} else {
			c.StrokeLine2(draw.LineStyle{Color: e.color, Width: 2}, x, y, x+swatch, y)
		}
		c.FillText(style, vg.Point{X: x + swatch + gap, Y: y}, e.name)
		x += width + 2*gap
	}
	return c.Max.Y - y + line/2 + 3
}

var (
	svgHead = regexp.MustCompile(`(?s)^.*?<svg[^>]*>`)
	compact = strings.NewReplacer("\n\t", " ", fontOfSVG, "")
	svgTag  = regexp.MustCompile(`<[^>]*>`) // the names of labels stand between tags, escaped
	svgText = regexp.MustCompile(`<text ([^>]*)>([^<]*)</text>`)
)

// svg returns the figure as inline SVG: no ids, no fonts, the colours of the page, and each text in the width reserved for it.
func (f *figure) svg() string {
	var widths []vg.Length
	canvas := vgsvg.New(f.w, f.h)
	f.draw(canvas, newHandler(&widths))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		panic(err) // a buffer can always be written
	}
	body := svgHead.ReplaceAllString(b.String(), "")
	body = svgTag.ReplaceAllStringFunc(body, func(tag string) string { return svgColor.ReplaceAllStringFunc(tag, themed) })
	next := 0
	body = svgText.ReplaceAllStringFunc(body, func(element string) string {
		part := svgText.FindStringSubmatch(element)
		width := widths[next]
		next++
		if len(html.UnescapeString(part[2])) < exactFrom {
			return element
		}
		return fmt.Sprintf(`<text textLength="%.4g" lengthAdjust="spacingAndGlyphs" %s>%s</text>`, width.Points(), part[1], part[2])
	})
	return fmt.Sprintf(`<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, f.w.Points(), f.h.Points(), html.EscapeString(f.title)) +
		compact.Replace(body)
}
