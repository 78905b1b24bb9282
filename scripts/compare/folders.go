//go:build ignore

// Compares what two builds of bertlabel have left in two folders, for scripts/compare-binaries.sh:
//
//	folders OLD NEW
//
// It prints nothing where all files are equal but for what is masked below; a line that begins with "~" for JSON that differs in the
// order of its keys only; and else what differs. It never fails: a problem of its own is printed, and so counts as a difference.
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// masks take out of text files what differs from run to run, or from build to build: times, rates, measured memory, the revision.
var masks = []struct {
	file  string // pattern of the base name
	found *regexp.Regexp
	put   string
}{
	// Lines that are there only when a work takes over 10 s, as text and by --log-format json; the time of each line of the latter.
	{"stderr", regexp.MustCompile(`(?m)^[a-z][^:\n]* step \d+(/\d+)?( (epoch|loss|lr|eta) [^\n]*| \S+ examples/s[^\n]*)?\n`), ""},
	{"stderr", regexp.MustCompile(`(?m)^\{"time":[^\n]*"msg":"[^"\n]*","step":\d[^\n]*\n`), ""},
	{"stderr", regexp.MustCompile(`"time":"[^"]*"`), `"time":"T"`},
	{"stderr", regexp.MustCompile(` in \d+\.\d s\b`), " in T s"}, // features, head, solver, folds, baseline
	// Of an estimate what the process held already, and so the sum; the other parts stay.
	{"stderr", regexp.MustCompile(`(memory: about|training needs about|program and texts) [\d.e+]+ [MG]iB`), "$1 M"},
	{"stderr", regexp.MustCompile(`[\d.e+]+ [MG]iB more than the memory budget`), "M more than the memory budget"},
	{"stderr", regexp.MustCompile(`(--train-batch-size \d+, now \d+|--recompute, which computes every layer twice): about [\d.e+]+ [MG]iB`), "$1: about M"},
	// What a resumed run says of a checkpoint that another build has written.
	{"stderr", regexp.MustCompile(`(?m)^(warning: |\{"time":[^\n]*"msg":")since ckpt-\d+: the program was [^\n]*\n`), ""},
	{"*.html", regexp.MustCompile(`<li><bdi>since ckpt-\d+: the program was [^\n]*?</bdi></li>`), ""},
	{"*.html", regexp.MustCompile(`<div class="card notes"[^>]*><h3>Worth a look</h3><ul></ul></div>`), ""},
	{"*.html", regexp.MustCompile(`(<dt>[^<]*</dt><dd>)(?:\d+(?:\.\d+)?(?:h|m|s|ms|µs|ns))+(</dd>)`), "${1}T$2"}, // the card Time
	{"*.html", regexp.MustCompile(`(<p class="muted" style="margin-top:24px"><bdi>bertlabel )[^<]*`), "${1}V"},
	{"state.json", regexp.MustCompile(`("version": )"[^"]*"`), `$1"V"`},
	// of the file with the version
	{"MANIFEST.json", regexp.MustCompile(`("name": "state.json",\s*"bytes": )\d+(,\s*"crc32c": )"\w+"`), `${1}N$2"C"`},
}

func main() {
	if len(os.Args) != 3 {
		fmt.Println("want two folders")
		return
	}
	was, errOld := readFolder(os.Args[1])
	is, errNew := readFolder(os.Args[2])
	if err := errors.Join(errOld, errNew); err != nil {
		fmt.Println(err)
	}
	names := maps.Clone(was)
	maps.Copy(names, is)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a, inOld := was[name]
		b, inNew := is[name]
		switch {
		case !inNew:
			fmt.Printf("%s: only OLD has it\n", name)
		case !inOld:
			fmt.Printf("%s: only NEW has it\n", name)
		case a.mode != b.mode:
			fmt.Printf("%s: mode %v was, %v is\n", name, a.mode, b.mode)
		case bytes.Equal(a.content, b.content):
		case strings.Contains(filepath.Ext(name), ".json") && sameJSON(a.content, b.content):
			fmt.Printf("~ %s: same but for key order\n", name)
		default:
			fmt.Printf("%s:\n%s", name, difference(a.content, b.content))
		}
	}
}

// entry is a file with its masked content, or a folder.
type entry struct {
	mode    fs.FileMode
	content []byte
}

const events = "events.out.tfevents."

