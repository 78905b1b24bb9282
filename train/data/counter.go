package data

import (
	"strconv"
	"strings"
)

// counter is a first column without a name that counts the rows: an index as pandas writes it, and no label.
type counter struct {
	there bool
	last  int // what the last row has
	rows  int
}

// isIndexName reports whether a first column may be such an index by its name: none, or what pandas makes of none when it writes a file
// that it has read.
func isIndexName(name string) bool { return name == "" || name == "Unnamed: 0" }

// check refuses a row whose first field does not count on. An index begins with 0 or 1 and rises; rows may have been taken out.
func (c *counter) check(field []byte) error {
	if !c.there {
		return nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(field)))
	if err != nil || c.rows == 0 && n != 0 && n != 1 || c.rows > 0 && n <= c.last {
		return &RowError{Column: "1", Value: cut(string(field)), Found: "a column without a name that does not count the rows:",
			Expected: "a name for each column", Hint: "name it, or name the columns of labels by `label_columns`; an index that pandas has " +
				"written is left out by to_csv(index=False)", fatal: true}
	}
	c.last = n
	c.rows++
	return nil
}

// note says that the column was passed over.
func (c *counter) note() []Note {
	if c.rows == 0 {
		return nil
	}
	return []Note{{"the first column has no name and counts the rows, as an index that pandas writes: it is no label and was left out",
		"Save without it (to_csv(index=False)), or name the columns of labels by `label_columns`"}}
}
