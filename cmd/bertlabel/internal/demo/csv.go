package demo

import (
	"encoding/csv"
	"io"
	"strings"
)

// WriteCSV writes rows with the header id,text,labels; the labels are names, separated by commas.
func WriteCSV(w io.Writer, rows []Row) error {
	names := Labels()
	out := csv.NewWriter(w)
	out.Write([]string{"id", "text", "labels"})
	for _, row := range rows {
		var has []string
		for i, applies := range row.Labels {
			if applies {
				has = append(has, names[i])
			}
		}
		out.Write([]string{row.ID, row.Text, strings.Join(has, ",")})
	}
	out.Flush()
	return out.Error()
}
