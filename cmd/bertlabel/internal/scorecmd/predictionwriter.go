package scorecmd

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"io"
	"math"
	"slices"
	"strconv"

	"bertlabel/bert/model"
	"bertlabel/train/data"
)

// predictionWriter writes the output of predict: JSONL, or a CSV or TSV table with the id and one probability a label. Numbers
// are in the shortest form that gives back the float32.
type predictionWriter struct {
	w      *bufio.Writer
	m      *model.Model
	topK   int // labels shown; 0: all, in label order
	logits bool
	names  [][]byte    // labels as JSON strings
	table  *csv.Writer // nil for JSONL

	rows  int
	line  []byte
	order []int
	cells []string
}

func newPredictionWriter(w io.Writer, format string, m *model.Model, topK int, logits bool) *predictionWriter {
	p := &predictionWriter{w: bufio.NewWriterSize(w, 1<<16), m: m, topK: topK, logits: logits}
	for _, label := range m.Labels {
		p.names = append(p.names, jsonString(label))
	}
	if format != "jsonl" {
		p.table = csv.NewWriter(p.w)
		if format == "tsv" {
			p.table.Comma = '\t'
		}
		p.table.Write(append([]string{"id"}, m.Labels...)) // an error comes again at Flush
	}
	return p
}

// jsonString returns s as a JSON string; <, > and & stay as they are.
func jsonString(s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(err) // a string can always be encoded
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
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

// row writes one prediction.
func (p *predictionWriter) row(ex *data.Example, pred model.Prediction) error {
	p.rows++
	if p.table != nil {
		p.cells = append(p.cells[:0], p.id(ex))
		for _, v := range pred.Probabilities {
			p.cells = append(p.cells, strconv.FormatFloat(float64(v), 'g', -1, 32))
		}
		return p.table.Write(p.cells)
	}
	p.begin(ex)
	p.line = append(p.line, `"labels":[`...)
	first := true
	for i, v := range pred.Probabilities {
		if p.m.Predicts(i, v) {
			p.comma(&first)
			p.line = append(p.line, p.names[i]...)
		}
	}
	p.line = append(p.line, `],"probabilities":`...)
	p.rank(pred.Probabilities)
	p.object(pred.Probabilities)
	if p.logits {
		p.line = append(p.line, `,"logits":`...)
		p.object(pred.Logits)
	}
	return p.end()
}

// refused writes the place of a row that could not be read: its id if it has one, and the error.
func (p *predictionWriter) refused(ex *data.Example, err error) error {
	p.rows++
	if p.table != nil {
		p.cells = append(p.cells[:0], p.id(ex))
		for range p.m.Labels {
			p.cells = append(p.cells, "")
		}
		return p.table.Write(p.cells)
	}
	p.begin(ex)
	p.line = append(p.line, `"error":`...)
	p.line = append(p.line, jsonString(err.Error())...)
	return p.end()
}

// id is what stands in a table for a row: its id, else its number from 0.
func (p *predictionWriter) id(ex *data.Example) string {
	if ex.HasID {
		return ex.ID
	}
	return strconv.Itoa(p.rows - 1)
}

func (p *predictionWriter) begin(ex *data.Example) { p.line = appendID(append(p.line[:0], '{'), ex) }

// appendID appends "id":…, if the row has an id, as it was given: a number stays a number.
func appendID(dst []byte, ex *data.Example) []byte {
	switch {
	case !ex.HasID:
		return dst
	case ex.NumericID:
		return append(append(append(dst, `"id":`...), ex.ID...), ',')
	}
	return append(append(append(dst, `"id":`...), jsonString(ex.ID)...), ',')
}

func (p *predictionWriter) end() error {
	_, err := p.w.Write(append(p.line, '}', '\n'))
	return err
}

func (p *predictionWriter) comma(first *bool) {
	if !*first {
		p.line = append(p.line, ',')
	}
	*first = false
}

// rank sets order to the labels that are shown.
func (p *predictionWriter) rank(probabilities []float32) {
	p.order = p.order[:0]
	for i := range probabilities {
		p.order = append(p.order, i)
	}
	if p.topK > 0 {
		slices.SortStableFunc(p.order, func(a, b int) int { return cmp.Compare(probabilities[b], probabilities[a]) })
		p.order = p.order[:min(p.topK, len(p.order))]
	}
}

// object appends {"label":value,…} for the labels in order.
func (p *predictionWriter) object(values []float32) {
	p.line = append(p.line, '{')
	first := true
	for _, i := range p.order {
		p.comma(&first)
		p.line = append(append(p.line, p.names[i]...), ':')
		p.line = appendFloat(p.line, values[i])
	}
	p.line = append(p.line, '}')
}

// appendFloat appends a finite float32 as JSON: the shortest decimal that gives it back.
func appendFloat(dst []byte, v float32) []byte {
	format := byte('f')
	if abs := math.Abs(float64(v)); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, float64(v), format, -1, 32)
}
