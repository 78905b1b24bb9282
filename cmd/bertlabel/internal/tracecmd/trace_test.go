package tracecmd

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/safetensors"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/cmd/bertlabel/internal/term"
)

var bertlabel = cmdtest.Verbs(NewTrace)

const tinyModel = "../../../../bert/testdata/tiny"

var update = flag.Bool("update", false, "write the transcript")

// number is one with a point: the last of its digits is another on the kernel set generic.
var number = regexp.MustCompile(`-?\d+\.\d+`)

// The whole text of the tiny model is that of the transcript, its numbers to a thousandth, and no line is longer than 100 columns.
func TestTranscript(t *testing.T) {
	t.Parallel()
	got, stderr, code := bertlabel.Run(t, "", "trace", "--model", tinyModel, "--token", "4", "the food was not good .")
	if code != cli.ExitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	if *update {
		cmdtest.WriteFile(t, "testdata/tiny.txt", got)
	}
	text, err := os.ReadFile("testdata/tiny.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	if g, w := number.ReplaceAllString(got, "#"), number.ReplaceAllString(want, "#"); g != w {
		t.Errorf("other words:\n%s\nwant\n%s", got, want)
	}
	numbers := number.FindAllString(want, -1)
	for i, g := range number.FindAllString(got, -1) {
		var x, y float64
		if json.Unmarshal([]byte(g), &x) != nil || json.Unmarshal([]byte(numbers[i]), &y) != nil || !(max(x-y, y-x) <= 1.5e-3) {
			t.Errorf("number %d: %s, want %s", i, g, numbers[i])
		}
	}
	narrow(t, got)
}

func narrow(t *testing.T, text string) {
	t.Helper()
	for _, line := range strings.Split(text, "\n") {
		if term.Width(line) > columns {
			t.Errorf("%d columns: %s", term.Width(line), line)
		}
	}
}

// A layer, a block, a stage and whole matrices can be asked for, and nothing else is printed then.
func TestParts(t *testing.T) {
	t.Parallel()
	const text = "the food was not good ."
	for args, c := range map[string]struct{ has, hasNot string }{
		"--layer 1":                      {"layer 1, attention", "layer 0"},
		"--stage tokens":                 {"tokens [8]", "embeddings ["},
		"--stage pooler":                 {"|pooled|", "labels ["},
		"--layer 0 --whole":              {"bert/encoder/layer_0/attention/self/probs [16, 8]", "layer_1"},
		"--stage logits":                 {"logits [1, 4]", "labels ["},
		"--stage feed-forward --layer 1": {"layer 1, feed-forward", "attention"},
		"--stage bert/embeddings/sum":    {"bert/embeddings/sum [8, 8]", "tokens"},
		"--without head:1.1":             {"layer_1/attention/self/context", "layer_0/attention/self/context"},
		"--set output_bias[1]=2.5":       {"logits", "layer_0"},
		"--without gelu --set output_bias[1]=2.5 --layer 1": {"layer_1/intermediate/act", "layer_0"},
	} {
		words := append(append([]string{"trace", "--model", tinyModel}, strings.Fields(args)...), text)
		stdout, stderr, code := bertlabel.Run(t, "", words...)
		if code != cli.ExitOK || !strings.Contains(stdout, c.has) || strings.Contains(stdout, c.hasNot) {
			t.Errorf("%s: exit %d\n%s%s", args, code, stdout, stderr)
		}
		narrow(t, stdout)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--token 9 x":                       "--token 9: the text has the tokens 0 to 2",
		"--layer 2 x":                       "--layer 2: the model has the layers 0 to 1",
		"--stage pooled x":                  "did you mean pooler",
		"--without heads x":                 `--without "heads": want scale`,
		"--without head:1 x":                `--without "head:1": want scale`,
		"--without head:0.7 x":              "head 0.7: the model has the layers 0 to 1",
		"--set a=1 x":                       `--set "a=1": want`,
		"--set nothing[0]=1 x":              `no parameter "nothing"`,
		"--set output_bias[0]=NaN x":        "want 'NAME",
		"--without gelu --json x":           "--without and --set print a table",
		"--without gelu --html f x":         "--without and --set print a table",
		"--backward --html f x":             "--backward takes no",
		"--html - --output - x":             "stdout can be only one of them",
		"--csv ../../../../bert/testdata x": "../../../../bert/testdata",
		"--labels food x":                   "belong to --backward",
		"--backward --labels fod x":         "did you mean food",
		"--backward --entry a[1] x":         "--entry belongs to --check",
		"--backward --whole x":              "--backward takes no",
		"":                                  "found 0 arguments, want one: a text",
	} {
		stdout, stderr, code := bertlabel.Run(t, "", append([]string{"trace", "--model", tinyModel}, strings.Fields(args)...)...)
		if code != cli.ExitUsage || !strings.Contains(stderr, want) || stdout != "" {
			t.Errorf("trace %s: exit %d, %s, want %s", args, code, stderr, want)
		}
	}
}

