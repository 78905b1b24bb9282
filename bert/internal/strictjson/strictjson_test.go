package strictjson

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	o, err := Parse([]byte("\ufeff {\"a\": 1, \"b\": {\"a\": [\"x\", {}]}, \"n\": null}\n"))
	if err != nil || len(o) != 3 || string(o["b"]) != `{"a": ["x", {}]}` || !o.Has("a") || o.Has("n") || o.Has("A") {
		t.Errorf("%s, %v", o, err)
	}
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	if _, err := Parse([]byte(deep(32))); err != nil {
		t.Error(err)
	}
	for text, want := range map[string]string{
		"":                                     `line 1: found the end, expected a JSON object`,
		"[]":                                   `found "[", expected a JSON object`,
		"{":                                    "found the end",
		"{} {}":                                `found "{" behind the object`,
		"{} x":                                 `found "x" behind the object`,
		"{\"a\": 1,\n\"a\": 2}":                `line 2: key "a" comes twice`,
		"{\"a\": 1, \"\\u0061\": 2}":           `key "a" comes twice`,
		`{"a": {"b": [{"c": 1, "c":1}]}`:       `in a list: key "c" comes twice`,
		"{\n\n\"hidden_dropout\": NaN}":        `line 3: hidden_dropout: found "NaN", expected a JSON value`,
		`{"a": 01}`:                            `found "1"`,
		`{"a": }`:                              `a: found "}", expected a JSON value`,
		`{"a" 1}`:                              `found "1"`,
		`{"a": 1 "b": 2}`:                      `found "\"b\":"`,
		`{"a": 1,}`:                            `found "}"`,
		`{a: 1}`:                               `found "a:", expected a key`,
		`{"a": 'x'}`:                           `a: found "'x'", expected a JSON value`,
		`{"a": "` + "\n" + `"}`:                `a: found`,
		"{\"a\": \"\xff\"}":                    "not UTF-8",
		deep(33):                               "nested more than 32 deep",
		strings.Repeat("[", 100_000):           `found "[`,
		`{"a":` + strings.Repeat("[", 100_000): "nested more than 32 deep",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
}

func TestRead(t *testing.T) {
	o, err := Parse([]byte(`{"i": 12, "f": 0.5, "e": 1e400, "big": 99999999999999999999, "s": "x", "b": true, "n": null, "l": ["a"], "o": {"x": 1}}`))
	if err != nil {
		t.Fatal(err)
	}
	var (
		i    = 7
		f    float64
		s    string
		b    bool
		list []string
		sub  Object
	)
	for _, c := range []struct {
		key  string
		dst  any
		want string
	}{
		{"i", &i, ""}, {"f", &f, ""}, {"s", &s, ""}, {"b", &b, ""}, {"l", &list, ""}, {"o", &sub, ""}, {"absent", &i, ""}, {"i", &f, ""},
		{"f", &i, "f is 0.5, expected an integer"},
		{"e", &f, "e is 1e400, expected a number"},
		{"big", &i, "expected an integer"},
		{"s", &i, `s is "x", expected an integer`},
		{"i", &s, "i is 12, expected a string"},
		{"i", &b, "i is 12, expected true or false"},
		{"n", &i, "n is null, expected an integer"},
		{"s", &list, `expected a list of strings`},
		{"l", &sub, `expected an object`},
	} {
		if err := o.Read(c.key, c.dst); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.key, err, c.want)
		}
	}
	if i != 12 || f != 12 || s != "x" || !b || len(list) != 1 || string(sub["x"]) != "1" {
		t.Error(i, f, s, b, list, sub)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{`{"a": 1, "b": {"c": [1, "x", null]}}`, `{"a":{"a":{}}}`, "{}", `{"a": 1, "a": 2}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := Parse(text)
		if (o == nil) != (err != nil) {
			t.Errorf("%v with %v", o, err)
		}
	})
}
