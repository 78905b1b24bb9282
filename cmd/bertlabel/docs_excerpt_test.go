package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Code that a page shows stands in the source, in the symbol that its fence names.
func TestDocsExcerpts(t *testing.T) {
	t.Parallel()
	for _, p := range readPages(t) {
		for _, f := range p.fences {
			if p.path == "README.md" || f.kind != "go" && f.kind != "asm" {
				continue
			}
			file, names, named := strings.Cut(f.argument, ":")
			err := errors.New("the fence does not say FILE:SYMBOL")
			switch {
			case named && f.kind == "go":
				err = checkGo(f.lines, file, names)
			case named:
				err = checkAssembly(f.lines, file, strings.Split(names, ","))
			}
			if err != nil {
				t.Errorf("%s: %v", &f, err)
			}
		}
	}
}

// squeeze takes white space together: that of an excerpt may differ.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// checkGo reports the first line that the symbol does not have behind the one before. With … any number of lines may be left out.
func checkGo(lines []string, file, name string) error {
	source, err := symbol(file, name)
	if err != nil {
		return err
	}
	at, skipping := 0, true
	for _, line := range lines {
		want := squeeze(line)
		if want == "…" {
			skipping = true
			continue
		}
		found := slices.IndexFunc(source[at:], func(line string) bool { return squeeze(line) == want })
		if found < 0 || found > 0 && !skipping {
			return fmt.Errorf("%s:%s has no line %q there", file, name, want)
		}
		at, skipping = at+found+1, false
	}
	return nil
}

// symbol returns the lines of a declaration of a Go file with its comment: a function, Type.Method, a type, a constant or variable, or
// Type.Field. In an assembly file it is a function or a macro.
func symbol(file, name string) ([]string, error) {
	content, err := os.ReadFile(filepath.Join(moduleRoot, file))
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(file, ".go") {
		lines := assembly(string(content), name)
		if lines == nil {
			return nil, fmt.Errorf("%s has no macro or function %s", file, name)
		}
		return lines, nil
	}
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, content, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, decl := range parsed.Decls {
		if node := declared(decl, name); node != nil {
			from, to := fset.Position(node.Pos()).Offset, fset.Position(node.End()).Offset
			if doc := commentOf(node); doc != nil {
				from = fset.Position(doc.Pos()).Offset
			}
			end := strings.IndexByte(string(content[to:])+"\n", '\n') // a comment behind the last line is part of it
			return strings.Split(string(content[from:min(to+end, len(content))]), "\n"), nil
		}
	}
	return nil, fmt.Errorf("%s has no %s", file, name)
}

// declared returns what of a declaration bears the name: all of it where it stands alone or in a group with others.
func declared(decl ast.Decl, name string) ast.Node {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if qualified(d) == name {
			return d
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			if specNames(spec, name) {
				return d
			}
		}
	}
	return nil
}

// qualified is the name of a function, or Type.Method.
func qualified(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	receiver := f.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	if generic, ok := receiver.(*ast.IndexExpr); ok {
		receiver = generic.X
	}
	return receiver.(*ast.Ident).Name + "." + f.Name.Name
}

// specNames tells whether a type, its field or method, a constant or a variable has the name.
func specNames(spec ast.Spec, name string) bool {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		return slices.ContainsFunc(s.Names, func(id *ast.Ident) bool { return id.Name == name })
	case *ast.TypeSpec:
		if s.Name.Name == name {
			return true
		}
		var members *ast.FieldList
		switch body := s.Type.(type) {
		case *ast.StructType:
			members = body.Fields
		case *ast.InterfaceType:
			members = body.Methods
		default:
			return false
		}
		return slices.ContainsFunc(members.List, func(f *ast.Field) bool {
			return slices.ContainsFunc(f.Names, func(id *ast.Ident) bool { return s.Name.Name+"."+id.Name == name })
		})
	}
	return false
}

func commentOf(node ast.Node) *ast.CommentGroup {
	switch d := node.(type) {
	case *ast.FuncDecl:
		return d.Doc
	case *ast.GenDecl:
		return d.Doc
	}
	return nil
}

var (
	asmStart = regexp.MustCompile(`^(?:TEXT ·(\w+)\(SB\)|#define (\w+)(?:\(([^)]*)\))?)`)
	operand  = `\S+?`
)

// assembly returns the lines of a function or macro of an assembly file.
func assembly(content, name string) (lines []string) {
	for line := range strings.SplitSeq(content, "\n") {
		m := asmStart.FindStringSubmatch(line)
		switch {
		case m != nil && (m[1] == name || m[2] == name):
			lines = append(lines, line)
		case m != nil && lines != nil:
			return lines
		case lines != nil:
			lines = append(lines, line)
		}
	}
	return lines
}

// instructions splits lines of assembly into instructions, without comments and white space.
func instructions(lines []string) (list []string) {
	for _, line := range lines {
		line, _, _ = strings.Cut(strings.TrimSuffix(strings.TrimSpace(line), `\`), "//")
		for part := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(line), `\`), ";") {
			if part = squeeze(part); part != "" {
				list = append(list, part)
			}
		}
	}
	return list
}

// checkAssembly reports the first instruction that the functions and macros do not have behind the one before. A parameter of a macro
// stands for any operand.
func checkAssembly(lines []string, file string, names []string) error {
	var patterns []*regexp.Regexp
	for _, name := range names {
		source, err := symbol(file, name)
		if err != nil {
			return err
		}
		head := asmStart.FindStringSubmatch(source[0])
		if body := strings.TrimSpace(source[0][len(head[0]):]); strings.HasPrefix(source[0], "#define") && body != `\` {
			patterns = append(patterns, regexp.MustCompile("^"+regexp.QuoteMeta(squeeze(source[0]))+"$")) // shown whole
			source[0] = body
		} else {
			source = source[1:]
		}
		for _, line := range instructions(source) {
			pattern := regexp.QuoteMeta(line)
			for parameter := range strings.SplitSeq(head[3], ",") {
				if parameter = strings.TrimSpace(parameter); parameter != "" {
					pattern = regexp.MustCompile(`\b`+regexp.QuoteMeta(parameter)+`\b`).ReplaceAllLiteralString(pattern, operand)
				}
			}
			patterns = append(patterns, regexp.MustCompile("^"+pattern+"$"))
		}
	}
	shown := instructions(lines)
	if len(lines) > 0 && strings.HasPrefix(lines[0], "#define") {
		shown = nil
		for _, line := range lines {
			shown = append(shown, squeeze(line))
		}
	}
	for _, want := range shown {
		if want == "…" {
			continue
		}
		at := slices.IndexFunc(patterns, func(p *regexp.Regexp) bool { return p.MatchString(want) })
		if at < 0 {
			return fmt.Errorf("%s:%v has no %q there", file, names, want)
		}
		patterns = patterns[at+1:]
	}
	return nil
}
