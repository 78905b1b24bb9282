package main

import (
	"compress/gzip"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// hintFix is what a message says is to be done: an edit of the file, or of the list of labels, or more words on the command line.
type hintFix struct {
	from, to string // in the file; an empty from stands for all of it
	list     string // the list of labels
	words    string
}

// hintCase is a file that is refused with a fix in the message. Its name begins with what the format is taken from.
type hintCase struct {
	name, text string
	words      string // of check-data; a verb before them that is another one
	list       string // of --labels; "" for none
	hint       string // as it is said
	fixes      []hintFix
}

var hintCases = []hintCase{
	// Lists of labels.
	{"a.csv", "text,labels\na,joy\n", "", "joy\n\nanger\n", "take the blank line or name away", []hintFix{{list: "joy\nanger\n"}}},
	{"a.csv", "text,labels\na,joy\n", "", "joy\nanger\xff\n", "save the file as UTF-8", []hintFix{{list: "joy\nangerÿ\n"}}},
	{"a.csv", "text,joy,\"an\nger\"\na,1,0\n", "", "", "write the name on one line", []hintFix{{from: "an\nger", to: "anger"}}},
	{"a.csv", "text,labels\na,joy\n", "", "joy\nanger\njoy\n", "keep one of the two", []hintFix{{list: "joy\nanger\n"}}},
	{"a.csv", "text,labels\na,7\nb,joy\n", "", "joy\nanger\n", "check that the label list is the one that the file was made with",
		[]hintFix{{list: "joy\n1\n2\n3\n4\n5\n6\n7\n"}}},
	{"a.csv", "text,labels\na,\"joy,,anger\"\n", "", "",
		"take the surplus separator or the empty name away; no label at all is an empty field",
		[]hintFix{{from: ",,", to: ","}, {from: `"joy,,anger"`, to: "joy"}}},
	{"a.csv", "text,labels\na,joy\nb,fury\nc,anger\n", "train --model M --output $/o --max-steps 1 --on-bad-row skip --max-bad-rows 0 --train",
		"joy\nanger\n", "correct it, or add it to the label list", []hintFix{{from: "fury", to: "joy"}, {list: "joy\nanger\nfury\n"}}},
	{"a.csv", "text,labels\na,joy\nb,joyy\nc,anger\n", "train --model M --output $/o --max-steps 1 --on-bad-row skip --max-bad-rows 0 --train",
		"joy\nanger\n", `did you mean "joy"?`, []hintFix{{from: "joyy", to: "joy"}}},
	{"a.csv", "text,labels\na,joy\nb,\"joy,joy\"\n", "", "", "take one away", []hintFix{{from: "joy,joy", to: "joy"}}},
	{"a.csv", "text,labels\na,\"[0, 1]\"\nb,\"[0, 1, 1]\"\n", "", "", "give the label list by --labels, or write the names of the labels",
		[]hintFix{{list: "x\ny\nz\n", from: "[0, 1]", to: "[0, 1, 0]"}, {to: "text,labels\na,y\nb,\"y,z\"\n"}}},
	{"a.csv", "text,labels\na,\"joy,anger\"\nb,joy\nc,anger\n", "--label-separator ;", "", `give --label-separator ","`,
		[]hintFix{{words: "--label-separator ,"}, {list: "joy,anger\njoy\nanger\n"}}},
	{"a.csv", "text,labels\na,joy;anger\nb,joy|fear\nc,joy\nd,anger\ne,fear\n", "", "",
		"write one separator in all rows, and give it by --label-separator", []hintFix{{from: "|", to: ";", words: "--label-separator ;"}}},
	{"a.csv", "text,labels\na,joy;x\n", "", "joy;x\nb\n", "choose another by --label-separator", nil},
	{"a.csv", "text,labels\na,joy;x\n", "--label-separator ;", "joy;x\nb\n", "choose another by --label-separator",
		[]hintFix{{words: "--label-separator |"}}},

	// Cells.
	{"a.csv", "text,labels\na,[27]\n", "", "",
		"write 0 or 1; places in a list of labels need that list: give it by --labels, or write the names",
		[]hintFix{{list: numbered(28)}, {from: "[27]", to: "joy"}, {from: "[27]", to: "[1]"}}},
	{"a.jsonl", `{"text":"a","labels":[0,1,1]}` + "\n" + `{"text":"b","labels":[2]}` + "\n" + `{"text":"c","labels":[0,0,0]}` + "\n", "",
		"x\ny\nz\n",
		"give the label list by --labels, or write the names of the labels", []hintFix{{from: "[2]", to: `["z"]`}}},
	{"a.jsonl", `{"text":"a","labels":[2]}` + "\n" + `{"text":"b","labels":[0,1,1]}` + "\n", "", "x\ny\nz\n", "write all rows in one way",
		[]hintFix{{from: "[0,1,1]", to: "[1,2]"}}},
	{"a.jsonl", `{"text":"a","labels":[0.0,7,1]}` + "\n", "", "x\ny\nz\n", "write 0 or 1", []hintFix{{from: "7", to: "1"}}},
	{"a.jsonl", `{"text":"a","labels":{"x":7}}` + "\n", "", "", "write 0 or 1", []hintFix{{from: "7", to: "1"}}},
	{"a.csv", "text,labels\na,joy\nb,nan\n", "", "",
		"say what it means: --missing-labels unknown, or --missing-labels none; if it is a label, list the labels by --labels",
		[]hintFix{{words: "--missing-labels unknown"}, {words: "--missing-labels none"}, {list: "joy\nnan\n"}}},
	{"a.ft", "__label__joy a\n__label__nan b\n", "", "", "say what it means: --missing-labels unknown, or --missing-labels none",
		[]hintFix{{words: "--missing-labels unknown"}, {words: "--missing-labels none"}, {list: "joy\nnan\n"}}},
	{"a.csv", "text,joy,note\na,1,q\n", "", "",
		"write 0 or 1; if this column is no label, name those that are: --label-columns, or --labels-column",
		[]hintFix{{from: "q", to: "1"}, {words: "--label-columns joy"}, {words: "--labels-column note"}}},
	{"a.csv", "text,joy\na,0.7\n", "", "", "--binarize 0.5 (train and embed take shares as they are with --soft-labels)",
		[]hintFix{{words: "--binarize 0.5"}, {words: "--soft-labels"}, {from: "0.7", to: "1"}}},
	{"a.csv", "text,labels\na,\"[0.7, 1]\"\n", "", "x\ny\n", "say from which share on a label counts: --binarize 0.5",
		[]hintFix{{words: "--binarize 0.5"}}},
	{"a.jsonl", `{"text":"a","labels":{"x":0.7}}` + "\n", "", "", "say from which share on a label counts: --binarize 0.5",
		[]hintFix{{words: "--binarize 0.5"}}},
	{"a.csv", "text,joy\na,1\nb,nan\n", "", "",
		"leave the cell empty, or say what it means: --missing-labels unknown, or --missing-labels none",
		[]hintFix{{from: "nan", to: ""}, {words: "--missing-labels unknown"}, {words: "--missing-labels none"}}},
	{"a.csv", "text,labels\na,\"['joy', 'an\"\n", "", "", "write the names with the separator between them, or use JSONL with a list of names",
		[]hintFix{{from: "['joy', 'an", to: "joy,anger"}}},

	// Tables.
	{"a.csv", ",text,joy\nx,a,1\n", "", "", "name it, or name the columns of labels by --label-columns", []hintFix{{from: ",text",
		to: "id,text"}, {words: "--label-columns joy"}}},
	{"a.csv", "text,text,joy\na,b,1\n", "", "", "rename one of them", []hintFix{{from: "text,text", to: "text,more",
		words: "--label-columns joy"}}},
	{"a.csv", "text,joy\na,1\ntext,joy\nb,0\n", "", "",
		"take the line away, as where files were joined with their headers, or leave it out: --on-bad-row skip",
		[]hintFix{{from: "text,joy\nb", to: "b"}, {words: "--on-bad-row skip"}}},
	{"a.csv", "text,joy\na, b,1\nc,0\n", "", "", "put a field that holds a comma in quotes", []hintFix{{from: "a, b", to: `"a, b"`}}},
	{"a.csv", "text;joy\na; b;1\nc;0\n", "--delimiter ;", "", `put a field that holds a ";" in quotes`, []hintFix{{from: "a; b",
		to: `"a; b"`}}},
	{"a.tsv", "text\tjoy\na\tb\t1\nc\t0\n", "", "", "replace a tab inside a text by a space, or use CSV or JSONL", []hintFix{{from: "a\tb",
		to: "a b"}}},
	{"a.tsv", "text;joy\na; b;1\nc;0\n", "--delimiter ;", "", `replace a ";" inside a text, or use CSV or JSONL`, []hintFix{{from: "a; b",
		to: "a, b"}}},
	{"a.csv", "text,joy\na\nc,0\n", "", "", "add what is missing", []hintFix{{from: "a\n", to: "a,1\n"}}},
	{"a.csv", "text,joy\na \"b\" c,1\n", "", "", `put the field in quotes and double the quotes inside`, []hintFix{{from: `a "b" c`,
		to: `"a ""b"" c"`}}},
	{"a.csv", "text,joy\n\"a,1\n", "", "", `close it; a quote that is part of the text is doubled, in quotes`, []hintFix{{from: `"a`,
		to: `"a"`}, {from: `"a`, to: `"""a"`}}},
	{"a.csv", "text," + strings.Repeat("x,", 1<<16) + "\n", "", "", "look for a missing line end", []hintFix{{to: "text,x\na,1\n"}}},
	{"a.csv", "text,joy\ra,1\rb,0\r", "", "", `convert the file: tr '\r' '\n'`, []hintFix{{to: "text,joy\na,1\nb,0\n"}}},
	{"a.csv", "a,1\nb,0\n", "--no-header --text-column 3", "", "--text-column counts columns from 1", []hintFix{{words: "--text-column 1"}}},
	{"a.csv", "txt,joy\na,1\n", "", "", `did you mean "txt"? Then give --text-column txt, or rename the column`,
		[]hintFix{{words: "--text-column txt"}, {from: "txt", to: "text"}}},
	{"a.csv", "sentence,joy\na,1\n", "", "",
		"name it by --text-column, or give --no-header and the numbers of the columns when the file has no header",
		[]hintFix{{words: "--text-column sentence"}, {to: "a,1\nb,0\n", words: "--no-header --text-column 1 --label-columns 2"}}},
	{"a.csv", "text;joy\na;1\n", "", "", `the file seems to be separated by ";": give --delimiter ";"`, []hintFix{{words: "--delimiter ;"}}},
	{"a.csv", "a,1,joy\nb,0,joy\n", "--no-header --text-column 1", "joy\n",
		"name the columns of the labels by --label-columns, or the one column of their names by --labels-column",
		[]hintFix{{words: "--label-columns 2"}, {words: "--labels-column 3"}}},
	{"a.csv", "text,note,joy\na,1,0\n", "", "joy\n", "name the columns of labels by --label-columns", nil},
	{"a.csv", "text,joy\na,1\n", "--id-column text", "",
		"correct --text-column, --text-pair-column, --id-column, --labels-column or --label-columns", nil},

	// JSON lines.
	{"a.jsonl", `{"text":"a","toxic":1}` + "\n", "", "", "add the key; where each label has a key of its own, name them by --label-columns",
		[]hintFix{{from: `"toxic":1`, to: `"labels":[]`, list: "toxic\n"}, {words: "--label-columns toxic"}}},
	{"a.jsonl", `{"labels":["x"]}` + "\n", "", "", "add the key", []hintFix{{from: `{`, to: `{"text":"a",`}}},
	{"a.jsonl", `{"txt":"a","labels":["x"]}` + "\n", "", "", "did you mean", []hintFix{{from: `txt`, to: `text`}}},
	{"a.jsonl", `["a"]` + "\n", "", "", "write one object a line", []hintFix{{to: `{"text":"a","labels":["x"]}` + "\n"}}},
	{"a.jsonl", `{text:"a","labels":["x"]}` + "\n", "", "", `write {"text": …}`, []hintFix{{from: "text", to: `"text"`}}},
	{"a.jsonl", `{"text":"a","labels":["x"],}` + "\n", "", "", "take the comma away", []hintFix{{from: ",}", to: "}"}}},
	{"a.jsonl", "{\"text\":\"a\tb\",\"labels\":[\"x\"]}\n", "", "", "", []hintFix{{from: "\t", to: `\t`}}},
	{"a.jsonl", `{"text":"a\q","labels":["x"]}` + "\n", "", "", `a backslash itself is \\`, []hintFix{{from: `\q`, to: `\\q`}}},
	{"a.jsonl", `{"text":"a","labels":["x"],"n":NaN}` + "\n", "", "", "JSON has no NaN and no infinity; write null, or leave the key out",
		[]hintFix{{from: "NaN", to: "null"}, {from: `,"n":NaN`, to: ""}}},
	{"a.jsonl", `{"text":"a","labels":["x"],"n":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + "}\n", "", "", "leave the key out",
		[]hintFix{{to: `{"text":"a","labels":["x"]}` + "\n"}}},
	{"a.jsonl", `{"text":"a","text":"b","labels":["x"]}` + "\n", "", "", "take one away", []hintFix{{from: `"text":"b",`, to: ""}}},
	{"a.jsonl", `{"text":"a","text_b":"b","text_pair":"c","labels":["x"]}` + "\n", "", "", "take one away",
		[]hintFix{{from: `"text_b":"b",`, to: ""}}},
	{"a.jsonl", `{"text":7,"labels":["x"]}` + "\n", "", "", "put the text in double quotes", []hintFix{{from: "7", to: `"7"`}}},
	{"a.jsonl", `{"text":"a","id":[7],"labels":["x"]}` + "\n", "", "", "write the id as a string", []hintFix{{from: "[7]", to: `"7"`}}},
	{"a.jsonl", `{"text":"a","labels":7}` + "\n", "", "x\n", "no label is []", []hintFix{{from: "7", to: "[]"}}},
	{"a.jsonl", `{"text":"a","labels":["x",7]}` + "\n", "", "", "write all labels in one way", []hintFix{{from: "7", to: `"7"`}}},

	// fastText and texts.
	{"a.ft", "__label__joy a __label__anger b\n", "", "", "move it to the front of the line",
		[]hintFix{{to: "__label__joy __label__anger a b\n"}}},
	{"a.csv", "text,joy\n" + strings.Repeat("a", 1<<20+1) + ",1\n", "--on-long error", "", "cut it, or let it be cut: --on-long truncate",
		[]hintFix{{words: "--on-long truncate"}, {to: "text,joy\naaa,1\n"}}},
	{"a.csv", "text,joy\na\xff,1\n", "--strict-utf8", "", "save the file as UTF-8, or leave out --strict-utf8: the bytes are then dropped",
		[]hintFix{{words: "--strict-utf8=false"}, {from: "\xff", to: "ÿ"}}},
	{"a.csv", "text,joy\na,1\nb,0\nc,1\n", "train --model M --output $/o --max-steps 1 --folds 5 --train", "", "lower --folds",
		[]hintFix{{words: "--folds 2"}}},
	{"a.csv.gz", "\x1f\x8b\x08broken", "", "", "copy or compress the file again", []hintFix{{to: zipped("text,joy\na,1\n")}}},
	{"a.csv", "t\x00e\x00x\x00t\x00,\x00j\x00o\x00y\x00\n\x00", "", "", "convert it: iconv -f UTF-16LE -t UTF-8",
		[]hintFix{{to: "text,joy\na,1\n"}}},
	{"a.csv", "\x00t\x00e\x00x\x00t\x00,\x00j\x00o\x00y\x00\n", "", "", "convert it: iconv -f UTF-16BE -t UTF-8",
		[]hintFix{{to: "text,joy\na,1\n"}}},
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("label" + strconv.Itoa(i) + "\n")
	}
	return b.String()
}

func zipped(text string) string {
	var b strings.Builder
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

// hintsElsewhere are hints whose files are too large for here: each has a test where it is made.
var hintsElsewhere = []string{"cut the text, or look for ", "check that this is the column of the labels"}

// Every fix that a message of train/data names is done, as the message says it, and the error is gone. The hints are those of the source, so
// that a new one without a case fails.
func TestHintsHelp(t *testing.T) {
	t.Parallel()
	plain := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Pooled, nil))
	var said strings.Builder
	run := func(c *hintCase, fix *hintFix) (stderr string, code int) {
		dir := t.TempDir()
		text, list, words := c.text, c.list, c.words
		if fix != nil {
			switch {
			case fix.from != "":
				text = strings.Replace(text, fix.from, fix.to, 1)
			case fix.to != "":
				text = fix.to
			}
			if fix.list != "" {
				list = fix.list
			}
		}
		file := filepath.Join(dir, c.name)
		cmdtest.WriteFile(t, file, text)
		if !strings.HasSuffix(words, "--train") {
			words = "check-data --json " + words + " --train"
		}
		words = strings.NewReplacer(" M ", " "+plain+" ", "$", dir).Replace(words) + " " + file
		if list != "" {
			cmdtest.WriteFile(t, filepath.Join(dir, "labels.txt"), list)
			words += " --labels " + filepath.Join(dir, "labels.txt")
		}
		if fix != nil {
			words += " " + fix.words
		}
		_, stderr, code = bertlabel(t, "", strings.Fields(words)...)
		said.WriteString(stderr)
		return stderr, code
	}
	for i := range hintCases {
		c := &hintCases[i]
		stderr, code := run(c, nil)
		if len(c.fixes) > 0 && (code == cli.ExitOK || code == cli.ExitInternal || !strings.Contains(stderr, c.hint)) {
			t.Errorf("%s %.80q %s: exit %d, %.300s\nwant the fix %q", c.name, c.text, c.words, code, stderr, c.hint)
		}
		for j := range c.fixes {
			if stderr, code := run(c, &c.fixes[j]); code != cli.ExitOK ||
				c.hint != "" && strings.Contains(stderr, c.hint) && !strings.Contains(c.fixes[j].words, "skip") { // which lists what it skips
				t.Errorf("%s %.80q %s: fixed by %+.200v as %q says: exit %d, %.400s", c.name, c.text, c.words, c.fixes[j], c.hint, code, stderr)
			}
		}
	}
	for _, hint := range hintsOf(t, "../../train/data") {
		known := strings.Trim(cli.AsFlags(hint), "` ") // what is filled in may begin with a backquote
		if !strings.Contains(said.String(), known) {
			elsewhere := false
			for _, e := range hintsElsewhere {
				elsewhere = elsewhere || hint == e
			}
			if !elsewhere {
				t.Errorf("the fix %q has no case", hint)
			}
		}
	}
}

// hintsOf returns the beginnings of the hints in the sources of a package: values of fields and variables that are called so, and the last
// arguments of functions that make faults.
func hintsOf(t *testing.T, dir string) (hints []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no sources in %s: %v", dir, err)
	}
	add := func(e ast.Expr) {
		if text := firstText(e); text != "" {
			hints = append(hints, text)
		}
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Hint" {
					add(n.Value)
				}
			case *ast.AssignStmt:
				for i, left := range n.Lhs {
					if name, ok := left.(*ast.Ident); i < len(n.Rhs) && ok && name.Name == "hint" {
						add(n.Rhs[i])
					} else if field, ok := left.(*ast.SelectorExpr); i < len(n.Rhs) && ok && field.Sel.Name == "Hint" {
						add(n.Rhs[i])
					}
				}
			case *ast.ValueSpec:
				if n.Names[0].Name == "shareHint" {
					add(n.Values[0])
				}
			case *ast.CallExpr:
				name := ""
				switch f := n.Fun.(type) {
				case *ast.Ident:
					name = f.Name
				case *ast.SelectorExpr:
					name = f.Sel.Name
				}
				if (name == "fault" || name == "foreign") && len(n.Args) > 1 {
					if call, ok := n.Fun.(*ast.SelectorExpr); !ok || len(n.Args) == 4 || name == "foreign" || call == nil {
						add(n.Args[len(n.Args)-1])
					}
				}
			}
			return true
		})
	}
	return hints
}

