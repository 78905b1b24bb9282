package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"

	"github.com/spf13/pflag"
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

// What predict writes has a line for each row, with its own id or none; the suffix of the output says its format, and metrics reads both.
func TestFieldPredict(t *testing.T) {
	t.Parallel()
	model := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Pooled, []string{"joy", "anger"}))
	folder := filepath.Join("testdata", "field")
	for _, c := range []struct {
		file string
		code int
		want string // the first columns
	}{
		{"07-table-invents-ids/texts.csv", cli.ExitData, "id 1 2 3"},
		{"07-table-invents-ids/texts.jsonl", cli.ExitOK, "id 1  3"},
		{"08-blank-lines-vanish/texts.fasttext", cli.ExitOK, "id,row ,1 ,2 ,3"},
		{"08-blank-lines-vanish/texts.csv", cli.ExitOK, "id,row ,1 ,2 ,3"},
	} {
		out := filepath.Join(t.TempDir(), "p.csv")
		_, stderr, code := bertlabel(t, "", "predict", "--model", model, "--input", filepath.Join(folder, filepath.FromSlash(c.file)),
			"--output", out)
		table, err := os.ReadFile(out)
		var columns []string
		for line := range strings.Lines(string(table)) {
			columns = append(columns, strings.Join(strings.Split(line, ",")[:1+strings.Count(c.want, "row")], ","))
		}
		if got := strings.Join(columns, " "); err != nil || code != c.code || got != c.want {
			t.Errorf("%s: exit %d, %q, want %q\n%s", c.file, code, got, c.want, stderr)
		}
	}
	truth := filepath.Join(t.TempDir(), "truth.csv")
	cmdtest.WriteFile(t, truth, "text,joy,anger\nhello,1,no\nbye,False,1.0\n")
	var reports []string
	for _, name := range []string{"p.jsonl", "p.csv", "p.csv.gz", "p"} {
		out := filepath.Join(t.TempDir(), name)
		_, _, code := bertlabel(t, "", "predict", "--model", model, "--input", truth, "--output", out)
		stdout, stderr, metricsCode := bertlabel(t, "", "metrics", "--truth", truth, "--scores", out)
		if reports = append(reports, stdout); code != cli.ExitOK || metricsCode != cli.ExitOK || stdout != reports[0] {
			t.Errorf("%s: exit %d, %d, %s", name, code, metricsCode, stderr)
		}
	}
	scores := filepath.Join(t.TempDir(), "scores.csv")
	bertlabel(t, "", "predict", "--model", model, "--input", truth, "--output", scores)
	for name, text := range map[string]string{ // the truth may be any file that eval reads
		"t.csv": "text,labels\nhello,joy\nbye,anger\n", "t.tsv": "text\tlabels\nhello\tjoy\nbye\tanger\n",
		"t.jsonl": `{"text":"hello","labels":["joy"]}` + "\n" + `{"text":"bye","labels":["anger"]}` + "\n", "t.ft": "__label__joy hello\n__label__anger bye\n",
	} {
		path := filepath.Join(t.TempDir(), name)
		cmdtest.WriteFile(t, path, text)
		stdout, stderr, code := bertlabel(t, "", "metrics", "--truth", path, "--scores", scores)
		if code != cli.ExitOK || stdout != reports[0] {
			t.Errorf("truth %s: exit %d, %s", name, code, stderr)
		}
	}
	out := filepath.Join(t.TempDir(), "p.tsv")
	_, stderr, code := bertlabel(t, "", "predict", "--model", model, "--input", truth, "--output", out, "--output-format", "csv")
	if code != cli.ExitOK || !strings.Contains(stderr, "p.tsv is written as --output-format csv") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

// At most five warnings of a kind are printed, and how many more there are.
func TestFieldFloods(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	model := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Pooled, []string{"joy", "anger"}))
	var bad, unknown strings.Builder
	bad.WriteString("text,joy\n")
	unknown.WriteString("text,labels\n")
	for i := range 200 {
		fmt.Fprintf(&bad, "text %d,x\n", i)
		fmt.Fprintf(&unknown, "text %d,label%d\n", i, i)
	}
	cmdtest.WriteFile(t, filepath.Join(dir, "bad.csv"), bad.String())
	cmdtest.WriteFile(t, filepath.Join(dir, "unknown.csv"), unknown.String())
	for _, args := range []string{"check-data --train D/bad.csv", "check-data --train D/bad.csv --on-bad-row skip --bad-rows D/b",
		"eval --model M --data D/unknown.csv --drop-unknown-labels", "predict --model M --input D/bad.csv --text-column none"} {
		_, stderr, _ := bertlabel(t, "", strings.Fields(strings.NewReplacer("D/", dir+"/", " M ", " "+model+" ").Replace(args))...)
		if n := strings.Count(stderr, "\n"); n > 40 || strings.Contains(args, "bad.csv --on") && !strings.Contains(stderr, "195 more of the same kind") {
			t.Errorf("%s: %d lines\n%.2000s", args, n, stderr)
		}
	}
}

