package data

import (
	"fmt"
	"strings"
)

// separators are what people join names by, beside the comma.
var separators = []string{";", "|", "\t", ","}

// joined is a name with another separator in it than the one given.
type joined struct {
	name string
	line int // where it stands first
}

// separatorCheck watches for names that are several, joined by another separator than the one given.
type separatorCheck struct {
	given string
	cells int                 // cells with names
	with  map[string]int      // cells with the separator in them
	names map[string][]joined // names with the separator in them, each once
	seen  map[string]bool
}

func newSeparatorCheck(given string) *separatorCheck {
	return &separatorCheck{given: given, with: map[string]int{}, names: map[string][]joined{}, seen: map[string]bool{}}
}

// cell looks at the names of one cell, which the label list lacks.
func (c *separatorCheck) cell(names []string, line int) {
	c.cells++
	for _, separator := range separators {
		found := false
		for _, name := range names {
			if !strings.Contains(name, separator) || strings.Contains(c.given, separator) {
				continue
			}
			found = true
			if key := separator + name; !c.seen[key] {
				c.seen[key] = true
				c.names[separator] = append(c.names[separator], joined{name, line})
			}
		}
		if found {
			c.with[separator]++
		}
	}
}

// fault says that another separator stands in most cells, or joins labels of the list; nil when none does. A comma has to join labels:
// it stands in many names.
func (c *separatorCheck) fault(list *LabelList, column string) *RowError {
	var bad *RowError
	for _, separator := range separators {
		names := c.names[separator]
		if len(names) == 0 {
			continue
		}
		at := -1
		for i, j := range names {
			if joins(j.name, separator, list) {
				at = i
				break
			}
		}
		if at < 0 && (separator == "," || 2*c.with[separator] <= c.cells) {
			continue
		}
		if bad != nil {
			bad.Hint = "write one separator in all rows, and give it by `label_separator`"
			break
		}
		name := names[max(at, 0)]
		bad = &RowError{Line: name.line, Column: column, Value: cut(name.name), Found: fmt.Sprintf("labels joined by %q:", separator),
			Expected: fmt.Sprintf("labels joined by %q", c.given),
			Hint:     "give `label_separator` " + separatorWord(separator) + "; if it is the name of one label, list the labels by `labels`"}
	}
	return bad
}

// joins reports whether a name is several of the list, joined by the separator.
func joins(name, separator string, list *LabelList) bool {
	parts := strings.Split(name, separator)
	for _, part := range parts {
		if _, there := list.places[strings.TrimSpace(part)]; !there {
			return false
		}
	}
	return len(parts) > 1
}

// separatorWord writes a separator so that a shell hands it on.
func separatorWord(separator string) string {
	if separator == "\t" {
		return "tab"
	}
	return `"` + separator + `"`
}

// fromWord returns the separator or delimiter that a word of an option stands for.
func fromWord(word string) string {
	if word == "tab" || word == `\t` {
		return "\t"
	}
	return word
}