// firstText returns the first piece of a text, up to what is filled in.
func firstText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		if err != nil || e.Kind != token.STRING {
			return ""
		}
		text, _, _ = strings.Cut(text, "%")
		return text
	case *ast.BinaryExpr:
		return firstText(e.X)
	case *ast.CallExpr:
		if len(e.Args) > 0 {
			return firstText(e.Args[0])
		}
	}
	return ""
}

// optionHints are command lines that are refused with a fix in the message, and that with the fix run. @ is a file of rows, @@ one without a
// suffix, $ a folder of the line's own, M a model without a head, H one with the labels joy and anger.
var optionHints = []struct {
	words, hint string
	fixes       []string // words that come last, or after = those that take the place of all
}{
	{"train --model M --train @ --output $/o --max-steps 2 --on-nan restore", "give stop or skip", []string{"--on-nan stop", "--on-nan skip"}},
	{"train --model M --train @ --output $/o --max-steps 2 --tune last:1 --solver lbfgs", "give --tune head", []string{
		"=train --model M --train @ --output $/o --tune head --solver lbfgs"}},
	{"train --model M --train @ --output $/o --solver lda", "give that, or --l2", []string{"--l2 1", "--dev @"}},
	{"train --model M --train @ --output $/o --max-steps 2 --l2 1", "is for --solver lbfgs and lda",
		[]string{"=train --model M --train @ --output $/o --l2 1 --solver lbfgs", "=train --model M --train @ --output $/o --l2 1 --solver lda"}},
	{"train --model M --train @ --output $/o --max-steps 2 --tune last:1 --folds 2", "give --tune head", []string{"--tune head"}},
	{"train --model M --train @ --output $/o --max-steps 2 --folds 2 --dev @", "give one of them", []string{
		"=train --model M --train @ --output $/o --max-steps 2 --folds 2", "=train --model M --train @ --output $/o --max-steps 2 --dev @"}},
	{"train --model M --train @ --output $/o --max-steps 2 --calibrate", "--calibrate needs --dev", []string{"--dev @"}},
	{"train --model M --train @ --output $/o --max-steps 2 --tune-thresholds", "needs --dev or --folds", []string{"--dev @", "--folds 2"}},
	{"train --model M --train @ --output $/o --pooling auto", "give --dev and --solver lbfgs or lda", []string{"--dev @ --solver lbfgs",
		"--dev @ --solver lda"}},
	{"train --model M --train @ --output $/o --max-steps 2 --early-stopping 1", "give --dev", []string{"--dev @"}},
	{"train --model M --train @ --output $/o --max-steps 2 --tune last:1 --dev @ --refit-pooling mean", "give --refit lbfgs or lda",
		[]string{"--refit lbfgs", "--refit lda"}},
	{"train --model M --train @ --output $/o --max-steps 2 --refit lda", "give both", []string{"--tune last:1 --dev @"}},
	{"train --model M --train @ --output $/o --num-train-epochs 0.5", "lower --train-batch-size or raise --num-train-epochs",
		[]string{"--train-batch-size 1", "--num-train-epochs 9"}},
	{"train --model M --train @ --output +", "give another, or --overwrite", []string{"--overwrite --max-steps 2",
		"--output $/o --max-steps 2"}},
	{"train --model M --train @ --output $/o --baseline --max-steps 2", "give --dev or --folds", []string{"--dev @", "--folds 2"}},
	{"train --model M --train @ --output $/o --max-steps 2 --max-memory 1M", "a larger --max-memory", []string{"--max-memory 4G"}},
	{"check-data --train @@", "give csv, tsv, jsonl, fasttext or lines", []string{"--format csv"}},
	{"check-data --train @ --no-header", "needs --text-column N", nil},
	{"check-data --train @ --keep-tokens cat", "need --model or --vocab-file", []string{"--model H", "--vocab-file H/vocab.txt"}},
	{"check-data --train @ --max-bad-rows 1 --on-bad-row error", "needs --on-bad-row skip or report", []string{"--on-bad-row skip",
		"--on-bad-row report"}},
	{"check-data --train @ --drop-unknown-labels", "give --labels FILE", []string{"--labels H/labels.txt"}},
	{"embed --model M --input @ --all-layers", "needs --output FILE.safetensors", []string{"--output $/e.safetensors"}},
	{"embed --model H --input @ --output $/e.safetensors --on-bad-row report", "give error or skip", []string{"--on-bad-row error",
		"--on-bad-row skip"}},
	{"predict --model H --input @ --output $/p.csv --exactly-one", "--output-format jsonl", []string{"--output-format jsonl"}},
	{"predict --model H @", "give it by --input", []string{"=predict --model H --input @"}},
	{"predict --model M --input @", "train one with bertlabel train", []string{"=train --model M --train @ --output $/o --max-steps 2"}},
	{"predict --model H/vocab.txt --input @", "name its folder", []string{"--model H"}},
	{"tune --model H --dev @ --overwrite", "is for an --output folder", []string{"--output $/o"}},
	{"tune --model H --dev @ --output $/o --seed 3", "give that too", []string{"--calibrate"}},
	{"eval --model H --data @ --tune-thresholds", "chosen by bertlabel tune", []string{"=tune --model H --dev @ --output $/o"}},
	{"eval --model H --data @ --calibrate", "calibrated by bertlabel tune --calibrate", []string{"=tune --model H --dev @ --output $/o --calibrate"}},
	{"labels ad --model H --names joy --output $/o", "did you mean add?", nil},
	{"trace --model H a~dog --json --layer 1", "with --whole", []string{"--whole"}},
	{"bench --gemm 4x4x4 --runs 1 --num-labels 3", "give --model, --shape, --lengths or --train", []string{"--model 1x64 --shape 1x4"}},
}

