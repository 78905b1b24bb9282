package safetensors

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"bertlabel/checkpoint"
)

// maxDepth is how deep objects and arrays may nest.
const maxDepth = 32

// parser reads JSON strictly: encoding/json would take the last of two equal keys, replace half surrogate pairs, and
// forget what kind of number it saw. The text must be valid UTF-8. Errors are of class STJSON, with the offset in the text.
type parser struct {
	text  []byte
	pos   int
	depth int
}

func (p *parser) fail(format string, args ...any) error {
	return p.refuse(checkpoint.STJSON, format, args...)
}

func (p *parser) refuse(class checkpoint.Class, format string, args ...any) error {
	return checkpoint.AtOffset(checkpoint.Refuse(class, format, args...), int64(p.pos))
}

// next skips white space and returns the byte that follows, 0 at the end.
func (p *parser) next() byte {
	for p.pos < len(p.text) {
		switch c := p.text[p.pos]; c {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return c
		}
	}
	return 0
}

// take consumes c, which must be the next byte.
func (p *parser) take(c byte) error {
	if p.next() != c {
		return p.fail("want %q, found %s", c, p.found())
	}
	p.pos++
	return nil
}

// found describes the next byte for a message.
func (p *parser) found() string {
	if p.next() == 0 && p.pos == len(p.text) {
		return "the end"
	}
	return strconv.QuoteRune(rune(p.text[p.pos]))
}

// end checks that nothing but white space follows.
func (p *parser) end() error {
	if p.next(); p.pos < len(p.text) {
		return p.fail("%s after the JSON", p.found())
	}
	return nil
}

// object reads an object and calls member after each key and its colon, to read the value.
func (p *parser) object(member func(key string) error) error {
	return p.list('{', '}', func() error {
		p.next()
		key, err := p.str()
		if err != nil {
			return err
		}
		if err := p.take(':'); err != nil {
			return err
		}
		return member(key)
	})
}

// array reads an array and calls element to read each value.
func (p *parser) array(element func() error) error { return p.list('[', ']', element) }

func (p *parser) list(open, closing byte, item func() error) error {
	if err := p.take(open); err != nil {
		return err
	}
	if p.depth++; p.depth > maxDepth {
		return p.fail("nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	if p.next() == closing {
		p.pos++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		if p.next() == closing {
			p.pos++
			return nil
		}
		if err := p.take(','); err != nil {
			return err
		}
	}
}

// str reads a string.
func (p *parser) str() (string, error) {
	if err := p.take('"'); err != nil {
		return "", err
	}
	start := p.pos
	for ; p.pos < len(p.text); p.pos++ {
		switch c := p.text[p.pos]; {
		case c == '"':
			p.pos++
			return string(p.text[start : p.pos-1]), nil
		case c == '\\':
			return p.escaped(append([]byte(nil), p.text[start:p.pos]...))
		case c < ' ':
			return "", p.fail("control character %02x in a string", c)
		}
	}
	return "", p.fail("a string without end")
}

// escaped reads the rest of a string from its first backslash on; out is what came before.
func (p *parser) escaped(out []byte) (string, error) {
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		p.pos++
		switch {
		case c == '"':
			return string(out), nil
		case c < ' ':
			return "", p.fail("control character %02x in a string", c)
		case c != '\\':
			out = append(out, c)
			continue
		}
		r, err := p.escape()
		if err != nil {
			return "", err
		}
		out = utf8.AppendRune(out, r)
	}
	return "", p.fail("a string without end")
}

// escape reads what follows a backslash.
func (p *parser) escape() (rune, error) {
	if p.pos == len(p.text) {
		return 0, p.fail("a string without end")
	}
	c := p.text[p.pos]
	p.pos++
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		return p.unicode()
	}
	return 0, p.fail("unknown escape \\%c", c)
}

