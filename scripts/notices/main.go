// Command notices prints the licences of everything that a build of bertlabel contains besides its own code: the modules that it is
// compiled from, for any platform that is released, and Go's standard library. An artefact that is handed on has to have them with it.
//
//	go run ./scripts/notices > NOTICES.txt
//
// A module without a licence file is an error.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// platforms are those of the releases.
var platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}

// licence matches the names under which modules have their licences and notices.
var licence = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|authors)([-.].*)?$`)

// part is something that a build contains.
type part struct{ Path, Version, Dir string }

func main() {
	parts, err := modules("./cmd/bertlabel")
	if err == nil {
		err = write(os.Stdout, parts)
	}
	if err != nil {
		panic(err)
	}
}

// modules returns the modules whose packages a program is compiled from, by path, and Go itself.
func modules(program string) ([]part, error) {
	goroot, err := output(nil, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	found := map[string]part{"": {"Go, standard library and runtime", runtime.Version(), strings.TrimSpace(string(goroot))}}
	for _, platform := range platforms {
		system, arch, _ := strings.Cut(platform, "/")
		text, err := output([]string{"GOOS=" + system, "GOARCH=" + arch, "CGO_ENABLED=0"}, "list", "-deps", "-json=Module", program)
		if err != nil {
			return nil, err
		}
		packages := json.NewDecoder(bytes.NewReader(text))
		for {
			var p struct {
				Module *struct {
					part
					Main bool
				}
			}
			if err := packages.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, err
			}
			if p.Module != nil && !p.Module.Main {
				found[p.Module.Path] = p.Module.part
			}
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b part) int { return cmp.Compare(a.Path, b.Path) }), nil
}

// output runs the go command with settings of the environment.
func output(environment []string, words ...string) ([]byte, error) {
	cmd := exec.Command("go", words...)
	cmd.Env, cmd.Stderr = append(os.Environ(), environment...), os.Stderr
	return cmd.Output()
}

// write prints the files of each part under its name.
func write(w io.Writer, parts []part) error {
	fmt.Fprintf(w, "bertlabel contains the following software. Its authors ask that these notices go with it.\n")
	for _, p := range parts {
		files, err := os.ReadDir(p.Dir)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "\n%s\n%s %s\n", strings.Repeat("=", 80), p.Path, p.Version)
		found := false
		for _, f := range files {
			if f.IsDir() || !licence.MatchString(f.Name()) {
				continue
			}
			text, err := os.ReadFile(filepath.Join(p.Dir, f.Name()))
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "\n%s of %s:\n\n%s\n", f.Name(), p.Path, bytes.TrimSpace(text))
			found = found || !strings.HasPrefix(strings.ToLower(f.Name()), "authors")
		}
		if !found {
			return fmt.Errorf("%s %s has no licence file in %s", p.Path, p.Version, p.Dir)
		}
	}
	return nil
}
