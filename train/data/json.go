package data

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonDepth is how deep values that are passed over may be nested.
const jsonDepth = 32

// jsonText reads one JSON text (RFC 8259) from left to right. Unlike encoding/json it knows the byte at which something is
// wrong, sees a key that comes twice, and hands on invalid UTF-8 as it is. Its errors are *RowError with Byte set.
type jsonText struct {
	b  []byte
	at int // next byte
}

// fault is an error at byte i, from 0.
func (j *jsonText) fault(i int, found, expected, hint string) error {
	return &RowError{Byte: i + 1, Found: found, Expected: expected, Hint: hint}
}

// peek passes over white space and returns the next byte, 0 at the end.
func (j *jsonText) peek() byte {
	for j.at < len(j.b) {
		switch c := j.b[j.at]; c {
		case ' ', '\t', '\r', '\n':
			j.at++
		default:
			return c
		}
	}
	return 0
}

// found describes what comes next, for a message.
func (j *jsonText) found() string {
	switch c := j.peek(); {
	case j.at >= len(j.b):
		return "the end of the line"
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '"':
		return "a string"
	case c == '-' || c >= '0' && c <= '9':
		return "the number " + cut(string(j.word()))
	case c == '\'':
		return "a single quote"
	case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		return cut(string(j.word()))
	default:
		r, _ := utf8.DecodeRune(j.b[j.at:])
		return strconv.QuoteRune(r)
	}
}

// word returns the letters, digits and signs that come next: a number, or true, false, null, or what is none of them.
func (j *jsonText) word() []byte {
	end := j.at
	for end < len(j.b) && (j.b[end] == '+' || j.b[end] == '-' || j.b[end] == '.' || j.b[end] == '_' ||
		j.b[end]|0x20 >= 'a' && j.b[end]|0x20 <= 'z' || j.b[end] >= '0' && j.b[end] <= '9') {
		end++
	}
	return j.b[j.at:end]
}

// object calls member for each key of an object; member has to read the value.
func (j *jsonText) object(member func(key string, at int) error) error {
	if j.peek() != '{' {
		return j.fault(j.at, j.found(), "an object {…}", "write one object a line")
	}
	return j.sequence('}', func() error {
		if j.peek() != '"' {
			return j.fault(j.at, j.found(), "a key in double quotes", `write {"text": …}`)
		}
		at := j.at
		key, err := j.str()
		if err != nil {
			return err
		}
		if j.peek() != ':' {
			return j.fault(j.at, j.found(), fmt.Sprintf("a colon behind the key %q", cut(string(key))), "")
		}
		j.at++
		return member(string(key), at)
	})
}

// array calls element for each element of an array; element has to read it.
func (j *jsonText) array(element func() error) error {
	if j.peek() != '[' {
		return j.fault(j.at, j.found(), "an array […]", "")
	}
	return j.sequence(']', element)
}

// sequence reads what is between the bracket that comes next and the closing one: elements with commas between them.
func (j *jsonText) sequence(closing byte, element func() error) error {
	j.at++
	if j.peek() == closing {
		j.at++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		switch j.peek() {
		case closing:
			j.at++
			return nil
		case ',':
		default:
			return j.fault(j.at, j.found(), fmt.Sprintf("a comma or %c", closing), "")
		}
		comma := j.at
		j.at++
		if j.peek() == closing {
			return j.fault(comma, fmt.Sprintf("a comma before %c", closing), "a value behind the comma", "take the comma away")
		}
	}
}

// end checks that nothing follows.
func (j *jsonText) end() error {
	if j.peek(); j.at < len(j.b) {
		return j.fault(j.at, j.found()+" behind the object", "the end of the line", "write one object a line")
	}
	return nil
}

