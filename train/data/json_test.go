package data

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// Numbers and other values are taken or refused as encoding/json does it.
func TestJSONValues(t *testing.T) {
	for _, s := range []string{
		"0", "-0", "1", "-1", "10", "01", "-", "+1", ".5", "1.", "1.5", "-1.50", "1e5", "1E-5", "1e+05", "1e", "1e+", "1.e5", "0x10",
		"1_000", "1e5.5",
		"true", "false", "null", "True", "nul", "nulll", "", "NaN", "Infinity", "-Infinity", "inf", "nan1",
		`""`, `"a`, `"\u00e9"`, `"\u00g9"`, `"\u00"`, `"\`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ud83dx"`, `"\ude00\ud83d"`, `"\ud83d\ud83d"`,
		`"\/\b\f\n\r\t\"\\"`, `"\a"`, "\"\x1f\"", "\"\x7f\"", "\"\t\"",
		"[]", "[ ]", "[1]", "[1,2]", "[1,]", "[,1]", "[1 2]", "[", "]", "[1", "[1,", "[[]]", "{}", "{ }", `{"a":1}`, `{"a":1,}`, `{"a"}`,
		`{"a":}`, `{a:1}`, `{"a":1 "b":2}`, `{"a":1,,"b":2}`, `{`, `}`, `{"a":{"b":[{}]}}`, "'a'", "1 2", "//",
	} {
		j := jsonText{b: []byte(s)}
		err := j.skip(1)
		if err == nil {
			err = j.end()
		}
		if json.Valid([]byte(s)) != (err == nil) {
			t.Errorf("%s: %v, encoding/json says valid: %v", s, err, json.Valid([]byte(s)))
		}
	}
}

// A row without labels is told of keys for single labels only if it has some: not for its text, its pair or its id.
func TestHintOfMissingLabels(t *testing.T) {
	for row, want := range map[string]bool{
		`{"text": "a", "text_pair": "b", "id": 1}`: false,
		`{"text": "a", "text_b": "b"}`:             false,
		`{"text": "a", "joy": 1}`:                  true,
	} {
		_, err := LoadFrom(strings.NewReader(row+"\n"), "f.jsonl", Options{})
		if bad := new(RowError); !errors.As(err, &bad) || strings.Contains(bad.Hint, "label_columns") != want {
			t.Errorf("%s: %v, hint of label_columns: want %t", row, err, want)
		}
	}
}
