// Package term makes what a terminal shows: bars, columns of a table, and text that cannot steer it. It opens and writes nothing.
package term

import (
	"io"
	"math"
	"strings"
)

// Canvas is a terminal that bars are drawn on, or what stands for one.
type Canvas struct {
	W       io.Writer
	Columns int
	Colours bool
}

const (
	defaultColumns = 80  // where nobody says how wide the terminal is
	leastColumns   = 40  // narrower lines wrap
	mostColumns    = 110 // wider bars are no easier to compare

	NameShare = 3 // a name takes at most one third of a line
)

// NewCanvas returns a canvas on w of so many columns, 0 where nobody knows how wide it is.
func NewCanvas(w io.Writer, columns int, colours bool) *Canvas {
	if columns <= 0 {
		columns = defaultColumns
	}
	return &Canvas{w, min(max(columns, leastColumns), mostColumns), colours}
}

// The colours of a canvas: Select Graphic Rendition of ECMA-48, §8.3.117, of the palette that people have chosen for their terminal.
const (
	Bold  = "1"
	Faint = "2"
	Cyan  = "36"
	Green = "32"
)

// In returns s in a colour, where the canvas has any.
func (c *Canvas) In(colour, s string) string {
	if !c.Colours || s == "" {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// Bar returns a bar of a share of columns, to an eighth of a column.
func Bar(share float64, columns int) string {
	eighths := int(math.Round(share * float64(8*columns)))
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return s
}

// NameColumns returns the columns that names need, within a share of the line.
func (c *Canvas) NameColumns(names []string) (columns int) {
	most := c.Columns / NameShare
	for _, name := range names {
		if columns = max(columns, Width(Clipped(name, most))); columns >= most {
			return most
		}
	}
	return columns
}