// unicode reads the four digits of \uXXXX, and a second such escape where the first is half of a surrogate pair.
func (p *parser) unicode() (rune, error) {
	r, err := p.hex()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if p.pos+2 <= len(p.text) && string(p.text[p.pos:p.pos+2]) == `\u` {
		p.pos += 2
		low, err := p.hex()
		if err != nil {
			return 0, err
		}
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, nil
		}
	}
	return 0, p.fail("half a surrogate pair in a string")
}

func (p *parser) hex() (rune, error) {
	if p.pos+4 > len(p.text) {
		return 0, p.fail("a string without end")
	}
	var r rune
	for _, c := range p.text[p.pos : p.pos+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, p.fail("malformed \\u escape")
		}
		r = r<<4 | rune(c)
	}
	p.pos += 4
	return r, nil
}

// isDigit reports whether a number without sign comes next.
func (p *parser) isDigit() bool { c := p.next(); return '0' <= c && c <= '9' }

// uint reads an integer without sign, point or exponent, below 2⁶⁴.
func (p *parser) uint() (uint64, error) {
	if !p.isDigit() {
		return 0, p.fail("want an unsigned integer, found %s", p.found())
	}
	start, n := p.pos, uint64(0)
	for ; p.pos < len(p.text) && '0' <= p.text[p.pos] && p.text[p.pos] <= '9'; p.pos++ {
		digit := uint64(p.text[p.pos] - '0')
		if n > (math.MaxUint64-digit)/10 {
			return 0, p.fail("an integer of 2^64 or more")
		}
		n = 10*n + digit
	}
	if p.text[start] == '0' && p.pos > start+1 {
		return 0, p.fail("an integer with a leading zero")
	}
	if p.pos < len(p.text) && (p.text[p.pos] == '.' || p.text[p.pos] == 'e' || p.text[p.pos] == 'E') {
		return 0, p.fail("a number with point or exponent, want an integer")
	}
	return n, nil
}

// skip reads any value.
func (p *parser) skip() error {
	switch c := p.next(); {
	case c == '{':
		keys := map[string]bool{}
		return p.object(func(key string) error {
			if keys[key] {
				return p.refuse(checkpoint.STDuplicate, "key %s twice in one object", checkpoint.Quote(key))
			}
			keys[key] = true
			return p.skip()
		})
	case c == '[':
		return p.array(p.skip)
	case c == '"':
		_, err := p.str()
		return err
	case c == '-' || p.isDigit():
		return p.number()
	}
	for _, word := range []string{"true", "false", "null"} {
		if p.pos+len(word) <= len(p.text) && string(p.text[p.pos:p.pos+len(word)]) == word {
			p.pos += len(word)
			return nil
		}
	}
	return p.fail("want a value, found %s", p.found())
}

// number reads any number: -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (p *parser) number() error {
	digits := func() bool {
		start := p.pos
		for p.pos < len(p.text) && '0' <= p.text[p.pos] && p.text[p.pos] <= '9' {
			p.pos++
		}
		return p.pos > start
	}
	is := func(chars string) bool {
		for i := range len(chars) {
			if p.pos < len(p.text) && p.text[p.pos] == chars[i] {
				p.pos++
				return true
			}
		}
		return false
	}
	is("-")
	ok := is("0") || digits()
	if ok && is(".") {
		ok = digits()
	}
	if ok && is("eE") {
		is("+-")
		ok = digits()
	}
	if !ok {
		return p.fail("malformed number")
	}
	return nil
}

// mistyped reads a value that is not of the type that was wanted, and returns the error of that class. Numbers that are
// no unsigned integers have no place anywhere.
func (p *parser) mistyped(class checkpoint.Class, format string, args ...any) error {
	if c := p.next(); c == '-' || p.isDigit() {
		if _, err := p.uint(); err != nil {
			return err
		}
	} else if err := p.skip(); err != nil {
		return err
	}
	return p.refuse(class, "%s", fmt.Sprintf(format, args...))
}
