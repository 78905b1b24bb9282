package tokenizer

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// class is what the tokenizer asks of a code point.
type class uint8

const (
	dropped   class = 1 << iota // U+0000, U+FFFD and categories Cc, Cf, but \t, \n, \r: taken out before anything else
	space                       // \t, \n, \r, category Zs, U+2028, U+2029: ends a word
	ideograph                   // a word of its own; not kana, not Hangul
	punct                       // ASCII symbols and categories P*: a token of its own
	mark                        // category Mn: what stripping accents takes out
	ordered                     // has a combining class and is not Mn: canonical order may move it
)

// chinese lists the ranges of _is_chinese_char.
var chinese = &unicode.RangeTable{
	R16: []unicode.Range16{{Lo: 0x3400, Hi: 0x4DBF, Stride: 1}, {Lo: 0x4E00, Hi: 0x9FFF, Stride: 1}, {Lo: 0xF900, Hi: 0xFAFF, Stride: 1}},
	R32: []unicode.Range32{
		{Lo: 0x20000, Hi: 0x2A6DF, Stride: 1}, {Lo: 0x2A700, Hi: 0x2B73F, Stride: 1}, {Lo: 0x2B740, Hi: 0x2B81F, Stride: 1},
		{Lo: 0x2B820, Hi: 0x2CEAF, Stride: 1}, {Lo: 0x2F800, Hi: 0x2FA1F, Stride: 1},
	},
}

// newClasses returns the classes of all code points.
func newClasses() []class {
	classes := make([]class, unicode.MaxRune+1)
	for _, set := range []struct {
		table *unicode.RangeTable
		class class
	}{
		{unicode.Cc, dropped}, {unicode.Cf, dropped}, {unicode.Z, space}, {chinese, ideograph}, {unicode.P, punct}, {unicode.Mn, mark},
	} {
		eachRune(set.table, func(r rune) { classes[r] |= set.class })
	}
	eachRune(unicode.Mc, func(r rune) {
		if combiningClass(r) != 0 {
			classes[r] |= ordered
		}
	})
	for _, r := range "\t\n\r" {
		classes[r] = space
	}
	for _, r := range "$+<=>^`|~" {
		classes[r] = punct
	}
	classes[unicode.ReplacementChar] = dropped
	return classes
}

// eachRune calls f for each code point of the table.
func eachRune(table *unicode.RangeTable, f func(rune)) {
	for _, r := range table.R16 {
		for c := rune(r.Lo); c <= rune(r.Hi); c += rune(r.Stride) {
			f(c)
		}
	}
	for _, r := range table.R32 {
		for c := rune(r.Lo); c <= rune(r.Hi); c += rune(r.Stride) {
			f(c)
		}
	}
}

// isPythonSpace reports whether str.strip and str.split take r for white space: also U+001C–1F, which unicode.IsSpace does not.
func isPythonSpace(r rune) bool { return unicode.IsSpace(r) || 0x1C <= r && r <= 0x1F }

// appendLower appends str.lower() of a word: the simple mappings, but for İ, which becomes i and a dot above, and Σ, which
// becomes ς at the end of the word (Unicode 3.13, Default Case Algorithms).
func appendLower(dst, word []rune) []rune {
	for i, r := range word {
		switch {
		case r == 'Σ' && finalSigma(word, i):
			dst = append(dst, 'ς')
		case r == 'İ':
			dst = append(dst, 'i', '\u0307')
		default:
			dst = append(dst, unicode.ToLower(r))
		}
	}
	return dst
}

// finalSigma reports whether a cased letter stands before word[i] and none after, both looked for past any number of characters
// that case ignores: handle_capital_sigma of CPython's unicodeobject.c.
func finalSigma(word []rune, i int) bool {
	before := i - 1
	for before >= 0 && caseIgnorable(word[before]) {
		before--
	}
	if before < 0 || !cased(word[before]) {
		return false
	}
	behind := i + 1
	for behind < len(word) && caseIgnorable(word[behind]) {
		behind++
	}
	return behind == len(word) || !cased(word[behind])
}

// cased is Unicode's derived property Cased.
func cased(r rune) bool {
	return unicode.In(r, unicode.Upper, unicode.Lower, unicode.Title, unicode.Other_Uppercase, unicode.Other_Lowercase)
}

// caseIgnorable is Unicode's derived property Case_Ignorable: some categories, and what Word_Break calls MidLetter, MidNumLet and
// Single_Quote.
func caseIgnorable(r rune) bool {
	return strings.ContainsRune("'.:·\u0387\u055f\u05f4‘’․‧︓﹒﹕＇．：", r) ||
		unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk)
}

// appendStripped appends the word's normalisation form D without category Mn: _run_strip_accents. It asks norm for single
// characters only, because norm.NFD puts U+034F into heaps of more than 30 marks, which would keep them from canonical order.
func appendStripped(dst, word []rune, classes []class) []rune {
	start := len(dst)
	var seen class
	for _, r := range word {
		dst = appendDecomposed(dst, r)
	}
	for _, r := range dst[start:] {
		seen |= classes[r]
	}
	if seen&ordered != 0 {
		canonicalOrder(dst[start:])
	}
	if seen&mark == 0 {
		return dst
	}
	kept := slices.DeleteFunc(dst[start:], func(r rune) bool { return classes[r]&mark != 0 })
	return dst[:start+len(kept)]
}

// appendDecomposed appends the full canonical decomposition of r.
func appendDecomposed(dst []rune, r rune) []rune {
	const ( // Unicode 3.12, Conjoining Jamo Behavior
		sBase, lBase, vBase, tBase = 0xAC00, 0x1100, 0x1161, 0x11A7
		sCount, vCount, tCount     = 11172, 21, 28
	)
	switch s := r - sBase; {
	case r < 0xC0:
		return append(dst, r)
	case 0 <= s && s < sCount:
		dst = append(dst, lBase+s/(vCount*tCount), vBase+s/tCount%vCount)
		if t := s % tCount; t != 0 {
			dst = append(dst, tBase+t)
		}
		return dst
	}
	var b [utf8.UTFMax]byte
	decomposition := norm.NFD.Properties(b[:utf8.EncodeRune(b[:], r)]).Decomposition()
	if decomposition == nil {
		return append(dst, r)
	}
	for len(decomposition) > 0 {
		r, n := utf8.DecodeRune(decomposition)
		dst, decomposition = append(dst, r), decomposition[n:]
	}
	return dst
}

// canonicalOrder sorts each run of characters with a combining class by that class, stably (Unicode 3.11).
func canonicalOrder(word []rune) {
	for len(word) > 0 {
		n := slices.IndexFunc(word, func(r rune) bool { return combiningClass(r) == 0 })
		if n < 0 {
			n = len(word)
		}
		slices.SortStableFunc(word[:n], func(a, b rune) int { return cmp.Compare(combiningClass(a), combiningClass(b)) })
		word = word[min(n+1, len(word)):]
	}
}

// combiningClass returns Canonical_Combining_Class, 0 for a character that starts a new combination.
func combiningClass(r rune) uint8 {
	var b [utf8.UTFMax]byte
	return norm.NFD.Properties(b[:utf8.EncodeRune(b[:], r)]).CCC()
}
