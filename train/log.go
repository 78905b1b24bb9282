package train

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strconv"

	"bertlabel/checkpoint/atomic"
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

// OpenLog opens a metrics.csv for a run that stands after step after: the rows up to that stay, those after it come again. With 0, or
// where no file is, it begins with the header. The caller closes the file.
func OpenLog(path string, after int64, logSteps int, dev bool) (*Log, *os.File, error) {
	goesOn, err := false, error(nil)
	if after > 0 {
		if goesOn, err = trimFile(path, after); err != nil {
			return nil, nil, err
		}
	}
	flags := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if goesOn {
		flags = os.O_WRONLY | os.O_APPEND
	}
	f, err := os.OpenFile(path, flags, 0o666)
	if err != nil {
		return nil, nil, err
	}
	l := NewLog(f, logSteps, dev)
	if !goesOn {
		err = l.Header()
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return l, f, nil
}

// trimFile takes the rows after step out of a metrics.csv; false if there is none.
func trimFile(path string, step int64) (found bool, err error) {
	old, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer old.Close()
	return true, atomic.WriteFile(atomic.OS{}, path, func(w io.Writer) error { return TrimLog(w, old, step) })
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

// TrimLog copies a metrics.csv up to and with the rows of step, so that a run that goes on after that step can append to it. A
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
