package main

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const moduleRoot = "../.."

// verb is what the packages of the verbs may import: the frame and every package of the library, and never one another.
var verb = []string{
	"bertlabel/cmd/bertlabel/internal/cli", "bertlabel/cmd/bertlabel/internal/flags", "bertlabel/cmd/bertlabel/internal/report",
	"bertlabel/cmd/bertlabel/internal/term", "bertlabel/asm/…", "bertlabel/bert/…", "bertlabel/checkpoint/…", "bertlabel/layers",
	"bertlabel/tensor/…", "bertlabel/train/…", "github.com/spf13/…",
}

// imports is what each package may import besides the standard library. An entry that ends in /… allows what is below it, too.
// asm, the bottom of everything, may be called by all that compute.
var imports = map[string][]string{
	"asm":               {"github.com/klauspost/cpuid/v2", "golang.org/x/sys/…"},
	"asm/machine":       {"golang.org/x/sys/…"},
	"tensor/parallel":   {},
	"tensor":            {"bertlabel/asm", "bertlabel/tensor/parallel"},
	"tensor/tensortest": {"bertlabel/tensor", "gonum.org/v1/gonum/…"},
	"layers":            {"bertlabel/asm", "bertlabel/tensor"},
	"bert":              {"bertlabel/asm", "bertlabel/tensor/…", "bertlabel/layers", "bertlabel/bert/internal/strictjson"},
	"bert/internal/…":   {},
	"bert/plain":        {},
	"bert/trace": {"bertlabel/bert", "bertlabel/bert/model", "bertlabel/bert/plain", "bertlabel/bert/tokenizer", "bertlabel/layers",
		"bertlabel/tensor", "bertlabel/train"},
	"bert/tokenizer": {"bertlabel/tensor/parallel", "golang.org/x/text/unicode/norm"},
	"bert/names":     {},
	"bert/model": {"bertlabel/asm", "bertlabel/tensor/…", "bertlabel/layers", "bertlabel/bert", "bertlabel/bert/internal/…",
		"bertlabel/bert/names", "bertlabel/bert/tokenizer", "bertlabel/checkpoint/…"},
	"bert/queue":       {"bertlabel/tensor/…", "bertlabel/bert", "bertlabel/bert/model", "bertlabel/bert/tokenizer"},
	"bert/hub":         {"bertlabel/bert/model", "bertlabel/checkpoint/…"},
	"bert/hub/hubtest": {},
	"checkpoint":       {"bertlabel/tensor", "golang.org/x/sys/…"},
	"checkpoint/…": {"bertlabel/tensor", "bertlabel/checkpoint/…", "google.golang.org/protobuf/encoding/protowire",
		"github.com/klauspost/compress/…", "golang.org/x/sys/…"},
	"train": {"bertlabel/asm", "bertlabel/asm/machine", "bertlabel/tensor", "bertlabel/layers", "bertlabel/bert",
		"bertlabel/bert/tokenizer",
		"bertlabel/checkpoint/…", "bertlabel/train/data", "bertlabel/train/metrics"},
	"train/tiny": {"bertlabel/bert", "bertlabel/bert/model", "bertlabel/layers", "bertlabel/train", "bertlabel/train/metrics"},
	"train/solver": {"bertlabel/asm", "bertlabel/tensor", "bertlabel/layers", "bertlabel/train", "bertlabel/train/metrics",
		"gonum.org/v1/gonum/…"},
	"train/refit": {"bertlabel/bert", "bertlabel/layers", "bertlabel/tensor", "bertlabel/train", "bertlabel/train/metrics"},
	"train/record": {"bertlabel/asm", "bertlabel/bert/model", "bertlabel/checkpoint/atomic", "bertlabel/layers", "bertlabel/train",
		"bertlabel/train/data", "bertlabel/train/score"},
	"train/fit": {"bertlabel/asm", "bertlabel/asm/machine", "bertlabel/tensor", "bertlabel/layers", "bertlabel/bert",
		"bertlabel/bert/model",
		"bertlabel/bert/tokenizer", "bertlabel/checkpoint/…", "bertlabel/train", "bertlabel/train/data",
		"bertlabel/train/diagnosis", "bertlabel/train/features", "bertlabel/train/fit/note", "bertlabel/train/metrics", "bertlabel/train/record",
		"bertlabel/train/refit", "bertlabel/train/score",
		"bertlabel/train/solver"},
	"train/fit/note": {"bertlabel/asm/machine", "bertlabel/bert", "bertlabel/bert/model", "bertlabel/bert/tokenizer", "bertlabel/train",
		"bertlabel/train/metrics"},
	"train/diagnosis": {"bertlabel/bert", "bertlabel/bert/tokenizer", "bertlabel/layers", "bertlabel/train/data", "bertlabel/train/metrics"},
	"train/baseline":  {"bertlabel/tensor/parallel", "bertlabel/train/data", "bertlabel/train/metrics", "golang.org/x/text/…"},
	"train/score": {"bertlabel/bert", "bertlabel/bert/model", "bertlabel/bert/tokenizer", "bertlabel/layers",
		"bertlabel/tensor/…", "bertlabel/train/data", "bertlabel/train/metrics", "bertlabel/checkpoint/atomic"},
	"train/shard": {"bertlabel/asm", "bertlabel/bert", "bertlabel/bert/model", "bertlabel/checkpoint/…", "bertlabel/layers",
		"bertlabel/train/data", "bertlabel/train/score"},
	"train/features": {"bertlabel/bert", "bertlabel/bert/model", "bertlabel/bert/tokenizer", "bertlabel/checkpoint/…", "bertlabel/layers",
		"bertlabel/tensor", "bertlabel/train/data", "bertlabel/train/shard"},
	"train/traintest": {"bertlabel/tensor"},
	"train/data":      {"golang.org/x/text/…"},
	"train/metrics":   {"bertlabel/tensor/parallel", "gonum.org/v1/gonum/…"},

	"cmd/bertlabel": {
		"bertlabel/cmd/bertlabel/internal/cli", "bertlabel/cmd/bertlabel/internal/benchcmd", "bertlabel/cmd/bertlabel/internal/datacmd",
		"bertlabel/cmd/bertlabel/internal/democmd", "bertlabel/cmd/bertlabel/internal/modelcmd",
		"bertlabel/cmd/bertlabel/internal/scorecmd",
		"bertlabel/cmd/bertlabel/internal/servecmd", "bertlabel/cmd/bertlabel/internal/tracecmd",
		"bertlabel/cmd/bertlabel/internal/traincmd", "github.com/spf13/cobra",
	},
	"scripts/…":                   {"…"},
	"cmd/bertlabel/internal/term": {"golang.org/x/text/width"},
	"cmd/bertlabel/internal/cli": {
		"bertlabel/cmd/bertlabel/internal/term", "bertlabel/asm", "bertlabel/asm/machine", "bertlabel/bert/hub", "bertlabel/checkpoint/…", "bertlabel/tensor",
		"bertlabel/train", "bertlabel/train/data", "bertlabel/train/fit", "github.com/klauspost/cpuid/v2",
		"github.com/schollz/progressbar/v3", "github.com/spf13/…", "golang.org/x/term",
	},
	"cmd/bertlabel/internal/flags": {
		"bertlabel/cmd/bertlabel/internal/cli", "bertlabel/cmd/bertlabel/internal/term", "bertlabel/bert", "bertlabel/bert/hub",
		"bertlabel/bert/model", "bertlabel/bert/tokenizer",
		"bertlabel/train/data", "bertlabel/train/diagnosis", "bertlabel/train/fit", "bertlabel/train/metrics", "bertlabel/train/score",
		"github.com/spf13/…",
	},
	"cmd/bertlabel/internal/report": {
		"bertlabel/cmd/bertlabel/internal/chart", "bertlabel/cmd/bertlabel/internal/cli", "bertlabel/cmd/bertlabel/internal/plaintext",
		"bertlabel/bert/model", "bertlabel/tensor/parallel", "bertlabel/train/data", "bertlabel/train/metrics", "github.com/spf13/…",
		"github.com/valyala/quicktemplate",
	},
	"cmd/bertlabel/internal/chart":    {"codeberg.org/go-fonts/liberation/…", "github.com/rivo/uniseg", "golang.org/x/image/…"},
	"cmd/bertlabel/internal/benchcmd": append(verb, "bertlabel/cmd/bertlabel/internal/bench"),
	"cmd/bertlabel/internal/datacmd":  verb,
	"cmd/bertlabel/internal/democmd":  append(verb, "bertlabel/cmd/bertlabel/internal/demo"),
	"cmd/bertlabel/internal/modelcmd": verb,
	"cmd/bertlabel/internal/scorecmd": verb,
	"cmd/bertlabel/internal/servecmd": append(verb, "bertlabel/cmd/bertlabel/internal/serve"),
	"cmd/bertlabel/internal/serve": {"bertlabel/asm/machine", "bertlabel/bert/…", "bertlabel/tensor", "bertlabel/tensor/parallel",
		"bertlabel/train/data", "bertlabel/train/score",
		"github.com/prometheus/client_golang/…"},
	"cmd/bertlabel/internal/tracecmd": append(verb, "bertlabel/cmd/bertlabel/internal/tracepage"),
	"cmd/bertlabel/internal/tracepage": {"bertlabel/bert", "bertlabel/bert/model", "bertlabel/bert/tokenizer", "bertlabel/bert/trace",
		"bertlabel/cmd/bertlabel/internal/plaintext", "bertlabel/tensor", "github.com/valyala/quicktemplate"},
	"cmd/bertlabel/internal/traincmd":    append(verb, "bertlabel/cmd/bertlabel/internal/tensorboard"),
	"cmd/bertlabel/internal/plaintext":   {"github.com/rivo/uniseg"},
	"cmd/bertlabel/internal/tensorboard": {"bertlabel/checkpoint", "google.golang.org/protobuf/encoding/protowire"},
	"cmd/bertlabel/internal/bench":       {"bertlabel/asm", "bertlabel/bert/…", "bertlabel/layers", "bertlabel/tensor", "bertlabel/train"},
	"cmd/bertlabel/internal/demo":        {"bertlabel/bert"},
	"cmd/bertlabel/internal/browsertest": {},
	"cmd/bertlabel/internal/cmdtest": {"bertlabel/cmd/bertlabel/internal/cli", "bertlabel/bert/…", "bertlabel/layers",
		"github.com/spf13/cobra"},
}

