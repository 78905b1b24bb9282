package datacmd

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// testVocab has words with upper-case letters, and nothing in its path tells: it is guessed to be cased.
const testVocab = "../../../../bert/tokenizer/testdata/vocab.txt"

// TestTokenize compares the verb with rows of Google's code, which are input and expected output at once.
func TestTokenize(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../../bert/tokenizer/testdata/golden.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	type setting struct {
		Lower  bool `json:"do_lower_case"`
		MaxLen int  `json:"max_seq_length"`
	}
	type group struct {
		input string
		want  []tokenizedRow
	}
	groups := map[setting]*group{}
	for line := range strings.Lines(string(text)) {
		var s setting
		var want tokenizedRow
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(line), &want); err != nil {
			t.Fatal(err)
		}
		if groups[s] == nil {
			groups[s] = &group{}
		}
		groups[s].input += line
		groups[s].want = append(groups[s].want, want)
	}
	if len(groups) < 10 {
		t.Fatalf("%d settings, want 10 or more", len(groups))
	}
	for s, g := range groups {
		stdout, stderr, code := bertlabel.Run(t, g.input, "tokenize", "--vocab_file", testVocab, fmt.Sprint("--do_lower_case=", s.Lower),
			"--max_seq_length", fmt.Sprint(s.MaxLen))
		if code != cli.ExitOK {
			t.Fatalf("%+v: exit %d: %s", s, code, stderr)
		}
		lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
		if len(lines) != len(g.want) {
			t.Fatalf("%+v: %d lines for %d rows", s, len(lines), len(g.want))
		}
		for i, line := range lines {
			var got tokenizedRow
			if err := json.Unmarshal([]byte(line), &got); err != nil || !reflect.DeepEqual(got, g.want[i]) {
				t.Errorf("%+v, row %d: %v\n got %s\nwant %v", s, i, err, line, g.want[i])
			}
		}
	}
}

