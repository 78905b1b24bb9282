package tracecmd

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"bertlabel/bert/trace"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/safetensors"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/tensor"
)

var bertlabel = cmdtest.Verbs(NewTrace)

const (
	tiny = "../../../../bert/testdata/tiny"
	text = "the food was not good ."
)

// TestTrace: the text is at most 100 columns wide, and the JSON has its numbers.
func TestTrace(t *testing.T) {
	out, stderr, code := bertlabel.Run(t, "", "trace", "--model", tiny, "--token", "4", text)
	if code != cli.ExitOK {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for line := range strings.Lines(out) {
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > 100 {
			t.Errorf("%d columns: %s", utf8.RuneCountInString(line), line)
		}
	}
	for _, want := range []string{"layer 1, of token 4 not\n", "bert/pooler.go:Pooler.Forward", "|word|"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	out, _, code = bertlabel.Run(t, "", "trace", "--model", tiny, "--layer", "1", "--json", text)
	var s trace.Summary
	if err := json.Unmarshal([]byte(out), &s); err != nil || code != cli.ExitOK || len(s.Layers) != 1 || s.Layers[0].Layer != 1 ||
		len(s.Output.Labels) != 4 || !s.Output.Labels[3].Predicted {
		t.Errorf("exit %d, error %v:\n%s", code, err, out)
	}
}

// TestTraceFiles: the tensors of the file, the CSV files and --whole are the stages of the walk.
func TestTraceFiles(t *testing.T) {
	file, folder := filepath.Join(t.TempDir(), "t.safetensors"), filepath.Join(t.TempDir(), "csv")
	_, stderr, code := bertlabel.Run(t, "", "trace", "--model", tiny, "--output", file, "--csv", folder, text)
	if code != cli.ExitOK {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	src, err := safetensors.Open(file, checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	n := len(src.Tensors())
	ids, err := src.ReadRaw(trace.InputIDs)
	if err != nil || len(ids) != 4*8 || ids[0] != 2 || ids[4] != 4 {
		t.Errorf("ids %v, error %v", ids, err)
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != n {
		t.Errorf("%d files for %d tensors, error %v", len(files), n, err)
	}
	logits := make([]float32, 4)
	if err := src.ReadFloat32(trace.Logits, logits); err != nil {
		t.Fatal(err)
	}
	line, err := os.ReadFile(filepath.Join(folder, "logits.csv"))
	if want := cells(logits); err != nil || string(line) != want {
		t.Errorf("logits.csv has %q, want %q; error %v", line, want, err)
	}
	out, _, _ := bertlabel.Run(t, "", "trace", "--model", tiny, "--whole", "--stage", "output", text)
	if !strings.Contains(out, "logits  [1, 4]\n     0   6.6782  -6.7055") || strings.Contains(out, "bert/encoder") {
		t.Errorf("--whole --stage output printed\n%s", out)
	}
}

// cells is a line of the CSV files.
func cells(x []float32) string {
	return strings.Join(strings.Fields(strings.Trim(fmt.Sprint(x), "[]")), ",") + "\n"
}

// TestTraceAlter: one head less of the last layer changes nothing before it, and the verdict.
func TestTraceAlter(t *testing.T) {
	out, stderr, code := bertlabel.Run(t, "", "trace", "--model", tiny, "--without", "head:1.0", text)
	lines := strings.Split(out, "\n")
	if code != cli.ExitOK || !strings.HasPrefix(lines[1], "bert/encoder/layer_1/attention/self/context ") || !strings.Contains(out, "praise") {
		t.Errorf("exit %d, %s\n%s", code, stderr, out)
	}
}

// TestTraceWrong: what cannot be done is refused with the code of wrong usage, and says what is there.
func TestTraceWrong(t *testing.T) {
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{"--token", "8", text}, "the tokens 0 to 7"}, {[]string{"--layer", "2", text}, "the layers 0 to 1"}, {nil, "one text"},
		{[]string{"--stage", "x", text}, "tokens"}, {[]string{"--without", "head:0.2", text}, "heads 0 to 1"},
		{[]string{"--without", "tail", text}, "residual1"}, {[]string{"--set", "layer_0[99,0]=1", text}, "8 rows"},
		{[]string{"--set", "layer_0", text}, "NAME[ROW,COLUMN]"}, {[]string{"--output", "x.txt", text}, ".safetensors"},
		{[]string{"--set", "layer_0[0,0]=1", "--without", "scale", text}, "one thing"}, {[]string{"--json", "--whole", text}, "one form"},
		{[]string{"--token", "-1", text}, "--token -1"}, {[]string{"--layer", "-2", text}, "--layer -2"},
	} {
		out, stderr, code := bertlabel.Run(t, "", slices.Concat([]string{"trace", "--model", tiny}, c.words)...)
		if code != cli.ExitUsage || out != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: exit %d, stdout %q, stderr %q, want %q", c.words, code, out, stderr, c.want)
		}
	}
}

// TestHostile: tokens, labels and names of stages do not steer the terminal.
func TestHostile(t *testing.T) {
	const evil = "\x1b[2J\u202e\r\nx"
	s := &trace.Summary{Tokens: []trace.Token{{Token: evil}}, Embeddings: trace.Embeddings{Rows: make([]trace.EmbeddingRow, 1)},
		Layers: []trace.Layer{{Attention: trace.Attention{Heads: []trace.Head{{Top: []trace.Attended{{Token: evil}}}}}}},
		Output: &trace.Output{Labels: []trace.Label{{Label: evil}}}}
	var b strings.Builder
	writeSummary(&b, s, "")
	writeAltered(&b, []trace.Altered{{Stage: evil}}, []trace.AlteredLabel{{Label: evil}})
	writeMatrix(&b, "layer_0", tensor.New(1, 9))
	if strings.ContainsAny(b.String(), "\x1b\r\u202e") || strings.Contains(b.String(), "\nx") {
		t.Errorf("printed %q", b.String())
	}
}

// TestTraceBackward: the text fits 100 columns, every comparison holds, the file has a gradient for each parameter.
func TestTraceBackward(t *testing.T) {
	file := filepath.Join(t.TempDir(), "g.safetensors")
	out, stderr, code := bertlabel.Run(t, "", "trace", "--model", tiny, "--backward", "--labels", "food,praise", "--check", "--entry",
		"output_bias[2]", "--output", file, text)
	if code != cli.ExitOK {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for line := range strings.Lines(out) {
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > 100 {
			t.Errorf("%d columns: %s", utf8.RuneCountInString(line), line)
		}
	}
	if strings.Count(out, "not compared\n") != 2 || !strings.Contains(out, "the softmax does not see") {
		t.Errorf("printed\n%s", out)
	}
	src, err := safetensors.Open(file, checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	bias := make([]float32, 4)
	if err := src.ReadFloat32("gradients/output_bias", bias); err != nil || len(src.Tensors()) != 41 {
		t.Errorf("%d tensors, error %v", len(src.Tensors()), err)
	}
	out, _, _ = bertlabel.Run(t, "", "trace", "--model", tiny, "--backward", "--labels", "food,praise", "--entry", "output_bias[2]",
		"--json", text)
	var got struct {
		trace.Backward
		Checks []trace.Check `json:"checks"`
	}
	err = json.Unmarshal([]byte(out), &got)
	if err != nil || len(got.Checks) != 1 || float32(got.Checks[0].Gradient) != bias[2] || float32(got.Labels[2].DZ) != bias[2] {
		t.Errorf("error %v, checks %+v, gradient in the file %v", err, got.Checks, bias)
	}
}

// TestTraceBackwardWrong: what does not go with --backward, or is not there, is refused.
func TestTraceBackwardWrong(t *testing.T) {
	for args, want := range map[string]string{
		"--check": "go with --backward", "--labels food": "go with --backward", "--backward": "needs --labels",
		"--backward --labels weather": "no label", "--backward --labels food --whole": "--json and --output only",
		"--backward --labels food --entry output_bias[9]": "no entry", "--backward --labels food --entry output_bias": "NAME[ROW,COLUMN]",
	} {
		out, stderr, code := bertlabel.Run(t, "", slices.Concat([]string{"trace", "--model", tiny}, strings.Fields(args), []string{text})...)
		if code != cli.ExitUsage || out != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, stdout %q, stderr %q, want %q", args, code, out, stderr, want)
		}
	}
}

// TestTraceOptions: a command line makes the options it should.
func TestTraceOptions(t *testing.T) {
	o, stderr, code := cmdtest.Options(t, newTraceCmd, "trace", "--model", "m", "--pair", "b", "--token", "2", "--layer", "1", "--csv", "f",
		"--output", "o.safetensors", "a")
	if code != cli.ExitOK || o.Model.Path != "m" || o.Text != "a" || o.Pair != "b" || o.Token != 2 || o.Layer != 1 || o.CSV != "f" ||
		o.Output != "o.safetensors" || o.Backward != nil || o.Change != nil {
		t.Errorf("%+v, exit %d %s", o, code, stderr)
	}
	o, stderr, code = cmdtest.Options(t, newTraceCmd, "trace", "--model", "m", "--backward", "--labels", "x,y", "--entry", "w[1, 2]", "a")
	if code != cli.ExitOK || !slices.Equal(o.Backward.Labels, []string{"x", "y"}) || o.Backward.Entry.Name != "w" ||
		!slices.Equal(o.Backward.Entry.At, []int{1, 2}) || o.Backward.Check {
		t.Errorf("%+v, exit %d %s", o, code, stderr)
	}
	if o, _, _ := cmdtest.Options(t, newTraceCmd, "trace", "--model", "m", "--backward", "--labels", "", "a"); o == nil || len(o.Backward.Labels) != 0 {
		t.Errorf("no labels: %+v", o)
	}
}
