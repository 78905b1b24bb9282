package scorecmd

import (
	"bufio"
	"encoding/csv"
	"io"
	"strconv"

	"bertlabel/bert/model"
	"bertlabel/train/data"
	"bertlabel/train/score"
)

// predictionWriter writes the output of predict: JSONL (score.Line), or a CSV or TSV table with the id, empty for a row without one, and
// one probability a label. Where the input has no ids at all, the table has the number of each row from 1, too. Numbers are in the shortest
// form that gives back the float32.
type predictionWriter struct {
	w     *bufio.Writer
	m     *model.Model
	in    *data.Reader // nil for a part, whose rows have ids where the output is a table
	form  score.Line
	table *csv.Writer // nil for JSONL

	begun    bool // the header is written
	numbered bool // there is a column of row numbers
	rows     int
	line     []byte
	cells    []string
}

func newPredictionWriter(w io.Writer, format string, m *model.Model, in *data.Reader, topK int, logits bool) *predictionWriter {
	p := &predictionWriter{w: bufio.NewWriterSize(w, 1<<16), m: m, in: in, form: score.Line{TopK: topK, Logits: logits}}
	if format != "jsonl" {
		p.table = csv.NewWriter(p.w)
		if format == "tsv" {
			p.table.Comma = '\t'
		}
	}
	return p
}

// partWriter writes the rows of a part.
type partWriter struct{ *predictionWriter }

// Row implements shard.Writer.
func (p partWriter) Row(row *score.Row) error { return p.row(row) }

// Flush hands everything on to the writer below.
func (p *predictionWriter) Flush() error {
	if p.table != nil {
		p.begin(true)
		p.table.Flush()
		if err := p.table.Error(); err != nil {
			return err
		}
	}
	return p.w.Flush()
}

// begin writes the header of a table. Whether the rows have ids is settled by the header of the input, else by its first row.
func (p *predictionWriter) begin(firstHasID bool) {
	if p.begun {
		return
	}
	has, known := true, true // of a part
	if p.in != nil {
		has, known = p.in.IDColumn()
	}
	p.begun, p.numbered = true, known && !has || !known && !firstHasID
	header := []string{"id"}
	if p.numbered {
		header = append(header, "row")
	}
	p.table.Write(append(header, p.m.Labels...)) // an error comes again at Flush
}

// row writes a row: its prediction or, of a bad one, its place.
func (p *predictionWriter) row(row *score.Row) error {
	p.rows++
	if p.table == nil {
		p.line = p.form.Append(p.line[:0], p.m, row)
		_, err := p.w.Write(p.line)
		return err
	}
	p.begin(row.HasID)
	p.cells = append(p.cells[:0], row.ID)
	if p.numbered {
		p.cells = append(p.cells, strconv.Itoa(p.rows))
	}
	for i := range p.m.Labels {
		cell := ""
		if row.Bad == nil {
			cell = strconv.FormatFloat(float64(row.Prediction.Probabilities[i]), 'g', -1, 32)
		}
		p.cells = append(p.cells, cell)
	}
	return p.table.Write(p.cells)
}
