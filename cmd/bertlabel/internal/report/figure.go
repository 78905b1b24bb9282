package report

import (
	"image/color"
	"math"

	"bertlabel/cmd/bertlabel/internal/chart"
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
var cssColors = map[color.NRGBA]string{
	inkColor: "ink", mutedColor: "muted", paperColor: "paper", gridColor: "grid",
	blueColor: "blue", orangeColor: "orange", greenColor: "green", purpleColor: "purple",
}

func faded(c color.NRGBA, opacity float64) color.NRGBA {
	c.A = uint8(math.Round(255 * opacity))
	return c
}

// figure is a chart with what stands around it.
type figure struct {
	name, title, caption string // name is that of its file
	w, h                 float64
	chart                *chart.Chart // nil: there is nothing to show
}

// svg returns the figure as an element of the page, in its colours.
func (f *figure) svg() string {
	return f.chart.Draw(f.w, f.h).Inline(f.title, func(c color.NRGBA) string { return "var(--" + cssColors[c] + ")" })
}
