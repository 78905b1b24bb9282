// Package strictjson reads the JSON files of a model. encoding/json alone would take the last of two equal keys, match keys in any
// letter case, take null for a zero, and nest as deep as the file likes.
package strictjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"
)

// maxDepth is how deep objects and lists may nest.
const maxDepth = 32

// Object has the values of a JSON object, unparsed, by its keys.
type Object map[string]json.RawMessage

// Parse reads a text that is one JSON object; a byte order mark before it is passed over. The error names line and key: of what
// is no JSON, of a key that comes twice in any object, and of objects and lists that are nested more than 32 deep.
func Parse(text []byte) (Object, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := checkFile(dec, text); err != nil {
		line := 1 + bytes.Count(text[:dec.InputOffset()], []byte("\n"))
		return nil, fmt.Errorf("line %d: %w", line, err)
	}
	var o Object
	return o, json.Unmarshal(text, &o)
}

// checkFile reads the whole text: one object and nothing after it.
func checkFile(dec *json.Decoder, text []byte) error {
	if start := bytes.TrimLeft(text, " \t\r\n"); !bytes.HasPrefix(start, []byte("{")) {
		return fmt.Errorf("found %s, expected a JSON object", excerpt(start))
	}
	if err := check(dec, text, 0); err != nil {
		return err
	}
	rest := text[dec.InputOffset():]
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("found %s behind the object", excerpt(rest))
	}
	return nil
}

// check reads one value that stands depth levels deep.
func check(dec *json.Decoder, text []byte, depth int) error {
	token, err := dec.Token()
	if err != nil {
		return fmt.Errorf("found %s, expected a JSON value", excerpt(text[dec.InputOffset():]))
	}
	delim, nested := token.(json.Delim)
	if !nested {
		return nil
	}
	if depth == maxDepth {
		return fmt.Errorf("nested more than %d deep", maxDepth)
	}
	keys := map[string]bool{}
	for dec.More() {
		place := "in a list"
		if delim == '{' {
			key, err := dec.Token()
			name, ok := key.(string)
			if err != nil || !ok {
				return fmt.Errorf("found %s, expected a key", excerpt(text[dec.InputOffset():]))
			}
			if place = name; keys[name] {
				return fmt.Errorf("key %.80q comes twice", name)
			}
			keys[name] = true
		}
		if err := check(dec, text, depth+1); err != nil {
			return within(place, err)
		}
	}
	if _, err := dec.Token(); err != nil { // the closing bracket
		return fmt.Errorf("found %s, expected the end of what begins with %v", excerpt(text[dec.InputOffset():]), delim)
	}
	return nil
}

// within names the place of an error, once: the innermost key.
func within(place string, err error) error {
	if _, placed := err.(placedError); placed {
		return err
	}
	return placedError{fmt.Errorf("%.80s: %w", place, err)}
}

type placedError struct{ error }

// excerpt shows what a text begins with.
func excerpt(text []byte) string {
	text = bytes.TrimLeft(text, " \t\r\n:,")
	if len(text) == 0 {
		return "the end"
	}
	if end := bytes.IndexAny(text, " \t\r\n,]}"); end > 0 {
		text = text[:end]
	}
	return fmt.Sprintf("%.40q", text)
}

// Has reports whether the object has the key, with a value that is not null.
func (o Object) Has(key string) bool {
	raw, ok := o[key]
	return ok && string(raw) != "null"
}

// Read sets dst, a pointer, to the value of a key that is there. The error names key, value and the type that dst has.
func (o Object) Read(key string, dst any) error {
	raw, ok := o[key]
	if ok && (string(raw) == "null" || json.Unmarshal(raw, dst) != nil) {
		return fmt.Errorf("%s is %.40s, expected %s", key, raw, describe(dst))
	}
	return nil
}

func describe(dst any) string {
	switch dst.(type) {
	case *bool, **bool:
		return "true or false"
	case *int:
		return "an integer"
	case *float64:
		return "a number"
	case *string:
		return "a string"
	case *[]string:
		return "a list of strings"
	case *map[string]float32:
		return "an object of numbers"
	case *map[string]string:
		return "an object of strings"
	case *map[string]int:
		return "an object of integers"
	case *Object:
		return "an object"
	}
	return fmt.Sprintf("a value for %T", dst)
}