// readFolder returns all files and folders below dir by their names. Event files of TensorBoard, whose names have time and
// process in them, are called by their order.
func readFolder(dir string) (map[string]entry, error) {
	entries, seen := map[string]entry{}, map[string]int{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, base := strings.TrimPrefix(path, dir+"/"), d.Name()
		info, err := d.Info()
		if err != nil {
			return err
		}
		if d.IsDir() {
			entries[name+"/"] = entry{mode: info.Mode()}
			return nil
		}
		content, err := os.ReadFile(path)
		switch {
		case err != nil:
			return err
		case base == "metrics.csv":
			content = withoutSpeed(content)
		case strings.HasPrefix(base, events):
			name, content = filepath.Join(filepath.Dir(name), events), eventsOf(content)
			seen[name]++
			name = fmt.Sprint(name, seen[name])
		}
		for _, m := range masks {
			if match, _ := filepath.Match(m.file, base); match { // the patterns are fine
				content = m.found.ReplaceAll(content, []byte(m.put))
			}
		}
		entries[name] = entry{info.Mode(), content}
		return nil
	})
	return entries, err
}

// withoutSpeed returns metrics.csv without the column examples_per_second.
func withoutSpeed(content []byte) []byte {
	table, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	if err != nil || len(table) == 0 {
		return content
	}
	at := slices.Index(table[0], "examples_per_second")
	if at < 0 {
		return content
	}
	var out []byte
	for _, row := range table {
		out = fmt.Appendf(out, "%s\n", strings.Join(slices.Delete(row, at, at+1), ","))
	}
	return out
}

// eventsOf returns the events of a file one a line, without their wall times, after a check of all checksums: length, its masked
// CRC32C, data, its masked CRC32C (tsl/lib/io/record_writer.h).
func eventsOf(content []byte) (out []byte) {
	masked := func(b []byte) uint32 {
		c := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
		return (c>>15 | c<<17) + 0xa282ead8
	}
	for at := 0; len(content) > 0; at++ {
		if len(content) < 12 || masked(content[:8]) != binary.LittleEndian.Uint32(content[8:]) {
			return fmt.Appendf(out, "event %d: a bad length\n", at)
		}
		n := binary.LittleEndian.Uint64(content)
		if n > uint64(len(content)-16) {
			return fmt.Appendf(out, "event %d: cut\n", at)
		}
		data, sum := content[12:12+n], content[12+n:]
		if masked(data) != binary.LittleEndian.Uint32(sum) || n < 9 || data[0] != 1<<3|1 { // wall_time, field 1, is a fixed64
			return fmt.Appendf(out, "event %d: a bad checksum, or no wall time first\n", at)
		}
		out = fmt.Appendf(out, "%q\n", data[9:])
		content = sum[4:]
	}
	return out
}

// sameJSON tells whether a and b are JSON values, or lines of them, that differ in the order of keys only. Numbers count as they are
// written.
func sameJSON(a, b []byte) bool {
	va, okA := values(a)
	vb, okB := values(b)
	return okA && okB && len(a) == len(b) && reflect.DeepEqual(va, vb)
}

func values(text []byte) (all []any, ok bool) {
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			return all, err == io.EOF
		}
		all = append(all, v)
	}
}

const (
	mostLines   = 14  // of a diff that are printed
	longLine    = 300 // bytes; with a longer one, or binary, only the first difference is printed
	surrounding = 90  // bytes of it
)

// difference says how b differs from a.
func difference(a, b []byte) string {
	short := func(content []byte) bool {
		return !bytes.ContainsRune(content, 0) &&
			!slices.ContainsFunc(bytes.Split(content, []byte("\n")), func(line []byte) bool { return len(line) > longLine })
	}
	if short(a) && short(b) {
		if text, err := unified(a, b); err == nil {
			return text
		}
	}
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	around := func(content []byte) []byte {
		return content[max(0, min(at-surrounding/3, len(content))):min(len(content), at+surrounding)]
	}
	return fmt.Sprintf("  %d and %d bytes, masked; the first difference is at %d\n  -%q\n  +%q\n", len(a), len(b), at, around(a), around(b))
}

// unified returns a unified diff, cut after some lines.
func unified(a, b []byte) (string, error) {
	dir, err := os.MkdirTemp("", "compare-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "a"), a, 0o600), os.WriteFile(filepath.Join(dir, "b"), b, 0o600)); err != nil {
		return "", err
	}
	cmd := exec.Command("diff", "-U1", "a", "b")
	cmd.Dir = dir
	out, err := cmd.Output()
	if len(out) == 0 {
		return "", errors.Join(err, errors.New("no diff"))
	}
	lines := strings.SplitAfter(string(out), "\n")[2:] // the first two name the files
	if len(lines) > mostLines {
		lines = append(lines[:mostLines], fmt.Sprintf("… %d lines more\n", len(lines)-mostLines))
	}
	return "  " + strings.TrimSuffix(strings.Join(lines, "  "), "  "), nil
}
