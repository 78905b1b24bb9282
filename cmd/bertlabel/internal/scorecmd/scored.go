package scorecmd

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/term"
	"bertlabel/train/data"
	"bertlabel/train/metrics"
)

// readScored reads the two files of the verb metrics. Labels stand in the order of the truth.
func readScored(a *cli.App, o metricsOptions) (d metrics.Data, err error) {
	truthPath, scoresPath, parseTruth := o.Truth, o.Scores, parseTruth(o.Binarize)
	if truthPath == "-" && scoresPath == "-" {
		return d, cli.Usagef("--truth and --scores are both stdin")
	}
	var truth []string
	var truthIDs []rowID
	if truthPath == "-" { // which may take a while to come
		if truth, truthIDs, err = readCells(a, truthPath, parseTruth, &d.Truth); err != nil {
			return d, err
		}
	}
	scores, scoresIDs, err := readCells(a, scoresPath, parseScore, &d.Scores)
	if err != nil {
		return d, err
	}
	list, err := data.NewLabelList(scores, "the scores")
	if err != nil {
		return d, cli.WithCode(cli.ExitData, err)
	}
	if truthPath == "-" {
		err = nil
	} else if isRows(truthPath, list) {
		truth = scores
		truthIDs, d.Truth, err = readRows(truthPath, data.Options{Labels: list, Binarize: o.Binarize})
	} else {
		truth, truthIDs, err = readCells(a, truthPath, parseTruth, &d.Truth)
	}
	if err != nil {
		return d, err
	}
	if err := sameLabels(truthPath, scoresPath, truth, scores); err != nil {
		return d, err
	}
	if n, want := len(d.Scores)/len(scores), len(d.Truth)/len(truth); n != want {
		return d, cli.Refused(scoresPath, 0, "", fmt.Sprintf("%d rows", n), fmt.Sprintf("%d, as in %s", want, truthPath))
	}
	for i := range min(len(truthIDs), len(scoresIDs)) {
		if t, s := truthIDs[i], scoresIDs[i]; t.text != s.text && t.text != "" && s.text != "" {
			return d, cli.Refused(scoresPath, s.line, "id", term.Quoted(s.text),
				fmt.Sprintf("%s, as on line %d of %s", term.Quoted(t.text), t.line, truthPath))
		}
	}
	d.Labels = truth
	if !slices.Equal(truth, scores) {
		a.Log.Infof("%s has its columns in another order than %s; they are matched by name", scoresPath, truthPath)
		d.Scores = reorder(d.Scores, scores, truth)
	}
	return d, nil
}

// isRows reports whether the truth is a file of texts and their labels as eval reads it, and no table of cells alone.
func isRows(path string, list *data.LabelList) bool {
	format, err := data.FormatOf(path)
	if err != nil || path == "-" {
		return false
	}
	if format != data.CSV {
		return true
	}
	r, err := data.Open(path, data.Options{Labels: list})
	if err != nil {
		return false // and so no texts
	}
	defer r.Close()
	return r.NamesLabels()
}

// readRows reads the truth from such a file, whose labels are those of the scores.
func readRows(path string, o data.Options) (ids []rowID, truth []int8, err error) {
	set, err := data.Load(path, o)
	if err != nil {
		return nil, nil, err
	}
	for i, id := range set.IDs {
		ids = append(ids, rowID{id, set.Line(i)})
	}
	return ids, set.Y, nil
}

// reorder returns row-major cells whose columns are from, with the columns to, the same names in another order.
func reorder(cells []float32, from, to []string) []float32 {
	out, column := make([]float32, len(cells)), make([]int, len(to))
	for j, name := range to {
		column[j] = slices.Index(from, name)
	}
	for i := range out {
		out[i] = cells[i-i%len(to)+column[i%len(to)]]
	}
	return out
}

// sameLabels refuses scores whose label columns are not those of the truth.
func sameLabels(truthPath, scoresPath string, truth, scores []string) error {
	for _, name := range truth {
		if !slices.Contains(scores, name) {
			return cli.Refused(scoresPath, 1, "", "no column "+term.Quoted(name), "one, as in "+truthPath)
		}
	}
	for _, name := range scores {
		if !slices.Contains(truth, name) {
			return cli.Refused(scoresPath, 1, name, "a column that "+truthPath+" lacks", "the same label columns in both files")
		}
	}
	return nil
}

