package datacmd

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// splitRows writes 60 rows of a format, in the bytes that are hard to keep: quoted line breaks, spaces at the ends, CRLF. Row 50
// and those after it repeat the texts of earlier ones in another case.
func splitRows(format string) (head string, rows []string) {
	for i := range 60 {
		text, quoted, labels := fmt.Sprintf("text %d ", i), fmt.Sprintf("\"\"q\"\",\r\ntext %d ", i), []string{"joy", "fear", "anger"}[i%3]
		if i >= 50 {
			text, quoted = fmt.Sprintf("TEXT  %d", i-50), fmt.Sprintf("\"\"Q\"\", TEXT  %d", i-50)
		}
		switch format {
		case "csv":
			head = "\ufeffid,text,labels\r\n"
			rows = append(rows, fmt.Sprintf("%d,\"%s\",\"%s\"\r\n", i, quoted, labels))
		case "tsv":
			rows = append(rows, text+"\t"+labels+"\n")
		case "jsonl":
			rows = append(rows, fmt.Sprintf("{ \"labels\":[%q],\"text\": %q }\n", labels, text))
		default:
			rows = append(rows, fmt.Sprintf(" __label__%s  %s\n", labels, text))
		}
	}
	return head, rows
}

// Every row is in one part with its bytes, in order, below the header; rows of one text are together; the same again is the same.
func TestSplit(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"csv", "tsv", "jsonl", "fasttext"} {
		for _, zip := range []string{"", ".gz"} {
			t.Run(format+zip, func(t *testing.T) {
				dir := t.TempDir()
				head, rows := splitRows(format)
				content := head + strings.Join(rows, "")
				input := filepath.Join(dir, "all."+format+zip)
				writeMaybeZipped(t, input, strings.TrimRight(content, "\r\n")) // the last row has no line end
				args := []string{"split", "--input", input, "--parts", "train=0.7,dev=0.3", "--seed", "3"}
				if format == "tsv" {
					args = append(args, "--no-header", "--text-column", "1", "--labels-column", "2")
				}
				stdout, stderr, code := bertlabel.Run(t, "", append(args, "--output", filepath.Join(dir, "parts"))...)
				if code != cli.ExitOK {
					t.Fatalf("exit %d: %s", code, stderr)
				}
				var report splitReport
				if err := json.Unmarshal([]byte(stdout), &report); err != nil || report.Rows != 60 || report.Texts != 50 ||
					len(report.Labels) != 3 {
					t.Errorf("%v, %s", err, stdout)
				}
				at := map[int]int{} // row → part
				for j, p := range []string{"train", "dev"} {
					rest, found := strings.CutPrefix(readMaybeZipped(t, filepath.Join(dir, "parts", p+"."+format+zip)), head)
					if !found {
						t.Errorf("%s is without the header", p)
					}
					n := 0
					for i, row := range rows {
						if after, ok := strings.CutPrefix(rest, row); ok {
							rest, at[i] = after, j
							n++
						}
					}
					if rest != "" || n != report.Parts[j].Rows || n != []int{42, 18}[j] {
						t.Errorf("%s: %d rows, %d reported; after them %q", p, n, report.Parts[j].Rows, rest)
					}
				}
				if len(at) != len(rows) {
					t.Errorf("%d rows of %d are in the parts", len(at), len(rows))
				}
				for i := 50; i < 60; i++ {
					if at[i] != at[i-50] {
						t.Errorf("rows %d and %d have one text and are in two parts", i, i-50)
					}
				}
				again := filepath.Join(dir, "a."+format) + "," + filepath.Join(dir, "b."+format)
				if _, stderr, code := bertlabel.Run(t, "", append(args, "--output", again, "--quiet")...); code != cli.ExitOK ||
					stderr != "" {
					t.Fatalf("exit %d: %s", code, stderr)
				}
				if a, b := readMaybeZipped(t, filepath.Join(dir, "b."+format)), readMaybeZipped(t,
					filepath.Join(dir, "parts", "dev."+format+zip)); a != b {
					t.Error("the same split again is another one")
				}
			})
		}
	}
}

