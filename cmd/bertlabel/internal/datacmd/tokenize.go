package datacmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"bertlabel/bert/tokenizer"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/train/data"
	"bertlabel/train/score"

	"github.com/spf13/cobra"
)

// tokenizeOptions say what is tokenised, and how.
type tokenizeOptions struct {
	Vocabulary    vocabulary
	MaxSeqLength  int // tokens of a row; 0: as many as it has
	Input, Output string
	Rows          *flags.Data
}

// NewTokenize returns the verb tokenize.
func NewTokenize(a *cli.App) *cobra.Command { return newTokenizeCmd(a, runTokenize) }

func newTokenizeCmd(a *cli.App, run cli.Runner[tokenizeOptions]) *cobra.Command {
	var o tokenizeOptions
	var v vocabularyFlags
	cmd := &cobra.Command{
		Use:   "tokenize",
		Short: "Turn texts into WordPiece ids, exactly as Google's tokenizer does",
		Example: "  echo '{\"text\": \"Hello, world!\"}' | bertlabel tokenize --vocab-file uncased_L-12/vocab.txt\n" +
			"  bertlabel tokenize --vocab-file uncased_L-12/vocab.txt --max-seq-length 128 --input texts.jsonl",
		Long: `Reads rows {"text": …, "text_pair": …} and writes rows {"tokens": …, "input_ids": …, "input_mask": …, "segment_ids": …}, each
as soon as it is known. Files that end in .csv, .tsv or .fasttext are read as such, all others as JSON lines. "tokens" is never
padded; the other three are, with zeros, when --max-seq-length is given. A row that cannot be read becomes {"error": …}, unless
--on-bad-row says otherwise, and the exit code is then 3.`,
	}
	f := cmd.Flags()
	f.StringVar(&v.file, "vocab-file", "", "vocabulary `FILE`, one token a line")
	f.BoolVar(&v.lowerCase, "do-lower-case", false, "lower-case the text and drop accents (default: guessed from path and vocabulary)")
	f.IntVar(&o.MaxSeqLength, "max-seq-length", 0, "cut and pad each row to `N` tokens with [CLS] and [SEP] (0: neither)")
	f.StringVar(&v.keepTokens, "keep-tokens", "", "`WORDS` that are one token each, such as '[NAME],[RELIGION]'")
	f.StringVar(&o.Input, "input", "-", "`FILE` of texts; - is stdin")
	f.StringVar(&o.Output, "output", "-", "`FILE` for the ids; - is stdout")
	o.Rows = flags.AddData(cmd, data.ReportBadRows)
	cli.Required(cmd, "vocab-file")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.Vocabulary = v.vocabulary(f.Changed)
		if err := o.check(); err != nil {
			return err
		}
		return run(cmd.Context(), a, o)
	}
	return cmd
}

// check refuses values that mean nothing.
func (o *tokenizeOptions) check() error {
	if o.MaxSeqLength < 0 || o.MaxSeqLength == 1 {
		return cli.Usagef("--max-seq-length %d: want 2 or more, for [CLS] and [SEP], or 0", o.MaxSeqLength)
	}
	if o.Vocabulary.File == "-" && o.Input == "-" {
		return cli.Usagef("--vocab-file and --input are both stdin")
	}
	return nil
}

// tokenizedRow is one line of the output.
type tokenizedRow struct {
	Tokens     []string `json:"tokens"`
	InputIDs   []int32  `json:"input_ids"`
	InputMask  []int32  `json:"input_mask"`
	SegmentIDs []int32  `json:"segment_ids"`
}

// badRow is the line of the output for a row that could not be read.
type badRow struct {
	Error string `json:"error"`
}

// tokenizing is one run of the verb.
type tokenizing struct {
	tokenizeOptions
	app   *cli.App
	tok   *tokenizer.Tokenizer
	files *flags.Reading
	stats data.Stats
	cut   int // rows that were cut to the length
}

func runTokenize(ctx context.Context, a *cli.App, o tokenizeOptions) (err error) {
	t := &tokenizing{tokenizeOptions: o, app: a}
	if t.tok, _, err = o.Vocabulary.open(a); err != nil {
		return err
	}
	out, err := a.CreateOutput(o.Output)
	if err != nil {
		return err
	}
	defer out.Discard()
	if err := t.stream(ctx, out); err != nil {
		return err
	}
	if err := out.Commit(); err != nil {
		return err
	}
	return t.verdict()
}

// stream writes each row as soon as it is read.
func (t *tokenizing) stream(ctx context.Context, out io.Writer) error {
	rows, err := t.openRows()
	if err != nil {
		return err
	}
	defer rows.Close()
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	for ex := new(data.Example); ctx.Err() == nil; {
		err = rows.Read(ex)
		if err == io.EOF {
			t.stats = rows.Stats()
			return t.files.Err()
		}
		var line any
		if err == nil {
			line, err = t.line(rows, ex)
		}
		if err == nil && line != nil {
			err = lines.Encode(line)
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// line returns what is written for a row; nil for one that is left out.
func (t *tokenizing) line(rows *data.Reader, ex *data.Example) (any, error) {
	if ex.Bad == nil {
		e := t.tok.Encode(ex.Text, ex.Pair, t.MaxSeqLength)
		if e.Cut == 0 || t.Rows.OnLong != data.LongError {
			t.cut += min(e.Cut, 1)
			return newTokenizedRow(t.tok, &e, t.MaxSeqLength), nil
		}
		if skip, err := rows.Refuse(ex, score.TooLong(&e, ex.File, ex.Line, tokenizer.Lengths{MaxSeqLength: t.MaxSeqLength})); skip || err != nil {
			return nil, err
		}
	}
	return badRow{cli.FlaggedRow(ex.Bad).Error()}, nil
}

// openRows opens the input.
func (t *tokenizing) openRows() (rows *data.Reader, err error) {
	if err := t.Rows.RefuseLabels(""); err != nil {
		return nil, err
	}
	if t.files, err = t.Rows.Read(t.app); err != nil {
		return nil, err
	}
	o := &t.files.Options
	o.IgnoreLabels = true
	if _, err := data.FormatOf(t.Input); err != nil && o.Format == "" {
		o.Format = data.JSONL
	}
	return t.files.Open(t.Input)
}

// newTokenizedRow pads e to n tokens.
func newTokenizedRow(tok *tokenizer.Tokenizer, e *tokenizer.Encoding, n int) tokenizedRow {
	tokens := tok.Tokens(e.IDs)
	mask := e.Pad(n)
	return tokenizedRow{tokens, e.IDs, mask, e.Segments}
}

// verdict says what was left out; bad rows that were reported make the exit code that of refused data.
func (t *tokenizing) verdict() error {
	s := t.stats
	if t.cut > 0 {
		t.app.Log.Infof("%d of %d texts were longer than %d tokens and were cut", t.cut, s.Rows, t.MaxSeqLength)
	}
	t.files.SayStats(t.Input, s)
	if s.Bad > 0 && t.Rows.OnBadRow == data.ReportBadRows {
		return cli.WithCode(cli.ExitData, fmt.Errorf("%s: %d of %d rows could not be read; each has an error in its place in the output",
			t.Input, s.Bad, s.Bad+s.Rows))
	}
	t.files.SaySkipped(t.Input, s.Bad, s.Bad+s.Rows)
	return nil
}