// onlyCommand is what no library package may pull in, however indirectly.
var onlyCommand = []string{"github.com/prometheus/client_golang/…", "github.com/spf13/…", "github.com/schollz/progressbar/v3/…", "golang.org/x/term/…", "golang.org/x/image/…", "github.com/valyala/…"}

// platforms are those that we build for; each may import other things.
var platforms = []string{"GOOS=linux GOARCH=amd64", "GOOS=linux GOARCH=arm64", "GOOS=darwin GOARCH=arm64", "GOOS=windows GOARCH=amd64"}

type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
	Deps                               []string
	Module                             struct{ Path string }
}

// goList describes every package of the module as built for a platform.
func goList(t *testing.T, platform string) (packages []listed) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Module,Imports,TestImports,XTestImports,Deps", "./...")
	cmd.Dir = moduleRoot
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), strings.Fields(platform)...)
	out, err := cmd.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			t.Fatalf("go list: %v\n%s", err, failed.Stderr)
		}
		t.Fatal(err)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// within tells whether path is pattern, or below it if pattern ends in /….
func within(path, pattern string) bool {
	parent, below := strings.CutSuffix(pattern, "…")
	return path == strings.TrimSuffix(parent, "/") || below && strings.HasPrefix(path, parent)
}

func anyWithin(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return within(path, p) })
}

