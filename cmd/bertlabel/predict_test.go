package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// predictedRow is a line of predict's output, its numbers as they were printed.
type predictedRow struct {
	ID            *json.Number
	Labels        []string
	Probabilities map[string]json.Number
	Logits        map[string]json.Number
	Error         string
}

func predictedRows(t *testing.T, stdout string) (rows []predictedRow) {
	t.Helper()
	for line := range strings.Lines(stdout) {
		var row predictedRow
		dec := json.NewDecoder(strings.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&row); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		rows = append(rows, row)
	}
	return rows
}

// float32Of parses a printed number and checks that no shorter one gives back the float32.
func float32Of(t *testing.T, printed string) float32 {
	t.Helper()
	v, err := strconv.ParseFloat(printed, 32)
	if err != nil {
		t.Fatal(err)
	}
	digits := func(s string) int {
		mantissa, _, _ := strings.Cut(strings.ToLower(s), "e")
		return len(strings.Trim(strings.NewReplacer(".", "", "-", "").Replace(mantissa), "0"))
	}
	if shortest := strconv.FormatFloat(v, 'e', -1, 32); digits(printed) > digits(shortest) {
		t.Errorf("%s is printed, %s would do", printed, shortest)
	}
	return float32(v)
}

// Predictions come in the order of the rows, with the bits of the library, and go to stdout alone.
func TestPredict(t *testing.T) {
	t.Parallel()
	m := cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels)
	dir := cmdtest.ModelFolder(t, m)
	texts := cmdtest.TinyTexts(300)
	want, err := m.Predict(t.Context(), asTexts(texts))
	if err != nil {
		t.Fatal(err)
	}
	for _, threads := range []string{"1", "3"} {
		stdout, stderr, code := bertlabel(t, cmdtest.JSONLines(texts), "predict", "--model", dir, "--logits", "--threads", threads)
		if code != cli.ExitOK || !strings.Contains(stderr, "were longer than 24 tokens and were cut") {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		rows := predictedRows(t, stdout)
		if len(rows) != len(texts) {
			t.Fatalf("%d lines for %d rows", len(rows), len(texts))
		}
		for i, row := range rows {
			if row.ID == nil || row.ID.String() != fmt.Sprint(i) || !slices.Equal(row.Labels, m.Predicted(want[i])) {
				t.Errorf("row %d: %+v", i, row)
			}
			for l, label := range m.Labels {
				p, z := float32Of(t, row.Probabilities[label].String()), float32Of(t, row.Logits[label].String())
				if p != want[i].Probabilities[l] || z != want[i].Logits[l] {
					t.Errorf("row %d, %s: %v and %v, want %v and %v", i, label, p, z, want[i].Probabilities[l], want[i].Logits[l])
				}
			}
		}
	}
}

func asTexts(texts []string) (out []model.Text) {
	for _, text := range texts {
		out = append(out, model.Text{A: text})
	}
	return out
}

