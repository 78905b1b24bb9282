package main

import (
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

	"bertlabel/cmd/bertlabel/internal/cli"
)

// Every option that a sentence of the library names is a flag, and none is named as a flag but where a command line is meant.
func TestOptionKeys(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, verb := range cli.New(cli.Process{}, verbs, nil, nil, nil).Root().Commands() {
		verb.InitDefaultHelpFlag()
		for _, name := range namesOf(verb) {
			known[strings.ReplaceAll(name, "-", "_")] = true
		}
	}
	option, flag, used := regexp.MustCompile("`[a-z][a-z0-9]*(_[a-z0-9]+)*`"), regexp.MustCompile(`--[a-z]`), 0
	err := fs.WalkDir(os.DirFS(moduleRoot), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") ||
			strings.HasPrefix(path, "cmd/") || strings.HasPrefix(path, "scripts/") ||
			strings.Contains(path, "/_") {
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
			for _, key := range option.FindAllString(text, -1) {
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
