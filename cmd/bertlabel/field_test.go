package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// The folders of testdata/field have small files as people have them, rebuilt from public reports. Words of a command line that begin
// with @ are files of the case's folder.
var fieldCases = []struct {
	folder, args   string
	code           int
	stdout, stderr string // parts
}{
	{"01-stringified-lists", "check-data --json --train @names.csv", cli.ExitOK, `"name": "anger"`, ""},
	{"01-stringified-lists", "check-data --json --train @multihot.csv", cli.ExitOK, `"name": "2"`, ""},
	{"02-space-after-comma", "check-data --json --train @train.csv",
		cli.ExitOK, `"labels_per_row": [` + "\n        0,\n        2,\n        2\n", ""},
	{"04-other-separator", "check-data --train @train.csv",
		cli.ExitData, "", `train.csv:2: column labels: found labels joined by ";": "joy;anger"`},
	{"06-wrong-delimiter", "check-data --train @semicolon.csv", cli.ExitData, "", `give --delimiter ";"`},
	{"06-wrong-delimiter", "check-data --train @tab.csv", cli.ExitData, "", "give --delimiter tab"},
	{"06-wrong-delimiter", "check-data --train @pipe.csv", cli.ExitData, "", `give --delimiter "|"`},
	{"06-wrong-delimiter", "check-data --train @comma.tsv", cli.ExitData, "", `give --delimiter ","`},
	{"06-wrong-delimiter", "check-data --train @semicolon.csv --delimiter ;", cli.ExitOK, `"rows": 2`, ""},
	{"06-wrong-delimiter", "check-data --train @tab.csv --delimiter tab", cli.ExitOK, `"rows": 1`, ""},
	{"06-wrong-delimiter", "check-data --train @pipe.csv --delimiter |", cli.ExitOK, `"rows": 1`, ""},
	{"06-wrong-delimiter", "check-data --train @comma.tsv --delimiter ,", cli.ExitOK, `"rows": 1`, ""},
	{"06-wrong-delimiter", "check-data --train @one-label.csv --text-column text;labels", cli.ExitData, "", `give --delimiter ";"`},
	{"10-one-point-zero", "check-data --train @float.csv --labels @ab.txt", cli.ExitOK, `"unknown": 1`, ""},
	{"10-one-point-zero", "check-data --train @bool.csv --labels @ab.txt", cli.ExitOK, `"positive": 1`, ""},
	{"10-one-point-zero", "check-data --train @float.jsonl --labels @ab.txt", cli.ExitOK, `"positive": 1`, ""},
	{"10-one-point-zero", "check-data --train @bool.jsonl --labels @ab.txt", cli.ExitOK, `"positive": 1`, ""},
	{"10-one-point-zero", "check-data --train @cats.jsonl --labels @ab.txt --labels-column cats", cli.ExitOK, `"positive": 1`, ""},
	{"11-jsonl-indices", "check-data --train @emotions.jsonl --labels @abc.txt", cli.ExitOK, `"positive": 1`, ""},
	{"11-jsonl-indices", "check-data --train @emotions.tsv --no-header --text-column 1 --labels-column 2 --labels @abc.txt", cli.ExitOK,
		`"positive": 1`, ""},
	{"11-jsonl-indices", "check-data --train @ambiguous.jsonl --labels @ab.txt",
		cli.ExitOK, `"positive": 2`, "were read as 0 or 1 for each label"},
	{"22-optimizer-slots", "predict --model @adam --input @text.jsonl", cli.ExitOK, `"labels":`, "52 variables that an optimizer keeps"},
	{"22-optimizer-slots", "predict --model @lossscale --input @text.jsonl", cli.ExitOK, `"labels":`, "2 variables that an optimizer keeps"},
	{"12-jsonl-label-columns", "check-data --train @toxic.jsonl --label-columns toxic,obscene", cli.ExitOK, `"positive": 1`, ""},
	{"12-jsonl-label-columns", "check-data --train @toxic.jsonl", cli.ExitData, "", "name them by --label-columns"},
	{"12-jsonl-label-columns", "check-data --train @toxic.jsonl --label-separator ;",
		cli.ExitUsage, "", "means nothing for a file of format jsonl"},
	{"12-jsonl-label-columns", "check-data --train @words.fasttext --label-columns a,b", cli.ExitUsage, "", "--label-columns means nothing"},
	{"12-jsonl-label-columns", "check-data --train @words.fasttext --text-column foo", cli.ExitUsage, "", "--text-column means nothing"},
	{"12-jsonl-label-columns", "check-data --train @words.fasttext --labels-column bar", cli.ExitUsage, "", "--labels-column means nothing"},
	{"12-jsonl-label-columns", "check-data --train @words.fasttext --label-separator ;", cli.ExitUsage, "", "--label-separator means nothing"},
}

func TestFieldCases(t *testing.T) {
	t.Parallel()
	for _, c := range fieldCases {
		args := strings.Fields(c.args)
		for i, arg := range args {
			if name, is := strings.CutPrefix(arg, "@"); is {
				args[i] = filepath.Join("testdata", "field", c.folder, name)
			}
		}
		stdout, stderr, code := bertlabel(t, "", args...)
		if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
			t.Errorf("%s: %s: exit %d, stdout %.600s, stderr %.600s\nwant exit %d, %q, %q", c.folder, c.args, code, stdout, stderr, c.code,
				c.stdout, c.stderr)
		}
	}
}

// The labels that train learns are those that the cells name, and a label without rows is said before it begins.
func TestFieldTrain(t *testing.T) {
	t.Parallel()
	model := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Pooled, nil))
	list := filepath.Join(t.TempDir(), "labels.txt")
	cmdtest.WriteFile(t, list, " joy\nanger \nfear\n")
	for _, c := range []struct{ file, args, labels, stderr string }{
		{"01-stringified-lists/names.csv", "", "anger\njoy\n", ""},
		{"01-stringified-lists/multihot.csv", "--labels " + list, "joy\nanger\nfear\n", ""},
		{"02-space-after-comma/train.csv", "", "anger\njoy\n", ""},
		{"02-space-after-comma/train.csv", "--labels " + list, "joy\nanger\nfear\n", `no row has 1 of 3 labels: "fear"`},
	} {
		out := filepath.Join(t.TempDir(), "o")
		_, stderr, code := bertlabel(t, "", append([]string{"train", "--model", model, "--output", out, "--max-steps", "2",
			"--max-seq-length", "16",
			"--train", filepath.Join("testdata", "field", filepath.FromSlash(c.file))}, strings.Fields(c.args)...)...)
		labels, err := os.ReadFile(filepath.Join(out, "labels.txt"))
		if err != nil || code != cli.ExitOK || string(labels) != c.labels || !strings.Contains(stderr, c.stderr) {
			t.Errorf("%s %s: exit %d, labels %q, stderr %s\nwant %q, %q", c.file, c.args, code, labels, stderr, c.labels, c.stderr)
		}
	}
}

// What the environment says of a format may be for other verbs.
func TestFormatFlagsByEnvironment(t *testing.T) {
	t.Parallel()
	env := map[string]string{"BERTLABEL_LABEL_SEPARATOR": ";"}
	_, stderr, code := bertlabelIn(t, env, `{"text":"a","labels":["joy"]}`, "check-data", "--json", "--train", "-")
	if code != cli.ExitOK {
		t.Errorf("exit %d, %s", code, stderr)
	}
}
