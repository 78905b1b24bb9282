package data

import (
	"strconv"
	"strings"
)

// A label cell is what it is, in every format and for every verb. This file reads what stands in one: 0 and 1 as programs write them,
// words for nothing, names between separators, and lists as pandas, Python, numpy and JSON print them.

// MissingLabels says what a word for nothing, such as nan, means where the labels of a row should stand.
type MissingLabels string

// The choices. The empty MissingLabels is RefuseMissing.
const (
	RefuseMissing  MissingLabels = "error"   // its row is a bad row
	UnknownMissing MissingLabels = "unknown" // nothing is known of the labels of the row
	NoneMissing    MissingLabels = "none"    // the row has no label
)

// nothing are the words that stand for a missing value where a program writes one: those that pandas reads as NaN
// (pandas/_libs/parsers.pyx, STR_NA_VALUES), and the dash of people.
var nothing = map[string]bool{
	"#N/A": true, "#N/A N/A": true, "#NA": true, "-1.#IND": true, "-1.#QNAN": true, "-NaN": true, "-nan": true, "1.#IND": true,
	"1.#QNAN": true, "<NA>": true, "N/A": true, "NA": true, "NULL": true, "NaN": true, "None": true, "n/a": true, "nan": true,
	"null": true, "-": true,
}

// ParseCell reads a cell of a 0/1 column: 0 and 1, also as numbers with a point (1.0), true and false, yes and no, in capitals too;
// an empty cell is Unknown. White space round it does not count. ok is false for anything else.
func ParseCell(cell string) (value int8, ok bool) {
	switch cell = strings.TrimSpace(cell); strings.ToLower(cell) {
	case "0", "false", "no":
		return 0, true
	case "1", "true", "yes":
		return 1, true
	case "":
		return Unknown, true
	}
	if strings.Trim(cell, "0123456789.") != "" {
		return 0, false
	}
	number, err := strconv.ParseFloat(cell, 64)
	return int8(number), err == nil && (number == 0 || number == 1)
}

// labelItem is an element of a list in a cell.
type labelItem struct {
	text   string
	quoted bool
}

// parseItems reads a cell that is a list as a program prints it: ['joy', "love"], [0, 1, 0], numpy's [0 1 0], (1, 0), {'joy'}, set().
// list is false for a cell that is none. The error says what is wrong with one that was begun.
func parseItems(cell string) (items []labelItem, list bool, err error) {
	if cell == "set()" {
		return nil, true, nil
	}
	inner, list := insideBrackets(cell)
	if !list {
		return nil, false, nil
	}
	if inner == cell[1:] { // nothing closes it
		return nil, true, badList(cell, "a list that nothing closes:")
	}
	for rest := strings.TrimSpace(inner); rest != ""; {
		var item labelItem
		item, rest, err = nextItem(rest)
		if err != nil || item.text == "..." {
			return nil, true, badList(cell, "a list that was cut, or is none:")
		}
		if strings.HasPrefix(rest, ":") {
			return nil, true, badList(cell, "an object:")
		}
		items = append(items, item)
		rest = strings.TrimSpace(strings.TrimPrefix(rest, ","))
	}
	if len(items) == 1 && !items[0].quoted {
		if fields := strings.Fields(items[0].text); len(fields) > 1 && isNumberWord(fields[0]) {
			items = items[:0]
			for _, field := range fields { // numpy writes no commas
				items = append(items, labelItem{field, false})
			}
		}
	}
	return items, true, nil
}

// insideBrackets returns what is between the brackets of a cell that is a list, or all behind the first one when the other is missing.
// Square brackets always make a list; round and curly ones do round quotes or numbers.
func insideBrackets(cell string) (inner string, list bool) {
	if len(cell) < 2 {
		return "", false
	}
	at := strings.IndexByte("[({", cell[0])
	if at < 0 {
		return "", false
	}
	inner = strings.TrimSpace(cell[1:])
	first := byte(0)
	if inner != "" {
		first = inner[0]
	}
	closed := cell[len(cell)-1] == "])}"[at]
	if closed {
		inner = cell[1 : len(cell)-1]
	} else {
		inner = cell[1:]
	}
	quoted := first == '\'' || first == '"'
	empty := strings.TrimSpace(inner) == ""
	switch {
	case at == 0:
		return inner, closed || quoted
	case closed && (empty || quoted):
		return inner, true
	}
	word, _, _ := strings.Cut(inner, ",")
	return inner, closed && strings.Contains(inner, ",") && isNumberWord(strings.TrimSpace(word))
}

// nextItem reads the first element of a list, and returns what is behind it.
func nextItem(s string) (item labelItem, rest string, err error) {
	if s[0] != '\'' && s[0] != '"' {
		end := strings.IndexByte(s, ',')
		if end < 0 {
			end = len(s)
		}
		item.text = strings.TrimSpace(s[:end])
		if item.text == "" || strings.ContainsAny(item.text, "[]") {
			return item, "", errNoItem
		}
		return item, s[end:], nil
	}
	text, end := quotedName(s)
	if end < 0 {
		return item, "", errNoItem
	}
	rest = strings.TrimLeft(s[end:], " \t\r\n")
	if rest != "" && !strings.ContainsRune(",:'\"", rune(rest[0])) {
		return item, "", errNoItem
	}
	return labelItem{text, true}, rest, nil
}

// errNoItem says that a list does not go on as one.
var errNoItem = &RowError{Found: "no element", Expected: "one"}

// quotedName reads what is between quotes at the beginning of s, with the escapes of Python and JSON, and the place behind it; -1 when
// nothing closes them.
func quotedName(s string) (name string, end int) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == s[0]:
			return b.String(), i + 1
		case s[i] != '\\':
			b.WriteByte(s[i])
		case strings.HasPrefix(s[i:], `\/`): // JSON only
			b.WriteByte('/')
			i++
		default:
			c, _, tail, err := strconv.UnquoteChar(s[i:], s[0])
			if err != nil {
				b.WriteByte(s[i])
				continue
			}
			i = len(s) - len(tail) - 1
			b.WriteRune(c)
		}
	}
	return "", -1
}

// badList is a cell that begins as a list and is none.
func badList(cell, found string) *RowError {
	return &RowError{Value: cut(cell), Found: found, Expected: "names, or a whole list such as ['joy', 'love'] or [0, 1, 0]",
		Hint: "write the names with the separator between them, or use JSONL with a list of names"}
}

// splitNames appends the names of a cell, which it cuts at the separator. White space round a name is no part of it, but a name in
// quotes keeps what is in them.
func splitNames(names []string, cell, separator string) []string {
	for {
		rest := strings.TrimLeft(cell, " \t")
		if name, behind, ok := leadingQuotes(rest, separator); ok {
			names = append(names, name)
			if behind == "" {
				return names
			}
			cell = behind[len(separator):]
			continue
		}
		name, behind, more := strings.Cut(cell, separator)
		names = append(names, strings.TrimSpace(name))
		if !more {
			return names
		}
		cell = behind
	}
}

// leadingQuotes returns the name in quotes that s begins with, if the separator or nothing comes behind it.
func leadingQuotes(s, separator string) (name, behind string, ok bool) {
	if s == "" || s[0] != '\'' && s[0] != '"' {
		return "", "", false
	}
	name, end := quotedName(s)
	if end < 0 {
		return "", "", false
	}
	behind = s[end:]
	if !strings.HasPrefix(behind, separator) {
		behind = strings.TrimLeft(behind, " \t")
	}
	return name, behind, behind == "" || strings.HasPrefix(behind, separator)
}
