package term

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Names and texts come from files, and a terminal obeys what it is sent: escape sequences, marks that turn the direction of the
// text, characters of no width or of two columns. What a table shows of them passes through printable or cell.

// Printable returns s with everything escaped, as Go does it, that is not a visible character or a space: control characters,
// direction marks and joiners, variation selectors, lone surrogates, and bytes that are no UTF-8.
func Printable(s string) string { return escaped(s, math.MaxInt, math.MaxInt) }

// PrintableLines is printable for a message of several lines.
func PrintableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = Printable(line)
	}
	return strings.Join(lines, "\n")
}

// Cell returns s for a column of a table: as printable, on exactly so many columns of the terminal, cut by "…" or filled up
// with spaces.
func Cell(s string, columns int) string {
	s = Clipped(s, columns)
	return s + strings.Repeat(" ", max(0, columns-Width(s)))
}

// Clipped is cell without the spaces: for the last column of a table.
func Clipped(s string, columns int) string {
	s = escaped(s, columns+1, 2*columns+2)
	if Width(s) <= columns {
		return s
	}
	at, used := 0, 1 // the … has a column
	for i, r := range s {
		if used += runeWidth(r); used > columns {
			break
		}
		at = i + utf8.RuneLen(r)
	}
	return s[:at] + "…"
}

// escaped returns the first characters of s, escaped, until it has more than so many columns or characters (those without a
// width have to end, too).
func escaped(s string, columns, characters int) string {
	var b strings.Builder
	for used, n := 0, 0; s != "" && used <= columns && n <= characters; n++ {
		r, size := utf8.DecodeRuneInString(s)
		piece := s[:size]
		switch {
		case r == utf8.RuneError && size == 1:
			piece = fmt.Sprintf(`\x%02x`, s[0])
		case !unicode.IsPrint(r), unicode.Is(unicode.Variation_Selector, r):
			quoted := strconv.QuoteRuneToASCII(r)
			piece = quoted[1 : len(quoted)-1]
		}
		b.WriteString(piece)
		used += Width(piece)
		s = s[size:]
	}
	return b.String()
}

// Width is the number of columns that a terminal gives to an escaped string.
func Width(s string) (columns int) {
	for _, r := range s {
		columns += runeWidth(r)
	}
	return columns
}

// runeWidth is 0 for a mark that stands on the character before it, 2 for a wide one (Unicode Standard Annex 11: the
// ideographs, and emoji), else 1.
func runeWidth(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r >= 0x1100 && (width.LookupRune(r).Kind() == width.EastAsianWide || width.LookupRune(r).Kind() == width.EastAsianFullwidth):
		return 2
	}
	return 1
}

// Quoted returns s in quotes, at most 80 characters of it.
func Quoted(s string) string {
	if r := []rune(s); len(r) > 80 {
		s = string(r[:80]) + "…"
	}
	return strconv.Quote(s)
}

// QuotedNames lists names for a message: the first few, each in quotes and cut.
func QuotedNames(list []string) string {
	const most, columns = 10, 40
	var quoted []string
	for _, name := range list[:min(len(list), most)] {
		quoted = append(quoted, `"`+Clipped(name, columns)+`"`)
	}
	s := strings.Join(quoted, ", ")
	if len(list) > most {
		s += fmt.Sprintf(" and %d more", len(list)-most)
	}
	return s
}