// str reads a string. What it returns is a part of the line, or its own when there are escapes. A surrogate without its other
// half becomes its three bytes, which are invalid UTF-8 and treated as such.
func (j *jsonText) str() ([]byte, error) {
	open := j.at
	var plain []byte // what the string is up to from, once there was an escape
	for at, from := open+1, open+1; at < len(j.b); {
		switch c := j.b[at]; {
		case c == '"':
			j.at = at + 1
			if plain == nil {
				return j.b[from:at], nil
			}
			return append(plain, j.b[from:at]...), nil
		case c == '\\':
			var err error
			if plain, at, err = j.escape(append(plain, j.b[from:at]...), at); err != nil {
				return nil, err
			}
			from = at
		case c < ' ':
			return nil, j.fault(at, fmt.Sprintf("the control character %q in a string", rune(c)), "an escape",
				fmt.Sprintf(`write \u%04x`, c))
		default:
			at++
		}
	}
	return nil, j.fault(len(j.b), "the end of the line", fmt.Sprintf("the end of the string that begins at column %d", open+1), "")
}

// escape appends the character that the backslash at byte at stands for, and returns the place after it.
func (j *jsonText) escape(to []byte, at int) ([]byte, int, error) {
	if at+1 < len(j.b) {
		if i := bytes.IndexByte([]byte(`"\/bfnrt`), j.b[at+1]); i >= 0 {
			return append(to, "\"\\/\b\f\n\r\t"[i]), at + 2, nil
		}
	}
	high, ok := j.hex(at)
	if !ok {
		return nil, at, j.fault(at, "an unknown escape", `one of \" \\ \/ \b \f \n \r \t \uXXXX`, `a backslash itself is \\`)
	}
	if low, ok := j.hex(at + 6); ok && utf16.DecodeRune(high, low) != utf8.RuneError {
		return utf8.AppendRune(to, utf16.DecodeRune(high, low)), at + 12, nil
	}
	if utf16.IsSurrogate(high) {
		return append(to, 0xe0|byte(high>>12), 0x80|byte(high>>6&0x3f), 0x80|byte(high&0x3f)), at + 6, nil
	}
	return utf8.AppendRune(to, high), at + 6, nil
}

// hex reads \uXXXX at byte at.
func (j *jsonText) hex(at int) (rune, bool) {
	if at+6 > len(j.b) || j.b[at] != '\\' || j.b[at+1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(j.b[at+2:at+6]), 16, 16)
	return rune(n), err == nil
}

// literal reads a number, true, false or null as it stands there.
func (j *jsonText) literal() ([]byte, error) {
	word := j.word()
	switch {
	case string(word) == "true", string(word) == "false", string(word) == "null", isNumber(word):
		j.at += len(word)
		return word, nil
	case bytes.Contains(bytes.ToLower(word), []byte("nan")), bytes.Contains(bytes.ToLower(word), []byte("inf")):
		return nil, j.fault(j.at, cut(string(word)), "a JSON value", "JSON has no NaN and no infinity; write null, or leave the key out")
	}
	return nil, j.fault(j.at, j.found(), "a JSON value", "")
}

// isNumber reports whether b is a number by the grammar of RFC 8259, section 6.
func isNumber(b []byte) bool {
	digits := func() bool {
		n := 0
		for n < len(b) && b[n] >= '0' && b[n] <= '9' {
			n++
		}
		b = b[n:]
		return n > 0
	}
	b = bytes.TrimPrefix(b, []byte("-"))
	if len(b) > 0 && b[0] == '0' {
		b = b[1:]
	} else if !digits() {
		return false
	}
	if len(b) > 0 && b[0] == '.' {
		if b = b[1:]; !digits() {
			return false
		}
	}
	if len(b) > 0 && b[0]|0x20 == 'e' {
		b = b[1:]
		if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
			b = b[1:]
		}
		if !digits() {
			return false
		}
	}
	return len(b) == 0
}

// skip passes over a value.
func (j *jsonText) skip(depth int) error {
	if depth > jsonDepth {
		return j.fault(j.at, fmt.Sprintf("values nested more than %d deep", jsonDepth), "less", "leave the key out")
	}
	switch j.peek() {
	case '{':
		return j.object(func(string, int) error { return j.skip(depth + 1) })
	case '[':
		return j.array(func() error { return j.skip(depth + 1) })
	case '"':
		_, err := j.str()
		return err
	}
	_, err := j.literal()
	return err
}