// rowID is the id of a row and where it stands.
type rowID struct {
	text string
	line int
}

// notLabels are the columns of a data file that hold no label.
var notLabels = []string{"id", "row", "text", "text_pair"}

// readCells reads a CSV file with a header of label names, or what predict has written as JSON lines, appends its cells to cells,
// [rows, labels], and returns the names. ids has one entry a row where there is a column of that name.
func readCells[T any](a *cli.App, path string, parse func(string) (T, string), cells *[]T) (labels []string, ids []rowID, err error) {
	in, err := a.OpenInput(path)
	if err != nil {
		return nil, nil, err
	}
	defer in.Close()
	text := bufio.NewReader(in)
	if bom, _ := text.Peek(3); string(bom) == "\xef\xbb\xbf" {
		text.Discard(3)
	}
	if isJSON(text) {
		return readLines(path, text, parse, cells)
	}
	reader := csv.NewReader(text)
	reader.ReuseRecord = true
	header, err := reader.Read()
	if err != nil {
		return nil, nil, csvError(path, nil, err)
	}
	header = slices.Clone(header)
	if labels, err = labelColumns(path, header); err != nil {
		return nil, nil, err
	}
	for {
		record, err := reader.Read()
		if err == io.EOF && len(*cells) > 0 {
			return labels, ids, nil
		}
		if err != nil {
			return nil, nil, csvError(path, header, err)
		}
		for i, field := range record {
			line, _ := reader.FieldPos(i)
			if header[i] == "id" {
				ids = append(ids, rowID{strings.Clone(field), line})
			}
			if slices.Contains(notLabels, header[i]) {
				continue
			}
			cell, expected := parse(field)
			if expected != "" {
				return nil, nil, cli.Refused(path, line, header[i], term.Quoted(field), expected)
			}
			*cells = append(*cells, cell)
		}
	}
}

// labelColumns returns the names in the header that are labels.
func labelColumns(path string, header []string) (labels []string, err error) {
	for i, name := range header {
		switch {
		case name == "":
			return nil, cli.Refused(path, 1, strconv.Itoa(i+1), "a column without a name", "the name of a label")
		case !utf8.ValidString(name):
			return nil, cli.Refused(path, 1, strconv.Itoa(i+1), term.Quoted(name), "a name in UTF-8")
		case slices.Contains(header[:i], name):
			return nil, cli.Refused(path, 1, name, "two columns of that name", "one")
		case !slices.Contains(notLabels, name):
			labels = append(labels, name)
		}
	}
	if len(labels) == 0 {
		return nil, cli.Refused(path, 1, "", "no label column", "one column per label")
	}
	return labels, nil
}

// parseTruth returns what reads 0, 1 or nothing, and a share that is 1 from binarize on unless that is 0; else it says what it expects.
func parseTruth(binarize float64) func(field string) (truth int8, expected string) {
	return func(field string) (truth int8, expected string) {
		if truth, ok := data.ParseCell(field); ok {
			return truth, ""
		}
		share, is := data.ParseShare(field)
		switch {
		case !is:
			return 0, "0, 1 or nothing (unknown)"
		case binarize == 0:
			return 0, "0, 1 or nothing (unknown); fix: say from which share on a label counts: --binarize 0.5"
		case share >= binarize:
			return 1, ""
		}
		return 0, ""
	}
}

// parseScore reads a probability, else says what it expects.
func parseScore(field string) (score float32, expected string) {
	v, err := strconv.ParseFloat(field, 32)
	if err != nil || !(v >= 0 && v <= 1) {
		return 0, "a probability from 0 to 1"
	}
	return float32(v), ""
}

// csvError puts file, line and column into an error of the CSV reader.
func csvError(path string, header []string, err error) error {
	var parse *csv.ParseError
	switch {
	case err == io.EOF && header == nil:
		return cli.Refused(path, 1, "", "nothing", "a header of label names")
	case err == io.EOF:
		return cli.Refused(path, 2, "", "no rows", "a row for each text")
	case errors.Is(err, csv.ErrFieldCount) && errors.As(err, &parse):
		return cli.Refused(path, parse.StartLine, "", "another number of fields", fmt.Sprintf("%d, as in the header", len(header)))
	case errors.As(err, &parse):
		return cli.Refused(path, parse.Line, fmt.Sprintf("byte %d", parse.Column), parse.Err.Error(), "CSV as RFC 4180 has it")
	}
	return err
}
