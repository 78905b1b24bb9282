package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/train/data"
)

// rowStream takes rows from a reader to the encoder. A goroutine reads and tokenises ahead, by at most readAhead rows; the
// encoder takes what has come so far, so the first row is answered at once, and a long input goes in chunks that keep all
// threads busy. Memory does not grow with the input.
type rowStream struct {
	a     *app
	m     *model.Model
	in    *data.Reader
	flags *dataFlags
	input string // name of the input
	work  string // what the progress display calls it

	policy data.BadRows   // what a row that cannot be used does
	onLong data.LongTexts // whether a text with too many tokens is such a row

	rows, bad, cut int // rows handed on; of these refused; of these longer than the model takes
	tooLong        int // rows left out because of their length
}

const readAhead = 4096

// readRow is a row on its way: tokenised, or refused.
type readRow struct {
	data.Example
	encoding tokenizer.Encoding
	err      error
}

// newRowStream opens input, "-" for stdin, whose labels are not looked at.
func newRowStream(a *app, m *model.Model, flags *dataFlags, input, work string) (*rowStream, error) {
	options, err := flags.options(a)
	if err != nil {
		return nil, err
	}
	options.IgnoreLabels = true
	in, err := flags.open(a, input, options)
	if err != nil {
		return nil, err
	}
	if input == "-" {
		input = "stdin"
	}
	return &rowStream{a: a, m: m, in: in, flags: flags, input: input, work: work, policy: options.OnBadRow, onLong: options.OnLong}, nil
}

// run hands chunks of rows to handle, in order, until the input ends.
func (s *rowStream) run(ctx context.Context, handle func(chunk []readRow) error) error {
	defer s.in.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rows := make(chan readRow, readAhead)
	failed := make(chan error, 1)
	go func() {
		failed <- s.read(ctx, rows)
		close(rows)
	}()
	s.a.log.Progress(s.work, progress{})
	for chunk := gather(rows); len(chunk) > 0; chunk = gather(rows) {
		if err := handle(chunk); err != nil {
			return err
		}
		s.count(chunk)
		s.a.log.Progress(s.work, progress{Step: s.rows, Examples: s.rows})
	}
	s.a.log.Done()
	if err := <-failed; err != nil {
		return err
	}
	return context.Cause(ctx)
}

// read sends the rows of the input until its end, or until ctx ends.
func (s *rowStream) read(ctx context.Context, rows chan<- readRow) error {
	for {
		var row readRow
		err := s.in.Read(&row.Example)
		var bad *data.RowError
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case row.Bad != nil && s.policy != data.ReportBadRows:
			return row.Bad
		case row.Bad != nil:
			row.err = flaggedRow(row.Bad)
		default:
			row.encoding = s.m.Tokenizer.Encode(row.Text, row.Pair, s.m.MaxSeqLength)
			if row.err = tooLong(s.onLong, &row.encoding, row.File, row.Line, s.m.MaxSeqLength); errors.As(row.err, &bad) {
				s.flags.bad.add(bad)
			}
		}
		switch {
		case row.err == nil || s.policy == data.ReportBadRows:
		case s.policy == data.SkipBadRows:
			s.tooLong++
			continue
		default:
			return row.err
		}
		select {
		case rows <- row:
		case <-ctx.Done():
			return nil
		}
	}
}

// tooLong refuses a text that was cut, if --on-long says so.
func tooLong(onLong data.LongTexts, e *tokenizer.Encoding, file string, line, limit int) error {
	if onLong != data.LongError || e.Cut == 0 {
		return nil
	}
	return &data.RowError{File: file, Line: line, Found: fmt.Sprintf("a text of %d tokens", len(e.IDs)+e.Cut),
		Expected: fmt.Sprintf("at most %d with [CLS] and [SEP]", limit), Hint: "raise --max-seq-length, shorten the text, or let it be cut with --on-long truncate"}
}

// gather waits for one row and takes all that have come with it; nothing at the end.
func gather(rows <-chan readRow) (chunk []readRow) {
	for row := range rows {
		chunk = append(chunk, row)
		if len(rows) == 0 || len(chunk) == readAhead {
			break
		}
	}
	return chunk
}

// encodings returns the tokens of the rows that could be read.
func encodings(chunk []readRow) (texts []tokenizer.Encoding) {
	for i := range chunk {
		if chunk[i].err == nil {
			texts = append(texts, chunk[i].encoding)
		}
	}
	return texts
}

func (s *rowStream) count(chunk []readRow) {
	s.rows += len(chunk)
	for i := range chunk {
		if chunk[i].err != nil {
			s.bad++
		} else if chunk[i].encoding.Cut > 0 {
			s.cut++
		}
	}
}

// verdict says what happened to rows that were cut or refused; refused ones make the exit code that of refused data.
func (s *rowStream) verdict() error {
	s.a.sayCut(s.m, s.input, s.cut, s.rows-s.bad)
	stats := s.in.Stats()
	s.flags.sayStats(s.a, s.input, stats)
	switch {
	case s.flags.bad.err != nil:
		return s.flags.bad.err
	case s.bad > 0:
		return withCode(exitData, fmt.Errorf("%s: %d of %d rows could not be read; each has an error in its place in the output", s.input, s.bad, s.rows))
	}
	s.flags.saySkipped(s.a, s.input, stats.Bad+s.tooLong, stats.Bad+stats.Rows)
	return nil
}