// The tensor file and the CSV files hold every stage, with the numbers of the JSON.
func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, tables := filepath.Join(dir, "t.safetensors"), filepath.Join(dir, "tables")
	stdout, stderr, code := bertlabel.Run(t, "", "trace", "--model", tinyModel, "--json", "--whole", "--output", file, "--csv", tables,
		"--pair", "the staff was slow", "the food was good")
	if code != cli.ExitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	var report struct {
		Tokens []struct{ Segment int }
		Stages []struct {
			Name  string
			Shape [2]int
		}
		Values map[string][][]float32
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	src, err := safetensors.Open(file, checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if n := len(src.Tensors()); n != len(report.Stages)+2 || report.Tokens[len(report.Tokens)-1].Segment != 1 {
		t.Errorf("%d tensors for %d stages, tokens %v", n, len(report.Stages), report.Tokens)
	}
	for i, s := range report.Stages {
		x := make([]float32, s.Shape[0]*s.Shape[1])
		if err := src.ReadFloat32(s.Name, x); err != nil {
			t.Fatal(err)
		}
		text, err := filepath.Glob(filepath.Join(tables, "*-"+strings.ReplaceAll(s.Name, "/", ".")+".csv"))
		if err != nil || len(text) != 1 {
			t.Fatalf("%s: files %v", s.Name, text)
		}
		csv, err := os.ReadFile(text[0])
		if err != nil {
			t.Fatal(err)
		}
		var rows [][]float32
		if err := json.Unmarshal([]byte("[["+strings.ReplaceAll(strings.TrimSpace(string(csv)), "\n", "],[")+"]]"), &rows); err != nil {
			t.Fatal(err)
		}
		for row := range s.Shape[0] {
			for col := range s.Shape[1] {
				v := x[row*s.Shape[1]+col]
				if v != report.Values[s.Name][row][col] || v != rows[row][col] {
					t.Fatalf("%s[%d,%d] (stage %d): %g in the tensor file", s.Name, row, col, i, v)
				}
			}
		}
	}
}

// A page is written beside the text; - writes only the page. More tokens than fit take a layer.
func TestHTML(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "t.html")
	stdout, stderr, code := bertlabel.Run(t, "", "trace", "--model", tinyModel, "--html", file, "the food was <b>good</b> .")
	page, err := os.ReadFile(file)
	if code != cli.ExitOK || err != nil || !strings.Contains(stdout, "layer 1, attention") || !strings.Contains(stderr, "wrote "+file) {
		t.Fatalf("exit %d, %v\n%s%s", code, err, stdout, stderr)
	}
	for _, want := range []string{"<!DOCTYPE html>", "through <bdi>tiny</bdi>", "the food was &lt;b&gt;good&lt;/b&gt; .", "layer 1, head 1"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("no %s", want)
		}
	}
	stdout, stderr, code = bertlabel.Run(t, "", "trace", "--model", tinyModel, "--html", "-", "--layer", "1", "the food was slow .")
	if code != cli.ExitOK || !strings.HasPrefix(stdout, "<!DOCTYPE html>") || !strings.HasSuffix(stdout, "</html>\n") ||
		strings.Contains(stdout, "layer 0, head") {
		t.Errorf("exit %d, %d bytes %s", code, len(stdout), stderr)
	}
	m, err := model.Open(tinyModel, nil)
	if err != nil {
		t.Fatal(err)
	}
	long := tracing{options: options{HTML: "f"}, m: m, text: tokenizer.Encoding{IDs: make([]int32, 65)}}
	if err := long.check(); err == nil || !strings.Contains(err.Error(), "at most 64 tokens, the text has 65: choose --layer") {
		t.Errorf("65 tokens: %v", err)
	}
	long.Layer = new(int)
	if err := long.check(); err != nil {
		t.Errorf("65 tokens of one layer: %v", err)
	}
}

// Tokens that would steer a terminal come from a vocabulary; they are shown escaped.
func TestHostileTokens(t *testing.T) {
	t.Parallel()
	m := cmdtest.TinyModel(t, 3, bert.Mean, cmdtest.TinyLabels)
	dir := cmdtest.ModelFolder(t, m)
	vocab := filepath.Join(dir, "vocab.txt")
	text, err := os.ReadFile(vocab)
	if err != nil {
		t.Fatal(err)
	}
	cmdtest.WriteFile(t, vocab, strings.Replace(string(text), "\nsad\n", "\n\u202ecat\u200bx"+strings.Repeat("w", 60)+"\n", 1))
	stdout, stderr, code := bertlabel.Run(t, "", "trace", "--model", dir, "--keep-tokens", "\u202ecat\u200bx"+strings.Repeat("w", 60),
		"a \u202ecat\u200bx"+strings.Repeat("w", 60)+" sat")
	if code != cli.ExitOK || !strings.Contains(stdout, `\u202ecat`) || strings.ContainsAny(stdout, "\u202e\u200b\x1b") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	narrow(t, stdout)
}