func TestPredictFlags(t *testing.T) {
	t.Parallel()
	m := cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels)
	dir := cmdtest.ModelFolder(t, m)
	want, err := m.Predict(t.Context(), asTexts([]string{"the cat sat"}))
	if err != nil {
		t.Fatal(err)
	}
	probabilities := want[0].Probabilities
	order := []int{0, 1, 2}
	slices.SortFunc(order, func(a, b int) int { return int(100000 * (probabilities[b] - probabilities[a])) })
	quoted := func(i int) string { return strconv.Quote(cmdtest.TinyLabels[i]) }
	entry := func(i int) string {
		return quoted(i) + ":" + strconv.FormatFloat(float64(probabilities[i]), 'f', -1, 32)
	}

	const row = `{"id": "a<b", "text": "the cat sat"}`
	for _, c := range []struct{ args, want string }{
		{"", fmt.Sprintf(`{"id":"a<b","labels":[%s],"probabilities":{%s,%s,%s}}`, above(probabilities, 0.5), entry(0), entry(1), entry(2))},
		{"--top-k 2", fmt.Sprintf(`{"id":"a<b","labels":[%s],"probabilities":{%s,%s}}`, above(probabilities, 0.5), entry(order[0]),
			entry(order[1]))},
		{"--top-k 9 --threshold 0", fmt.Sprintf(`{"id":"a<b","labels":[%s],"probabilities":{%s,%s,%s}}`, above(probabilities, 0),
			entry(order[0]), entry(order[1]), entry(order[2]))},
		{"--threshold 1", fmt.Sprintf(`{"id":"a<b","labels":[],"probabilities":{%s,%s,%s}}`, entry(0), entry(1), entry(2))},
		{"--threshold " + strconv.FormatFloat(float64(probabilities[order[0]]), 'g', -1, 32), `"labels":[],`}, // above means above
		{"--threshold " + strconv.FormatFloat(float64(probabilities[order[1]]), 'g', -1, 32), `"labels":[` + quoted(order[0]) + `],`},
		{"--output-format csv", "id,joy,\"\"\"rage\"\", anger\",Überraschung\na<b,"},
		{"--output-format tsv", "id\tjoy\t\"\"\"rage\"\", anger\"\tÜberraschung\na<b\t"},
	} {
		stdout, stderr, code := bertlabel(t, row, append([]string{"predict", "--model", dir}, strings.Fields(c.args)...)...)
		if code != cli.ExitOK || !strings.Contains(stdout, c.want) || stderr != "" {
			t.Errorf("predict %s: exit %d, stderr %q\n got %swant %s", c.args, code, stderr, stdout, c.want)
		}
	}
}

// above returns the labels above a threshold as JSON strings.
func above(probabilities []float32, threshold float32) string {
	var names []string
	for i, p := range probabilities {
		if p > threshold {
			names = append(names, strconv.Quote(cmdtest.TinyLabels[i]))
		}
	}
	return strings.Join(names, ",")
}

func TestPredictWrongUsage(t *testing.T) {
	t.Parallel()
	dir := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels))
	headless := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, nil))
	broken := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels))
	if err := os.Truncate(filepath.Join(broken, "bert_model.ckpt.data-00000-of-00001"), 100); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"", "predict needs --model", cli.ExitUsage},
		{"--vocab-file x --init-checkpoint y", "predict needs --model", cli.ExitUsage},
		{"--model " + dir + " --threshold 1.5", "--threshold 1.5", cli.ExitUsage},
		{"--model " + dir + " --threshold NaN", "--threshold NaN", cli.ExitUsage},
		{"--model " + dir + " --top-k -1", "--top-k", cli.ExitUsage},
		{"--model " + dir + " --top-k 2 --output-format csv", "--top-k", cli.ExitUsage},
		{"--model " + dir + " --logits --output-format csv", "--logits", cli.ExitUsage},
		{"--model " + dir + " --output-format xml", "jsonl, csv, tsv", cli.ExitUsage},
		{"--model " + dir + " --hidden-act swish", "gelu_erf", cli.ExitUsage},
		{"--model " + dir + " --max-seq-length 25", "3 to 24", cli.ExitUsage},
		{"--model " + dir + " --max-seq-length 2", "3 to 24", cli.ExitUsage},
		{"--model " + dir + " --input nowhere.csv", "nowhere.csv", cli.ExitUsage},
		{"--model " + dir + " --input " + folder, "folder", cli.ExitUsage},
		{"--model " + dir + " --output " + folder, "folder", cli.ExitUsage},
		{"--model " + dir + " --format xml", "--format", cli.ExitUsage},
		{"--model " + dir + " --modell x", "did you mean --model?", cli.ExitUsage},
		{"--model " + folder, "no checkpoint in this folder", cli.ExitModel},
		{"--model " + filepath.Join(folder, "none"), "none", cli.ExitModel},
		{"--model " + headless, "has no head", cli.ExitModel},
		{"--model " + broken, "bert_model.ckpt.data-00000-of-00001", cli.ExitModel},
		{"--model " + dir + " --init-checkpoint " + headless, "has no head", cli.ExitModel},
	} {
		stdout, stderr, code := bertlabel(t, `{"text": "cat"}`, append([]string{"predict"}, strings.Fields(c.args)...)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("predict %s: exit %d, want %d; stdout %q, stderr %q, want %q", c.args, code, c.code, stdout, stderr, c.want)
		}
	}
}

