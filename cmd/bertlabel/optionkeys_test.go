package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"bertlabel/asm"
	"bertlabel/train"
	"bertlabel/train/data"
)

// An option that a library error names is shown as a flag, wherever the error stands; what a file says stays as it is.
func TestErrorText(t *testing.T) {
	row := &data.RowError{File: "f.csv", Line: 3, Value: "`labels`", Found: "a text", Expected: "another",
		Hint: "give it by `text_column`, or leave out `strict_utf8`"}
	const rowText = "f.csv:3: found a text \"`labels`\", expected another; fix: give it by --text-column, or leave out --strict-utf8"
	for _, c := range []struct {
		err  error
		want string
	}{
		{row, rowText},
		{fmt.Errorf("`labels`: %w", withCode(exitData, row)), "`labels`: " + rowText},
		{errors.Join(errors.New("`a`"), row), "`a`\n" + rowText},
		{&data.BadRowsError{File: "f", Bad: 1, Rows: 2, Limit: data.AtMost(0), Last: row},
			"f: found 1 bad rows among 2, expected at most 0; the last one: " + rowText},
		{&data.OptionError{Option: "no_header", Problem: "needs `text_column` N"}, "--no-header: needs --text-column N"},
		{&train.ChangedError{Checkpoint: "c", Changes: []string{"the list of labels was `seed`, is none"}},
			"c is of another run: the list of labels was `seed`, is none; take back the change, or begin anew with --overwrite"},
		{&asm.SetError{Name: "mmx", Runs: []string{"avx2", "generic"}},
			`kernel set "mmx" (BERTLABEL_KERNELS, --kernels): this CPU and build run avx2, generic`},
		{errors.New("of `seed`"), "of `seed`"},
	} {
		if got := errorText(c.err); got != c.want {
			t.Errorf("%T: %q, want %q", c.err, got, c.want)
		}
	}
}

// Every option that a sentence of the library names is a flag, and none is named as a flag but where a command line is meant.
func TestOptionKeys(t *testing.T) {
	known := map[string]bool{}
	for _, verb := range newRoot(newApp(strings.NewReader(""), os.Stdout, os.Stderr)).Commands() {
		verb.InitDefaultHelpFlag()
		for _, name := range flagNames(verb) {
			known[strings.ReplaceAll(name, "-", "_")] = true
		}
	}
	flag, used := regexp.MustCompile(`--[a-z]`), 0
	err := fs.WalkDir(os.DirFS(moduleRoot), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") ||
			strings.HasPrefix(path, "cmd/") || strings.Contains(path, "/_") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(moduleRoot, path), nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING || literal.Value[0] != '"' {
				return true
			}
			text, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Error(err)
			}
			for _, key := range optionKey.FindAllString(text, -1) {
				if used++; !known[strings.Trim(key, "`")] {
					t.Errorf("%s: %s is no flag, in %q", path, key, text)
				}
			}
			if flag.MatchString(strings.ReplaceAll(text, "bertlabel inspect --stats", "")) {
				t.Errorf("%s names a flag: %q", path, text)
			}
			return true
		})
		return nil
	})
	if err != nil || used < 20 {
		t.Errorf("%d options found, %v", used, err)
	}
}
