package chart

import (
	"sync"

	"github.com/rivo/uniseg"
	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"

	"codeberg.org/go-fonts/liberation/liberationsansregular"
)

// The font of drawings is Liberation Sans, whose letters are as wide as those of Arial and Helvetica.
const (
	capHeight     = 0.69 // ems from the base line to the top of a capital
	unknownGlyph  = 0.8  // ems reserved for a character that the font lacks
	unknownColumn = 0.7  // ems reserved for each of its columns, if it takes two
	unitsPerEm    = 2048
)

var typeface = sync.OnceValue(func() *opentype.Font {
	f, err := opentype.Parse(liberationsansregular.TTF)
	if err != nil {
		panic(err) // the font is part of the program
	}
	return f
})

// Width returns how many points a text is wide at a size. A character that the font lacks comes from a font of the reader's, whose
// width nobody knows here: it is estimated.
func Width(text string, size float64) (width float64) {
	var buffer sfnt.Buffer
	face, em := typeface(), fixed.I(unitsPerEm)
	last, before := sfnt.GlyphIndex(0), false
	for g := uniseg.NewGraphemes(text); g.Next(); {
		glyph, err := face.GlyphIndex(&buffer, g.Runes()[0])
		if err != nil || glyph == 0 {
			if before = false; g.Width() > 1 {
				width += float64(g.Width()) * unknownColumn
			} else {
				width += unknownGlyph
			}
			continue
		}
		if before {
			if kern, err := face.Kern(&buffer, last, glyph, em, font.HintingNone); err == nil {
				width += float64(kern) / float64(em)
			}
		}
		if advance, err := face.GlyphAdvance(&buffer, glyph, em, font.HintingNone); err == nil {
			width += float64(advance) / float64(em)
		}
		last, before = glyph, true
	}
	return width * size
}

// start returns where the base line of the text begins, before it is turned about At.
func (t *Text) start() Point {
	return Point{t.At.X - t.Anchor*Width(t.Text, t.Size), t.At.Y + capHeight/2*t.Size}
}
