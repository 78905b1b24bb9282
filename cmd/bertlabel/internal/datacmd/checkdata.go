// Package datacmd has the verbs that look at labelled texts and need no weights: check-data, split, tokenize.
package datacmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"bertlabel/bert/tokenizer"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/train/data"

	"github.com/spf13/cobra"
)

// checkOptions say what is looked at.
type checkOptions struct {
	Rows             *flags.Data
	Train, Dev, Test string // files; "" for none
	Vocabulary       vocabulary
	MaxSeqLength     int // texts with more tokens are counted; 0: that of the model, else 128
	Windows          flags.Windows
	JSON             bool
}

// NewCheckData returns the verb check-data.
func NewCheckData(a *cli.App) *cobra.Command { return newCheckDataCmd(a, runCheckData) }

func newCheckDataCmd(a *cli.App, run cli.Runner[checkOptions]) *cobra.Command {
	var o checkOptions
	var v vocabularyFlags
	cmd := &cobra.Command{
		Use:   "check-data",
		Short: "Look at labelled texts before training: duplicates, label counts, texts in two files, lengths",
		Example: "  bertlabel check-data --train train.csv --dev dev.csv\n" +
			"  bertlabel check-data --train train.csv --vocab-file uncased_L-12/vocab.txt --max-seq-length 64\n" +
			"  bertlabel check-data --train train.tsv --no-header --text-column 1 --labels-column 2 --json",
		Long: "Reads the files whole and prints one JSON object on stdout, and on stderr a table, a line for every row that cannot be\n" +
			"read, and what to do about whatever looks wrong; a terminal shows the table only, --json the object only. The exit code\n" +
			"is 3 when a row cannot be read, or a label in --dev or --test is not in the label list. Lengths, [UNK] and casing need the\n" +
			"vocabulary of a model; lengths are in tokens, with [CLS] and [SEP]; a percentile is the least length that so many texts\n" +
			"keep to. Runs of labels are counted as Wald and Wolfowitz's test does: an unshuffled file has few, long ones.",
	}
	f := cmd.Flags()
	f.StringVar(&o.Train, "train", "", "`FILE` of labelled texts to train on; - is stdin")
	f.StringVar(&o.Dev, "dev", "", "`FILE` to choose the best weights by")
	f.StringVar(&o.Test, "test", "", "`FILE` to evaluate on")
	f.StringVar(&v.model, "model", "", "model `FOLDER` whose vocabulary gives the lengths")
	f.StringVar(&v.file, "vocab-file", "", "vocabulary `FILE` instead of the model's")
	f.BoolVar(&v.lowerCase, "do-lower-case", false, "lower-case the text (default: as the model, else guessed)")
	flags.AddOffline(cmd, &v.offline)
	f.IntVar(&o.MaxSeqLength, "max-seq-length", 128, "count the texts with more than `N` tokens")
	flags.AddWindows(cmd, &o.Windows)
	f.StringVar(&v.keepTokens, "keep-tokens", "", "`WORDS` that are one token each, such as '[NAME],[RELIGION]'")
	f.BoolVar(&o.JSON, "json", false, "print JSON and no table")
	o.Rows = flags.AddData(cmd, data.ReportBadRows)
	flags.AddSoftLabels(cmd, o.Rows)
	cli.Required(cmd, "train")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.MaxSeqLength < 2 {
			return cli.Usagef("--max-seq-length %d: want 2 or more, for [CLS] and [SEP]", o.MaxSeqLength)
		}
		if !f.Changed("max-seq-length") {
			o.MaxSeqLength = 0
		}
		o.Vocabulary = v.vocabulary(f.Changed)
		given := func(flag string) bool { return cli.OnCommandLine(cmd, flag) }
		err := cli.RefuseUnused(given,
			cli.Unused{If: v.model == "" && v.file == "", Why: "tokens need --model or --vocab-file",
				Flags: []string{"max-seq-length", "windows", "window-overlap", "do-lower-case", "keep-tokens"}},
			cli.Unused{If: v.model == "", Why: "it is about --model", Flags: []string{"offline"}})
		if err != nil {
			return err
		}
		return run(cmd.Context(), a, o)
	}
	return cmd
}

// checkReport is the output of the verb.
type checkReport struct {
	Files      []checkedFile `json:"files"`
	Shared     []sharedTexts `json:"shared_texts"`
	LookAlikes [][]string    `json:"similar_labels"` // names that differ in case, spaces, '_' or '-' only
	Warnings   []dataWarning `json:"warnings"`
}

type checkedFile struct {
	Role string `json:"role"` // "train", "dev" or "test"
	*data.Summary
	Tokens *checkedTokens `json:"tokens,omitempty"`
	notes  []data.Note
}

