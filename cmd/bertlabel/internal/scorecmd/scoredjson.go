package scorecmd

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/term"
)

// isJSON reports whether text begins as JSON lines do.
func isJSON(text *bufio.Reader) bool {
	for n := 1; ; n++ {
		head, err := text.Peek(n)
		if err != nil {
			return false
		}
		if c := head[n-1]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c == '{'
		}
	}
}

// readLines reads what predict writes by default, and appends the probabilities to cells, [rows, labels]. Labels stand in the order of
// the first row, as predict has them in all rows but those of --top-k. ids has one entry a row, empty for a row without one.
func readLines[T any](path string, text *bufio.Reader, parse func(string) (T, string), cells *[]T,
) (labels []string, ids []rowID, err error) {
	for number := 1; ; number++ {
		line, err := text.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return nil, nil, err
		}
		last := err == io.EOF
		if line = bytes.TrimSpace(line); len(line) > 0 {
			var row struct {
				ID            json.RawMessage
				Error         *string
				Probabilities json.RawMessage
			}
			if err := json.Unmarshal(line, &row); err != nil {
				return nil, nil, cli.Refused(path, number, "", err.Error(), "a line of predict")
			}
			if row.Error != nil || row.Probabilities == nil {
				return nil, nil, cli.Refused(path, number, "", "a row without probabilities", `"probabilities", as predict writes them`)
			}
			names, values, err := members(row.Probabilities)
			if labels == nil {
				labels = names
			}
			if err != nil || len(labels) == 0 || !slices.Equal(labels, names) {
				return nil, nil, cli.Refused(path, number, "probabilities", "other labels than in the row before, or none",
					"one probability for each label, in one order (predict without --top-k)")
			}
			for i, value := range values {
				cell, expected := parse(value)
				if expected != "" {
					return nil, nil, cli.Refused(path, number, names[i], term.Quoted(value), expected)
				}
				*cells = append(*cells, cell)
			}
			ids = append(ids, rowID{idText(row.ID), number})
		}
		if last {
			break
		}
	}
	return labels, ids, nil
}

// idText returns an id as a CSV file has it; "" for none.
func idText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// members returns the names of an object, each there once, and their values as they are written.
func members(object json.RawMessage) (names, values []string, err error) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	decoder.UseNumber()
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return nil, nil, fmt.Errorf("found %v, expected an object", start)
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, nil, err
		}
		value, err := decoder.Token()
		if err != nil {
			return nil, nil, err
		}
		if slices.Contains(names, name.(string)) {
			return nil, nil, fmt.Errorf("%q twice", name)
		}
		names, values = append(names, name.(string)), append(values, fmt.Sprint(value))
	}
	return names, values, nil
}
