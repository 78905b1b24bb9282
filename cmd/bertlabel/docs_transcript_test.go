package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"bertlabel/cmd/bertlabel/internal/cli"
)

var (
	updateDocs = flag.Bool("update", false, "write into docs/ what its commands print")
	longDocs   = flag.Bool("long", false, "run also those commands of docs/ that take long")
)

// What a page says that a command prints is what it prints: the same words, and numbers that differ by one unit of their last decimal
// at most (nearNumber), as the kernel set generic differs from the others by rounding. A line … stands for any lines, a number with ≈
// before it for any number. A command that takes long says so, # ≈ 5 s: it is run with -long only.
//
// The test is not parallel: a command runs in the root of the module, where its reader is.
func TestDocsTranscripts(t *testing.T) {
	for _, p := range readPages(t) {
		update := map[int][]string{}
		for _, f := range p.fences {
			if f.kind == "console" {
				if printed := checkTranscript(t, &f); printed != nil {
					update[f.line] = printed
				}
			}
		}
		if *updateDocs && len(update) > 0 {
			updatePage(t, &p, update)
		}
	}
}

var docsCommand = regexp.MustCompile("^(?:    |\\$ )?(?:[A-Z_]+=\\S+ )*bertlabel ([a-z].*)$|`bertlabel ([a-z][^`]*)`")

// Command lines that a page shows without what they print have flags that exist.
func TestDocsFlags(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, p := range readPages(t) {
		lines := strings.Split(p.text, "\n")
		for _, f := range p.fences {
			if f.kind == "sh" || f.kind == "" {
				lines = append(lines, f.lines...)
			}
		}
		for _, line := range lines {
			for _, m := range docsCommand.FindAllStringSubmatch(line, -1) {
				command, _, _ := strings.Cut(m[1]+m[2], "  #")
				if args, err := words(command); err == nil { // else with a pipe or a variable
					checkFlags(t, p.path, args)
					checked++
				}
			}
		}
	}
	if checked < 30 {
		t.Errorf("%d command lines found", checked)
	}
}

// checkTranscript runs the commands of a fence. It returns the fence as it would be right; nil if it is right, or has gaps.
func checkTranscript(t *testing.T, f *fence) (printed []string) {
	t.Helper()
	if len(f.lines) == 0 || !strings.HasPrefix(f.lines[0], "$ ") {
		t.Errorf("%s: does not begin with a command line", f)
		return nil
	}
	wrong, gaps := false, false
	for from := 0; from < len(f.lines); {
		to := from + 1
		for to < len(f.lines) && !strings.HasPrefix(f.lines[to], "$ ") {
			gaps = gaps || strings.ContainsAny(f.lines[to], "…≈")
			to++
		}
		command, note, _ := strings.Cut(f.lines[from], "  # ")
		stdin, args, err := parseCommand(strings.TrimPrefix(command, "$ "))
		if err != nil {
			t.Errorf("%s: %s: %v", f, command, err)
			return nil
		}
		execute := inRoot
		if strings.Contains(note, "≈") {
			if !*longDocs {
				checkFlags(t, f.String(), args)
				from, gaps = to, true
				continue
			}
			execute = inProcess
		}
		got, code := execute(t, stdin, args)
		if code != cli.ExitOK {
			t.Errorf("%s: %s: exit %d:\n%s", f, command, code, strings.Join(got, "\n"))
			return nil
		}
		if err := sameLines(f.lines[from+1:to], got); err != nil || *updateDocs && to == from+1 {
			wrong = true
			if !*updateDocs {
				t.Errorf("%s: %s prints something else (-update writes it down): %v", f, command, err)
			}
		}
		printed = append(append(printed, f.lines[from]), got...)
		from = to
	}
	if !wrong || gaps {
		return nil
	}
	return printed
}

// parseCommand reads "bertlabel ARGS" or "echo TEXT | bertlabel ARGS".
func parseCommand(line string) (stdin string, args []string, err error) {
	if rest, ok := strings.CutPrefix(line, "echo "); ok {
		text, command, _ := strings.Cut(rest, " | ")
		said, err := words(text)
		if err != nil {
			return "", nil, err
		}
		stdin, line = strings.Join(said, " ")+"\n", command
	}
	args, err = words(line)
	if err == nil && (len(args) == 0 || args[0] != "bertlabel") {
		return "", nil, errors.New("want bertlabel, or echo TEXT | bertlabel")
	}
	return stdin, args[min(1, len(args)):], err
}