func TestTokenizeFlags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	uncased, broken := filepath.Join(dir, "vocab-uncased.txt"), filepath.Join(dir, "broken.txt")
	vocab, err := os.ReadFile(testVocab)
	if err != nil {
		t.Fatal(err)
	}
	cmdtest.WriteFile(t, uncased, string(vocab))
	cmdtest.WriteFile(t, broken, "[UNK]\n[CLS]\nca\xfft\n")
	long := `{"text":"The cat sat"}`
	for _, c := range []struct {
		name, stdin, args string
		stdout, stderr    string // what they contain; stdout is empty where this is
		code              int
	}{
		{"flag", long, "--vocab-file " + testVocab + " --do-lower-case", `"tokens":["[CLS]","the","cat","sat","[SEP]"]`, "", cli.ExitOK},
		{"flag off", long, "--vocab-file " + uncased + " --do-lower-case=false", `["[CLS]","The","cat","sat","[SEP]"]`, "", cli.ExitOK},
		{"guessed", long, "--vocab-file " + uncased, `["[CLS]","the",`, "--do-lower-case=true, guessed by the name \"vocab-uncased.txt\"",
			cli.ExitOK},
		{"guessed by its words", long, "--vocab-file " + testVocab, `["[CLS]","The",`,
			"--do-lower-case=false, guessed because the vocabulary has upper-case letters", cli.ExitOK},
		{"cut", long, "--vocab-file " + uncased + " --max-seq-length 4", `["[CLS]","the","cat","[SEP]"]`,
			"1 of 1 texts were longer than 4 tokens and were cut", cli.ExitOK},
		{"not UTF-8", "{\"text\":\"c\xffat\"}", "--vocab-file " + uncased, `["[CLS]","cat","[SEP]"]`, "1 rows hold bytes that are no UTF-8",
			cli.ExitOK},
		{"no escapes", `{"text":"<a>"}`, "--vocab-file " + uncased, `["[CLS]","<","a",">","[SEP]"]`, "", cli.ExitOK},
		{"keep", `{"text":"[NAME]cat"}`, "--vocab-file " + uncased + " --keep-tokens [CITY],[NAME]",
			`"tokens":["[CLS]","[NAME]","cat","[SEP]"],"input_ids":[5,2,235,6]`, "", cli.ExitOK},
		{"keep too many", long, "--vocab-file " + uncased + " --keep-tokens [A],[B],[C],[D]", "",
			`"[D]": not in the vocabulary, and no [unusedN]`, cli.ExitUsage},
		{"text_b", `{"text":"cat","text_b":"sat"}`, "--vocab-file " + uncased, `["[CLS]","cat","[SEP]","sat","[SEP]"]`, "", cli.ExitOK},
		{"no vocabulary", long, "", "", "tokenize needs --vocab-file", cli.ExitUsage},
		{"vocabulary not there", long, "--vocab-file " + dir + "/none.txt", "", "none.txt", cli.ExitUsage},
		{"broken vocabulary", long, "--vocab-file " + broken, "", "broken.txt:3: not UTF-8", cli.ExitModel},
		{"length 1", long, "--vocab-file " + uncased + " --max-seq-length 1", "", "want 2 or more", cli.ExitUsage},
		{"length -1", long, "--vocab-file " + uncased + " --max-seq-length -1", "", "want 2 or more", cli.ExitUsage},
		{"stdin twice", long, "--vocab-file -", "", "both stdin", cli.ExitUsage},
		{"policy", long, "--vocab-file " + uncased + " --on-bad-row ignore", "", "--on-bad-row", cli.ExitUsage},
		{"input not there", long, "--vocab-file " + uncased + " --input none.jsonl", "", "none.jsonl", cli.ExitUsage},
		{"empty input", "", "--vocab-file " + uncased, "", "", cli.ExitOK},
	} {
		stdout, stderr, code := bertlabel.Run(t, c.stdin, append([]string{"tokenize"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(stdout, c.stdout) || (stdout == "") != (c.stdout == "") ||
			!strings.Contains(stderr, c.stderr) {
			t.Errorf("%s: exit %d, want %d\nstdout %s\nwant   %s\nstderr %s\nwant   %s", c.name, code, c.code, stdout, c.stdout, stderr,
				c.stderr)
		}
	}
}

func TestTokenizeBadRows(t *testing.T) {
	t.Parallel()
	const input = "{\"text\":\"cat\"}\nnonsense\n{\"text\":7}\n{\"text\":\"mat\"}\n"
	for _, c := range []struct {
		policy, first, second, third, fourth, stderr string
		code                                         int
	}{
		{"report", `{"tokens":`, `{"error":"stdin:2:`, `{"error":"stdin:3:`, `{"tokens":`, "2 of 4 rows could not be read; each has",
			cli.ExitData},
		{"skip", `{"tokens":`, `{"tokens":`, "", "", "2 of 4 rows could not be read and were left out; the first: stdin:2:", cli.ExitOK},
		{"error", `{"tokens":`, "", "", "", "stdin:2:", cli.ExitData},
	} {
		stdout, stderr, code := bertlabel.Run(t, input, "tokenize", "--vocab-file", testVocab, "--on-bad-row", c.policy)
		lines := append(strings.Split(strings.TrimSuffix(stdout, "\n"), "\n"), "", "", "", "")
		for i, want := range []string{c.first, c.second, c.third, c.fourth} {
			if !strings.HasPrefix(lines[i], want) || want == "" && lines[i] != "" {
				t.Errorf("%s: line %d is %q, want %s…", c.policy, i+1, lines[i], want)
			}
		}
		if code != c.code || !strings.Contains(stderr, c.stderr) {
			t.Errorf("%s: exit %d, want %d; stderr %q, want %q", c.policy, code, c.code, stderr, c.stderr)
		}
	}
}

// A fault after which no row can be read ends the run, also where bad rows are reported.
func TestTokenizeCutStream(t *testing.T) {
	t.Parallel()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	io.WriteString(z, strings.Repeat("{\"text\":\"cat\"}\n", 100))
	z.Close()
	_, stderr, code := bertlabel.Run(t, zipped.String()[:zipped.Len()-5], "tokenize", "--vocab-file", testVocab)
	if code != cli.ExitData || !strings.Contains(stderr, "stdin") {
		t.Errorf("exit %d, want %d; stderr %q", code, cli.ExitData, stderr)
	}
}

// Each row is answered before the next is there.
func TestTokenizeStreams(t *testing.T) {
	t.Parallel()
	in, toIn := io.Pipe()
	fromOut, out := io.Pipe()
	done := make(chan int)
	go func() {
		code := bertlabel([]string{"tokenize", "--vocab-file", testVocab}, in, out, io.Discard)
		out.Close()
		done <- code
	}()
	answers := bufio.NewReader(fromOut)
	for range 3 {
		io.WriteString(toIn, "{\"text\":\"cat\"}\n")
		if answer, err := answers.ReadString('\n'); err != nil || !strings.Contains(answer, `"cat"`) {
			t.Fatalf("answer %q, %v", answer, err)
		}
	}
	toIn.Close()
	if code := <-done; code != cli.ExitOK {
		t.Errorf("exit %d", code)
	}
}

// A file is written as a whole or not at all.
func TestTokenizeFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	input, output := filepath.Join(dir, "texts.csv"), filepath.Join(dir, "ids.jsonl")
	cmdtest.WriteFile(t, input, "id,text\n1,cat\n2,\"mat\nmat\"\n")
	if _, stderr, code := bertlabel.Run(t, "", "tokenize", "--vocab-file", testVocab, "--input", input, "--output",
		output); code != cli.ExitOK {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	got, err := os.ReadFile(output)
	if err != nil || bytes.Count(got, []byte("\n")) != 2 || !bytes.Contains(got, []byte(`["[CLS]","mat","mat","[SEP]"]`)) {
		t.Errorf("output %q, %v", got, err)
	}
	cmdtest.WriteFile(t, input, "text\n\"cat\n")
	if _, _, code := bertlabel.Run(t, "", "tokenize", "--vocab-file", testVocab, "--input", input, "--output", output, "--on-bad-row",
		"error"); code != cli.ExitData {
		t.Errorf("exit %d, want %d", code, cli.ExitData)
	}
	if after, _ := os.ReadFile(output); !bytes.Equal(after, got) {
		t.Errorf("a failure has changed the output to %q", after)
	}
}
