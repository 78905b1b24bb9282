package scorecmd

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/train/data"
)

// explainedLine is what a line of JSON has.
type explainedLine struct {
	ID       any
	Label    string
	Method   string
	Logit    float64
	Baseline float64 `json:"baseline_logit"`
	Sum      float64
	Words    []struct {
		Word         string
		Start, End   int
		Second       bool
		Contribution float64
	}
	Special []struct {
		Token        string
		Contribution float64
	}
	Error string
}

func explainLines(t *testing.T, stdout string) (lines []explainedLine) {
	t.Helper()
	for text := range strings.Lines(stdout) {
		var l explainedLine
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		lines = append(lines, l)
	}
	return lines
}

// A line for each text and label, in order: the labels asked for, else those predicted, else the top one. The words are those of the
// text, and their contributions add up.
func TestExplain(t *testing.T) {
	t.Parallel()
	m := cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels)
	m.Thresholds = []float32{1, 1, 1}
	dir := cmdtest.ModelFolder(t, m)
	input := `{"id": 7, "text": "The cat, <sat>!", "text_pair": "on a mat"}` + "\n{}\n" + `{"text": "dog ran home"}` + "\n"
	stdout, stderr, code := bertlabel.Run(t, input, "explain", "--model", dir, "--label", cmdtest.TinyLabels[2], "--label", "joy")
	lines := explainLines(t, stdout)
	if code != cli.ExitData || len(lines) != 5 || lines[2].Error == "" || lines[0].ID != 7.0 || lines[3].ID != nil {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	for i, label := range map[int]string{0: cmdtest.TinyLabels[2], 1: "joy", 3: cmdtest.TinyLabels[2], 4: "joy"} {
		l := lines[i]
		sum := 0.0
		for _, w := range l.Words {
			sum += w.Contribution
		}
		if l.Label != label || l.Method != "integrated-gradients" || !(math.Abs(sum-l.Sum) <= 1e-9) ||
			!(math.Abs(l.Sum-(l.Logit-l.Baseline)) <= 0.01*max(0.2, math.Abs(l.Sum))) {
			t.Errorf("line %d: %+v", i, l)
		}
	}
	var words []string
	for _, w := range lines[0].Words {
		text := "The cat, <sat>!"
		if w.Second {
			text = "on a mat"
		}
		if text[w.Start:w.End] != w.Word {
			t.Errorf("%+v is not in %q", w, text)
		}
		words = append(words, w.Word)
	}
	if want := strings.Fields("The cat , < sat > ! on a mat"); !slices.Equal(words, want) || len(lines[0].Special) != 3 {
		t.Errorf("words %q, special %+v", words, lines[0].Special)
	}

	p, err := m.Predict(t.Context(), []model.Text{{A: "dog ran home"}})
	if err != nil {
		t.Fatal(err)
	}
	top := m.Labels[slices.Index(p[0].Logits, slices.Max(p[0].Logits))]
	for threshold, want := range map[float32][]string{0: cmdtest.TinyLabels, 1: {top}} {
		m.Thresholds = []float32{threshold, threshold, threshold}
		stdout, stderr, code := bertlabel.Run(t, "", "explain", "--model", cmdtest.ModelFolder(t, m), "--text", "dog ran home", "--method",
			"gradient-x-input")
		var labels []string
		for _, l := range explainLines(t, stdout) {
			if labels = append(labels, l.Label); l.Method != "gradient-x-input" || l.Special[0].Contribution == 0 {
				t.Errorf("%+v", l)
			}
		}
		if code != cli.ExitOK || !slices.Equal(labels, want) {
			t.Errorf("threshold %v: exit %d, labels %q, want %q\n%s", threshold, code, labels, want, stderr)
		}
	}
	for flags, want := range map[string]string{"--label gladness": `"joy"`, "--method lime": "integrated-gradients",
		"--steps 0": "want 1 to", "--input x": "text"} {
		_, stderr, code := bertlabel.Run(t, "", append([]string{"explain", "--model", dir, "--text", "a"}, strings.Fields(flags)...)...)
		if code != cli.ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %s", flags, code, stderr)
		}
	}
}

