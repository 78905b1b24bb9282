package datacmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/train/data"

	"github.com/spf13/cobra"
)

// tokenizeFlags are the flags of the verb tokenize.
type tokenizeFlags struct {
	vocab, keepTokens string
	lowerCase         bool
	maxSeqLength      int
	input, output     string
	rows              *flags.Data

	cmd *cobra.Command
}

func NewTokenizeCmd(a *cli.App) *cobra.Command {
	t := &tokenizeFlags{}
	t.cmd = &cobra.Command{
		Use:     "tokenize",
		Short:   "Turn texts into WordPiece ids, exactly as Google's tokenizer does",
		Example: "  echo '{\"text\": \"Hello, world!\"}' | bertlabel tokenize --vocab-file uncased_L-12/vocab.txt\n  bertlabel tokenize --vocab-file uncased_L-12/vocab.txt --max-seq-length 128 --input texts.jsonl",
		Long: `Reads rows {"text": …, "text_pair": …} and writes rows {"tokens": …, "input_ids": …, "input_mask": …, "segment_ids": …}, each
as soon as it is known. Files that end in .csv, .tsv or .fasttext are read as such, all others as JSON lines. "tokens" is never
padded; the other three are, with zeros, when --max-seq-length is given. A row that cannot be read becomes {"error": …}, unless
--on-bad-row says otherwise, and the exit code is then 3.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return t.run(cmd.Context(), a) },
	}
	f := t.cmd.Flags()
	f.StringVar(&t.vocab, "vocab-file", "", "vocabulary `FILE`, one token a line")
	f.BoolVar(&t.lowerCase, "do-lower-case", false, "lower-case the text and drop accents (default: guessed from path and vocabulary)")
	f.IntVar(&t.maxSeqLength, "max-seq-length", 0, "cut and pad each row to `N` tokens with [CLS] and [SEP] (0: neither)")
	f.StringVar(&t.keepTokens, "keep-tokens", "", "`WORDS` that are one token each, such as '[NAME],[RELIGION]'")
	f.StringVar(&t.input, "input", "-", "`FILE` of texts; - is stdin")
	f.StringVar(&t.output, "output", "-", "`FILE` for the ids; - is stdout")
	t.rows = flags.AddData(t.cmd, data.ReportBadRows)
	cli.Required(t.cmd, "vocab-file")
	return t.cmd
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

func (t *tokenizeFlags) run(ctx context.Context, a *cli.App) error {
	if t.maxSeqLength < 0 || t.maxSeqLength == 1 {
		return cli.Usagef("--max-seq-length %d: want 2 or more, for [CLS] and [SEP], or 0", t.maxSeqLength)
	}
	if t.vocab == "-" && t.input == "-" {
		return cli.Usagef("--vocab-file and --input are both stdin")
	}
	tok, err := t.tokenizer(a)
	if err != nil {
		return err
	}
	out, err := a.CreateOutput(t.output)
	if err != nil {
		return err
	}
	defer out.Discard()
	s, err := t.stream(ctx, a, tok, out)
	if err != nil {
		return err
	}
	if err := out.Commit(); err != nil {
		return err
	}
	return t.verdict(a, s)
}

// tokenizer opens the vocabulary.
func (t *tokenizeFlags) tokenizer(a *cli.App) (*tokenizer.Tokenizer, error) {
	tok, _, err := t.open(a, "")
	return tok, err
}

// open opens the tokenizer of a model, if one is named, or of --vocab-file; flags come before what the model says.
func (t *tokenizeFlags) open(a *cli.App, path string) (tok *tokenizer.Tokenizer, maxSeqLength int, err error) {
	o := &model.Options{Log: func(s string) { a.Log.Infof("%s", strings.Replace(s, "do_lower_case is ", "--do-lower-case=", 1)) }}
	if t.vocab != "" {
		in, err := a.OpenInput(t.vocab)
		if err != nil {
			return nil, 0, err
		}
		defer in.Close()
		o.VocabFile, o.Vocab = t.vocab, in
	}
	if t.cmd.Flags().Changed("do-lower-case") {
		o.LowerCase = &t.lowerCase
	}
	if t.keepTokens != "" {
		o.KeepTokens = strings.Split(t.keepTokens, ",")
	}
	tok, maxSeqLength, err = model.OpenTokenizer(path, o)
	var keep *tokenizer.KeepError
	if errors.As(err, &keep) {
		return nil, 0, cli.WithCode(cli.ExitUsage, keep)
	}
	return tok, maxSeqLength, cli.WithCode(cli.ExitModel, err)
}

// tokenizeStats counts the rows of one run.
type tokenizeStats struct {
	data.Stats
	cut   int            // rows that were cut to the length
	files *flags.Reading // knows the bad ones
}

// stream writes each row as soon as it is read.
func (t *tokenizeFlags) stream(ctx context.Context, a *cli.App, tok *tokenizer.Tokenizer, out io.Writer) (s tokenizeStats, err error) {
	files, rows, err := t.openRows(a)
	if err != nil {
		return s, err
	}
	defer rows.Close()
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	for ex := new(data.Example); ctx.Err() == nil; {
		switch err = rows.Read(ex); err {
		case nil:
			if ex.Bad != nil {
				err = lines.Encode(badRow{cli.FlaggedRow(ex.Bad).Error()})
				break
			}
			e := tok.Encode(ex.Text, ex.Pair, t.maxSeqLength)
			err = lines.Encode(newTokenizedRow(tok, &e, t.maxSeqLength))
			s.cut += min(e.Cut, 1)
		case io.EOF:
			s.Stats, s.files = rows.Stats(), files
			return s, files.Err()
		}
		if err != nil {
			return s, err
		}
	}
	return s, ctx.Err()
}

// openRows opens the input.
func (t *tokenizeFlags) openRows(a *cli.App) (*flags.Reading, *data.Reader, error) {
	files, err := t.rows.Read(a)
	if err != nil {
		return nil, nil, err
	}
	o := &files.Options
	o.IgnoreLabels = true
	if _, err := data.FormatOf(t.input); err != nil && o.Format == "" {
		o.Format = data.JSONL
	}
	rows, err := files.Open(t.input)
	return files, rows, err
}

// newTokenizedRow pads e to n tokens.
func newTokenizedRow(tok *tokenizer.Tokenizer, e *tokenizer.Encoding, n int) tokenizedRow {
	tokens := tok.Tokens(e.IDs)
	mask := e.Pad(n)
	return tokenizedRow{tokens, e.IDs, mask, e.Segments}
}

// verdict says what was left out; bad rows that were reported make the exit code that of refused data.
func (t *tokenizeFlags) verdict(a *cli.App, s tokenizeStats) error {
	if s.cut > 0 {
		a.Log.Infof("%d of %d texts were longer than %d tokens and were cut", s.cut, s.Rows, t.maxSeqLength)
	}
	s.files.SayStats(t.input, s.Stats)
	if s.Bad > 0 && t.rows.OnBadRow == data.ReportBadRows {
		return cli.WithCode(cli.ExitData, fmt.Errorf("%s: %d of %d rows could not be read; each has an error in its place in the output", t.input, s.Bad, s.Bad+s.Rows))
	}
	s.files.SaySkipped(t.input, s.Bad, s.Bad+s.Rows)
	return nil
}