// inRoot runs a command line in the root of the module and returns all that it prints.
func inRoot(t *testing.T, stdin string, args []string) (lines []string, code int) {
	t.Helper()
	back, err := os.Getwd()
	if err == nil {
		err = os.Chdir(moduleRoot)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer os.Chdir(back)
	var out bytes.Buffer
	code = run(cli.Process{Env: func(string) string { return "" }}, args, strings.NewReader(stdin), &out, &out)
	return strings.Split(strings.TrimRight(out.String(), "\n"), "\n"), code
}

// inProcess is inRoot in a process of its own, which may have other kernels.
func inProcess(t *testing.T, stdin string, args []string) (lines []string, code int) {
	t.Helper()
	cmd := exec.Command("go", append([]string{"run", "./cmd/bertlabel"}, args...)...)
	cmd.Dir, cmd.Stdin = moduleRoot, strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		out, code = fmt.Appendf(out, "%v\n", err), cli.ExitFailure
	}
	return strings.Split(strings.TrimRight(string(out), "\n"), "\n"), code
}

// checkFlags asks for the help of a command line: before it comes, flags that do not exist are refused.
func checkFlags(t *testing.T, at string, args []string) {
	t.Helper()
	var stderr bytes.Buffer
	if code := run(cli.Process{}, append(args, "--help"), strings.NewReader(""), io.Discard, &stderr); code != cli.ExitOK {
		t.Errorf("%s: bertlabel %s: %s", at, strings.Join(args, " "), stderr.String())
	}
}

// words splits a command line as a shell does, as far as quotes go.
func words(line string) (list []string, err error) {
	word, in, quote := "", false, rune(0)
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, in = r, true
		case quote == 0 && r == ' ':
			if in {
				list = append(list, word)
			}
			word, in = "", false
		case quote == 0 && strings.ContainsRune("|<>$;&*`", r):
			return nil, fmt.Errorf("this test is no shell and does not know %q", r)
		default:
			word, in = word+string(r), true
		}
	}
	if in {
		list = append(list, word)
	}
	return list, nil
}

// sameLines compares what a page shows with what was printed.
func sameLines(want, got []string) error {
	if len(want) == 0 {
		return nil // the page shows the command alone, until -update
	}
	skipping := false
	for _, line := range want {
		if strings.TrimSpace(line) == "…" {
			skipping = true
			continue
		}
		for skipping && len(got) > 0 && sameLine(line, got[0]) != nil {
			got = got[1:]
		}
		if len(got) == 0 {
			return fmt.Errorf("no line\n  %s", line)
		}
		if err := sameLine(line, got[0]); err != nil {
			return err
		}
		got, skipping = got[1:], false
	}
	if len(got) > 0 && !skipping {
		return fmt.Errorf("more lines, from\n  %s", got[0])
	}
	return nil
}

var docsNumber = regexp.MustCompile(`≈?[-+−]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?`)

// sameLine compares two lines but for white space.
func sameLine(want, got string) error {
	differ := func(what string) error { return fmt.Errorf("%s:\n  page     %s\n  printed  %s", what, want, got) }
	numbers, printed := docsNumber.FindAllString(want, -1), docsNumber.FindAllString(got, -1)
	between := func(line string) string { return squeeze(docsNumber.ReplaceAllString(line, " 0 ")) }
	if between(want) != between(got) || len(numbers) != len(printed) {
		return differ("other words")
	}
	for i, number := range numbers {
		if strings.HasPrefix(number, "≈") {
			continue
		}
		if !nearNumber(number, printed[i]) {
			return differ(fmt.Sprintf("%s is not %s", printed[i], number))
		}
	}
	return nil
}

// nearNumber tells whether two printed numbers differ by no more than a unit of the last decimal, or, where all digits of a float32 are
// printed, by 1e-6 of it, some eight of its last places. Whole numbers must be equal.
func nearNumber(want, got string) bool {
	if want == got {
		return true
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(want), "e")
	_, decimals, fraction := strings.Cut(mantissa, ".")
	a, errA := strconv.ParseFloat(strings.Replace(want, "−", "-", 1), 64)
	b, errB := strconv.ParseFloat(strings.Replace(got, "−", "-", 1), 64)
	if !fraction || errA != nil || errB != nil {
		return false
	}
	e, _ := strconv.Atoi(exponent)
	bound := 1.001 * math.Pow10(e-len(decimals))
	if digits := strings.TrimLeft(strings.ReplaceAll(strings.TrimLeft(mantissa, "-+−"), ".", ""), "0"); len(digits) >= 7 {
		bound = max(bound, 1e-6*math.Abs(a))
	}
	return math.Abs(a-b) <= bound
}

// updatePage writes fences anew.
func updatePage(t *testing.T, p *page, fences map[int][]string) {
	t.Helper()
	path := filepath.Join(moduleRoot, p.path)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	lines := strings.Split(string(content), "\n")
	for i := 0; i < len(lines); i++ {
		if printed := fences[i+1]; printed != nil {
			out = append(out, printed...)
			for lines[i] != "```" {
				i++
			}
		}
		out = append(out, lines[i])
	}
	if err := os.WriteFile(path, []byte(strings.Join(out, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}