func writeMaybeZipped(t *testing.T, path, content string) {
	t.Helper()
	var b bytes.Buffer
	if strings.HasSuffix(path, ".gz") {
		z := gzip.NewWriter(&b)
		io.WriteString(z, content)
		z.Close()
	} else {
		b.WriteString(content)
	}
	cmdtest.WriteFile(t, path, b.String())
}

func readMaybeZipped(t *testing.T, path string) string {
	t.Helper()
	r, err := cli.New(cli.Process{}, nil, nil, nil, nil).OpenInput(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if stored, _ := os.ReadFile(path); err != nil || strings.HasSuffix(path, ".gz") != bytes.HasPrefix(stored, []byte("\x1f\x8b")) {
		t.Fatalf("%s: %v, stored as %.2x", path, err, stored)
	}
	return string(content)
}

func TestSplitRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	input := filepath.Join(dir, "all.csv")
	cmdtest.WriteFile(t, input, "text,joy\na,1\nb,0\n")
	full := filepath.Join(dir, "full")
	if err := os.Mkdir(full, 0o777); err != nil {
		t.Fatal(err)
	}
	cmdtest.WriteFile(t, filepath.Join(full, "dev.csv"), "mine")
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"--parts train=0.8,dev=0.1", "the shares have a sum of 0.9, want 1", cli.ExitUsage},
		{"--parts train=1.2,dev=-0.2", "found \"train=1.2\"", cli.ExitUsage},
		{"--parts train=NaN,dev=0.5", "found \"train=NaN\"", cli.ExitUsage},
		{"--parts train,dev", "want a name and a share", cli.ExitUsage},
		{"--parts a=0.5,a=0.5", "two parts are called \"a\"", cli.ExitUsage},
		{"--parts ../a=0.5,b=0.5", "is no name for a file", cli.ExitUsage},
		{"--output x.csv,y.csv", "found 2 files, want one for each of the 3 parts", cli.ExitUsage},
		{"--output x.csv,y.csv,x.csv", "want a file of its own", cli.ExitUsage},
		{"--output " + full, "dev.csv is there already: give --overwrite", cli.ExitUsage},
		{"", "found 2 rows of 2 texts, none of them for", cli.ExitData},
	} {
		args := append([]string{"split", "--input", input, "--output", filepath.Join(dir, "parts")}, strings.Fields(c.args)...)
		if _, stderr, code := bertlabel.Run(t, "", args...); code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, %s, want %q", c.args, code, stderr, c.want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "parts", "*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	if text, _ := os.ReadFile(filepath.Join(full, "dev.csv")); string(text) != "mine" {
		t.Error("a file was overwritten")
	}
	cmdtest.WriteFile(t, input, "text,joy\na,1\nb,0\nc,1\nd,0\n")
	if _, stderr, code := bertlabel.Run(t, "", "split", "--input", input, "--output", full, "--overwrite", "--parts",
		"train=0.5,dev=0.5"); code != cli.ExitOK {
		t.Errorf("exit %d, %s", code, stderr)
	}
	if entries, _ := os.ReadDir(full); len(entries) != 2 ||
		!slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == "train.csv" }) {
		t.Errorf("%v", entries)
	}
}

// From stdin, whose format has to be said or is JSON lines.
func TestSplitStdin(t *testing.T) {
	t.Parallel()
	_, rows := splitRows("jsonl")
	dir := t.TempDir()
	if _, stderr, code := bertlabel.Run(t, strings.Join(rows, ""), "split", "--input", "-", "--output", dir); code != cli.ExitOK ||
		!strings.Contains(stderr, "wrote "+filepath.Join(dir, "test.jsonl")) {
		t.Errorf("exit %d, %s", code, stderr)
	}
}
