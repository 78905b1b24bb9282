package scorecmd

import (
	"bufio"
	"encoding/csv"
	"io"
	"strconv"

	"bertlabel/bert/model"
	"bertlabel/train/score"
)

// predictionWriter writes the output of predict: JSONL (score.Line), or a CSV or TSV table with the id and one probability a label.
// Numbers are in the shortest form that gives back the float32.
type predictionWriter struct {
	w     *bufio.Writer
	m     *model.Model
	form  score.Line
	table *csv.Writer // nil for JSONL

	rows  int
	line  []byte
	cells []string
}

func newPredictionWriter(w io.Writer, format string, m *model.Model, topK int, logits bool) *predictionWriter {
	p := &predictionWriter{w: bufio.NewWriterSize(w, 1<<16), m: m, form: score.Line{TopK: topK, Logits: logits}}
	if format != "jsonl" {
		p.table = csv.NewWriter(p.w)
		if format == "tsv" {
			p.table.Comma = '\t'
		}
		p.table.Write(append([]string{"id"}, m.Labels...)) // an error comes again at Flush
	}
	return p
}

// Flush hands everything on to the writer below.
func (p *predictionWriter) Flush() error {
	if p.table != nil {
		p.table.Flush()
		if err := p.table.Error(); err != nil {
			return err
		}
	}
	return p.w.Flush()
}

// row writes a row: its prediction or, of a bad one, its place.
func (p *predictionWriter) row(row *score.Row) error {
	p.rows++
	if p.table == nil {
		p.line = p.form.Append(p.line[:0], p.m, row)
		_, err := p.w.Write(p.line)
		return err
	}
	id := strconv.Itoa(p.rows - 1) // without one, the number of the row from 0
	if row.HasID {
		id = row.ID
	}
	p.cells = append(p.cells[:0], id)
	for i := range p.m.Labels {
		cell := ""
		if row.Bad == nil {
			cell = strconv.FormatFloat(float64(row.Prediction.Probabilities[i]), 'g', -1, 32)
		}
		p.cells = append(p.cells, cell)
	}
	return p.table.Write(p.cells)
}
