// Breakit proves what docs/guide/break.md says: that each of its changes makes the test that it names fail. It is a mutation test of the
// tests, and runs without the shared folder.
//
//	go run ./scripts/breakit docs/guide/break.md
//
// First all the tests must pass on the tree as it is. Then each change is made by `go test -overlay`, which leaves the tree alone, and its
// test must fail, and say what the page says. A change that does not compile proves nothing and is an error.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		panic(err)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: breakit PAGE, in the module's root")
	}
	page, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	changes, err := parse(string(page))
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "breakit")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	r := runner{scratch: scratch, environment: environment(scratch)}
	if err := r.unchanged(changes); err != nil {
		return err
	}
	return r.all(changes)
}

// change is one section of the page.
type change struct {
	title string // of its heading
	edits []edit
	pkg   string // ./bert
	test  string // the name of the test that must fail
	says  string // what the test then says, among other things
}

// edit replaces lines of a file.
type edit struct{ file, old, new string }

var (
	heading = regexp.MustCompile(`(?m)^### (.*)$`)
	file    = regexp.MustCompile("(?m)^`([a-z_/]+\\.go)`")
	diff    = regexp.MustCompile("(?ms)^```diff\n(.*?)^```$")
	command = regexp.MustCompile("`go test (\\./[a-z/]+) -run '\\^(Test\\w+)\\$'`")
	says    = regexp.MustCompile("(?m)^> (.+)$")
)

// parse returns the changes of the page: the sections under ###.
func parse(page string) (changes []change, err error) {
	at := heading.FindAllStringSubmatchIndex(page, -1)
	for i, m := range at {
		end := len(page)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		c := change{title: page[m[2]:m[3]]}
		if err := c.read(page[m[1]:end]); err != nil {
			return nil, fmt.Errorf("%s: %w", c.title, err)
		}
		changes = append(changes, c)
	}
	if len(changes) == 0 {
		return nil, errors.New("no section begins with ###")
	}
	return changes, nil
}

// read takes the parts of a section: `file.go` at the beginning of a line in front of each diff, the command, and > what the test says.
func (c *change) read(section string) error {
	test, message := command.FindAllStringSubmatch(section, -1), says.FindAllStringSubmatch(section, -1)
	if len(test) != 1 || len(message) != 1 {
		return fmt.Errorf("found %d commands `go test ./PACKAGE -run '^TEST$'` and %d lines > of what it says, want one of each",
			len(test), len(message))
	}
	c.pkg, c.test, c.says = test[0][1], test[0][2], message[0][1]
	for _, d := range diff.FindAllStringSubmatchIndex(section, -1) {
		names := file.FindAllStringSubmatch(section[:d[0]], -1)
		if len(names) == 0 {
			return errors.New("a diff without a `file.go` at the beginning of a line before it")
		}
		edits, err := hunks(names[len(names)-1][1], section[d[2]:d[3]])
		if err != nil {
			return err
		}
		c.edits = append(c.edits, edits...)
	}
	if len(c.edits) == 0 {
		return errors.New("no ```diff")
	}
	return nil
}

// hunks reads a diff: hunks with context, which @@ parts.
func hunks(file, text string) (edits []edit, err error) {
	for hunk := range strings.SplitSeq(text, "@@\n") {
		e := edit{file: file}
		for line := range strings.Lines(hunk) {
			switch line[0] {
			case '-':
				e.old += line[1:]
			case '+':
				e.new += line[1:]
			case ' ':
				e.old, e.new = e.old+line[1:], e.new+line[1:]
			default:
				return nil, fmt.Errorf("%s: a line of the diff begins with none of -, +, space: %q", file, line)
			}
		}
		if e.old == "" || e.old == e.new {
			return nil, fmt.Errorf("%s: a hunk changes nothing", file)
		}
		edits = append(edits, e)
	}
	return edits, nil
}

// apply returns the changed files by name. Every old text must stand in its file exactly once.
func (c *change) apply(root string) (map[string]string, error) {
	changed := map[string]string{}
	for _, e := range c.edits {
		text, ok := changed[e.file]
		if !ok {
			content, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return nil, err
			}
			text = string(content)
		}
		if n := strings.Count("\n"+text, "\n"+e.old); n != 1 {
			return nil, fmt.Errorf("%s: %s has these lines %d times, want once:\n%s", c.title, e.file, n, e.old)
		}
		changed[e.file] = strings.Replace(text, e.old, e.new, 1)
	}
	return changed, nil
}

// environment is that of a clone that stands alone, on no machine of a CI.
func environment(scratch string) []string {
	var kept []string
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); name != "CI" && !strings.HasPrefix(name, "BERTLABEL_") {
			kept = append(kept, v)
		}
	}
	return append(kept, "BERTLABEL_SHARED="+filepath.Join(scratch, "no shared folder"))
}

type runner struct {
	scratch     string
	environment []string
}

// unchanged runs the tests of all changes on the tree as it is.
func (r *runner) unchanged(changes []change) error {
	tests := map[string][]string{}
	for _, c := range changes {
		if !slices.Contains(tests[c.pkg], c.test) {
			tests[c.pkg] = append(tests[c.pkg], c.test)
		}
	}
	for pkg, names := range tests {
		out, err := r.goTest(pkg, "^("+strings.Join(names, "|")+")$", "-v")
		if err != nil {
			return fmt.Errorf("the tree as it is: %w\n%s", err, out)
		}
		for _, name := range names {
			if !strings.Contains(out, "--- PASS: "+name+" ") {
				return fmt.Errorf("the tree as it is: %s of %s does not pass\n%s", name, pkg, out)
			}
		}
	}
	return nil
}

// all makes the changes, two at a time, and reports every one that its test does not see.
func (r *runner) all(changes []change) error {
	errs := make([]error, len(changes))
	var wg sync.WaitGroup
	slots := make(chan bool, 2)
	for i := range changes {
		wg.Go(func() {
			slots <- true
			defer func() { <-slots }()
			if errs[i] = r.breaks(&changes[i], fmt.Sprint(i)); errs[i] == nil {
				fmt.Printf("%s: %s fails\n", changes[i].title, changes[i].test)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// breaks makes one change and demands that its test fails as the page says.
func (r *runner) breaks(c *change, id string) error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	changed, err := c.apply(root)
	if err != nil {
		return err
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for name, text := range changed {
		path := filepath.Join(r.scratch, id+"-"+strings.ReplaceAll(name, "/", "-"))
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			return err
		}
		overlay.Replace[filepath.Join(root, name)] = path
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		return err
	}
	path := filepath.Join(r.scratch, id+".json")
	if err := os.WriteFile(path, list, 0o666); err != nil {
		return err
	}
	out, err := r.goTest(c.pkg, "^"+c.test+"$", "-overlay", path)
	switch {
	case err == nil:
		return fmt.Errorf("%s: %s passes", c.title, c.test)
	case !strings.Contains(out, "--- FAIL: "+c.test+" "):
		return fmt.Errorf("%s: %s does not fail, something else does:\n%s", c.title, c.test, out)
	case !strings.Contains(out, c.says):
		return fmt.Errorf("%s: %s fails, but does not say %q:\n%s", c.title, c.test, c.says, out)
	}
	return nil
}

func (r *runner) goTest(pkg, tests string, more ...string) (out string, err error) {
	args := append([]string{"test", "-short", "-vet=off", "-run", tests, "-timeout", "120s"}, more...)
	cmd := exec.Command("go", append(args, pkg)...)
	cmd.Env = r.environment
	text, err := cmd.CombinedOutput()
	return string(text), err
}
