package scorecmd

import (
	"context"
	"fmt"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/train/data"
	"bertlabel/train/diagnosis"
	"bertlabel/train/score"
)

// rowStream takes rows from an input to the model, chunk by chunk (score.Chunks), shows how far that has come, and counts.
type rowStream struct {
	a       *cli.App
	m       *model.Model
	in      *data.Reader
	files   *flags.Reading
	options score.Options
	input   string // name of the input
	work    string // what the progress display calls it
	allowed bool   // --max-bad-rows allows bad rows: as many as there are, once the input has ended

	rows, bad, cut int // rows handed on; of these refused; of these longer than the model takes
	reading        diagnosis.Reading
}

// newRowStream opens input, "-" for stdin, whose labels are not looked at. With whole a row that cannot be used is never reported, as
// the output has no place for it: it ends the reading.
func newRowStream(a *cli.App, m *model.Model, rows *flags.Data, input, work string, o score.Options, whole bool) (*rowStream, error) {
	if work != "predict" {
		where := ""
		if work == "embed" {
			where = whereEmbedHasLabels
		}
		if err := rows.RefuseLabels(where); err != nil {
			return nil, err
		}
	}
	if whole {
		if err := rows.NoPlaceForBadRows("a tensor file"); err != nil {
			return nil, err
		}
	}
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
	return &rowStream{a: a, m: m, in: in, files: files, options: o, input: input, work: work, allowed: rows.MaxBad != ""}, nil
}

// run hands chunks of rows to handle, in order, until the input ends.
func (s *rowStream) run(ctx context.Context, handle func(chunk []score.Row) error) error {
	defer s.in.Close()
	flood := cli.NewFlood(s.a.Log)
	s.a.Log.Progress(s.work, cli.Progress{})
	for chunk, err := range score.Chunks(ctx, s.m, s.in, s.options) {
		if err != nil {
			return err
		}
		for i := range chunk {
			if bad := chunk[i].Bad; bad != nil {
				chunk[i].Bad = cli.FlaggedRow(bad)
				flood.Warnf(badRowsKind, "%v", chunk[i].Bad)
			}
		}
		if err := handle(chunk); err != nil {
			return err
		}
		s.count(chunk)
		s.a.Log.Progress(s.work, cli.Progress{Step: s.rows, Examples: s.rows})
	}
	s.a.Log.Done()
	flood.Done("; --bad-rows FILE lists them")
	return nil
}

// badRowsKind is the kind of the warnings of rows that could not be read.
const badRowsKind = "rows that could not be read"

func (s *rowStream) count(chunk []score.Row) {
	s.rows += len(chunk)
	for i := range chunk {
		row := &chunk[i]
		if row.Bad != nil {
			s.bad++
			continue
		}
		if row.Tokens.Cut > 0 {
			s.cut++
		}
		s.reading.Add(&row.Tokens, row.Text, row.Pair)
	}
}

// verdict says what happened to rows that were cut or refused; refused ones make the exit code that of refused data, unless so many are
// allowed.
func (s *rowStream) verdict() error {
	flags.SayRead(s.a, s.m, s.input, &s.reading, s.cut)
	stats := s.in.Stats()
	s.files.SayStats(s.input, stats)
	switch {
	case s.files.Err() != nil:
		return s.files.Err()
	case s.bad > 0 && s.allowed:
		s.a.Log.Warnf("%s: %d of %d rows could not be read, which --max-bad-rows allows; each has an error in its place in the output", s.input,
			s.bad, s.rows)
		return nil
	case s.bad > 0:
		return cli.WithCode(cli.ExitData,
			fmt.Errorf("%s: %d of %d rows could not be read; each has an error in its place in the output", s.input, s.bad, s.rows))
	}
	s.files.SaySkipped(s.input, stats.Bad, stats.Bad+stats.Rows)
	return nil
}
