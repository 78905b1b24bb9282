package datacmd

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/train/data"
)

// The files of the parts go by --output, and else have the ending of the input.
func TestSplitOptions(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--input all.csv.gz --output d": "[{train d/train.csv.gz 0.8 0} {dev d/dev.csv.gz 0.1 0} {test " +
			"d/test.csv.gz 0.1 0}]",
		"--input - --output d --parts a=0.5,b=0.5":                            "[{a d/a.jsonl 0.5 0} {b d/b.jsonl 0.5 0}]",
		"--input x.data/ --format tsv --output d --parts a=0.5 --parts b=0.5": "[{a d/a.tsv 0.5 0} {b d/b.tsv 0.5 0}]",
		"--input all.csv --output p,q --parts a=0.25,b=0.75":                  "[{a p 0.25 0} {b q 0.75 0}]",
	} {
		got, stderr, code := cmdtest.Options(t, newSplitCmd, append([]string{"split"}, strings.Fields(args)...)...)
		if code != cli.ExitOK || fmt.Sprint(got.Parts) != want || got.Seed != 42 || got.Overwrite {
			t.Errorf("split %s: %+v, exit %d %s, want %s", args, got, code, stderr, want)
		}
	}
}

// What is not said of a vocabulary is left to the model.
func TestVocabularyOptions(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for _, c := range []struct {
		args   string
		want   vocabulary
		length int
	}{
		{"--model m", vocabulary{Model: "m"}, 0},
		{"--vocab-file v --max-seq-length 64 --do-lower-case", vocabulary{File: "v", LowerCase: &yes}, 64},
		{"--model m --keep-tokens [A],[B] --do-lower-case=false",
			vocabulary{Model: "m", KeepTokens: []string{"[A]", "[B]"}, LowerCase: &no}, 0},
	} {
		got, stderr, code := cmdtest.Options(t, newCheckDataCmd,
			append([]string{"check-data", "--train", "t"}, strings.Fields(c.args)...)...)
		if code != cli.ExitOK || !reflect.DeepEqual(got.Vocabulary, c.want) || got.MaxSeqLength != c.length || got.Train != "t" {
			t.Errorf("check-data %s: %+v, exit %d %s", c.args, got, code, stderr)
		}
	}
	got, stderr, code := cmdtest.Options(t, newTokenizeCmd, "tokenize", "--vocab-file", "v", "--on-bad-row", "skip", "--max-seq-length",
		"8")
	if code != cli.ExitOK || got.Vocabulary.File != "v" || got.Vocabulary.LowerCase != nil || got.MaxSeqLength != 8 || got.Input != "-" ||
		got.Rows.OnBadRow != data.SkipBadRows {
		t.Errorf("tokenize: %+v, exit %d %s", got, code, stderr)
	}
}