// allowedFor returns the row of the table for a package: its own, else the one of its parent.
func allowedFor(name string) (allowed []string, found bool) {
	if allowed, found = imports[name]; found {
		return allowed, true
	}
	for pattern, allowed := range imports {
		if within(name, pattern) {
			return allowed, true
		}
	}
	return nil, false
}

// No arrow between packages turns round unnoticed: each imports only what the table says, on every platform.
func TestImports(t *testing.T) {
	t.Parallel()
	for _, platform := range platforms {
		for _, p := range goList(t, platform) {
			name := strings.TrimPrefix(p.ImportPath, p.Module.Path+"/")
			allowed, found := allowedFor(name)
			if !found {
				t.Errorf("%s: package %s has no row in the table", platform, name)
			}
			for _, path := range p.Imports {
				first, _, _ := strings.Cut(path, "/")
				standard := first != "bertlabel" && !strings.Contains(first, ".")
				if !standard && !anyWithin(path, allowed) {
					t.Errorf("%s: %s imports %s, may import %v", platform, name, path, allowed)
				}
				if path == "text/template" || path == "html/template" {
					t.Errorf("%s: %s imports %s, which calls methods by name: the linker then keeps all of every package (docs/size.md)",
						platform, name, path)
				}
				if slices.Contains([]string{"bertlabel/tensor/tensortest", "bertlabel/checkpoint/atomic/atomictest", "bertlabel/train/traintest",
					"bertlabel/cmd/bertlabel/internal/cmdtest"}, path) {
					t.Errorf("%s: %s imports %s outside its tests", platform, name, path)
				}
			}
			for _, path := range p.Deps {
				if !strings.HasPrefix(name, "cmd/") && anyWithin(path, onlyCommand) {
					t.Errorf("%s: library package %s pulls in %s", platform, name, path)
				}
			}
		}
	}
}

