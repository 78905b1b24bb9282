// Documents makes long texts out of short ones, to measure what reading a document whole is worth: 60 comments of GoEmotions that are
// neutral, one after the other, with one to three others planted at random places, whose labels are the document's.
//
//	go run ./scripts/documents --labels labels.txt --rows 1500 --seed 1 train.tsv > documents.jsonl
//	go run ./scripts/documents --labels labels.txt --rows 1500 --seed 1 --ends 255 --vocab vocab.txt train.tsv > head-and-tail.jsonl
//
// With --ends only so many tokens of the beginning and of the end are left of each. The same seed gives the same documents.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/train/data"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// documents says how documents are made.
type documents struct {
	rows, neutral, planted int // documents; comments of each that are neutral, and at most so many others
	ends                   int // tokens that are left of the beginning, and of the end; 0: all
	seed                   uint64
}

func run(args []string, out io.Writer) error {
	var d documents
	f := flag.NewFlagSet("documents", flag.ContinueOnError)
	labels := f.String("labels", "", "FILE of label names, neutral among them")
	vocab := f.String("vocab", "", "vocab.txt that --ends counts by")
	f.IntVar(&d.rows, "rows", 1500, "N documents")
	f.IntVar(&d.neutral, "neutral", 60, "N neutral comments of each")
	f.IntVar(&d.planted, "planted", 3, "N others at most")
	f.IntVar(&d.ends, "ends", 0, "N tokens of the beginning and as many of the end")
	f.Uint64Var(&d.seed, "seed", 1, "N")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 || *labels == "" || d.rows < 1 || d.neutral < 1 || d.planted < 1 || (d.ends > 0) != (*vocab != "") {
		return errors.New("want --labels FILE, one file of comments, and --ends with --vocab")
	}
	list, err := data.ReadLabels(*labels)
	if err != nil {
		return err
	}
	comments, err := data.Load(f.Arg(0), data.Options{NoHeader: true, TextColumn: "1", LabelsColumn: "2", IDColumn: "3", Labels: list})
	if err != nil {
		return err
	}
	var tok *tokenizer.Tokenizer
	if d.ends > 0 {
		lower := true
		if tok, _, err = model.OpenTokenizer(*vocab, &model.Options{LowerCase: &lower}); err != nil {
			return err
		}
	}
	return d.write(out, comments, tok)
}

// neutralLabel is the label of comments that say nothing.
const neutralLabel = "neutral"

// write writes the documents as JSON lines.
func (d *documents) write(out io.Writer, comments *data.Dataset, tok *tokenizer.Tokenizer) error {
	names := comments.Labels.Names()
	neutral := slices.Index(names, neutralLabel)
	var quiet, others []int
	for i := range comments.Texts {
		switch row := comments.Row(i); {
		case neutral >= 0 && row[neutral] == 1 && count(row) == 1:
			quiet = append(quiet, i)
		case (neutral < 0 || row[neutral] != 1) && count(row) > 0:
			others = append(others, i)
		}
	}
	if len(quiet) == 0 || len(others) == 0 {
		return fmt.Errorf("%s: %d comments are neutral and %d are not, want some of both", comments.File, len(quiet), len(others))
	}
	rng, lines := rand.New(rand.NewPCG(d.seed, 15)), json.NewEncoder(out)
	for range d.rows {
		var texts, labels []string
		for range d.neutral {
			texts = append(texts, comments.Texts[quiet[rng.IntN(len(quiet))]])
		}
		for range 1 + rng.IntN(d.planted) {
			i := others[rng.IntN(len(others))]
			texts = slices.Insert(texts, rng.IntN(len(texts)+1), comments.Texts[i])
			for l, y := range comments.Row(i) {
				if y == 1 && !slices.Contains(labels, names[l]) {
					labels = append(labels, names[l])
				}
			}
		}
		err := lines.Encode(map[string]any{"text": ends(strings.Join(texts, " "), d.ends, tok), "labels": labels})
		if err != nil {
			return err
		}
	}
	return nil
}

// count returns how many labels a row has.
func count(row []int8) (n int) {
	for _, y := range row {
		if y == 1 {
			n++
		}
	}
	return n
}

// ends returns the words at the beginning and at the end of a text that make n tokens each; all of it for a tokenizer of nil.
func ends(text string, n int, tok *tokenizer.Tokenizer) string {
	if tok == nil {
		return text
	}
	words, total := tok.Words(text), 0
	for _, w := range words {
		total += w.Pieces
	}
	if total <= 2*n {
		return text
	}
	head, tail, left := 0, len(text), n
	for _, w := range words {
		if left -= w.Pieces; left < 0 {
			break
		}
		head = w.End
	}
	left = n
	for _, w := range slices.Backward(words) {
		if left -= w.Pieces; left < 0 {
			break
		}
		tail = w.Start
	}
	return text[:head] + " " + text[tail:]
}
