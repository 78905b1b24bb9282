package train

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"

	"bertlabel/train/metrics"
)

// logColumns are the first columns of metrics.csv. Behind them, in runs with dev data, stand those of metrics.Summary.
var logColumns = []string{"step", "epoch", "loss", "learning_rate", "grad_norm", "examples_per_second"}

// devPrefix stands before the names of metrics.Summary.
const devPrefix = "dev_"

// Log writes metrics.csv: one row at every LogSteps-th step, at the last one, and where dev data were evaluated. Observe is for
// Loop.Observe. A value that does not exist, and every dev value of a row without evaluation, is an empty field.
type Log struct {
	w        io.Writer
	logSteps int
	dev      bool
	line     []byte // of the row to write

	rows    int // since the last line
	seconds float64
}

// NewLog returns a log to w, which gets one Write a row. logSteps is Config.LogSteps; dev says whether there are dev columns.
func NewLog(w io.Writer, logSteps int, dev bool) *Log {
	return &Log{w: w, logSteps: logSteps, dev: dev}
}

// Header writes the first line: a new file needs it.
func (l *Log) Header() error {
	l.line = l.line[:0]
	for _, name := range logColumns {
		l.field(name)
	}
	if l.dev {
		for name := range new(metrics.Summary).All() {
			l.field(devPrefix + name)
		}
	}
	return l.end()
}

// Observe writes the row of a step that has one.
func (l *Log) Observe(p Progress) error {
	l.rows, l.seconds = l.rows+p.Rows, l.seconds+p.Seconds
	if p.LeftOut != "" {
		p.Loss, p.GradNorm = math.NaN(), math.NaN()
	}
	if !p.Last && p.Dev == nil && (l.logSteps == 0 || p.Step%int64(l.logSteps) != 0) {
		return nil
	}
	l.line = l.line[:0]
	l.field(strconv.FormatInt(p.Step, 10))
	l.number(p.Epoch, 64)
	l.number(p.Loss, 64)
	l.number(float64(p.LearningRate), 32)
	l.number(p.GradNorm, 64)
	l.number(math.Round(10*float64(l.rows)/l.seconds)/10, 64)
	l.rows, l.seconds = 0, 0
	if l.dev {
		l.devFields(p.Dev)
	}
	return l.end()
}

// devFields appends the dev columns, empty ones for a nil report.
func (l *Log) devFields(dev *metrics.Report) {
	if dev == nil {
		for range new(metrics.Summary).All() {
			l.field("")
		}
		return
	}
	for _, value := range dev.All() {
		l.number(float64(value), 64)
	}
}

// number appends a field: the shortest decimal that gives back the float of so many bits, nothing for NaN.
func (l *Log) number(x float64, bits int) {
	text := ""
	if finite(x) {
		text = strconv.FormatFloat(x, 'g', -1, bits)
	}
	l.field(text)
}

// field appends a field that needs no quotes.
func (l *Log) field(text string) { l.line = append(append(l.line, text...), ',') }

// end writes the row.
func (l *Log) end() error {
	l.line[len(l.line)-1] = '\n'
	_, err := l.w.Write(l.line)
	return err
}

// TrimLog copies a metrics.csv up to and with the rows of step, so that a run that goes on behind that step can append to it. A
// last line without a newline, as a crash leaves it, is dropped.
func TrimLog(dst io.Writer, src io.Reader, step int64) error {
	lines := bufio.NewReader(src)
	for n := 0; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if n > 0 {
			field, _, _ := bytes.Cut(line, []byte(","))
			at, err := strconv.ParseInt(string(field), 10, 64)
			if err != nil {
				return fmt.Errorf("metrics.csv line %d: step is %.20q, want a number", n+1, field)
			}
			if at > step {
				return nil
			}
		}
		if _, err := dst.Write(line); err != nil {
			return err
		}
	}
}