// The packages of the verbs do not know each other, nor does anything but package main know them: not even in tests, and whatever the
// table says.
func TestVerbsApart(t *testing.T) {
	t.Parallel()
	isVerb := func(path string) bool {
		name, inside := strings.CutPrefix(path, "bertlabel/cmd/bertlabel/internal/")
		return inside && strings.HasSuffix(name, "cmd")
	}
	verbs := 0
	for _, p := range goList(t, platforms[0]) {
		if isVerb(p.ImportPath) {
			verbs++
		}
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if isVerb(path) && path != p.ImportPath && p.ImportPath != "bertlabel/cmd/bertlabel" {
				t.Errorf("%s imports %s", p.ImportPath, path)
			}
		}
	}
	if verbs < 6 {
		t.Errorf("found %d packages of verbs", verbs)
	}
}

// Some things may stand in few files only: unsafe, the fences for panics (of library code in main, of a caller's functions in fit, of a
// goroutine whose caller is to have them in parallel), and the end of the process. There is no cgo. Tests are free: those with page fences need unsafe.
func TestOnlyIn(t *testing.T) {
	t.Parallel()
	for _, rule := range []struct {
		line  string
		files []string
	}{
		{`(import|\t)[ \w.]*"unsafe"`, []string{"checkpoint/bytes_le.go", "tensor/arena_linux.go", "bert/queue/cost.go"}},
		{`(import|\t)[ \w.]*"C"`, nil},
		{`.*\bos\.Exit\(`, []string{"cmd/bertlabel/main.go", "cmd/bertlabel/man.go", "scripts/benchserve/main.go",
			"scripts/documents/main.go"}},
		{`.*\blog\.Fatal`, nil},
		{`.*\brecover\(\)`, []string{"cmd/bertlabel/main.go", "train/fit/observer.go", "tensor/parallel/group.go"}},
	} {
		re := regexp.MustCompile(`(?m)^` + rule.line)
		err := fs.WalkDir(os.DirFS(moduleRoot), ".", func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && path != "." && strings.HasPrefix(d.Name(), "."):
				return fs.SkipDir
			case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			text, err := os.ReadFile(filepath.Join(moduleRoot, path))
			if re.Match(text) && !slices.Contains(rule.files, path) {
				t.Errorf("%s has %q, allowed only in %v", path, re.Find(text), rule.files)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