// What the memory budget has no room for is refused with the sizes before it begins: exit 6.
func TestMemory(t *testing.T) {
	t.Parallel()
	m, err := model.Open(tinyModel, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Encoder.Config.MaxPositionEmbeddings = 1 << 20 // estimates go by the configuration
	for want, o := range map[string]options{
		"trace of 5000 tokens needs about":                  {},
		"trace of 5001 tokens needs about":                  {HTML: "f"},
		"trace --backward of 5000 tokens needs about":       {Backward: true},
		"on bert/plain, in float64, twice, of 5000 tokens ": {Without: []string{"gelu"}},
	} {
		n := 5000
		if o.HTML != "" {
			n++
		}
		tr := tracing{options: o, app: &cli.App{MaxMemory: 1 << 40}, m: m, text: tokenizer.Encoding{IDs: make([]int32, n)}}
		if err := tr.admit(); err != nil {
			t.Errorf("of a terabyte: %v", err)
		}
		tr.app.MaxMemory = 1 << 20
		if err := tr.admit(); err == nil || cli.ExitCode(t.Context(), err) != cli.ExitResources || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), "the memory budget is") {
			t.Errorf("of a megabyte: %v, want %s", err, want)
		}
	}
	stdout, stderr, code := bertlabel.Run(t, "", "trace", "--model", tinyModel, "--max-memory", "1KiB", "good")
	if code != cli.ExitResources || stdout != "" || !strings.Contains(stderr, "--max-memory") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
}

// The way back as JSON has what the text has.
func TestBackwardJSON(t *testing.T) {
	t.Parallel()
	stdout, stderr, code := bertlabel.Run(t, "", "trace", "--model", tinyModel, "--backward", "--json", "--labels", "food", "--check",
		"--entry", "bert/embeddings/word_embeddings[0,0]", "the food was not good .")
	var got struct {
		Text       string
		Loss, Norm float64
		Labels     []struct {
			Label string
			Y     int
			DZ    float64
		}
		Down      []struct{ Norm float64 }
		Gradients []struct {
			Name         string
			Shape, At    []int
			Norm         float64
			Weight       float64 `json:"weight_norm"`
			Largest      float64
			NoSuchValues []float64 `json:"Values"`
		}
		Step struct {
			Factor float64
			Moved  map[string]float64
			After  float64 `json:"loss_after"`
		}
		Checks []struct {
			Name  string
			At    []int
			Error any
		}
	}
	if err := json.Unmarshal([]byte(stdout), &got); code != cli.ExitOK || err != nil {
		t.Fatalf("exit %d, %v\n%s%s", code, err, stdout, stderr)
	}
	if got.Text != "the food was not good ." || got.Loss < 1 || len(got.Labels) != 4 || got.Labels[0].Y != 1 || len(got.Down) != 3 ||
		len(got.Gradients) != 41 || got.Gradients[0].NoSuchValues != nil || got.Step.After >= got.Loss || len(got.Step.Moved) != 41 ||
		got.Gradients[3].Weight == 0 || len(got.Gradients[3].Shape) != len(got.Gradients[3].At) || got.Norm == 0 {
		t.Errorf("%+v", got)
	}
	// Two keys' biases are not checked; an element that the text does not touch has gradient 0, and its relative error is no number.
	if n := len(got.Checks); n != 2*39+1 || got.Checks[0].At != nil || got.Checks[n-1].Error != "NaN" {
		t.Errorf("%d checks, the last %+v", len(got.Checks), got.Checks[len(got.Checks)-1])
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	got, stderr, code := cmdtest.Options(t, newTraceCmd, "trace", "--model", "m", "--pair", "b", "--token", "2", "--layer", "0", "--stage",
		"tokens", "--whole", "--json", "--output", "f", "--csv", "d", "--html", "h", "a")
	if code != cli.ExitOK || got.Text != "a" || got.Pair != "b" || got.Token != 2 || got.Layer == nil || *got.Layer != 0 || !got.Whole ||
		!got.JSON || got.Output != "f" || got.CSV != "d" || got.HTML != "h" || got.Stages[0] != "tokens" || got.Model.Path != "m" {
		t.Errorf("%+v, exit %d %s", got, code, stderr)
	}
	if got, _, _ := cmdtest.Options(t, newTraceCmd, "trace", "--model", "m", "a"); got == nil || got.Layer != nil {
		t.Errorf("without --layer: %+v", got)
	}
}

// The way back: loss, labels, what reaches each layer, each parameter, a step; --output has the gradients by the parameters' names.
func TestBackward(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "g.safetensors")
	stdout, stderr, code := bertlabel.Run(t, "", "trace", "--model", tinyModel, "--backward", "--labels", "food,praise", "--check", "--entry",
		"output_weights[2,3]", "--output", file, "the food was not good .")
	for _, want := range []string{"loss 2.", "embedding_output", "layer_1/attention/self/query/kernel", "key/bias", "output_weights[2,3]",
		"clipping", "then the loss is"} {
		if code != cli.ExitOK || !strings.Contains(stdout, want) {
			t.Errorf("exit %d, no %q in\n%s%s", code, want, stdout, stderr)
		}
	}
	narrow(t, stdout)
	src, err := safetensors.Open(file, checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if info, ok := src.Lookup("output_weights"); !ok || len(src.Tensors()) != 41 || info.Shape[0] != 4 {
		t.Errorf("%d gradients, output_weights %v", len(src.Tensors()), info)
	}
}
