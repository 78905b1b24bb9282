package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The pages of docs/ are held true here. Code that they show must stand in the source (docs_excerpt_test.go), what commands print is what
// they print (docs_transcript_test.go), and every file, symbol, test and link that a page names exists (below). A page that shows
//
//	```go FILE:SYMBOL      shows lines of that symbol, in their order; … stands for lines left out
//	```asm FILE:NAME,NAME  shows instructions of these macros or functions, in their order
//	```console             shows command lines of bertlabel, run in the root of the repository, and what they print

// page is one document.
type page struct {
	path   string // from the root of the module, with slashes
	text   string // without what stands in fences
	fences []fence
}

// fence is a block of a page that is not prose.
type fence struct {
	page     string
	line     int    // of its first line of text, from 1
	kind     string // the first word behind the back-quotes
	argument string // the rest
	lines    []string
}

func (f *fence) String() string { return fmt.Sprintf("%s:%d", f.page, f.line) }

// readPages returns the pages of docs/, README and CONTRIBUTING.
func readPages(t *testing.T) (pages []page) {
	t.Helper()
	paths := []string{"README.md", "CONTRIBUTING.md"}
	err := filepath.WalkDir(filepath.Join(moduleRoot, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			path, err = filepath.Rel(moduleRoot, path)
			paths = append(paths, filepath.ToSlash(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		pages = append(pages, parsePage(t, path))
	}
	return pages
}

func parsePage(t *testing.T, path string) page {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(moduleRoot, path))
	if err != nil {
		t.Fatal(err)
	}
	p := page{path: path}
	var open *fence
	for i, line := range strings.Split(string(content), "\n") {
		info, mark := strings.CutPrefix(line, "```")
		switch {
		case mark && open == nil:
			kind, argument, _ := strings.Cut(info, " ")
			open = &fence{page: path, line: i + 2, kind: kind, argument: argument}
		case mark:
			p.fences = append(p.fences, *open)
			open = nil
		case open != nil:
			open.lines = append(open.lines, line)
			line = ""
		}
		if mark {
			line = ""
		}
		p.text += line + "\n" // lines keep their numbers
	}
	if open != nil {
		t.Errorf("%s: a fence is not closed", open)
	}
	return p
}

// eachMatch calls f with the parts of every match of a pattern in the prose of a page, and where it stands.
func (p *page) eachMatch(pattern *regexp.Regexp, f func(at string, parts []string)) {
	for i, line := range strings.Split(p.text, "\n") {
		for _, parts := range pattern.FindAllStringSubmatch(line, -1) {
			f(fmt.Sprintf("%s:%d", p.path, i+1), parts)
		}
	}
}

var (
	docsSymbol = regexp.MustCompile("`([a-zA-Z0-9_][\\w./-]*\\.(?:go|s|h)):([A-Za-z_][\\w.]*)`")
	docsFile   = regexp.MustCompile("`((?:asm|bert|checkpoint|cmd|docs|layers|scripts|tensor|train)/[\\w./-]*\\.(?:go|s|h|py|sh|md))`")
	docsTest   = regexp.MustCompile(`\b((?:Test|Benchmark|Fuzz|Example)[A-Z]\w*)`)
	docsLink   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	testFunc   = regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz|Example)\w+)\(`)
)

// Every `FILE:SYMBOL`, every `FILE` and every test that a page names exists.
func TestDocsNames(t *testing.T) {
	t.Parallel()
	tests := testNames(t)
	for _, p := range readPages(t) {
		p.eachMatch(docsSymbol, func(at string, m []string) {
			if _, err := symbol(m[1], m[2]); err != nil {
				t.Errorf("%s: %v", at, err)
			}
		})
		p.eachMatch(docsFile, func(at string, m []string) {
			if strings.Contains(m[1], "NAME") || strings.Contains(m[1], "GOARCH") {
				return // any
			}
			if _, err := os.Stat(filepath.Join(moduleRoot, m[1])); err != nil {
				t.Errorf("%s: %v", at, err)
			}
		})
		p.eachMatch(docsTest, func(at string, m []string) {
			if !tests[m[1]] {
				t.Errorf("%s: there is no %s", at, m[1])
			}
		})
	}
}

// testNames returns the names of all tests, benchmarks, fuzz targets and examples of the module.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(moduleRoot, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := os.ReadFile(path)
		for _, m := range testFunc.FindAllSubmatch(content, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Every link within the repository leads to a file, and to a heading of it if it names one.
func TestDocsLinks(t *testing.T) {
	t.Parallel()
	pages := readPages(t)
	headings := map[string][]string{}
	for _, p := range pages {
		for line := range strings.SplitSeq(p.text, "\n") {
			if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
				headings[p.path] = append(headings[p.path], anchor(title))
			}
		}
	}
	for _, p := range pages {
		p.eachMatch(docsLink, func(at string, m []string) {
			if strings.Contains(m[1], "://") {
				return
			}
			path, heading, named := strings.Cut(m[1], "#")
			target := p.path
			if path != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(p.path), path))
			}
			if _, err := os.Stat(filepath.Join(moduleRoot, target)); err != nil {
				t.Errorf("%s: %v", at, err)
			} else if named && !slices.Contains(headings[target], heading) {
				t.Errorf("%s: %s has no heading #%s; it has %v", at, target, heading, headings[target])
			}
		})
	}
}

var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)

// anchor is the name that a browser knows a heading by.
func anchor(title string) string {
	return strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), ""), " ", "-")
}

var docsTime = regexp.MustCompile(`(^|[^≈\d.,])(\d[\d.,]*) ?(ns|µs|ms|s|min|GFLOP/s|GB/s|texts/s)\b`)

// A time or a speed in the guide is marked as such, ≈: it was so once, on one machine.
func TestDocsTimes(t *testing.T) {
	t.Parallel()
	for _, p := range readPages(t) {
		if strings.HasPrefix(p.path, "docs/guide/") {
			p.eachMatch(docsTime, func(at string, m []string) {
				t.Errorf("%s: %s %s without ≈", at, m[2], m[3])
			})
		}
	}
}

// No row of the equation table is without source, code and test; that those exist is TestDocsNames' to say.
func TestDocsEquations(t *testing.T) {
	t.Parallel()
	p := parsePage(t, "docs/guide/equations.md")
	rows := 0
	for i, line := range strings.Split(p.text, "\n") {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.ReplaceAll(line, `\|`, ""), "|"), "|")
		if len(cells) != 4 {
			t.Errorf("%s:%d: %d cells, want 4", p.path, i+1, len(cells))
			continue
		}
		for j := range cells {
			cells[j] = strings.TrimSpace(cells[j])
		}
		if cells[0] == "equation" || strings.Trim(cells[0], "-") == "" {
			continue
		}
		rows++
		if cells[1] == "" || !docsSymbol.MatchString(cells[2]) || !docsTest.MatchString(cells[3]) {
			t.Errorf("%s:%d: %s: source %q, code %q, test %q: want a source, a `FILE:SYMBOL` and a test", p.path, i+1, cells[0], cells[1],
				cells[2], cells[3])
		}
	}
	if rows < 25 {
		t.Errorf("%s has %d equations", p.path, rows)
	}
}

// Whoever searches the source for a word of the papers finds it where that is computed, in the plain form and in the fast one; the exported
// types have it in go doc, too.
func TestDocsWords(t *testing.T) {
	t.Parallel()
	for word, places := range map[string][]string{
		"multi-head": {"bert/plain/forward.go:Pass.multiHead", "bert/layer.go:Layer", "bert/layer.go:Layer.afterQKV",
			"layers/attention.go:Attention"},
		"feed-forward": {"bert/plain/forward.go:Pass.feedForward", "bert/layer.go:Layer", "bert/layer.go:Layer.afterQKV"},
		"FFN":          {"bert/plain/forward.go:Pass.feedForward", "bert/layer.go:Layer", "bert/layer.go:Layer.afterQKV"},
		"residual": {"bert/plain/forward.go:Pass.addNorm", "bert/layer.go:Layer", "bert/layer.go:Layer.afterQKV", "layers/dense.go:Dense.ForwardNorm",
			"layers/addnorm.go:AddNorm"},
		"position": {"bert/plain/forward.go:Pass.embeddings", "bert/embeddings.go:Embeddings", "bert/embeddings.go:Embeddings.lookUp"},
	} {
		whole := regexp.MustCompile(`\b` + word + `\b`)
		for _, place := range places {
			file, name, _ := strings.Cut(place, ":")
			lines, err := symbol(file, name)
			if err != nil || !whole.MatchString(strings.Join(lines, "\n")) {
				t.Errorf("%s: no %q, %v", place, word, err)
			}
		}
	}
}