// sharedTexts counts the texts that two files have in common.
type sharedTexts struct {
	Roles   [2]string `json:"roles"`
	Texts   int       `json:"texts"`
	Rows    [2]int    `json:"rows"`    // of each file that have one of them
	Similar int       `json:"similar"` // rows of the second when case, white space and Unicode form do not count
}

// dataCheck is one run of the verb check-data.
type dataCheck struct {
	checkOptions
	app     *cli.App
	tok     *tokenizer.Tokenizer // nil without a vocabulary
	lengths tokenizer.Lengths    // how much of a text is read
}

func runCheckData(_ context.Context, a *cli.App, o checkOptions) error {
	c := &dataCheck{checkOptions: o, app: a}
	if err := c.openTokenizer(); err != nil {
		return err
	}
	report, err := c.check()
	if err != nil {
		return err
	}
	return errors.Join(printFindings(a, report, o.JSON), report.verdict(o.Rows))
}

// openTokenizer opens the vocabulary, if there is one.
func (c *dataCheck) openTokenizer() error {
	if c.Vocabulary.Model == "" && c.Vocabulary.File == "" {
		c.app.Log.Infof("no lengths, no share of [UNK], no casing: they need --model or --vocab-file")
		return nil
	}
	tok, lengths, err := c.Vocabulary.open(c.app)
	if err != nil {
		return err
	}
	lengths.MaxSeqLength = cmp.Or(c.MaxSeqLength, lengths.MaxSeqLength)
	c.tok, c.lengths = tok, lengths
	return c.Windows.Apply(&c.lengths)
}

// check reads the files and counts.
func (c *dataCheck) check() (*checkReport, error) {
	if c.Dev == "" && c.Test == "" {
		if err := c.Rows.RefuseDropUnknown(); err != nil {
			return nil, err
		}
	}
	files, err := c.Rows.Read(c.app)
	if err != nil {
		return nil, err
	}
	list, flood := files.Options.OnBad, cli.NewFlood(c.app.Log)
	files.Options.OnBad = func(bad *data.RowError) {
		list(bad)
		flood.Warnf(fmt.Sprintf("%s: column %s: found %s, expected %s", bad.File, bad.Column, bad.Found, bad.Expected), "%v",
			cli.FlaggedRow(bad))
	}
	defer func() {
		where := "; --bad-rows FILE lists them all"
		if c.Rows.BadRowsFile != "" {
			where = "; all of them are in " + c.Rows.BadRowsFile
		}
		flood.Done(where)
	}()
	files.Options.DropUnknown = true
	report := &checkReport{Shared: []sharedTexts{}, LookAlikes: [][]string{}}
	var sets []*data.Dataset
	for _, part := range []struct{ role, path string }{{"train", c.Train}, {"dev", c.Dev}, {"test", c.Test}} {
		if part.path == "" {
			continue
		}
		set, err := files.LoadQuietly(part.path)
		if err != nil {
			return nil, err
		}
		if set.ExactlyOne() {
			flags.SayExactlyOne(c.app, set.File, set.Labels.Len())
		}
		if set.Soft() && set.Binarize == 0 {
			c.app.Log.Infof("%s: of its shares those from 0.5 on are counted as labels; --binarize T says otherwise", set.File)
		}
		for i, other := range sets {
			o := data.FindOverlap(other, set)
			report.Shared = append(report.Shared,
				sharedTexts{[2]string{report.Files[i].Role, part.role}, o.Texts, [2]int{o.RowsA, o.RowsB}, data.FindSimilar(other, set)})
		}
		sets = append(sets, set)
		report.Files = append(report.Files, checkedFile{part.role, data.Summarize(set), c.checkTokens(set), set.Notes})
		files.Options.Labels = set.Labels
	}
	report.LookAlikes = append(report.LookAlikes, files.Options.Labels.LookAlikes()...)
	report.Warnings = report.warnings(c.Rows.DropUnknown)
	return report, nil
}

// verdict is the error of files that train or eval would refuse with the same flags.
func (r *checkReport) verdict(rows *flags.Data) error {
	var errs []error
	for _, f := range r.Files {
		if f.BadRows > 0 && rows.OnBadRow != data.SkipBadRows {
			errs = append(errs, fmt.Errorf("%s: %d of %d rows cannot be read", f.File, f.BadRows, f.BadRows+f.Rows))
		}
		if n := len(f.UnknownLabels); n > 0 && !rows.DropUnknown {
			errs = append(errs, fmt.Errorf("%s: found %d labels that the label list lacks", f.File, n))
		}
	}
	return cli.WithCode(cli.ExitData, errors.Join(errs...))
}
