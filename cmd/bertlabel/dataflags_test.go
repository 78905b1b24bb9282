package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// Every flag reaches the reader, wrong usage and refused data have their exit codes, and messages name the place.
func TestDataFlags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	labels := filepath.Join(dir, "labels.txt")
	cmdtest.WriteFile(t, labels, "joy\nlove\n")
	long := strings.Repeat("x", 1<<20+1)
	for _, c := range []struct {
		name, content, args string
		code                int
		stdout, stderr      string // parts
	}{
		{"f.csv", "text,joy\na,1\n", "", cli.ExitOK, `"positive": 1`, ""},
		{"f.txt", "text,joy\na,1\n", "", cli.ExitUsage, "", "--format"},
		{"f.txt", "text\tjoy\na\t1\n", "--format tsv", cli.ExitOK, `"positive": 1`, ""},
		{"f.csv", "a,x,0\nb,x,\n", "--no-header --text-column 1 --id-column 2 --labels-column 3 --labels " + labels, cli.ExitOK,
			`"positive": 1`, ""},
		{"f.csv", "a,b\n", "--no-header", cli.ExitUsage, "", "--text-column N"},
		{"f.csv", "body,other,key,tags\na,b,k,joy;love\n",
			"--text-column body --text-pair-column other --id-column key --labels-column tags --label-separator ;", cli.ExitOK, `"love"`,
			""},
		{"f.csv", "text,joy,score,love\na,1,0.3,0\n", "--label-columns joy,love", cli.ExitOK, `"love"`, ""},
		{"f.csv", "text,joy,score,love\na,1,0.3,0\n", "", cli.ExitData, "",
			"f.csv:2: column score: found the value \"0.3\", expected 0, 1 or nothing (unknown); fix:"},
		{"f.csv", "text,joy\na,2\nb,1\n", "--on-bad-row error", cli.ExitData, "", ":2: column joy"},
		{"f.csv", "text,joy\na,2\nb,1\n", "--on-bad-row skip --max-bad-rows 0", cli.ExitData, "", "1 bad rows"},
		{"f.csv", "text,joy\na,2\nb,1\n", "--on-bad-row ignore", cli.ExitUsage, "", "error, skip, report"},
		{"f.csv", "text,joy\na,2\nb,1\n", "--max-bad-rows some", cli.ExitUsage, "", "--max-bad-rows"},
		{"f.csv", "text,joy\n" + long + ",1\nb,1\n", "", cli.ExitOK, `"rows": 2`, ""},
		{"f.csv", "text,joy\n" + long + ",1\nb,1\n", "--on-long error", cli.ExitData, `"rows": 1`, ":2: column text"},
		{"f.csv", "text,joy\na\xff,1\nb,1\n", "", cli.ExitOK, `"invalid_utf8": 1`, ""},
		{"f.csv", "text,joy\na\xff,1\nb,1\n", "--strict-utf8", cli.ExitData, `"rows": 1`, "invalid UTF-8"},
		{"f.csv", "text,joy\na,1\n", "--labels nowhere.txt", cli.ExitUsage, "", "nowhere.txt"},
		{"f.csv", "text,joy\na,1\n", "--labels " + dir, cli.ExitUsage, "", "folder"},
		{"f.csv", "text,joy\na,1\n", "--dev " + dir, cli.ExitUsage, "", "folder"},
		{"f.csv", "text,joy\na,1\n", "--dev nowhere.csv", cli.ExitUsage, "", "nowhere.csv"},
		{"f.csv", "", "", cli.ExitData, "", "f.csv:1: found an empty file"},
	} {
		path := filepath.Join(dir, c.name)
		cmdtest.WriteFile(t, path, c.content)
		stdout, stderr, code := bertlabel(t, "", append([]string{"check-data", "--json", "--train", path}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
			t.Errorf("%.40q %s: exit %d, stdout %.300s, stderr %.500s\nwant exit %d, %q, %q", c.content, c.args, code, stdout, stderr,
				c.code,
				c.stdout, c.stderr)
		}
	}
}

func TestDataFlagsByEnvironment(t *testing.T) {
	t.Parallel()
	env := map[string]string{"BERTLABEL_LABEL_COLUMNS": "love,joy", "BERTLABEL_TEXT_COLUMN": "body"}
	stdout, stderr, code := bertlabelIn(t, env, "body,joy,x,love\na,1,?,0\n", "check-data", "--json", "--train", "-", "--format", "csv")
	if code != cli.ExitOK || !strings.Contains(stdout, `"file": "stdin"`) || strings.Contains(stdout, `"x"`) {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
}

// --bad-rows lists what was left out, with everything that a program needs to find it.
func TestBadRowsFile(t *testing.T) {
	t.Parallel()
	list := filepath.Join(t.TempDir(), "new", "bad.jsonl")
	_, _, code := bertlabel(t, `{"text":"a","labels":["joy"]}`+"\n"+`{"text":7}`+"\n"+`{"text":"b"}`, "check-data", "--train", "-",
		"--bad-rows", list)
	text, err := os.ReadFile(list)
	if code != cli.ExitData || err != nil {
		t.Fatalf("exit %d, %v", code, err)
	}
	want := `{"file":"stdin","line":2,"byte":9,"column":"text","found":"the number 7","expected":"a string",` +
		`"fix":"put the text in double quotes"}` + "\n" +
		`{"file":"stdin","line":3,"column":"labels","found":"no such key, but text","expected":"\"labels\" with a list of labels",` +
		`"fix":"add the key"}` + "\n"
	if string(text) != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
}
