package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

func page(t *testing.T) []change {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/guide/break.md"))
	if err != nil {
		t.Fatal(err)
	}
	changes, err := parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

// TestPage: every change of the page can be made in the tree as it is, and the tests that it names exist. That they fail the CI shows.
func TestPage(t *testing.T) {
	changes := page(t)
	if len(changes) != 22 {
		t.Errorf("%d changes, want 22", len(changes))
	}
	for _, c := range changes {
		changed, err := c.apply(root)
		if err != nil {
			t.Error(err)
			continue
		}
		for name, text := range changed {
			if was, err := os.ReadFile(filepath.Join(root, name)); err != nil || text == string(was) {
				t.Errorf("%s: %s is as it was, %v", c.title, name, err)
			}
		}
		files, _ := filepath.Glob(filepath.Join(root, c.pkg, "*_test.go"))
		found := false
		for _, f := range files {
			text, err := os.ReadFile(f)
			found = found || err == nil && strings.Contains(string(text), "func "+c.test+"(t *testing.T)")
		}
		if !found {
			t.Errorf("%s: %s has no %s", c.title, c.pkg, c.test)
		}
	}
}

// TestHarmless: a change that no test sees is an error, and one that does not compile is no success.
func TestHarmless(t *testing.T) {
	t.Chdir(root)
	r := runner{t.TempDir(), environment(t.TempDir())}
	harmless := change{"harmless", []edit{{"train/metrics/counts.go", "package metrics\n", "// Nothing.\npackage metrics\n"}},
		"./train/metrics", "TestNothingKnown", ""}
	broken := harmless
	broken.edits = []edit{{"train/metrics/counts.go", "package metrics\n", "package metrics\n\nvar x int = false\n"}}
	other := harmless
	other.edits, other.says = []edit{{"train/metrics/counts.go", "package metrics\n", "package metrics\n\nfunc init() { panic(1) }\n"}}, "x"
	for want, c := range map[string]change{
		"TestNothingKnown passes": harmless, "does not fail, something else does": broken, "TestNothingKnown does not fail": other,
	} {
		if err := r.breaks(&c, "0"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := "### A\n\n`a/b.go`\n\n```diff\n x\n-a\n+b\n```\n\n`go test ./a -run '^TestA$'` says\n\n> no\n"
	if c, err := parse(good); err != nil || len(c) != 1 || c[0].edits[0] != (edit{"a/b.go", "x\na\n", "x\nb\n"}) ||
		c[0].pkg != "./a" || c[0].test != "TestA" || c[0].says != "no" {
		t.Fatalf("%+v, %v", c, err)
	}
	for name, change := range map[string][2]string{
		"section": {"### A", "## A"}, "want one of each": {"> no", "no"}, "commands": {"go test ./a", "go vet ./a"},
		"without a `file.go`": {"`a/b.go`", "a"},
		"no ```diff":          {"```diff", "```go"}, "begins with none": {"-a", "?a"}, "changes nothing": {"-a\n+b", " a\n a"},
	} {
		if _, err := parse(strings.Replace(good, change[0], change[1], 1)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := change{edits: []edit{{"train/metrics/counts.go", "\n", "x\n"}}}
	if _, err := c.apply(root); err == nil || !strings.Contains(err.Error(), "times, want once") {
		t.Errorf("a line that stands often: %v", err)
	}
}
