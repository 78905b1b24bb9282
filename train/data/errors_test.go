package data

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// The messages are what a person acts on: each part stands where it is promised.
func TestMessages(t *testing.T) {
	last := &RowError{File: "f.csv", Line: 7, Column: "joy", Value: "2", Found: "the value", Expected: "0 or 1", Hint: "write 1"}
	for _, c := range []struct {
		err  error
		want string
	}{
		{last, `f.csv:7: column joy: found the value "2", expected 0 or 1; fix: write 1`},
		{&RowError{File: "f.jsonl", Line: 7, Byte: 12, Column: "labels", Found: "true", Expected: "0, 1 or null"},
			`f.jsonl:7: column 12 (labels): found true, expected 0, 1 or null`},
		{&RowError{File: "f.jsonl", Line: 7, Byte: 12, Found: "an array", Expected: "an object"},
			`f.jsonl:7: column 12: found an array, expected an object`},
		{&RowError{File: "labels.txt", Found: "no label", Expected: "at least one"}, `labels.txt: found no label, expected at least one`},
		{&BadRowsError{"f.csv", 3, 20, AtMostPercent(10), last}, `f.csv: found 3 bad rows among 20, expected at most 10%; the last one: ` +
			last.Error()},
		{&OptionError{"format", "is missing"}, `format: is missing`},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
	if errors.As(error(&BadRowsError{Last: last}), new(*RowError)) {
		t.Error("too many bad rows pass for one bad row")
	}
	line, err := json.Marshal(last)
	if want := `{"file":"f.csv","line":7,"column":"joy","value":"2","found":"the value","expected":"0 or 1","fix":"write 1"}`; err != nil ||
		string(line) != want {
		t.Errorf("%s, %v", line, err)
	}
}

// A message stays readable, whatever stands in the file.
func TestLongMessages(t *testing.T) {
	if got := cut(strings.Repeat("é", 80)); got != strings.Repeat("é", 80) {
		t.Errorf("80 characters are cut to %q", got)
	}
	if got := cut(strings.Repeat("é", 81)); got != strings.Repeat("é", 80)+"…" {
		t.Errorf("81 characters become %q", got)
	}
	var header, rows strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&header, "%scolumn%d%s", map[bool]string{true: ","}[i > 0], i, strings.Repeat("x", 500))
		fmt.Fprintf(&rows, "a,label%d%s\n", i, strings.Repeat("x", 500))
	}
	for _, content := range []string{header.String() + "\n", "text,labels\n" + rows.String()} {
		_, err := LoadFrom(strings.NewReader(content), "f.csv", Options{Labels: testLabels(t)})
		if err == nil || len(err.Error()) > 4000 {
			t.Errorf("a message of %d bytes", len(err.Error()))
		}
	}
}