// Every fix that the refusal of an option names is done, and the command line runs.
func TestOptionHintsHelp(t *testing.T) {
	t.Parallel()
	plain := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Pooled, nil))
	head := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Pooled, []string{"joy", "anger"}))
	rows := filepath.Join(t.TempDir(), "rows.csv")
	cmdtest.WriteFile(t, rows, "text,joy,anger\nthe cat,1,0\na dog,0,1\na cat,1,0\nthe dog,0,1\nsad,1,1\nhome,0,0\n")
	run := func(words string) (stderr string, code int) {
		dir := t.TempDir()
		nameless, full := filepath.Join(dir, "rows"), filepath.Join(dir, "full")
		text, err := os.ReadFile(rows)
		if err != nil {
			t.Fatal(err)
		}
		cmdtest.WriteFile(t, nameless, string(text))
		if err := os.Mkdir(full, 0o777); err != nil {
			t.Fatal(err)
		}
		cmdtest.WriteFile(t, filepath.Join(full, "x"), "x")
		var args []string
		words = strings.NewReplacer(" M ", " "+plain+" ", " H ", " "+head+" ", " H/", " "+head+"/").Replace(words + " ")
		for _, word := range strings.Fields(words) {
			args = append(args, strings.NewReplacer("@@", nameless, "@", rows, "$", dir, "~", " ").Replace(word))
		}
		for i, arg := range args {
			if arg == "+" {
				args[i] = full
			}
		}
		_, stderr, code = bertlabel(t, "", args...)
		return stderr, code
	}
	for _, c := range optionHints {
		if stderr, code := run(c.words); code == cli.ExitOK || code == cli.ExitInternal || !strings.Contains(stderr, c.hint) {
			t.Errorf("%s: exit %d, %.400s\nwant the fix %q", c.words, code, stderr, c.hint)
		}
		for _, fix := range c.fixes {
			words, whole := strings.CutPrefix(fix, "=")
			if !whole {
				words = c.words + " " + fix
			}
			if stderr, code := run(words); code != cli.ExitOK {
				t.Errorf("%s: fixed by %s: exit %d, %.500s", c.words, fix, code, stderr)
			}
		}
	}
}