// No verb replaces what it reads, by whatever path or link.
func TestFieldReplaced(t *testing.T) {
	t.Parallel()
	model := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Pooled, []string{"joy", "anger"}))
	dir := t.TempDir()
	input, link := filepath.Join(dir, "train.csv"), filepath.Join(dir, "link.csv")
	const rows = "id,text,joy,anger\n1,a,1,0\n2,b,0,1\n3,c,1,1\n"
	cmdtest.WriteFile(t, input, rows)
	if err := os.Symlink(input, link); err != nil {
		t.Skip(err)
	}
	for _, args := range []string{
		"predict --model M --input I --output I", "predict --model M --input I --output L",
		"predict --model M --input L --output D/./train.csv",
		"predict --model M --input I --output M/vocab.txt", "predict --model M --input I --bad-rows I", "embed --model M --input I --output I",
		"predict --model M --input I --output D/new --bad-rows D/new", "eval --model M --data I --report I",
		"eval --model M --data I --bad-rows L",
		"tokenize --vocab-file M/vocab.txt --input I --output I", "tokenize --vocab-file M/vocab.txt --input I --output M/vocab.txt",
		"check-data --train I --bad-rows I", "split --input I --output I,D/b --parts a=0.5,b=0.5 --overwrite",
		"split --input I --output D --parts train=0.5,b=0.5 --overwrite", "train --model M --train I --output D/o --bad-rows I",
		"explain --model M --input I --output I",
	} {
		words := strings.Fields(args)
		for i, word := range words {
			for short, long := range map[string]string{"M": model, "I": input, "L": link, "D": dir} {
				if word == short || strings.HasPrefix(word, short+"/") || strings.HasPrefix(word, short+",") {
					words[i] = strings.ReplaceAll(","+word, ","+short, ","+long)[1:]
				}
			}
		}
		_, stderr, code := bertlabel(t, "", words...)
		text, err := os.ReadFile(input)
		if code != cli.ExitUsage || err != nil || string(text) != rows {
			t.Errorf("%s: exit %d, input %q, %s", args, code, text, stderr)
		}
	}
}

// Every flag that takes a file is known as one that is read or one that is replaced; those of folders say so.
func TestFilesOfFlags(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, name := range cli.FileFlags() {
		known[name] = true
	}
	for _, cmd := range cli.New(cli.Process{}, verbs, nil, nil, nil).Root().Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			value, usage := pflag.UnquoteUsage(f)
			if isFile := value == "FILE" || strings.Contains(fmt.Sprint(value, usage), "FILE of"); isFile && !known[f.Name] {
				t.Errorf("%s --%s: neither an input nor an output", cmd.Name(), f.Name)
			}
		})
	}
}

// A text is read as it comes: on the command line, one a line in a file or on stdin, and stdin with a header as the table that it is.
func TestFieldTexts(t *testing.T) {
	t.Parallel()
	model := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Pooled, []string{"joy", "anger"}))
	dir := t.TempDir()
	txt, other := filepath.Join(dir, "texts.txt"), filepath.Join(dir, "texts")
	cmdtest.WriteFile(t, txt, "the cat\n\na big, red dog\n")
	cmdtest.WriteFile(t, other, "the cat\n\na big, red dog\n")
	want, _, _ := bertlabel(t, `{"text":"the cat"}`+"\n"+`{"text":""}`+"\n"+`{"text":"a big, red dog"}`, "predict", "--model", model)
	for _, c := range []struct{ name, stdin, args, stderr string }{
		{"a file of texts", "", "--input " + txt, ""},
		{"a file of lines", "", "--format lines --input " + other, ""},
		{"stdin of lines", "the cat\n\na big, red dog\n", "", "stdin is read as one text a line"},
		{"stdin of lines by a flag", "the cat\n\na big, red dog\n", "--format lines", ""},
		{"stdin of TSV", "text\tx\nthe cat\t1\n\t2\na big, red dog\t3\n", "", "is read as tsv"},
		{"stdin of CSV with another column", "body,x\nthe cat,1\n,2\n\"a big, red dog\",3\n", "--text-column body", "is read as csv"},
		{"stdin of JSON lines", "\n " + `{"text":"the cat"}` + "\n" + `{"text":""}` + "\n" + `{"text":"a big, red dog"}`, "", ""},
	} {
		stdout, stderr, code := bertlabel(t, c.stdin, append([]string{"predict", "--model", model}, strings.Fields(c.args)...)...)
		if code != cli.ExitOK || stdout != want ||
			!strings.Contains(stderr, c.stderr) || c.stderr == "" && strings.Contains(stderr, "is read as") {
			t.Errorf("%s: exit %d, %s\nwant %s\n%s", c.name, code, stdout, want, stderr)
		}
	}
	for _, args := range [][]string{
		{"the cat", "", "a big, red dog"}, {"--text", "the cat", "", "a big, red dog"},
		{"--text", "the cat", "--text", "", "--text", "a big, red dog"},
	} {
		stdout, stderr, code := bertlabel(t, "", append([]string{"predict", "--model", model}, args...)...)
		if code != cli.ExitOK || stdout != want {
			t.Errorf("%q: exit %d, %s\nwant %s\n%s", args, code, stdout, want, stderr)
		}
	}
	for args, says := range map[string]string{
		txt: "give it by --input", "a --input " + txt: "one of the two",
		"--text a --text-column b": "means nothing",
	} {
		_, stderr, code := bertlabel(t, "", append([]string{"predict", "--model", model}, strings.Fields(args)...)...)
		if code != cli.ExitUsage || !strings.Contains(stderr, says) {
			t.Errorf("%s: exit %d, %s, want %s", args, code, stderr, says)
		}
	}
	_, stderr, code := bertlabel(t, "", "check-data", "--train", txt)
	if code != cli.ExitUsage || !strings.Contains(stderr, "without labels") {
		t.Errorf("labels of lines: exit %d, %s", code, stderr)
	}
}
