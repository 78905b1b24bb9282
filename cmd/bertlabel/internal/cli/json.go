package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// WriteIndented writes an object as JSON for people: indented, and nothing escaped that need not be.
func WriteIndented(w io.Writer, object any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(object)
}

// WriteJSON writes an object as JSON to stdout, and what is in it to stderr for people.
func WriteJSON(a *App, object any, table func(io.Writer) error) error {
	encoder := json.NewEncoder(a.Stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(object); err != nil {
		return err
	}
	if a.Quiet || a.LogFormat == "json" {
		return nil
	}
	return table(a.Stderr)
}

// maxNumbersBytes is the most that a file of numbers by label may have.
const maxNumbersBytes = 64 << 20

// ReadNumbers reads a JSON object of label name to number from a file that is called path into byName, a pointer to a map.
func ReadNumbers(in io.Reader, path string, byName any) error {
	text, err := io.ReadAll(io.LimitReader(in, maxNumbersBytes))
	if err != nil {
		return err
	}
	if err := checkTwice(text); err != nil {
		return Usagef("%s: %w", path, err)
	}
	if err := json.Unmarshal(text, byName); err != nil {
		return Refused(path, jsonLine(text, err), "", err.Error(), "a JSON object of label name to number")
	}
	return nil
}

// checkTwice refuses a key that comes twice in an object: encoding/json would take the last of them. What is no JSON is for others.
func checkTwice(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	lines := map[string]int{}
	for dec.More() {
		t, err := dec.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return nil
		}
		line := 1 + bytes.Count(text[:dec.InputOffset()], []byte("\n"))
		if first, twice := lines[key]; twice {
			return fmt.Errorf("key %.80q comes twice, on line %d and on line %d", key, first, line)
		}
		lines[key] = line
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return nil
		}
	}
	return nil
}

// jsonLine returns the line of a JSON error.
func jsonLine(text []byte, err error) int {
	offset := int64(len(text))
	var syntax *json.SyntaxError
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &syntax) {
		offset = syntax.Offset
	} else if errors.As(err, &wrongType) {
		offset = wrongType.Offset
	}
	return 1 + bytes.Count(text[:min(int(offset), len(text))], []byte("\n"))
}