// What a terminal shows: red for, blue against, the stronger the more; numbers under NO_COLOR; nothing of the text is obeyed.
func TestExplainShown(t *testing.T) {
	t.Parallel()
	ex := &data.Example{Text: "never\x1b[31m came! ", Pair: "so"}
	found := []model.Explanation{{Label: "late\u202e", Logit: 2, Baseline: -1, Cut: 3, Words: []model.Contribution{
		{Word: "never", Start: 0, End: 5, Value: 3}, {Word: "came", Start: 11, End: 15, Value: -1.4},
		{Word: "!", Start: 15, End: 16, Value: 0.1},
		{Word: "so", Second: true, Start: 0, End: 2, Value: 1.3}}}}
	shown := func(colours bool) string {
		var b bytes.Buffer
		w := &shownExplanations{bufio.NewWriter(&b), model.IntegratedGradients, colours}
		if err := w.write(ex, found); err != nil {
			t.Fatal(err)
		}
		w.Flush()
		return b.String()
	}
	head := `late\u202e 0.881: logit +2.00 = -1.00 without the words +3.00 by them` + "\n"
	if got, want := shown(false), head+`never[+3.00]\x1b[31m came[-1.40]![+0.10]  ‖ so[+1.30]`+
		"\n(3 tokens more were cut)\n\n"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	const red, blue, pink, end = "\x1b[38;5;16;48;5;196m", "\x1b[38;5;16;48;5;117m", "\x1b[38;5;16;48;5;210m", "\x1b[0m"
	if got, want := shown(true), head+red+"never"+end+`\x1b[31m `+blue+"came"+end+"!  ‖ "+pink+"so"+end+"\nnever +3.00, came -1.40, so "+
		"+1.30, ! +0.10\n(3 tokens more were cut)\n\n"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	yes, no := true, false
	for _, c := range []struct {
		terminal       bool
		json           *bool
		noColour, want string
	}{
		{false, nil, "", "*scorecmd.jsonExplanations"},
		{true, nil, "", "colours"},
		{true, nil, "1", "numbers"},
		{true, &yes, "", "*scorecmd.jsonExplanations"},
		{false, &no, "", "numbers"},
	} {
		env := map[string]string{"NO_COLOR": c.noColour, "TERM": "xterm"}
		app := cli.New(cli.Process{Env: func(name string) string { return env[name] }}, nil, nil, nil, nil)
		x := &explanation{explainOptions: explainOptions{JSON: c.json}, app: app}
		w := x.writer(nil, c.terminal)
		got := fmt.Sprintf("%T", w)
		if s, ok := w.(*shownExplanations); ok {
			got = map[bool]string{true: "colours", false: "numbers"}[s.colours]
		}
		if got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// The report of eval explains the rows that are most wrong, by their label that is most wrong.
func TestExplainReport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rows, page := filepath.Join(dir, "rows.csv"), filepath.Join(dir, "report.html")
	cmdtest.WriteFile(t, rows, cmdtest.LabelledCSV(30, 1))
	m := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.CLS, []string{"animal", "colour"}))
	for n, want := range map[string]int{"3": 3, "0": 0} {
		_, stderr, code := bertlabel.Run(t, "", "eval", "--model", m, "--data", rows, "--report", page, "--explain-rows", n)
		text, err := os.ReadFile(page)
		if code != cli.ExitOK || err != nil {
			t.Fatalf("exit %d, %v\n%s", code, err, stderr)
		}
		if got := strings.Count(string(text), `<div class="words">`); got != want {
			t.Errorf("--explain-rows %s: %d rows explained", n, got)
		}
	}
	if got := mostWrongLabel([]int8{1, data.Unknown, 0}, []float32{0.4, 0.99, 0.7}); got != 2 {
		t.Errorf("most wrong is label %d", got)
	}
}
