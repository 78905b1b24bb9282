// Package plaintext prepares names and texts that come from outside for a page and its figures. A text can then neither hide
// something, nor turn the direction of what follows it, nor grow over the lines above and below. A terminal, which knows less of
// writing than a browser, is stricter: see package term.
package plaintext

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// mostMarks is how many combining marks of one character are kept. No written language needs more.
const mostMarks = 4

// Visible returns s with every rune that cannot be seen as a Go escape: control characters, marks and overrides of direction,
// zero-width spaces, line breaks, invalid UTF-8. Joiners stay, as scripts and emoji need them. Of many combining marks in a row the
// first few stay.
func Visible(s string) string {
	var b strings.Builder
	marks := 0
	for s != "" {
		r, size := utf8.DecodeRuneInString(s)
		if unicode.In(r, unicode.Mn, unicode.Me) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[0])|0x100, 16)[1:])
		case marks > mostMarks:
		case unicode.IsPrint(r), isJoiner(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
		s = s[size:]
	}
	return b.String()
}

func isJoiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

// Width returns the columns that s takes: 2 for an ideograph or an emoji, 0 for a combining mark.
func Width(s string) int { return uniseg.StringWidth(s) }

// Fit returns Visible(s) in at most width columns: what does not fit is cut, between characters as people see them, and "…" stands
// for it.
func Fit(s string, width int) string {
	if most := 16 * width; len(s) > most { // a column of text takes fewer bytes, unless marks pile up on it
		for !utf8.RuneStart(s[most]) && most > 16*width-utf8.UTFMax {
			most--
		}
		s = s[:most] + "…"
	}
	s = Visible(s)
	if Width(s) <= width {
		return s
	}
	var b strings.Builder
	for left, state := width-1, -1; s != ""; {
		var cluster string
		var columns int
		cluster, s, columns, state = uniseg.FirstGraphemeClusterInString(s, state)
		if left -= columns; left < 0 {
			break
		}
		b.WriteString(cluster)
	}
	return b.String() + "…"
}

// Excerpt returns Visible(s), or of a longer text the first runes and how many it has.
func Excerpt(s string, runes int) string {
	n := 0
	for i := range s {
		if n++; n > runes {
			return Visible(s[:i]) + "… (" + strconv.Itoa(utf8.RuneCountInString(s)) + " characters)"
		}
	}
	return Visible(s)
}