// A row that cannot be read has its error in its place, with its id where that could be read; the others are predicted.
func TestPredictBadRows(t *testing.T) {
	t.Parallel()
	m := cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels)
	dir := cmdtest.ModelFolder(t, m)
	const input = "{\"id\": 1, \"text\": \"cat\"}\nnonsense\n{\"id\": 3, \"text\": 7}\n{\"id\": 4, \"text\": \"mat\"}\n"
	listed := filepath.Join(t.TempDir(), "bad.jsonl")
	stdout, stderr, code := bertlabel(t, input, "predict", "--model", dir, "--bad-rows", listed)
	rows := predictedRows(t, stdout)
	if code != cli.ExitData || len(rows) != 4 || !strings.Contains(stderr, "stdin: 2 of 4 rows could not be read") ||
		!strings.Contains(stderr, "warning: stdin:2: column 1: found nonsense") || !strings.Contains(stderr, "warning: stdin:3: column 19") {
		t.Fatalf("exit %d, %d rows, stderr %q", code, len(rows), stderr)
	}
	for i, refused := range []bool{false, true, true, false} {
		if (rows[i].Error != "") != refused || (len(rows[i].Probabilities) == 0) != refused {
			t.Errorf("row %d: %+v", i, rows[i])
		}
	}
	if !strings.HasPrefix(rows[1].Error, "column 1: found") || !strings.HasPrefix(rows[2].Error, "column 19 (text): found") ||
		rows[3].ID.String() != "4" {
		t.Errorf("rows %+v", rows) // they do not say where they stand: a part of the file gives the same
	}
	allowed, stderr, code := bertlabel(t, input, "predict", "--model", dir, "--max-bad-rows", "2")
	if code != cli.ExitOK || allowed != stdout || !strings.Contains(stderr, "2 of 4 rows could not be read, which --max-bad-rows allows") {
		t.Errorf("two bad rows are allowed: exit %d, %s%s", code, allowed, stderr)
	}
	if _, stderr, code = bertlabel(t, input, "predict", "--model", dir, "--max-bad-rows", "1"); code != cli.ExitData {
		t.Errorf("one bad row is allowed: exit %d, %s", code, stderr)
	}
	if text, err := os.ReadFile(listed); err != nil || bytes.Count(text, []byte("\n")) != 2 {
		t.Errorf("bad rows are listed as %q, %v", text, err)
	}

	stdout, stderr, code = bertlabel(t, input, "predict", "--model", dir, "--on-bad-row", "skip")
	if rows := predictedRows(t, stdout); code != cli.ExitOK || len(rows) != 2 || rows[1].ID.String() != "4" ||
		!strings.Contains(stderr, "2 of 4 rows could not be read and were left out") {
		t.Errorf("skip: exit %d, rows %+v, stderr %q", code, rows, stderr)
	}
	stdout, stderr, code = bertlabel(t, input, "predict", "--model", dir, "--on-bad-row", "error")
	if code != cli.ExitData || strings.Count(stdout, "\n") > 1 || !strings.Contains(stderr, "stdin:2:") {
		t.Errorf("error: exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	// A table has the row's place, with empty cells.
	stdout, _, code = bertlabel(t, input, "predict", "--model", dir, "--output-format", "csv")
	table, err := csv.NewReader(strings.NewReader(stdout)).ReadAll()
	if code != cli.ExitData || err != nil || len(table) != 5 || table[2][1] != "" || table[3][0] != "3" || table[4][1] == "" {
		t.Errorf("csv: exit %d, %v, %v", code, table, err)
	}

	// A text over the token limit is such a row, if it is to be one.
	long := "{\"text\": \"cat\"}\n{\"text\": \"" + strings.Repeat("cat ", 40) + "\"}\n"
	stdout, _, code = bertlabel(t, long, "predict", "--model", dir, "--on-long", "error")
	if rows := predictedRows(t, stdout); code != cli.ExitData || len(rows) != 2 || !strings.Contains(rows[1].Error, "42 tokens") {
		t.Errorf("long: exit %d, %+v", code, rows)
	}
	stdout, stderr, code = bertlabel(t, long, "predict", "--model", dir, "--on-long", "error", "--on-bad-row", "skip")
	if code != cli.ExitOK || strings.Count(stdout, "\n") != 1 ||
		!strings.Contains(stderr, "1 of 2 rows could not be read and were left out; the first: stdin:2:") {
		t.Errorf("long, skipped: exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	_, stderr, _ = bertlabel(t, "{\"text\": \"c\xffat\"}", "predict", "--model", dir)
	if !strings.Contains(stderr, "no UTF-8") {
		t.Errorf("stderr %q", stderr)
	}
}

// Files are read and written by their suffix, compressed too; pairs are read; a failure leaves the old output.
func TestPredictFiles(t *testing.T) {
	t.Parallel()
	m := cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels)
	folder, dir := cmdtest.ModelFolder(t, m), t.TempDir()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	io.WriteString(z, "key\tbody\tother\nx\tthe cat\t\ny\tthe \"mat\tsat\n")
	z.Close()
	input, output := filepath.Join(dir, "in.tsv.gz"), filepath.Join(dir, "out.csv.gz")
	cmdtest.WriteFile(t, input, zipped.String())
	args := []string{"predict", "--model", folder, "--input", input, "--output", output, "--output-format", "csv", "--text-column", "body",
		"--text-pair-column", "other", "--id-column", "key"}
	stdout, stderr, code := bertlabel(t, "", args...)
	if code != cli.ExitOK || stdout != "" {
		t.Fatalf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	stored, err := os.Open(output)
	if err != nil {
		t.Fatal(err)
	}
	defer stored.Close()
	unzipped, err := gzip.NewReader(stored)
	if err != nil {
		t.Fatal(err)
	}
	table, err := csv.NewReader(unzipped).ReadAll()
	if err != nil || len(table) != 3 || !slices.Equal(table[0][1:], cmdtest.TinyLabels) {
		t.Fatalf("%v, %v", table, err)
	}
	want, err := m.Predict(t.Context(), []model.Text{{A: "the cat"}, {A: `the "mat`, B: "sat"}})
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range table[1:] {
		if row[0] != []string{"x", "y"}[i] {
			t.Errorf("row %d has the id %s", i, row[0])
		}
		for l, cell := range row[1:] {
			if float32Of(t, cell) != want[i].Probabilities[l] {
				t.Errorf("row %d, label %d: %s, want %v", i, l, cell, want[i].Probabilities[l])
			}
		}
	}
	before, _ := os.ReadFile(output)
	cmdtest.WriteFile(t, input, "key\tbody\tother\nx\n")
	if _, _, code := bertlabel(t, "", append(args, "--on-bad-row", "error")...); code != cli.ExitData {
		t.Errorf("exit %d, want %d", code, cli.ExitData)
	}
	if after, _ := os.ReadFile(output); !bytes.Equal(after, before) {
		t.Error("a failure has changed the output")
	}
	cmdtest.OnlyFile(t, dir, "in.tsv.gz", "out.csv.gz")
}

// Each row is answered before the next is there.
func TestPredictStreams(t *testing.T) {
	t.Parallel()
	dir := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels))
	for _, verb := range []string{"predict", "embed"} {
		in, toIn := io.Pipe()
		fromOut, out := io.Pipe()
		done := make(chan int)
		go func() {
			code := run(cli.Process{}, []string{verb, "--model", dir}, in, out, io.Discard)
			out.Close()
			done <- code
		}()
		answers := bufio.NewReader(fromOut)
		for i := range 3 {
			fmt.Fprintf(toIn, "{\"id\": %d, \"text\": \"cat\"}\n", i)
			if answer, err := answers.ReadString('\n'); err != nil || !strings.HasPrefix(answer, fmt.Sprintf(`{"id":%d,`, i)) {
				t.Fatalf("%s: answer %q, %v", verb, answer, err)
			}
		}
		toIn.Close()
		if code := <-done; code != cli.ExitOK {
			t.Errorf("%s: exit %d", verb, code)
		}
	}
}
