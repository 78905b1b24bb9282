package scorecmd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/train/data"
)

// rowStream takes rows from a reader to the encoder. A goroutine reads and tokenises ahead, by at most readAhead rows; the
// encoder takes what has come so far, so the first row is answered at once, and a long input goes in chunks that keep all
// threads busy. Memory does not grow with the input.
type rowStream struct {
	a     *cli.App
	m     *model.Model
	in    *data.Reader
	files *flags.Reading
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
func newRowStream(a *cli.App, m *model.Model, rows *flags.Data, input, work string) (*rowStream, error) {
	files, err := rows.Read(a)
	if err != nil {
		return nil, err
	}
	files.Options.IgnoreLabels = true
	in, err := files.Open(input)
	if err != nil {
		return nil, err
	}
	if input == "-" {
		input = "stdin"
	}
	return &rowStream{a: a, m: m, in: in, files: files, input: input, work: work, policy: rows.OnBadRow, onLong: rows.OnLong}, nil
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
	s.a.Log.Progress(s.work, cli.Progress{})
	for chunk := gather(rows); len(chunk) > 0; chunk = gather(rows) {
		if err := handle(chunk); err != nil {
			return err
		}
		s.count(chunk)
		s.a.Log.Progress(s.work, cli.Progress{Step: s.rows, Examples: s.rows})
	}
	s.a.Log.Done()
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
			row.err = cli.FlaggedRow(row.Bad)
		default:
			row.encoding = s.m.Tokenizer.Encode(row.Text, row.Pair, s.m.MaxSeqLength)
			if row.err = flags.TooLong(s.onLong, &row.encoding, row.File, row.Line, s.m.MaxSeqLength); errors.As(row.err, &bad) {
				s.files.Bad(bad)
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
	flags.SayCut(s.a, s.m, s.input, s.cut, s.rows-s.bad)
	stats := s.in.Stats()
	s.files.SayStats(s.input, stats)
	switch {
	case s.files.Err() != nil:
		return s.files.Err()
	case s.bad > 0:
		return cli.WithCode(cli.ExitData,
			fmt.Errorf("%s: %d of %d rows could not be read; each has an error in its place in the output", s.input, s.bad, s.rows))
	}
	s.files.SaySkipped(s.input, stats.Bad+s.tooLong, stats.Bad+stats.Rows)
	return nil
}
