package score

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor/parallel"
	"bertlabel/train/data"
)

// Row is a row of a file with what the model makes of it.
type Row struct {
	// Example is the row as it was read. Where Bad is not nil the row has no result: it could not be read, or its text is longer than
	// the model takes. Such a row stands in its place, when the reader reports them.
	data.Example
	Tokens     tokenizer.Encoding  // what the model reads; Tokens.Cut counts the tokens that were left out
	Prediction model.Prediction    // of Predictions, [labels] each
	Windows    []model.WindowShare // what each window has (model.WindowShare), with Options.Windows; nil without
	Vector     []float32           // of Vectors, [width of the pooling]
	Err        error               // why the row has no result: Bad, or what a caller of AppendJSON sets; nil for one that has
}

// Result is what Chunks adds to a row.
type Result int

const (
	Predictions Result = iota // Row.Prediction, by the model's head
	Vectors                   // Row.Vector
	Tokens                    // Row.Tokens alone, for a caller that runs the model itself
)

// Options of the zero value ask for predictions.
type Options struct {
	Result  Result
	Windows bool         // of Predictions: what each window of a text has of them, too
	Pooling bert.Pooling // what the features of Vectors are; the zero Pooling is the pooled output
}

// Chunks takes the rows of r to the model, and yields them with their results, in order. While the model works a goroutine reads and
// tokenises ahead, at most 4096 rows or 16 MiB of text, and the model takes what has come so far: so the first row is answered at once,
// a long input goes in chunks that keep all threads busy, and memory does not grow with it. A chunk is new, and the caller's to keep; the
// numbers of its rows share memory.
//
// A row that cannot be used, by the reader's options or, with data.LongError, because it has more tokens than m reads, does what
// OnBadRow says: it ends the reading, is left out (see r.Stats), or stands in its place with Bad. OnBad is called by the goroutine.
//
// An error comes last, with no rows, after the rows before it: one of Reader.Read, the cause of ctx's end, a *NumberError, a
// *parallel.Panic of the goroutine, or what is missing where m, its head, or r is. Breaking out of the loop or ending ctx ends the goroutine, as soon as a Read of the source that it
// may be waiting for returns; until then r is in use. After all rows r.Stats counts them. Chunks does not close r. A sequence
// can be ranged over once.
func Chunks(ctx context.Context, m *model.Model, r *data.Reader, o Options) iter.Seq2[[]Row, error] {
	return func(yield func([]Row, error) bool) {
		if ctx == nil {
			yield(nil, errNoContext)
			return
		}
		if err := o.check(m, r); err != nil {
			yield(nil, err)
			return
		}
		q := newQueue()
		defer q.stop()
		defer context.AfterFunc(ctx, q.stop)()
		go func() {
			if p := parallel.Catch(func() { read(m, r, q) }); p != nil {
				q.end(p)
			}
		}()
		for {
			rows, err := q.take()
			switch {
			case ctx.Err() != nil:
				err = context.Cause(ctx)
			case len(rows) > 0:
				err = o.run(ctx, m, rows)
			case err == io.EOF:
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(rows, nil) {
				return
			}
		}
	}
}

// check says what is missing.
func (o Options) check(m *model.Model, r *data.Reader) error {
	switch {
	case r == nil:
		return errors.New("score: no reader")
	case o.Result < Predictions || o.Result > Tokens:
		return fmt.Errorf("score: result %d, want Predictions, Vectors or Tokens", o.Result)
	case o.Result == Predictions:
		return checkModel(m, true)
	}
	err := checkModel(m, false)
	if err == nil && o.Result == Vectors {
		_, err = m.Encoder.PoolingWidth(o.Pooling)
	}
	return err
}

// errNoContext refuses a nil context.
var errNoContext = errors.New("score: no context (nil)")

// checkModel says what a model lacks.
func checkModel(m *model.Model, head bool) error {
	switch {
	case m == nil:
		return errors.New("score: no model")
	case m.Encoder == nil || m.Tokenizer == nil:
		return errors.New("score: the model has no encoder or no tokenizer")
	case head && m.Head == nil:
		return errors.New("score: the model has no head (output_weights, output_bias): train one first")
	case m.Windows.Check() != nil:
		return fmt.Errorf("score: %w", m.Windows.Check())
	case m.MaxSeqLength < 2 || m.MaxSeqLength > m.Encoder.Config.MaxPositionEmbeddings:
		return fmt.Errorf("score: max_seq_length %d, want from 2 to the %d positions of the model", m.MaxSeqLength,
			m.Encoder.Config.MaxPositionEmbeddings)
	}
	return nil
}

// read puts the rows of r into q until its end, or until nobody wants more.
func read(m *model.Model, r *data.Reader, q *queue) {
	long := r.Options().OnLong
	for {
		var row Row
		skip := false
		err := r.Read(&row.Example)
		if err == nil && row.Bad == nil {
			row.Tokens = m.EncodeOne(model.Text{A: row.Text, B: row.Pair})
			if long == data.LongError && row.Tokens.Cut > 0 {
				skip, err = r.Refuse(&row.Example, TooLong(&row.Tokens, row.File, row.Line, m.Lengths()))
			}
		}
		if err != nil {
			q.end(err)
			return
		}
		if !skip && !q.put(row) {
			return
		}
	}
}

// TooLong refuses a text that was cut.
func TooLong(e *tokenizer.Encoding, file string, line int, lengths tokenizer.Lengths) *data.RowError {
	limit := lengths.MaxSeqLength
	if e.Sequences() > 1 {
		limit = lengths.Tokens()
	}
	return &data.RowError{
		File: file, Line: line, Found: fmt.Sprintf("a text of %d tokens",
			e.Kept()+e.Cut), Expected: fmt.Sprintf("at most %d with [CLS] and [SEP]", limit),
		Hint: "raise `max_seq_length` or `windows`, shorten the text, or let it be cut with `on_long` truncate",
	}
}

// run gives the rows of a chunk that can be used their results.
func (o Options) run(ctx context.Context, m *model.Model, rows []Row) error {
	for i := range rows {
		if rows[i].Bad != nil {
			rows[i].Err = rows[i].Bad
		}
	}
	if o.Result == Tokens {
		return nil
	}
	var good []*Row
	var texts []tokenizer.Encoding
	for i := range rows {
		if rows[i].Bad == nil {
			good, texts = append(good, &rows[i]), append(texts, rows[i].Tokens)
		}
	}
	place := func(text int) *data.Example { return &good[text].Example }
	if o.Result == Vectors {
		features, err := m.Features(ctx, texts, o.Pooling, nil)
		if err != nil {
			return placed(err, place)
		}
		for i, row := range good {
			row.Vector = features.Row(i)
		}
		return nil
	}
	predictions, windows, err := o.predict(ctx, m, good, texts)
	if err != nil {
		return placed(err, place)
	}
	for i, row := range good {
		if row.Prediction = predictions[i]; windows != nil {
			row.Windows = windows[i]
		}
	}
	return nil
}

// predict returns the predictions of rows, and what was asked for of their windows.
func (o Options) predict(ctx context.Context, m *model.Model, rows []*Row, texts []tokenizer.Encoding) (
	predictions []model.Prediction, windows [][]model.WindowShare, err error) {
	if !o.Windows {
		predictions, err = m.PredictEncoded(ctx, texts)
		return predictions, nil, err
	}
	of := make([]model.Text, len(rows))
	for i, row := range rows {
		of[i] = model.Text{A: row.Text, B: row.Pair}
	}
	return m.PredictWindows(ctx, texts, of)
}

// NumberError says of which row the model made a number that is none: the weights are broken, or the input is.
type NumberError struct {
	File   string
	Line   int
	Offset int64 // where Line is 0, as of a row of a section: the byte of the file at which the row starts
	Err    error // a *model.LogitError, which names the label, or a *model.FeatureError; its Text is the row's place among those of one pass
}

func (e *NumberError) Error() string {
	what := e.Err.Error()
	switch err := e.Err.(type) {
	case *model.LogitError:
		what = fmt.Sprintf("the logit of label %q is %v: the weights are broken", err.Label, err.Logit)
	case *model.FeatureError:
		what = fmt.Sprintf("feature %d is %v: %v", err.Feature, err.Value, model.ErrNotFinite)
	}
	switch {
	case e.Line > 0:
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, what)
	case e.Offset > 0:
		return fmt.Sprintf("%s: byte %d: %s", e.File, e.Offset, what)
	}
	return e.File + ": " + what
}

// Unwrap returns Err.
func (e *NumberError) Unwrap() error { return e.Err }

// placed names the row of an error about a number, given where the texts of the pass stand.
func placed(err error, place func(text int) *data.Example) error {
	text := -1
	var logit *model.LogitError
	var feature *model.FeatureError
	switch {
	case errors.As(err, &logit):
		text, err = logit.Text, logit
	case errors.As(err, &feature):
		text, err = feature.Text, feature
	default:
		return err
	}
	row := place(text)
	return &NumberError{row.File, row.Line, row.Offset, err}
}
