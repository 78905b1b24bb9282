package datacmd

import (
	"errors"
	"fmt"

	"bertlabel/bert/tokenizer"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/train/data"

	"github.com/spf13/cobra"
)

// dataCheck is one run of the verb check-data.
type dataCheck struct {
	a                *cli.App
	rows             *flags.Data
	train, dev, test string
	model            string
	tokens           tokenizeFlags // the vocabulary and how it is used
	json             bool
}

func NewCheckDataCmd(a *cli.App) *cobra.Command {
	c := &dataCheck{a: a}
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
		RunE: func(*cobra.Command, []string) error { return c.run() },
	}
	f := cmd.Flags()
	f.StringVar(&c.train, "train", "", "`FILE` of labelled texts to train on; - is stdin")
	f.StringVar(&c.dev, "dev", "", "`FILE` to choose the best weights by")
	f.StringVar(&c.test, "test", "", "`FILE` to evaluate on")
	f.StringVar(&c.model, "model", "", "model `FOLDER` whose vocabulary gives the lengths")
	f.StringVar(&c.tokens.vocab, "vocab-file", "", "vocabulary `FILE` instead of the model's")
	f.BoolVar(&c.tokens.lowerCase, "do-lower-case", false, "lower-case the text (default: as the model, else guessed)")
	f.IntVar(&c.tokens.maxSeqLength, "max-seq-length", 128, "count the texts with more than `N` tokens")
	f.StringVar(&c.tokens.keepTokens, "keep-tokens", "", "`WORDS` that are one token each, such as '[NAME],[RELIGION]'")
	f.BoolVar(&c.json, "json", false, "print JSON and no table")
	c.tokens.cmd = cmd
	c.rows = flags.AddData(cmd, data.ReportBadRows)
	cli.Required(cmd, "train")
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
}

// sharedTexts counts the texts that two files have in common.
type sharedTexts struct {
	Roles   [2]string `json:"roles"`
	Texts   int       `json:"texts"`
	Rows    [2]int    `json:"rows"`    // of each file that have one of them
	Similar int       `json:"similar"` // rows of the second when case, white space and Unicode form do not count
}

func (c *dataCheck) run() error {
	if n := c.tokens.maxSeqLength; n < 2 {
		return cli.Usagef("--max-seq-length %d: want 2 or more, for [CLS] and [SEP]", n)
	}
	tok, err := c.tokenizer()
	if err != nil {
		return err
	}
	report, err := c.check(tok)
	if err != nil {
		return err
	}
	return errors.Join(c.print(report), report.verdict(c.rows.DropUnknown))
}

func (c *dataCheck) print(report *checkReport) error {
	return printFindings(c.a, report, c.json)
}

// tokenizer opens the vocabulary of --vocab-file or --model; it is nil without them. What the model's folder says of its
// tokenizer holds where no flag says otherwise.
func (c *dataCheck) tokenizer() (*tokenizer.Tokenizer, error) {
	if c.model == "" && c.tokens.vocab == "" {
		c.a.Log.Infof("no lengths, no share of [UNK], no casing: they need --model or --vocab-file")
		return nil, nil
	}
	tok, maxSeqLength, err := c.tokens.open(c.a, c.model)
	if err == nil && !c.tokens.cmd.Flags().Changed("max-seq-length") {
		c.tokens.maxSeqLength = maxSeqLength
	}
	return tok, err
}

// check reads the files and counts.
func (c *dataCheck) check(tok *tokenizer.Tokenizer) (*checkReport, error) {
	files, err := c.rows.Read(c.a)
	if err != nil {
		return nil, err
	}
	list := files.Options.OnBad
	files.Options.OnBad = func(bad *data.RowError) {
		list(bad)
		c.a.Log.Warnf("%v", cli.FlaggedRow(bad))
	}
	files.Options.DropUnknown = true
	report := &checkReport{Shared: []sharedTexts{}, LookAlikes: [][]string{}}
	var sets []*data.Dataset
	for _, part := range []struct{ role, path string }{{"train", c.train}, {"dev", c.dev}, {"test", c.test}} {
		if part.path == "" {
			continue
		}
		set, err := files.LoadQuietly(part.path)
		if err != nil {
			return nil, err
		}
		for i, other := range sets {
			o := data.FindOverlap(other, set)
			report.Shared = append(report.Shared, sharedTexts{[2]string{report.Files[i].Role, part.role}, o.Texts, [2]int{o.RowsA, o.RowsB}, data.FindSimilar(other, set)})
		}
		sets = append(sets, set)
		report.Files = append(report.Files, checkedFile{part.role, data.Summarize(set), c.checkTokens(tok, set)})
		files.Options.Labels = set.Labels
	}
	report.LookAlikes = append(report.LookAlikes, files.Options.Labels.LookAlikes()...)
	report.Warnings = report.warnings(c.rows.DropUnknown)
	return report, nil
}

// verdict is the error of files that train or eval would refuse; with drop unknown labels are no reason.
func (r *checkReport) verdict(drop bool) error {
	var errs []error
	for _, f := range r.Files {
		if f.BadRows > 0 {
			errs = append(errs, fmt.Errorf("%s: %d of %d rows cannot be read", f.File, f.BadRows, f.BadRows+f.Rows))
		}
		if n := len(f.UnknownLabels); n > 0 && !drop {
			errs = append(errs, fmt.Errorf("%s: found %d labels that the label list lacks", f.File, n))
		}
	}
	return cli.WithCode(cli.ExitData, errors.Join(errs...))
}
